"""Fixtures and helpers for tests of a backend that sends over HTTP."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from ... import DeliveryError, Message
from ...backends import Backend, Outcome, Receipt, http_wire
from .data import hello
from .fixtures import Fixtures
from .helpers import make_app, variables_of
from .http_service import Ending, ScriptedService, answer, scripted_service

CLOSINGS = (Ending.CLOSE, Ending.RESET)
LARGE = 256 * 1024
"""Octets: more than the buffers of the connection take."""


class HttpFixtures(Fixtures):
    """The fixtures of :class:`OverHttp`; only ``backend_at`` is required."""

    accepts: bytes = answer(200, {"id": "4711"})
    """The answer with which the service accepts a message, as :func:`answer` returns it."""
    reads_id: bool = True
    """False if any answer with a status of 2xx means that the message was accepted."""
    outcomes: Mapping[int, Outcome] = {}
    """Statuses that mean something else than usual."""

    @pytest.fixture
    def backend_at(self) -> Callable[..., Backend[Any]]:
        """A function that returns a backend for the service at a URL, with further options.

        Such as ``lambda url, **options: PigeonBackend(url=url, key=KEY, **options)``. Required.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define the fixture `backend_at`, a function that takes the"
            " URL of a service and options, and returns a backend."
        )

    @pytest.fixture
    def scripted(self) -> Iterator[ScriptedService]:
        """The service."""
        with scripted_service() as service:
            service.answers = lambda request: self.accepts
            yield service

    @pytest.fixture(autouse=True)
    def _small_buffers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make_buffers_small(monkeypatch)


def make_buffers_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let connections wait until the service reads what was written."""
    connected = http_wire._socket  # noqa: SLF001 (of the package)

    def small(*given: Any) -> Any:
        sock = connected(*given)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        return sock

    monkeypatch.setattr(http_wire, "_socket", small)


def outcome_of(backend: Backend[Any], message: Message, secrets: Iterable[str] = ()) -> Receipt:
    """Send a message and return its receipt, whatever becomes of it."""
    found = _attempt(backend, message)
    if isinstance(found, Receipt):
        return found
    assert found.receipt is not None, f"The error {found!r} carries no receipt."
    shown = f"{found} {found!r} {vars(found)} {found.receipt!r} {variables_of(found)}"
    for each in secrets:
        assert each not in shown, "A secret is in the error or in the frames of its traceback."
    return found.receipt


def _attempt(backend: Backend[Any], message: Message) -> Receipt | DeliveryError:
    # Its frame is in the traceback, so it has no variable with a secret.
    try:
        return backend.send(message, app=make_app(), open_session=backend.open)
    except DeliveryError as error:
        return error
    except Exception as error:  # noqa: BLE001 (reported)
        pytest.fail(f"A failed request should raise a DeliveryError; it raised {error!r}.")


def check_outcome(receipt: Receipt, expected: Outcome, why: str) -> None:
    assert receipt.outcome is expected, (
        f"The outcome should be {expected}, because {why}; it is {receipt.outcome}."
        f" {receipt.reason}".rstrip()
    )


def check_stage(receipt: Receipt, expected: str, why: str) -> None:
    stage = getattr(receipt.error, "stage", None)
    assert stage == expected, f"The stage should be {expected!r}, because {why}; it is {stage!r}."


def check_requests(service: ScriptedService, count: int) -> None:
    found = len(service.requests)
    assert found == count, f"The service should have got {count} requests, not {found}."


def large_message() -> Message:
    return hello(body="A long line of text.\n" * (LARGE // 20))


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def in_percent(text: str) -> str:
    return "".join(f"%{octet:02X}" for octet in text.encode()) if text.isalnum() else quote(text)
