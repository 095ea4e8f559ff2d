"""Failures of one of the mailers that a mailer is made of: the composite meets them."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    Mail,
    MailError,
    Message,
    MessageRefused,
    Outcome,
)
from flask_mail.backends import Backend, Feature
from flask_mail.testing import Outbox


class Queue(Backend):
    """A queue, which is never built in tests."""

    name = "later"
    features = frozenset(Feature)
    is_queue = True

    @classmethod
    def parts(cls, options):
        return [options["mailer"]]

    def deliver(self, mail, session):
        raise NotImplementedError


class Simple(Backend):
    """A backend without tags."""

    name = "simple"

    def deliver(self, mail, session):
        raise NotImplementedError


MAILERS = {
    "default": {"BACKEND": "failover", "MAILERS": ["primary", "backup"]},
    "primary": "smtp://localhost:1",
    "backup": "smtp://localhost:1",
    "bulk": {"BACKEND": "throttle", "MAILER": "slow", "RATE": "1/hour", "STORAGE": "redis://x"},
    "slow": {"BACKEND": "throttle", "MAILER": "backup", "RATE": "1/hour"},
    "nested": {"BACKEND": "failover", "MAILERS": ["default", "bulk"]},
    "queued": {"BACKEND": Queue, "MAILER": "default"},
    "partly": {"BACKEND": "failover", "MAILERS": ["primary", "queued"]},
    "simple": {"BACKEND": "failover", "MAILERS": [Simple, "null"]},
}


@pytest.fixture
def mail():
    app = Flask("shop")
    app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="shop@example.com", MAIL_MAILERS=MAILERS)
    return Mail(app)


def send(mail, mailer="default", *recipients, **given):
    to = recipients or ["ann@example.com"]
    return mail.using(mailer).send_message("Hello", list(to), "Hi", **given)


def test_failover_takes_the_next_mailer(mail, outbox):
    outbox.fail_next(BackendUnavailable("It is down."), mailer="primary")
    receipt = send(mail)
    assert (receipt.mailer, receipt.backend, receipt.attempts) == ("backup", "locmem", 2)
    assert [(each.mailer, each.reason) for each in receipt.earlier] == [
        ("primary", "Mailer 'primary': It is down.")
    ]
    assert [(each.mailer, each.earlier) for each in outbox.receipts] == [
        ("backup", receipt.earlier)
    ]
    assert outbox.failed == []
    assert mail.outbox[0].mailer == outbox.last.mailer == "default"
    for name in ("default", "backup"):
        outbox.assert_sent(mailer=name)
        assert len(outbox.to("ann@example.com", mailer=name)) == 1
    outbox.assert_not_sent(mailer="primary")
    assert send(mail).mailer == "primary"


def test_mailer_that_timed_out_rests_until_it_recovers(mail, outbox):
    outbox.time_out(mailer="primary")
    assert [send(mail).mailer for _ in range(2)] == ["backup", "backup"]
    outbox.recover()
    outbox.fail_next(BackendUnavailable, mailer="backup")
    assert send(mail).mailer == "primary"


def test_changed_settings_of_a_composite_apply(mail, outbox):
    outbox.fail_next(BackendUnavailable, times=None, mailer="primary")
    assert send(mail).mailer == "backup"
    own = {"BACKEND": "failover", "MAILERS": ["bulk", "primary"]}
    mail.app.config["MAIL_MAILERS"] = {**MAILERS, "default": own}
    assert send(mail).mailer == "backup"
    assert [each.mailer for each in outbox.receipts[-1].earlier] == []


def test_failure_without_a_mailer_is_that_of_the_whole(mail, outbox):
    outbox.fail_next(BackendUnavailable, mailer="backup")
    outbox.fail_next(BackendUnavailable)
    with pytest.raises(BackendUnavailable):
        send(mail)
    assert send(mail).mailer == "primary"


def test_message_fails_if_all_mailers_do(mail, outbox):
    outbox.fail_next(BackendUnavailable, mailer="primary")
    outbox.time_out(after_content=True, mailer="backup")
    with pytest.raises(MailError) as caught:
        send(mail)
    assert caught.value.receipt.outcome is Outcome.UNKNOWN
    assert [each.subject for each in outbox.failed] == ["Hello"]
    assert [each.mailer for each in outbox.failed_receipts] == ["backup"]
    assert outbox == []


def test_refusal_behind_a_throttle_is_that_of_its_mailer(mail, outbox):
    outbox.refuse("ann@*", mailer="backup")
    receipt = send(mail, "bulk", "ann@example.com", "bob@example.com")
    assert [*receipt.refused] == ["ann@example.com"]
    assert receipt.mailer == "backup"
    with pytest.raises(MessageRefused, match="backup"):
        send(mail, "bulk")


def test_composite_in_a_composite_meets_its_own_failures(mail, outbox):
    outbox.refuse("ann@*", mailer="default")
    outbox.fail_next(BackendUnavailable, mailer="primary")
    receipt = send(mail, "nested", "ann@example.com", "bob@example.com")
    assert (receipt.mailer, [*receipt.refused]) == ("backup", ["ann@example.com"])


@pytest.mark.parametrize("whole", [None, "default"])
def test_refusals_of_all_and_of_one_mailer_add_up_in_that_mailer(mail, outbox, whole):
    """As in production: the first mailer refuses both recipients, so the message fails there."""
    outbox.refuse("bob@*", mailer=whole)
    outbox.refuse("eve@*", mailer="primary")
    with pytest.raises(MessageRefused, match="primary") as caught:
        send(mail, "default", "bob@example.com", "eve@example.com")
    assert sorted(caught.value.refused) == ["bob@example.com", "eve@example.com"]
    assert (outbox, [each.mailer for each in outbox.failed_receipts]) == ([], ["primary"])

    options = {**MAILERS["default"], "REFUSED_TOO": True}
    mail.app.config["MAIL_MAILERS"] = {**MAILERS, "default": options}
    receipt = send(mail, "default", "bob@example.com", "eve@example.com")
    assert (receipt.mailer, [*receipt.refused]) == ("backup", ["bob@example.com"])
    assert [each.mailer for each in receipt.earlier] == ["primary"]


def test_refusals_of_the_default_mailer_apply_with_flat_settings(mail, outbox):
    del mail.app.config["MAIL_MAILERS"]
    mail.app.config.update(MAIL_BACKEND="failover", MAIL_FAILOVER_MAILERS=["smtp", "null"])
    outbox.refuse("bob@*", mailer="default")
    outbox.refuse("eve@*", mailer="smtp")
    receipt = send(mail, "default", "ann@example.com", "bob@example.com", "eve@example.com")
    assert sorted(receipt.refused) == ["bob@example.com", "eve@example.com"]


def test_mailer_that_does_not_support_a_message_is_left_out(mail, outbox):
    outbox.fail_next(BackendUnavailable, mailer="null")
    with pytest.raises(MailError, match="does not support"):
        send(mail, "simple", tags=["news"])
    receipt = send(mail, "simple", tags=["news"])
    assert (receipt.mailer, [each.mailer for each in receipt.earlier]) == ("null", ["simple"])


def test_batch_meets_the_failures_too(mail, outbox):
    outbox.fail_next(BackendUnavailable, mailer="primary")
    messages = [Message(name, ["ann@example.com"]) for name in ("One", "Two")]
    assert [each.mailer for each in mail.send_many(messages)] == ["backup", "primary"]
    assert [each.subject for each in outbox] == ["One", "Two"]


def test_mailer_may_be_the_name_of_a_backend(mail, outbox):
    own = {"BACKEND": "failover", "MAILERS": ["smtp", "null"]}
    mail.app.config["MAIL_MAILERS"] = {"default": own}
    outbox.fail_next(BackendUnavailable, mailer="smtp")
    assert send(mail).mailer == "null"


def test_unknown_mailer_is_an_error_that_lists_the_names(mail, outbox):
    outbox.fail_next(BackendUnavailable, mailer="primry")
    with pytest.raises(ValueError, match=r"'primry', .*; did you mean 'primary'\?.* default, "):
        send(mail)
    with pytest.raises(AssertionError, match="'primry'"):
        outbox.assert_sent()


def test_mailer_of_another_app_is_known(mail, outbox):
    other = Flask("other")
    other.config["MAIL_MAILERS"] = {"theirs": "null"}
    theirs = Mail(other)
    theirs.state.selection  # noqa: B018 (made when it is used first)
    broken = Flask("broken")
    broken.config["MAIL_MAILERS"] = 7
    assert Mail(broken).state.selection
    outbox.fail_next(BackendUnavailable, mailer="theirs")
    assert send(mail).sent
    with other.app_context(), pytest.raises(BackendUnavailable):
        theirs.using("theirs").send_message("Hi", ["ann@example.com"], sender="me@example.com")


def test_failure_behind_a_queue_cannot_happen(mail, outbox):
    outbox.fail_next(BackendUnavailable, mailer="primary")
    with pytest.raises(ValueError, match=r"'primary' cannot happen .*'queued': a queue stores it"):
        send(mail, "queued")
    assert send(mail, "partly").mailer == "queued"
    outbox.fail_next(BackendUnavailable, mailer="backup")
    with pytest.raises(ValueError, match=r"'backup' cannot happen .*'partly'"):
        send(mail, "partly")


def test_circle_of_mailers_is_an_error(mail, outbox):
    one = {"BACKEND": "failover", "MAILERS": ["two", "backup"]}
    two = {"BACKEND": "failover", "MAILERS": ["one", "backup"]}
    mail.app.config["MAIL_MAILERS"] = {**MAILERS, "one": one, "two": two}
    outbox.fail_next(BackendUnavailable, mailer="backup")
    with pytest.raises(ConfigurationError, match="The mailer 'one' is made of itself"):
        send(mail, "one")


def test_composites_are_replaced_as_a_whole_otherwise(mail):
    with Outbox() as outbox:
        outbox.fail_next(BackendUnavailable, mailer="bulk")
        assert send(mail).mailer == "default"
        with pytest.raises(BackendUnavailable):
            send(mail, "bulk")
