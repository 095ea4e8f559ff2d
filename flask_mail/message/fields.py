"""Fields of a message, which copy the collections that they are given."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Set, ValuesView
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..util.patterns import lazy_pattern
from ..util.text import plain_text
from .attachment import Attachment

if TYPE_CHECKING:
    from ..mime.content import Content
    from .message import Message

EXTRAS = ("tags", "metadata", "options", "key")
"""Fields for mail services and queues; only those that were set are stored."""

_NEEDS_QUOTES = lazy_pattern(r'["\\@<>;]')

_OF_AN_ATTACHMENT = frozenset({"filename", "content_type", "data", "disposition", "headers"})


IMMUTABLE = frozenset({type(None), str, bytes, bool, int, float})
"""Types whose values need not be copied."""

Given = TypeVar("Given")
Kept = TypeVar("Kept")


class Copied(Generic[Given, Kept]):
    """A field that accepts any collection and stores a copy."""

    def __init__(self, kind: Callable[[Any], Kept]) -> None:
        self._kind = kind

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    if TYPE_CHECKING:  # at run time, Python finds the value in the message without a call

        def __get__(self, message: Any, owner: type | None = None) -> Kept: ...

    def __set__(self, message: Any, value: Given | None) -> None:
        kind = self._kind
        message.__dict__[self._name] = kind(()) if value is None else copied(value, kind)


class CopiedLater(Copied[Given, Kept]):
    """A `Copied` field that is created on first access, as most messages never use it."""

    def __get__(self, message: Any, owner: type | None = None) -> Kept:
        if message is None:
            raise AttributeError(self._name)  # the class itself lacks the attribute
        kept: Kept = message.__dict__.setdefault(self._name, self._kind(()))
        return kept


class Delivered:
    """The delivered octets, stored as ``as_bytes`` of the copy in an outbox.

    Rendering again could give others: under other settings, without the headers of a guard, or with
    a new signature of a subclass.
    """

    __slots__ = ("octets",)

    def __init__(self, octets: bytes | Content) -> None:
        self.octets = octets

    def __call__(self) -> bytes:
        return bytes(self.octets)

    def __deepcopy__(self, memo: object) -> Delivered:
        return self  # immutable


def options(given: Any) -> Any:
    """Copy ESMTP options; a mapping stays one, for backends that use an HTTP API."""
    if isinstance(given, (list, tuple)) or not isinstance(given, Mapping):
        return list(given)
    return dict(given)


def by_backend(given: Any) -> dict[str, Any]:
    """Copy a table of options by backend."""
    table = dict(given)
    return {name: dict(each) if isinstance(each, Mapping) else each for name, each in table.items()}


def one_or_more(given: Any) -> Any:
    """Copy an address, a (name, address) pair or a collection; empty values become None."""
    # Not any iterable, as a lazy string or a pair may be one.
    if type(given) is not tuple and isinstance(given, (list, Set, ValuesView, Iterator)):
        return list(given)
    return given or None


def copied(value: Any, kind: Callable[[Any], Any]) -> Any:
    """Return ``kind(value)``, such as a list of an iterable, or a value that is not a collection.

    Sending reports such a value; list("a@b.c") would be its letters, as in 0.10.
    """
    if value and isinstance(value, (str, bytes)):
        return value
    try:
        return kind(value or ())
    except (TypeError, ValueError):
        return value


def sender_text(sender: Any) -> Any:
    """Return a (name, address) pair as ``name <address>``, anything else unchanged."""
    if not isinstance(sender, (tuple, list)) or len(sender) != 2:
        return sender
    name, address = sender
    name = "" if name is None else str(name)
    if _NEEDS_QUOTES.search(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'
    return f"{name} <{address}>"


def frozen(value: Any) -> Any:
    """Copy the value of a field, evaluating lazy strings."""
    if type(value) in IMMUTABLE:
        return value
    if isinstance(value, (list, tuple)):
        return (list if isinstance(value, list) else tuple)(map(frozen, value))
    if isinstance(value, (dict, Mapping)):
        return {frozen(key): frozen(each) for key, each in value.items()}
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    from ..receipt import Envelope
    from ..util.files import DataSource
    from ..util.secret import Secret

    if isinstance(value, (DataSource, Secret)):  # str() of a secret would be ***
        return value
    if isinstance(value, Attachment):
        clone = copy.copy(value)
        for name, each in value.__dict__.items():
            # Attributes that a subclass or program adds are not text.
            clone.__dict__[name] = frozen(each) if name in _OF_AN_ATTACHMENT else deep_copy(each)
        return clone
    if isinstance(value, (datetime, Envelope)) or hasattr(value, "content_type"):
        return deep_copy(value)
    text = plain_text(value)
    return value if text is None else text


def deep_copy(value: Any) -> Any:
    """Return a deep copy, or `value` itself if it cannot be copied."""
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 (locks and sockets, for example, are shared)
        return value


def unordered_recipients(message: Message) -> set[str | tuple[str, str]]:
    """Return the recipients of To, Cc and Bcc as given."""
    fields: tuple[Iterable[Any], ...] = (message.recipients, message.cc, message.bcc)
    return {tuple(each) if isinstance(each, list) else each for values in fields for each in values}
