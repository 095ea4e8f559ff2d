"""Outcomes of attempts: states, signals, and when the next attempt follows."""

from __future__ import annotations

import time

import pytest
from flask_mail_queue.database.schema import SECOND

from flask_mail import UnsupportedFeature
from flask_mail.backends import BackendUnavailable, DeliveryUnknown, MessageRefused


@pytest.mark.parametrize(
    ("error", "state", "signal"),
    [
        (MessageRefused("No."), "refused", "email-failed"),
        (DeliveryUnknown("Lost."), "unknown", "email-failed"),
        (BackendUnavailable("Later.", stage="recipient"), "queued", "email-deferred"),
        (RuntimeError("A mistake"), "unknown", "email-failed"),
        (UnsupportedFeature("No tags."), "failed", "email-failed"),
    ],
)
def test_each_outcome_has_its_state_and_signal(shop, error, state, signal):
    shop.send()
    shop.peer.script = [error]
    shop.work()
    assert shop.states() == [state]
    assert [each[0] for each in shop.told] == ["email-queued", signal]
    assert shop.row(1)["attempts"] == 1
    assert shop.row(1)["record"] is not None


def test_a_message_that_was_not_sent_is_tried_again_later_and_later(shop):
    shop.send()
    waits = []
    for _ in range(3):
        shop.peer.script = [BackendUnavailable("Later.", stage="recipient")]
        before = time.time()
        shop.work()
        waits.append(shop.row(1)["due_at"] / SECOND - before)
        shop.work()  # not before it is due
        shop.make_due()
    assert 40 < waits[0] < 80 < waits[1] < 150 < waits[2] < 310
    shop.work()
    assert shop.states() == ["sent"]
    assert shop.row(1)["attempts"] == 4


def test_an_outage_uses_up_no_attempts_and_marks_no_other_row(shop):
    for number in range(3):
        shop.send(f"Mail {number}")
    shop.peer.opening = [BackendUnavailable("No server.", stage="connect")]
    shop.work()
    assert shop.states() == ["queued"] * 3
    assert [row["attempts"] for row in shop.rows()] == [0] * 3
    assert not shop.peer.taken
    shop.work()
    assert shop.states() == ["sent"] * 3


def test_a_connection_that_ends_in_a_batch_gives_the_rest_back(shop):
    for number in range(12):
        shop.send(f"Mail {number}")
    shop.peer.script = [None, None, BackendUnavailable("No server.", stage="connect")]
    shop.work()
    assert shop.states().count("sent") == 2
    assert [row["attempts"] for row in shop.rows() if row["state"] == "queued"] == [0] * 10
    shop.make_due()
    shop.work()
    assert shop.states() == ["sent"] * 12


def test_a_message_is_given_up_after_a_day(shop):
    shop.send()
    queue = shop.store.tables.queue
    shop.execute(queue.update().values(created_at=queue.c.created_at - 86401 * SECOND))
    shop.peer.script = [BackendUnavailable("Later.", stage="recipient")]
    shop.work()
    assert shop.states() == ["failed"]
    assert shop.told[-1][0] == "email-failed"


def test_a_message_that_expires_is_not_sent(shop):
    shop.send(options={"queue": {"expires": 60}})
    queue = shop.store.tables.queue
    shop.execute(queue.update().values(expires_at=1))
    shop.work()
    assert shop.states() == ["expired"]
    assert shop.told[-1] == ("email-failed", "Hello", "not sent")
    assert not shop.peer.taken
