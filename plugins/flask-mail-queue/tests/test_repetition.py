"""Mailers that recognize a message that they have got before, by its key."""

from __future__ import annotations

import pytest
from flask_mail_queue.database import changes
from flask_mail_queue.database.schema import SECOND, State
from flask_mail_queue.feedback.suppression_list import Reason, add
from flask_mail_queue.worker.claims import Result
from flask_mail_queue.worker.delivery import key_of
from flask_mail_queue.worker.leases import MOST_LOSSES, Leases
from flask_mail_queue.worker.protocol import Protocol
from shop import Peer, Shop

from flask_mail import BackendUnavailable, DeliveryUnknown, MessageError, MessageRefused

DAY = 86400.0


class Service(Peer):
    """A service that takes each key once."""

    name = "peer"
    deduplicates = DAY

    def __init__(self):
        super().__init__()
        self.keys = []
        self.accepted_keys = set()

    def deliver(self, mail, session):
        self.keys.append(mail.key)
        if mail.key in self.accepted_keys:
            return self.accepted(mail, response="id-of-the-first")
        receipt = super().deliver(mail, session)
        self.accepted_keys.add(mail.key)
        return receipt


@pytest.fixture
def shop(url):
    with Shop(url) as shop:
        shop.app.config["MAIL_MAILERS"]["peer"] = {"BACKEND": Service}
        yield shop


def crash(shop, *, taken):
    """Let a worker die that has marked all rows, and perhaps has given them to the service."""
    leases, protocol = Leases(shop.store.tables, "dead", 60), Protocol(shop.store.tables, "dead")
    with shop.store.begin() as connection:
        leases.register(connection, "host", 1)
        rows = protocol.claim(connection, "peer", 50)
        assert protocol.mark(connection, rows, repeatable=DAY / 2) == {row.id for row in rows}
        connection.execute(shop.store.tables.worker.update().values(until=0))
    if taken:
        mails = [(row, shop.queue.contents.mail_of(row.record)) for row in rows]
        shop.peer.accepted_keys |= {mail.key or key_of(row, mail) for row, mail in mails}
    return protocol, rows


def set_repeat(shop, seconds):
    table = shop.store.tables.queue
    shop.execute(table.update().values(repeat_until=table.c.created_at + round(seconds * SECOND)))


@pytest.mark.parametrize("key", [None, "order-42"])
@pytest.mark.parametrize("taken", [True, False])
def test_what_a_dead_worker_may_have_sent_is_sent_with_the_same_key(shop, key, taken):
    shop.send(key=key)
    crash(shop, taken=taken)
    shop.work()
    assert shop.states() == ["sent"]
    assert shop.told[-1] == ("email-dispatched", "Hello", "sent")
    assert len(shop.peer.taken) == (not taken)
    assert shop.peer.keys == [key] if key else len(shop.peer.keys[0]) == 64
    assert shop.row(1)["repeat_until"] is None


def test_messages_without_a_key_have_keys_of_their_own(shop):
    message_id = "<same@example.com>"
    for _ in range(2):
        shop.send(extra_headers={"Message-ID": message_id})
    shop.work()
    assert len(set(shop.peer.keys)) == len(shop.peer.taken) == 2
    assert all(each.isascii() and len(each) <= 255 for each in shop.peer.keys)


def test_an_unknown_outcome_is_tried_again_until_the_key_is_forgotten(shop):
    shop.send(key="order-42")
    shop.peer.script = [DeliveryUnknown("No reply.")] * 2
    shop.work()
    assert shop.states() == ["queued"]
    assert shop.told[-1] == ("email-deferred", "Hello", "unknown")
    until = shop.row(1)["repeat_until"]
    shop.make_due()
    shop.work()
    assert shop.row(1)["repeat_until"] == until, "it counts from the first attempt"
    shop.make_due()
    shop.work()
    assert shop.states() == ["sent"]
    assert shop.peer.keys == ["order-42"] * 3


def test_a_row_whose_key_was_forgotten_meanwhile_is_unknown(shop):
    shop.send()
    shop.peer.script = [DeliveryUnknown("No reply.")]
    shop.work()
    set_repeat(shop, -1)
    shop.make_due()
    shop.work()
    assert shop.states() == ["unknown"]
    assert shop.told[-1] == ("email-failed", "Hello", "unknown")
    assert len(shop.peer.keys) == 1


def test_a_row_is_not_queued_again_for_a_time_when_its_key_is_forgotten(shop):
    shop.send()
    shop.peer.script = [DeliveryUnknown("No reply.")] * 2
    shop.work()
    set_repeat(shop, 60)
    shop.make_due()
    shop.work()
    assert shop.states() == ["unknown"]
    assert len(shop.peer.keys) == 2


def test_another_mailer_does_not_get_what_may_have_been_accepted(shop):
    shop.send()
    crash(shop, taken=True)
    shop.app.config["MAIL_MAILERS"]["peer"] = {"BACKEND": Peer}
    shop.work()
    assert shop.states() == ["unknown"]
    assert shop.told[-1] == ("email-failed", "Hello", "unknown")
    assert not shop.peer.taken


