"""Mail and the state of each app."""

from __future__ import annotations

import copy
import sys
from contextlib import contextmanager

import pytest
from flask import Flask

import flask_mail
from flask_mail import ConfigurationError, Mail, Message, NoSender, Outcome
from flask_mail.backends import Backend, BackendUnavailable
from flask_mail.backends.locmem import LocmemBackend
from flask_mail.backends.null import NullBackend
from flask_mail.extension import development
from flask_mail.testing import Outbox


def make_app(**config):
    app = Flask(__name__)
    app.config.update({"MAIL_BACKEND": "locmem", "MAIL_DEFAULT_SENDER": "me@example.com", **config})
    return app


@pytest.fixture
def app():
    return make_app()


@pytest.fixture
def mail(app):
    return Mail(app)


def hello(**fields):
    return Message("Hello", ["to@example.com"], "Hi", **fields)


class TestWhichApp:
    def test_mail_with_an_app_needs_no_app_context(self, mail):
        receipt = mail.send(hello())
        assert receipt.sent
        assert mail.outbox[0].sender == "me@example.com"

    def test_mail_for_several_apps_follows_the_current_one(self):
        mail = Mail()
        one, two = make_app(), make_app(MAIL_DEFAULT_SENDER="two@example.com")
        mail.init_app(one)
        mail.init_app(two)
        with one.app_context():
            mail.send(hello())
            assert [each.sender for each in mail.outbox] == ["me@example.com"]
        with two.app_context():
            mail.send(hello())
            assert [each.sender for each in mail.outbox] == ["two@example.com"]

    def test_mail_with_an_app_uses_it_even_while_another_is_current(self, mail):
        with make_app(MAIL_DEFAULT_SENDER="other@example.com").app_context():
            mail.send_message("Hello", ["to@example.com"])
        assert mail.outbox[0].sender == "me@example.com"

    def test_the_state_in_extensions_sends_too(self, app, mail):
        assert app.extensions["mail"].send(hello()).sent
        assert app.extensions["mail"].send_message("Hello", ["to@example.com"]).sent
        assert [receipt.sent for receipt in app.extensions["mail"].send_many([hello()])] == [True]
        assert len(mail.outbox) == 3

    def test_an_app_without_mail_is_told(self):
        app = Flask(__name__)
        with app.app_context(), pytest.raises(RuntimeError, match="not configured with Flask-Mail"):
            Mail().send(hello(sender="me@example.com"))

    def test_without_app_and_context_flask_says_so(self):
        with pytest.raises(RuntimeError, match="[Aa]pplication context"):
            Mail().connect()

    def test_init_app_again_forgets_what_was_assigned(self, app, mail):
        mail.state.default_sender = "assigned@example.com"
        mail.init_app(app)
        assert mail.default_sender == "me@example.com"


