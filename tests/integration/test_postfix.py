"""Delivery to Postfix: a mail server that is used, with its own idea of the protocol.

What its own log, queue and maildir say is the judge of what a receipt says.
"""

from __future__ import annotations

import email
import random
from collections.abc import Iterator, Sequence
from email import policy
from pathlib import Path
from typing import Any

import mail_postfix
import pytest
from awkward import AWKWARD
from mail_postfix import Postfix, queue_id

from flask_mail import Message

pytestmark = mail_postfix.NEEDED

# What the server offers, what the settings want of it, and the command that content then comes by.
WAYS = pytest.mark.parametrize(
    ("service", "settings", "command"),
    [
        pytest.param("mx", {}, "bdat", id="all"),
        pytest.param("no-chunking", {}, "data", id="no CHUNKING"),
        pytest.param("no-pipelining", {}, "bdat", id="no PIPELINING"),
        pytest.param("no-extension", {}, "data", id="no extension"),
        pytest.param("mx", {"MAIL_CHUNKING": False}, "data", id="MAIL_CHUNKING off"),
        pytest.param("mx", {"MAIL_PIPELINING": False}, "bdat", id="MAIL_PIPELINING off"),
        pytest.param(
            "mx", {"MAIL_CHUNKING": False, "MAIL_PIPELINING": False}, "data", id="both off"
        ),
    ],
)
OFFERS = pytest.mark.parametrize("service", ["mx", "no-chunking", "no-pipelining", "no-extension"])
# So that a connection ends with its block, and Postfix then tells what it was asked.
UNPOOLED = {"MAIL_POOL_SIZE": 0}


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with mail_postfix.running() as postfix:
        yield postfix


class Ready(Message):
    """A message whose content a program has made itself, as those that sign it do."""

    content = b""

    def as_bytes(self) -> bytes:
        return self.content


class Redirected(Message):
    """A message that goes to the one mailbox here, whomever it names."""

    @property
    def send_to(self) -> set[Any]:
        return {"juergen@example.test"}


def numbered(count: int) -> Iterator[Message]:
    for number in range(count):
        yield Message(f"Number {number}", ["juergen@example.test"], f"For number {number} alone.")


def assert_numbered(contents: Sequence[bytes]) -> None:
    for number, content in enumerate(contents):
        assert f"\nSubject: Number {number}\n".encode() in b"\n" + content
        assert content.endswith(f"\n\nFor number {number} alone.\n".encode())


def as_stored(message: Message) -> bytes:
    """Return a message as a maildir has it: with this system's line ends, one at the end too."""
    return message.as_bytes().replace(b"\r\n", b"\n").removesuffix(b"\n") + b"\n"


def test_postfix_delivers_what_was_sent(postfix: Postfix) -> None:
    data = bytes(range(256)) * 50
    message = Message(
        "Grüße ✓",
        [("Jürgen, im Büro", "juergen@example.test")],
        body=".starts with a dot\n\nFrom here\nzwölf Boxkämpfer " + "x" * 2000,
        html="<p>zwölf</p>",
        bcc=["hidden@example.test"],
    )
    message.attach("übersicht.bin", "application/octet-stream", data)
    [content] = postfix.assert_agrees_with([postfix.mail().send(message)])
    arrived: Any = email.message_from_bytes(content, policy=policy.default)
    assert arrived["Subject"] == "Grüße ✓"
    assert arrived["From"] == "Käthe <kaethe@example.org>"
    assert arrived["To"].addresses[0].display_name == "Jürgen, im Büro"
    assert arrived["Bcc"] is None
    assert arrived.get_body(("plain",)).get_content().rstrip("\n") == message.body
    assert arrived.get_body(("html",)).get_content().rstrip("\n") == message.html
    (attachment,) = arrived.iter_attachments()
    assert attachment.get_filename() == "übersicht.bin"
    assert attachment.get_content() == data


def test_a_batch_of_a_thousand_goes_over_one_connection_each_message_once(postfix: Postfix) -> None:
    receipts = postfix.mail(**UNPOOLED).send_many(numbered(1000))
    assert len(receipts) == 1000
    assert {receipt.attempts for receipt in receipts} == {1}
    port = postfix.only_connection("mx", receipts).port
    assert_numbered(postfix.assert_agrees_with(receipts))
    assert postfix.connection_from(port).commands["mail"] == 1000


@WAYS
def test_a_batch_arrives_whatever_the_server_offers_and_the_settings_want(
    postfix: Postfix, service: str, settings: dict[str, bool], command: str
) -> None:
    receipts = postfix.mail(service, **settings, **UNPOOLED).send_many(numbered(100))
    port = postfix.only_connection(service, receipts).port
    assert_numbered(postfix.assert_agrees_with(receipts))
    commands = postfix.connection_from(port).commands
    assert commands[command] == 100
    assert {"bdat", "data"} & set(commands) == {command}


