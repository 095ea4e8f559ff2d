"""The base class of backends over HTTP: options, requests, outcomes, connections, TLS."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from traceback import TracebackException
from typing import Any

import pytest
import trustme
from pigeon import KEY, PigeonBackend, body_of, head_of, pigeon_at

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryError,
    DeliveryUnknown,
    Message,
    MessageError,
    MessageRefused,
    Outcome,
    UnsupportedFeature,
)
from flask_mail.backends import EventsSecret, Refusal, Secret, http, http_wire
from flask_mail.backends.declared import options_declared_by
from flask_mail.backends.http import Answer, HttpBackend, Request
from flask_mail.backends.http_outcomes import describe_failure, reason_in
from flask_mail.backends.http_pool import HttpPool
from flask_mail.smtp.deadline import Deadline
from flask_mail.testing.contract import Ending, Plan, answer, scripted_service
from flask_mail.testing.contract.http_fixtures import make_buffers_small

ACCEPTED = answer(200, {"id": "4711"})


def message(**fields):
    given = {"recipients": ["bob@example.com"], "body": "Hi", "sender": "ann@example.com"}
    return Message("Hello", **{**given, **fields})


@pytest.fixture
def service():
    with scripted_service() as service:
        service.answers = lambda request: ACCEPTED
        yield service


# ---------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "must be a URL"),
        ("example.com", "must be a URL"),
        ("https://", "must be a URL"),
        ("https://[::1", "must be a URL"),
        ("https://example.com:port", "must be a URL"),
        ("https://example.com:0", "must be a URL"),
        ("https://exämple.com", "must be a URL"),
        ("https://example.com/a b", "must be a URL"),
        ("https://me:pw@example.com", "must not contain a user name"),
        ("https://example.com/?to=1", r"must not contain \? or #"),
        ("https://example.com/#a", r"must not contain \? or #"),
        ("https://example.com/?", r"must not contain \? or #"),
        ("http://example.com", "must begin with https"),
        ("ftp://localhost", "must begin with https"),
    ],
)
def test_invalid_url_is_refused_without_showing_it(url, says):
    with pytest.raises(ConfigurationError, match=f"MAIL_PIGEON_URL {says}") as caught:
        pigeon_at(url)
    assert "pw@" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"timeout": 0}, "MAIL_PIGEON_TIMEOUT must be above 0"),
        ({"deadline": -1.0}, "MAIL_PIGEON_DEADLINE must be above 0"),
        ({"deadline": float("nan")}, "MAIL_PIGEON_DEADLINE must be above 0"),
        ({"timeout": 3601.0}, "at most 3600 seconds"),
        ({"pool_size": -1}, "MAIL_PIGEON_POOL_SIZE must not be negative"),
    ],
)
def test_option_out_of_range_is_refused(options, says):
    with pytest.raises(ConfigurationError, match=says):
        pigeon_at("https://example.com", **options)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.example.com", "api.example.com"),
        ("https://api.example.com:443/v1", "api.example.com"),
        ("https://api.example.com:8443", "api.example.com:8443"),
        ("http://[::1]:8025", "[::1]:8025"),
        ("http://localhost:80", "localhost"),
    ],
)
def test_host_header_has_the_port_unless_it_is_the_usual_one(url, host):
    assert pigeon_at(url)._authority == host


def test_constructor_inherits_the_options_that_it_passes_on():
    names = {each.name: each for each in options_declared_by(PigeonBackend)}
    assert list(names) == ["key", "url", "timeout", "deadline", "pool_size"]
    assert names["key"].secret
    assert names["timeout"].key == "MAIL_PIGEON_TIMEOUT"
    assert "TLS handshake" in names["timeout"].meaning
    assert names["key"].meaning == "the key of the account."
    backend = PigeonBackend.from_options(
        {"url": "https://example.com", "key": KEY, "timeout": "5"}, lambda name: None
    )
    assert backend._place.timeout == 5.0
    with pytest.raises(ConfigurationError, match="did you mean 'MAIL_PIGEON_TIMEOUT'"):
        PigeonBackend.from_options({"url": "https://a.example", "key": KEY, "timeuot": 5}, None)


def test_constructor_may_change_a_default_of_its_base():
    class Service(PigeonBackend):
        def __init__(self, *, url: str = "https://api.example.com", **options: Any) -> None:
            super().__init__(url=url, **options)

    class Derived(Service):
        pass

    class Closed(Service):
        def __init__(self, *, key: Secret) -> None:
            super().__init__(key=key)

    for cls in (Service, Derived):
        names = {each.name: each.default for each in options_declared_by(cls)}
        assert list(names) == ["url", "key", "timeout", "deadline", "pool_size"]
        assert names["url"] == "https://api.example.com"
    assert [each.name for each in options_declared_by(Closed)] == ["key"]
    backend = Closed.from_options({"key": KEY}, None)
    assert backend.place == "api.example.com (MAIL_PIGEON_URL)"
    assert backend.server_address == ("api.example.com", 443)


# ---------------------------------------------------------------------- requests


def test_request_has_the_key_and_the_source(service):
    receipt = pigeon_at(service.url).send(message(tags=["welcome"]))

    assert receipt.response == "4711"
    (request,) = service.requests
    assert head_of(request)[0] == "POST /send HTTP/1.1"
    assert f"Authorization: Bearer {KEY}" in head_of(request)
    assert "User-Agent: Flask-Mail" in head_of(request)
    assert body_of(request)["tags"] == ["welcome"]


class Made(PigeonBackend):
    """Its request, and how it reads the answer, are those of a test."""

    def make(self, mail: Any) -> Request:
        raise NotImplementedError

    def request(self, mail):
        return self.make(mail)


def made_by(service, make):
    return type("MadeBackend", (Made,), {"make": make, "__init__": PigeonBackend.__init__})


@pytest.mark.parametrize(
    ("make", "kind", "says", "stage"),
    [
        (lambda *_: Request("/a b"), BackendUnavailable, "percent-encoded", "data"),
        (lambda *_: {}["no"], BackendUnavailable, "could not make the request: KeyError", "data"),
        (lambda *_: None, BackendUnavailable, "could not make the request: Attrib", "data"),
        (
            lambda *_: Request("/", headers={"Authorization": "Bearer kéy-é"}),
            BackendUnavailable,
            "could not make the request: its header Authorization must be printable ASCII",
            "login",
        ),
        (
            lambda *_: Request("/", headers={"X": Secret(lambda: 1 / 0, "MAIL_X_KEY")}),
            BackendUnavailable,
            "MAIL_X_KEY raised ZeroDivisionError",
            "login",
        ),
    ],
)
def test_request_that_cannot_be_made_is_not_sent(service, make, kind, says, stage):
    with pytest.raises(kind, match=says) as caught:
        pigeon_at(service.url, made_by(service, make)).send(message())
    assert caught.value.stage == stage
    assert "kéy-é" not in str(caught.value)
    assert service.connections == 0


def test_key_in_an_error_of_the_request_is_masked(service):
    def make(self, mail):
        raise ValueError(f"bad key {KEY}")

    with pytest.raises(BackendUnavailable, match=r"ValueError: bad key \*\*\*\.") as caught:
        pigeon_at(service.url, made_by(service, make)).send(message())
    assert caught.value.__cause__ is None


def test_unsupported_feature_is_refused_before_anything_is_sent(service):
    def make(self, mail):
        raise self.unsupported("the tag 'two words'")

    with pytest.raises(UnsupportedFeature, match="the tag 'two words'"):
        pigeon_at(service.url, made_by(service, make)).send(message())
    assert service.connections == 0


class Sized:
    """A body whose blocks may be others than its length says."""

    def __init__(self, length, *blocks):
        self.length, self.all = length, blocks

    def __len__(self):
        return self.length

    def blocks(self):
        for each in self.all:
            if isinstance(each, Exception):
                raise each
            yield each


def test_body_in_blocks_is_sent(service):
    backend = pigeon_at(
        service.url, made_by(service, lambda *_: Request("", Sized(4, b"ab", b"cd")))
    )
    backend.send(message())
    backend = pigeon_at(service.url, made_by(service, lambda *_: Request("", Sized(0))))
    backend.send(message())
    assert [each.partition(b"\r\n\r\n")[2] for each in service.requests] == [b"abcd", b""]


@pytest.mark.parametrize(
    "body",
    [
        Sized(4, b"ab", b"c"),
        Sized(4, b"abc", b"de"),
        Sized(4, b"ab", b"cd", b"e"),
        Sized(4, b"ab", MessageError("the attached file has changed")),
        Sized(99_999, b"a" * 99_999, b"", MessageError("the attached file has changed")),
    ],
)
def test_body_of_another_length_is_never_complete(service, body):
    """The service must not accept a part of a message, nor may it count as accepted."""
    backend = pigeon_at(service.url, made_by(service, lambda *_: Request("/send", body)))
    with pytest.raises(MessageError, match="length|has changed"):
        backend.send(message())
    assert service.requests == []
    assert backend.stats()["idle"] == 0


# ---------------------------------------------------------------------- answers


def test_error_says_what_the_service_says(service):
    service.plan(Plan(answer(422, {"error": {"message": "The\r\nsender \u202eis unknown."}})))
    with pytest.raises(MessageRefused) as caught:
        pigeon_at(service.url).send(message())
    said = "422 The sender is unknown"
    assert str(caught.value) == f"127.0.0.1 refused the message: {said}."
    assert caught.value.response == said
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("status", [404, 405])
def test_unknown_path_names_the_setting_of_the_url(service, status):
    service.plan(Plan(answer(status)))
    with pytest.raises(BackendUnavailable) as caught:
        pigeon_at(service.url).send(message())
    says = f"127.0.0.1 did not accept the message: {status}. Check MAIL_PIGEON_URL."
    assert str(caught.value) == says


def test_rejected_login_names_the_setting_of_the_key(service):
    service.plan(Plan(answer(401)))
    with pytest.raises(BackendUnavailable, match=r"the login: 401\. Check MAIL_PIGEON_KEY\.$"):
        pigeon_at(service.url).send(message())


def test_rejected_login_does_not_name_the_secret_of_events(service):
    class Reporting(PigeonBackend):
        def __init__(self, *, events_secret: EventsSecret | None = None, **options: Any) -> None:
            super().__init__(**options)

    service.plan(Plan(answer(401)))
    with pytest.raises(BackendUnavailable, match=r"the login: 401\. Check MAIL_PIGEON_KEY\.$"):
        pigeon_at(service.url, Reporting).send(message())


def test_backend_without_a_secret_is_told_to_check_the_key(service):
    class Open(HttpBackend):
        name = "pigeon"

        def request(self, mail):
            return Request("/send")

        def outcome(self, mail, answer):
            return self.accepted(mail)

    service.plan(Plan(answer(403)))
    with pytest.raises(BackendUnavailable, match=r"Check the key\.$"):
        Open(url=service.url).send(message())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"message": "One"}, "One"),
        ({"Message": "Two", "ErrorCode": 406}, "Two"),
        ({"error": "three"}, "three"),
        ({"error": "code", "error_description": "Four"}, "Four"),
        ({"detail": "Five"}, "Five"),
        ("<b>Six</b>", "<b>Six</b>"),
        ("x" * 301, "x" * 300 + "..."),
        ("", ""),
    ],
)
def test_reason_is_found_in_an_answer(body, said):
    octets = answer(400, body).partition(b"\r\n\r\n")[2]
    assert reason_in(Answer(400, {}, octets)) == said


def test_backend_may_read_an_answer_in_its_own_way(service):
    class Particular(PigeonBackend):
        def failure(self, mail, answer):
            if answer.find("code") == "406":
                refused = dict.fromkeys(mail.envelope.recipients, Refusal(550, "", f"for {KEY}"))
                return self.error(MessageRefused, answer=answer, refused=refused)
            if answer.find("code") == "405":
                return self.error(BackendUnavailable, "login", answer=answer, advice="Pay.")
            return super().failure(mail, answer)

    service.plan(
        Plan(answer(422, {"code": 406, "message": "Inactive."})),
        Plan(answer(422, {"code": 405, "message": "No credit."})),
        Plan(answer(429, {"code": 1}, (("Retry-After", "7"),))),
    )
    backend = pigeon_at(service.url, Particular)
    with pytest.raises(MessageRefused, match=r"422 Inactive\.") as caught:
        backend.send(message())
    assert caught.value.receipt.refused == {"bob@example.com": Refusal(550, "", "for ***")}
    with pytest.raises(BackendUnavailable, match=r"rejected the login: 422 No credit\. Pay\."):
        backend.send(message())
    with pytest.raises(BackendUnavailable) as later:
        backend.send(message())
    assert later.value.retry_after == 7.0


def test_error_of_flask_mail_after_an_answer_is_unknown(service):
    """MessageError would mean that nothing was sent."""

    class Wrong(PigeonBackend):
        def outcome(self, mail, answer):
            raise MessageError(f"no {KEY}")

    with pytest.raises(DeliveryUnknown, match=r"but not as expected \(MessageError: no \*\*\*\)"):
        pigeon_at(service.url, Wrong).send(message())


@pytest.mark.parametrize(
    ("status", "kind", "stage"),
    [
        (413, MessageRefused, "accept"),
        (401, BackendUnavailable, "login"),
        (500, BackendUnavailable, "data"),
        (200, BackendUnavailable, "data"),
    ],
)
def test_early_answer_ends_the_request(service, monkeypatch, status, kind, stage):
    """The service did not get the whole message, so it cannot have accepted it."""
    make_buffers_small(monkeypatch)
    service.plan(Plan(answer(status, {"id": "4711"}), Ending.WAIT, reads=100))
    with pytest.raises(kind) as caught:
        pigeon_at(service.url).send(message(body="A line of text.\n" * 20_000))
    assert caught.value.stage == stage
    assert service.requests == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (OSError(), "OSError"),
        (TimeoutError("timed out"), "it did not answer in time"),
        (UnicodeError("label too long"), "its name is not valid"),
    ],
)
def test_failure_of_a_connection_is_described(error, says):
    assert describe_failure(error) == says


# ---------------------------------------------------------------------- connections


def test_connection_is_used_again(service):
    backend = pigeon_at(service.url)
    receipts = list(backend.send_many([message() for _ in range(3)]))

    assert all(receipts)
    assert service.connections == 1
    assert backend.stats() == {
        "opened": 1,
        "reused": 2,
        "expired": 0,
        "closed_by_peer": 0,
        "surplus": 0,
        "idle": 1,
    }
    backend.shut_down()
    assert backend.stats()["idle"] == 0
    assert backend.send(message())
    assert backend.stats()["idle"] == 0


def test_connection_that_the_service_ends_is_not_kept(service):
    said = answer(200, {"id": "1"}, (("Connection", "close"),))
    service.plan(Plan(said, Ending.CLOSE))
    backend = pigeon_at(service.url)
    assert backend.send(message())
    assert backend.stats()["idle"] == 0


class TakesAnyAnswer(PigeonBackend):
    def outcome(self, mail, answer):
        return self.accepted(mail)


@pytest.mark.parametrize("header", ["", " Accepted", " Accepted\r\n", " Accepted\r\nX-A: b\r\n"])
def test_answer_that_is_cut_in_its_header_is_unknown(service, header):
    """Also for a service that gives no id, whose absence would show it."""
    service.plan(Plan(f"HTTP/1.1 202{header}".encode(), Ending.CLOSE))
    with pytest.raises(DeliveryUnknown, match="cut|not valid"):
        pigeon_at(service.url, TakesAnyAnswer).send(message())


@pytest.mark.parametrize("status", [101, 102, 103])
def test_final_answer_after_an_interim_one_is_not_that_to_the_next(service, status):
    """It may arrive later, when the connection is used for another message."""
    service.plan(Plan(answer(status)))
    backend = pigeon_at(service.url)
    with pytest.raises(DeliveryUnknown):
        backend.send(message())
    assert backend.stats()["idle"] == 0


def test_chunked_answer_is_read(service):
    said = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'5\r\n{"id"\r\n4\r\n:17}\r\n0\r\n\r\n'
    )
    service.plan(Plan(said))
    backend = pigeon_at(service.url)
    assert backend.send(message()).response == "17"
    assert backend.stats()["idle"] == 1


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class StandIn:
    """A connection in a pool."""

    is_own = is_reusable = True
    stale = dropped = False

    def __init__(self, opened_at=1000.0):
        self.opened_at = opened_at

    def is_stale(self):
        return self.stale

    def drop(self):
        self.dropped = True


def test_pool_drops_what_is_old_stale_or_of_another_process():
    clock = Clock()
    pool = HttpPool(3, clock)
    fit, stale, foreign = (StandIn() for _ in range(3))
    for each in (fit, stale, foreign):
        pool.give(each)
    stale.stale, foreign.is_own = True, False
    assert pool.take() is fit
    assert pool.take() is None
    pool.give(fit)
    clock.now += 30
    assert pool.take() is None
    pool.give(aged := StandIn(opened_at=clock.now - 300))
    assert pool.take() is None
    assert [each.dropped for each in (fit, stale, foreign, aged)] == [True] * 4
    assert pool.counts() == {
        "opened": 0,
        "reused": 1,
        "expired": 2,
        "closed_by_peer": 1,
        "surplus": 1,
        "idle": 0,
    }


def test_connection_is_stale_once_it_was_dropped_or_broke(service, monkeypatch):
    place = pigeon_at(service.url)._place
    wire = http_wire.connect(place, Deadline(5.0))
    assert not wire.is_stale()

    def broken(self):
        raise ConnectionResetError(104, "Connection reset by peer")

    with monkeypatch.context() as patch:
        patch.setattr(http_wire.HttpWire, "_fill", broken)
        assert wire.is_stale()
    wire.drop()
    assert wire.is_stale()


def test_pool_keeps_the_newest_within_its_size():
    pool = HttpPool(1)
    first, second = StandIn(), StandIn()
    pool.give(first)
    pool.give(second)
    assert (first.dropped, second.dropped) == (True, False)
    ended = StandIn()
    ended.is_reusable = False
    pool.give(ended)
    assert ended.dropped
    assert pool.take() is second or pool.counts()["idle"] == 0


def test_pool_does_not_drop_what_another_thread_has_taken():
    """It may take the connection, and send with it, as soon as the lock is free."""
    pool, wire = HttpPool(1, Clock()), StandIn()
    lock = pool._lock

    class Released:
        def __enter__(self):
            lock().__enter__()

        def __exit__(self, *given):
            lock().__exit__(*given)
            pool._lock = lock
            assert pool.take() is wire
            wire.is_reusable = False  # as it is during a request

    pool._lock = Released
    pool.give(wire)
    assert not wire.dropped


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_process_has_its_own_connections(service):
    backend = pigeon_at(service.url)
    assert backend.send(message())
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if backend.send(message()).sent else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert backend.send(message())
    assert service.connections == 2
    assert backend.stats()["reused"] == 1


def test_message_that_waited_past_its_deadline_is_not_written(service):
    backend = pigeon_at(service.url)
    assert backend.send(message())
    with pytest.raises(BackendUnavailable, match="there was no time left") as caught:
        backend.exchange(Request("/send"), Deadline(-1.0))
    assert caught.value.stage == "data"
    assert len(service.requests) == 1
    with pytest.raises(BackendUnavailable, match="cannot be reached") as caught:
        backend.exchange(Request("/send"), Deadline(-1.0))
    assert caught.value.stage == "connect"


class Renewing(PigeonBackend):
    """Logs in with an access token that expires."""

    renewals = 0

    def renew_login(self):
        self.renewals += 1
        return True


def test_message_is_tried_once_more_after_the_login_was_renewed(service):
    answers = iter([answer(401), ACCEPTED, answer(401), answer(401), answer(500)])
    service.answers = lambda request: next(answers)
    backend = pigeon_at(service.url, Renewing)
    receipt = backend.send(message())
    assert (receipt.sent, receipt.attempts, backend.renewals) == (True, 2, 1)
    with pytest.raises(BackendUnavailable, match="rejected the login") as caught:
        backend.send(message())
    assert (caught.value.stage, caught.value.attempts) == ("login", 2)
    with pytest.raises(DeliveryUnknown):
        backend.send(message())
    assert (len(service.requests), backend.renewals) == (5, 2)


@pytest.mark.parametrize("error", [KeyError("a cache"), DeliveryUnknown("a cache"), OSError()])
def test_message_is_not_sent_if_the_login_cannot_be_renewed(service, error):
    service.answers = lambda request: answer(401, {"error": "expired"})

    class Failing(PigeonBackend):
        def renew_login(self):
            raise error

    with pytest.raises(BackendUnavailable) as caught:
        pigeon_at(service.url, Failing).send(message())
    receipt = caught.value.receipt
    assert (receipt.outcome, receipt.attempts) == (Outcome.NOT_SENT, 1)
    assert receipt.response.startswith("401")
    assert caught.value.stage == "login"
    said = ": ".join(filter(None, (type(error).__name__, str(error))))
    assert str(caught.value).endswith(f" renew_login() raised {said}.")
    assert len(service.requests) == 1


def test_error_while_a_login_is_renewed_shows_no_key(service):
    service.answers = lambda request: answer(401)

    class Failing(PigeonBackend):
        def renew_login(self):
            raise KeyError(KEY)

    with pytest.raises(BackendUnavailable, match="renew_login") as caught:
        pigeon_at(service.url, Failing).send(message())
    shown = TracebackException.from_exception(caught.value, capture_locals=True).format()
    assert KEY not in "".join(each for each in shown if "/flask_mail/" in each)
    assert KEY not in str(caught.value)


def test_second_try_gets_what_is_left_of_the_deadline(service, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(http, "Deadline", lambda seconds: Deadline(seconds, clock))
    service.answers = lambda request: answer(401)

    class Slow(Renewing):
        def renew_login(self):
            clock.now += 20.0
            return True

    with pytest.raises(BackendUnavailable, match="there was no time left") as caught:
        pigeon_at(service.url, Slow).send(message())
    assert caught.value.attempts == 2
    assert len(service.requests) == 1


def test_deadline_grows_with_the_message():
    backend = pigeon_at("https://example.com")
    mail = type("Mail", (), {"size": 128 * 1024 * 10})
    assert backend.time_limit(mail) == 30.0
    assert pigeon_at("https://example.com", timeout=40.0).time_limit(mail) == 50.0
    assert pigeon_at("https://example.com", deadline=3.0).time_limit(mail) == 3.0


@pytest.mark.parametrize("stage", ["connect", "exchange", "stale"])
def test_error_of_a_signal_handler_is_not_taken_for_one_of_the_peer(service, monkeypatch, stage):
    alarm = OSError("time is up")
    backend = pigeon_at(service.url)
    if stage == "stale":
        assert backend.send(message())

    def interrupted(*_):
        raise alarm

    if stage == "connect":
        monkeypatch.setattr(http_wire, "_socket", interrupted)
    else:
        monkeypatch.setattr(http_wire.HttpWire, "_fill", interrupted)
    with pytest.raises(OSError, match="time is up") as caught:
        backend.send(message())
    assert caught.value is alarm
    monkeypatch.undo()
    assert backend.stats()["idle"] == 0
    assert backend.send(message())


def test_interrupted_worker_leaves_no_connection(service, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    backend = pigeon_at(service.url)
    monkeypatch.setattr(http_wire.HttpWire, "_flush", interrupted)
    with pytest.raises(KeyboardInterrupt):
        backend.send(message())
    assert backend.stats()["idle"] == 0


def test_sockets_that_a_program_replaces_are_used(service, monkeypatch):
    connect = http_wire.socket.create_connection
    seen = []

    def noted(address, *given, **options):
        seen.append(address)
        return connect(address, *given, **options)

    monkeypatch.setattr(http_wire.socket, "create_connection", noted)
    assert pigeon_at(service.url).send(message())
    assert [f"http://{host}:{port}" for host, port in seen] == [service.url]


def test_failed_connection_closes_its_socket(service, monkeypatch):
    made = []
    connected = http_wire._socket

    def noted(*given):
        made.append(connected(*given))
        return made[-1]

    monkeypatch.setattr(http_wire, "_socket", noted)
    monkeypatch.setattr(http_wire.HttpWire, "be_prompt", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pigeon_at(service.url).send(message())
    assert made[0].fileno() == -1


def test_host_that_is_not_a_name_cannot_be_reached():
    with pytest.raises(BackendUnavailable, match="cannot be reached") as caught:
        pigeon_at(f"https://{'a' * 70}.example").send(message())
    assert caught.value.stage == "connect"


# ---------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


class TlsService:
    """A service with a certificate, which answers one request on each connection."""

    def __init__(self, context):
        self.context = context
        self.protocols = []
        self.error = None


@pytest.fixture
def tls_service(authority, tmp_path, monkeypatch):
    """A service on 127.0.0.1 whose authority this process trusts, and its state."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["http/1.1"])
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    state = TlsService(context)
    listener = socket.create_server(("127.0.0.1", 0))
    state.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    state.ca_file = str(tmp_path / "ca.pem")

    def serve():
        while True:
            plain, _ = listener.accept()
            try:
                if plain.recv(1, socket.MSG_PEEK) == b"":
                    plain.close()
                    return
                with context.wrap_socket(plain, server_side=True) as sock:
                    state.protocols.append(sock.selected_alpn_protocol())
                    while sock.recv(65536):
                        sock.sendall(ACCEPTED)
            except OSError as error:
                state.error = error

    thread = threading.Thread(target=serve)
    thread.start()
    yield state
    socket.create_connection(listener.getsockname()).close()
    thread.join()
    listener.close()


