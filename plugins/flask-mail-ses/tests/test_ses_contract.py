"""The contract of backends, and the settings."""

from __future__ import annotations

import logging

import pytest
from flask import Flask
from flask_mail_ses import SesBackend
from service import HANG_UP, KEY, KEY_ID, TOKEN, Answer, serving
from ses_backend import new_backend, options_of, refuse

from flask_mail import (
    ConfigurationError,
    Mail,
)
from flask_mail.testing import BackendContract


class TestSesBackend(BackendContract):
    """The contract of backends, with moto as the service."""

    @pytest.fixture
    def before_moto(self, moto):
        with serving(moto) as service:
            yield service

    @pytest.fixture
    def options(self, before_moto):
        return options_of(before_moto)

    @pytest.fixture
    def backend(self, options):
        return SesBackend.from_options(options, None)

    @pytest.fixture
    def delivered(self, before_moto):
        return before_moto.delivered

    @pytest.fixture
    def secrets(self):
        return [KEY, TOKEN]

    @pytest.fixture(
        params=[
            Answer(429, "TooManyRequestsException", "Too many requests"),
            Answer(400, "MessageRejected", "Address blacklisted."),
            Answer(500, "InternalFailure"),
            Answer(403, "SignatureDoesNotMatch", f"x-amz-security-token:{TOKEN}"),
            HANG_UP,
        ],
        ids=lambda answer: answer.code or "no response",
    )
    def failing(self, request):
        with serving() as service:
            service.decide = lambda _: request.param
            yield new_backend(service)

    @pytest.fixture
    def refusing(self):
        with serving() as service:
            service.decide = refuse("nobody@example.com")
            yield new_backend(service)


def test_mail_uses_the_settings_of_the_backend(service):
    app = Flask("shop")
    app.config.update(
        MAIL_BACKEND=SesBackend,
        MAIL_SES_REGION="us-east-1",
        MAIL_SES_ACCESS_KEY_ID=KEY_ID,
        MAIL_SES_SECRET_ACCESS_KEY=KEY,
        MAIL_SES_ENDPOINT_URL=service.url,
        MAIL_SES_TIMEOUT="5",
        MAIL_DEFAULT_SENDER="ann@example.com",
    )
    mail = Mail(app)

    assert mail.send_message("Hello", ["bob@example.com"], "Hi").backend == "ses"
    before = mail.state.selection.backend()
    app.config["MAIL_SES_TIMEOUT"] = "6"
    assert mail.send_message("Hello", ["bob@example.com"], "Hi").sent
    assert mail.state.selection.backend() is not before
    assert len(service.accepted) == 2


def test_shut_down_before_the_first_message_does_nothing(service):
    new_backend(service).shut_down()


def test_region_of_the_machine_is_the_default(monkeypatch, tmp_path, service):
    (tmp_path / "config").write_text("[profile shop]\nregion = eu-central-1\n")
    SesBackend(profile="shop")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    SesBackend()


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"region": None}, "MAIL_SES_REGION"),
        ({"region": "http://evil"}, "MAIL_SES_REGION"),
        ({"secret_access_key": None, "session_token": None}, "MAIL_SES_SECRET_ACCESS_KEY"),
        ({"access_key_id": None}, "MAIL_SES_ACCESS_KEY_ID"),
        ({"access_key_id": None, "secret_access_key": None}, "MAIL_SES_SESSION_TOKEN"),
        ({"timeout": 0}, "MAIL_SES_TIMEOUT"),
        ({"timeout": float("nan")}, "MAIL_SES_TIMEOUT"),
        ({"timeout": 901}, "MAIL_SES_TIMEOUT"),
        ({"endpoint_url": "example.com"}, "MAIL_SES_ENDPOINT_URL"),
        ({"endpoint_url": "https://[::1"}, "MAIL_SES_ENDPOINT_URL"),
        ({"endpoint_url": "https://example.com:pw"}, "MAIL_SES_ENDPOINT_URL"),
        ({"endpoint_url": "https://me:pw@example.com"}, "MAIL_SES_ENDPOINT_URL"),
        ({"profile": "nosuch"}, "MAIL_SES_PROFILE"),
        ({"regoin": "x"}, "MAIL_SES_REGOIN"),
    ],
)
def test_invalid_option_is_named(service, options, setting):
    given = {k: v for k, v in options_of(service, **options).items() if v is not None}
    with pytest.raises(ConfigurationError, match=setting) as caught:
        SesBackend.from_options(given, None)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("name", ["config", "credentials"])
def test_unreadable_aws_file_is_named(service, tmp_path, name):
    (tmp_path / name).write_text("[default\naws_secret_access_key = pw\n")
    with pytest.raises(ConfigurationError, match=str(tmp_path / name)) as caught:
        new_backend(service)
    assert "pw" not in str(caught.value)


def test_unencrypted_endpoint_logs_a_warning(service, caplog):
    caplog.set_level(logging.WARNING)
    new_backend(service)
    assert caplog.text == ""
    new_backend(service, endpoint_url="http://localstack:4566")
    assert "MAIL_SES_ENDPOINT_URL is not encrypted" in caplog.text
