"""Connection: one session for several messages."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from flask import Flask

from flask_mail import Connection, Mail, Message, Outcome
from flask_mail.backends import Backend, BackendUnavailable, MessageRefused


class SessionBackend(Backend[object]):
    """Counts its sessions and the messages on each."""

    name = "counting"
    log: list[str]

    def __init__(self):
        self.log = []
        self.sessions = 0

    def open(self):
        self.sessions += 1
        self.log.append(f"open {self.sessions}")
        return self.sessions

    def close(self, session):
        self.log.append(f"close {session}")

    def abort(self, session):
        self.log.append(f"abort {session}")

    def deliver(self, mail, session):
        subject = mail.message.subject
        if subject == "refused":
            raise MessageRefused("No.")
        if subject == "interrupted":
            raise KeyboardInterrupt
        self.log.append(f"{subject} on {session}")
        return self.accepted(mail)


@pytest.fixture
def app():
    app = Flask(__name__)
    app.config.update(MAIL_BACKEND=SessionBackend, MAIL_DEFAULT_SENDER="me@example.com")
    return app


@pytest.fixture
def mail(app):
    return Mail(app)


@pytest.fixture
def log(mail):
    return mail.state.selection.backend().log


def message(subject="hello"):
    return Message(subject, ["to@example.com"], sender="me@example.com")


def test_a_block_keeps_one_session_from_start_to_end(mail, log):
    with mail.connect() as connection:
        assert log == ["open 1"]
        connection.send(message("one"))
        connection.send(message("two"))
        assert connection.num_emails == 2
    assert log == ["open 1", "one on 1", "two on 1", "close 1"]
    assert connection.host is None


def test_the_session_is_renewed_after_max_emails(mail, log):
    with mail.connect(max_emails=2) as connection:
        for subject in "abc":
            connection.send(message(subject))
    assert log == ["open 1", "a on 1", "b on 1", "close 1", "open 2", "c on 2", "close 2"]


def test_the_setting_renews_the_session_and_the_argument_wins(app, mail, log):
    app.config["MAIL_MAX_EMAILS"] = "1"
    with mail.connect() as connection:
        connection.send(message("a"))
        connection.send(message("b"))
    with mail.connect(max_emails=2) as connection:
        connection.send(message("c"))
        connection.send(message("d"))
    opened = [line for line in log if line.startswith("open")]
    assert opened == ["open 1", "open 2", "open 3"]


def test_send_many_renews_the_session_too(mail, log):
    with mail.connect(max_emails=2) as connection:
        receipts = connection.send_many(message(subject) for subject in "abcde")
    assert len(receipts) == 5
    assert [line for line in log if "on" in line.split()] == [
        "a on 1",
        "b on 1",
        "c on 2",
        "d on 2",
        "e on 3",
    ]


def test_send_many_counts_on_from_what_was_sent_before(mail, log):
    with mail.connect(max_emails=2) as connection:
        connection.send(message("a"))
        connection.send_many([message("b"), message("refused"), message("c")])
    assert [line for line in log if "on" in line.split()] == ["a on 1", "b on 1", "c on 2"]


def test_a_single_send_connects_only_for_a_valid_message(mail, log):
    with pytest.raises(ValueError, match="subject"):
        mail.send(message("bad\n"))
    assert log == []
    mail.send(message("good"))
    assert log == ["open 1", "good on 1", "close 1"]


def test_send_many_of_bad_messages_connects_to_nothing(mail, log):
    assert [each.outcome for each in mail.send_many([message("bad\n")])] == [Outcome.NOT_SENT]
    assert log == []


def test_an_error_in_the_block_closes_the_session(mail, log):
    with pytest.raises(ZeroDivisionError), mail.connect():
        raise ZeroDivisionError
    assert log == ["open 1", "close 1"]


def test_an_interrupt_drops_the_session_without_a_word(mail, log):
    with pytest.raises(KeyboardInterrupt), mail.connect() as connection:
        connection.send(message("interrupted"))
    assert log == ["open 1", "abort 1"]


def test_a_connection_outside_a_block_opens_and_closes_for_each_message(mail, log):
    """0.10 dropped such messages and said nothing."""
    connection = mail.connect()
    assert connection.send(message("a")).sent
    connection.send_message("b", ["to@example.com"])
    assert log == ["open 1", "a on 1", "close 1", "open 2", "b on 2", "close 2"]


def test_a_message_sends_itself_over_a_connection(mail, log):
    with mail.connect() as connection:
        assert message("a").send(connection).sent
    assert "a on 1" in log


def test_the_envelope_sender_may_differ(mail):
    seen = []
    backend = mail.state.selection.backend()
    backend.deliver = lambda mail, session: seen.append(mail.envelope) or backend.accepted(mail)
    with mail.connect() as connection:
        connection.send(message(), envelope_from="bounces@example.com")
        connection.send(message(), envelope_from=("Bounces", "bounces@example.com"))
        connection.send(message(), envelope_from="<>")
        connection.send(message(), envelope_from="")
    assert [each.sender for each in seen] == [
        "bounces@example.com",
        "bounces@example.com",
        "",
        "me@example.com",
    ]


def test_a_subclass_makes_its_own_host(app, mail):
    class OwnConnection(Connection):
        def configure_host(self):
            return "own host"

    seen = []
    backend = mail.state.selection.backend()
    backend.deliver = lambda mail, session: seen.append(session) or backend.accepted(mail)
    with OwnConnection(app.extensions["mail"]) as connection:
        assert connection.host == "own host"
        connection.send(message())
    assert seen == ["own host"]


def test_a_host_of_a_subclass_is_not_made_for_mail_that_stays_here(app, mail):
    class OwnConnection(Connection):
        def configure_host(self):
            raise AssertionError("connected from a test")

    app.config["TESTING"] = True
    with OwnConnection(app.extensions["mail"]) as connection:
        assert connection.host is None
        assert connection.send(message()).sent


def test_configure_host_opens_a_session_of_the_backend(app, mail, log):
    assert Connection(app.extensions["mail"]).configure_host() == 1
    assert log == ["open 1"]


def test_a_host_that_a_program_puts_in_place_gets_the_message(app, mail):
    app.config["TESTING"] = True
    handed = []
    host = SimpleNamespace(sendmail=lambda *arguments: handed.append(arguments))
    with mail.connect() as connection:
        connection.host = host
        assert connection.send(message()).sent
    assert [each[:2] for each in handed] == [("me@example.com", ["to@example.com"])]
    assert mail.outbox == []


def test_a_state_of_a_programs_own_class_is_enough(app):
    """flask_mail._MailMixin and eleven attributes were all that 0.10 asked for."""
    state = SimpleNamespace(suppress=True, max_emails=None, default_sender="me@example.com")
    state.ascii_attachments = False
    with Connection(state) as connection:
        receipt = connection.send(message())
    assert (receipt.backend, receipt.sent) == ("null", True)


def test_a_failed_reconnection_keeps_the_connection_usable(mail):
    backend = mail.state.selection.backend()
    opened = backend.open
    with mail.connect(max_emails=1) as connection:
        connection.send(message("a"))

        def refuse():
            raise BackendUnavailable("No connection.", stage="connect")

        backend.open = refuse
        with pytest.raises(BackendUnavailable):
            connection.send(message("b"))
        backend.open = opened
        assert connection.send(message("c")).sent


def test_send_many_does_not_try_a_server_again_that_it_could_not_reach(mail):
    backend = mail.state.selection.backend()
    tried = []

    def refuse():
        tried.append(1)
        raise BackendUnavailable("No connection.", stage="connect")

    backend.open = refuse
    connection = mail.connect(max_emails=2)
    receipts = connection.send_many(message(str(number)) for number in range(5))
    assert [each.outcome for each in receipts] == [Outcome.NOT_SENT] * 5
    assert len({each.message_id for each in receipts}) == 5
    assert len(tried) == 1


def test_what_is_no_message_gets_a_receipt_that_says_so(mail):
    receipts = mail.send_many(["no message", message("a")])
    assert [each.outcome for each in receipts] == [Outcome.NOT_SENT, Outcome.SENT]
    assert isinstance(receipts[0].error, AttributeError)


def test_threads_that_share_a_connection_wait_for_each_other(mail):
    backend = mail.state.selection.backend()
    inside = []
    most = []

    def deliver(mail, session):
        inside.append(1)
        most.append(len(inside))
        inside.pop()
        return backend.accepted(mail)

    backend.deliver = deliver
    with mail.connect() as connection:
        threads = [
            threading.Thread(target=lambda: [connection.send(message()) for _ in range(20)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert connection.num_emails == 160
    assert max(most) == 1
