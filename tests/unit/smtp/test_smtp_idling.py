"""Idle connections are closed in time, counted, and closed on demand; many pools share a limit."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from fault_server import fault_server
from faults import Fault
from flask import Flask
from servers import Dialogue, mail_to, scripted_server

from flask_mail import Mail, Message
from flask_mail.backends.null import NullBackend
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.smtp import dialing, idling
from flask_mail.smtp import session as client
from flask_mail.smtp.idling import Closer
from flask_mail.smtp.pool import Pool
from flask_mail.smtp.wire import Wire
from flask_mail.util.clocks import monotonic


@pytest.fixture
def server():
    with fault_server() as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_is_left_of_other_tests(monkeypatch):
    Mail().close()
    monkeypatch.setattr(dialing, "memory", dialing.Memory())


def message():
    return Message("Hello", ["to@example.com"], body="Hi")


def keeping(server, **settings):
    return mail_to(server.port, **{"MAIL_POOL_SIZE": 2, "MAIL_KEEPALIVE": 600, **settings})


# In time


def test_an_idle_connection_is_closed_while_nothing_is_sent(server):
    """It took up one of the server's slots until the process sent again."""
    mail = keeping(server, MAIL_KEEPALIVE=0.05)
    mail.send(message())
    server.wait_for_open(0)
    assert server.conversations[0].commands[-1] == "QUIT"
    thread = idling.closer._thread
    if thread is not None:
        thread.join(10)
    assert idling.closer._thread is None
    counted = dict.fromkeys(("opened", "reused", "expired", "closed_by_peer", "surplus", "idle"), 0)
    assert mail.stats() == {**counted, "opened": 1, "expired": 1}


def test_surplus_connections_are_closed_while_nothing_is_sent(server, monkeypatch):
    monkeypatch.setattr("flask_mail.smtp.pool._LINGER", 0.05)
    mail = keeping(server, MAIL_POOL_SIZE=1)
    mail.send(message())
    with mail.connect(), mail.connect():
        pass
    server.wait_for_open(1)
    assert (mail.stats()["idle"], mail.stats()["surplus"]) == (1, 1)
    mail.close()


def test_the_thread_takes_up_a_shorter_time_meanwhile(server):
    mail, other = keeping(server), keeping(server, MAIL_KEEPALIVE=0.05)
    mail.send(message())
    other.send(message())
    server.wait_for_open(1)
    assert [each.stats()["idle"] for each in (mail, other)] == [1, 0]
    mail.close()


def test_the_thread_waits_for_what_expires_first(monkeypatch):
    now = [100.0]
    closer = Closer()
    monkeypatch.setattr(idling, "_pools", set())
    monkeypatch.setattr(threading.Thread, "start", lambda thread: None)
    pool = Pool(2, 30, clock=lambda: now[0])
    closer.watch(30)
    wake = closer._wake
    assert closer._step(wake) is None  # nothing is idle
    assert closer._thread is None
    closer.watch(30)
    wake = closer._wake
    pool.idle.append((now[0], Session()))
    now[0] += 12
    assert closer._step(wake) == 18
    closer.watch(25)
    assert not wake.is_set()
    closer.watch(2)
    assert wake.is_set()
    closer.stop()
    assert closer._step(wake) is None
    now[0] += 18
    pool.close_expired()
    assert pool.counts()["expired"] == 1


class Session:
    """Stands for a session that is idle."""

    file = None

    def close(self):
        pass


def test_mail_is_sent_where_no_thread_can_be_started(server, monkeypatch):
    """The interpreter ends, or allows none."""

    class Refused(threading.Thread):
        def start(self):
            raise RuntimeError("can't create new thread at interpreter shutdown")

    idling.closer.stop()
    mail = keeping(server)
    monkeypatch.setattr(idling, "threading", SimpleNamespace(Thread=Refused, Event=threading.Event))
    assert mail.send(message()).sent
    assert idling.closer._thread is None
    mail.close()


def test_a_thread_that_is_not_there_is_not_waited_for():
    closer = Closer()
    closer.stop()
    assert closer._thread is None


