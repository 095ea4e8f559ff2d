"""The way of a message from the queue to its mailer."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from datetime import datetime, timezone

import pytest
from flask_mail_queue import wake
from flask_mail_queue.database import changes
from flask_mail_queue.database.schema import SECOND

from flask_mail import BackendUnavailable, Message, MessageRefused, UnsupportedFeature


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


def test_a_message_is_due_at_a_datetime(shop):
    at = datetime(2100, 1, 1, tzinfo=timezone.utc)
    shop.send(options={"queue": {"at": at}})
    assert shop.row(1)["due_at"] == at.timestamp() * SECOND
    shop.make_due()
    shop.work()
    assert shop.states() == ["sent"]


def test_a_second_message_with_the_same_key_is_not_stored(shop):
    assert shop.send(key="order-42").response == "1"
    assert shop.send(key="order-42").response == "1"
    assert shop.states() == ["queued"]
    shop.work()
    assert shop.send(key="order-42").response == "1"
    assert shop.states() == ["sent"]
    assert shop.peer.taken[0].key == "order-42"


def test_a_key_of_the_options_replaces_that_of_the_message(shop):
    for number in range(2):
        options = {"queue": {"key": "für Ann"}}
        assert shop.send(key=f"order-{number}", options=options).response == "1"
    assert shop.row(1)["key"] == "für Ann"


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


def test_wake_sends_what_is_due_and_counts_it(shop):
    shop.send()
    assert wake(shop.app) == 1
    assert wake(shop.app) == 0
    assert shop.states() == ["sent"]


def test_wake_warns_if_mail_is_suppressed(shop, caplog):
    shop.send()
    shop.app.config["MAIL_SUPPRESS_SEND"] = True
    wake(shop.app)
    assert "Mail of peer goes to null, not to peer" in caplog.text
    assert not shop.peer.taken


def test_mail_of_a_mailer_that_was_renamed_is_reported(shop, caplog):
    shop.send()
    mailers = shop.app.config["MAIL_MAILERS"]
    mailers["renamed"] = mailers.pop("peer")
    mailers["default"]["MAILER"] = "renamed"
    shop.work()
    assert shop.states() == ["queued"]
    assert "Mail of mailer 'peer' stays in the queue" in caplog.text


def test_a_worker_stops_within_a_window_if_its_mailer_is_paused(shop):
    for number in range(12):
        shop.send(f"Mail {number}")

    def pause(mail):
        with shop.store.begin() as connection:
            changes.pause(connection, shop.store.tables, "peer")

    shop.peer.before = pause
    shop.work()
    assert shop.states() == ["sent"] * 5 + ["queued"] * 7
    assert len(shop.peer.taken) == 5
    shop.peer.before = lambda mail: None
    with shop.store.begin() as connection:
        changes.resume(connection, shop.store.tables)
    shop.work()
    assert shop.states() == ["sent"] * 12
    assert {row["attempts"] for row in shop.rows()} == {1}


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


@pytest.mark.parametrize("when", ["before", "after"])
def test_rows_have_an_outcome_if_what_they_need_cannot_be_looked_up(shop, when):
    class Admit:
        is_broken = True

        @contextmanager
        def looked_up(self, mails):
            if self.is_broken and when == "before":
                raise BackendUnavailable("The list is not there.")
            yield
            if self.is_broken:
                raise BackendUnavailable("The list is not there.")

        def __call__(self, mail):
            if mail.message.subject == "refused":
                raise MessageRefused("Not this one.")
            return mail

    for subject in ("one", "refused", "two"):
        shop.send(subject)
    admit = shop.mail.admit(Admit())
    shop.work()
    assert shop.peer.taken == []
    assert shop.states() == ["queued", "queued" if when == "before" else "refused", "queued"]
    assert [shop.row(number)["attempts"] for number in (1, 3)] == [1, 1]
    admit.is_broken = False
    shop.make_due()
    shop.work()
    assert shop.states() == ["sent", "refused", "sent"]
