"""Signal handlers that send on the connection that they have interrupted."""

from __future__ import annotations

import signal
import smtplib
import threading

import pytest
from fault_server import fault_server
from faults import PATIENCE, Fault
from matrices import MODES, every_mode
from servers import mail_to

from flask_mail import BackendUnavailable, Connection, Message, MessageRefused
from flask_mail.delivery.signals import email_dispatched


def message(subject):
    return Message(f"Number {subject}", ["to@example.com"], "Hi")


def numbers(server):
    return sorted(
        line.removeprefix(b"Subject: Number ").decode()
        for each in server.accepted
        for line in each.content.splitlines()
        if line.startswith(b"Subject: ")
    )


class Alarm:
    """A signal whose handler runs in the main thread while that waits for the server."""

    def __init__(self, stage, number):
        self.at = stage, 1, number
        self.act = None
        self.rang = threading.Event()
        self.taken = threading.Event()
        self.done = threading.Event()

    def choose(self, *at):
        """Ring in the server's thread, and let it answer once the handler is through."""
        if at == self.at and not self.rang.is_set():
            self.rang.set()
            # One that comes just before the main thread starts to wait does not wake it up.
            for _ in range(int(PATIENCE / 0.05)):
                signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
                if self.taken.wait(0.05):
                    break
            assert self.done.wait(PATIENCE)

    def handle(self, *args):
        if self.taken.is_set():
            return
        self.taken.set()
        try:
            self.act()
        finally:
            self.done.set()


@pytest.fixture
def alarm():
    """Return what makes an alarm, which is taken away after the test."""
    made = []

    def make(stage, number):
        made.append(Alarm(stage, number))
        signal.signal(signal.SIGUSR1, made[-1].handle)
        return made[-1]

    before = signal.getsignal(signal.SIGUSR1)
    yield make
    signal.signal(signal.SIGUSR1, before)
    assert all(each.done.is_set() for each in made)


@every_mode
@pytest.mark.parametrize("stage", ["mail", "rcpt1", "data", "content"])
def test_handler_sends_over_a_session_of_its_own(mode, stage, alarm):
    bell = alarm(stage, 2)
    outcomes = []
    with (
        fault_server(choose=bell.choose, extensions=MODES[mode]) as server,
        mail_to(server.port).connect() as connection,
    ):
        bell.act = lambda: outcomes.append(connection.send(message("of the handler")))
        assert connection.send(message(1)).sent
        receipt = connection.send(message(2))
        assert connection.send(message(3)).sent
        assert connection.num_emails == 4
    assert receipt.sent
    assert receipt.attempts == 1
    assert [each.sent for each in outcomes] == [True]
    assert numbers(server) == ["1", "2", "3", "of the handler"]
    assert server.violations == []
    assert len(server.conversations) == 2


@every_mode
def test_handler_sends_a_batch_while_a_batch_is_under_way(mode, alarm):
    bell = alarm("rcpt1", 3)
    outcomes = []
    with (
        fault_server(choose=bell.choose, extensions=MODES[mode]) as server,
        mail_to(server.port).connect() as connection,
    ):
        bell.act = lambda: outcomes.extend(connection.send_many(map(message, "ab")))
        receipts = connection.send_many(message(number) for number in range(6))
    assert all(each.sent for each in [*receipts, *outcomes])
    assert numbers(server) == [*map(str, range(6)), "a", "b"]
    assert server.violations == []


@every_mode
def test_handler_that_fails_ends_no_message_that_it_interrupted(mode, alarm):
    bell = alarm("content", 1)

    def fail():
        with pytest.raises(BackendUnavailable):
            connection.send(message("of the handler"))

    with (
        fault_server(choose=bell.choose, extensions=MODES[mode], connections=1) as server,
        mail_to(server.port).connect() as connection,
    ):
        bell.act = fail
        assert connection.send(message(1)).sent
    assert numbers(server) == ["1"]


def test_command_on_an_interrupted_session_is_a_clear_error(alarm):
    bell = alarm("content", 1)

    def use():
        with pytest.raises(RuntimeError, match="in the middle of a message"):
            connection.host.noop()

    with (
        fault_server(choose=bell.choose, extensions=MODES["both"]) as server,
        mail_to(server.port).connect() as connection,
    ):
        bell.act = use
        assert connection.send(message(1)).sent
        assert connection.host.noop()[0] == 250
    assert server.violations == []


def test_handler_gets_an_error_if_the_session_is_a_programs_own(alarm):
    """It may be for another server, which no other session is."""
    bell = alarm("content", 1)

    class Own(Connection):
        def configure_host(self):
            return smtplib.SMTP("127.0.0.1", server.port, timeout=PATIENCE)

    def use():
        with pytest.raises(BackendUnavailable, match="open another connection"):
            connection.send(message("of the handler"))

    with fault_server(choose=bell.choose, extensions=MODES["both"]) as server:
        mail = mail_to(server.port)
        with Own(mail.app.extensions["mail"]) as connection:
            bell.act = use
            assert connection.send(message(1)).sent
    assert numbers(server) == ["1"]


