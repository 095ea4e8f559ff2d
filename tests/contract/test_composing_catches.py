"""The contract of composites is not hollow: each fault fails the test that is meant for it."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import partial
from itertools import chain, product

import pytest

from flask_mail import MessageError, Outcome, Receipt
from flask_mail.backends import Backend, BackendUnavailable, Feature, ProbeStep, Sessions
from flask_mail.testing.contract import Composing
from flask_mail.testing.contract.composing import MODES
from flask_mail.testing.contract.scripted import ANSWERS


class Sound(Backend[Sessions]):
    """Delivers by the second child what the first one did not accept."""

    name = "sound"
    features = frozenset(Feature)

    def __init__(self, *children):
        self.children = children

    def open(self):
        return Sessions()

    def close(self, session):
        session.close()

    def deliver(self, mail, session):
        tried = []
        for child in self.children:
            receipt = self.attempt_by(child, mail, session)
            if not self.goes_on(receipt):
                return replace(receipt, error=receipt.error, earlier=tuple(tried))
            tried.append(receipt)
        return self.failed(tried)

    def attempt_by(self, child, mail, session):
        return session.attempt(child, mail)

    def goes_on(self, receipt):
        return receipt.outcome is Outcome.NOT_SENT

    def failed(self, tried):
        return replace(tried[0], error=tried[0].error, earlier=tuple(tried[1:]))

    def probe(self, sender=None):
        return chain(*(each.probe(sender) for each in self.children))


class GoesOnAfterUnknown(Sound):
    def goes_on(self, receipt):
        return receipt.outcome in (Outcome.NOT_SENT, Outcome.UNKNOWN)


class CallsSend(Sound):
    def attempt_by(self, child, mail, session):
        try:
            return child.send(mail.message, session.of(child))
        except Exception as error:  # noqa: BLE001
            return child.receipt_of(error, mail)


class SwallowsUnsupportedFeature(Sound):
    def deliver(self, mail, session):
        able = [each for each in self.children if not mail.tags or Feature.TAGS in each.features]
        if not able:
            raise BackendUnavailable("No mailer is there.")
        return super().deliver(mail, session)


class ChecksNothing(Sound):
    def attempt_by(self, child, mail, session):
        try:
            return child.attempt(mail, session.of(child))
        except Exception as error:  # noqa: BLE001
            return child.receipt_of(error, mail, handed_over=False)


class LeaksASession(Sound):
    def attempt_by(self, child, mail, session):
        child.check(mail)
        try:
            return child.attempt(mail, child.open())
        except Exception as error:  # noqa: BLE001
            return child.receipt_of(error, mail, handed_over=False)


class UsesClosedSessions(Sound):
    def attempt_by(self, child, mail, session):
        session.of(child)
        opened = session.of(child)
        session.drop(child)
        child.close(opened)
        return child.attempt(mail, opened)


class ReordersReceipts(Sound):
    def deliver_many(self, mails, session):
        receipts = [self.attempt(mail, session) for mail in mails]
        return iter(sorted(receipts, key=lambda each: not each.sent))


class HidesTheFirstError(Sound):
    def failed(self, tried):
        return replace(tried[-1], error=tried[-1].error, earlier=tuple(tried[:-1]))


class ForgetsTheOthers(Sound):
    def failed(self, tried):
        return tried[0]


class RestsAHealthyChild(Sound):
    def __init__(self, *children):
        super().__init__(*children)
        self.resting = set()

    def deliver(self, mail, session):
        awake = [each for each in self.children if each.mailer not in self.resting]
        for child in awake or self.children:
            receipt = self.attempt_by(child, mail, session)
            if receipt.error is not None and not isinstance(receipt.error, MessageError):
                self.resting.add(child.mailer)
            if not self.goes_on(receipt):
                return receipt
        return receipt


class StopsAtTheFirst(Sound):
    def goes_on(self, receipt):
        return False


class NamesItself(Sound):
    def deliver(self, mail, session):
        receipt = super().deliver(mail, session)
        return replace(receipt, error=receipt.error, mailer="sound", backend="sound")


class ChangesTheContent(Sound):
    def attempt_by(self, child, mail, session):
        header = f"X-Try: {child.mailer}\r\n".encode()
        return super().attempt_by(child, mail.with_octets(header + mail.content), session)


class ChangesTheEnvelope(Sound):
    def attempt_by(self, child, mail, session):
        envelope = replace(mail.envelope, sender=f"{child.mailer}@example.com")
        return super().attempt_by(child, mail.with_envelope(envelope), session)


class ChangesTheMessage(Sound):
    def attempt_by(self, child, mail, session):
        mail.message.extra_headers["X-Try"] = child.mailer
        return super().attempt_by(child, mail, session)


class ReportsSent(Sound):
    def failed(self, tried):
        return Receipt(tried[0].message_id, self.name, Outcome.SENT)


class ReportsNotSent(Sound):
    def deliver(self, mail, session):
        receipt = super().deliver(mail, session)
        if receipt.outcome is Outcome.UNKNOWN:
            raise BackendUnavailable("It did not work.")
        return receipt


class RefusesTags(Sound):
    features = Backend.features


class ProbesNothing(Sound):
    def probe(self, sender=None):
        yield ProbeStep("all", "ok")


once = "test_message_is_accepted_once_if_sent_and_never_twice"
unknown = "test_no_other_child_is_tried_once_a_message_may_have_been_accepted"
unsupported = "test_unsupported_message_reaches_no_child_and_is_an_error"
first_error = "test_error_of_the_first_child_is_kept"
same = "test_children_get_the_same_message_at_each_try"

CASES = [
    (GoesOnAfterUnknown, once, "accepted 2 times"),
    (ReportsSent, once, "no child took it"),
    (ReportsNotSent, once, "but its outcome is Outcome.NOT_SENT"),
    (GoesOnAfterUnknown, unknown, "2 children got a message"),
    (ReportsNotSent, unknown, "became Outcome.NOT_SENT"),
    (CallsSend, "test_signals_of_a_message_are_sent_once", "Two messages sent"),
    (SwallowsUnsupportedFeature, unsupported, "No child supports the message, but the error is"),
    (ChecksNothing, unsupported, "A child got what it does not support"),
    (RefusesTags, "test_supported_message_passes", "All children support the message"),
    (LeaksASession, "test_each_session_is_ended", "were closed or aborted"),
    (
        LeaksASession,
        "test_each_session_of_an_interrupted_batch_is_ended",
        "were closed or aborted",
    ),
    (UsesClosedSessions, "test_supported_message_passes", "a session that is not open"),
    (ReordersReceipts, "test_receipts_of_a_batch_are_in_order", "are those of messages"),
    (HidesTheFirstError, first_error, "its error is hidden by"),
    (ForgetsTheOthers, first_error, "put the receipts of the others into `earlier`"),
    (NamesItself, first_error, "The receipt names sound"),
    (
        StopsAtTheFirst,
        "test_next_child_gets_what_the_first_did_not_accept",
        "child2 would have sent it",
    ),
    (
        NamesItself,
        "test_next_child_gets_what_the_first_did_not_accept",
        "the receipt names 'sound'",
    ),
    (
        RestsAHealthyChild,
        "test_child_that_can_be_reached_gets_the_next_messages",
        "got no other since",
    ),
    (ChangesTheContent, same, "different contents"),
    (ChangesTheEnvelope, same, "different envelopes"),
    (ChangesTheMessage, same, "The message was changed: extra_headers"),
    (ProbesNothing, "test_steps_of_the_children_are_passed_on", "yields the steps of"),
]
TESTS = [name for name in dir(Composing) if name.startswith("test_")]


def failures_of(test, cls):
    """Return what the contract says of a class, one text for each case of a test that fails."""
    method = getattr(Composing(), test)
    names = inspect.signature(method).parameters
    modes = MODES if "mode" in names else [None]
    answers = [*ANSWERS, "unreachable"] if "answer" in names else [None]
    allowed = {
        value
        for mark in getattr(method, "pytestmark", [])
        if mark.args[0] == "answer"
        for value in mark.args[1]
    } or {None}
    found = []
    for mode, answer in product(modes, answers):
        if answer in allowed:
            given = {"mode": mode, "answer": answer, "compose": lambda children: cls(*children)}
            try:
                method(**{name: given[name] for name in names})
            except Exception as error:  # noqa: BLE001
                found.append(f"{type(error).__name__}: {error}")
    return found


@pytest.mark.parametrize(("cls", "test", "says"), CASES)
def test_fault_fails_the_test_that_is_meant_for_it(cls, test, says):
    assert any(says in each for each in failures_of(test, cls)), failures_of(test, cls)


@pytest.mark.parametrize("test", TESTS)
def test_sound_composite_passes(test):
    assert failures_of(test, Sound) == []


def test_every_test_has_a_composite_that_fails_it():
    assert {test for _, test, _ in CASES} == set(TESTS)


def test_contract_says_which_fixture_is_missing():
    fixture = inspect.unwrap(Composing.compose, stop=lambda each: not hasattr(each, "__wrapped__"))
    fixture = getattr(fixture, "_fixture_function", fixture)
    with pytest.raises(NotImplementedError, match="must define the fixture `compose`"):
        partial(fixture, Composing())()
