"""Selection of the backend, and the moment at which the configuration is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import pytest
from flask import Flask

from flask_mail import BackendNotFound, ConfigurationError, Mail, Message
from flask_mail.backends import Backend, Secret
from flask_mail.backends.console import ConsoleBackend
from flask_mail.backends.locmem import LocmemBackend
from flask_mail.backends.null import NullBackend
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.extension.backend_settings import BackendSettings


class OutsideBackend(Backend[None]):
    """A third party's, through which mail leaves."""

    name = "outside"

    def __init__(self, *, key: str = "", level: int = 1) -> None:
        self.key = key
        self.level = level

    def deliver(self, mail, session):
        return self.accepted(mail)


@dataclass(frozen=True)
class LoftBackend(Backend[None]):
    """Declares its options as the fields of a frozen dataclass."""

    name: ClassVar[str] = "loft"
    path: Path
    key: Secret
    birds: int = 3

    def deliver(self, mail, session):
        return self.accepted(mail, response=f"{self.path} {self.birds} {self.key.reveal()}")


@pytest.fixture
def app():
    return Flask(__name__)


def selection_of(app, **config):
    app.config.update(config)
    return Mail(app).state.selection


def selected(app, **config):
    return selection_of(app, **config).backend()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, SmtpBackend),
        ({"MAIL_BACKEND": "smtp"}, SmtpBackend),
        ({"MAIL_BACKEND": ""}, SmtpBackend),
        ({"MAIL_BACKEND": "console"}, ConsoleBackend),
        ({"MAIL_BACKEND": OutsideBackend}, OutsideBackend),
        ({"MAIL_BACKEND": "flask_mail.backends.null:NullBackend"}, NullBackend),
        ({"TESTING": True}, LocmemBackend),
        ({"TESTING": True, "MAIL_BACKEND": OutsideBackend}, LocmemBackend),
        ({"TESTING": True, "MAIL_BACKEND": "console"}, ConsoleBackend),
        ({"TESTING": True, "MAIL_BACKEND": "null"}, NullBackend),
        ({"MAIL_SUPPRESS_SEND": True}, NullBackend),
        ({"MAIL_SUPPRESS_SEND": "true"}, NullBackend),
        ({"MAIL_SUPPRESS_SEND": True, "MAIL_BACKEND": OutsideBackend}, NullBackend),
        ({"MAIL_SUPPRESS_SEND": True, "MAIL_BACKEND": "console"}, ConsoleBackend),
        ({"MAIL_SUPPRESS_SEND": True, "TESTING": True}, LocmemBackend),
        ({"MAIL_SUPPRESS_SEND": False}, SmtpBackend),
        ({"MAIL_SUPPRESS_SEND": False, "TESTING": True}, SmtpBackend),
        ({"MAIL_SUPPRESS_SEND": "false", "TESTING": True}, SmtpBackend),
        ({"MAIL_SUPPRESS_SEND": "", "TESTING": True}, LocmemBackend),
        ({"MAIL_SUPPRESS_SEND": None, "TESTING": True}, LocmemBackend),
    ],
)
def test_the_backend_follows_from_three_settings(app, config, expected):
    assert type(selected(app, **config)) is expected


@pytest.mark.parametrize(
    ("config", "chosen"),
    [
        ({}, ("smtp", "default")),
        ({"MAIL_BACKEND": "null"}, ("null", "MAIL_BACKEND")),
        ({"TESTING": True}, ("locmem", "TESTING")),
        ({"MAIL_SUPPRESS_SEND": True}, ("null", "MAIL_SUPPRESS_SEND")),
        ({"MAIL_SUPPRESS_SEND": True, "TESTING": True}, ("locmem", "MAIL_SUPPRESS_SEND")),
    ],
)
def test_the_choice_tells_what_decided_it(app, config, chosen):
    app.config.update(config)
    assert Mail(app).state.selection.chosen() == chosen


def test_suppress_on_the_state_wins_over_the_configuration(app):
    mail = Mail(app)
    mail.state.suppress = True
    assert mail.state.selection.chosen() == ("null", "suppress on the mail state")
    app.config["TESTING"] = True
    mail.state.suppress = False
    assert mail.state.selection.chosen() == ("smtp", "default")
    del mail.state.suppress
    assert mail.state.selection.chosen() == ("locmem", "TESTING")


