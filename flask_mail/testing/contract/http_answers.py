"""Tests of the outcomes of answers over HTTP."""

from __future__ import annotations

import email.utils
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from ...backends import Backend, Outcome
from .data import hello
from .http_fixtures import (
    CLOSINGS,
    HttpFixtures,
    check_outcome,
    check_requests,
    check_stage,
    in_base64,
    in_percent,
    outcome_of,
)
from .http_service import Ending, Plan, ScriptedService, answer, scripted_service

_LOGIN = (401, 403)
_REFUSED = (400, 413, 415, 422)
_LATER = (404, 405, 429)
_UNPROVEN = (
    *(101, 103, 300, 301, 302, 303, 304, 307, 308),
    *(402, 406, 408, 409, 410, 411, 418, 421, 425, 431, 451, 499),
    *(500, 501, 502, 503, 504, 505, 507, 511, 520, 524, 599, 600, 999),
)
_EXPECTED: Mapping[int, Outcome] = {
    **dict.fromkeys((*_LOGIN, *_LATER), Outcome.NOT_SENT),
    **dict.fromkeys(_REFUSED, Outcome.REFUSED),
    **dict.fromkeys(_UNPROVEN, Outcome.UNKNOWN),
}

# Answers that are not HTTP, or end somewhere else than they say.
_INVALID: Mapping[str, bytes] = {
    "text": b"Hello, who is there?\r\n\r\n",
    "zeros": bytes(1000),
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "half a status": b"HTTP/1.1 2\r\n\r\n",
    "a status of letters": b"HTTP/1.1 yes OK\r\n\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "the header of another protocol": b"EHLO/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a chunk without a size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n{}",
    "a chunk that is cut": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    "a line that is too long": b"HTTP/1.1 200 " + b"x" * 70_000,
    "a header that is too long": b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 70_000,
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"X-Many: x\r\n" * 1000,
    "continued too often": b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
}


