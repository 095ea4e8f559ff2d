"""The outbox of a test: what a mailer would store in a queue."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from cli_support import run
from flask import Flask

from flask_mail import Mail, Message, MessageError
from flask_mail.backends import Backend, Feature


@dataclass(frozen=True)
class LaterOptions:
    """Options of a message."""

    delay: float = 0.0
    key: str | None = None


class Later(Backend):
    """A queue, which is never built in tests."""

    name = "later"
    features = frozenset(Feature)
    message_options = LaterOptions
    is_queue = True

    def __init__(self, *, mailer: str) -> None:
        raise AssertionError("It was built.")

    @classmethod
    def parts(cls, options):
        return [options["mailer"]]

    def deliver(self, mail, session):
        raise NotImplementedError


class Other(Later):
    """Another queue."""

    name = "other"


QUEUE = {"BACKEND": Later, "MAILER": "smtp"}
OTHER = {"BACKEND": Other, "MAILER": "smtp"}


def sending_by(default, **mailers):
    app = Flask("shop")
    app.config.update(
        TESTING=True,
        MAIL_DEFAULT_SENDER="shop@example.com",
        MAIL_MAILERS={"default": default, **mailers},
    )
    return Mail(app)


def hello(**fields):
    return Message("Hello", ["ann@example.com"], "Hello, Ann.", **fields)


def test_queued_messages_have_the_options_with_which_they_would_be_queued(outbox):
    mail = sending_by(QUEUE, direct="smtp")
    mail.send(hello(options={"later": {"delay": 3600}}))
    mail.send(hello())
    mail.using("direct").send(hello())
    assert len(outbox) == 3
    assert [options for _, options in outbox.queued] == [LaterOptions(3600), LaterOptions()]
    assert [message for message, _ in outbox.queued] == outbox[:2]


def test_queued_messages_have_their_key_as_an_option(outbox):
    mail = sending_by(QUEUE)
    mail.send(hello(key="order-42"))
    mail.send(hello(key="order-42", options={"later": {"key": "order-43"}}))
    mail.send(hello(options={"later": {"delay": 60, "key": "order-44"}}))
    mail.send(hello())
    assert [options.key for _, options in outbox.queued] == [
        *("order-42", "order-43", "order-44", None)
    ]


class Plain:
    """Options that are not a dataclass."""

    key = None


@pytest.mark.parametrize("kind", [None, Plain])
def test_queue_without_an_option_for_keys_has_its_options_as_they_are(outbox, monkeypatch, kind):
    monkeypatch.setattr(Later, "message_options", kind)
    sending_by(QUEUE).send(hello(key="order-42"))
    [(_, options)] = outbox.queued
    assert getattr(options, "key", None) is None


@pytest.mark.parametrize("options", [{"dealy": 3600}, {"delay": "soon"}])
def test_options_that_are_not_valid_for_the_queue_are_errors(outbox, options):
    mail = sending_by(QUEUE)
    with pytest.raises(MessageError, match="options"):
        mail.send(hello(options={"later": options}))
    assert outbox.queued == []


def test_options_for_the_queue_are_checked_without_an_outbox():
    mail = sending_by(QUEUE)
    with pytest.raises(MessageError, match="dealy"):
        mail.send(hello(options={"later": {"dealy": 3600}}))


@pytest.mark.parametrize(
    ("mailers", "is_queued"),
    [
        (["one"], True),
        (["one", "same"], True),
        (["one", "smtp"], False),
        (["one", "other"], False),
        (["smtp"], False),
    ],
)
def test_mailer_made_of_others_queues_if_all_of_them_are_the_same_queue(outbox, mailers, is_queued):
    failover = {"BACKEND": "failover", "MAILERS": mailers}
    mail = sending_by(failover, one=QUEUE, same=QUEUE, other=OTHER)
    mail.send(hello())
    assert len(outbox.queued) == is_queued


def test_backend_that_a_person_has_chosen_is_no_queue(outbox):
    run(sending_by(QUEUE).app, "send", "--backend", "smtp", "ann@example.com")
    assert len(outbox) == 1
    assert outbox.queued == []
