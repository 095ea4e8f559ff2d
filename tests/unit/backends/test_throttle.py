"""The throttle: rates, waits, batches, settings, shared storage."""

from __future__ import annotations

import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from servers import smtp_server

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    Mail,
    Message,
    Outcome,
    Outgoing,
)
from flask_mail.backends.failover import FailoverBackend
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.backends.throttle import LocalBucket, Rate, ThrottleBackend
from flask_mail.testing.contract import ScriptedBackend
from flask_mail.testing.contract.composing import outcomes_of
from flask_mail.util.clocks import waited


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self):
        self.now = 100.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def hello():
    return Message("Hi", ["to@example.com"], "Hello", sender="from@example.com")


def made(rate, burst=1, max_wait=5.0, child=None):
    time = Time()
    backend = ThrottleBackend(mailer=child or ScriptedBackend("m1"), rate=rate, max_wait=max_wait)
    backend.bucket = LocalBucket(rate, burst, time)
    backend.sleep = time.sleep
    return backend, time


def mail_of(**options):
    app = Flask(__name__)
    default = {"BACKEND": "throttle", "MAILER": "m1", "RATE": "10/second", **options}
    app.config["MAIL_MAILERS"] = {"default": default, "m1": "null"}
    return Mail(app)


@pytest.mark.parametrize("mode", ["deliver", "deliver_many", "connect block"])
def test_messages_wait_for_the_rate(mode):
    backend, time = made(Rate(2, 1))
    receipts = outcomes_of(backend, [hello() for _ in range(4)], mode)
    assert all(each.sent for each in receipts)
    assert time.slept == [0.5] * 3


def test_burst_need_not_wait():
    backend, time = made(Rate(2, 1), burst=3)
    outcomes_of(backend, [hello() for _ in range(5)], "deliver_many")
    assert time.slept == [0.5, 0.5]
    time.now += 100.0
    outcomes_of(backend, [hello() for _ in range(4)], "deliver_many")
    assert time.slept == [0.5] * 3


@pytest.mark.parametrize("mode", ["deliver", "deliver_many", "connect block"])
def test_message_that_would_wait_too_long_is_not_sent(mode):
    child = ScriptedBackend("m1")
    backend, time = made(Rate(1, 60), child=child)
    messages = [hello() for _ in range(3)]
    first, second, third = outcomes_of(backend, messages, mode)
    assert first.sent
    assert [second.outcome, third.outcome] == [Outcome.NOT_SENT] * 2
    assert [each.message_id for each in (first, second, third)] == [m.msgId for m in messages]
    assert second.error.retry_after == 60.0
    assert str(second.error) == (
        "The message was not sent, as MAIL_THROTTLE_RATE allows 1/minute: try again in 60 seconds."
    )
    assert second.attempts == 0
    assert time.slept == []
    assert (len(child.given), child.opened) == (1, 1)
    time.now += 56.0
    assert outcomes_of(backend, [hello()], mode)[0].sent
    assert time.slept == [4.0]


class Hurried(ScriptedBackend):
    """Has a deadline, and notes how long each message has waited."""

    def __init__(self, limit):
        super().__init__("m1")
        self.limit = limit
        self.waits = []

    def time_limit(self, mail):
        return self.limit

    def deliver(self, mail, session):
        self.waits.append(waited.get())
        return super().deliver(mail, session)


def test_wait_of_a_single_message_is_part_of_its_deadline():
    child = Hurried(8.0)
    backend, time = made(Rate(20, 60), child=child)
    assert all(each.sent for each in outcomes_of(backend, [hello(), hello()], "deliver"))
    assert (time.slept, child.waits, waited.get()) == ([3.0], [0.0, 3.0], 0.0)


@pytest.mark.parametrize(("mode", "sent"), [("deliver", 1), ("deliver_many", 2)])
def test_single_message_waits_for_at_most_half_of_its_deadline(mode, sent):
    backend, _ = made(Rate(12, 60), child=Hurried(8.0))
    receipts = outcomes_of(backend, [hello(), hello()], mode)
    assert sum(each.sent for each in receipts) == sent


def test_two_throttles_share_the_deadline():
    child = Hurried(8.0)
    inner, _ = made(Rate(20, 60), child=child)
    outer, _ = made(Rate(20, 60), child=inner)
    outcomes_of(outer, [hello()], "deliver")
    [second] = outcomes_of(outer, [hello()], "deliver")
    assert second.error.retry_after == 3.0  # the clock of the inner one did not move
    assert child.waits == [0.0]


def test_smtp_connection_and_message_get_the_time_that_is_left():
    with smtp_server() as server:
        backend = SmtpBackend(server=server.host, port=server.port, deadline=30)
        mail = Outgoing.of(hello())
        assert FailoverBackend(mailers=[backend, ScriptedBackend()]).time_limit(mail) == 30
        session = backend.open()
        outside = waited.set(30.0)
        try:
            receipt = backend.attempt(mail, session)
            with pytest.raises(BackendUnavailable, match="MAIL_DEADLINE"):
                backend.open()
        finally:
            waited.reset(outside)
            backend.abort(session)
            backend.shut_down()
    assert (receipt.outcome, server.recorder.accepted) == (Outcome.NOT_SENT, [])
    assert "MAIL_DEADLINE" in str(receipt.error)


def test_failover_goes_on_and_lets_it_rest():
    throttled, _ = made(Rate(1, 3600))
    throttled.mailer = "throttled"
    other = ScriptedBackend("other")
    backend = FailoverBackend(mailers=[throttled, other])
    receipts = outcomes_of(backend, [hello() for _ in range(4)], "deliver_many")
    assert [each.mailer for each in receipts] == ["m1", "other", "other", "other"]
    assert receipts[1].earlier[0].error.retry_after == 3600.0
    assert [each.earlier for each in receipts[2:]] == [(), ()]


