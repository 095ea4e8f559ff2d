"""The statements of the queue against a model of it, in random order.

The environment variable ``MAIL_QUEUE_EXAMPLES`` sets the number of histories.
"""

from __future__ import annotations

import os

import pytest
from flask_mail_queue.database import changes, queries, upkeep
from flask_mail_queue.database.schema import FINISHED, HELD, State
from flask_mail_queue.database.store import Store
from flask_mail_queue.worker.claims import Claimed, Result
from flask_mail_queue.worker.leases import MOST_LOSSES, LeaseLost
from flask_mail_queue.worker.protocol import Protocol
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from model_rows import Row, Sender
from sqlalchemy import select

EXAMPLES = int(os.environ.get("MAIL_QUEUE_EXAMPLES", "10"))
RESULTS = (State.SENT, State.SENT, State.REFUSED, State.UNKNOWN, State.QUEUED, State.FAILED)
FENCED = 6  # the last claims, each of which is tried against each fence
SENDABLE_AGAIN = (State.REFUSED, State.FAILED, State.CANCELLED, State.EXPIRED)


indexes = st.integers(0, 1)


@pytest.fixture(scope="module", autouse=True)
def store():
    Queue.store = Store("sqlite://")
    Queue.store.create()
    yield
    Queue.store.dispose()


