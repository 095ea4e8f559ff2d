"""`connection.host` is an smtplib.SMTP that a program may use, between messages and among them."""

from __future__ import annotations

import smtplib
import socket
import threading

import pytest
from fault_server import fault_server
from faults import Fault
from servers import mail_to

from flask_mail import Connection, Message, MessageRefused
from flask_mail.delivery.signals import email_dispatched
from flask_mail.smtp import session as client

FAST = ("PIPELINING", "CHUNKING")


@pytest.fixture
def server():
    with fault_server(extensions=FAST) as running:
        yield running


def message(subject="Hello", **fields):
    return Message(subject, ["to@example.com"], **{"body": "Hi", **fields})


def pooled(server, **settings):
    return mail_to(server.port, **{"MAIL_POOL_SIZE": 4, **settings})


def test_a_programs_command_in_a_batch_waits_for_what_is_under_way(server):
    replies = []

    def ask(app, message):
        replies.append(connection.host.noop()[0])

    with pooled(server).connect() as connection, email_dispatched.connected_to(ask):
        receipts = connection.send_many(message(str(number)) for number in range(10))
    assert all(each.sent for each in receipts)
    assert replies == [250] * 10
    assert len(server.accepted) == 10
    assert server.violations == []


def test_a_transaction_that_a_program_leaves_open_is_nobody_elses(server):
    """A probe for a mailbox must not add a recipient to the next message."""
    mail = pooled(server)
    with mail.connect() as connection:
        connection.host.mail("me@example.com")
        connection.host.rcpt("stranger@example.com")
        assert connection.send(message()).sent
    assert mail.send(message()).sent
    assert [each.recipients for each in server.accepted] == [("to@example.com",)] * 2


def test_a_session_that_a_program_has_used_is_not_kept_for_others(server):
    """It may have logged in as somebody else."""
    mail = pooled(server)
    with mail.connect() as connection:
        connection.host.noop()
    mail.send(message())
    mail.send(message())
    assert len(server.conversations) == 2


def test_after_a_refusal_a_program_can_send_itself():
    with fault_server(Fault("mail", "5xx", ((1, 1),)), extensions=FAST) as server:
        with pooled(server).connect() as connection:
            with pytest.raises(MessageRefused):
                connection.send(message())
            own = b"Subject: own\r\n\r\nHi\r\n"
            assert connection.host.sendmail("me@x.de", ["to@x.de"], own) == {}
            assert connection.send(message()).sent
        assert len(server.accepted) == 2
        assert len(server.conversations) == 1


@pytest.mark.exhaustive
def test_a_program_may_send_more_than_the_system_takes_at_once(server):
    """Its socket waits, as that of any session of smtplib."""
    content = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n"
    content += (b"y" * 70 + b"\r\n") * 100_000
    with pooled(server, MAIL_TIMEOUT=60).connect() as connection:
        assert connection.send(message()).sent
        connection.host.sendmail("me@example.com", ["to@example.com"], content)
    assert len(server.accepted[1].content) == len(content)


def test_the_time_out_that_a_program_has_set_stays(server):
    with pooled(server).connect() as connection:
        connection.host.sock.settimeout(3)
        assert connection.send(message()).sent
        assert connection.host.sock.gettimeout() == 3
        connection.host.sock.settimeout(None)
        assert connection.send(message()).sent
        assert connection.host.sock.gettimeout() is None
    assert len(server.conversations) == 1


def test_a_session_from_the_pool_waits_as_a_new_one_does(server):
    mail = pooled(server, MAIL_TIMEOUT=7)
    for _ in range(2):
        with mail.connect() as connection:
            assert connection.host.sock.gettimeout() == 7
            assert connection.send(message()).sent
    assert len(server.conversations) == 1


def test_socket_waits_only_if_a_program_may_use_it(server):
    mail = pooled(server, MAIL_TIMEOUT=7)
    for _ in range(2):
        for _ in range(2):
            mail.send(message())
            ((_, idle),) = mail.selection.backend()._pool.idle
            assert idle.sock.gettimeout() == 0
        with mail.connect() as connection:
            assert connection.host is idle
            for _ in range(2):
                assert connection.host.sock.gettimeout() == 7
                assert connection.send(message()).sent
    assert len(server.conversations) == 1


def test_session_from_open_waits_even_if_it_was_hidden(server):
    mail = pooled(server, MAIL_TIMEOUT=7)
    mail.send(message())
    backend = mail.selection.backend()
    for _ in range(2):
        session = backend.open()
        assert session.sock.gettimeout() == 7
        backend.close(session)
    assert backend.stats()["opened"] == 1


def test_configure_host_gets_a_session_that_waits(server):
    timeouts = []

    class Own(Connection):
        def configure_host(self):
            host = super().configure_host()
            timeouts.append(host.sock.gettimeout())
            return host

    mail = pooled(server, MAIL_TIMEOUT=7)
    for _ in range(2):
        connection = Own(mail.app.extensions["mail"])
        connection.defer()
        with connection:
            assert connection.send(message()).sent
    assert timeouts == [7, 7]
    assert mail.stats()["reused"] == 1


def test_the_deadline_of_a_message_is_not_that_of_a_programs_command(server):
    mail = pooled(server, MAIL_DEADLINE=20)
    for _ in range(2):  # from a new connection, and from the pool
        with mail.connect() as connection:
            assert connection.host.file.deadline.left(1000) == 1000
            connection.send(message())
            assert connection.host.file.deadline.left(1000) == 1000
            assert connection.send(message()).sent


def test_a_subclass_may_do_more_with_the_session_that_it_is_given(server):
    """And gets a new one each time: it might log in."""

    class Own(Connection):
        def configure_host(self):
            host = super().configure_host()
            assert host.noop()[0] == 250
            return host

    mail = pooled(server)
    for _ in range(2):
        with Own(mail.app.extensions["mail"]) as connection:
            assert connection.send(message()).sent
    assert len(server.conversations) == 2


def test_commands_that_no_link_carries_are_left_alone(server):
    """As after `host.starttls()`, which makes a socket and a file of its own."""
    where = client.Server("127.0.0.1", server.port, timeout=10)
    host = client.connect(where)
    host.file = None
    assert host.noop()[0] == 250
    client.end(host)


def test_a_session_without_a_network_names_this_host(tmp_path, monkeypatch):
    """A program may connect to a socket of the system's own."""
    path = str(tmp_path / "smtp")
    heard = []

    def serve():
        with listening, listening.accept()[0] as connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 here\r\n")
            heard.append(lines.readline())
            connection.sendall(b"250 here\r\n")
            lines.readline()

    class Local(smtplib.SMTP):
        def _get_socket(self, host, port, timeout):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(path)
            return sock

    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    thread = threading.Thread(target=serve)
    thread.start()
    monkeypatch.setattr("flask_mail.smtplib.SMTP", Local)
    monkeypatch.setattr(socket, "gethostname", lambda: "short")
    client.end(client.connect(client.Server("localhost", 25, timeout=10)))
    thread.join(10)
    assert heard == [b"ehlo [127.0.0.1]\r\n"]
