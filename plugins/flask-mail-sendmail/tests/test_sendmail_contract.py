"""The contract of backends, and the settings."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from flask import Flask
from flask_mail_sendmail import SendmailBackend
from sendmail_program import SAVE, program, read

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    Mail,
    Message,
)
from flask_mail.testing import BackendContract
from flask_mail.testing.contract import Streaming


class TestSendmailBackend(Streaming, BackendContract):
    @pytest.fixture
    def options(self, tmp_path):
        return {"path": program(tmp_path, SAVE)}

    @pytest.fixture
    def backend(self, options):
        return SendmailBackend(**options)

    @pytest.fixture
    def delivered(self, tmp_path):
        return lambda: read(tmp_path)

    @pytest.fixture(params=["exit 75", "cat > /dev/null; exit 67"])
    def failing(self, request, tmp_path):
        folder = tmp_path / "failing"
        folder.mkdir()
        return SendmailBackend(path=program(folder, request.param))


def test_mail_uses_the_settings_of_the_backend(tmp_path):
    app = Flask("shop")
    app.config.update(
        MAIL_BACKEND=SendmailBackend,
        MAIL_SENDMAIL_PATH=str(program(tmp_path, SAVE)),
        MAIL_SENDMAIL_TIMEOUT="5",
        MAIL_DEFAULT_SENDER="ann@example.com",
    )

    assert Mail(app).send_message("Hello", ["bob@example.com"], "Hi").backend == "sendmail"
    assert len(read(tmp_path)) == 1


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"path": Path("sendmail")}, "MAIL_SENDMAIL_PATH"),
        ({"timeout": 0.0}, "MAIL_SENDMAIL_TIMEOUT"),
        ({"timeout": float("nan")}, "MAIL_SENDMAIL_TIMEOUT"),
        ({"timeout": float("inf")}, "MAIL_SENDMAIL_TIMEOUT"),
        ({"path": Path("/bin/sh\0")}, "MAIL_SENDMAIL_PATH"),
        ({"path": Path("/no/such/program")}, "MAIL_SENDMAIL_PATH"),
        ({"path": Path("/usr")}, "MAIL_SENDMAIL_PATH"),
        ({"path": Path(__file__)}, "MAIL_SENDMAIL_PATH"),
    ],
)
def test_invalid_option_is_named(options, setting):
    with pytest.raises(ConfigurationError, match=setting):
        SendmailBackend(**{"path": Path("/bin/sh"), **options})


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.chmod(stat.S_IRUSR)])
def test_program_that_cannot_be_run_is_not_sent(tmp_path, change):
    path = program(tmp_path, SAVE)
    backend = SendmailBackend(path=path)
    change(path)
    with pytest.raises(BackendUnavailable, match=r"\(MAIL_SENDMAIL_PATH\) cannot be run"):
        backend.send(Message("Hello", ["bob@example.com"], "Hi", sender="ann@example.com"))