def test_what_was_marked_by_another_mailer_is_unknown(shop):
    shop.app.config["MAIL_MAILERS"]["peer"] = {"BACKEND": Peer}
    shop.send()
    leases, protocol = Leases(shop.store.tables, "dead", 60), Protocol(shop.store.tables, "dead")
    with shop.store.begin() as connection:
        leases.register(connection, "host", 1)
        protocol.mark(connection, protocol.claim(connection, "peer", 50))
        connection.execute(shop.store.tables.worker.update().values(until=0))
    shop.app.config["MAIL_MAILERS"]["peer"] = {"BACKEND": Service}
    shop.work()
    assert shop.states() == ["unknown"]
    assert not shop.peer.keys


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (BackendUnavailable("Down."), "queued"),
        (MessageRefused("No."), "refused"),
        (MessageError("Not valid."), "unknown"),
    ],
)
def test_a_later_attempt_does_not_hide_that_the_first_may_have_succeeded(shop, error, state):
    shop.send()
    shop.peer.script = [DeliveryUnknown("No reply."), error]
    shop.work()
    shop.make_due()
    shop.work()
    assert shop.states() == [state]
    assert (shop.row(1)["repeat_until"] is not None) == (state == "queued")
    if state != "queued":
        assert shop.told[-1] == ("email-failed", "Hello", state)


def test_an_address_suppressed_after_an_unknown_attempt_leaves_it_unknown(shop):
    shop.send()
    shop.peer.script = [DeliveryUnknown("No reply.")]
    shop.work()
    with shop.store.begin() as connection:
        add(connection, shop.store.tables, "ann@example.com", Reason.BOUNCE)
    shop.make_due()
    shop.work()
    assert shop.states() == ["unknown"]
    assert shop.told[-1] == ("email-failed", "Hello", "unknown")
    assert len(shop.peer.keys) == 1


def test_a_row_given_up_after_an_unknown_attempt_is_unknown(shop):
    shop.send()
    shop.peer.script = [DeliveryUnknown("No reply."), BackendUnavailable("Down.")]
    shop.work()
    table = shop.store.tables.queue
    shop.execute(table.update().values(created_at=table.c.created_at - 2 * round(DAY) * SECOND))
    shop.make_due()
    shop.work()
    assert shop.states() == ["unknown"]
    assert shop.told[-1] == ("email-failed", "Hello", "unknown")


def test_what_was_provably_not_sent_is_not_in_doubt(shop):
    shop.send()
    shop.peer.script = [BackendUnavailable("Down.")]
    shop.work()
    assert shop.states() == ["queued"]
    assert shop.row(1)["repeat_until"] is None


def test_rows_that_were_marked_and_not_taken_are_not_in_doubt(shop):
    for number in range(3):
        shop.send(f"Mail {number}")
    shop.peer.script = [BackendUnavailable("Down.", stage="connect")]
    shop.work()
    assert shop.states() == ["queued"] * 3
    assert {row["repeat_until"] for row in shop.rows()} == {None}


def test_a_row_in_doubt_that_is_given_back_stays_in_doubt(shop):
    shop.send()
    crash(shop, taken=True)
    with shop.store.begin() as connection:
        Leases(shop.store.tables, "reaper", 60).reap(connection)
        alive = Protocol(shop.store.tables, "alive")
        Leases(shop.store.tables, "alive", 60).register(connection, "host", 1)
        rows = alive.claim(connection, "peer", 1)
        assert rows[0].repeatable > DAY / 2 - 60
        alive.give_back(connection, rows)
    assert shop.states() == ["queued"]
    assert shop.row(1)["repeat_until"] is not None


def test_a_late_outcome_of_a_suspended_worker_changes_nothing(shop):
    shop.send()
    protocol, rows = crash(shop, taken=True)
    shop.work()
    with shop.store.begin() as connection:
        assert protocol.record(connection, [Result(rows[0], State.UNKNOWN)]) == set()
    assert shop.states() == ["sent"]


def in_doubt(shop, **options):
    shop.send(options={"queue": options})
    shop.peer.script = [DeliveryUnknown("No reply.")]
    shop.work()
    assert shop.states() == ["queued"]


def test_a_row_in_doubt_that_expires_is_unknown(shop):
    in_doubt(shop, expires=3600)
    shop.execute(shop.store.tables.queue.update().values(expires_at=1))
    shop.work()
    assert shop.states() == ["unknown"]
    assert shop.told[-1] == ("email-failed", "Hello", "unknown")


def test_a_row_in_doubt_that_is_cancelled_is_unknown(shop):
    in_doubt(shop)
    with shop.store.begin() as connection:
        assert changes.cancel(connection, shop.store.tables, [1]) == {1: "unknown"}
    assert shop.states() == ["unknown"]


def test_a_row_in_doubt_that_kills_workers_is_unknown(shop):
    shop.send()
    shop.execute(shop.store.tables.queue.update().values(losses=MOST_LOSSES - 1))
    crash(shop, taken=False)
    shop.work()
    assert shop.states() == ["unknown"]
    assert shop.told[-1] == ("email-failed", "Hello", "unknown")


def test_a_person_may_queue_an_unknown_row_again(shop):
    in_doubt(shop)
    with shop.store.begin() as connection:
        changes.cancel(connection, shop.store.tables, [1])
        assert changes.retry(connection, shop.store.tables, [1], may_arrive_twice=True) == {1}
    assert shop.row(1)["repeat_until"] is None
    shop.work()
    assert shop.states() == ["sent"]
