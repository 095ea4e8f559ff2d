"""Connection: one session for several messages."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from flask import Flask

from flask_mail import Connection, Mail, Message, MessageError, Outcome, email_dispatched
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
    assert isinstance(receipts[0].error, MessageError)


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


class TestLimits:
    @pytest.mark.parametrize("limit", [0, -1, "0"])
    def test_a_limit_of_zero_or_less_is_none(self, app, mail, log, limit):
        app.config["MAIL_MAX_EMAILS"] = limit
        with mail.connect() as connection:
            assert len(connection.send_many(message(each) for each in "abc")) == 3
        assert [line for line in log if line.startswith("open")] == ["open 1"]

    @pytest.mark.parametrize("limit", ["many", 2.5])
    def test_a_limit_of_another_kind_is_told_before_anything_is_sent(self, app, mail, log, limit):
        app.config["MAIL_MAX_EMAILS"] = limit
        with pytest.raises(ValueError, match="MAIL_MAX_EMAILS must be a whole number"):
            mail.send(message())
        with pytest.raises(ValueError, match="max_emails must be a whole number"):
            mail.connect(max_emails="many").send(message())
        assert log == []

    def test_a_limit_may_become_smaller_than_what_was_sent(self, app, mail):
        with mail.connect() as connection:
            for each in "abcde":
                connection.send(message(each))
            app.config["MAIL_MAX_EMAILS"] = 3
            assert len(connection.send_many([message("f"), message("g")])) == 2


class TestNesting:
    def test_an_inner_block_leaves_the_session_to_the_outer(self, mail, log):
        connection = mail.connect()
        with connection:
            with connection:
                connection.send(message("a"))
            connection.send(message("b"))
        assert log == ["open 1", "a on 1", "b on 1", "close 1"]

    def test_a_receiver_may_send_over_the_connection_of_a_batch(self, mail, log):
        connection = mail.connect(max_emails=2)

        def tell(message):
            if message.subject in "abc":
                connection.send(Message(f"re {message.subject}", ["me@example.com"]))

        with connection, email_dispatched.connected_to(tell):
            connection.send_many(message(each) for each in "abc")
        closed = [index for index, line in enumerate(log) if line.startswith("close")]
        for index, line in enumerate(log):
            if " on " in line:
                session = line.split()[-1]
                assert f"close {session}" in log[index:]
        assert len(closed) == len([line for line in log if line.startswith("open")])

    def test_a_connection_whose_block_never_began_keeps_nothing_open(self, mail, log):
        backend = mail.state.selection.backend()
        opened = backend.open

        def refuse():
            raise BackendUnavailable("No connection.", stage="connect")

        backend.open = refuse
        connection = mail.connect()
        with pytest.raises(BackendUnavailable):
            connection.__enter__()
        backend.open = opened
        connection.send(message("a"))
        assert log == ["open 1", "a on 1", "close 1"]


class TestSettingsWithinABlock:
    def test_testing_counts_from_the_next_message_on(self, app, mail, log):
        with mail.connect() as connection:
            connection.send(message("real"))
            app.config["TESTING"] = True
            assert connection.send(message("test")).backend == "locmem"
        assert log == ["open 1", "real on 1", "close 1"]
        assert [each.subject for each in mail.outbox] == ["test"]


class TestBrokenSessions:
    def test_the_message_after_a_break_gets_a_new_session(self, mail, log):
        backend = mail.state.selection.backend()
        deliver = backend.deliver

        def break_off(mail, session):
            if mail.message.subject == "breaks":
                raise BackendUnavailable("The link broke.")
            return deliver(mail, session)

        backend.deliver = break_off
        with mail.connect() as connection:
            connection.send(message("a"))
            with pytest.raises(BackendUnavailable):
                connection.send(message("breaks"))
            connection.send(message("b"))
        assert log == ["open 1", "a on 1", "abort 1", "open 2", "b on 2", "close 2"]

    def test_a_refusal_keeps_the_session(self, mail, log):
        backend = mail.state.selection.backend()
        backend.deliver = lambda mail, session: (_ for _ in ()).throw(
            MessageRefused("No.", response="550 no")
        )
        with mail.connect() as connection:
            for _ in range(2):
                with pytest.raises(MessageRefused):
                    connection.send(message())
        assert log == ["open 1", "close 1"]


def test_a_block_ends_only_after_the_send_of_another_thread(mail, log):
    backend = mail.state.selection.backend()
    inside, go_on = threading.Event(), threading.Event()
    deliver = backend.deliver

    def slow(mail, session):
        inside.set()
        assert go_on.wait(10)
        return deliver(mail, session)

    backend.deliver = slow
    with mail.connect() as connection:
        thread = threading.Thread(target=connection.send, args=[message("slow")])
        thread.start()
        assert inside.wait(10)
        threading.Timer(0.05, go_on.set).start()
    thread.join()
    assert log == ["open 1", "slow on 1", "close 1"]


def test_send_many_hands_messages_to_a_host_of_a_program_too(app, mail):
    handed = []
    with mail.connect() as connection:
        connection.host = SimpleNamespace(sendmail=lambda *arguments: handed.append(arguments))
        assert [each.sent for each in connection.send_many([message(), message()])] == [True, True]
    assert len(handed) == 2


def test_a_subclass_that_opens_its_own_host_keeps_it(app, mail):
    """0.10's __enter__ and __exit__ were short enough to be overridden."""
    handed = []

    class OwnConnection(Connection):
        def __enter__(self):
            self.host = SimpleNamespace(sendmail=lambda *arguments: handed.append(arguments))
            return self

        def __exit__(self, *exc):
            self.host = None

    with OwnConnection(app.extensions["mail"]) as connection:
        host = connection.host
        connection.send(message())
        connection.send(message())
        assert connection.host is host
    assert len(handed) == 2


