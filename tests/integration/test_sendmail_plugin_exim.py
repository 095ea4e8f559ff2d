"""The sendmail plugin hands mail to Exim's own program, which keeps it byte for byte."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import mail_exim
import pytest
from awkward import AWKWARD
from flask import Flask
from mail_exim import Exim

from flask_mail import Mail, Message, Receipt, UnsupportedFeature

pytestmark = mail_exim.NEEDED
PLUGIN = Path(__file__).parents[2] / "plugins" / "flask-mail-sendmail"


@pytest.fixture(scope="module")
def exim() -> Iterator[Exim]:
    with mail_exim.running() as exim:
        yield exim


@pytest.fixture
def mail(exim: Exim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mail:
    monkeypatch.syspath_prepend(str(PLUGIN))
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\nexec {mail_exim.EXIM} -C {exim.root}/exim.conf "$@"\n')
    program.chmod(stat.S_IRWXU)
    app = Flask("shop")
    app.config.update(
        MAIL_BACKEND="flask_mail_sendmail:SendmailBackend",
        MAIL_SENDMAIL_PATH=str(program),
        MAIL_DEFAULT_SENDER="kaethe@example.org",
    )
    return Mail(app)


def spool_id(exim: Exim, receipt: Receipt) -> str:
    """Return under what id the spool has the message of this receipt."""
    assert receipt.sent
    [found] = [name for name, id_ in exim.spooled().items() if id_ == receipt.message_id]
    return found


def arrival(exim: Exim, receipt: Receipt) -> str:
    """Return from whom the message of this receipt came, as the log tells."""
    [line] = [each for each in exim.log.splitlines() if f" {spool_id(exim, receipt)} <= " in each]
    return line.partition(" <= ")[2].split()[0]


def test_awkward_messages_are_kept_as_they_were_made(mail: Mail, exim: Exim) -> None:
    messages = [draft.message(name, Message) for name, draft in AWKWARD.items()]
    for each in messages:
        each.mail_options = each.rcpt_options = []

    for message, receipt in zip(messages, mail.send_many(messages), strict=True):
        kept = message.as_bytes().replace(b"\r\n", b"\n").removesuffix(b"\n") + b"\n"
        assert exim.content(spool_id(exim, receipt)) == kept


def test_an_address_that_looks_like_an_option_is_an_address(mail: Mail, exim: Exim) -> None:
    message = Message("Hello", ["-bs@example.test"], "Hi", sender="-N@example.org")
    assert arrival(exim, mail.send(message)) == "-N@example.org"


def test_a_message_that_bounces_to_nobody_has_the_empty_sender(mail: Mail, exim: Exim) -> None:
    with mail.connect() as connection:
        receipt = connection.send(Message("Hello", ["ann@example.test"], "Hi"), envelope_from="<>")
    assert arrival(exim, receipt) == "<>"


def test_the_type_of_the_body_is_taken(mail: Mail, exim: Exim) -> None:
    message = Message("Hello", ["ann@example.test"], "Hi", mail_options=["BODY=8BITMIME"])
    assert arrival(exim, mail.send(message)) == "kaethe@example.org"


def test_a_request_that_exim_would_misunderstand_does_not_reach_it(mail: Mail, exim: Exim) -> None:
    before = exim.spooled()
    message = Message("Hello", ["ann@example.test"], "Hi", rcpt_options=["NOTIFY=NEVER"])
    with pytest.raises(UnsupportedFeature, match="NOTIFY"):
        mail.send(message)
    assert exim.spooled() == before
