"""The sessions of a backend made of others."""

from __future__ import annotations

from typing import Any

import pytest

from flask_mail import (
    BackendUnavailable,
    DeliveryUnknown,
    Message,
    MessageRefused,
    Outcome,
    Outgoing,
)
from flask_mail.backends import Backend, Sessions


def outgoing(**given: Any) -> Outgoing:
    message = Message("Hi", ["to@example.com"], "x", sender="from@example.com", **given)
    return Outgoing.of(message, mailer="outer")


class ScriptedBackend(Backend[int]):
    """Answers what it is told to, and counts its sessions."""

    name = "scripted"
    api_version = 1

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.log: list[str] = []

    __hash__ = None  # type: ignore[assignment]  # as that of a dataclass

    def open(self) -> int:
        self.log.append("open")
        if self.answers and self.answers[0] == "closed":
            raise BackendUnavailable("nobody listens", stage="connect")
        return len(self.log)

    def close(self, session: int) -> None:
        self.log.append("close")

    def retire(self, session: int) -> None:
        self.log.append("retire")

    def abort(self, session: int) -> None:
        self.log.append("abort")

    def deliver(self, mail, session):
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        return self.accepted(mail)


def test_session_is_opened_once_and_closed_with_all():
    sessions, child, other = Sessions(), ScriptedBackend(), ScriptedBackend()
    assert sessions.attempt(child, outgoing()).sent
    assert sessions.attempt(child, outgoing()).sent
    assert other.log == []
    sessions.of(other)
    sessions.close()
    sessions.close()
    assert child.log == other.log == ["open", "close"]


@pytest.mark.parametrize("end", ["close", "retire", "abort"])
def test_sessions_end_alike(end):
    sessions, child = Sessions(), ScriptedBackend()
    sessions.of(child)
    getattr(sessions, end)()
    assert child.log == ["open", end]


def test_receipt_names_the_child():
    child = ScriptedBackend()
    child.bind(app=None, mailer="inner", key_of=None)
    receipt = Sessions().attempt(child, outgoing())
    assert (receipt.backend, receipt.mailer) == ("scripted", "inner")
    assert Sessions().attempt(ScriptedBackend(), outgoing()).mailer == "scripted"


def test_message_that_the_child_does_not_support_is_not_handed_over():
    sessions, child = Sessions(), ScriptedBackend()
    receipt = sessions.attempt(child, outgoing(tags=["x"]))
    assert receipt.outcome is Outcome.NOT_SENT
    assert "does not support tags" in receipt.reason
    assert child.log == []


def test_session_that_cannot_be_opened_is_a_receipt():
    receipt = Sessions().attempt(ScriptedBackend("closed"), outgoing())
    assert receipt.outcome is Outcome.NOT_SENT
    assert receipt.error.stage == "connect"
    assert str(receipt.error) == "Mailer 'scripted': nobody listens"


@pytest.mark.parametrize(
    ("error", "outcome", "log"),
    [
        (BackendUnavailable("gone"), Outcome.NOT_SENT, ["open", "abort", "open"]),
        (BackendUnavailable("busy", response="450 busy"), Outcome.NOT_SENT, ["open"]),
        (MessageRefused("no", response="550 no"), Outcome.REFUSED, ["open"]),
        (RuntimeError("a bug"), Outcome.UNKNOWN, ["open", "abort", "open"]),
    ],
)
def test_session_is_dropped_after_an_error_without_a_response(error, outcome, log):
    sessions, child = Sessions(), ScriptedBackend(error)
    assert sessions.attempt(child, outgoing()).outcome is outcome
    assert sessions.attempt(child, outgoing()).sent
    assert child.log == log


def test_batch_goes_over_the_session_of_the_child():
    sessions, child = Sessions(), ScriptedBackend()
    receipts = list(sessions.deliver_many(child, [outgoing(), outgoing()]))
    assert [each.mailer for each in receipts] == ["scripted", "scripted"]
    sessions.drop(child)
    sessions.drop(child)
    assert child.log == ["open", "abort"]


def test_receipts_among_the_messages_keep_their_place():
    sessions, child = Sessions(), ScriptedBackend()
    given = [outgoing() for _ in range(5)]
    ready = [child.receipt_of(BackendUnavailable("too many"), each, False) for each in given]
    receipts = list(
        sessions.deliver_many(child, [ready[0], given[1], ready[2], ready[3], given[4]])
    )
    assert [each.message_id for each in receipts] == [each.message_id for each in given]
    assert [each.sent for each in receipts] == [False, True, False, False, True]
    assert child.log == ["open"]


def test_batch_over_a_session_that_cannot_be_opened_tries_once():
    sessions, child = Sessions(), ScriptedBackend("closed", "closed")
    ready = child.receipt_of(BackendUnavailable("too many"), outgoing(), False)
    receipts = list(sessions.deliver_many(child, [outgoing(), ready, outgoing(tags=["x"])]))
    assert "nobody listens" in receipts[0].reason
    assert receipts[1] is ready
    assert "does not support tags" in receipts[2].reason
    assert child.log == ["open"]


def test_unknown_error_of_a_batch_is_that_of_the_messages():
    class Cut(ScriptedBackend):
        def deliver_many(self, mails, session):
            next(mails)
            raise DeliveryUnknown("The line was cut.")

    [receipt] = Sessions().deliver_many(Cut(), [outgoing()])
    assert receipt.outcome is Outcome.UNKNOWN
    assert str(receipt.error) == "Mailer 'scripted': The line was cut."