def test_message_is_sent_by_tls(tls_service, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", tls_service.ca_file)
    backend = pigeon_at(tls_service.url)
    assert backend.send(message())
    assert backend.send(message())
    assert tls_service.protocols == ["http/1.1"]
    assert backend.stats()["reused"] == 1
    backend.shut_down()


def test_certificate_is_verified(tls_service):
    with pytest.raises(BackendUnavailable, match="certificate is not valid") as caught:
        pigeon_at(tls_service.url).send(message())
    assert caught.value.stage == "tls"
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


def test_name_in_the_certificate_is_verified(tls_service, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", tls_service.ca_file)
    with pytest.raises(BackendUnavailable, match="certificate is not valid"):
        pigeon_at(tls_service.url.replace("127.0.0.1", "localhost")).send(message())


def test_errors_can_be_raised_by_all_kinds(service):
    for kind in (BackendUnavailable, MessageRefused, DeliveryUnknown):
        error = pigeon_at(service.url).error(kind, answer=Answer(418, {"retry-after": "5"}, b""))
        assert isinstance(error, DeliveryError)
        assert error.retry_after == (5.0 if kind is BackendUnavailable else None)


# ---------------------------------------------------------------------- trial


def steps_of(url):
    return [(each.name, each.status, each.detail) for each in pigeon_at(url).probe()]


def test_probe_connects_and_sends_nothing(service):
    place = service.url.removeprefix("http://")
    assert steps_of(service.url) == [
        ("connect", "ok", place),
        ("tls", "skipped", "the URL begins with http://"),
    ]
    assert service.requests == []


def test_probe_shows_the_certificate(tls_service, monkeypatch):
    place = tls_service.url.removeprefix("https://")
    connected, failed = steps_of(tls_service.url)
    assert connected == ("connect", "ok", place)
    assert failed[:2] == ("tls", "failed")
    assert "certificate is not valid" in failed[2]
    monkeypatch.setenv("SSL_CERT_FILE", tls_service.ca_file)
    _, negotiated = steps_of(tls_service.url)
    assert negotiated[:2] == ("tls", "ok")
    assert "TLSv1" in negotiated[2]
    assert "127.0.0.1" in negotiated[2]


def test_probe_says_why_it_cannot_connect():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{closed.getsockname()[1]}"
        assert steps_of(f"http://{place}") == [
            ("connect", "failed", f"{place}: Connection refused")
        ]
