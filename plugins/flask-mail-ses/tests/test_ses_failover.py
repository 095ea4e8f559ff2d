"""Failover from a server of SMTP to Amazon SES, and back."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress

import pytest
from flask import Flask
from service import HANG_UP, KEY, KEY_ID, Answer, serving

from flask_mail import BackendUnavailable, DeliveryUnknown, Mail, Message, Outcome


@contextmanager
def smtp_server(*, reply_to_content):
    """Serve SMTP to one client after the other; close the connection if there is no reply."""
    accepted = []

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # the end of the test
                return
            # A client may close without reading the last reply, which resets the connection.
            with connection, connection.makefile("rb") as lines, suppress(ConnectionError):
                talk(connection, lines)

    def talk(connection, lines):
        connection.sendall(b"220 mx.test\r\n")
        for line in lines:
            if line.upper().startswith(b"DATA"):
                connection.sendall(b"354 Go on\r\n")
                content = b"".join(iter(lines.readline, b".\r\n"))
                if reply_to_content is None:
                    return
                if reply_to_content.startswith(b"250"):
                    accepted.append(content)
                connection.sendall(reply_to_content + b"\r\n")
            else:
                connection.sendall(b"250 OK\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"smtp://127.0.0.1:{listening.getsockname()[1]}", accepted
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def service():
    with serving() as service:
        yield service


@pytest.fixture
def mail(service):
    app = Flask("shop")
    ses = {
        "BACKEND": "ses",
        "REGION": "us-east-1",
        "ACCESS_KEY_ID": KEY_ID,
        "SECRET_ACCESS_KEY": KEY,
        "ENDPOINT_URL": service.url,
    }
    app.config.update(
        MAIL_DEFAULT_SENDER="shop@example.com",
        MAIL_MAILERS={
            "default": {"BACKEND": "failover", "MAILERS": ["own", "service"]},
            "reverse": {"BACKEND": "failover", "MAILERS": ["service", "own"]},
            "own": "smtp://127.0.0.1:1",
            "service": ses,
        },
    )
    mail = Mail(app)
    yield mail
    mail.close()


def hello(number=0):
    return Message(f"Number {number}", ["ann@example.org"], "Hello, Ann.")


def test_ses_gets_what_a_server_that_is_down_did_not(mail, service):
    receipts = mail.send_many([hello(number) for number in range(3)])
    assert [each.mailer for each in receipts] == ["service"] * 3
    assert [each.mailer for each in receipts[0].earlier] == ["own"]
    assert receipts[0].earlier[0].outcome is Outcome.NOT_SENT
    assert receipts[1].earlier == ()  # it rests
    assert len(service.accepted) == 3


def test_ses_gets_what_the_server_has_rejected_for_now(mail, service):
    with smtp_server(reply_to_content=b"451 4.3.0 Later") as (url, _):
        mail.app.config["MAIL_MAILERS"]["own"] = url
        receipt = mail.send(hello())
        mail.close()
    assert (receipt.mailer, len(service.accepted)) == ("service", 1)
    assert "451" in receipt.earlier[0].reason


def test_ses_gets_nothing_that_the_server_may_have_accepted(mail, service):
    with smtp_server(reply_to_content=None) as (url, _):
        mail.app.config["MAIL_MAILERS"]["own"] = url
        with pytest.raises(DeliveryUnknown):
            mail.send(hello())
        mail.close()
    assert service.requests == []


def test_server_gets_what_ses_throttles_and_nothing_that_it_may_have_accepted(mail, service):
    answers = iter([Answer(429, "TooManyRequestsException", "slow down"), HANG_UP])
    service.decide = lambda request: next(answers)
    with smtp_server(reply_to_content=b"250 2.0.0 Taken") as (url, accepted):
        mail.app.config["MAIL_MAILERS"]["own"] = url
        throttled = mail.using("reverse").send(hello())
        assert (throttled.mailer, len(accepted)) == ("own", 1)
        assert isinstance(throttled.earlier[0].error, BackendUnavailable)
        with pytest.raises(DeliveryUnknown):
            mail.using("reverse").send(hello())
        mail.close()
    assert len(accepted) == 1
