"""A server with several addresses is reached at one that works (RFC 8305, RFC 5321 section 5.1)."""

from __future__ import annotations

import contextlib
import errno
import select
import smtplib
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from dead_addresses import NAME, Tried, dead, named, silent
from servers import Dialogue, mail_to, scripted_server, smtp_server

from flask_mail import BackendUnavailable, Message, Outcome
from flask_mail.smtp import dialing, polling, reaching
from flask_mail.smtp import session as client
from flask_mail.smtp.deadline import Deadline
from flask_mail.smtp.dialing import Address, Memory, Race

SUPPORT = str(Path(__file__).parents[2] / "support")


@pytest.fixture
def server():
    with smtp_server() as running:
        yield running


def message():
    return Message("Hello", ["to@example.com"], body="Hi")


def to_name(server, **settings):
    settings = {"MAIL_SERVER": NAME, "MAIL_TIMEOUT": 20, "MAIL_DEADLINE": 20, **settings}
    return mail_to(getattr(server, "port", server), **settings)


def address(where, port=25):
    family = socket.AF_INET6 if ":" in where else socket.AF_INET
    rest = (0, 0) if ":" in where else ()
    return Address(family, socket.SOCK_STREAM, 6, (where, port, *rest))


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


# Order


def test_address_families_take_turns(monkeypatch):
    named(monkeypatch, 25, "::2", "::3", "::4", "192.0.2.1")
    found = [each.where[0] for each in dialing.addresses_of(NAME, 25)]
    assert found == ["::2", "192.0.2.1", "::3", "::4"]


def test_a_failed_address_comes_last_for_ten_minutes():
    clock = Clock()
    memory = Memory(clock)
    first, second, third = map(address, ("192.0.2.1", "192.0.2.2", "192.0.2.3"))
    memory.failed(first)
    assert memory.ordered([first, second, third]) == [second, third, first]
    clock.now += dialing.REMEMBERED + 1
    assert memory.ordered([first, second]) == [first, second]
    memory.failed(first)
    memory.worked(first)
    assert memory.ordered([first, second]) == [first, second]


def test_memory_of_failed_addresses_is_bounded():
    memory = Memory()
    for number in range(1000):
        memory.failed(address("192.0.2.1", number))
    assert len(memory._failed) <= 256


# Races


@pytest.mark.skipif(sys.platform != "linux", reason="how a full backlog behaves")
def test_dead_addresses_before_a_live_one_cost_no_message(server, monkeypatch):
    """Each had the whole time-out, and the deadline ended it, for ever."""
    named(monkeypatch, server.port, "127.0.0.2", "127.0.0.3", "127.0.0.1")
    tried = Tried(monkeypatch)
    with dead("127.0.0.2", server.port), dead("127.0.0.3", server.port):
        mail = to_name(server)
        assert mail.send(message()).sent
        assert tried.addresses == ["127.0.0.2", "127.0.0.3", "127.0.0.1"]
        tried.addresses.clear()
        assert mail.send(message()).sent  # without a pool: a new connection
        assert tried.addresses == ["127.0.0.1"]


@pytest.mark.skipif(sys.platform != "linux", reason="how a full backlog behaves")
def test_a_batch_gets_past_dead_addresses(server, monkeypatch):
    named(monkeypatch, server.port, "127.0.0.2", "127.0.0.1")
    with dead("127.0.0.2", server.port):
        receipts = to_name(server).send_many([message(), message()])
    assert [each.sent for each in receipts] == [True, True]


def test_a_refused_address_is_followed_by_the_next_at_once(server, monkeypatch):
    named(monkeypatch, server.port, "127.0.0.2", "127.0.0.1")
    monkeypatch.setattr(dialing, "DELAY", 3600)
    assert to_name(server).send(message()).sent


def test_an_address_of_a_family_that_is_missing_is_passed_over(server, monkeypatch):
    named(monkeypatch, server.port, "::1", "127.0.0.1")
    make = socket.socket.__init__

    def no_ipv6(sock, family=-1, *args, **kwargs):
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        make(sock, family, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "__init__", no_ipv6)
    assert to_name(server).send(message()).sent


