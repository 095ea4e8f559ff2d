"""Messages that could not be sent are listed with the reason."""

from __future__ import annotations

import pytest
from flask import Flask
from inbox_support import Browser, make_mail, welcome
from servers import Recorder, smtp_server

from flask_mail import DeliveryError, Mail, MailError, Message
from flask_mail.inbox import failures, inbox_blueprint


@pytest.fixture
def mail():
    return make_mail(MAIL_ALLOWED_RECIPIENTS=["*@example.com"])


def refuse(mail, message=None):
    with pytest.raises(MailError):
        mail.send(message or Message("Refused", ["eve@elsewhere.test"], "Hi Eve"))


def test_a_refused_message_is_in_the_list_with_its_reason(mail):
    mail.send(welcome())
    refuse(mail)
    browser = Browser(mail)
    failed, sent = browser.messages()
    assert (failed["subject"], failed["outcome"], failed["backend"]) == (
        *("Refused", "refused"),
        "locmem",
    )
    assert failed["reason"].startswith("Nothing was sent: MAIL_ALLOWED_RECIPIENTS")
    assert "eve@elsewhere.test: 550 5.7.1 not allowed" in failed["reason"]
    assert (sent["outcome"], sent["reason"]) == ("sent", None)
    page = browser.text()
    assert page.count('<li class="failed">') == 1
    assert "<strong>Refused:</strong> Nothing was sent" in page


def test_its_page_shows_the_message_and_the_reason(mail):
    refuse(mail)
    browser = Browser(mail)
    found = browser.only()
    assert (found["text"], found["outcome"]) == ("Hi Eve", "refused")
    assert found["envelope"]["recipients"] == ["eve@elsewhere.test"]
    page = browser.text(f"/messages/{found['id']}")
    assert "<strong>Refused:</strong> Nothing was sent" in page
    assert "<dt>Tried</dt>" in page


@pytest.mark.parametrize(
    ("message", "subject", "text"),
    [
        (Message("No recipients", [], "Hi"), "No recipients", "Hi"),
        (Message("Bad\nsubject", ["ann@example.com"], "Hi"), "Badsubject", "Hi"),
    ],
)
def test_a_message_that_is_not_valid_is_shown_as_far_as_possible(mail, message, subject, text):
    refuse(mail, message)
    browser = Browser(mail)
    found = browser.only()
    assert (found["subject"], found["envelope"], found["outcome"]) == (subject, None, "not sent")
    assert (found["text"] or None) == text
    assert "Envelope unknown." in browser.text(f"/messages/{found['id']}?view=envelope")


def test_they_are_shown_if_no_backend_keeps_messages():
    with smtp_server(Recorder(answers={"ann@example.com": "550 5.1.1 no such user"})) as server:
        mail = make_mail("smtp", MAIL_SERVER=server.host, MAIL_PORT=server.port, MAIL_POOL_SIZE=0)
        browser = Browser(mail)
        assert browser.get("/api/messages").status_code == 409
        refuse(mail, Message("Hi", ["ann@example.com"], "Hi"))
    [found] = browser.messages()
    assert (found["outcome"], found["backend"]) == ("refused", "smtp")
    assert "no such user" in found["reason"]
    browser.client.delete("/_mail/api/messages")
    assert browser.get("/api/messages").status_code == 409


def test_the_page_follows_them_and_deletes_them(mail):
    browser = Browser(mail)
    before = browser.get("/changes").get_json()["version"]
    refuse(mail)
    assert browser.get("/changes?version=x").get_json()["version"] != before
    assert browser.post(f"/messages/{browser.messages()[0]['id']}/delete").status_code == 303
    assert browser.messages() == []


def test_their_memory_is_bounded(mail, monkeypatch):
    monkeypatch.setattr(failures_of(mail).recent, "_octets", 1000)
    for number in range(4):
        refuse(mail, Message(str(number), ["eve@elsewhere.test"], "x" * 200))
    assert [each["subject"] for each in Browser(mail).messages()] == ["3", "2"]
    refuse(mail, Message("Large", ["eve@elsewhere.test"], "x" * 2000))
    [large, *_] = Browser(mail).messages()
    assert large["error"] == "This message is too large to be kept."
    assert large["size"] > 2000


def failures_of(mail):
    found = failures.failures_of(mail.app)
    assert found is not None
    return found


def test_an_error_of_another_kind_shows_only_its_class(mail, monkeypatch):
    """Its text may contain secrets."""
    monkeypatch.setattr(Message, "content_to_send", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        mail.send(Message("Hi", ["ann@example.com"], "Hi"))
    assert Browser(mail).only()["reason"] == "ZeroDivisionError"


def test_a_message_that_cannot_be_rendered_has_at_least_its_subject(mail):
    class Odd(Message):
        def as_bytes(self):
            raise ZeroDivisionError

    refuse(mail, Odd("Odd\nsubject", ["ann@example.com"], "Hi"))
    with pytest.raises(ZeroDivisionError):
        mail.send(Odd("Odd", ["ann@example.com"], "Hi"))
    assert [each["subject"] for each in Browser(mail).messages()] == ["Odd", "Odd subject"]


def test_an_app_in_production_keeps_none():
    app = Flask("shop")
    app.config.update(MAIL_BACKEND="locmem", MAIL_ALLOWED_RECIPIENTS=["*@example.com"])
    mail = Mail(app)
    with pytest.raises(DeliveryError):
        mail.send(Message("Hi", ["eve@elsewhere.test"], "Hi", sender="a@example.com"))
    assert failures.failures_of(app) is None
    app.register_blueprint(inbox_blueprint(), url_prefix="/mail")
    assert failures.failures_of(app) is not None