def test_testing_is_looked_at_when_mail_is_sent(app):
    """The oldest complaint about Flask-Mail: a fixture sets TESTING and customers get mail."""
    app.config["MAIL_DEFAULT_SENDER"] = "me@example.com"
    mail = Mail(app)
    app.config["TESTING"] = True
    mail.send(Message("Hi", ["customer@example.com"]))
    assert [message.subject for message in mail.outbox] == ["Hi"]


def test_a_backend_is_kept_until_an_option_of_its_own_changes(app):
    app.config.update(MAIL_BACKEND=OutsideBackend, MAIL_OUTSIDE_KEY="one")
    selection = Mail(app).state.selection
    first = selection.backend()
    app.config["MAIL_DEFAULT_SENDER"] = "me@example.com"
    assert selection.backend() is first
    app.config["MAIL_OUTSIDE_KEY"] = "two"
    assert selection.backend() is not first
    assert selection.backend().key == "two"


def test_options_are_read_again_only_if_a_setting_has_changed(app, monkeypatch):
    selection = selection_of(app, MAIL_BACKEND=OutsideBackend, MAIL_OUTSIDE_KEY="one")
    selection.backend()
    reads = []
    read = BackendSettings.options
    monkeypatch.setattr(
        BackendSettings, "options", lambda *given: reads.append(given) or read(*given)
    )

    app.config["SOMETHING"] = "else"
    assert selection.backend().key == "one"
    assert len(reads) == 0
    app.config["MAIL_OUTSIDE_KEY"] = "two"
    assert selection.backend().key == "two"
    app.config["MAIL_OUTSIDE_LEVEL"] = app.config.pop("SOMETHING") and "3"
    assert selection.backend().level == 3
    app.config["MAIL_OUTSIDE_LEVLE"] = "4"
    with pytest.raises(ConfigurationError, match="MAIL_OUTSIDE_LEVLE"):
        selection.backend()
    assert len(reads) == 3


def test_settings_in_any_mapping_are_followed():
    settings = {"MAIL_OUTSIDE_KEY": "one"}
    read = BackendSettings(MappingProxyType(settings))
    before = read.snapshot(OutsideBackend, dict)
    assert before == read.snapshot(OutsideBackend, dict)
    settings["MAIL_OUTSIDE_OTHER"] = "two"
    assert before != read.snapshot(OutsideBackend, dict)
    assert before != settings


def test_a_snapshot_of_settings_shows_no_secret():
    read = BackendSettings({"MAIL_PASSWORD": "hidden"})
    snapshot = read.snapshot(SmtpBackend, lambda: {"password": "assigned"})
    assert not {"hidden", "assigned"} & set(repr(snapshot).split("'"))
    assert not hasattr(snapshot, "__dict__")


def test_the_smtp_backend_is_kept_while_its_password_stays_the_same(app):
    app.config.update(MAIL_USERNAME="me", MAIL_PASSWORD="s3cret", MAIL_USE_TLS=True)
    selection = Mail(app).state.selection
    first = selection.backend()
    assert selection.backend() is first
    app.config["MAIL_PASSWORD"] = "another"
    assert selection.backend() is not first


def test_attributes_of_the_state_are_options_of_the_smtp_backend(app):
    app.config.update(MAIL_SERVER="one.example.com", MAIL_DEBUG=False)
    mail = Mail(app)
    mail.state.server = "two.example.com"
    mail.state.port = 2525
    server = mail.state.selection.backend().server
    assert (server.host, server.port, server.debug) == ("two.example.com", 2525, False)


def test_the_dialogue_is_logged_while_the_app_is_in_debug_mode(app):
    app.debug = True
    assert Mail(app).state.selection.backend().server.debug


@pytest.mark.parametrize(
    ("config", "port"),
    [
        ({}, 25),
        ({"MAIL_USE_TLS": True}, 25),
        ({"MAIL_USE_SSL": True}, 465),
        ({"MAIL_USE_SSL": True, "MAIL_PORT": 2465}, 2465),
        ({"MAIL_PORT": "587"}, 587),
        ({"MAIL_PORT": None}, 25),
        ({"MAIL_PORT": 0}, 25),
    ],
)
def test_the_port_is_465_with_implicit_tls_and_25_otherwise(app, config, port):
    assert selected(app, **config).server.port == port
    assert Mail(app).state.port == port