@WAYS
def test_content_that_looks_like_the_protocol_arrives_as_content(
    postfix: Postfix, service: str, settings: dict[str, bool], command: str
) -> None:
    trap = (
        "{start}\r\n.\r\n..\r\n...\r\n.\r\nMAIL FROM:<evil@example.org>\r\n"
        "RCPT TO:<juergen@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nin DATA\r\n.\r\n"
        "RSET\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<juergen@example.test>\r\n"
        "BDAT 27 LAST\r\nSubject: smuggled\r\n\r\nBDAT\r\nQUIT\r\n.\r\n.{end}"
    )
    messages = []
    for start, end in (("", ""), (".", "\r\n"), ("x", "\r\n."), ("..", "\r\n.\r\n")):
        text = trap.format(start=start, end=end)
        messages.append(Message("Trap", ["juergen@example.test"], text))
        ready = Ready("Trap", ["juergen@example.test"])
        ready.content = f"Message-ID: {ready.msgId}\r\n\r\n{text}".encode()
        messages.append(ready)
    with postfix.mail(service, **settings, **UNPOOLED).connect() as connection:
        receipts = [connection.send(message) for message in messages]
        receipts += connection.send_many(reversed(messages))
    port = postfix.only_connection(service, receipts).port
    delivered = postfix.delivered(*map(queue_id, receipts))
    for message, receipt in zip([*messages, *reversed(messages)], receipts, strict=True):
        assert delivered[queue_id(receipt)] == as_stored(message)
        assert b"\n.\n" in delivered[queue_id(receipt)]
    # By DATA, whatever the server offers: a chunk that it refused could be read as commands.
    commands = postfix.connection_from(port).commands
    assert commands["mail"] == commands["rcpt"] == commands["data"] == len(receipts)
    assert "bdat" not in commands


@OFFERS
def test_a_message_of_twenty_mebibytes_arrives_byte_for_byte(
    postfix: Postfix, service: str
) -> None:
    message = Message("Large", ["juergen@example.test"], "See the attachment.")
    # Base64 makes it a third larger.
    data = random.Random(service).randbytes(15 * 1024 * 1024)
    message.attach("data.bin", "application/octet-stream", data)
    receipt = postfix.mail(service).send(message)
    [content] = postfix.assert_agrees_with([receipt])
    assert len(content) > 20 * 1024 * 1024
    # Not in one expression: pytest would take minutes to show a difference.
    is_intact = content == as_stored(message)
    assert is_intact


def test_a_large_file_arrives_byte_for_byte(postfix: Postfix, tmp_path: Path) -> None:
    """It is read and encoded block by block as it is sent."""
    path = tmp_path / "large.bin"
    path.write_bytes(random.Random(1).randbytes(8 * 1024 * 1024 + 1))
    messages = [Message("Large", ["juergen@example.test"], "See the file.") for _ in range(2)]
    for message in messages:
        message.attach_file(path)
    messages[1].attach("small.bin", "application/octet-stream", b"data")
    receipts = postfix.mail().send_many(messages)
    for content, message in zip(postfix.assert_agrees_with(receipts), messages, strict=True):
        is_intact = content == as_stored(message)
        assert is_intact
    attached = email.message_from_bytes(content).get_payload()[1]
    is_intact = attached.get_payload(decode=True) == path.read_bytes()
    assert is_intact


@pytest.mark.parametrize("service", ["mx", "no-chunking"])
def test_awkward_messages_are_stored_as_they_were_built(postfix: Postfix, service: str) -> None:
    messages = [
        draft.message(f"{name} at {service}", Redirected) for name, draft in AWKWARD.items()
    ]
    receipts = postfix.mail(service).send_many(messages)
    stored = postfix.assert_agrees_with(receipts)
    for name, content, message in zip(AWKWARD, stored, messages, strict=True):
        assert (name, content) == (name, as_stored(message))


@pytest.mark.parametrize("service", ["mx", "no-chunking", "no-pipelining"])
def test_a_large_message_of_eight_bits_arrives_as_it_was_made(
    postfix: Postfix, service: str
) -> None:
    """It needs 8BITMIME, and has line ends and dots wherever a chunk may end."""
    lines = [b".", b"..", b"\xc3\xa9", b"\xff\x80", b"BDAT 0 LAST", b"QUIT", b"", b"x" * 900]
    message = Ready("Ready", ["juergen@example.test"])
    message.content = f"Message-ID: {message.msgId}\r\n\r\n".encode()
    message.content += b"\r\n".join(random.Random(service).choices(lines, k=20_000)) + b".\r\n"
    [content] = postfix.assert_agrees_with([postfix.mail(service).send(message)])
    is_intact = content == as_stored(message)
    assert is_intact


def test_sends_of_one_mail_share_a_warm_connection(postfix: Postfix) -> None:
    mail = postfix.mail(MAIL_KEEPALIVE=3600)
    receipts = [mail.send(message) for message in numbered(5)]
    postfix.only_connection("mx", receipts)
    assert_numbered(postfix.assert_agrees_with(receipts))


def test_a_batch_and_single_sends_share_a_warm_connection(postfix: Postfix) -> None:
    mail = postfix.mail(MAIL_KEEPALIVE=3600)
    receipts = [mail.send(message) for message in numbered(2)]
    receipts += mail.send_many(numbered(20))
    with mail.connect() as connection:
        receipts += [connection.send(message) for message in numbered(2)]
    postfix.only_connection("mx", receipts)
    postfix.assert_agrees_with(receipts)


def test_mail_max_emails_counts_the_messages_of_a_connection_across_sends(
    postfix: Postfix,
) -> None:
    mail = postfix.mail(MAIL_MAX_EMAILS=2, MAIL_KEEPALIVE=3600)
    receipts = [mail.send(message) for message in numbered(5)]
    for part in (receipts[:2], receipts[2:4], receipts[4:]):
        postfix.only_connection("mx", part)
    assert_numbered(postfix.assert_agrees_with(receipts))


def test_mail_max_emails_renews_the_connection_in_the_middle_of_a_batch(postfix: Postfix) -> None:
    receipts = postfix.mail(MAIL_MAX_EMAILS=40, **UNPOOLED).send_many(numbered(100))
    for part in (receipts[:40], receipts[40:80], receipts[80:]):
        postfix.only_connection("mx", part)
    assert_numbered(postfix.assert_agrees_with(receipts))
