"""Idle connections are kept for the next message, and never used when they are of no use."""

from __future__ import annotations

import gc
import os
import smtplib
import subprocess
import sys
import threading
import weakref

import pytest
from fault_server import fault_server
from servers import Dialogue, Recorder, mail_to, scripted_server, smtp_server

from flask_mail import ConfigurationError, Message, Outcome
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.smtp import idling
from flask_mail.smtp import pool as pooling
from flask_mail.smtp import session as client
from flask_mail.smtp.pool import Pool
from flask_mail.util.clocks import monotonic


class Counting(Recorder):
    """Counts greetings and goodbyes."""

    def __init__(self):
        super().__init__()
        self.greetings = 0
        self.goodbyes = 0

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.greetings += 1
        session.host_name = hostname
        return responses

    async def handle_QUIT(self, server, session, envelope):
        self.goodbyes += 1
        return "221 bye"


@pytest.fixture
def server():
    with smtp_server(Counting()) as running:
        yield running


def message():
    return Message("Hello", ["to@example.com"], body="Hi")


def pooled(server, **settings):
    return mail_to(server.port, **{"MAIL_POOL_SIZE": 4, **settings})


def sessions_of(server):
    return [id(each) for each in server.recorder.sessions]


def test_the_next_message_goes_over_the_same_connection(server):
    mail = pooled(server)
    for _ in range(3):
        mail.send(message())
    mail.send_many([message(), message()])
    with mail.connect() as connection:
        connection.send(message())
    assert len(server.recorder.accepted) == 6
    assert (server.recorder.greetings, server.recorder.goodbyes) == (1, 0)


def test_the_same_connection_serves_all_threads_in_turn(server):
    mail = pooled(server)
    for _ in range(3):
        thread = threading.Thread(target=mail.send, args=[message()])
        thread.start()
        thread.join(10)
    assert server.recorder.greetings == 1


def test_no_more_than_the_size_are_kept_for_long(server):
    mail = pooled(server, MAIL_POOL_SIZE="2", MAIL_KEEPALIVE=600)
    connections = [mail.connect() for _ in range(4)]
    for connection in connections:
        connection.__enter__()
        connection.send(message())
    for connection in connections:
        connection.__exit__(None, None, None)
    pool = mail.selection.backend()._pool
    assert (mail.stats()["idle"], mail.stats()["surplus"]) == (4, 0)
    pool._clock = lambda: monotonic() + 1.1
    pool.close_expired()
    assert (mail.stats()["idle"], mail.stats()["surplus"]) == (2, 2)
    with mail.connect(), mail.connect():
        assert server.recorder.greetings == 4


def test_threads_that_send_at_the_same_time_keep_their_connections(server):
    mail = pooled(server, MAIL_POOL_SIZE=1, MAIL_KEEPALIVE=600)
    started = monotonic()
    mail.selection.backend()._pool._clock = lambda: (
        started
    )  # those above the size stay for a second
    for _ in range(3):
        with mail.connect(), mail.connect(), mail.connect():
            pass
    assert (mail.stats()["opened"], mail.stats()["reused"]) == (3, 6)
    mail.close()


def test_a_size_of_zero_keeps_none(server):
    mail = pooled(server, MAIL_POOL_SIZE=0)
    mail.send(message())
    mail.send(message())
    assert (server.recorder.greetings, server.recorder.goodbyes) == (2, 2)


@pytest.mark.parametrize("size", [-1, "many", 1.5])
def test_a_size_that_is_no_count_is_an_error_that_names_the_setting(size):
    with pytest.raises(ConfigurationError, match="MAIL_POOL_SIZE"):
        mail_to(25, MAIL_POOL_SIZE=size).send(message())