def test_a_name_with_nothing_but_refusals_is_not_sent(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    named(monkeypatch, port, "127.0.0.2", "127.0.0.1")
    with pytest.raises(ConnectionRefusedError, match="Is a mail server running there") as caught:
        to_name(port).send(message())
    assert caught.value.receipt.outcome is Outcome.NOT_SENT


@pytest.mark.skipif(sys.platform != "linux", reason="how a full backlog behaves")
def test_a_name_with_nothing_but_dead_addresses_times_out(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    named(monkeypatch, port, "127.0.0.2", "127.0.0.1")
    monkeypatch.setattr(dialing, "DELAY", 0.01)
    with (
        dead("127.0.0.1", port),
        dead("127.0.0.2", port),
        pytest.raises(TimeoutError, match="within MAIL_TIMEOUT") as caught,
    ):
        to_name(port, MAIL_TIMEOUT=0.1).send(message())
    assert caught.value.receipt.outcome is Outcome.NOT_SENT


def test_a_lost_race_leaves_nothing_open(monkeypatch):
    late = []

    def connected(socks, seconds):
        late.append(list(socks))
        return [] if len(late) == 1 else [late[-1][-1]]  # the second one answers first

    monkeypatch.setattr(polling, "connected", connected)
    with silent("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        named(monkeypatch, port, "127.0.0.2", "127.0.0.1")
        with silent("127.0.0.2", port):
            sock, won = Race(dialing.addresses_of(NAME, port)).run(20)
    assert won.where[0] == "127.0.0.1"
    assert [each.fileno() == -1 for each in late[-1]] == [True, False]
    sock.close()


def test_an_interrupted_race_leaves_nothing_open(monkeypatch):
    made = []

    def interrupted(socks, seconds):
        made.extend(socks)
        raise KeyboardInterrupt

    monkeypatch.setattr(polling, "connected", interrupted)
    with silent("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        named(monkeypatch, port, "127.0.0.1", "127.0.0.2")
        with pytest.raises(KeyboardInterrupt):
            to_name(port).send(message())
    assert [each.fileno() for each in made] == [-1]


@pytest.mark.parametrize("error", [TimeoutError(), OSError("Couldn't open device!")], ids=repr)
@pytest.mark.parametrize("place", ["connect", "greeting"])
def test_an_alarm_is_not_taken_for_a_dead_address(monkeypatch, error, place):
    """A signal handler may raise what looks like the socket's own error."""

    def alarmed(*args, **kwargs):
        raise error

    if place == "connect":
        monkeypatch.setattr(socket.socket, "connect", alarmed)
    else:
        monkeypatch.setattr("flask_mail.smtp.wire.Wire.hear", alarmed)
    tried = Tried(monkeypatch)
    with silent("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        named(monkeypatch, port, "127.0.0.1", "127.0.0.2")
        with silent("127.0.0.2", port), pytest.raises(BackendUnavailable) as caught:
            to_name(port).send(message())
    assert caught.value.__cause__ is error
    assert len(tried.addresses) == 1


def test_a_race_needs_no_poll(server, monkeypatch):
    """Windows has none, and eventlet takes it away."""
    named(monkeypatch, server.port, "127.0.0.2", "127.0.0.1")
    monkeypatch.delattr(select, "poll")
    assert to_name(server).send(message()).sent


# What programs put in its place


@pytest.mark.parametrize("how", ["create_connection", "socket", "smtplib"])
def test_replaced_sockets_keep_their_effect(server, monkeypatch, how):
    """Each address gets its share of the time; the test kits of others count on the call."""
    named(monkeypatch, server.port, "127.0.0.2", "127.0.0.1")
    connect, timeouts = socket.create_connection, []

    def counted(where, timeout, *args):
        timeouts.append((where[0], timeout <= 5))
        return connect(where, timeout, *args)

    class Guarded(socket.socket):
        def connect(self, where):
            timeouts.append((where[0], self.gettimeout() <= 5))
            super().connect(where)

    if how == "create_connection":
        monkeypatch.setattr(socket, "create_connection", counted)
    elif how == "socket":
        monkeypatch.setattr(socket, "socket", Guarded)
    else:
        fake = type("fake", (), {"create_connection": staticmethod(counted)})
        monkeypatch.setattr(smtplib, "socket", fake)
    mail = to_name(server, MAIL_DEADLINE=10)
    assert mail.send(message()).sent
    assert timeouts[0] == ("127.0.0.2", True)
    assert timeouts[1][0] == "127.0.0.1"
    timeouts.clear()
    assert mail.send(message()).sent
    assert [each for each, _ in timeouts] == ["127.0.0.1"]  # what failed is remembered


def test_a_name_without_an_address_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: [])
    with pytest.raises(BackendUnavailable, match="no address"):
        to_name(25).send(message())


# The greeting


def says(reply):
    def script(connection):
        with Dialogue(connection) as talk:
            talk.say(reply)
            talk.wait()

    return script


@contextlib.contextmanager
def greeting(address, port, *scripts):
    """Run scripts for the connections to another address of the server."""
    create = socket.create_server
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "create_server", lambda _, **options: create((address, port)))
        running = scripted_server(*scripts)
        running.__enter__()
    try:
        yield
    finally:
        running.__exit__(None, None, None)


@pytest.mark.parametrize("reply", ["421 4.3.2 too busy", "554 no service here", "220-what", "hm"])
def test_the_next_address_is_tried_after_a_greeting_that_is_none(server, monkeypatch, reply):
    named(monkeypatch, server.port, "127.0.0.2", "127.0.0.1")
    with greeting("127.0.0.2", server.port, says(reply)):
        mail = to_name(server, MAIL_DEADLINE=3)
        assert mail.send(message()).sent
        assert mail.send(message()).sent  # no second script: what failed comes last


def test_the_next_address_is_tried_after_silence_at_the_greeting(server, monkeypatch):
    named(monkeypatch, server.port, "127.0.0.2", "127.0.0.1")
    tried = Tried(monkeypatch)
    with silent("127.0.0.2", server.port):
        mail = to_name(server, MAIL_DEADLINE=2)
        assert mail.send(message()).sent
        assert mail.send(message()).sent
    assert tried.addresses == ["127.0.0.2", "127.0.0.1"]


def test_the_error_is_that_of_the_address_that_came_furthest(server, monkeypatch):
    """The others were refused: what the server said says more."""
    named(monkeypatch, server.port + 1, "127.0.0.2", "127.0.0.3")
    with (
        greeting("127.0.0.2", server.port + 1, says("554 not you")),
        pytest.raises(smtplib.SMTPConnectError, match="554 not you"),
    ):
        to_name(server.port + 1).send(message())


def test_a_slow_greeting_has_all_of_the_timeout_at_the_last_address(server):
    where = client.Server("127.0.0.1", server.port, timeout=7)
    host = client.connect(where, Deadline(60))
    try:
        assert host.file._timeout == 7
        assert reaching._patient(host, where, Deadline(8), [address("192.0.2.1")])._timeout <= 4
    finally:
        client.drop(host)


# No room for now


class Crowded:
    """Refuses connections until so many were refused."""

    def __init__(self, refusals):
        def welcome(connection):
            with Dialogue(connection) as talk:
                talk.greet()
                talk.answer("250 ok", "250 ok", "354 go")
                talk.content()
                talk.say("250 ok")
                talk.answer("221 bye")

        self.scripts = [*[says("421 4.7.0 too many connections")] * refusals, welcome]


@pytest.fixture
def pauses(monkeypatch):
    made = []
    monkeypatch.setattr(client, "_sleep", made.append)
    return made


def test_a_server_without_room_is_asked_again_within_the_deadline(pauses):
    with scripted_server(*Crowded(3).scripts) as port:
        receipt = mail_to(port).send(message())
    assert receipt.sent
    assert pauses == [0.25, 0.5, 1.0]


def test_a_server_without_room_is_given_up_before_the_deadline(monkeypatch):
    """Some of the time is left for others, and no message is under way."""
    clock = Clock()

    def sleep(seconds):
        clock.now += seconds

    monkeypatch.setattr(client, "_sleep", sleep)
    with scripted_server(*Crowded(20).scripts) as port:
        where = client.Server("127.0.0.1", port, timeout=20)
        with pytest.raises(smtplib.SMTPConnectError, match="too many connections"):
            client.connect(where, Deadline(20, clock))
        assert 1012 < clock.now <= 1015


@pytest.mark.parametrize(("seconds", "until"), [(20, 15), (None, 1.5)])
def test_the_deadline_and_no_short_timeout_limits_how_long_it_is_asked(monkeypatch, seconds, until):
    clock = Clock()

    def sleep(seconds):
        clock.now += seconds

    monkeypatch.setattr(client, "_sleep", sleep)
    with scripted_server(*Crowded(20).scripts) as port:
        where = client.Server("127.0.0.1", port, timeout=2)
        since = clock.now
        with pytest.raises(smtplib.SMTPConnectError, match="too many connections"):
            client.connect(where, Deadline(seconds, clock))
        assert until - 1 <= clock.now - since <= until


@pytest.mark.parametrize("reply", ["554 no", "450 no greeting of RFC 5321"])
def test_another_refusal_is_not_waited_for(pauses, reply):
    with scripted_server(says(reply)) as port, pytest.raises(smtplib.SMTPConnectError):
        mail_to(port).send(message())
    assert pauses == []


def test_the_first_error_counts_where_the_server_goes_meanwhile(pauses):
    with (
        scripted_server(says("421 shutting down")) as port,
        pytest.raises(smtplib.SMTPConnectError, match="shutting down"),
    ):
        mail_to(port).send(message())
    assert pauses == [0.25]


def test_pauses_are_those_of_the_system():
    client._sleep(0)


# gevent

PROGRAM = """
import sys
from gevent import monkey
monkey.patch_all()
import contextlib, socket
sys.path.insert(0, sys.argv[2])
from dead_addresses import NAME, Tried, dead, named
import pytest
from servers import mail_to
from flask_mail import Message
from flask_mail.smtp import dialing

assert dialing.may_race()
port = int(sys.argv[1])
with pytest.MonkeyPatch.context() as patch, dead("127.0.0.2", port):
    named(patch, port, "127.0.0.2", "127.0.0.1")
    tried = Tried(patch)
    mail = mail_to(port, MAIL_SERVER=NAME)
    print(mail.send(Message("Hello", ["to@example.com"], "Hi")).outcome.name, *tried.addresses)
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(sys.platform != "linux", reason="how a full backlog behaves")
def test_greenlets_get_past_dead_addresses(server):
    pytest.importorskip("gevent")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(server.port), SUPPORT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("SENT 127.0.0.2 127.0.0.1\n", "")
