"""The contract of backends, and the settings."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from flask import Flask
from flask_mail_resend import ResendBackend
from resend_backend import new_backend, options_of
from service import HANG_UP, INVALID, KEY, Answer, serving

from flask_mail import ConfigurationError, Mail
from flask_mail.backends import Feature, Secret
from flask_mail.testing import BackendContract
from flask_mail.testing.contract import OverHttp, Streaming

LIMITED = Answer(429, "rate_limit_exceeded", "Too many requests", retry_after="1")


class TestResendBackend(BackendContract, Streaming, OverHttp):
    """The contract of backends, in pieces and over HTTP."""

    @pytest.fixture
    def backend_at(self):
        return lambda url, **options: ResendBackend(url=url, key=Secret(KEY), **options)

    @pytest.fixture
    def options(self, service):
        return options_of(service)

    @pytest.fixture
    def backend(self, options):
        return ResendBackend.from_options(options, None)

    @pytest.fixture
    def delivered(self, service):
        return service.delivered

    @pytest.fixture
    def secrets(self):
        return [KEY]

    @pytest.fixture(params=[LIMITED, INVALID, Answer(500), HANG_UP], ids=["429", "422", "500", "-"])
    def failing(self, request):
        with serving() as service:
            service.decide = lambda _: request.param
            yield new_backend(service)


def test_mail_uses_the_settings_of_the_backend(service):
    app = Flask("shop")
    app.config.update(
        MAIL_BACKEND=ResendBackend,
        MAIL_RESEND_KEY=KEY,
        MAIL_RESEND_URL=service.url,
        MAIL_RESEND_TIMEOUT="5",
        MAIL_DEFAULT_SENDER="ann@example.com",
    )
    receipt = Mail(app).send_message("Hello", ["bob@example.com"], "Hi")
    assert (receipt.backend, receipt.response) == ("resend", service.known.popitem()[1][1])


@pytest.mark.skipif(
    not entry_points(group="flask_mail.backends", name="resend"), reason="it is not installed"
)
def test_url_with_the_key_is_enough(service):
    app = Flask("shop")
    app.config.update(
        MAIL_URL=f"resend://{KEY}@?url={service.url}", MAIL_DEFAULT_SENDER="ann@example.com"
    )
    assert Mail(app).send_message("Hello", ["bob@example.com"], "Hi").backend == "resend"


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"key": None}, "MAIL_RESEND_KEY"),
        ({"url": "http://api.example.com"}, "MAIL_RESEND_URL"),
        ({"timeout": 0}, "MAIL_RESEND_TIMEOUT"),
        ({"kye": "x"}, "MAIL_RESEND_KYE"),
    ],
)
def test_invalid_option_is_named(service, options, setting):
    given = {k: v for k, v in options_of(service, **options).items() if v is not None}
    with pytest.raises(ConfigurationError, match=setting):
        ResendBackend.from_options(given, None)


def test_content_is_not_verbatim():
    """A signer must not pass its mail to it."""
    assert Feature.VERBATIM not in ResendBackend.features
