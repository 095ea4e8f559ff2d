"""What a worker does with the outcomes of its mailer."""

from __future__ import annotations

import json
import time

import pytest
from flask_mail_queue import wake
from flask_mail_queue.leases import MOST_LOSSES, Leases
from flask_mail_queue.protocol import Protocol, Result
from flask_mail_queue.schema import State
from flask_mail_queue.stopping import Interrupted, Stop
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from flask_mail import Message, UnsupportedFeature
from flask_mail.backends import BackendUnavailable, DeliveryUnknown, MessageRefused

SECOND = 1_000_000


def test_a_message_is_stored_and_sent_by_a_worker(shop):
    receipt = shop.send()
    assert receipt.outcome.value == "queued"
    assert receipt.response == "1"
    assert shop.states() == ["queued"]
    shop.work()
    assert shop.states() == ["sent"]
    assert [each.envelope.recipients for each in shop.peer.taken] == [("ann@example.com",)]
    assert shop.told == [("email-queued", "Hello", "queued"), ("email-dispatched", "Hello", "sent")]


def test_a_sent_row_has_neither_content_nor_address(shop):
    shop.send()
    shop.work()
    row = shop.row(1)
    assert row["record"] is None
    assert row["response"] == "250 <recipient 1> is pleased"
    assert not any("ann@" in str(each) for each in row.values())


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


def test_messages_are_sent_when_due_and_by_priority(shop):
    shop.send("later", options={"queue": {"delay": 3600}})
    shop.send("at", options={"queue": {"at": time.time() + 3600}})
    shop.send("second", options={"queue": {"priority": 1}})
    shop.send("first")
    shop.work()
    assert [each.message.subject for each in shop.peer.taken] == ["first", "second"]
    shop.make_due()
    shop.work()
    assert {each.message.subject for each in shop.peer.taken[2:]} == {"later", "at"}


def test_a_second_message_with_the_same_key_is_not_stored(shop):
    options = {"queue": {"key": "order-42"}}
    assert shop.send(options=options).response == "1"
    assert shop.send(options=options).response == "1"
    assert shop.states() == ["queued"]


def test_a_row_is_marked_in_the_database_before_the_mailer_gets_it(shop):
    seen = []
    for number in range(7):
        shop.send(f"Mail {number}")
    shop.peer.before = lambda mail: seen.append(shop.states())
    shop.work()
    for number, states in enumerate(seen):
        assert states[number] == "sending"
        assert states.count("sending") <= 5
    assert seen[5][:5] == ["sent"] * 5, "results are recorded with the next marks"


def test_a_row_that_cannot_be_read_fails_and_the_others_are_sent(shop):
    for number in range(3):
        shop.send(f"Mail {number}")
    queue = shop.store.tables.queue
    shop.execute(queue.update().where(queue.c.id == 1).values(record=b"not JSON"))
    shop.execute(
        queue.update().where(queue.c.id == 2).values(record=json.dumps({"version": 99}).encode())
    )
    shop.work()
    assert shop.states() == ["failed", "failed", "sent"]


def test_mail_of_a_mailer_that_does_not_exist_stays_in_the_queue(shop, caplog):
    shop.send()
    worker = shop.worker()
    del shop.app.config["MAIL_MAILERS"]["peer"]
    worker.run()
    shop.app.config["MAIL_MAILERS"]["peer"] = {"BACKEND": "null"}
    assert shop.states() == ["queued"]
    assert "stays in the queue" in caplog.text


def dead_worker(shop, state):
    """Leave a row in the hands of a worker whose lease has ended."""
    leases, protocol = Leases(shop.store.tables, "dead", 60), Protocol(shop.store.tables, "dead")
    with shop.store.begin() as connection:
        leases.register(connection, "host", 1)
        rows = protocol.claim(connection, "peer", 50)
        if state is State.SENDING:
            protocol.mark(connection, rows)
        worker = shop.store.tables.worker
        connection.execute(worker.update().values(until=0))
    return protocol, rows


def test_what_a_dead_worker_had_claimed_is_sent(shop):
    shop.send()
    dead_worker(shop, State.CLAIMED)
    shop.work()
    assert shop.states() == ["sent"]
    assert shop.told[-1] == ("email-dispatched", "Hello", "sent")