def test_the_thread_ends_before_a_fork_and_goes_on_after_it(server):
    mail = keeping(server)
    mail.send(message())
    thread = idling.closer._thread
    idling.closer.stop()
    assert not thread.is_alive()
    idling.closer.resume()
    assert idling.closer._thread
    idling.closer.stop()
    Mail().close()
    idling.closer.resume()
    assert idling.closer._thread is None


FORKING = """
import os, sys, threading
from flask import Flask
from flask_mail import Mail, Message
from flask_mail.smtp.idling import closer

app = Flask("shop")
app.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=int(sys.argv[1]), MAIL_DEFAULT_SENDER="a@b.de")
mail = Mail(app)
os.register_at_fork(before=lambda: print(closer._thread is not None, flush=True))  # runs first
for _ in range(2):
    mail.send(Message("one", ["to@example.com"]))
    before = threading.active_count()
    child = os.fork()
    if not child:
        assert threading.active_count() == 1
        assert closer._thread is None
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert threading.active_count() == before == 2
print(mail.stats()["opened"])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_finds_no_thread_and_the_parent_goes_on(server):
    """Python 3.12 warns of forks of a process that has several."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKING, str(server.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True\nTrue\n1\n", "")


# Few


def test_a_mail_for_each_message_leaves_few_connections(server):
    """As many programs do it that have no app factory."""
    app = mail_to(server.port).app
    app.config.update(MAIL_POOL_SIZE=2, MAIL_KEEPALIVE=600)
    for _ in range(12):
        assert Mail(app).send(message()).sent
    server.wait_for_open(2)
    mail = Mail(app)
    mail.send(message())
    mail.close()
    gc.collect()


def test_an_app_for_each_message_leaves_few_connections(server):
    mails = [keeping(server) for _ in range(12)]
    assert all(mail.send(message()).sent for mail in mails)
    server.wait_for_open(2)
    assert sum(mail.stats()["idle"] for mail in mails) == 2
    assert sum(mail.stats()["surplus"] for mail in mails) == 10
    Mail().close()
    server.wait_for_open(0)


def test_other_servers_have_a_limit_of_their_own(server):
    with fault_server() as second:
        mails = [keeping(each, MAIL_POOL_SIZE=1) for each in (server, second)]
        assert all(mail.send(message()).sent for mail in mails)
        assert [mail.stats()["idle"] for mail in mails] == [1, 1]
        Mail().close()


def test_what_does_not_fit_is_closed_without_waiting_for_the_answer(monkeypatch):
    """`mail.send()` took a second longer where the server was slow at QUIT."""

    def end(host):
        raise AssertionError("it waits for the answer")

    with fault_server(Fault("quit", "stall")) as server:
        mails = [keeping(server, MAIL_POOL_SIZE=1) for _ in range(3)]
        monkeypatch.setattr(client, "end", end)
        assert all(mail.send(message()).sent for mail in mails)
        assert sum(mail.stats()["surplus"] for mail in mails) == 2
        monkeypatch.undo()
        Mail().close()


def test_the_connection_that_was_used_last_is_kept(server):
    mail = keeping(server, MAIL_POOL_SIZE=1)
    with mail.connect() as first:
        first.send(message())
        with mail.connect() as second:
            second.send(message())
            late = second.host
        early = first.host
    idle = mail.selection.backend()._pool
    idle._clock = lambda: monotonic() + 1.1
    idle.close_expired()
    assert (late.sock, early.sock is not None) == (None, True)
    mail.close()


# Not for ever


def test_a_connection_that_is_too_old_is_renewed(server, monkeypatch):
    """A name that moves is looked up again, however busy its connection is."""
    mail = keeping(server, MAIL_MAX_AGE=60)
    mail.send(message())
    mail.send(message())
    assert len(server.conversations) == 1
    with monkeypatch.context() as patch:
        patch.setattr(Wire, "age", 61.0)
        mail.send(message())
        assert len(server.conversations) == 2
        mail.send(message())  # the new one is too old by then
    assert mail.stats()["expired"] == 2
    assert len(server.conversations) == 3
    mail.close()


