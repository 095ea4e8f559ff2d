"""Signed messages that go through Postfix are verified by OpenDKIM behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import mail_postfix
import pytest
from awkward import AWKWARD
from dkim_judges import NEEDS_OPENDKIM, ed25519_pem, opendkim, rsa_pem
from mail_postfix import Postfix, queue_id

from flask_mail import Mail, Message, Outgoing
from flask_mail.backends.dkim import DkimBackend
from flask_mail.backends.null import NullBackend

pytestmark = [*mail_postfix.NEEDED, *NEEDS_OPENDKIM]

KEYS = [{"SELECTOR": "r1", "KEY": rsa_pem()}, {"SELECTOR": "e1", "KEY": ed25519_pem()}]
DOMAINS = {"example.com": KEYS}
GOOD = ["pass", "pass"]


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    records = DkimBackend(mailer=NullBackend(), domains=DOMAINS).dkim_records()
    with opendkim(records) as milter, mail_postfix.running(milter) as postfix:
        yield postfix


# Content comes by BDAT if CHUNKING is offered, else by DATA.
@pytest.fixture(params=["mx", "no-chunking", "no-extension"])
def mail(request: pytest.FixtureRequest, postfix: Postfix) -> Mail:
    return postfix.mail(
        request.param,
        MAIL_BACKEND="dkim",
        MAIL_DKIM_MAILER="smtp",
        MAIL_DKIM_DOMAINS=DOMAINS,
        MAIL_DEFAULT_SENDER="news@example.com",
    )


class Redirected(Message):
    """A message that goes to the one mailbox here, whomever it names."""

    @property
    def send_to(self) -> set[str]:
        return {"juergen@example.test"}


class Ready(Message):
    """A message whose content may be changed."""

    content = b""

    def as_bytes(self) -> bytes:
        return self.content or super().as_bytes()


def verdicts(stored: bytes) -> list[str]:
    """Return what OpenDKIM says of each signature."""
    [field] = re.findall(
        rb"^Authentication-Results: mx\.test;((?:.*\n)(?:[ \t].*\n)*)", stored, re.MULTILINE
    )
    return [each.decode() for each in re.findall(rb"\bdkim=(\w+)", field)]


def test_awkward_messages_verify_behind_postfix(postfix: Postfix, mail: Mail) -> None:
    messages = []
    for name, draft in AWKWARD.items():
        messages.append(draft.message(name, Redirected))
        messages[-1].sender = (draft.sender[0], "me@news.example.com")
    receipts = mail.send_many(messages)
    found = {
        name: verdicts(postfix.stored(queue_id(receipt)))
        for name, receipt in zip(AWKWARD, receipts, strict=True)
        if receipt.sent or "SMTPUTF8" not in str(receipt.error)
    }
    assert len(AWKWARD) - len(found) <= 1
    assert {name: each for name, each in found.items() if each != GOOD} == {}


def test_large_file_verifies_behind_postfix(postfix: Postfix, mail: Mail, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * 20_000)
    message = Message("Large", ["juergen@example.test"], "See the file.")
    message.attach_file(path)
    assert verdicts(postfix.stored(queue_id(mail.send(message)))) == GOOD


def test_changed_message_does_not_verify_behind_postfix(postfix: Postfix) -> None:
    """The judge can refuse."""
    backend = DkimBackend(mailer=NullBackend(), domains=DOMAINS)
    message = Ready("Hi", ["juergen@example.test"], "Hello", sender="me@example.com")
    signed = backend.signed(Outgoing.of(message)).content
    message.content = signed.replace(b"Subject: Hi", b"Subject: Ho")
    receipt = postfix.mail().send(message)
    assert "pass" not in verdicts(postfix.stored(queue_id(receipt)))
