"""Tags, metadata, key and backend options of a message, for mail services. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from ..errors import MessageError
from ..mime.checks import check_text
from ..util.patterns import lazy_pattern
from ..util.text import describe, plain_text
from .fields import EXTRAS

if TYPE_CHECKING:
    from .message import Message

_DEEPEST: Final = 50
# Sent in the header of a request, whose value has no spaces at its ends.
_KEY: Final = lazy_pattern(r"[!-~](?:[ -~]{0,253}[!-~])?")


def check_extras(message: Message) -> None:
    """Raise :class:`MessageError` if tags, metadata, options or key are invalid."""
    kind: Any = type(message)
    if vars(message).keys() & EXTRAS or _overridden(kind):
        tags_of(message)
        metadata_of(message)
        key_of(message)
        for name in _options(message):
            options_of(message, str(name))


def tags_of(message: Message) -> tuple[str, ...]:
    """Return the tags of `message` in order, without duplicates."""
    given = _given(message, "tags")
    if not given:
        return ()
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise MessageError('tags must be a list of strings, such as ["welcome"].')
    tags = [check_text(each, "tag") for each in given]
    if not all(map(str.strip, tags)):
        raise MessageError("One of the tags is empty: remove it.")
    return tuple(dict.fromkeys(tags))


def metadata_of(message: Message) -> dict[str, str]:
    """Return the metadata of `message` as text: numbers as digits, ``True`` as ``"true"``."""
    given = _given(message, "metadata")
    if not given:
        return {}
    if not isinstance(given, Mapping):
        raise MessageError('metadata must be a dict, such as {"order": "4711"}.')
    found = {}
    for key, value in given.items():
        name = check_text(key, "metadata key")
        if not name.strip():
            raise MessageError("A metadata key is empty: give it a name.")
        if name in found:
            raise MessageError(f"Two metadata keys are {describe(name)} as text: keep one.")
        text = str(value).lower() if isinstance(value, bool) else value
        found[name] = check_text(text, f"metadata {describe(name)}")
    return found


def key_of(message: Message) -> str | None:
    """Return the key of `message`, which identifies it when it is sent again."""
    given = _given(message, "key")
    if given is None:
        return None
    key = plain_text(given)
    if key is None or not _KEY.fullmatch(key):
        raise MessageError(
            "key must be a string of 1 to 255 printable ASCII characters without spaces at its"
            f' ends, such as "order-42-receipt", not {describe(given)}.'
        )
    return key


def options_of(message: Message, backend: str) -> Mapping[str, Any]:
    """Return the options of `message` for the backend of that name."""
    given = _options(message).get(backend)
    if not given:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise MessageError(
            f"message.options[{describe(backend)}] must be a dict of names and values."
        )
    _check_depth(given, f"message.options[{describe(backend)}]")
    return given


def _check_depth(value: object, field: str) -> None:
    """Refuse nesting that is too deep to copy or write."""
    level: list[Any] = [value]
    seen: set[int] = set()
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, (Mapping, list, tuple)) and id(each) not in seen:
                seen.add(id(each))
                inner += each.values() if isinstance(each, Mapping) else each
        if not inner:
            return
        level = inner
    raise MessageError(f"{field} is nested more than {_DEEPEST} levels deep.")


def _options(message: Message) -> Mapping[Any, Any]:
    given = _given(message, "options")
    if not given:
        return {}
    if not isinstance(given, Mapping):
        raise MessageError(
            'message.options must be a dict of dicts, such as {"smtp": {"name": "value"}}.'
        )
    return given


def _given(message: Message, name: str) -> Any:
    # Not getattr() alone: for most messages, that would create an empty collection.
    kind: Any = type(message)
    if name in vars(message) or name in _overridden(kind):
        return getattr(message, name)
    return None


@lru_cache(maxsize=256)  # called for every message
def _overridden(kind: type) -> frozenset[str]:
    """Return those of EXTRAS that a subclass defines, such as tags that its messages share.

    A method of that name is the program's own, as it was in 0.10.
    """
    found = {name: getattr(kind, name, None) for name in EXTRAS}
    return frozenset(name for name in found if not (found[name] is None or callable(found[name])))