def test_a_block_that_is_open_for_long_gets_a_new_connection(server, monkeypatch):
    with keeping(server, MAIL_MAX_AGE=60, MAIL_POOL_SIZE=0).connect() as connection:
        connection.send(message())
        connection.send(message())
        assert len(server.conversations) == 1
        with monkeypatch.context() as patch:
            patch.setattr(Wire, "age", 61.0)
            connection.send(message())
        assert len(server.conversations) == 2


def test_the_age_of_a_connection_is_that_of_its_link():
    now = [10.0]
    link = Wire(None, 1, "mx", debug=False, clock=lambda: now[0])
    now[0] = 15.5
    assert link.age == 5.5


# No room


def test_a_connection_to_a_server_without_room_is_not_kept(monkeypatch):
    """Other workers wait for the slot."""

    def refuse(connection):
        with Dialogue(connection) as talk:
            talk.say("421 4.7.0 too many connections")
            talk.wait()

    def take(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            talk.answer("250 ok", "250 ok", "354 go")
            talk.content()
            talk.say("250 ok")
            talk.answer("221 bye")

    monkeypatch.setattr(client, "_sleep", lambda seconds: None)
    with scripted_server(refuse, take, take) as port:
        mail = mail_to(port, MAIL_POOL_SIZE=2)
        assert mail.send(message()).sent
        assert mail.stats()["idle"] == 0
        assert mail.send(message()).sent


# On demand


def test_close_ends_what_is_kept_and_the_next_message_opens_it_again(server):
    mail = keeping(server)
    mail.send(message())
    mail.close()
    server.wait_for_open(0)
    assert server.conversations[0].commands[-1] == "QUIT"
    assert mail.send(message()).sent
    assert mail.send(message()).sent
    assert (mail.stats()["opened"], mail.stats()["reused"]) == (2, 1)
    mail.close()
    mail.close()


def test_close_leaves_alone_what_is_in_use(server):
    mail = keeping(server)
    with mail.connect() as connection:
        connection.send(message())
        mail.close()
        connection.send(message())
    assert len(server.accepted) == 2
    assert (mail.stats()["opened"], mail.stats()["idle"]) == (2, 1)
    mail.close()


def test_close_leaves_the_outbox_of_a_test_alone():
    app = Flask("shop")
    app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="me@example.com")
    mail = Mail(app)
    mail.send(message())
    mail.close()
    assert len(mail.outbox) == 1
    assert mail.stats() == {}
    assert NullBackend().stats() == {}


@pytest.mark.parametrize("whose", ["current", "everybody", "state"])
def test_close_is_about_the_app_that_is_meant(server, whose):
    mails = [keeping(server), keeping(server)]
    for mail in mails:
        mail.send(message())
    if whose == "current":
        with mails[0].app.app_context():
            Mail().close()
    elif whose == "state":
        mails[0].app.extensions["mail"].close()
    else:
        Mail().close()
    idle = [each.stats()["idle"] for each in mails]
    assert idle == ([0, 0] if whose == "everybody" else [0, 1])
    assert Mail().stats()["idle"] == sum(idle)
    Mail().close()


# Counted


def test_counters_outlive_settings_that_change_and_are_json(server):
    mail = keeping(server)
    mail.send(message())
    mail.app.config["MAIL_TIMEOUT"] = 9
    mail.send(message())
    mail.send(message())
    stats = json.loads(json.dumps(mail.stats()))
    assert (stats["opened"], stats["reused"], stats["idle"]) == (2, 1, 1)
    assert mail.stats()["nothing of this kind"] == 0
    mail.close()


def test_a_connection_that_the_server_closed_is_counted(server):
    mail = keeping(server)
    mail.send(message())
    server.conversations[0].hear_no_more()
    server.wait_for_open(0)
    mail.send(message())
    assert (mail.stats()["closed_by_peer"], mail.stats()["opened"]) == (1, 2)
    mail.close()


def test_a_batch_counts_each_connection_that_it_opens():
    with fault_server(Fault("mail", "close", ((1, 2),))) as server:
        mail = keeping(server)
        assert all(each.sent for each in mail.send_many([message(), message()]))
        assert mail.stats()["opened"] == 2
        mail.close()


def test_a_backend_has_modest_defaults():
    backend = SmtpBackend()
    assert (backend._pool._size, backend._pool._keepalive, backend._pool._max_age) == (2, 5, 300)
