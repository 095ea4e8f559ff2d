"""The sendmail plugin hands mail to Postfix's own program, which stores it byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mail_postfix
import pytest
from awkward import AWKWARD
from flask import Flask
from mail_postfix import Postfix
from mail_programs import until

from flask_mail import BackendUnavailable, DeliveryUnknown, Mail, Message

pytestmark = mail_postfix.NEEDED
PLUGIN = Path(__file__).parents[2] / "plugins" / "flask-mail-sendmail"


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with mail_postfix.running() as postfix:
        yield postfix


@pytest.fixture
def mail(postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> Mail:
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.setenv("MAIL_CONFIG", str(postfix.etc))
    app = Flask("shop")
    app.config.update(
        MAIL_BACKEND="flask_mail_sendmail:SendmailBackend",
        MAIL_SENDMAIL_PATH=postfix.sendmail,
        MAIL_DEFAULT_SENDER=("Käthe", "kaethe@example.org"),
    )
    return Mail(app)


def queue_ids(postfix: Postfix, *message_ids: str) -> list[str]:
    """Return the queue ids of these messages, which their receipts do not tell."""

    def found() -> list[str]:
        known = {message_id: queue_id for queue_id, message_id in postfix.message_ids()}
        return [known[each] for each in message_ids if each in known]

    return until(lambda: len(found()) == len(message_ids), lambda: postfix.log) and found()


class Redirected(Message):
    """A message that goes to the mailboxes here, whomever it names."""

    @property
    def send_to(self) -> set[Any]:
        return {"ann@example.test", "bob@example.test"}


def test_awkward_messages_are_stored_as_they_were_made(mail: Mail, postfix: Postfix) -> None:
    messages = [draft.message(name, Redirected) for name, draft in AWKWARD.items()]
    for each in messages:
        each.mail_options = each.rcpt_options = []

    receipts = mail.send_many(messages)

    ids = queue_ids(postfix, *(each.message_id for each in receipts))
    delivered = postfix.delivered(*ids)
    for each, queue_id in zip(messages, ids, strict=True):
        stored = each.as_bytes().replace(b"\r\n", b"\n").removesuffix(b"\n") + b"\n"
        assert delivered[queue_id] == stored
        assert postfix.recipients_of(queue_id) == ["ann@example.test", "bob@example.test"]


def test_an_address_that_is_not_ascii_before_the_at_arrives(mail: Mail, postfix: Postfix) -> None:
    receipt = mail.send_message("Hello", ["jörg@example.test"], "Hi")

    (queue_id,) = queue_ids(postfix, receipt.message_id)
    postfix.delivered(queue_id)
    assert postfix.recipients_of(queue_id) == ["jörg@example.test"]


def test_a_message_that_bounces_to_nobody_has_the_empty_sender(
    mail: Mail, postfix: Postfix
) -> None:
    with mail.connect() as connection:
        receipt = connection.send(Message("Hello", ["ann@example.test"], "Hi"), envelope_from="<>")

    (queue_id,) = queue_ids(postfix, receipt.message_id)
    postfix.delivered(queue_id)
    assert f"{queue_id}: from=<>," in postfix.log


def test_what_is_asked_about_notifications_is_kept(mail: Mail, postfix: Postfix) -> None:
    """Of a delivery that nobody wants to hear of, the sender hears nothing; else he does."""
    mail.app.config["MAIL_SENDMAIL_DSN"] = True
    asked = {}
    for notify in ("NEVER", "SUCCESS"):
        message = Message("Hello", ["ann@example.test"], "Hi", sender="bob@example.test")
        message.mail_options = ["RET=HDRS", "ENVID=order-42", "BODY=7BIT"]
        message.rcpt_options = [f"NOTIFY={notify}"]
        asked[notify] = mail.send(message).message_id

    never, success = queue_ids(postfix, *asked.values())
    postfix.delivered(never, success)
    assert f"{success}: sender delivery status notification: " in postfix.log
    assert f"{never}: sender delivery status notification: " not in postfix.log


def test_a_message_that_is_too_large_may_have_been_kept(mail: Mail) -> None:
    """Postfix calls that a temporary failure, with which other programs keep a message."""
    with pytest.raises(DeliveryUnknown, match="message file too big"):
        mail.send(_too_large())


def test_oversized_message_is_not_sent_with_all_or_nothing(
    mail: Mail,
) -> None:
    mail.app.config["MAIL_SENDMAIL_ALL_OR_NOTHING"] = "true"
    with pytest.raises(BackendUnavailable, match="message file too big"):
        mail.send(_too_large())


def test_a_configuration_that_is_none_is_a_failure_that_says_so(
    mail: Mail, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MAIL_CONFIG", str(tmp_path))
    (receipt,) = mail.send_many([_hello()])

    assert not receipt.sent
    assert "main.cf" in receipt.response


def _too_large() -> Message:
    message = _hello()
    message.attach("large.bin", data=bytes(40_000_000))
    return message


def _hello() -> Message:
    return Message("Hello", ["ann@example.test"], "Hi")
