"""The contract of backends over HTTP: a sound one passes, and each fault fails a test."""

from __future__ import annotations

import inspect
import logging
import re
import socket
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.request import getproxies

import pytest
from pigeon import KEY, PigeonBackend, delivery_of, pigeon_at

from flask_mail import BackendUnavailable, DeliveryError, DeliveryUnknown
from flask_mail.backends.http import Answer
from flask_mail.backends.http_wire import HttpWire
from flask_mail.testing import BackendContract
from flask_mail.testing.contract import (
    Ending,
    OverHttp,
    Plan,
    ScriptedService,
    Streaming,
    answer,
    scripted_service,
)
from flask_mail.testing.contract.http_fixtures import make_buffers_small


class TestPigeonBackend(BackendContract, Streaming, OverHttp):
    @pytest.fixture
    def backend_at(self):
        return pigeon_at

    @pytest.fixture
    def backend(self, scripted):
        return pigeon_at(scripted.url)

    @pytest.fixture
    def delivered(self, scripted):
        return lambda: [delivery_of(each) for each in scripted.requests]

    @pytest.fixture
    def options(self, scripted):
        return {"url": scripted.url, "key": KEY}

    @pytest.fixture
    def secrets(self):
        return [KEY]

    @pytest.fixture(params=[400, 401, 429, 500])
    def failing(self, request):
        with scripted_service() as service:
            service.answers = lambda _: answer(request.param, {"message": "No."})
            yield pigeon_at(service.url)


# ---------------------------------------------------------------------- faults


class AcceptsAnyBody(PigeonBackend):
    def outcome(self, mail, answer):
        return self.accepted(mail, response=answer.text)


class AcceptsNothing(PigeonBackend):
    def outcome(self, mail, answer):
        raise DeliveryUnknown("Who knows?")


class TakesAllForFailures(PigeonBackend):
    def failure(self, mail, answer):
        stage = "login" if answer.status in (401, 403) else "accept"
        return self.error(BackendUnavailable, stage, answer=answer)


class NamesNoStage(PigeonBackend):
    def failure(self, mail, answer):
        error = super().failure(mail, answer)
        error.stage = "accept"
        return error


class ForgetsRetryAfter(PigeonBackend):
    def failure(self, mail, answer):
        error = super().failure(mail, answer)
        error.retry_after = None
        return error


class Repeats(PigeonBackend):
    def exchange(self, request, deadline):
        try:
            return super().exchange(request, deadline)
        except DeliveryError:
            return super().exchange(request, deadline)


class TakesWhatIsCutForSent(PigeonBackend):
    def exchange(self, request, deadline):
        try:
            return super().exchange(request, deadline)
        except DeliveryUnknown:
            return Answer(200, {}, b'{"id": "4711"}')


class KnowsNothing(PigeonBackend):
    def exchange(self, request, deadline):
        try:
            return super().exchange(request, deadline)
        except BackendUnavailable as error:
            raise DeliveryUnknown(str(error)) from None


class FollowsRedirects(PigeonBackend):
    def failure(self, mail, answer):
        if "location" in answer.headers:
            url = answer.headers["location"].removesuffix("/send")
            self.other = pigeon_at(url)
            self.other.send(mail.message)
        return super().failure(mail, answer)


class UsesProxies(PigeonBackend):
    def exchange(self, request, deadline):
        if "http" in getproxies():
            return pigeon_at(getproxies()["http"]).exchange(request, deadline)
        return super().exchange(request, deadline)


class ReadsToTheEnd(PigeonBackend):
    def exchange(self, request, deadline):
        answer = super().exchange(request, deadline)
        if answer.is_cut:
            raise DeliveryUnknown("It did not end.")
        return answer


class StaleWire(HttpWire):
    def is_stale(self):
        return False


class TrustingWire(StaleWire):
    is_reusable = property(lambda self: True, lambda self, value: None)


class CountsTwice(PigeonBackend):
    def outcome(self, mail, answer):
        return self.accepted(mail, response=answer.require("id"), attempts=2)


class LogsTheKey(PigeonBackend):
    def request(self, mail):
        logging.getLogger("flask_mail").debug("with %s", self._key.reveal())
        return super().request(mail)


class ShowsTheKeyInItsRepr(PigeonBackend):
    def __repr__(self):
        return f"<PigeonBackend {self._key.reveal()}>"


class ShowsTheKeyInErrors(PigeonBackend):
    def deliver(self, mail, session):
        try:
            return super().deliver(mail, session)
        except DeliveryError as error:
            error.response = self._key.reveal()
            raise


class HoldsTheKeyInAVariable(PigeonBackend):
    def deliver(self, mail, session):
        key = self._key.reveal()
        return key and super().deliver(mail, session)


class RaisesErrorsOfItsOwn(PigeonBackend):
    def deliver(self, mail, session):
        try:
            return super().deliver(mail, session)
        except DeliveryError:
            raise OSError("broken") from None


@dataclass(frozen=True)
class Case:
    test: str
    broken: Any
    says: str

    def __str__(self) -> str:
        return f"{self.test}-{self.broken.__name__}"


