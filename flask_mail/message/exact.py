"""Messages that are certain to be the same after they were serialized and read."""

from __future__ import annotations

from typing import Any, Final

from .alternatives import Alternatives
from .message import Message

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_LISTS: Final = frozenset({"recipients", "cc", "bcc", "mail_options", "rcpt_options", "tags"})
_MAPPINGS: Final = frozenset({"alts", "extra_headers", "metadata"})


def is_exact(message: Message) -> bool:
    """Return True if a message has only values that a record returns with the same types.

    It is False for some others, such as messages with attachments.
    """
    return type(message) is Message and all(map(_is_exact, vars(message), vars(message).values()))


def _is_exact(name: str, value: Any) -> bool:
    kind = type(value)
    if kind in _SCALARS or name == "options":  # which are not a part of the content
        return True
    if kind is list:
        return not value or (name in _LISTS and all(type(each) is str for each in value))
    if kind is dict or kind is Alternatives:
        return name in _MAPPINGS and all(
            type(key) is str and type(each) in _SCALARS for key, each in value.items()
        )
    return False