def test_what_was_idle_for_too_long_is_not_used(server):
    now = [0.0]
    where = client.Server("127.0.0.1", server.port, timeout=10)
    pool = Pool(4, 30, clock=lambda: now[0])
    early, late = client.connect(where), client.connect(where)
    assert pool.give(early)
    now[0] = 20.0
    assert pool.give(late)
    now[0] = 31.0
    assert pool.take(smtplib.SMTP) is late
    assert early.sock is None
    assert pool.give(late)
    now[0] = 62.0
    third = client.connect(where)
    assert pool.give(third)  # closes what has expired
    assert late.sock is None
    assert pool.take(smtplib.SMTP) is third
    assert pool.take(smtplib.SMTP) is None
    client.drop(third)


def test_the_last_one_that_was_used_is_used_first(server):
    where = client.Server("127.0.0.1", server.port, timeout=10)
    pool = Pool(4, 30)
    first, second = client.connect(where), client.connect(where)
    pool.give(first)
    pool.give(second)
    assert [pool.take(smtplib.SMTP), pool.take(smtplib.SMTP)] == [second, first]
    client.drop(first)
    client.drop(second)


def test_a_session_of_another_class_is_not_used(server, monkeypatch):
    """A program has put one of its own in place meanwhile."""

    class Own(smtplib.SMTP):
        pass

    mail = pooled(server)
    mail.send(message())
    monkeypatch.setattr("flask_mail.smtplib.SMTP", Own)
    with mail.connect() as connection:
        assert type(connection.host) is Own


def test_pools_share_their_limit_only_with_others_of_their_server(monkeypatch):
    closed = []
    monkeypatch.setattr(idling, "_pools", weakref.WeakSet())
    monkeypatch.setattr(idling.closer, "watch", lambda seconds: None)
    monkeypatch.setattr(pooling, "_leave_all", lambda idle: closed.extend(host for _, host in idle))
    first = Pool(1, 30, place="mx")
    first.give("a")
    first.give("b")
    elsewhere = Pool(1, 30, place="other")
    elsewhere.give("c")
    first.give("d")
    assert closed == []
    second = Pool(1, 30, place="mx")
    second.give("e")
    assert closed == ["a", "b", "d"]
    assert [each.counts()["idle"] for each in (first, elsewhere, second)] == [0, 1, 1]


@pytest.mark.parametrize("farewell", [[], ["421 4.4.2 idle for too long"]], ids=["EOF", "421"])
def test_a_connection_that_the_server_closed_meanwhile_is_not_used(farewell):
    closed = threading.Event()

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            talk.answer("250 ok", "250 ok", "354 go")
            talk.content()
            talk.say("250 ok", *farewell)
        closed.set()

    with scripted_server(script, script) as port:
        mail = mail_to(port, MAIL_POOL_SIZE=4)
        first = mail.send(message())
        assert closed.wait(10)
        second = mail.send(message())
    assert (first.attempts, second.attempts) == (1, 1)


def test_max_emails_holds_over_several_sends(server):
    mail = pooled(server, MAIL_MAX_EMAILS=2)
    for _ in range(5):
        mail.send(message())
    ids = sessions_of(server)
    assert [ids.count(each) for each in dict.fromkeys(ids)] == [2, 2, 1]
    mail.send_many(message() for _ in range(4))
    ids = sessions_of(server)
    assert len(ids) == 9
    assert max(ids.count(each) for each in ids) == 2


def test_a_connection_with_a_limit_of_its_own_is_renewed_in_earnest(server):
    with pooled(server).connect(max_emails=1) as connection:
        connection.send(message())
        connection.send(message())
    assert len(set(sessions_of(server))) == 2


def test_a_backend_renews_a_session_that_is_full_when_it_is_used_again(server):
    """Users of sessions without a Connection need not count messages."""
    backend = SmtpBackend(server="127.0.0.1", port=server.port, max_emails=1)
    session = backend.open()
    sent = Message("Hello", ["to@example.com"], body="Hi", sender="me@example.com")
    receipts = [backend.send(sent, session) for _ in range(2)]
    assert all(each.sent for each in receipts)
    backend.close(session)
    assert len(set(sessions_of(server))) == 2
    assert server.recorder.goodbyes == 2


