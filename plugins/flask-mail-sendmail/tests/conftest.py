"""The fixture `send`: a message through a program with a given script."""

from __future__ import annotations

import pytest
from flask_mail_sendmail import SendmailBackend
from sendmail_program import program

from flask_mail import (
    Message,
)


@pytest.fixture
def send(tmp_path):
    """Send a message through a program with a given script."""

    def send(script, *, timeout=20.0, dsn=False, all_or_nothing=False, mail=None, **fields):
        backend = SendmailBackend(
            path=program(tmp_path, script),
            timeout=timeout,
            dsn=dsn,
            all_or_nothing=all_or_nothing,
        )
        fields = {"recipients": ["bob@example.com"], "sender": "ann@example.com", **fields}
        return backend.send(mail or Message("Hello", body="Hi", **fields))

    return send
