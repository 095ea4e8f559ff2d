"""Uses of the public names, only for mypy: nothing runs this file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from typing_extensions import assert_type

from flask_mail import (
    Attachment,
    Connection,
    DeliveryError,
    Envelope,
    Mail,
    Message,
    Outcome,
    Receipt,
    Refusal,
    email_dispatched,
)
from flask_mail.backends import Backend, Feature, MessageRefused, Outgoing, Secret

app = Flask(__name__)
mail = Mail(app)
later = Mail()
later.init_app(app)

message = Message(
    "Hello",
    ["ann@example.com", ("Bob", "bob@example.com")],
    sender=("Me", "me@example.com"),
    reply_to=["one@example.com", "two@example.com"],
    attachments=[Attachment("a.txt", "text/plain", "data")],
    extra_headers={"X-Campaign": "42"},
    tags=("welcome",),
    metadata={"order": 4711, "paid": True},
    options={"ses": {"configuration_set": "shop"}},
    key="order-42",
)
message.tags.append("trial")
message.metadata = {"order": "4711"}
message.options["ses"] = {"configuration_set": "shop"}
message.recipients = ("ann@example.com",)
message.recipients = {"ann@example.com"}
message.recipients.append("bob@example.com")
message.html = "<b>Hi</b>"
message.attach("b.bin", data=b"data", headers={"Content-ID": "<b>"})
assert_type(message.as_bytes(), bytes)
assert_type(message.envelope, Envelope | None)

assert_type(mail.send(message), Receipt)
assert_type(mail.send_many(message for _ in range(3)), list[Receipt])
assert_type(mail.send_many([message], on_receipt=print), None)
assert_type(mail.outbox, list[Message])
assert_type(mail.using("bulk").send_many([message]), list[Receipt])
assert_type(message.mailer, str)
assert_type(message.key, str | None)


@mail.admit
def admitted(outgoing: Outgoing) -> Outgoing:
    return outgoing


assert_type(admitted(Outgoing.of(message)), Outgoing)
mail.admit("no function")  # type: ignore[type-var]
with mail.connect(max_emails=10) as connection:
    assert_type(connection, Connection)
    assert_type(connection.send(message, envelope_from="<>"), Receipt)
with mail.record_messages() as outbox:
    assert_type(outbox, list[Message])


@mail.preview("welcome")
def welcome(name: str = "Ann") -> Message:
    return Message(f"Welcome, {name}")


assert_type(welcome("Bob"), Message)


@mail.preview
def goodbye(name: str = "Ann") -> Message:
    return Message(f"Goodbye, {name}")


assert_type(goodbye("Bob"), Message)

receipt = mail.send(message)
assert_type(receipt.outcome, Outcome)
assert_type(receipt.refused, Mapping[str, Refusal])
assert_type(receipt.sent, bool)

try:
    mail.send(message)
except DeliveryError as error:
    assert_type(error.receipt, Receipt | None)


@email_dispatched.connect
def log_message(message: Message, app: Flask) -> None:
    app.logger.info(message.subject)


@dataclass(frozen=True)
class Stamp:
    """Message options of the folder."""

    value: int = 80


class FolderBackend(Backend[None]):
    """A backend without sessions."""

    name = "folder"
    external = False
    features = Backend.features - {Feature.ATTACHMENTS} | {Feature.TAGS}
    max_recipients = 50
    message_options = Stamp

    def __init__(self, *, path: Path, key: Secret | None = None, level: int = 1) -> None:
        self.path = path
        self.key = key.reveal() if key is not None else ""
        self.level = level

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        assert_type(mail.tags, tuple[str, ...])
        assert_type(mail.metadata, dict[str, str])
        stamp: Stamp = self.options_of(mail)
        if stamp.value < 0:
            raise self.unsupported("debts")
        if not mail.envelope.sender:
            raise MessageRefused("No sender.")
        (self.path / "mail.eml").write_bytes(mail.content)
        return self.accepted(mail, response="written")


class SessionBackend(Backend[dict[str, Any]]):
    """A backend whose sessions are dicts."""

    name = "session"

    def open(self) -> dict[str, Any]:
        return {}

    def close(self, session: dict[str, Any]) -> None:
        session.clear()

    def deliver(self, mail: Outgoing, session: dict[str, Any]) -> Receipt:
        session[mail.message_id] = mail.content
        return self.accepted(mail)


assert_type(FolderBackend(path=Path()).send(message), Receipt)
