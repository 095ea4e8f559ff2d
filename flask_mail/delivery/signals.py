"""Signals, and the calling conventions of their receivers.

0.9.1 called receivers as ``(message, app=app)`` and 0.10 as ``(app, message=message)``; Flask's own
habit is ``(sender, **extra)``. All three are in use, so a receiver gets the arguments that its
parameters name.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import blinker

from ..config.converters import is_on

if TYPE_CHECKING:
    from ..events.values import DeliveryEvent
    from ..message.message import Message
    from ..receipt import Receipt
    from .outgoing import Outgoing

_log = logging.getLogger("flask_mail")
_OFFERED = ("app", "message", "receipt", "error", "outgoing")
# Receivers with **extra may pass on all that they get, to functions that are older than this one.
_ONLY_BY_NAME = frozenset({"outgoing"})


class MailSignal(blinker.NamedSignal):
    """A signal that gives each receiver the arguments that its parameters name.

    They are ``app``, ``message``, ``receipt``, ``error`` and ``outgoing``. A receiver whose first
    parameter has another name gets the app first and the rest by keyword, as far as it accepts
    them; one whose second parameter is ``app`` gets the message first.
    """

    def send(self, *sender: Any, **offered: Any) -> list[tuple[Callable[..., Any], Any]]:
        """Call every receiver connected for the app; their errors propagate."""
        if not self.receivers:
            return []
        app = sender[0] if sender else None
        if "app" in offered:  # as in 0.9.1: (message, app=app)
            offered["message"], app = app, offered.pop("app")
        return [(receiver, call(receiver, app, offered)) for receiver in self._receivers_for(app)]

    def notify(
        self, app: object, /, caught: type[BaseException] = Exception, **offered: object
    ) -> BaseException | None:
        """Call every receiver connected for `app`, even if others raise.

        Errors of receivers are logged with their tracebacks, and the first one is returned.

        :param caught: the class of errors to catch; others propagate.
        """
        if not self.receivers:
            return None
        first: BaseException | None = None
        for receiver in self._receivers_for(app):
            try:
                call(receiver, app, offered)
            except caught as error:  # a receiver cannot change the outcome
                _log.exception("A receiver of %s failed: %r", self.name, receiver)
                first = first or error
        return first

    def _receivers_for(self, app: object) -> list[Callable[..., Any]]:
        if getattr(self, "is_muted", False):
            return []
        return list(self.receivers_for(app))


signals = blinker.Namespace()
"""The namespace of Flask-Mail's signals."""


def _signal(name: str, doc: str) -> MailSignal:
    made = signals[name] = MailSignal(name, doc)
    return made


email_sending = _signal(
    "email-sending",
    "Sent before a message is validated and rendered. A receiver may change the message, or raise"
    " to stop it.",
)
email_dispatched = _signal(
    "email-dispatched",
    "Sent when a message was sent, or suppressed as in tests.",
)
email_failed = _signal(
    "email-failed",
    "Sent when a message could not be sent, for any reason, with the error and the receipt.",
)
email_queued = _signal(
    "email-queued",
    "Sent when a queue has stored a message, which is sent later.",
)
email_deferred = _signal(
    "email-deferred",
    "Sent by a queue when an attempt has failed and it will try again, with the error and the"
    " receipt.",
)
# Of blinker's own kind: their receivers are new, and take their arguments by keyword.
email_reported = signals.signal(
    "email-reported",
    "Sent when a mail service reports what became of a message, with the event; again at each"
    " repeat of the report.",
)
email_unsubscribed = signals.signal(
    "email-unsubscribed",
    "Sent when a recipient leaves a mailing list, with the address and the name of the list; again"
    " at each further click.",
)


def propagates(app: object) -> bool:
    """Return True if Flask would propagate exceptions, not log them: in testing or debug mode."""
    config = getattr(app, "config", None) or {}
    chosen = config.get("PROPAGATE_EXCEPTIONS")
    if chosen is not None:
        return is_on(chosen)
    return is_on(config.get("TESTING")) or is_on(getattr(app, "debug", False))


def call(receiver: Callable[..., Any], app: object, offered: dict[str, Any]) -> Any:
    """Call `receiver` with the arguments that its parameters name."""
    shape = _shape(receiver)
    values = {"app": app, **offered}
    positional = [values.get(name) for name in shape.positional]
    named = {name: values.get(name) for name in shape.named}
    if shape.rest:
        taken = {*shape.positional, *shape.named, *_ONLY_BY_NAME}
        named.update({name: value for name, value in values.items() if name not in taken})
    return receiver(*positional, **named)


