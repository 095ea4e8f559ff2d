"""A Mail without app in the place of a state: 0.10 could not send by it, or did not end."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any
from unittest import mock

import pytest
from flask import Flask

from flask_mail import Connection, Mail, Message, Receipt, _Mail, _MailMixin


def make_app(**config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update({"MAIL_BACKEND": "locmem", "MAIL_DEFAULT_SENDER": "me@example.com", **config})
    return app


def hello(**fields: Any) -> Message:
    return Message("Hello", ["to@example.com"], "Hello", **fields)


def serving(*apps: Flask) -> Mail:
    mail = Mail()
    for app in apps:
        mail.init_app(app)
        app.extensions["mail"] = mail
    return mail


def sent_in(app: Flask, mail: Mail) -> Receipt:
    with app.app_context():
        return mail.send(hello())


def test_a_mail_without_app_sends_by_the_settings_of_each_app():
    one, two = make_app(MAIL_DEFAULT_SENDER="one@example.com"), make_app(MAIL_BACKEND="null")
    mail = serving(one, two)

    assert sent_in(one, mail).backend == "locmem"
    assert sent_in(two, mail).backend == "null"
    with one.app_context():
        assert [each.sender for each in mail.outbox] == ["one@example.com"]


def test_what_is_assigned_on_a_mail_counts_for_all_of_its_apps():
    one, two = make_app(MAIL_BACKEND="smtp"), make_app(MAIL_BACKEND="smtp")
    mail = serving(one, two)
    mail.suppress = True
    mail.default_sender = "shared@example.com"

    for app in (one, two):
        assert sent_in(app, mail).backend == "null"
        with app.app_context():
            assert hello().sender == "shared@example.com"


def test_mail_without_an_app_follows_the_app_that_registers_it():
    app = make_app()
    app.extensions["mail"] = mail = Mail()

    assert sent_in(app, mail).backend == "locmem"
    with app.app_context():
        assert len(mail.outbox) == 1


def test_a_connection_of_a_mail_without_app_uses_the_current_app():
    app, mail = make_app(), Mail()
    mail.init_app(app)

    with app.app_context():
        connection = Connection(mail)
    with connection:  # also where none is current any more
        receipt = connection.send(hello(sender="me@example.com"))

    assert receipt.backend == "locmem"
    assert len(app.extensions["mail"].outbox) == 1


def test_a_connection_of_a_mail_without_any_app_is_an_error():
    with pytest.raises(RuntimeError, match=r"call mail\.init_app\(app\)"):
        Connection(Mail())


def test_a_message_is_made_without_any_state():
    app = make_app()
    app.extensions["mail"] = None
    with app.app_context():
        assert hello().sender is None
        assert Mail().state is None


def test_an_app_is_collected_with_the_state_that_a_mail_made_for_it():
    app = make_app()
    mail = serving(app)
    gone = weakref.ref(app)
    del app
    gc.collect()
    assert gone() is None
    assert mail.app is None


def test_the_state_that_was_assigned_serves_a_registered_mail():
    app = make_app()
    mail = Mail(app)
    mail.state = own = mail.init_mail({"MAIL_BACKEND": "null"})
    app.extensions["mail"] = mail

    assert mail.state is own
    with app.app_context():
        assert mail.send(hello(sender="me@example.com")).backend == "null"


def test_the_port_of_a_registered_mail_goes_with_its_use_ssl():
    app = make_app()
    app.extensions["mail"] = mail = Mail(app)
    mail.use_ssl = True
    assert mail._standing().port == 465
    assert mail.state.port == 25


def test_of_two_mails_the_attributes_are_those_of_the_registered_one():
    app = make_app()
    first, second = Mail(app), Mail(app)
    app.extensions["mail"] = first
    first.default_sender = "first@example.com"
    assert second.default_sender == "first@example.com"


def test_debug_of_a_registered_mail_counts():
    app = make_app(MAIL_BACKEND="smtp")
    app.extensions["mail"] = mail = Mail(app)
    assert mail._standing().selection.backend().server.debug is False
    mail.debug = True
    assert mail._standing().selection.backend().server.debug is True


def test_a_property_of_a_mail_may_ask_for_the_state_it_stands_for():
    class OwnMail(Mail):
        @property
        def suppress(self) -> bool:
            return bool(self.default_sender)

    app = make_app(MAIL_BACKEND="smtp")
    app.extensions["mail"] = mail = OwnMail(app)
    assert sent_in(app, mail).backend == "null"


def test_a_registered_mail_with_a_foreign_state_decides_too():
    class OwnState(_MailMixin):
        server, port, username, password = "mail.example.com", 25, None, None
        use_tls = use_ssl = debug = suppress = ascii_attachments = False
        max_emails, default_sender = None, "foreign@example.com"

    class OwnMail(Mail):
        def init_mail(self, config: Any, debug: Any = False, testing: bool = False) -> Any:
            return OwnState()

    app = make_app()
    app.extensions["mail"] = mail = OwnMail(app)
    mail.suppress = True
    with app.app_context():
        assert hello().sender == "foreign@example.com"
    assert sent_in(app, mail).backend == "null"


# --- States that programs make --------------------------------------------------------------------


def test_a_copy_of_a_state_is_an_account_of_its_own():
    app = make_app(MAIL_BACKEND="smtp")
    state = Mail(app).state
    other = copy.copy(state)
    other.server = "other.example.com"
    other.suppress = True

    assert (state.server, other.default_sender) == ("localhost", "me@example.com")
    assert other.selection.backend().name == "null"
    assert state.selection.backend().name == "smtp"


def test_a_state_made_of_the_vars_of_another_follows_its_app():
    class OwnState(_Mail):
        def __init__(self, *, extra: int = 0, **settings: Any) -> None:
            super().__init__(**settings)
            self.extra = extra

    class OwnMail(Mail):
        def init_mail(self, config: Any, debug: Any = False, testing: bool = False) -> OwnState:
            return OwnState(**vars(super().init_mail(config, debug, testing)), extra=3)

    app = make_app(MAIL_SERVER="mail.example.com")
    mail = OwnMail(app)
    assert (mail.extra, mail.server) == (3, "mail.example.com")
    app.config["TESTING"] = True
    assert sent_in(app, mail).backend == "locmem"
    assert mail.suppress is True


def test_handmade_state_reads_missing_settings_from_its_app():
    """Above all in those that keep mail from leaving."""

    class OwnMail(Mail):
        def init_mail(self, config: Any, debug: Any = False, testing: bool = False) -> _Mail:
            return _Mail("other.example.com", None, None, 26, False, False, None, 0, None, False)

    app = make_app()
    mail = OwnMail(app)
    assert (mail.server, mail.port, mail.default_sender) == ("other.example.com", 26, None)
    with app.app_context():
        assert mail.send(hello(sender="me@example.com")).backend == "locmem"


@pytest.mark.parametrize("way", ["class attribute", "property"])
def test_the_class_of_a_state_decides(monkeypatch: pytest.MonkeyPatch, way: str):
    class OwnState(_Mail):
        suppress: Any = (
            True
            if way == "class attribute"
            else property(lambda self: True, lambda self, value: None)
        )

    monkeypatch.setattr("flask_mail._Mail", OwnState)
    app = make_app(MAIL_BACKEND="smtp")
    mail = Mail(app)
    mail.state.__dict__.pop("suppress", None)
    assert sent_in(app, mail).backend == "null"


def test_a_state_without_our_constructor_keeps_what_it_is_given():
    class OwnState(_Mail):
        def __init__(self, **attributes: Any) -> None:
            self.__dict__.update(attributes)

    state = OwnState(server="own.example.com", suppress=True)
    assert (state.server, state.port) == ("own.example.com", 25)
    assert state.selection.backend().name == "null"


def test_an_attribute_that_was_not_assigned_cannot_be_deleted():
    state = Mail(make_app()).state
    with pytest.raises(AttributeError, match="suppress"):
        del state.suppress
    state.suppress = True
    del state.suppress
    assert state.suppress is False


@pytest.mark.parametrize("name", ["Mail", "_Mail", "Connection"])
def test_a_class_that_is_replaced_by_a_mock_breaks_no_mail_that_was_made(name: str):
    app = make_app()
    app.extensions["mail"] = mail = Mail(app)
    with mock.patch(f"flask_mail.{name}"):
        mail.suppress = True
        mail.send(hello(sender="me@example.com"))
        assert mail.default_sender == "me@example.com"