class TestState:
    def test_the_defaults_are_those_of_0_10(self):
        state = Mail(Flask(__name__)).state
        assert {name: getattr(state, name) for name in dir(state) if name in DEFAULTS} == DEFAULTS

    def test_attributes_follow_the_configuration(self, app, mail):
        app.config.update(
            MAIL_SERVER="mail.example.com",
            MAIL_PORT="2525",
            MAIL_USE_TLS="true",
            MAIL_MAX_EMAILS="7",
            MAIL_ASCII_ATTACHMENTS="yes",
            TESTING=True,
            DEBUG=True,
        )
        state = mail.state
        assert (state.server, state.port, state.use_tls) == ("mail.example.com", 2525, True)
        assert (state.max_emails, state.ascii_attachments) == (7, True)
        assert (state.suppress, state.debug) == (True, True)

    def test_an_assignment_wins_and_deleting_it_brings_the_configuration_back(self, app, mail):
        mail.state.default_sender = "assigned@example.com"
        app.config["MAIL_DEFAULT_SENDER"] = "config@example.com"
        assert mail.default_sender == "assigned@example.com"
        del mail.state.default_sender
        assert mail.default_sender == "config@example.com"

    def test_a_state_made_by_hand_holds_what_it_was_given(self):
        state = flask_mail._Mail(
            "mail.example.com", "me", "s3cret", 25, True, False, None, 0, None, True
        )
        assert (state.server, state.password, state.suppress) == (
            "mail.example.com",
            "s3cret",
            True,
        )
        assert state.ascii_attachments is False
        assert state.selection.chosen() == ("null", "suppress on the mail state")

    def test_init_mail_follows_the_mapping_it_is_given(self, mail):
        config = {"MAIL_SERVER": "other.example.com"}
        state = mail.init_mail(config, debug=True, testing=True)
        assert (state.server, state.debug, state.suppress) == ("other.example.com", True, True)
        config["MAIL_SERVER"] = "later.example.com"
        assert state.server == "later.example.com"

    def test_a_subclass_of_the_state_may_decide_an_attribute(self, monkeypatch, app):
        class OwnState(flask_mail._Mail):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                self.server = "own.example.com"

        monkeypatch.setattr("flask_mail._Mail", OwnState)
        state = Mail(app).state
        assert isinstance(state, OwnState)
        assert (state.server, state.default_sender) == ("own.example.com", "me@example.com")

    def test_a_state_of_a_programs_own_class_is_registered_as_it_is(self, monkeypatch, app):
        class OwnState(flask_mail._MailMixin):
            def __init__(self, **attributes):
                vars(self).update(attributes)

        monkeypatch.setattr("flask_mail._Mail", OwnState)
        mail = Mail(app)
        assert isinstance(mail.state, OwnState)
        assert app.extensions["mail"] is mail.state
        assert mail.default_sender == "me@example.com"

    def test_reading_an_attribute_on_the_class_gives_the_descriptor(self):
        assert "Live" in repr(flask_mail._Mail.server)

    def test_the_app_of_a_state_made_by_hand_is_the_current_one(self, app):
        state = Mail().init_mail({})
        assert state.app is None
        with app.app_context():
            assert state.app is app

    def test_the_password_shows_in_no_repr(self):
        app = make_app(MAIL_BACKEND="smtp", MAIL_USERNAME="me", MAIL_PASSWORD="s3cret")
        mail = Mail(app)
        for each in (mail, mail.state, mail.state.selection, mail.state.selection.backend()):
            assert "s3cret" not in repr(each)
            assert "s3cret" not in str(each)


DEFAULTS = {
    "server": "localhost",
    "username": None,
    "password": None,
    "port": 25,
    "use_tls": False,
    "use_ssl": False,
    "default_sender": None,
    "debug": False,
    "max_emails": None,
    "suppress": False,
    "ascii_attachments": False,
}


class TestMailAttributes:
    def test_attributes_of_the_state_are_read_through_mail(self, mail):
        assert mail.default_sender == "me@example.com"
        assert mail.suppress is False

    def test_a_typo_is_an_attribute_error_that_suggests_the_name(self, mail):
        with pytest.raises(AttributeError, match="'sned'; did you mean 'send'"):
            mail.sned  # noqa: B018

    def test_an_unknown_name_is_an_attribute_error(self, mail):
        with pytest.raises(AttributeError, match="'xyzzy'$"):
            mail.xyzzy  # noqa: B018

    def test_without_an_app_there_is_no_state_to_read_from(self):
        assert Mail().state is None
        with pytest.raises(AttributeError):
            Mail().default_sender  # noqa: B018

    def test_the_state_is_the_one_that_sends(self, app):
        """It stays so if the same app gets another Mail meanwhile."""
        first = Mail(app)
        second = Mail(app)
        assert first.state is second.state is app.extensions["mail"]

    def test_an_assigned_state_sends(self, app, mail):
        own = mail.init_mail({"MAIL_BACKEND": "null"})
        mail.state = own
        assert app.extensions["mail"] is own
        assert mail.send(hello(sender="me@example.com")).backend == "null"

    def test_the_state_may_be_assigned(self, app):
        mail = Mail()
        mail.state = mail.init_app(app)
        assert mail.default_sender == "me@example.com"

    def test_mail_can_be_copied(self, mail):
        assert copy.copy(mail).default_sender == "me@example.com"


