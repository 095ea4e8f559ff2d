"""What send() and send_many() say of arguments that are no messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from ..errors import MessageError
from ..util.text import describe

_SEVERAL = (list, tuple, Set, Mapping, Iterator)
_NO_MESSAGE = (str, bytes, bytearray, int, float, type, type(None), *_SEVERAL)


class WrongArgument(MessageError, TypeError):
    """An argument that is not a message, or not several. A TypeError too."""


def check_message(value: object) -> None:
    """Refuse what is meant for another method.

    Messages may be of any class, so nothing is asked of the others.

    :raises WrongArgument: it is text, a collection or the like; says which method takes it.
    """
    if hasattr(type(value), "send_to"):  # of its class: the property would collect all recipients
        return
    is_message = hasattr(value, "send_to") and not isinstance(value, type)  # such as a mock
    if is_message or not isinstance(value, _NO_MESSAGE):
        return
    if isinstance(value, _SEVERAL):
        advice = "use send_many() for several messages"
    elif isinstance(value, str):
        advice = "use send_message(subject, recipients, body), or make a Message of it"
    else:
        advice = "make one by Message(subject, recipients, body)"
    raise WrongArgument(f"send() takes one Message, not {describe(value)}: {advice}.")


def check_messages(values: Any) -> None:
    """Refuse one message, and whatever else is not several.

    :raises WrongArgument: it is.
    """
    is_one = isinstance(values, (str, bytes, bytearray, Mapping, type))
    if not is_one and isinstance(values, Iterable):
        return
    # Those of other classes that can be iterated over by __getitem__ alone.
    if not is_one and hasattr(values, "__getitem__"):
        return
    is_message = hasattr(values, "recipients")
    advice = "write send_many([message]), or use send()" if is_message else "write [message, ...]"
    shown = "one message" if is_message else describe(values)
    raise WrongArgument(f"send_many() takes a list of messages, not {shown}: {advice}.")
