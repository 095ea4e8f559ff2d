"""MAIL_MAX_CONNECTIONS: a bound on simultaneous connections, for which threads wait."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace

import pytest
from servers import Recorder, mail_to, smtp_server

from flask_mail import BackendUnavailable, Message, Outcome
from flask_mail.smtp import limit as module
from flask_mail.smtp import pipeline
from flask_mail.smtp.deadline import Deadline, DeadlinePassed
from flask_mail.smtp.growth import Growth
from flask_mail.smtp.limit import ConnectionLimit


class CountingRecorder(Recorder):
    """Counts the sessions that are open at the same time."""

    def __init__(self):
        super().__init__()
        self.open: set[object] = set()
        self.most = 0

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.open.add(session.peer)
        self.most = max(self.most, len(self.open))
        session.host_name = hostname
        return responses

    async def handle_QUIT(self, server, session, envelope):
        self.open.discard(session.peer)
        return "221 2.0.0 bye"


def message(number: int = 0) -> Message:
    return Message(f"Number {number}", ["to@example.com"], "Hi")


def run_together(count, work):
    failures: list[BackendUnavailable] = []

    def run(number):
        try:
            work(number)
        except BackendUnavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return failures


@pytest.mark.parametrize("pool_size", [0, 3])
def test_threads_wait_for_a_connection(pool_size):
    recorder = CountingRecorder()
    with smtp_server(recorder) as server:
        mail = mail_to(server.port, MAIL_MAX_CONNECTIONS=3, MAIL_POOL_SIZE=pool_size)
        assert run_together(12, lambda number: mail.send(message(number))) == []
        mail.close()
    assert len(recorder.accepted) == 12
    assert recorder.most <= 3


def test_waiting_counts_against_the_deadline():
    with smtp_server() as server:
        mail = mail_to(server.port, MAIL_MAX_CONNECTIONS=1, MAIL_DEADLINE=0.3)
        with mail.connect() as connection:
            assert connection.send(message()).sent
            failures = run_together(1, lambda number: mail.send(message()))
        assert mail.send(message()).sent
    [error] = failures
    assert isinstance(error, BackendUnavailable)
    assert error.receipt.outcome is Outcome.NOT_SENT
    assert error.stage == "connect"
    assert "MAIL_MAX_CONNECTIONS" in str(error)


def test_batch_uses_no_more_connections_than_allowed(monkeypatch):
    """Another connection is opened as soon as a message waits, and few fill one."""
    monkeypatch.setattr(Growth, "seconds_left", lambda self, count: 0.0)
    monkeypatch.setattr(pipeline, "MESSAGES", 4)
    recorder = CountingRecorder()
    with smtp_server(recorder) as server:
        mail = mail_to(server.port, MAIL_MAX_CONNECTIONS=2, MAIL_BATCH_CONNECTIONS=5)
        assert all(mail.send_many(message(number) for number in range(60)))
    assert recorder.most <= 2


def test_lost_connection_waits_for_a_place_before_it_is_renewed():
    with smtp_server() as server:
        mail = mail_to(server.port, MAIL_MAX_CONNECTIONS=1)
        sessions = mail.selection.backend()._sessions
        session = sessions.take(Deadline())
        session.close()
        assert sessions._limit.begin()  # as another thread does
        with pytest.raises(BackendUnavailable, match="MAIL_MAX_CONNECTIONS"):
            sessions.reopen(session)(Deadline(0.1), is_patient=True)
        sessions._limit.end(None)
        sessions.reopen(session)(Deadline(), is_patient=True)
        assert not sessions._limit.begin()
        session.close()


def test_batch_without_deadline_waits_as_long_as_for_the_server():
    """A thread whose own blocks keep all connections open would wait forever."""
    with smtp_server() as server:
        mail = mail_to(server.port, MAIL_MAX_CONNECTIONS=1, MAIL_TIMEOUT=0.3)
        with mail.connect() as first:
            first.host.close()
            with mail.connect() as second:
                receipts = first.send_many([message(1), message(2)])
                assert second.send(message(3)).sent
    assert [each.outcome for each in receipts] == [Outcome.NOT_SENT] * 2
    assert "MAIL_MAX_CONNECTIONS" in str(receipts[0].error)


def test_deadline_of_a_message_that_waited_ends_no_other():
    with smtp_server() as server:
        mail = mail_to(server.port, MAIL_MAX_CONNECTIONS=1, MAIL_DEADLINE=0.3)
        sessions = mail.selection.backend()._sessions
        with mail.connect() as connection:
            connection.host.close()
            assert sessions._limit.begin()  # as another thread does

            def batch():
                yield message(1)
                sessions._limit.end(None)
                yield message(2)

            receipts = connection.send_many(batch())
    assert [each.outcome for each in receipts] == [Outcome.NOT_SENT, Outcome.SENT]


def test_lost_connection_takes_the_place_of_an_idle_one():
    recorder = CountingRecorder()
    with smtp_server(recorder) as server:
        idling = {"MAIL_POOL_SIZE": 1, "MAIL_KEEPALIVE": 600}
        mail = mail_to(server.port, MAIL_MAX_CONNECTIONS=1, MAIL_DEADLINE=2, **idling)
        with mail.connect() as connection:
            connection.host.quit()
            assert mail.send(message(1)).sent
            assert mail.stats()["idle"] == 1
            assert connection.send(message(2)).sent
            assert mail.stats()["surplus"] == 1
        mail.close()
    assert recorder.most == 1


@pytest.mark.parametrize("is_notified", [True, False])
def test_thread_that_has_waited_is_not_notified_later(is_notified, monkeypatch):
    limit = ConnectionLimit(1)

    class Event(threading.Event):
        def wait(self, timeout=None):
            if is_notified:
                limit.notify()
            return self.is_set()

    monkeypatch.setattr(module, "threading", SimpleNamespace(Event=Event))
    limit.wait(Deadline(10))
    assert not limit._waiting


def test_batch_does_not_wait_for_a_further_connection():
    with smtp_server() as server:
        mail = mail_to(server.port, MAIL_MAX_CONNECTIONS=1)
        sessions = mail.selection.backend()._sessions
        session = sessions.take(Deadline())
        sessions.share(session, is_hidden=True)
        others = sessions.beside(session, 3, lambda session: None)
        with pytest.raises(BackendUnavailable, match="MAIL_MAX_CONNECTIONS"):
            others.open()
        session.close()


def test_session_is_hidden_until_it_is_taken_again():
    with smtp_server() as server:
        mail = mail_to(server.port, MAIL_POOL_SIZE=1)
        sessions = mail.selection.backend()._sessions
        session = sessions.take(Deadline())
        sessions.share(session, is_hidden=True)
        assert sessions.beside(session, 3, lambda session: None) is not None
        assert sessions._pool.give(session)
        assert sessions.take(Deadline()) is session
        assert sessions.beside(session, 3, lambda session: None) is None
        session.close()


def test_renewed_connection_needs_a_place_too():
    recorder = CountingRecorder()
    with smtp_server(recorder) as server:
        mail = mail_to(server.port, MAIL_MAX_CONNECTIONS=1, MAIL_MAX_EMAILS=2)
        assert all(mail.send_many(message(number) for number in range(7)))
    assert recorder.most == 1


def test_refused_connection_frees_its_place():
    mail = mail_to(1, MAIL_MAX_CONNECTIONS=1)
    for _ in range(2):
        with pytest.raises(BackendUnavailable, match="refused|Could not connect"):
            mail.send(message())


@pytest.mark.parametrize("value", ["many", True, "1.5"])
def test_limit_must_be_a_whole_number(value):
    with pytest.raises(ValueError, match="MAIL_MAX_CONNECTIONS must be a whole number"):
        mail_to(1, MAIL_MAX_CONNECTIONS=value).send(message())


def test_reservation_is_replaced_by_its_connection():
    limit = ConnectionLimit(1)
    assert limit.begin()
    assert not limit.begin()
    limit.end(None)
    assert limit.begin()


def test_child_does_not_wait_for_what_its_parent_was_opening(monkeypatch):
    limit = ConnectionLimit(1)
    assert limit.begin()
    limit._waiting.append(threading.Event())
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert limit.begin()
    assert not limit._waiting
    assert not limit.begin()


def test_no_limit_reserves_nothing():
    limit = ConnectionLimit(None)
    assert all(limit.begin() for _ in range(100))
    limit.end(None)
    limit.notify()


def test_wait_ends_with_the_deadline():
    clock = iter([0.0, 10.0])
    with pytest.raises(DeadlinePassed):
        ConnectionLimit(1).wait(Deadline(5.0, lambda: next(clock)))


def test_notify_wakes_the_thread_that_has_waited_longest():
    limit = ConnectionLimit(1)
    woken = threading.Event()

    def wait():
        while not woken.is_set():
            limit.wait(Deadline())

    thread = threading.Thread(target=wait)
    thread.start()
    while not limit._waiting:
        pass
    woken.set()
    limit.notify()
    thread.join(10)
    assert not thread.is_alive()
    assert not limit._waiting