class TestOutbox:
    def test_it_holds_copies_that_later_changes_do_not_reach(self, mail):
        message = hello()
        mail.send(message)
        message.subject = "Changed"
        assert mail.outbox[0].subject == "Hello"

    def test_copies_know_whom_they_went_to(self, mail):
        mail.send(hello(bcc=["hidden@example.com"]))
        assert mail.outbox[0].envelope.recipients == ("to@example.com", "hidden@example.com")

    def test_each_app_has_its_own(self):
        one, two = Mail(make_app()), Mail(make_app())
        one.send(hello())
        assert (len(one.outbox), len(two.outbox)) == (1, 0)

    def test_it_is_empty_while_another_backend_delivers(self):
        mail = Mail(make_app(MAIL_BACKEND="null"))
        mail.send(hello())
        assert mail.outbox == []

    def test_it_survives_a_change_of_settings(self, app, mail):
        mail.send(hello())
        app.config["MAIL_DEFAULT_SENDER"] = "other@example.com"
        app.config["TESTING"] = True
        mail.send(hello())
        assert len(mail.outbox) == 2

    def test_a_subclass_of_the_locmem_backend_may_keep_it(self):
        class OwnBackend(LocmemBackend):
            name = "own"

        mail = Mail(make_app(MAIL_BACKEND=OwnBackend))
        mail.send(hello())
        assert len(mail.outbox) == 1

    @pytest.mark.parametrize("own", [{}, {"outbox": []}])
    def test_a_subclass_need_not_call_its_constructor(self, own):
        class OwnBackend(LocmemBackend):
            name = "own"

            def __init__(self):
                for name, value in own.items():
                    setattr(self, name, value)

        mail = Mail(make_app(MAIL_BACKEND=OwnBackend))
        mail.send(hello())
        assert [each.subject for each in mail.outbox] == [hello().subject]

    @pytest.mark.parametrize("settings", [{}, {"MAIL_BACKEND": "null"}, {"MAIL_BACKEND": "locmem"}])
    def test_it_has_the_messages_of_all_locmem_mailers(self, settings):
        made_of = {"both": {"BACKEND": "failover", "MAILERS": ["bulk"]}}
        mail = Mail(make_app(**settings, MAIL_MAILERS={"bulk": "locmem", **made_of}))
        outbox = mail.outbox
        with Outbox() as recorded, mail.record_messages() as originals:
            mail.using("bulk").send(hello())
        mail.using("both").send(hello())
        assert mail.outbox is outbox
        assert [each.mailer for each in outbox] == ["bulk", "bulk"]
        assert len(recorded) == len(originals) == 1

    def test_it_is_kept_if_a_mailer_becomes_locmem_later(self):
        app = make_app(TESTING=True, MAIL_MAILERS={"bulk": "smtp://localhost"})
        mail = Mail(app)
        mail.using("bulk").send(hello())
        app.config["MAIL_MAILERS"] = {"bulk": "locmem", "default": "locmem"}
        mail.using("bulk").send(hello())
        mail.send(hello())
        assert [each.mailer for each in mail.outbox] == ["bulk", "bulk", "default"]

    def test_a_foreign_locmem_backend_has_none(self, monkeypatch):
        mail = Mail(make_app(MAIL_BACKEND="null"))
        monkeypatch.setattr(mail.state.selection, "backend_class", lambda chosen: NullBackend)
        with pytest.raises(ConfigurationError, match="locmem"):
            mail.outbox  # noqa: B018

    def test_reading_it_builds_no_other_backend(self):
        mail = Mail(make_app(MAIL_BACKEND="smtp", MAIL_USERNAME="me without password"))
        assert mail.outbox == []

    @pytest.mark.parametrize("of", ["mail", "state"])
    def test_assigning_an_empty_list_forgets_the_messages(self, mail, of):
        """Django and Flask-Mailman do this; it must not hide the real outbox."""
        mail.send(hello())
        kept = mail.outbox
        (mail if of == "mail" else mail.state).outbox = []
        assert mail.outbox == kept == []
        mail.send(hello())
        assert mail.outbox is kept
        assert len(kept) == 1

    def test_what_cannot_be_messages_is_not_assigned(self, mail):
        mail.send(hello())
        with pytest.raises(TypeError):
            mail.outbox = None
        assert len(mail.outbox) == 1

    def test_without_an_app_there_is_none_to_assign(self):
        with pytest.raises(AttributeError, match="without an app: use"):
            Mail().outbox = []

    def test_without_an_app_there_is_none(self):
        assert not hasattr(Mail(), "outbox")
        with pytest.raises(AttributeError, match="without an app: use"):
            Mail().outbox  # noqa: B018