def test_an_option_may_be_a_string_of_the_environment(app):
    assert selected(app, MAIL_BACKEND=OutsideBackend, MAIL_OUTSIDE_LEVEL="3").level == 3


def test_an_unknown_option_names_the_setting_and_the_nearest(app):
    with pytest.raises(ConfigurationError, match=r"MAIL_OUTSIDE_KEYY .*'MAIL_OUTSIDE_KEY'"):
        selected(app, MAIL_BACKEND=OutsideBackend, MAIL_OUTSIDE_KEYY="x")


def test_an_unknown_backend_is_told_when_mail_is_sent_and_not_before(app):
    app.config.update(MAIL_BACKEND="smpt", MAIL_DEFAULT_SENDER="me@example.com")
    mail = Mail(app)
    with pytest.raises(BackendNotFound, match="did you mean 'smtp'"):
        mail.send(Message("Hi", ["to@example.com"]))


def test_what_cannot_be_hashed_is_no_backend(app):
    with pytest.raises(ConfigurationError, match="MAIL_BACKEND is not a backend"):
        selected(app, MAIL_BACKEND=["smtp"])


def test_composite_is_rebuilt_when_a_child_option_changes(app):
    class AroundBackend(OutsideBackend):
        name = "around"

        @classmethod
        def from_options(cls, options, build):
            backend = cls()
            backend.child = build(OutsideBackend)
            return backend

    selection = selection_of(app, MAIL_BACKEND=AroundBackend, MAIL_OUTSIDE_KEY="old")
    first = selection.backend()
    assert selection.backend() is first
    app.config["MAIL_OUTSIDE_KEY"] = "new"
    assert selection.backend().child.key == "new"


def test_a_backend_cannot_be_made_of_itself(app):
    class EndlessBackend(OutsideBackend):
        name = "endless"

        @classmethod
        def from_options(cls, options, build):
            return build(cls)

    with pytest.raises(ConfigurationError, match="'endless' is made of itself"):
        selected(app, MAIL_BACKEND=EndlessBackend)


def test_from_options_must_return_a_backend(app):
    class NothingBackend(OutsideBackend):
        name = "nothing"

        @classmethod
        def from_options(cls, options, build):
            return None

    with pytest.raises(ConfigurationError, match="from_options.. returned no backend"):
        selected(app, MAIL_BACKEND=NothingBackend)


def test_a_prefix_of_its_own_shares_nothing_with_the_smtp_settings(app):
    class AcmeBackend(Backend[None]):
        name = "acme"
        option_prefix = "MAIL_ACME_API_"

        def __init__(self, *, server: str = "", debug: bool = False) -> None:
            self.options = server, debug

        def deliver(self, mail, session):
            return self.accepted(mail)

    app.config.update(MAIL_ACME_API_SERVER="api.example.com", MAIL_ACME_API_DEBUG="yes")
    mail = Mail(app)
    mail.state.server = "smtp.example.com"
    assert mail.state.selection.build(AcmeBackend).options == ("api.example.com", True)
    app.config["MAIL_ACME_API_TYPO"] = 1
    with pytest.raises(ConfigurationError, match="MAIL_ACME_API_TYPO"):
        mail.state.selection.build(AcmeBackend)


def test_keys_that_are_no_strings_are_no_options(app):
    app.config[5] = "five"
    assert type(selected(app, MAIL_BACKEND="null")) is NullBackend


@pytest.mark.parametrize("key", ["MAIL_PASSWORD", "MAIL_OAUTH2_TOKEN"])
def test_the_smtp_backend_is_kept_while_its_callable_stays_the_same(app, key):
    """The callable is not called to compare it."""

    def secret():
        raise AssertionError

    app.config.update({"MAIL_USERNAME": "me", key: secret, "MAIL_USE_TLS": True})
    selection = Mail(app).state.selection
    first = selection.backend()
    assert selection.backend() is first
    app.config[key] = lambda: secret()
    assert selection.backend() is not first