class HttpAnswers(HttpFixtures):
    """Tests of the outcomes of answers, valid or not."""

    def test_accepted_message_is_sent(
        self, backend_at: Callable[..., Backend[Any]], scripted: ScriptedService
    ) -> None:
        """The answer of the service to an accepted message means SENT, after one request."""
        receipt = outcome_of(backend_at(scripted.url), hello())
        check_outcome(receipt, Outcome.SENT, "the service accepted the message")
        check_requests(scripted, 1)

    def test_status_decides_the_outcome(
        self,
        backend_at: Callable[..., Backend[Any]],
        scripted: ScriptedService,
        secrets: Iterable[str],
    ) -> None:
        """Only a status that proves it means that a message was not sent, or was refused."""
        backend = backend_at(scripted.url)
        for status, expected in {**_EXPECTED, **self.outcomes}.items():
            said = answer(status, {"message": "No."}, (("Connection", "close"),))
            scripted.plan(Plan(said, Ending.CLOSE))
            receipt = outcome_of(backend, hello(), secrets)
            check_outcome(receipt, expected, f"the service answered {status}")
            if status in _LOGIN and expected is Outcome.NOT_SENT:
                check_stage(receipt, "login", f"the service answered {status}")

    def test_retry_after_is_in_the_error(
        self, backend_at: Callable[..., Backend[Any]], scripted: ScriptedService
    ) -> None:
        """429, and 503 with a Retry-After, mean that nothing was accepted until then."""
        backend = backend_at(scripted.url)
        later = email.utils.formatdate(time.time() + 3600, usegmt=True)
        for status in (429, 503):
            for value, least, most in (("120", 120, 120), (later, 3000, 3600)):
                said = answer(status, {"message": "Later."}, (("Retry-After", value),))
                scripted.plan(Plan(said))
                receipt = outcome_of(backend, hello())
                check_outcome(receipt, Outcome.NOT_SENT, f"{status} with Retry-After: {value}")
                seconds = getattr(receipt.error, "retry_after", None)
                assert seconds is not None, f"{status} has a Retry-After, but the error has none."
                assert least <= seconds <= most, (
                    f"Retry-After: {value} became {seconds} seconds in the error."
                )

    @pytest.mark.parametrize("ending", CLOSINGS)
    def test_answer_that_is_cut_is_unknown(
        self,
        backend_at: Callable[..., Backend[Any]],
        scripted: ScriptedService,
        secrets: Iterable[str],
        ending: Ending,
    ) -> None:
        """Once the request is complete, only a complete answer shows what became of it."""
        head = self.accepts.find(b"\r\n\r\n") + 4
        points = {0, 1, 9, 12, head - 3, head - 1, len(self.accepts) - 1}
        for count, octets in enumerate(sorted(points), 1):
            scripted.plan(Plan(self.accepts[:octets], ending))
            receipt = outcome_of(backend_at(scripted.url), hello(), secrets)
            check_outcome(receipt, Outcome.UNKNOWN, f"the answer broke off after {octets} octets")
            check_requests(scripted, count)

    @pytest.mark.parametrize("what", _INVALID)
    def test_invalid_answer_is_unknown(
        self,
        backend_at: Callable[..., Backend[Any]],
        scripted: ScriptedService,
        secrets: Iterable[str],
        what: str,
    ) -> None:
        """An answer that is not HTTP says nothing about the message, and none is read for ever."""
        scripted.plan(Plan(_INVALID[what], Ending.CLOSE))
        receipt = outcome_of(backend_at(scripted.url), hello(), secrets)
        check_outcome(receipt, Outcome.UNKNOWN, f"the answer was {what}")
        check_requests(scripted, 1)

    def test_answer_without_an_end_is_not_read_to_it(
        self, backend_at: Callable[..., Backend[Any]], scripted: ScriptedService
    ) -> None:
        """A body is read up to a limit; the status is enough for a refusal."""
        said = b"HTTP/1.1 415 No\r\nContent-Length: 999999999999\r\n\r\n" + b"x" * 2_000_000
        scripted.plan(Plan(said, Ending.WAIT))
        receipt = outcome_of(backend_at(scripted.url), hello())
        expected = self.outcomes.get(415, Outcome.REFUSED)
        check_outcome(receipt, expected, "the service answered 415 with a body without an end")

    def test_accepted_message_without_an_id_is_unknown(
        self, backend_at: Callable[..., Backend[Any]], scripted: ScriptedService
    ) -> None:
        """A 2xx whose body is not the expected one came from something else than the service."""
        if not self.reads_id:
            pytest.skip("Any answer with a status of 2xx means that the message was accepted.")
        backend = backend_at(scripted.url)
        for body in (
            b"",
            b"{}",
            b"[]",
            b"null",
            b'"OK"',
            b"4711",
            b"<html></html>",
            b'{"id"',
            b"\xff",
        ):
            scripted.plan(Plan(answer(200, body)))
            receipt = outcome_of(backend, hello())
            check_outcome(receipt, Outcome.UNKNOWN, f"the service answered 200 with {body!r}")

    def test_redirect_is_not_followed(
        self,
        backend_at: Callable[..., Backend[Any]],
        scripted: ScriptedService,
        secrets: Iterable[str],
    ) -> None:
        """The key and the message go to the service, and nowhere else."""
        with scripted_service() as other:
            other.answers = scripted.answers
            for count, status in enumerate((301, 302, 303, 307, 308), 1):
                said = answer(status, b"", (("Location", f"{other.url}/send"),))
                scripted.plan(Plan(said))
                receipt = outcome_of(backend_at(scripted.url), hello(), secrets)
                check_outcome(receipt, Outcome.UNKNOWN, f"the service answered {status}")
                check_requests(scripted, count)
            assert not other.connections, "A redirect was followed, with the message and the key."

    def test_key_that_the_service_repeats_is_not_shown(
        self,
        backend_at: Callable[..., Backend[Any]],
        scripted: ScriptedService,
        secrets: Iterable[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """No error, receipt, log or traceback shows a secret, even if the service repeats it."""
        if not list(secrets):
            pytest.skip("Define the fixture `secrets` to run this test.")
        caplog.set_level(logging.DEBUG)
        backend = backend_at(scripted.url)
        for each in secrets:
            assert each not in repr(backend), "A secret is in the repr of the backend."
        for status in (200, 400, 401, 404, 500):
            for spelled in (str, in_base64, in_percent):
                scripted.plan(
                    Plan(answer(status, {"message": [spelled(each) for each in secrets]}))
                )
                outcome_of(backend, hello(), secrets)
                said = " ".join(f"<{spelled(each)}>" for each in secrets)
                scripted.plan(Plan(answer(status, f"Wrong: {said}")))
                outcome_of(backend, hello(), secrets)
                scripted.plan(Plan(answer(status, {"message": f"Wrong: {said}"})))
                outcome_of(backend, hello(), secrets)
        for each in secrets:
            assert each not in caplog.text, "A secret is in the log."
