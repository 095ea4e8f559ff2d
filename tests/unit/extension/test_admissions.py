"""Functions of `mail.admit`, which see each message before it is delivered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from flask_mail import (
    ConfigurationError,
    Mail,
    Message,
    MessageError,
    MessageRefused,
    Outcome,
    Refusal,
    email_failed,
)
from flask_mail.backends import Backend
from flask_mail.backends.locmem import LocmemBackend

BOUNCED = Refusal(550, "5.7.1", "suppressed: bounced before")


class ToyQueue(Backend[None]):
    """Stores messages."""

    name = "toyqueue"

    def __init__(self) -> None:
        self.stored: list[Any] = []

    def deliver(self, mail, session):
        self.stored.append(mail)
        return self.queued(mail)


@pytest.fixture
def mail():
    app = Flask("shop")
    app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="shop@example.com")
    return Mail(app)


def message(*recipients: str) -> Message:
    return Message("Hello", list(recipients), "Hello.")


def suppress_eve(mail):
    """Withhold mail from eve, as a suppression list does."""
    others = tuple(each for each in mail.envelope.recipients if each != "eve@example.com")
    if others == mail.envelope.recipients:
        return mail
    refused = {"eve@example.com": BOUNCED}
    if not others:
        raise MessageRefused("Nothing was sent: eve is suppressed.", refused=refused, attempts=0)
    return mail.with_envelope(replace(mail.envelope, recipients=others), withheld=refused)


def test_function_may_withhold_recipients(mail):
    assert mail.admit(suppress_eve) is suppress_eve
    receipt = mail.send(message("ann@example.com", "eve@example.com"))
    assert receipt.outcome is Outcome.SENT
    assert receipt.refused == {"eve@example.com": BOUNCED}
    assert mail.outbox[0].envelope.recipients == ("ann@example.com",)


def test_function_that_raises_stops_the_message_with_a_receipt(mail):
    mail.admit(suppress_eve)
    failed: list[Any] = []

    def hear(message, receipt, error):
        failed.append((message.subject, receipt.outcome, type(error)))

    with email_failed.connected_to(hear), pytest.raises(MessageRefused) as caught:
        mail.send(message("eve@example.com"))
    assert caught.value.receipt.outcome is Outcome.REFUSED
    assert caught.value.receipt.attempts == 0
    assert failed == [("Hello", Outcome.REFUSED, MessageRefused)]
    assert mail.outbox == []


def test_any_exception_stops_the_message_as_not_sent(mail):
    @mail.admit
    def broken(mail):
        raise LookupError("no database")

    with pytest.raises(LookupError) as caught:
        mail.send(message("ann@example.com"))
    assert caught.value.receipt.outcome is Outcome.NOT_SENT
    assert mail.outbox == []


def test_batch_goes_on_after_a_message_that_is_stopped(mail):
    mail.admit(suppress_eve)
    receipts = mail.send_many([message("eve@example.com"), message("ann@example.com")])
    assert [each.outcome for each in receipts] == [Outcome.REFUSED, Outcome.SENT]


def test_functions_run_in_the_order_of_registration(mail):
    seen = []
    mail.admit(lambda outgoing: seen.append("first") or outgoing)
    mail.admit(lambda outgoing: seen.append("second") or outgoing)
    mail.send(message("ann@example.com"))
    assert seen == ["first", "second"]


def test_function_registered_before_init_app_serves_each_app():
    mail = Mail()
    mail.admit(suppress_eve)
    for name in ("one", "two"):
        app = Flask(name)
        app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="shop@example.com")
        mail.init_app(app)
        with app.app_context(), pytest.raises(MessageRefused):
            mail.send(message("eve@example.com"))


def test_function_registered_later_takes_effect(mail):
    assert mail.send(message("eve@example.com")).sent
    mail.admit(suppress_eve)
    with pytest.raises(MessageRefused):
        mail.send(message("eve@example.com"))


def test_function_sees_the_mailer_of_the_message(mail):
    mail.app.config["MAIL_MAILERS"] = {"bulk": "smtp://bulk.example.com"}
    seen = []
    mail.admit(lambda outgoing: seen.append(outgoing.mailer) or outgoing)
    mail.send(message("ann@example.com"))
    mail.using("bulk").send(message("ann@example.com"))
    with mail.using("bulk").connect() as connection:
        connection.send(message("ann@example.com"))
    assert seen == ["default", "bulk", "bulk"]


def test_functions_see_the_recipients_that_the_allow_list_leaves(mail):
    mail.app.config["MAIL_REDIRECT_TO"] = "testers@example.com"
    seen = []
    mail.admit(lambda outgoing: seen.append(outgoing.envelope.recipients) or outgoing)
    mail.send(message("ann@example.com"))
    assert seen == [("testers@example.com",)]


def test_recipient_that_a_function_adds_must_be_allowed(mail):
    mail.app.config["MAIL_ALLOWED_RECIPIENTS"] = "*@example.com"

    @mail.admit
    def copy_to_others(outgoing):
        recipients = (*outgoing.envelope.recipients, "eve@example.net")
        return outgoing.with_envelope(replace(outgoing.envelope, recipients=recipients))

    receipt = mail.send(message("ann@example.com"))
    assert mail.outbox[0].envelope.recipients == ("ann@example.com",)
    assert list(receipt.refused) == ["eve@example.net"]


def test_functions_run_again_when_a_queue_delivers(mail):
    """A recipient may have been suppressed in the meantime."""
    mail.app.config.update(MAIL_BACKEND=ToyQueue, MAIL_SUPPRESS_SEND=False)
    seen = []
    mail.admit(lambda outgoing: seen.append(outgoing.envelope.recipients) or outgoing)
    assert mail.send(message("ann@example.com", "eve@example.com")).taken
    mail.admit(suppress_eve)
    selection = mail.state.selection
    [stored] = selection.backend().stored
    worker = LocmemBackend()
    receipt = worker.dispatch(stored, app=mail.app, policy=selection.policy())
    [again] = worker.dispatch_many([stored], app=mail.app, policy=selection.policy())
    assert receipt.refused == again.refused == {"eve@example.com": BOUNCED}
    assert seen == [("ann@example.com", "eve@example.com")] * 3


def test_message_that_was_admitted_passes_again_unchanged(mail):
    mail.app.config.update(MAIL_BACKEND=ToyQueue, MAIL_SUPPRESS_SEND=False)
    mail.admit(suppress_eve)
    mail.send(message("ann@example.com", "eve@example.com"))
    selection = mail.state.selection
    [stored] = selection.backend().stored
    receipt = LocmemBackend().dispatch(stored, policy=selection.policy())
    assert receipt.refused == {"eve@example.com": BOUNCED}


def test_function_that_returns_nothing_stops_the_message(mail):
    @mail.admit
    def forgetful(outgoing):
        pass

    with pytest.raises(TypeError, match=r"forgetful\(\), registered by .* returned NoneType"):
        mail.send(message("ann@example.com"))
    assert mail.outbox == []


def test_what_is_not_a_function_is_refused(mail):
    with pytest.raises(TypeError, match="takes a function, not str"):
        mail.admit("function")


def test_a_state_used_as_a_mail_has_the_functions(mail):
    mail.admit(suppress_eve)
    mail.app.extensions["mail"] = mail
    with pytest.raises(MessageRefused):
        mail.send(message("eve@example.com"))


def test_invalid_message_reaches_no_function(mail):
    mail.admit(lambda outgoing: pytest.fail("It was not valid."))
    with pytest.raises((MessageError, ConfigurationError)):
        mail.send(message("ann"))