def test_what_a_dead_worker_may_have_sent_is_unknown_until_it_says_so(shop):
    shop.send()
    protocol, rows = dead_worker(shop, State.SENDING)
    shop.work()
    assert shop.states() == ["unknown"]
    assert shop.told[-1] == ("email-failed", "Hello", "unknown")
    assert not shop.peer.taken
    with shop.store.begin() as connection:
        assert not protocol.record(connection, [Result(rows[0], State.QUEUED)])
        assert not protocol.record(connection, [Result(rows[0], State.REFUSED)])
        assert protocol.record(connection, [Result(rows[0], State.SENT)]) == {1}
    assert shop.states() == ["sent"]


def test_a_worker_that_lost_its_rows_cannot_mark_them(shop):
    shop.send()
    protocol, rows = dead_worker(shop, State.CLAIMED)
    shop.work()
    with shop.store.begin() as connection:
        assert protocol.mark(connection, rows) == set()
        assert protocol.record(connection, [Result(rows[0], State.SENT)]) == set()
    assert len(shop.peer.taken) == 1


def test_a_row_that_is_with_too_many_dying_workers_fails(shop):
    shop.send()
    queue = shop.store.tables.queue
    shop.execute(queue.update().values(losses=MOST_LOSSES - 1))
    dead_worker(shop, State.CLAIMED)
    shop.work()
    assert shop.states() == ["failed"]
    assert shop.told[-1] == ("email-failed", "Hello", "not sent")


def test_a_worker_whose_lease_was_taken_goes_on_under_another_name(shop):
    for number in range(3):
        shop.send(f"Mail {number}")

    def take(mail):
        shop.execute(shop.store.tables.worker.delete())

    shop.peer.before = take
    shop.work(batch=1)
    assert shop.states() == ["sent"] * 3


def test_a_commit_that_fails_is_repeated_and_told_once(shop, monkeypatch):
    for number in range(7):
        shop.send(f"Mail {number}")
    monkeypatch.setattr("flask_mail_queue.worker._FIRST_WAIT", 0.0)
    original, failed = Protocol.exchange, []

    def exchange(self, connection, results, rows, *, again):
        found = original(self, connection, results, rows, again=again)
        if results and not failed:
            failed.append(True)
            connection.commit()  # it succeeds, and then the connection breaks
            raise DBAPIError("COMMIT", {}, OSError())
        return found

    monkeypatch.setattr(Protocol, "exchange", exchange)
    monkeypatch.setattr("flask_mail_queue.worker.rehearse", lambda *arguments: None)
    shop.work()
    assert failed
    assert shop.states() == ["sent"] * 7
    assert [each[0] for each in shop.told].count("email-dispatched") == 7
    assert len(shop.peer.taken) == 7


def test_a_worker_without_tables_does_not_start(shop):
    shop.send()
    shop.store.tables.attempt.drop(shop.store.engine)
    with pytest.raises(DBAPIError):
        shop.work()
    assert shop.states() == ["queued"]


def test_the_first_signal_gives_back_what_was_not_marked(shop):
    stop = Stop()
    for number in range(12):
        shop.send(f"Mail {number}")
    shop.peer.before = lambda mail: stop.request()
    shop.work(stop=stop, once=False)
    assert shop.states() == ["sent"] + ["queued"] * 11
    with shop.store.begin() as connection:
        assert connection.execute(select(shop.store.tables.worker)).all() == []


def test_the_second_signal_leaves_what_is_being_sent_unknown(shop):
    for number in range(3):
        shop.send(f"Mail {number}")

    def interrupt(mail):
        raise Interrupted

    shop.peer.before = interrupt
    with pytest.raises(Interrupted):
        shop.work()
    assert shop.states() == ["unknown", "queued", "queued"]


def test_wake_sends_what_is_due_and_counts_it(shop):
    shop.send()
    assert wake(shop.app) == 1
    assert wake(shop.app) == 0
    assert shop.states() == ["sent"]


def test_the_allow_list_applies_when_the_worker_sends(shop):
    shop.send()
    shop.app.config["MAIL_ALLOWED_RECIPIENTS"] = ["*@example.org"]
    shop.work()
    assert not shop.peer.taken
    assert shop.states() != ["sent"]


def test_under_testing_the_message_does_not_reach_the_queue(shop):
    shop.app.config["TESTING"] = True
    assert shop.send().backend == "locmem"
    assert shop.states() == []


def test_what_the_mailer_does_not_support_is_refused_when_it_is_stored(shop):
    type(shop.peer).max_recipients = 1
    try:
        with pytest.raises(UnsupportedFeature):
            shop.mail.send(Message("Hello", ["ann@example.com", "bob@example.com"], "Hello."))
    finally:
        type(shop.peer).max_recipients = None
    assert shop.states() == []
