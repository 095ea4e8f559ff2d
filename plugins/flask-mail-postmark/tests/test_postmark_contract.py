"""The contract of backends, and the settings."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_mail_postmark import PostmarkBackend
from postmark import TOKEN, backend_at, error, options_of, running

from flask_mail import ConfigurationError, Mail
from flask_mail.backends import Feature
from flask_mail.testing import BackendContract
from flask_mail.testing.contract import OverHttp, Streaming, answer


class TestPostmarkBackend(BackendContract, Streaming, OverHttp):
    accepts = answer(200, {"MessageID": "0a129aee-e1cd-480d", "ErrorCode": 0, "Message": "OK"})

    @pytest.fixture
    def backend_at(self):
        return backend_at

    @pytest.fixture
    def options(self, postmark):
        return options_of(postmark.url)

    @pytest.fixture
    def backend(self, postmark):
        return backend_at(postmark.url)

    @pytest.fixture
    def delivered(self, postmark):
        return postmark.delivered

    @pytest.fixture
    def secrets(self):
        return [TOKEN]

    @pytest.fixture
    def refusing(self):
        with running() as postmark:
            postmark.inactive.add("nobody@example.com")
            yield backend_at(postmark.url)

    @pytest.fixture(params=[(422, 300), (422, 405), (429, 429), (500, 500)])
    def failing(self, request):
        with running() as postmark:
            postmark.service.answers = lambda _: error(*request.param, "No.")
            yield backend_at(postmark.url)


def test_mail_uses_the_settings_of_the_backend(postmark):
    app = Flask("shop")
    app.config.update(
        MAIL_BACKEND=PostmarkBackend,
        MAIL_POSTMARK_TOKEN=TOKEN,
        MAIL_POSTMARK_URL=postmark.url,
        MAIL_POSTMARK_MESSAGE_STREAM="broadcast",
        MAIL_DEFAULT_SENDER="ann@example.com",
    )
    receipt = Mail(app).send_message("Hello", ["bob@example.com"], "Hi")
    assert receipt.backend == "postmark"
    assert len(receipt.response) == 36
    assert postmark.accepted[0]["MessageStream"] == "broadcast"


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"token": None}, "MAIL_POSTMARK_TOKEN"),
        ({"url": "http://api.example.com"}, "MAIL_POSTMARK_URL"),
        ({"timeout": 0}, "MAIL_POSTMARK_TIMEOUT"),
        ({"tokne": "x"}, "MAIL_POSTMARK_TOKNE"),
    ],
)
def test_invalid_option_is_named(postmark, options, setting):
    given = {**options_of(postmark.url), **options}
    given = {name: value for name, value in given.items() if value is not None}
    with pytest.raises(ConfigurationError, match=setting):
        PostmarkBackend.from_options(given, None)


def test_content_is_not_verbatim():
    """A signer must not pass its mail to it."""
    assert Feature.VERBATIM not in PostmarkBackend.features