def test_a_token_on_the_state_wins_over_the_configuration(app):
    app.config.update(MAIL_USERNAME="me", MAIL_OAUTH2_TOKEN="one", MAIL_USE_TLS=True)
    mail = Mail(app)
    mail.state.oauth2_token = "two"
    assert mail.state.selection.backend().server.token.reveal() == "two"


@pytest.mark.parametrize("password", [b"s3cret", True, ["s3cret"]])
def test_a_password_of_another_kind_is_refused(app, password):
    with pytest.raises(ConfigurationError, match="MAIL_PASSWORD must be a string") as caught:
        selected(app, MAIL_USERNAME="me", MAIL_PASSWORD=password)
    assert "s3cret" not in str(caught.value)


def test_a_password_of_digits_may_be_a_number(app):
    app.config.update(MAIL_USERNAME="me", MAIL_PASSWORD=12345, MAIL_SERVER="127.0.0.1")
    assert Mail(app).state.selection.backend().server.password.reveal() == "12345"


@pytest.mark.parametrize(("assigned", "backend"), [("False", "smtp"), ("true", "null")])
def test_suppress_on_the_state_may_be_a_word_of_the_environment(app, assigned, backend):
    mail = Mail(app)
    mail.state.suppress = assigned
    assert mail.state.selection.backend().name == backend


def test_a_backend_builds_its_children_by_name(app):
    class TwiceBackend(OutsideBackend):
        name = "twice"

        @classmethod
        def from_options(cls, options, build):
            backend = cls()
            backend.children = (build("null"), build("locmem"))
            return backend

    children = selected(app, MAIL_BACKEND=TwiceBackend).children
    assert [child.name for child in children] == ["null", "locmem"]


def test_a_backend_may_be_a_frozen_dataclass(app):
    app.config.update(
        MAIL_BACKEND=LoftBackend, MAIL_LOFT_PATH="/roof", MAIL_LOFT_BIRDS="7", MAIL_LOFT_KEY="k3y"
    )
    mail = Mail(app)

    receipt = mail.send(Message("Hi", ["a@example.com"], "Hi", sender="b@example.com"))

    assert receipt.response == "/roof 7 k3y"
    assert "k3y" not in repr(mail.state.selection.backend())
    app.config["MAIL_LOFT_KEY"] = None
    with pytest.raises(ConfigurationError, match="LoftBackend needs MAIL_LOFT_KEY"):
        mail.send(Message("Hi", ["a@example.com"], "Hi", sender="b@example.com"))


def test_a_secret_that_the_settings_hold_wrapped_is_the_same_secret(app):
    """Its text, which is ***, is not what a server is told."""
    loft = selected(app, MAIL_BACKEND=LoftBackend, MAIL_LOFT_PATH="x", MAIL_LOFT_KEY=Secret("k3y"))
    assert (loft.key.reveal(), loft.key.setting) == ("k3y", "MAIL_LOFT_KEY")
    settings = {"MAIL_USERNAME": "me", "MAIL_PASSWORD": Secret("pw"), "MAIL_USE_TLS": True}
    smtp = selected(app, MAIL_BACKEND="smtp", **settings)
    assert smtp._server.password.reveal() == "pw"


def test_no_frame_of_a_traceback_holds_a_secret_of_a_plugin(app):
    class VaultBackend(Backend[None]):
        name = "vault"

        def __init__(self, *, pin: Secret):
            raise ValueError("no")

        def deliver(self, mail, session): ...

    app.config.update(MAIL_BACKEND=VaultBackend, MAIL_VAULT_PIN="hunter2")
    mail = Mail(app)
    with pytest.raises(ValueError, match="no") as caught:
        mail.send(Message("Hi", ["a@example.com"], "Hi", sender="b@example.com"))

    frames = [each.frame for each in caught.traceback if "flask_mail" in str(each.path)]
    shown = [
        repr(value) for frame in frames for value in frame.f_locals.values() if value is not app
    ]
    assert len(frames) > 4
    assert not [each for each in shown if "hunter2" in each]


def test_chosen_backend_delivers_without_the_test_kit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_mail.extension.mailers.capture", None)
    app = Flask("shop")
    app.config["MAIL_BACKEND"] = "null"

    assert Mail(app).selection.backend().name == "null"