def test_threads_get_no_more_than_the_rate():
    child = ScriptedBackend("m1")
    backend, _ = made(Rate(1, 3600), burst=30, child=child)
    receipts = []

    def send_ten():
        session = backend.open()
        mails = [Outgoing.of(hello()) for _ in range(10)]
        receipts.extend([backend.attempt(each, session) for each in mails])
        backend.close(session)

    with ThreadPoolExecutor(8) as pool:
        for sending in [pool.submit(send_ten) for _ in range(8)]:
            sending.result()
    assert len(receipts) == 80
    assert sum(each.sent for each in receipts) == len(child.given) == 30


@pytest.mark.parametrize(
    ("rate", "shown", "burst"),
    [("14/second", "14/second", 14), ("500 / hour", "500/hour", 1), ("90/minute", "90/minute", 1)],
)
def test_rates_and_default_bursts(rate, shown, burst):
    build = {"m1": ScriptedBackend("m1")}.get
    backend = ThrottleBackend.from_options({"mailer": "m1", "rate": rate}, build)
    assert str(backend.rate) == shown
    found = 0
    while backend.bucket.take(0.0)[0] and found < 100:
        found += 1
    assert burst <= found <= burst + 1  # time passes


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"MAILER": ""}, r"needs MAIL_MAILERS\['default'\]\['MAILER'\]"),
        ({"MAILER": 5}, r"\['MAILER'\] must be the name of a mailer"),
        ({"RATE": ""}, r"needs MAIL_MAILERS\['default'\]\['RATE'\]"),
        ({"RATE": "5"}, r"\['RATE'\] must be a number of messages per second"),
        ({"RATE": 5}, r"\['RATE'\] must be a number of messages per second"),
        ({"RATE": "0/hour"}, r"\['RATE'\] must be a number of messages per second"),
        ({"BURST": 0}, r"\['BURST'\] must be a whole number above 0"),
        ({"MAX_WAIT": -1}, r"\['MAX_WAIT'\] must be a number of seconds, 0 or more, .* not -1"),
    ],
)
def test_wrong_options_are_errors(options, says):
    with pytest.raises(ConfigurationError, match=says):
        mail_of(**options).send(hello())


def test_options_from_the_environment():
    assert mail_of(BURST="3", MAX_WAIT="0").send(hello()).sent
    assert ThrottleBackend.parts({"mailer": "m1"}) == ["m1"]
    assert ThrottleBackend.parts({}) == []


class TestStorage:
    @pytest.fixture(autouse=True)
    def limits(self):
        return pytest.importorskip("limits")

    @pytest.fixture
    def bucket(self):
        from flask_mail.backends.throttle_storage import SharedBucket
        from flask_mail.util.secret import Secret

        rate = Rate(2, 3600)
        time = Time()
        local = LocalBucket(Rate(1, 60), 1, time)
        bucket = SharedBucket(Secret("memory://"), rate.interval, 2, lambda: "bulk", local.take)
        bucket.clock = time
        return bucket, time

    def test_storage_is_shared_by_backends(self):
        options = {"STORAGE": "memory://", "RATE": "1/day", "MAX_WAIT": 0}
        mail = mail_of(**options)
        assert mail.send(hello()).sent
        receipt = mail.send_many([hello()])[0]
        assert receipt.outcome is Outcome.NOT_SENT
        assert 80000 < receipt.error.retry_after <= 86400

    def test_wait_is_that_of_the_window(self, bucket):
        shared, _ = bucket
        assert [shared.take(5.0) for _ in range(2)] == [(True, 0.0)] * 2
        is_granted, wait = shared.take(5.0)
        assert not is_granted
        assert 3500 < wait <= 3600

    def test_message_waits_until_the_storage_grants_it(self):
        answers = [(False, 0.5), (False, 0.25), (True, 0.0)]
        backend, time = made(Rate(1, 1))
        backend.bucket = type("Answers", (), {"take": lambda self, most: answers.pop(0)})()
        assert outcomes_of(backend, [hello()], "deliver")[0].sent
        assert time.slept == [0.5, 0.25]

    def test_storage_that_is_down_is_replaced_by_the_local_bucket(self, bucket, caplog):
        shared, time = bucket
        hit = shared._limiter.hit

        def down(*args):
            raise ConnectionError("redis://:s3cret@redis is down")

        shared._limiter.hit = down
        with caplog.at_level(logging.WARNING, "flask_mail"):
            assert shared.take(0.0) == (True, 0.0)
            assert shared.take(0.0) == (False, 60.0)
            time.now += 10.0
            assert shared.take(0.0) == (False, 50.0)
        assert len(caplog.records) == 1
        assert "is down (ConnectionError)" in caplog.text
        assert "s3cret" not in caplog.text
        shared._limiter.hit = hit
        assert shared.take(0.0) == (False, 50.0)
        time.now += 10.0
        assert shared.take(0.0) == (True, 0.0)

    @pytest.mark.parametrize(
        "url", ["nothing://:s3cret@host", "memcached://:s3cret@host", "s3cret"]
    )
    def test_wrong_storage_is_an_error_without_its_url(self, url):
        with pytest.raises(ConfigurationError) as caught:
            mail_of(STORAGE=url).send(hello())
        assert str(caught.value).startswith("MAIL_MAILERS['default']['STORAGE'] cannot be used")
        assert "s3cret" not in str(caught.value)
        assert caught.value.__cause__ is None

    def test_missing_library_is_an_error_that_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "limits", None)
        with pytest.raises(ConfigurationError, match=r"flask-mail\[limits\]"):
            mail_of(STORAGE="memory://").send(hello())