def test_handler_during_the_ehlo_of_a_programs_host_gets_an_error(alarm):
    bell = alarm("ehlo", 0)

    def use():
        with pytest.raises(BackendUnavailable, match="open another connection"):
            connection.send(message("of the handler"))

    with fault_server(choose=bell.choose, extensions=MODES["both"]) as server:
        connection = mail_to(server.port).connect()
        connection.defer()
        with connection:
            connection.host = smtplib.SMTP("127.0.0.1", server.port, timeout=PATIENCE)
            bell.act = use
            assert connection.send(message(1)).sent
    assert numbers(server) == ["1"]
    assert server.violations == []
    assert len(server.conversations) == 1


@pytest.mark.parametrize("use", [smtplib.SMTP.noop, smtplib.SMTP.ehlo_or_helo_if_needed])
def test_handler_sends_no_command_during_an_ehlo(use, alarm):
    """The session greets a second time, as after host.starttls()."""
    bell = alarm("quit", 99)

    def act():
        with pytest.raises(RuntimeError, match="in the middle of a message"):
            use(connection.host)

    with (
        fault_server(choose=bell.choose, extensions=MODES["both"]) as server,
        mail_to(server.port).connect() as connection,
    ):
        connection.host.ehlo_resp = connection.host.helo_resp = None
        bell.at, bell.act = ("ehlo", 1, 0), act
        assert connection.send(message(1)).sent
    assert numbers(server) == ["1"]
    assert server.violations == []


def test_session_greets_by_helo_where_ehlo_is_unknown_by_now():
    faults = {}
    with (
        fault_server(choose=lambda *at: faults.get(at)) as server,
        mail_to(server.port).connect() as connection,
    ):
        connection.host.ehlo_resp = connection.host.helo_resp = None
        faults["ehlo", 1, 0] = Fault("ehlo", "5xx")
        assert connection.send(message(1)).sent
    assert numbers(server) == ["1"]


def test_refused_message_of_a_handler_keeps_the_interrupted_one(alarm):
    bell = alarm("content", 1)

    def choose(*at):
        bell.choose(*at)
        return Fault("content", "5xx") if at == ("content", 2, 1) else None

    def fail():
        with pytest.raises(MessageRefused):
            connection.send(message("of the handler"))

    with (
        fault_server(choose=choose, extensions=MODES["both"]) as server,
        mail_to(server.port).connect() as connection,
    ):
        bell.act = fail
        assert connection.send(message(1)).sent
        server.wait_for_open(1)
    assert numbers(server) == ["1"]


def test_handler_that_interrupts_the_opening_of_a_session_leaves_none_open(alarm):
    bell = alarm("greeting", 0)
    with fault_server(choose=bell.choose, extensions=MODES["both"]) as server:
        connection = mail_to(server.port).connect()
        bell.act = lambda: connection.send(message("of the handler"))
        assert connection.send(message(1)).sent
        server.wait_for_open(0)
    assert numbers(server) == ["1", "of the handler"]


def test_handler_that_interrupts_the_connecting_leaves_one_session(alarm):
    bell = alarm("greeting", 0)
    with fault_server(choose=bell.choose, extensions=MODES["both"]) as server:
        mail = mail_to(server.port)
        connection = mail.connect()
        bell.act = lambda: connection.send(message("of the handler"))
        with connection:
            assert connection.send(message(1)).sent
        server.wait_for_open(0)
    assert numbers(server) == ["1", "of the handler"]


def test_handler_that_ends_in_an_interrupt_closes_its_own_session(alarm):
    bell = alarm("content", 1)

    def give_up(app, message):
        if message.subject.endswith("handler"):
            raise KeyboardInterrupt

    with fault_server(choose=bell.choose, extensions=MODES["both"]) as server:
        with mail_to(server.port).connect() as connection:
            bell.act = lambda: connection.send_many([message("of the handler")])
            with email_dispatched.connected_to(give_up), pytest.raises(KeyboardInterrupt):
                connection.send(message(1))
            assert connection.send(message(2)).sent
        server.wait_for_open(0)
    assert numbers(server) == ["1", "2", "of the handler"]


@every_mode
def test_handler_right_after_a_write_sends_over_a_session_of_its_own(mode, alarm):
    """At that moment the system has the octets, but the client does not know it yet."""

    class Ringing:
        def __init__(self, sock):
            self.sock = sock
            self.left = 1

        def __getattr__(self, name):
            return getattr(self.sock, name)

        def send(self, data):
            count = self.sock.send(data)
            if self.left:
                self.left = 0
                signal.raise_signal(signal.SIGUSR1)
            return count

    bell = alarm("quit", 99)
    with (
        fault_server(extensions=MODES[mode]) as server,
        mail_to(server.port).connect() as connection,
    ):
        bell.act = lambda: connection.send(message("of the handler"))
        link = connection.host.file
        link.output._sock = Ringing(link.output._sock)
        assert connection.send(message(1)).sent
    assert numbers(server) == ["1", "of the handler"]
    assert server.violations == []
