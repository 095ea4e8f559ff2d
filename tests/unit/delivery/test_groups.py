"""Messages of a list that a backend gets together."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from flask import Flask

from flask_mail import BackendUnavailable, Mail, Message, MessageRefused, email_queued
from flask_mail.backends import Backend


class Store(Backend[None]):
    """Takes three messages together."""

    name = "store"
    batch_size = 3

    def __init__(self) -> None:
        self.given = []
        self.opened = 0
        self.opening = None
        self.before = lambda: None

    def open(self):
        self.opened += 1
        if self.opening is not None:
            raise self.opening

    def deliver(self, mail, session):
        return self.queued(mail, mail.message.subject)

    def deliver_many(self, mails, session):
        self.given.append(len(mails) if isinstance(mails, list) else "one by one")
        self.before()
        return super().deliver_many(mails, session)


@pytest.fixture
def mail():
    app = Flask("shop")
    app.config.update(MAIL_DEFAULT_SENDER="shop@example.com", MAIL_BACKEND=Store)
    return Mail(app)


@pytest.fixture
def store(mail):
    return mail.state.selection.build(Store)


def message(number, recipient="ann@example.com"):
    return Message(str(number), [recipient], "Hello.")


def outcomes(receipts):
    return [each.response if each.taken else type(each.error).__name__ for each in receipts]


def test_a_list_is_delivered_in_groups(mail, store):
    receipts = mail.send_many([message(number) for number in range(7)])
    assert outcomes(receipts) == [*"0123456"]
    assert store.given == [3, 3, 1]


def test_a_generator_is_taken_one_by_one(mail, store):
    """Its code may end a transaction."""
    receipts = mail.send_many(message(number) for number in range(4))
    assert outcomes(receipts) == [*"0123"]
    assert store.given == ["one by one"]


def test_failed_messages_of_a_group_keep_their_places(mail, store):
    @mail.admit
    def admit(mail):
        if mail.message.subject == "2":
            raise MessageRefused("Not this one.")
        return mail

    given = [message(0, "nobody"), message(1), message(2), *map(message, range(3, 5))]
    receipts = mail.send_many([*given, message(5, "nobody")])
    assert outcomes(receipts) == ["MessageError", "1", "MessageRefused", "3", "4", "MessageError"]
    assert store.given == [1, 2]


def test_a_group_without_a_valid_message_opens_no_session(mail, store):
    receipts = mail.send_many([message(number, "nobody") for number in range(4)])
    assert outcomes(receipts) == ["MessageError"] * 4
    assert (store.given, store.opened) == ([], 0)


def test_messages_are_not_sent_if_the_session_cannot_be_opened(mail, store):
    store.opening = BackendUnavailable("Down.")
    receipts = mail.send_many([message(number) for number in range(4)])
    assert [each.outcome.value for each in receipts] == ["not sent"] * 4
    assert store.given == []


def test_an_interrupt_reports_the_messages_of_the_group(mail, store):
    def interrupt():
        if len(store.given) == 2:
            raise KeyboardInterrupt

    store.before = interrupt
    with pytest.raises(KeyboardInterrupt) as caught:
        mail.send_many([message(number) for number in range(9)])
    found = [each.outcome.value for each in caught.value.receipts]
    assert found == ["queued"] * 3 + ["unknown"] * 3


def test_an_error_of_a_receiver_is_raised_after_the_last_group(mail, store):
    def fail(app, message):
        raise LookupError(message.subject)

    mail.app.config["PROPAGATE_EXCEPTIONS"] = True
    with email_queued.connected_to(fail, mail.app), pytest.raises(LookupError, match="0") as caught:
        mail.send_many([message(number) for number in range(4)])
    assert outcomes(caught.value.receipts) == [*"0123"]


def test_admissions_look_up_the_messages_of_a_group_together(mail):
    class Admit:
        def __init__(self):
            self.looked = []
            self.is_looking = False

        @contextmanager
        def looked_up(self, mails):
            self.looked.append([each.message.subject for each in mails])
            self.is_looking = True
            yield
            self.is_looking = False

        def __call__(self, mail):
            assert self.is_looking
            return mail

    admit = mail.admit(Admit())
    mail.admit(lambda mail: mail)
    receipts = mail.send_many([message(0), message(1, "nobody"), message(2), message(3)])
    assert outcomes(receipts) == ["0", "MessageError", "2", "3"]
    assert admit.looked == [["0", "2"], ["3"]]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [RuntimeError, BackendUnavailable])
def test_messages_fail_if_what_they_need_cannot_be_looked_up(mail, store, when, error):
    class Admit:
        @contextmanager
        def looked_up(self, mails):
            fails = mails[0].message.subject == "0"
            if fails and when == "before":
                raise error("The database is down.")
            yield
            if fails:
                raise error("The database is down.")

        def __call__(self, mail):
            return mail

    mail.admit(Admit())
    given = [message(0), message(1, "nobody"), *map(message, range(2, 5))]
    receipts = mail.send_many(given)
    assert outcomes(receipts) == [error.__name__, "MessageError", error.__name__, "3", "4"]
    assert [each.outcome.value for each in receipts[:3]] == ["not sent"] * 3
    assert len({each.message_id for each in receipts if each.message_id}) == 4
    assert store.given == [2]
