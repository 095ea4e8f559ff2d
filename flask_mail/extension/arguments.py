"""Checks of the arguments of send() and send_many()."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from ..errors import MessageError
from ..util.text import describe

_SEVERAL = (list, tuple, Set, Mapping, Iterator)
_NO_MESSAGE = (str, bytes, bytearray, int, float, type, type(None), *_SEVERAL)


class WrongArgument(MessageError, TypeError):
    """Raised for an argument of the wrong type. Also a TypeError."""


def check_message(value: object) -> None:
    """Refuse text, collections and other arguments meant for another method.

    Messages may be of any class, so other types pass.

    :raises WrongArgument: names the method to use.
    """
    if hasattr(type(value), "send_to"):  # of its class: the property would collect all recipients
        return
    is_message = hasattr(value, "send_to") and not isinstance(value, type)  # such as a mock
    if is_message or not isinstance(value, _NO_MESSAGE):
        return
    if isinstance(value, _SEVERAL):
        advice = "use send_many() for several messages"
    elif isinstance(value, str):
        advice = "use send_message(subject, recipients, body), or pass a Message"
    else:
        advice = "use Message(subject, recipients, body)"
    raise WrongArgument(f"send() takes one Message, not {describe(value)}: {advice}.")


def check_messages(values: Any, on_receipt: object = None) -> None:
    """Refuse a single message, text, and objects that cannot be iterated over.

    :raises WrongArgument: names the method to use; or `on_receipt`, which must be a function.
    """
    _check_function(on_receipt)
    is_one = isinstance(values, (str, bytes, bytearray, Mapping, type))
    if not is_one and isinstance(values, Iterable):
        return
    # Classes with only __getitem__ can be iterated over too.
    if not is_one and hasattr(values, "__getitem__"):
        return
    is_message = hasattr(values, "recipients")
    advice = "write send_many([message]), or use send()" if is_message else "write [message, ...]"
    shown = "one message" if is_message else describe(values)
    raise WrongArgument(f"send_many() takes a list of messages, not {shown}: {advice}.")


def _check_function(value: object) -> None:
    # A coroutine would never be awaited, and its receipts be lost.
    if value is None or (callable(value) and not inspect.iscoroutinefunction(value)):
        return
    shown = "a coroutine function" if callable(value) else describe(value)
    raise WrongArgument(f"on_receipt must be a plain function, not {shown}.")
