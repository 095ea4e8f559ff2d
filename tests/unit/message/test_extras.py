"""Tags, metadata and options of one backend: what a message tells services beyond mail."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from flask_mail import BadHeaderError, Message, MessageError, Outgoing
from flask_mail.backends import Secret
from flask_mail.message.metadata import key_of, metadata_of, options_of, tags_of

COPIES: list[Callable[[Message], Message]] = [
    copy.copy,
    copy.deepcopy,
    Message.snapshot,
    lambda message: pickle.loads(pickle.dumps(message)),
    lambda message: Message.from_dict(json.loads(json.dumps(message.to_dict()))),
]


def compose(**fields: Any) -> Message:
    return Message(
        **{"recipients": ["to@example.com"], "sender": "me@example.com", "body": "Hi", **fields}
    )


class Lazy:
    """A string of Flask-Babel."""

    def __str__(self) -> str:
        return "lazy"


class Newsletter(Message):
    """A subclass whose messages share what they say."""

    tags = ["newsletter"]  # type: ignore[assignment]  # noqa: RUF012

    @property
    def metadata(self) -> dict[str, int]:  # type: ignore[override]
        return {"recipients": len(self.recipients)}


def test_a_message_without_them_holds_nothing_of_them() -> None:
    message = compose()
    Outgoing.of(message)

    assert not vars(message).keys() & {"tags", "metadata", "options", "key"}
    assert key_of(message) is message.key is None
    assert (tags_of(message), metadata_of(message), options_of(message, "ses")) == ((), {}, {})


def test_they_are_there_from_the_first_look_on() -> None:
    message = compose()
    message.tags.append("welcome")
    message.metadata["order"] = 4711
    message.options["ses"] = {"configuration_set": "shop"}

    mail = Outgoing.of(message)
    assert (mail.tags, mail.metadata) == (("welcome",), {"order": "4711"})
    assert options_of(message, "ses") == {"configuration_set": "shop"}
    assert options_of(message, "other") == {}


def test_none_of_them_is_in_the_content() -> None:
    message = compose(tags=["z-tag"], metadata={"order": "z-one"}, options={"ses": {"a": "z-two"}})

    assert b"z-" not in message.as_bytes()


def test_they_are_copied_where_they_are_given() -> None:
    tags, metadata, options = ["a"], {"b": 1}, {"ses": {"c": 2}}
    message = compose(tags=tags, metadata=metadata, options=options)
    tags.append("later")
    metadata["later"] = 2
    options["ses"]["later"] = 3

    assert (message.tags, message.metadata, message.options) == (["a"], {"b": 1}, {"ses": {"c": 2}})


@pytest.mark.parametrize("copied", COPIES)
def test_every_copy_has_its_own(copied: Callable[[Message], Message]) -> None:
    message = compose(tags=["a"], metadata={"b": 1}, options={"ses": {"c": [2]}})
    clone = copied(message)
    assert (clone.tags, clone.metadata, clone.options) == (["a"], {"b": 1}, {"ses": {"c": [2]}})

    clone.tags.append("later")
    clone.metadata["later"] = 1
    clone.options["ses"]["later"] = 1

    assert (message.tags, message.metadata) == (["a"], {"b": 1})
    assert message.options == {"ses": {"c": [2]}}


def test_secret_option_never_becomes_its_mask() -> None:
    message = compose(options={"pigeon": {"key": Secret("k3y")}})

    assert message.snapshot().options["pigeon"]["key"].reveal() == "k3y"
    with pytest.raises(MessageError, match="'options' contains .*, of type Secret"):
        message.to_dict()
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(message)


@pytest.mark.parametrize("transfer", COPIES)
def test_copies_have_the_key(transfer: Callable[[Message], Message]) -> None:
    message = compose(key="order-42-receipt")
    assert transfer(message).key == Outgoing.of(message).key == "order-42-receipt"


@pytest.mark.parametrize("key", ["k", "k" * 255, "an order", "~!"])
def test_keys_of_printable_ascii_are_accepted(key: str) -> None:
    assert Outgoing.of(compose(key=key)).key == key


def test_a_lazy_key_is_text() -> None:
    assert key_of(compose(key=Lazy())) == "lazy"


def test_tags_are_text_each_once() -> None:
    message = compose(tags=(each for each in ["b", "a", "b", Lazy()]))  # type: ignore[misc]
    assert tags_of(message) == ("b", "a", "lazy")


def test_metadata_are_text() -> None:
    message = compose(metadata={"n": 7, "f": 1.5, "yes": True, "no": False, "lazy": Lazy()})
    assert metadata_of(message) == {
        "n": "7",
        "f": "1.5",
        "yes": "true",
        "no": "false",
        "lazy": "lazy",
    }


def test_a_subclass_may_say_the_same_for_all_of_its_messages() -> None:
    mail = Outgoing.of(Newsletter("Hi", ["a@b.c", "d@e.f"], "Hi", sender="me@example.com"))

    assert (mail.tags, mail.metadata) == (("newsletter",), {"recipients": "2"})


class OfAProgram(Message):
    """A subclass that was written for 0.10."""

    def tags(self) -> str:  # type: ignore[override]
        return "<b>, <i>"

    @classmethod
    def metadata(cls) -> str:  # type: ignore[override]
        return "x"

    class options:  # type: ignore[assignment]
        pass

    def key(self) -> int:  # type: ignore[override]
        return 7


def test_a_method_of_that_name_is_the_program_s_own() -> None:
    message = OfAProgram("Hi", ["a@b.c"], "Hi", sender="me@example.com")
    mail = Outgoing.of(message)

    assert (mail.tags, mail.metadata, options_of(message, "ses")) == ((), {}, {})
    assert mail.key is None
    assert message.tags() == "<b>, <i>"


def test_a_message_of_0_10_has_none() -> None:
    """Its pickle holds no such attribute."""
    message = compose()
    for name in ("tags", "metadata", "options"):
        message.__dict__.pop(name, None)
    assert (message.tags, message.metadata, message.options) == ([], {}, {})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tags": "welcome"}, "tags must be a list"),
        ({"tags": {"a": "b"}.items()}, "tag must be a string"),
        ({"tags": 4711}, "tags must be a list"),
        ({"tags": [b"a"]}, "tag must be a string"),
        ({"tags": ["a", " "]}, "tags is empty"),
        ({"metadata": ["a"]}, "metadata must be a dict"),
        ({"metadata": {"a": None}}, "metadata 'a' must be a string"),
        ({"metadata": {"a": ["b"]}}, "metadata 'a' must be a string"),
        ({"metadata": {1: "a", "1": "b"}}, "Two metadata keys are '1'"),
        ({"metadata": {" ": "b"}}, "metadata key is empty"),
        ({"metadata": {("a",): "b"}}, "metadata key must be a string"),
        ({"options": ["ses"]}, "message.options must be a dict"),
        ({"options": {"ses": ["configuration_set"]}}, r"options\['ses'\] must be a dict"),
        ({"options": {"ses": {1: 2}}}, r"options\['ses'\] must be a dict"),
        ({"key": ""}, "1 to 255 printable ASCII"),
        ({"key": "k" * 256}, "1 to 255 printable ASCII"),
        ({"key": "für Ann"}, "1 to 255 printable ASCII"),
        ({"key": " order"}, "without spaces at its ends"),
        ({"key": "a\n"}, "printable ASCII"),
        ({"key": b"order"}, "printable ASCII"),
        ({"key": 42}, "must be a string .* not 42"),
    ],
)
def test_what_is_none_is_an_error_that_says_what_to_write(
    fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(MessageError, match=says):
        Outgoing.of(compose(**fields))


def test_a_table_for_a_list_is_refused() -> None:
    message = compose()
    message.__dict__["tags"] = {"welcome": True}
    with pytest.raises(MessageError, match="tags must be a list"):
        Outgoing.of(message)


@pytest.mark.parametrize(
    "fields", [{"tags": ["a\nb"]}, {"metadata": {"a\rb": 1}}, {"metadata": {"a": "b\0"}}]
)
def test_controls_are_refused(fields: dict[str, Any]) -> None:
    """A service may write them into headers."""
    with pytest.raises(BadHeaderError):
        Outgoing.of(compose(**fields))


@pytest.mark.parametrize(
    "wrong",
    [
        {"tags": "welcome"},
        {"tags": [1]},
        {"metadata": {"a": 1}},
        {"metadata": [["a"]]},
        {"metadata": [["a", []]]},
        {"options": ["ses"]},
        {"key": 42},
    ],
)
def test_a_record_with_something_else_there_is_refused(wrong: dict[str, Any]) -> None:
    record = {**compose().to_dict(), **wrong}
    with pytest.raises(MessageError, match="The record's"):
        Message.from_dict(record)


@pytest.mark.parametrize("name", ["tags", "metadata", "options", "key"])
def test_a_record_may_say_that_there_are_none(name: str) -> None:
    message = Message.from_dict({**compose().to_dict(), name: None})
    assert not getattr(message, name)
