"""Delivery to Postfix: a mail server that is used, with its own idea of the protocol."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import uuid
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from flask import Flask

from flask_mail import Mail, Message, MessageRefused, Outcome

POSTFIX = shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(
        (POSTFIX is None or os.geteuid() != 0) and not os.environ.get("CI"),
        reason="needs Postfix (Debian: apt-get install postfix) and root",
    ),
]

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
maillog_file_prefixes = {root}
maillog_file = {root}/mail.log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.test
mydestination =
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access
    inline:{{{{nobody@example.test = 550 5.1.1 no such user}}}}
virtual_mailbox_domains = example.test
virtual_mailbox_base = {mail}
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtputf8_enable = no
"""

MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
"""


@pytest.fixture(scope="module")
def postfix():
    """Run Postfix with a configuration of its own; yield its port and its maildir."""
    assert POSTFIX, "CI has to install Postfix"
    # Not tmp_path: Postfix's processes are other users and must get through.
    root = Path(tempfile.mkdtemp(prefix="flask-mail-postfix-"))
    root.chmod(0o755)
    account = pwd.getpwnam("nobody")
    for name in ("queue", "data", "mail", "etc"):
        (root / name).mkdir(mode=0o755)
    shutil.chown(root / "data", "postfix")
    shutil.chown(root / "mail", account.pw_uid, account.pw_gid)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    values = {
        "root": root,
        "queue": root / "queue",
        "data": root / "data",
        "mail": root / "mail",
        "port": port,
        "uid": account.pw_uid,
        "gid": account.pw_gid,
    }
    (root / "etc" / "main.cf").write_text(MAIN_CF.format(**values))
    (root / "etc" / "master.cf").write_text(MASTER_CF.format(**values))
    control = [POSTFIX, "-c", str(root / "etc")]
    subprocess.run([*control, "start"], check=True, capture_output=True, timeout=60)
    try:
        yield port, root
    finally:
        subprocess.run([*control, "stop"], check=True, capture_output=True, timeout=60)
        shutil.rmtree(root)


@pytest.fixture
def mail(postfix):
    app = Flask(__name__)
    app.config.update(
        MAIL_SERVER="127.0.0.1",
        MAIL_PORT=postfix[0],
        MAIL_DEFAULT_SENDER=("Käthe", "kaethe@example.org"),
    )
    return Mail(app)


def delivered(root, queue_id):
    """Return the message that Postfix has written to the maildir under this queue id."""
    log = root / "mail.log"
    done = f"{queue_id}: removed"
    for _ in range(600):
        if log.exists() and done in log.read_text():
            break
        threading.Event().wait(0.05)  # another program's work: there is nothing to be told by
    else:
        raise AssertionError(f"Postfix did not deliver {queue_id}:\n{log.read_text()}")
    for path in (root / "mail" / "inbox" / "new").iterdir():
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        if queue_id in message["Received"]:
            return message
    raise AssertionError(f"{queue_id} is not in the maildir")


def test_postfix_delivers_what_was_sent(postfix, mail):
    data = bytes(range(256)) * 50
    message = Message(
        "Grüße ✓",
        [("Jürgen, im Büro", "juergen@example.test")],
        body=".starts with a dot\n\nFrom here\nzwölf Boxkämpfer " + "x" * 2000,
        html="<p>zwölf</p>",
        bcc=["hidden@example.test"],
    )
    message.attach("übersicht.bin", "application/octet-stream", data)
    receipt = mail.send(message)
    assert receipt.sent
    queue_id = receipt.response.split()[-1]
    arrived = delivered(postfix[1], queue_id)
    assert arrived["Subject"] == "Grüße ✓"
    assert arrived["From"] == "Käthe <kaethe@example.org>"
    assert arrived["To"].addresses[0].display_name == "Jürgen, im Büro"
    assert arrived["Bcc"] is None
    assert arrived.get_body(("plain",)).get_content().rstrip("\n") == message.body
    assert arrived.get_body(("html",)).get_content().rstrip("\n") == message.html
    (attachment,) = arrived.iter_attachments()
    assert attachment.get_filename() == "übersicht.bin"
    assert attachment.get_content() == data


def test_a_refused_recipient_is_told_and_the_others_get_the_message(postfix, mail):
    receipt = mail.send(Message("Hi", ["nobody@example.test", "juergen@example.test"]))
    assert receipt.sent
    assert receipt.refused["nobody@example.test"][:2] == (550, "5.1.1")
    assert delivered(postfix[1], receipt.response.split()[-1])["Subject"] == "Hi"


def test_relaying_is_refused_for_good(mail):
    with pytest.raises(MessageRefused) as caught:
        mail.send(Message("Hi", ["somebody@elsewhere.test"]))
    assert caught.value.receipt.outcome is Outcome.REFUSED


def test_a_batch_over_one_connection_arrives_whole(postfix, mail):
    token = uuid.uuid4().hex
    receipts = mail.send_many(
        Message(f"{token} {number}", ["juergen@example.test"], f"Number {number}")
        for number in range(50)
    )
    subjects = [
        delivered(postfix[1], receipt.response.split()[-1])["Subject"] for receipt in receipts
    ]
    assert subjects == [f"{token} {number}" for number in range(50)]