CASES = [
    Case("test_accepted_message_is_sent", AcceptsNothing, "should be Outcome.SENT"),
    Case("test_status_decides_the_outcome", TakesAllForFailures, "answered 400"),
    Case("test_status_decides_the_outcome", RaisesErrorsOfItsOwn, "it raised OSError"),
    Case("test_status_decides_the_outcome", NamesNoStage, "stage should be 'login'"),
    Case("test_retry_after_is_in_the_error", ForgetsRetryAfter, "but the error has none"),
    Case("test_request_that_is_cut_is_not_sent", KnowsNothing, "should be Outcome.NOT_SENT"),
    Case("test_request_that_is_cut_is_not_sent", Repeats, "was repeated"),
    Case("test_answer_that_is_cut_is_unknown", TakesWhatIsCutForSent, "should be Outcome.UNKNOWN"),
    Case("test_answer_that_is_cut_is_unknown", Repeats, "1 requests, not 2"),
    Case("test_slow_service_is_given_up_at_the_deadline", TakesWhatIsCutForSent, "did this"),
    Case("test_invalid_answer_is_unknown", TakesWhatIsCutForSent, "the answer was text"),
    Case("test_answer_without_an_end_is_not_read_to_it", ReadsToTheEnd, "without an end"),
    Case("test_accepted_message_without_an_id_is_unknown", AcceptsAnyBody, "200 with b''"),
    Case("test_redirect_is_not_followed", FollowsRedirects, "A redirect was followed"),
    Case("test_proxy_of_the_environment_is_not_used", UsesProxies, "A proxy of the env"),
    Case("test_service_that_cannot_be_reached_is_not_sent_to", KnowsNothing, "nothing listens"),
    Case("test_kept_connection_that_was_closed_is_replaced", StaleWire, "had closed the conn"),
    Case("test_kept_connection_that_was_closed_is_replaced", CountsTwice, "counts 2 attempts"),
    Case("test_kept_connection_that_breaks_later_is_not_replaced", Repeats, "this was request 2"),
    Case("test_answer_too_many_is_not_taken_for_the_next", TrustingWire, "second was refused"),
    Case("test_key_that_the_service_repeats_is_not_shown", LogsTheKey, "in the log"),
    Case("test_key_that_the_service_repeats_is_not_shown", ShowsTheKeyInItsRepr, "in the repr"),
    Case("test_key_that_the_service_repeats_is_not_shown", ShowsTheKeyInErrors, "secret is in"),
    Case("test_key_that_the_service_repeats_is_not_shown", HoldsTheKeyInAVariable, "secret is in"),
]
TESTS = [name for name in dir(OverHttp) if name.startswith("test_")]


@pytest.fixture
def run(caplog, monkeypatch):
    """Run one test of the contract on a backend class, as pytest would."""

    def run(test: str, broken: Any) -> None:
        is_wire = issubclass(broken, HttpWire)
        if is_wire:
            monkeypatch.setattr("flask_mail.backends.http_wire.HttpWire", broken)
        contract = OverHttp()
        make_buffers_small(monkeypatch)
        with scripted_service() as service:
            service.answers = lambda _: contract.accepts
            given = {
                "backend_at": partial(pigeon_at, cls=PigeonBackend if is_wire else broken),
                "scripted": service,
                "secrets": [KEY],
                "ending": Ending.CLOSE,
                "what": "text",
                "caplog": caplog,
                "monkeypatch": monkeypatch,
            }
            method = getattr(contract, test)
            method(**{name: given[name] for name in inspect.signature(method).parameters})

    return run


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault_fails_the_test_that_is_meant_for_it(run, case):
    with pytest.raises((Exception, pytest.fail.Exception), match=re.escape(case.says)):
        run(case.test, case.broken)


def test_every_test_has_a_backend_that_fails_it():
    assert {case.test for case in CASES} == set(TESTS)


@pytest.mark.exhaustive
@pytest.mark.parametrize("test", TESTS)
def test_sound_backend_passes(run, test):
    run(test, PigeonBackend)


def test_tests_that_do_not_apply_are_skipped(caplog):
    contract = OverHttp()
    contract.reads_id = False
    with pytest.raises(pytest.skip.Exception, match="Any answer with a status of 2xx"):
        contract.test_accepted_message_without_an_id_is_unknown(None, None)
    with pytest.raises(pytest.skip.Exception, match="Define the fixture `secrets`"):
        contract.test_key_that_the_service_repeats_is_not_shown(None, None, [], caplog)


def test_contract_says_which_fixture_is_missing():
    fixture = inspect.unwrap(
        OverHttp.backend_at, stop=lambda each: not hasattr(each, "__wrapped__")
    )
    fixture = getattr(fixture, "_fixture_function", fixture)
    with pytest.raises(NotImplementedError, match="must define the fixture `backend_at`"):
        partial(fixture, OverHttp())()


@pytest.mark.parametrize("octets", [None, 20])
def test_service_records_no_request_that_is_cut(octets):
    service = ScriptedService()
    service.plan(Plan(reads=octets))
    ours, its = socket.socketpair()
    with ours, its:
        ours.sendall(b"POST / HTTP/1.1\r\n")
        ours.shutdown(socket.SHUT_WR)
        assert not service._serve_one(its)
    service._listener.close()
    assert service.requests == []


def test_service_reads_a_request_without_a_body():
    with scripted_service() as service:
        host, port = service.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
    assert service.requests == [b"GET / HTTP/1.1\r\n\r\n"]
