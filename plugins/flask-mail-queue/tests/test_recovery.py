"""Workers that die or lose their lease, and databases that fail."""

from __future__ import annotations

import pytest
from flask_mail_queue.database import changes, queries, upkeep
from flask_mail_queue.database.schema import State
from flask_mail_queue.worker.claims import Result
from flask_mail_queue.worker.leases import MOST_LOSSES, Leases
from flask_mail_queue.worker.protocol import Protocol
from shop import Shop
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


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


def test_a_late_outcome_does_not_end_what_a_person_has_queued_again(shop):
    shop.send()
    protocol, rows = dead_worker(shop, State.SENDING)
    shop.work()
    found = []

    def record(mail):
        with shop.store.begin() as connection:
            found.append(protocol.record(connection, [Result(rows[0], State.SENT)]))

    with shop.store.begin() as connection:
        changes.retry(connection, shop.store.tables, [1], may_arrive_twice=True)
    record(None)
    shop.peer.before = record
    shop.work()
    assert found == [set(), set()]
    assert shop.states() == ["sent"]
    assert len(shop.peer.taken) == 1


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


def test_mail_beside_a_message_that_kills_workers_is_sent(shop):
    for subject in ("poison", "second", "third"):
        shop.send(subject)
    deaths = 0
    while shop.row(1)["state"] != "failed":
        # Each worker dies at the first row, and so before it marks the others.
        _, rows = dead_worker(shop, State.CLAIMED)
        assert rows[0].id == 1
        with shop.store.begin() as connection:
            Leases(shop.store.tables, "reaper", 60).reap(connection)
        deaths += 1
    assert deaths == MOST_LOSSES
    shop.work()
    assert shop.states() == ["failed", "sent", "sent"]


def test_a_worker_whose_lease_was_taken_goes_on_under_another_name(shop):
    for number in range(3):
        shop.send(f"Mail {number}")

    def take(mail):
        shop.execute(shop.store.tables.worker.delete())

    shop.peer.before = take
    shop.work(batch=1)
    assert shop.states() == ["sent"] * 3


@pytest.mark.parametrize(
    "error", [DBAPIError("COMMIT", {}, OSError()), PoolTimeoutError("no connection is free")]
)
def test_a_commit_that_fails_is_repeated_and_told_once(shop, monkeypatch, error):
    for number in range(7):
        shop.send(f"Mail {number}")
    monkeypatch.setattr("flask_mail_queue.worker.worker._FIRST_WAIT", 0.0)
    original, failed = Protocol.exchange, []

    def exchange(self, connection, results, rows, **options):
        found = original(self, connection, results, rows, **options)
        if results and not failed:
            failed.append(True)
            connection.commit()  # it succeeds, and then the connection breaks
            raise error
        return found

    monkeypatch.setattr(Protocol, "exchange", exchange)
    monkeypatch.setattr("flask_mail_queue.worker.worker.rehearse", lambda *arguments: None)
    shop.work()
    assert failed
    assert shop.states() == ["sent"] * 7
    assert [each[0] for each in shop.told].count("email-dispatched") == 7
    assert len(shop.peer.taken) == 7


def test_a_sent_row_that_was_deleted_while_its_commit_was_in_doubt_is_told(
    url, monkeypatch, caplog
):
    monkeypatch.setattr("flask_mail_queue.worker.worker._FIRST_WAIT", 0.0)
    monkeypatch.setattr("flask_mail_queue.worker.worker.rehearse", lambda *arguments: None)
    original, failed = Protocol.exchange, []

    def exchange(self, connection, results, rows, **options):
        found = original(self, connection, results, rows, **options)
        if results and not failed:
            failed.append(True)
            table = shop.store.tables.queue
            connection.execute(table.update().values(finished_at=1))  # it was away for an hour
            upkeep.purge_sent(connection, shop.store.tables, ["peer"])  # of another worker
            connection.commit()
            raise DBAPIError("COMMIT", {}, OSError())
        return found

    monkeypatch.setattr(Protocol, "exchange", exchange)
    with Shop(url, KEEP="nothing") as shop:
        shop.send()
        shop.work()
        assert failed
        assert shop.rows() == []
        assert shop.told[-1] == ("email-dispatched", "Hello", "sent")
    assert "another worker had taken" not in caplog.text


def test_a_lease_whose_commit_is_in_doubt_is_registered_again(shop, monkeypatch):
    shop.send()
    monkeypatch.setattr("flask_mail_queue.worker.worker._FIRST_WAIT", 0.0)
    original, failed = Leases.register, []

    def register(self, connection, host, pid):
        original(self, connection, host, pid)
        if pid and not failed:  # not in the rehearsal
            failed.append(True)
            connection.commit()
            raise DBAPIError("COMMIT", {}, OSError())
        assert len(failed) < 3, "the lease cannot be registered"

    monkeypatch.setattr(Leases, "register", register)
    shop.work()
    assert failed
    assert shop.states() == ["sent"]


def test_what_ended_is_told_when_the_database_is_back(shop, monkeypatch):
    shop.send()
    dead_worker(shop, State.SENDING)
    monkeypatch.setattr("flask_mail_queue.worker.worker._FIRST_WAIT", 0.0)
    original, failed = queries.row, []

    def row(*arguments, **named):
        if not failed:
            failed.append(True)
            raise DBAPIError("SELECT", {}, OSError())
        return original(*arguments, **named)

    monkeypatch.setattr(queries, "row", row)
    shop.work()
    assert failed
    assert shop.told[-1] == ("email-failed", "Hello", "unknown")


def test_a_worker_without_tables_does_not_start(shop):
    shop.send()
    shop.store.tables.attempt.drop(shop.store.engine)
    with pytest.raises(DBAPIError):
        shop.work()
    assert shop.states() == ["queued"]