class TestSending:
    def test_a_message_without_sender_and_default_is_refused(self):
        mail = Mail(make_app(MAIL_DEFAULT_SENDER=None))
        with pytest.raises(NoSender, match="MAIL_DEFAULT_SENDER"):
            mail.send(hello())

    def test_send_many_gives_a_receipt_for_each_in_order(self, mail):
        receipts = mail.send_many([hello(), hello(cc=["x\n@example.com"]), hello()])
        assert [each.outcome for each in receipts] == [
            Outcome.SENT,
            Outcome.NOT_SENT,
            Outcome.SENT,
        ]
        assert isinstance(receipts[1].error, ValueError)
        assert len(mail.outbox) == 2

    def test_send_many_takes_a_generator_and_sets_the_default_sender(self, mail):
        with mail.state.app.app_context():
            receipts = mail.send_many(hello() for _ in range(3))
        assert [each.sent for each in receipts] == [True] * 3

    def test_send_many_of_nothing_is_nothing(self, mail):
        assert mail.send_many([]) == []

    def test_record_messages_yields_the_very_messages(self, mail):
        message = hello()
        with mail.record_messages() as outbox:
            mail.send(message)
        assert outbox == [message]
        assert outbox[0] is message

    def test_a_connect_of_a_subclass_may_return_anything_that_sends(self, mail):
        class Recorder(list):
            def __enter__(self):
                return self

            def __exit__(self, *exc):
                return None

            def send(self, message):
                self.append(message)

        recorder = Recorder()
        mail.connect = lambda: recorder
        mail.send(hello())
        assert len(recorder) == 1


class FailingBackend(Backend[None]):
    """Cannot connect."""

    name = "failing"

    def open(self):
        raise BackendUnavailable("No connection.", stage="connect")

    def deliver(self, mail, session):
        raise AssertionError


class TestFailSilently:
    @pytest.fixture
    def mail(self):
        return Mail(make_app(MAIL_BACKEND=FailingBackend, MAIL_FAIL_SILENTLY=True))

    def test_silent_connection_failure_is_in_receipt_and_log(self, mail, caplog):
        with pytest.warns(DeprecationWarning, match="MAIL_FAIL_SILENTLY"):
            receipt = mail.send(hello())
        assert "No connection." in caplog.text
        assert receipt.outcome is Outcome.NOT_SENT
        assert str(receipt.error) == "No connection."

    def test_it_is_signalled(self, mail):
        heard = []

        def failed(receipt):
            heard.append(receipt)

        with (
            flask_mail.email_failed.connected_to(failed),
            pytest.warns(DeprecationWarning, match="MAIL_FAIL_SILENTLY"),
        ):
            receipt = mail.send(hello())
        assert heard == [receipt]

    def test_a_connection_that_breaks_later_still_raises(self, mail):
        backend = mail.state.selection.backend()
        backend.open = lambda: "session"

        def break_off(mail, session):
            raise BackendUnavailable("The link broke.", stage="data")

        backend.deliver = break_off
        with (
            pytest.warns(DeprecationWarning, match="MAIL_FAIL_SILENTLY"),
            pytest.raises(BackendUnavailable, match="The link broke"),
        ):
            mail.send(hello())

    def test_a_block_goes_on_without_its_connection(self, mail, caplog):
        with (
            pytest.warns(DeprecationWarning, match="MAIL_FAIL_SILENTLY"),
            mail.connect() as connection,
        ):
            assert connection.send(hello()).outcome is Outcome.NOT_SENT
        assert "No connection." in caplog.text

    def test_an_invalid_message_still_raises(self, mail):
        with (
            pytest.warns(DeprecationWarning, match="MAIL_FAIL_SILENTLY"),
            pytest.raises(ValueError, match="subject"),
        ):
            mail.send(Message("Hello\n", ["to@example.com"], sender="me@example.com"))

    def test_the_warning_points_at_the_program(self, mail):
        with pytest.warns(DeprecationWarning, match="MAIL_FAIL_SILENTLY") as caught:
            mail.send(hello())
        assert {warning.filename for warning in caught} == {__file__}

    def test_without_it_a_failed_connection_raises(self):
        mail = Mail(make_app(MAIL_BACKEND=FailingBackend))
        with pytest.raises(BackendUnavailable), mail.connect():
            raise AssertionError
        with pytest.raises(BackendUnavailable) as caught:
            mail.send(hello())
        assert caught.value.receipt.outcome is Outcome.NOT_SENT


def test_the_names_that_users_import_are_listed_and_sorted():
    assert flask_mail.__all__ == sorted(flask_mail.__all__)
    assert all(hasattr(flask_mail, name) for name in flask_mail.__all__)


def test_tool_of_development_is_imported_for_the_first_app(monkeypatch):
    monkeypatch.setattr(development, "MODULES", ("colorsys",))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    app = Flask(__name__)
    app.testing = True
    Mail(app)
    assert "colorsys" in sys.modules


def test_selection_that_another_thread_has_made_is_used(monkeypatch):
    state = Mail(Flask(__name__)).state
    made = state.selection

    @contextmanager
    def lock():
        state._selection = made
        yield

    state._selection = None
    monkeypatch.setattr("flask_mail.extension.state._lock", lock)
    assert state.selection is made
