"""Helpers that use a backend and explain failures."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, NamedTuple, TypeVar

import pytest
from flask import Flask

from ... import (
    DeliveryError,
    Message,
    MessageError,
    email_dispatched,
    email_failed,
    email_queued,
    email_sending,
)
from ...backends import Backend, Envelope, Feature, Outcome, Receipt, loader
from .data import Delivered

T = TypeVar("T")


class Heard(NamedTuple):
    signal: str
    app: object
    message: Message
    receipt: Receipt | None
    error: Exception | None


@contextmanager
def listening() -> Iterator[list[Heard]]:
    """Collect the signals sent in a block, of all senders."""
    heard: list[Heard] = []

    def note(name: str) -> Callable[..., None]:
        def receive(
            app: object,
            message: Message,
            receipt: Receipt | None = None,
            error: Exception | None = None,
        ) -> None:
            heard.append(Heard(name, app, message, receipt, error))

        return receive

    with ExitStack() as stack:
        for signal in (email_sending, email_queued, email_dispatched, email_failed):
            stack.enter_context(signal.connected_to(note(signal.name)))
        yield heard


def check_signals(heard: list[Heard], app: Flask, message: Message, expected: list[str]) -> None:
    names = [each.signal for each in heard]
    assert names == expected, f"The signals should be {expected}, not {names}."
    for each in heard:
        assert each.app is app, f"{each.signal} has the sender {each.app!r}, not the app."
        assert each.message is message, f"{each.signal} has another message than was sent."


def check_failure(heard: Heard, error: Exception) -> None:
    assert heard.error is error, f"email_failed has {heard.error!r}, the caller got {error!r}."
    assert heard.receipt is not None, "email_failed has no receipt."
    assert heard.receipt.error is error, (
        f"The receipt of email_failed has the error {heard.receipt.error!r}, not {error!r}."
    )


def make_app(**config: Any) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config.update(config)
    return app


@contextmanager
def sessions(backend: Backend[Any]) -> Iterator[Callable[[], Any]]:
    """Yield a function that opens sessions, and close them at the end."""
    opened: list[Any] = []

    def open_session() -> Any:
        opened.append(backend.open())
        return opened[-1]

    try:
        yield open_session
    finally:
        for session in opened:
            backend.close(session)


def send(
    backend: Backend[Any],
    message: Message,
    app: Flask | None,
    envelope_from: str | None = None,
) -> Receipt:
    with sessions(backend) as open_session:
        return backend.send(
            message, app=app or make_app(), envelope_from=envelope_from, open_session=open_session
        )


def must_send(
    backend: Backend[Any],
    message: Message,
    *,
    taken: Outcome,
    app: Flask | None = None,
    envelope_from: str | None = None,
) -> Receipt:
    """Send a message that must be delivered, or queued, as `taken` says."""
    receipt = send(backend, message, app, envelope_from)
    assert isinstance(receipt, Receipt), f"send() returned {receipt!r}, which is not a Receipt."
    assert receipt.outcome is taken, f"The message was not {taken.value}: {receipt}."
    return receipt


def send_many(
    backend: Backend[Any], messages: Iterable[Message], *, app: Flask | None = None
) -> list[Receipt]:
    with sessions(backend) as open_session:
        return list(backend.send_many(messages, app=app or make_app(), open_session=open_session))


def must_refuse(
    backend: Backend[Any],
    message: Message,
    what: str,
    *,
    app: Flask | None = None,
    envelope_from: str | None = None,
) -> MessageError:
    """Send a message that must raise MessageError; return the error."""
    try:
        receipt = send(backend, message, app, envelope_from)
    except MessageError as error:
        return error
    except Exception as error:  # noqa: BLE001 (reported)
        pytest.fail(f"Expected a MessageError for {what}, not {error!r}.")
    pytest.fail(f"{what} was accepted: {receipt}.")


def must_fail(
    backend: Backend[Any], message: Message, *, app: Flask | None = None
) -> DeliveryError:
    """Send a message that cannot be delivered; return the error."""
    try:
        receipt = send(backend, message, app)
    except DeliveryError as error:
        return error
    except Exception as error:  # noqa: BLE001 (reported)
        pytest.fail(f"A failed delivery should raise a DeliveryError; it raised {error!r}.")
    pytest.fail(f"The delivery failed, but was reported as {receipt}.")


def must_close(
    backend: Backend[Any], session: Any, what: str, by: Callable[[Any], None] | None = None
) -> None:
    close = by or backend.close
    try:
        close(session)
    except Exception as error:  # noqa: BLE001 (reported)
        pytest.fail(f"{close.__name__}() raised {error!r} for {what}.")


def given(value: T | None, fixture: str) -> T:
    """Return the value of a fixture, or skip the test if it is None."""
    if value is None:
        pytest.skip(f"Define the fixture `{fixture}` to run this test.")
    return value


def must_be_able(backend: Backend[Any], feature: Feature) -> None:
    """Skip the test if the backend does not support a feature."""
    if feature not in backend.features:
        pytest.skip(f"The {backend.name} backend does not support {feature}.")


def must_arrive(delivered: Delivered | None, count: int) -> list[tuple[Envelope, bytes]]:
    """Return what arrived, which must be `count` messages, or [] if that is unknown."""
    if delivered is None:
        return []
    found = list(delivered())
    assert len(found) == count, f"{count} messages should have arrived, not {len(found)}."
    return found


def parsed(content: bytes) -> EmailMessage:
    assert isinstance(content, bytes), f"The content should be bytes, not {content!r}."
    return message_from_bytes(content, policy=policy.default)


def parts_of(letter: EmailMessage) -> list[EmailMessage]:
    return list(letter.iter_attachments())


def display_name(letter: EmailMessage, field: str) -> str:
    return str(letter[field].addresses[0].display_name)


def lines_of(text: str) -> str:
    return text.replace("\r\n", "\n").removesuffix("\n")


def variables_of(error: BaseException | None) -> str:
    """Return the local variables in the tracebacks of `error` and its causes."""
    shown = []
    while error is not None:
        shown += [
            repr(value)
            for frame, _ in traceback.walk_tb(error.__traceback__)
            for value in frame.f_locals.values()
        ]
        error = error.__cause__ or error.__context__
    return " ".join(shown)


def pickled(value: Any) -> Any:
    try:
        return pickle.loads(pickle.dumps(value))
    except Exception as error:  # noqa: BLE001 (reported)
        pytest.fail(f"{value!r} cannot be pickled: {error!r}.")


def build(name: str) -> Backend[Any]:
    return loader.load(name).from_options({}, build)