class _Shape:
    # Written out: making a class of fields takes longer than all else in this module.
    __slots__ = ("named", "positional", "rest")

    def __init__(self, positional: tuple[str, ...], named: tuple[str, ...], *, rest: bool) -> None:
        self.positional = positional
        self.named = named
        self.rest = rest  # has **kwargs


_shapes: WeakKeyDictionary[Any, _Shape] = WeakKeyDictionary()
_method_shapes: WeakKeyDictionary[Any, _Shape] = WeakKeyDictionary()


def _shape(receiver: Callable[..., Any]) -> _Shape:
    # Reading a signature takes longer than everything else about a send. A bound method is made for
    # each call, so the key is its function.
    function = getattr(receiver, "__func__", None)
    cache, key = (_shapes, receiver) if function is None else (_method_shapes, function)
    try:
        return cache[key]
    except KeyError:
        shape = cache[key] = _read_shape(receiver)
        return shape
    except TypeError:  # neither hashable nor weakly referable
        return _read_shape(receiver)


def _check(receiver: Callable[..., Any]) -> None:
    if inspect.iscoroutinefunction(receiver):
        raise TypeError(f"{receiver!r} is a coroutine function; connect a plain function.")


def _read_shape(receiver: Callable[..., Any]) -> _Shape:
    _check(receiver)
    try:
        parameters = list(inspect.signature(receiver).parameters.values())
    except (TypeError, ValueError):  # builtins without a signature
        return _Shape(("app",), (), rest=True)
    ordered = [
        each
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    rest = any(each.kind is each.VAR_KEYWORD for each in parameters)
    starred = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    positional: list[str] = []
    # By position, as in every version: a decorated receiver may have the signature of the function
    # that it wraps, but not accept its first parameter by name.
    if ordered and ordered[0].name in _OFFERED:
        positional.append(ordered[0].name)
    elif ordered:
        second_is_app = len(ordered) > 1 and ordered[1].name == "app"
        positional.append("message" if second_is_app else "app")
    elif starred:
        positional.append("app")
    # Positional-only parameters, as far as their names are known.
    for each in ordered[len(positional) :]:
        if each.kind is not each.POSITIONAL_ONLY or each.name not in _OFFERED:
            break
        positional.append(each.name)
    named = tuple(
        each.name
        for each in parameters
        if each.name in _OFFERED
        and each.name not in positional
        and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    )
    return _Shape(tuple(positional), named, rest=rest)


def sending(app: object, message: Message) -> None:
    """Signal that `message` is about to be sent; an error of a receiver stops it."""
    email_sending.send(app, message=message)


def dispatched(
    app: object, message: Message, receipt: Receipt, outgoing: Outgoing | None
) -> BaseException | None:
    """Signal that `message` was sent; return an error of a receiver that should propagate.

    :param outgoing: the message as the backend got it; ``None`` if it never did.
    """
    if _is_own(email_dispatched):
        error = email_dispatched.notify(app, message=message, receipt=receipt, outgoing=outgoing)
    else:
        error = _told_by_another(app, message)
    return error if error is not None and propagates(app) else None


def queued(
    app: object, message: Message, receipt: Receipt, outgoing: Outgoing | None
) -> BaseException | None:
    """Signal that `message` was queued; return an error of a receiver that should propagate."""
    error = email_queued.notify(app, message=message, receipt=receipt, outgoing=outgoing)
    return error if error is not None and propagates(app) else None


def failed(
    app: object,
    message: Message,
    receipt: Receipt,
    error: BaseException,
    outgoing: Outgoing | None,
) -> None:
    """Signal that `message` was not sent; an error of a receiver never hides `error`."""
    # An interrupt of a receiver propagates, but must not replace the one that ended the message.
    caught = Exception if isinstance(error, Exception) else BaseException
    email_failed.notify(
        app, caught, message=message, receipt=receipt, error=error, outgoing=outgoing
    )


def reported(app: object, event: DeliveryEvent) -> Exception | None:
    """Signal an event to every receiver, even if others raise; return the first error.

    Each error is logged with its traceback.
    """
    first: Exception | None = None
    for receiver in list(email_reported.receivers_for(app)):
        try:
            _check(receiver)
            receiver(app, event=event)
        except Exception as error:  # noqa: BLE001 (the service sends the event again)
            _log.exception("A receiver of %s failed: %r", email_reported.name, receiver)
            first = first or error
    return first


def _is_own(signal: object) -> bool:
    return type(signal) is MailSignal and "send" not in vars(signal)


def _told_by_another(app: object, message: Message) -> BaseException | None:
    # A program has replaced the signal or its method, such as with a mock: call it as 0.10 did.
    try:
        email_dispatched.send(app, message=message)
    except Exception as error:  # noqa: BLE001 (the mail is sent, whatever it raises)
        _log.exception("The replacement of %r failed", email_dispatched)
        return error
    return None