class Queue(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        # One for all histories, which keeps the statements that are compiled.
        with self.store.begin() as connection:
            for table in reversed(self.store.tables.all):
                connection.execute(table.delete())
        self.rows: dict[int, Row] = {}
        self.leases: dict[str, bool] = {}  # name -> True if it has ended
        self.names = 0
        self.claims: list[tuple[Sender, Claimed]] = []
        self.senders = [self.started(), self.started()]
        self.is_paused = False
        # Few rows, so that the workers meet at them.
        for priority in (1, 0, 0):
            self.store_one(priority, None)
        self.meet()

    def meet(self):
        """Let each fence have something to stop, whatever follows."""
        for index in (0, 1):
            self.claim_some(index, 1)
            self.give_all_back(index)
            self.claim_some(index, 1)
        self.no_fence_lets_a_wrong_claim_pass()
        for index in (0, 1):
            self.mark_all(index, again=False)
        self.no_fence_lets_a_wrong_claim_pass()
        self.end_lease_of(0)
        self.reap_by(1)
        self.no_fence_lets_a_wrong_claim_pass()
        self.record_one(0, State.SENT, delay=0)
        self.senders[0] = self.started()
        # A row that was with a worker that died is claimed alone.
        self.claim_some(0, 1)
        self.restart_one(0, is_killed=True)
        self.reap_by(1)
        self.store_one(1, None)
        self.claim_some(0, 4)
        self.give_all_back(0)
        # What a person has settled has no content that could be sent again.
        self.end_lease_of(1)
        self.reap_by(0)
        unknown = next(each for each in self.rows.values() if each.state is State.UNKNOWN)
        self.settle_one(unknown, State.REFUSED, again=True)
        self.senders[1] = self.started()

    def started(self):
        self.names += 1
        sender = Sender(self.store, f"worker-{self.names}")
        with self.store.begin() as connection:
            sender.leases.register(connection, "host", 1)
        self.leases[sender.name] = False
        return sender

    def has(self, claimed):
        """Return the row of a claim if that is still the last one."""
        row = self.rows.get(claimed.id)
        return row if row is not None and row.claims == claimed.claims else None

    @precondition(lambda self: len(self.rows) < 6)
    @rule(priority=indexes, key=st.sampled_from([None, "a"]), expires=st.booleans())
    def store_message(self, priority, key, expires):
        self.store_one(priority, key, expires)

    def store_one(self, priority, key, expires=False):
        given = {"mailer": "peer", "message_id": "<1@example.com>", "recipients": 1, "size": 1}
        when = {"given_at": None, "delay": 0, "lifetime": 0 if expires else None}
        row = {**given, **when, "priority": priority, "key": key, "record": b"{}"}
        row |= {"files": None, "trace": None}
        with self.store.begin() as connection:
            number, is_new = self.store.insertion.one(connection, row)
        same = [each.id for each in self.rows.values() if key is not None and each.key == key]
        assert (number in same) is not is_new
        assert is_new is not bool(same)
        if is_new:
            self.rows[number] = Row(number, priority, key, expires=expires)

    @rule(index=indexes, most=st.integers(1, 4))
    def claim(self, index, most):
        self.claim_some(index, most)

    def claim_some(self, index, most):
        sender = self.senders[index]
        try:
            with self.store.begin() as connection:
                found = sender.protocol.claim(connection, "peer", most)
        except LeaseLost:
            assert sender.name not in self.leases
            return
        assert sender.name in self.leases
        due = [each for each in self.rows.values() if each.state is State.QUEUED]
        due = [] if self.is_paused else [each for each in due if not each.expires]
        due = sorted(due, key=lambda each: (each.priority, each.due_at, each.id))[:most]
        if due and due[0].losses:
            due = due[:1]
        elif any(each.losses for each in due):
            due = due[: [bool(each.losses) for each in due].index(True)]
        for each in due:
            each.state, each.owner, each.claims = State.CLAIMED, sender.name, each.claims + 1
        expected = [(each.id, each.claims, each.attempts) for each in due]
        assert [(each.id, each.claims, each.attempts) for each in found] == expected
        sender.claimed += found
        self.claims += [(sender, each) for each in found]

    @rule(index=indexes, most=st.integers(1, 4), again=st.booleans())
    def claim_and_mark(self, index, most, again):
        self.claim_some(index, most)
        self.mark_all(index, again)

    @precondition(lambda self: any(each.claimed for each in self.senders))
    @rule(index=indexes, again=st.booleans())
    def mark(self, index, again):
        self.mark_all(index, again)

    def mark_all(self, index, again):
        sender = self.senders[index]
        with self.store.begin() as connection:
            marked = sender.protocol.mark(connection, sender.claimed)
            if again:  # the commit of the first time is in doubt
                marked |= sender.protocol.mark(connection, sender.claimed, again=True)
        expected = set()
        for each in sender.claimed:
            row = self.has(each)
            is_mine = row is not None and row.owner == sender.name and row.state is State.CLAIMED
            if is_mine and not self.is_paused:
                row.state = State.SENDING
                expected.add(row.id)
        assert marked == expected
        sender.marked += [each for each in sender.claimed if each.id in marked]
        sender.claimed = [each for each in sender.claimed if each.id not in marked]

    @precondition(lambda self: any(each.marked for each in self.senders))
    @rule(data=st.data(), state=st.sampled_from(RESULTS), delay=st.sampled_from([0, 2, 3, 4, 4]))
    def record(self, data, state, delay):
        index = data.draw(st.sampled_from([i for i in (0, 1) if self.senders[i].marked]))
        self.record_one(index, state, delay)

    def record_one(self, index, state, delay):
        sender = self.senders[index]
        claimed = sender.marked.pop(0)
        if delay >= 2:  # it is suspended between the reply of the peer and the record
            self.end_lease_of(index)
            self.reap_by(1 - index)
        if delay >= 3 and claimed.id in self.rows:
            self.retry_one(self.rows[claimed.id], consent=True)
        if delay == 4:
            self.claim_some(1 - index, 4)
            self.mark_all(1 - index, again=False)
        existing = self.rows.get(claimed.id)
        if state in (State.SENT, State.UNKNOWN) and existing is not None:
            existing.accepted += 1
        with self.store.begin() as connection:
            recorded = sender.protocol.record(connection, [Result(claimed, state)])
        assert recorded == self.recorded(sender, claimed, state)

    def recorded(self, sender, claimed, state):
        """Return the ids of the rows that recording a result should change, and change them."""
        row = self.has(claimed)
        if state is State.SENT:
            is_ours = row is not None and row.state in (State.SENDING, State.UNKNOWN)
        else:
            is_ours = row is not None and row.owner == sender.name and row.state in HELD
        if not is_ours:
            return set()
        row.attempts += row.state is not State.UNKNOWN  # which was counted when it was reaped
        row.end(state)
        return {row.id}

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), state=st.sampled_from(RESULTS), again=st.booleans())
    def record_late(self, data, state, again):
        """A worker records a result of any claim, or twice because a commit is in doubt."""
        sender, claimed = data.draw(st.sampled_from(self.claims))
        results = [Result(claimed, state)]
        sender.forget(claimed)
        expected = self.recorded(sender, claimed, state)
        with self.store.begin() as connection:
            assert sender.protocol.exchange(connection, results, [], again=False)[0] == expected
        if not again:
            return
        row = self.rows.get(claimed.id)
        is_recorded = row is None or (row.claims, row.state) == (claimed.claims, state)
        with self.store.begin() as connection:
            found, _ = sender.protocol.exchange(connection, results, [], again=True)
        assert found == ({claimed.id} if is_recorded else set())

    @precondition(lambda self: any(each.claimed for each in self.senders))
    @rule(index=indexes)
    def give_back(self, index):
        self.give_all_back(index)

    def give_all_back(self, index):
        sender = self.senders[index]
        with self.store.begin() as connection:
            sender.protocol.give_back(connection, sender.claimed)
        for each in sender.claimed:
            row = self.has(each)
            if row is not None and row.owner == sender.name and row.state in HELD:
                row.end(State.QUEUED)
        sender.claimed = []

    @rule(index=indexes)
    def release(self, index):
        """A worker cannot know what it has claimed, and releases all of it."""
        sender = self.senders[index]
        with self.store.begin() as connection:
            sender.protocol.release(connection)
        for row in self.rows.values():
            if row.owner == sender.name and row.state is State.CLAIMED:
                row.end(State.QUEUED)
        sender.claimed = []

    @rule(index=indexes)
    def renew(self, index):
        sender = self.senders[index]
        try:
            with self.store.begin() as connection:
                sender.leases.renew(connection)
        except LeaseLost:
            assert sender.name not in self.leases
        else:
            assert sender.name in self.leases
            self.leases[sender.name] = False

    @rule()
    def expire(self):
        self.expire_all()
        self.expire_all()

    def expire_all(self):
        with self.store.begin() as connection:
            ended = upkeep.expire(connection, self.store.tables)
        expected = [each for each in self.rows.values() if each.expires]
        expected = [each for each in expected if each.state is State.QUEUED]
        assert set(ended) == {each.id for each in expected}
        for each in expected:
            each.end(State.EXPIRED)

    @rule(index=indexes)
    def end_lease(self, index):
        self.end_lease_of(index)

    def end_lease_of(self, index):
        name = self.senders[index].name
        worker = self.store.tables.worker
        with self.store.begin() as connection:
            connection.execute(worker.update().where(worker.c.owner == name).values(until=0))
        if name in self.leases:
            self.leases[name] = True

    @rule(index=indexes)
    def reap(self, index):
        self.reap_by(index)

    def reap_by(self, index):
        sender = self.senders[index]
        with self.store.begin() as connection:
            ended = sender.leases.reap(connection)
        dead = {name for name, has_ended in self.leases.items() if has_ended}
        dead.discard(sender.name)
        expected = set()
        for row in self.rows.values():
            if row.owner not in dead or row.state not in HELD:
                continue
            if row.state is State.SENDING:
                row.state, row.attempts = State.UNKNOWN, row.attempts + 1
                expected.add(row.id)
                continue
            row.losses += 1
            row.end(State.FAILED if row.losses >= MOST_LOSSES else State.QUEUED)
            if row.state is State.FAILED:
                expected.add(row.id)
        assert set(ended) == expected
        for each in dead:
            del self.leases[each]

    @rule(index=indexes, is_killed=st.booleans())
    def restart(self, index, is_killed):
        self.restart_one(index, is_killed)

    def restart_one(self, index, is_killed):
        name = self.senders[index].name
        if is_killed:
            self.end_lease_of(index)
        else:
            with self.store.begin() as connection:
                self.senders[index].leases.unregister(connection)
            if not any(row.owner == name and row.state in HELD for row in self.rows.values()):
                self.leases.pop(name, None)
            self.end_lease_of(index)
        self.senders[index] = self.started()

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), consent=st.booleans())
    def retry(self, data, consent):
        self.retry_one(self.drawn(data), consent)

    def retry_one(self, row, consent):
        with self.store.begin() as connection:
            found = changes.retry(connection, self.store.tables, [row.id], may_arrive_twice=consent)
        states = (*SENDABLE_AGAIN, State.UNKNOWN) if consent else SENDABLE_AGAIN
        may = row.state in states and row.content
        assert found == ({row.id} if may else set())
        if may:
            row.consents += row.state is State.UNKNOWN
            row.end(State.QUEUED)
            row.attempts, row.losses, row.claims = 0, 0, row.claims + 1
            row.expires = False
            with self.store.begin() as connection:  # a claim may follow in the same step
                row.due_at = queries.row(connection, self.store.tables, row.id)["due_at"]

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), state=st.sampled_from([State.SENT, State.REFUSED]), again=st.booleans())
    def settle(self, data, state, again):
        self.settle_one(self.drawn(data), state, again)

    def settle_one(self, row, state, again):
        with self.store.begin() as connection:
            found = changes.settle(connection, self.store.tables, row.id, state)
        assert found is (row.state is State.UNKNOWN)
        if found:
            row.end(state)
            row.content = False
            row.consents += 1
        if again:
            self.retry_one(row, consent=True)

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def cancel(self, data):
        row = self.drawn(data)
        with self.store.begin() as connection:
            found = changes.cancel(connection, self.store.tables, [row.id])
        assert found == ({row.id: "cancelled"} if row.state is State.QUEUED else {})
        if found:
            row.state = State.CANCELLED

    @precondition(lambda self: len(self.rows) > 2)
    @rule()
    def purge(self):
        queue = self.store.tables.queue
        with self.store.begin() as connection:
            connection.execute(queue.update().values(finished_at=queue.c.finished_at - 10**6))
            count = upkeep.purge(connection, self.store.tables, 0)
        gone = [each.id for each in self.rows.values() if each.state in FINISHED]
        assert count == len(gone)
        for each in gone:
            del self.rows[each]

    @rule(is_paused=st.booleans())
    def pause(self, is_paused):
        with self.store.begin() as connection:
            if is_paused:
                changes.pause(connection, self.store.tables, "peer")
            else:
                assert changes.resume(connection, self.store.tables) is self.is_paused
        self.is_paused = is_paused

    def drawn(self, data):
        return data.draw(st.sampled_from(list(self.rows.values())))

    @invariant()
    def the_database_is_as_the_model_says(self):
        tables = self.store.tables
        with self.store.begin() as connection:
            found = {row.id: row for row in connection.execute(select(tables.queue))}
            owners = set(connection.scalars(select(tables.worker.c.owner)))
        assert found.keys() == self.rows.keys()
        assert owners == self.leases.keys()
        for number, row in self.rows.items():
            each = found[number]
            state = (each.state, each.owner, each.claims, each.attempts, each.losses)
            assert state == (row.state.value, row.owner, row.claims, row.attempts, row.losses)
            assert (each.record is not None) is row.content
            assert (each.finished_at is not None) is (row.state in FINISHED)
            row.due_at = each.due_at

    @rule()
    def no_fence_lets_a_wrong_claim_pass(self):
        """Old claims, those of other workers, and those whose row has another state."""
        queue = self.store.tables.queue
        columns = select(queue.c.id, queue.c.state, queue.c.owner, queue.c.claims, queue.c.due_at)
        last = [each for each in self.claims if each[1].id in self.rows][-FENCED:]
        stale = [each for _, each in last if self.has(each) is None]
        with self.store.engine.connect() as connection:
            before = connection.execute(columns).all()
            for sender in self.senders:
                foreign = [each for owner, each in last if owner is not sender]
                own = [each for owner, each in last if owner is sender and self.has(each)]
                self.try_wrong(connection, sender.protocol, stale, foreign, own)
            Protocol(self.store.tables, "stranger").release(connection)
            assert connection.execute(columns).all() == before
            changes.pause(connection, self.store.tables, "peer")
            for sender in self.senders:
                claims = [each for owner, each in last if owner is sender]
                assert sender.protocol.mark(connection, claims, again=True) == set()
            connection.rollback()

    def try_wrong(self, connection, protocol, stale, foreign, own):
        lost = [each for each in own if self.rows[each.id].state is State.UNKNOWN]
        wrong = [*stale, *(each for each in foreign if each not in stale), *lost]
        assert protocol.mark(connection, wrong, again=True) == set()
        marked = [each for each in own if self.rows[each.id].state is not State.CLAIMED]
        assert protocol.mark(connection, marked) == set()
        protocol.give_back(connection, wrong)
        failed = [Result(each, State.FAILED) for each in wrong]
        assert protocol.record(connection, failed) == set()
        failed = [Result(each, State.FAILED) for each in lost]
        assert protocol.exchange(connection, failed, [], again=True)[0] == set()
        # That the last claim was sent, any worker may say.
        sent = [Result(each, State.SENT) for each in stale]
        assert protocol.exchange(connection, sent, [], again=True)[0] == set()

    @invariant()
    def nothing_is_accepted_twice_unless_a_person_allows_it(self):
        for row in self.rows.values():
            assert row.accepted <= 1 + row.consents


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