def test_settings_that_change_end_what_is_idle(server):
    mail = pooled(server)
    mail.send(message())
    mail.app.config["MAIL_TIMEOUT"] = 9
    with mail.connect() as old:
        assert server.recorder.greetings == 2
        mail.app.config["MAIL_TIMEOUT"] = 8
        mail.send(message())
        assert server.recorder.greetings == 3
        host = old.host
    assert host.sock is None  # the pool that it came from keeps nothing any more


def test_an_app_that_is_no_longer_needed_leaves_no_connection(server):
    """Tests make an app each, and treat a socket that was forgotten as an error."""
    mail = pooled(server)
    mail.send(message())
    backend = mail.app.extensions["mail"].selection.backend()
    host = backend.open()
    backend.close(host)
    gone = weakref.ref(backend)
    del mail, backend
    gc.collect()
    assert gone() is None
    assert host.sock is None


def test_pooled_connection_keeps_its_window(server):
    """It grows with each message that is accepted, and is one after a refusal."""
    server.recorder.answers["no@example.com"] = "550 5.1.1 no such user"
    mail = pooled(server)
    reached = []
    for recipient in ("to@example.com", "to@example.com", "no@example.com", "to@example.com"):
        mail.send_many([Message("Hello", [recipient], body="Hi")])
        with mail.connect() as connection:
            reached.append(connection.host.file.window)
    assert reached == [5, 6, 1, 5]
    assert server.recorder.greetings == 1


def test_a_session_that_broke_is_not_kept(server):
    mail = pooled(server)
    with mail.connect() as connection:
        connection.send(message())
        client.drop(connection.host)
    with mail.connect() as connection:
        assert connection.host.sock is not None
    assert server.recorder.greetings == 2


def test_a_session_on_which_writing_failed_is_not_kept(server):
    """The error belongs to no message then, and would end the next one, of any thread."""

    class Interrupted:
        def __init__(self, sock):
            self.sock = sock

        def __getattr__(self, name):
            return getattr(self.sock, name)

        def send(self, data):
            self.sock.send(data)
            raise OSError(105, "No buffer space available")

    mail = pooled(server)
    with mail.connect() as connection:
        connection.send(message())
        link = connection.host.file
        link.output._sock = Interrupted(link.output._sock)
        [receipt] = connection.send_many([message()])
        assert receipt.outcome is not Outcome.NOT_SENT
    assert mail.send(message()).sent
    assert len(server.recorder.accepted) == 3
    assert server.recorder.greetings == 2


def test_a_refused_message_leaves_a_session_that_can_be_used(server):
    server.recorder.answers["no@example.com"] = "550 5.1.1 no such user"
    mail = pooled(server)
    assert not mail.send_many([Message("Hello", ["no@example.com"], body="Hi")])[0].sent
    mail.send(message())
    assert server.recorder.greetings == 1


PROGRAM = """
import os, sys
from flask import Flask
from flask_mail import Mail, Message

app = Flask("shop")
app.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=int(sys.argv[1]), MAIL_DEFAULT_SENDER="a@b.de")
mail = Mail(app)
mail.send(Message("one", ["to@example.com"]))
if sys.argv[2] == "fork":
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        mail.send(Message("three", ["to@example.com"]))
    else:
        mail.send(Message("two", ["to@example.com"]))
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("how", "subjects", "connections"),
    [
        ("alone", [b"one"], 1),
        pytest.param(
            "fork",
            [b"one", b"two", b"three"],
            2,
            marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork"),
        ),
    ],
)
def test_at_exit_each_process_says_goodbye_on_its_own_connections(how, subjects, connections):
    with fault_server(extensions=("PIPELINING", "CHUNKING")) as server:
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM, str(server.port), how],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
        server.wait_for_open(0)
        arrived = [
            next(line for line in each.content.splitlines() if line.startswith(b"Subject"))
            for each in server.accepted
        ]
        assert arrived == [b"Subject: " + each for each in subjects]
        goodbyes = [each.commands[-1] for each in server.conversations]
        assert goodbyes == ["QUIT"] * connections
