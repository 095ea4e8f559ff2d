"""Preparation of apps by the plugins that their settings name."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, current_app

from flask_mail import Mail, Message, MessageRefused
from flask_mail.backends import Backend, Outgoing, Receipt
from flask_mail.config.built_in import names_plugin


class NotingBackend(Backend[None]):
    """Notes the apps that it has prepared."""

    name = "noting"
    apps: list[Any] = []  # noqa: RUF012

    @classmethod
    def prepare_app(cls, app: Any) -> None:
        cls.apps.append(app)

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        return self.accepted(mail)


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    apps: list[Any] = []
    monkeypatch.setattr(NotingBackend, "apps", apps)
    return apps


def app_with(**config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(config)
    return app


@pytest.mark.parametrize(
    "config",
    [
        {"MAIL_BACKEND": NotingBackend},
        {"MAIL_BACKEND": f"{__name__}:NotingBackend"},
        {"MAIL_MAILERS": {"a": NotingBackend, "b": {"backend": NotingBackend}}},
        {"MAIL_MAILERS": {"broken": "nosuchbackend", "b": {"BACKEND": NotingBackend}}},
        {"MAIL_BACKEND": "failover", "MAIL_FAILOVER_MAILERS": [NotingBackend, "null"]},
        {"MAIL_MAILERS": {"a": {"BACKEND": "throttle", "MAILER": f"{__name__}:NotingBackend"}}},
        {"MAIL_MAILERS": {"a": {"BACKEND": "failover", "MAILERS": ["a", NotingBackend]}}},
    ],
)
def test_each_class_that_the_settings_name_prepares_the_app_once(
    prepared: list[Any], config: dict[str, Any]
) -> None:
    app = app_with(**config)
    Mail(app)
    assert prepared == [app]


def test_the_app_itself_is_prepared_if_a_proxy_is_passed(prepared: list[Any]) -> None:
    app = app_with(MAIL_BACKEND=NotingBackend)
    with app.app_context():
        Mail().init_app(current_app)  # type: ignore[arg-type]
    assert prepared == [app]
    assert isinstance(prepared[0], Flask)


def test_settings_that_are_wrong_are_no_error_of_the_preparation(prepared: list[Any]) -> None:
    Mail(app_with(MAIL_BACKEND="nosuchbackend", MAIL_MAILERS=["wrong"]))
    Mail(app_with(MAIL_MAILERS={"a": "nosuchbackend"}, MAIL_BACKEND=NotingBackend))
    assert len(prepared) == 1


def test_a_plugin_that_cannot_name_its_parts_stops_no_other(prepared: list[Any]) -> None:
    class Broken(NotingBackend):
        @classmethod
        def parts(cls, options: Any) -> Any:
            return options["mailers"]

    app = app_with(MAIL_MAILERS={"a": {"BACKEND": Broken}, "b": {"BACKEND": NotingBackend}})
    Mail(app)
    assert prepared == [app, app]  # it is asked to prepare the app, too


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, False),
        ({"MAIL_BACKEND": "", "MAIL_URL": ""}, False),
        ({"MAIL_BACKEND": "smtp", "MAIL_MAILERS": None}, False),
        ({"MAIL_URL": "smtps://mail.example.com"}, False),
        ({"MAIL_URL": "resend://mail.example.com"}, True),
        ({"MAIL_BACKEND": "queue"}, True),
        ({"MAIL_BACKEND": NotingBackend}, True),
        ({"MAIL_BACKEND": 7}, False),
        ({"MAIL_MAILERS": {"a": "smtp://mail.example.com", "b": {}}}, False),
        ({"MAIL_MAILERS": {"a": {"Backend": "failover", "MAILERS": ["b"]}, "b": {}}}, False),
        ({"MAIL_MAILERS": {"a": {"Backend": "failover", "MAILERS": "smtp, a"}}}, False),
        ({"MAIL_MAILERS": {"a": {"Backend": "failover", "MAILERS": "smtp, queue"}}}, True),
        ({"MAIL_MAILERS": {"a": {"Backend": "routes", "RULES": [{"mailer": "queue"}]}}}, True),
        ({"MAIL_BACKEND": "dkim", "MAIL_DKIM_MAILER": "smtp"}, False),
        ({"MAIL_BACKEND": "dkim", "MAIL_DKIM_MAILER": "queue"}, True),
        ({"MAIL_MAILERS": {"a": {"Backend": "queue", "MAILER": "b"}}}, True),
        ({"MAIL_MAILERS": ["wrong"]}, False),
    ],
)
def test_plugins_are_recognized_in_the_settings(config: dict[str, Any], expected: bool) -> None:
    assert names_plugin(config) is expected


def test_admissions_of_a_plugin_apply_to_one_app() -> None:
    def refuse(mail: Outgoing) -> Outgoing:
        raise MessageRefused("No.", attempts=0)

    mail = Mail()
    first, second = app_with(MAIL_BACKEND=NotingBackend), app_with(MAIL_BACKEND=NotingBackend)
    for app in (first, second):
        mail.init_app(app)
    first.extensions["mail"].selection.own_admissions.append(refuse)
    message = Message("Hi", ["to@example.com"], "Hello", sender="from@example.com")
    with first.app_context(), pytest.raises(MessageRefused):
        mail.send(message)
    with second.app_context():
        assert mail.send(message).sent
