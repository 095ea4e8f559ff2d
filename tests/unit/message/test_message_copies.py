"""Messages are pickled, copied and kept: what a copy shares with its origin, and what not."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from collections import namedtuple
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from reading import compose, headers_of

from flask_mail import Attachment, Envelope, Message, MessageError, Outgoing

Person = namedtuple("Person", ["name", "address"])


class Lazy:
    """A lazy string that can be neither pickled nor copied, as those of Flask-Babel."""

    def __init__(self, find: Callable[[], str]) -> None:
        self._find = find

    def __str__(self) -> str:
        return self._find()

    def __reduce__(self) -> Any:
        raise TypeError("not in a request")


class Campaign(Message):
    """A subclass with an attribute of its own."""

    def __init__(self, *args: Any, labels: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.labels = labels


def lazy_message(words: dict[str, str]) -> Message:
    lazy: Any = Lazy(lambda: words["it"])
    return compose(
        subject=lazy,
        sender=lazy,
        recipients=[Person(lazy, "a@b.c"), lazy],
        cc=[(lazy, lazy)],
        reply_to=[lazy],
        body=lazy,
        alts={"html": lazy},
        charset=lazy,
        extra_headers={"X-Own": lazy},
        mail_options=[lazy],
        attachments=[Attachment(lazy, lazy, b"", lazy, {"X-Own": lazy})],
    )


def pickled(message: Message) -> Message:
    copied: Message = pickle.loads(pickle.dumps(message))
    return copied


COPIES = [pickled, Message.snapshot]


@pytest.mark.parametrize("copied", [*COPIES, copy.copy, copy.deepcopy])
def test_a_copy_is_the_same_message(copied: Callable[[Message], Message]) -> None:
    """It has the same ID, also where nobody has looked at it yet."""
    message = compose(
        recipients=[("Zoë", "a@b.c")],
        cc=["d@e.f"],
        html="<p>",
        reply_to=("R", "r@b.c"),
        date=datetime(2024, 2, 29, tzinfo=timezone.utc),
        extra_headers={"X-Own": "1"},
        mail_options=["SIZE=1"],
    )
    message.attach("a.txt", "text/plain", b"data", "inline", {"Content-ID": "<a>"})

    clone = copied(message)

    assert type(clone) is Message
    assert clone.as_bytes() == message.as_bytes()
    assert clone.mail_options == ["SIZE=1"]


@pytest.mark.parametrize("copied", [*COPIES, copy.copy, copy.deepcopy])
def test_a_message_that_was_sent_is_copied_too(copied: Callable[[Message], Message]) -> None:
    message = compose(date=None)
    content = Outgoing.of(message).content

    assert Outgoing.of(copied(message)).content == content


@pytest.mark.parametrize("copied", COPIES)
def test_no_later_change_reaches_a_copy(copied: Callable[[Message], Message]) -> None:
    data = bytearray(b"before")
    message = compose(
        recipients=[["A", "a@b.c"]], alts={"html": "before"}, extra_headers={"X-Own": "before"}
    )
    message.attach("before", "a/b", data, headers={"X-Own": "before"})
    message.envelope = Envelope("a@b.c", ("d@e.f",))
    clone = copied(message)
    content = clone.as_bytes()

    message.subject = "after"
    message.recipients[0][1] = "after@b.c"  # type: ignore[index]
    message.recipients.append("after@b.c")
    message.alts["html"] = "after"
    assert message.extra_headers is not None
    message.extra_headers["X-Own"] = "after"
    message.attachments[0].filename = "after"
    message.attachments[0].headers["X-Own"] = "after"
    data[:] = b"after"
    message.attachments.clear()

    assert clone.as_bytes() == content
    assert clone.attachments[0].data == b"before"
    assert clone.envelope == Envelope("a@b.c", ("d@e.f",))


@pytest.mark.parametrize("copied", COPIES)
def test_lazy_strings_become_the_words_of_the_moment(copied: Callable[[Message], Message]) -> None:
    words = {"it": "before"}
    message = lazy_message(words)
    clone = copied(message)
    words["it"] = "after"

    assert clone.subject == "before"
    assert clone.recipients == [("before", "a@b.c"), "before"]
    assert clone.attachments[0].headers == {"X-Own": "before"}
    assert "after" not in repr(vars(clone))
    assert b"after" not in clone.as_bytes()


def test_copying_lets_lazy_strings_be_lazy() -> None:
    """One message, sent in several languages."""
    words = {"it": "one"}
    clone = copy.copy(lazy_message(words))
    words["it"] = "two"

    assert headers_of(clone.as_bytes())["Subject"] == "two"


def test_copying_copies_the_collections() -> None:
    message = compose(html="one", extra_headers={"X-Own": "one"})
    clone = copy.copy(message)
    clone.add_recipient("other@b.c")
    clone.html = "two"
    assert clone.extra_headers is not None
    clone.extra_headers["X-Own"] = "two"
    clone.attach("a.txt", data=b"")

    assert message.recipients == ["to@example.com"]
    assert message.html == "one"
    assert message.extra_headers == {"X-Own": "one"}
    assert message.attachments == []


@pytest.mark.parametrize("copied", [*COPIES, copy.copy, copy.deepcopy])
def test_a_subclass_keeps_its_class_and_attributes(copied: Callable[[Message], Message]) -> None:
    message = Campaign("Hi", ["a@b.c"], sender="d@e.f", labels=["spring"])

    clone = copied(message)

    assert isinstance(clone, Campaign)
    assert clone.labels == ["spring"]
    assert (clone.labels is message.labels) is (copied is copy.copy)


def test_a_snapshot_shares_what_cannot_be_copied() -> None:
    message = compose()
    message.lock = threading.Lock()  # type: ignore[attr-defined]

    assert message.snapshot().lock is message.lock  # type: ignore[attr-defined]


def test_what_is_like_an_attachment_is_copied_as_what_it_is() -> None:
    alike: Any = SimpleNamespace(
        filename="a.txt", content_type="text/plain", data=bytearray(b"one"), disposition="inline",
        headers={},
    )  # fmt: skip
    clone = compose(attachments=[alike]).snapshot()
    alike.data[:] = b"two"

    assert clone.attachments[0].data == b"one"


def test_a_message_travels_as_the_json_of_its_attributes() -> None:
    message = compose(
        sender=("Me", "me@b.c"), recipients=[("Zoë", "a@b.c")], reply_to=("R", "r@b.c"), html="<p>"
    )
    clone = Message()
    clone.__dict__.update(json.loads(json.dumps(vars(message))))

    assert Outgoing.of(clone).content == Outgoing.of(message).content
    assert set(vars(message)) >= {"recipients", "cc", "bcc", "alts", "msgId"}


def test_a_message_that_0_10_pickled_is_read() -> None:
    """A queue may hold some when a program moves to 1.0."""
    fields: dict[str, Any] = {
        "recipients": ["a@b.c"], "subject": "Hi", "sender": "Me <me@b.c>", "reply_to": None,
        "cc": [], "bcc": ["d@e.f"], "body": "body", "alts": {"html": "<p>"}, "date": None,
        "msgId": "<1.2@host>", "charset": None, "extra_headers": None, "mail_options": [],
        "rcpt_options": [], "attachments": [],
    }  # fmt: skip
    old = Message.__new__(Message)
    old.__dict__.update(fields)

    outgoing = Outgoing.of(pickled(old))

    assert outgoing.message_id == "<1.2@host>"
    assert outgoing.envelope.recipients == ("a@b.c", "d@e.f")
    assert outgoing.message.envelope is None


def test_a_file_stays_a_file_in_a_copy(tmp_path: Path) -> None:
    """It is not read for a copy, however large it is."""
    (tmp_path / "a").write_bytes(b"data")
    message = Message()
    message.attach_file(tmp_path / "a")

    for made in (message.snapshot(), copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
        assert made.attachments[0].data == message.attachments[0].data
        assert made.attachments[0].read() == b"data"


@pytest.mark.parametrize("copied", COPIES)
def test_what_a_program_adds_to_an_attachment_stays_what_it_is(
    copied: Callable[[Message], Message],
) -> None:
    attachment = Attachment("a", data=b"")
    attachment.source = Path("a")  # type: ignore[attr-defined]
    attachment.tags = ["x"]  # type: ignore[attr-defined]
    clone = copied(compose(attachments=[attachment])).attachments[0]
    attachment.tags.append("y")  # type: ignore[attr-defined]

    assert (clone.source, clone.tags) == (Path("a"), ["x"])  # type: ignore[attr-defined]


def test_a_message_shows_no_text_when_it_is_printed() -> None:
    message = compose(subject="s" * 5000, body="secret", html="<p>secret")
    message.attach("a.txt", data="secret")

    assert "secret" not in repr(message)
    assert "secret" not in repr(message.attachments)
    assert len(repr(message)) < 100


@pytest.mark.parametrize("field", ["mail_options", "rcpt_options"])
def test_options_that_are_a_mapping_are_copied_and_carried(field):
    given = {"template_id": "d-1", "more": {"a": [1]}}
    message = Message("Hello", ["ann@example.com"], "Hello", sender="me@example.com")
    setattr(message, field, given)
    given["template_id"] = "changed"

    for each in (
        message,
        copy.copy(message),
        message.snapshot(),
        pickle.loads(pickle.dumps(message)),
        Message.from_dict(json.loads(json.dumps(message.to_dict()))),
    ):
        assert getattr(each, field) == {"template_id": "d-1", "more": {"a": [1]}}
    with pytest.raises(MessageError, match=f"{field} must be a list.*A mapping"):
        Outgoing.of(message)
    setattr(message, field, dict.fromkeys(["BODY=8BITMIME", "X=1"]))  # a set with an order
    assert getattr(Outgoing.of(message).envelope, field) == ("BODY=8BITMIME", "X=1")
