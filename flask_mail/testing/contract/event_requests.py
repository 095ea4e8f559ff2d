"""Requests with events for a backend: good, altered and odd ones, and what becomes of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import pytest
from flask import Flask

from ... import DeliveryEvent, EventKind, EventsRefused, Mail, email_reported
from ...backends import Backend
from .helpers import build, make_app, variables_of

GARBAGE = (b"", b"{", b"[]", b"null", b"7", b'"text"', b'{"odd": ', b"\xff", b"[" * 100_000)
_ODD: Sequence[Any] = (None, True, 1e308, "", "odd\0 \ud800 ann@example.com", [], ["x"], {"": []})
_ALTERATIONS = 100
_MAILER = "service"

Headers: TypeAlias = Mapping[str, str]
Signing: TypeAlias = "Callable[..., tuple[Headers, bytes]]"


class Answer(NamedTuple):
    """The status of an answer, and what a receiver has got."""

    status: int
    events: list[DeliveryEvent]


@dataclass(frozen=True)
class Reporting:
    """A service, and apps that get its events."""

    backend: Backend[Any]
    options: Mapping[str, Any]
    reports: Mapping[EventKind, Any]
    signed: Signing
    secrets: tuple[str, str] = field(repr=False)
    hidden: tuple[str, ...] = field(repr=False)
    """All that must not be shown."""

    @property
    def report(self) -> Any:
        """The report with the most in it."""
        return max(self.reports.values(), key=lambda each: len(json.dumps(each)))

    def request(
        self, report: Any, *, secret: int = 0, at: float | None = None
    ) -> tuple[Headers, bytes]:
        """Return headers and body of a request, signed with the first secret or another."""
        now = time.time() if at is None else at
        return self.signed(report, secret=self.secrets[secret], at=now)

    def app(self, *secrets: Any) -> Flask:
        """Return an app with these secrets."""
        options = {name.upper(): value for name, value in self._options(*secrets).items()}
        mailer = {"BACKEND": type(self.backend), **options}
        app = make_app(MAIL_EVENTS="/mail-events", MAIL_MAILERS={_MAILER: mailer})
        Mail(app)
        return app

    def post(self, headers: Headers, body: bytes, app: Flask | None = None) -> Answer:
        """Send a request to an app; by default, to one with the first secret."""
        app = app or self.app(self.secrets[0])
        got: list[DeliveryEvent] = []

        def receive(app: object, event: DeliveryEvent) -> None:
            got.append(event)

        headers = {"Content-Type": "application/json", **headers}
        with email_reported.connected_to(receive, sender=app):
            url = f"/mail-events/{_MAILER}"
            answer = app.test_client().post(url, data=body, headers=headers)
        return Answer(answer.status_code, got)

    def must_refuse(self, headers: Headers, body: bytes, why: str) -> None:
        status, events = self.post(headers, body)
        assert not events, f"A request that {why} reached a receiver."
        assert status in (400, 401), (
            f"The answer to a request that {why} should be 401, not {status}: raise EventsRefused."
        )

    def check_reading(self, requests: Iterable[tuple[Headers, bytes]]) -> None:
        """Check that each request is read or refused, and that a refusal shows nothing."""
        options = self._options(self.secrets[0])
        backend = type(self.backend).from_options(options, build)
        for headers, body in requests:
            error = _refusal(backend, headers, body)
            assert "@" not in str(error), f"There may be an address in the error: {error}"
            shown = f"{error} {variables_of(error)}"
            for each in self.hidden:
                assert each not in shown, "A secret is in the error, or in its traceback."

    def _options(self, *secrets: Any) -> dict[str, Any]:
        names = [self.backend.events_option] * len(secrets)
        return {**self.options, **dict(zip(names, secrets, strict=True))}


def altered(headers: Headers, body: bytes) -> Iterator[tuple[Headers, bytes]]:
    """Yield a request with one character of a header, or one octet of its body, altered."""
    for name, value in headers.items():
        yield {**headers, name: value[:-1] + chr(ord(value[-1]) ^ 1)}, body
    for place in range(0, len(body), len(body) // _ALTERATIONS + 1):
        octets = bytearray(body)
        octets[place] ^= 1
        yield headers, bytes(octets)


def with_odd_values(value: Any) -> Iterator[Any]:
    """Yield a report with another value in place of itself, and of each value in it."""
    yield from _ODD
    if isinstance(value, dict):
        for name, each in value.items():
            yield from ({**value, name: odd} for odd in with_odd_values(each))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            for odd in with_odd_values(each):
                yield [*value[:place], odd, *value[place + 1 :]]


def _refusal(backend: Backend[Any], headers: Headers, body: bytes) -> EventsRefused | None:
    # Its frame is in the traceback, so it has no variable with a secret.
    try:
        list(backend.read_events(headers, body))
    except EventsRefused as error:
        return error
    except Exception as error:  # noqa: BLE001 (reported)
        pytest.fail(f"read_events() raised {error!r} for {body[:500]!r}: raise EventsRefused.")
    return None