def test_what_a_receiver_raises_in_a_batch_comes_after_the_last_message(app, mail, log):
    app.config["PROPAGATE_EXCEPTIONS"] = True

    def explode(message):
        raise KeyError(message.subject)

    with email_dispatched.connected_to(explode), pytest.raises(KeyError, match="a"):
        mail.connect(max_emails=2).send_many(message(each) for each in "abcde")
    assert len([line for line in log if " on " in line]) == 5


def test_an_app_that_a_receiver_uses_is_not_mixed_up_with_the_sending_one(app):
    other = Flask("other")
    other.config.update(MAIL_BACKEND="locmem", MAIL_DEFAULT_SENDER="other@example.com")
    mail = Mail()
    mail.init_app(app)
    mail.init_app(other)

    def forward(app, message):
        if app is not other:
            with other.app_context():
                mail.send(Message("note", ["to@example.com"]))

    with app.app_context(), email_dispatched.connected_to(forward):
        mail.send(Message("Hi", ["to@example.com"]))
    with other.app_context():
        assert [each.sender for each in mail.outbox] == ["other@example.com"]


class TestHostTakenAway:
    """Before there were backends, a connection without a host was how mail was suppressed."""

    @pytest.fixture
    def app(self):
        app = Flask(__name__)
        app.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=1)
        return app

    def test_a_configure_host_that_gives_none_suppresses(self, app, mail):
        class NoConnection(Connection):
            def configure_host(self):
                return None

        with NoConnection(app.extensions["mail"]) as connection, mail.record_messages() as outbox:
            receipt = connection.send(message())
        assert (receipt.backend, receipt.sent, len(outbox)) == ("null", True, 1)

    def test_a_host_that_is_set_to_none_suppresses(self, app):
        class OwnConnection(Connection):
            def configure_host(self):
                return SimpleNamespace(sendmail=None, quit=lambda: None)

        with OwnConnection(Mail(app).state) as each:
            each.host = None
            assert each.send(message()).backend == "null"


def test_the_smtp_backend_without_a_session_sends_nothing_and_says_so(app):
    app.config["MAIL_BACKEND"] = "smtp"
    backend = Mail(app).state.selection.backend()
    with pytest.raises(BackendUnavailable, match="needs a session") as caught:
        backend.send(message())
    assert caught.value.receipt.outcome is Outcome.NOT_SENT


def test_a_nested_batch_leaves_the_session_of_the_outer_one(mail, log):
    connection = mail.connect(max_emails=1)

    def tell(message):
        if message.subject == "outer":
            connection.send_many([Message("inner", ["me@example.com"], sender="me@example.com")])

    with connection, email_dispatched.connected_to(tell):
        connection.send_many([message("outer"), message("outer")])
    assert len([line for line in log if " on " in line]) == 4
    opened = {line.split()[-1] for line in log if line.startswith("open")}
    closed = {line.split()[-1] for line in log if line.startswith("close")}
    assert opened == closed


def test_a_nested_send_that_fails_leaves_the_session_of_the_batch(mail, log):
    backend = mail.state.selection.backend()
    deliver = backend.deliver

    def break_off(mail, session):
        if mail.message.subject == "inner":
            raise BackendUnavailable("The link broke.")
        return deliver(mail, session)

    backend.deliver = break_off
    connection = mail.connect()

    def tell(app):
        with pytest.raises(BackendUnavailable):
            connection.send(message("inner"))

    with connection, email_dispatched.connected_to(tell):
        connection.send_many([message("a"), message("b")])
    assert log == ["open 1", "a on 1", "b on 1", "close 1"]


class TestFork:
    def test_a_child_lets_go_of_the_session_of_its_parent(self, mail, log, monkeypatch):
        with mail.connect() as connection:
            connection.send(message("parent"))
            monkeypatch.setattr("flask_mail.extension.connection.os.getpid", lambda: -1)
            connection.send(message("child"))
        assert log == ["open 1", "parent on 1", "abort 1", "open 2", "child on 2", "close 2"]

    def test_a_child_that_only_ends_the_block_says_nothing(self, mail, log, monkeypatch):
        with mail.connect():
            monkeypatch.setattr("flask_mail.extension.connection.os.getpid", lambda: -1)
        assert log == ["open 1", "abort 1"]

    def test_a_child_does_not_count_what_threads_of_its_parent_sent(self, mail, log, monkeypatch):
        """Else it would never follow the settings, and never close its session."""
        backend = mail.state.selection.backend()
        deliver = backend.deliver
        connection = mail.connect()

        def fork_within(mail, session):
            if mail.message.subject == "parent":
                monkeypatch.setattr("flask_mail.extension.connection.os.getpid", lambda: -1)
                connection.send(message("child"))
            return deliver(mail, session)

        backend.deliver = fork_within
        connection.send(message("parent"))
        connection.send(message("later"))
        opened = [line for line in log if line.startswith("open")]
        ended = [line for line in log if line.startswith(("close", "abort"))]
        assert len(opened) == len(ended)
