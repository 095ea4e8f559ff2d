"""The statements of the queue against a model of it, in random order.

The environment variable ``MAIL_QUEUE_EXAMPLES`` sets the number of histories.
"""

from __future__ import annotations

import os

from flask_mail_queue import upkeep
from flask_mail_queue.leases import MOST_LOSSES, LeaseLost
from flask_mail_queue.protocol import Result
from flask_mail_queue.schema import FINISHED, HELD, State
from flask_mail_queue.store import Store
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from model_rows import Row, Sender
from sqlalchemy import select

EXAMPLES = int(os.environ.get("MAIL_QUEUE_EXAMPLES", "6"))
RESULTS = (State.SENT, State.SENT, State.REFUSED, State.UNKNOWN, State.QUEUED, State.FAILED)
SENDABLE_AGAIN = (State.REFUSED, State.FAILED, State.CANCELLED, State.EXPIRED)


indexes = st.integers(0, 1)


class Queue(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.store = Store("sqlite://")
        self.store.create()
        self.rows: dict[int, Row] = {}
        self.leases: dict[str, bool] = {}  # name -> True if it has ended
        self.names = 0
        self.senders = [self.started(), self.started()]
        self.is_paused = False
        for _ in range(8):
            self.store_one(0, None)
        for index in (0, 1):
            self.claim_some(index, 3)
            self.mark_all(index, again=False)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.dispose()

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

    @rule(priority=indexes, key=st.sampled_from([None, None, "a", "b"]))
    def store_message(self, priority, key):
        self.store_one(priority, key)

    def store_one(self, priority, key):
        given = {"mailer": "peer", "message_id": "<1@example.com>", "recipients": 1, "size": 1}
        when = {"given_at": None, "delay": 0, "lifetime": None}
        row = {**given, **when, "priority": priority, "key": key, "record": b"{}", "trace": None}
        with self.store.begin() as connection:
            number, is_new = self.store.insert(connection, row)
        same = [each.id for each in self.rows.values() if key is not None and each.key == key]
        assert (number in same) is not is_new
        assert is_new is not bool(same)
        if is_new:
            self.rows[number] = Row(number, priority, key)

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
        due = [] if self.is_paused else due
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
        row, existing = self.has(claimed), self.rows.get(claimed.id)
        if state in (State.SENT, State.UNKNOWN) and existing is not None:
            existing.accepted += 1
        with self.store.begin() as connection:
            recorded = sender.protocol.record(connection, [Result(claimed, state)])
        if state is State.SENT:
            is_ours = row is not None and row.state in (State.SENDING, State.UNKNOWN)
        else:
            is_ours = row is not None and row.owner == sender.name and row.state in HELD
        assert recorded == ({claimed.id} if is_ours else set())
        if is_ours:
            row.attempts += row.state is not State.UNKNOWN  # which was counted when it was reaped
            row.end(state)

    @precondition(lambda self: any(each.claimed for each in self.senders))
    @rule(index=indexes)
    def give_back(self, index):
        sender = self.senders[index]
        with self.store.begin() as connection:
            sender.protocol.give_back(connection, sender.claimed)
        for each in sender.claimed:
            row = self.has(each)
            if row is not None and row.owner == sender.name and row.state in HELD:
                row.end(State.QUEUED)
        sender.claimed = []

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

    @rule(index=indexes)
    def restart(self, index):
        self.end_lease_of(index)
        self.senders[index] = self.started()

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), consent=st.booleans())
    def retry(self, data, consent):
        self.retry_one(self.drawn(data), consent)

    def retry_one(self, row, consent):
        with self.store.begin() as connection:
            found = upkeep.retry(connection, self.store.tables, [row.id], may_arrive_twice=consent)
        states = (*SENDABLE_AGAIN, State.UNKNOWN) if consent else SENDABLE_AGAIN
        may = row.state in states and row.content
        assert found == ({row.id} if may else set())
        if may:
            row.consents += row.state is State.UNKNOWN
            row.end(State.QUEUED)
            row.attempts, row.losses, row.claims = 0, 0, row.claims + 1
            with self.store.begin() as connection:  # a claim may follow in the same step
                row.due_at = upkeep.row(connection, self.store.tables, row.id)["due_at"]

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), state=st.sampled_from([State.SENT, State.REFUSED]))
    def settle(self, data, state):
        row = self.drawn(data)
        with self.store.begin() as connection:
            found = upkeep.settle(connection, self.store.tables, row.id, state)
        assert found is (row.state is State.UNKNOWN)
        if found:
            row.end(state)
            row.content = False
            row.consents += 1

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def cancel(self, data):
        row = self.drawn(data)
        with self.store.begin() as connection:
            found = upkeep.cancel(connection, self.store.tables, [row.id])
        assert found == ({row.id: "cancelled"} if row.state is State.QUEUED else {})
        if found:
            row.state = State.CANCELLED

    @precondition(lambda self: len(self.rows) > 4)
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
                upkeep.pause(connection, self.store.tables, "peer")
            else:
                assert upkeep.resume(connection, self.store.tables) is self.is_paused
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
            state = (each.state, each.claims, each.attempts, each.losses, each.record is not None)
            assert state == (row.state.value, row.claims, row.attempts, row.losses, row.content)
            assert (each.finished_at is not None) is (row.state in FINISHED)
            row.due_at = each.due_at

    @invariant()
    def nothing_is_accepted_twice_unless_a_person_allows_it(self):
        for row in self.rows.values():
            assert row.accepted <= 1 + row.consents


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None)
