"""Changes by subclasses of Message, and lazy strings."""

from __future__ import annotations

import email
from collections.abc import Callable
from email.message import Message as Part
from typing import Any
from unittest import mock

import pytest
from reading import compose, headers_of, parsed

from flask_mail import Attachment, BadHeaderError, Message, Outgoing


class Lazy:
    """A lazy string: its words are found when they are asked for."""

    def __init__(self, find: Callable[[], str]) -> None:
        self._find = find

    def __str__(self) -> str:
        return self._find()


def subclassed(**members: Any) -> Message:
    message: Message = type("Own", (Message,), members)(
        "Hi", ["a@b.c"], "body", "<p>é", sender="Zoë <d@e.f>", date=0
    )
    return message


def test_a_subclass_may_add_a_header_to_the_tree() -> None:
    """Programs for 0.10 set headers and wrap their mail this way."""

    def _message(self: Message) -> Part:
        tree = Message._message(self)
        tree["X-Own"] = "é"
        tree.replace_header("Subject", "Other")
        return tree

    message = subclassed(_message=_message)

    content = Outgoing.of(message).content

    assert content == message.as_bytes()
    assert headers_of(content)["Subject"] == "Other"
    assert parsed(content)["X-Own"] == "é"


@pytest.mark.parametrize("local_part", ["zoe", "zoë"])
def test_a_tree_that_is_left_alone_renders_to_the_same_octets(local_part: str) -> None:
    plain = subclassed()
    plain.attach("é.eml", "message/rfc822", "Subject: one\n\n" + "x" * 200)
    plain.recipients = [("Smith, Jöhn" * 9, f"{local_part}{i}@b.c") for i in range(9)]

    tree = plain._message()

    assert tree.as_bytes() == plain.as_bytes()
    assert email.message_from_bytes(plain.as_bytes()).keys() == tree.keys()


def test_a_tree_of_the_old_kind_is_sent_with_crlf() -> None:
    def _message(self: Message) -> Part:
        return email.message_from_string("Subject: one\n\nbody\n")

    assert Outgoing.of(subclassed(_message=_message)).content == b"Subject: one\r\n\r\nbody\r\n"


def test_the_tree_of_one_message_may_be_replaced() -> None:
    message = compose()
    tree = email.message_from_string("Subject: one\r\n\r\nbody")
    message._message = lambda: tree  # type: ignore[method-assign]

    assert message.as_bytes() == tree.as_bytes()


def test_a_subclass_may_sign_the_octets() -> None:
    def as_bytes(self: Message) -> bytes:
        return b"DKIM-Signature: v=1\r\n" + Message.as_bytes(self)

    message = subclassed(as_bytes=as_bytes)

    assert Outgoing.of(message).content.startswith(b"DKIM-Signature: v=1\r\nSubject: Hi\r\n")
    assert str(message).startswith("DKIM-Signature: v=1\r\n")


def test_a_subclass_may_change_how_files_are_attached() -> None:
    def attach(self: Message, *args: Any, **kwargs: Any) -> None:
        Message.attach(self, *args, **kwargs)
        self.attachments[-1].filename = "renamed.txt"

    message = subclassed(attach=attach)
    message.attach("a.txt", data=b"")

    assert b'filename="renamed.txt"' in message.as_bytes()


def test_a_message_sends_itself_over_a_connection() -> None:
    connection = mock.Mock()
    message = compose()

    assert message.send(connection) is connection.send.return_value
    connection.send.assert_called_once_with(message)


# --- Lazy strings --------------------------------------------------------------------------------


def test_lazy_strings_are_read_when_the_message_is_sent() -> None:
    words = {"it": "before"}
    lazy: Any = Lazy(lambda: words["it"])
    address: Any = Lazy(lambda: f"{words['it']}@b.c")
    message = compose(
        subject=lazy,
        sender=address,
        recipients=[address, (lazy, address)],
        reply_to=(lazy, address),
        body=lazy,
        html=lazy,
        extra_headers={"X-Own": lazy},
        attachments=[Attachment(lazy, "text/plain", b"")],
        mail_options=[lazy],
    )
    words["it"] = "now"

    outgoing = Outgoing.of(message)

    assert b"before" not in outgoing.content
    assert outgoing.content.count(b"now") == 9
    assert outgoing.envelope.recipients == ("now@b.c",)
    words["it"] = "evil\n"
    with pytest.raises(BadHeaderError):
        Outgoing.of(message)


def test_recipients_may_come_from_a_property_of_any_collection() -> None:
    class ToTheTeam(Message):
        @property
        def recipients(self) -> tuple[str, ...]:  # type: ignore[override]
            return ("ann@example.com", "bob@example.com")

        @recipients.setter
        def recipients(self, value: object) -> None:
            """Ignore the argument of the constructor."""

    content = ToTheTeam("Hello", sender="shop@example.com").as_bytes()

    assert b"\r\nTo: ann@example.com, bob@example.com\r\n" in content
