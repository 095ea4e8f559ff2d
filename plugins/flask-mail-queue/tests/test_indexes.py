"""No statement of a worker reads the whole table.

The environment variable ``MAIL_QUEUE_ROWS`` sets the number of finished rows.
"""

from __future__ import annotations

import os

import pytest
from flask_mail_queue.database import queries
from flask_mail_queue.worker.leases import Leases
from flask_mail_queue.worker.protocol import Protocol
from sqlalchemy import event, text

from flask_mail import BackendUnavailable, MessageRefused

ROWS = int(os.environ.get("MAIL_QUEUE_ROWS", "20000"))
_NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})",
    "mariadb": "WITH numbers AS (SELECT seq AS n FROM seq_1_to_{rows})",
    "postgresql": "WITH numbers AS (SELECT n FROM generate_series(1, {rows}) n)",
}
_FINISHED = """
    INSERT INTO mail_queue (mailer, state, priority, created_at, due_at, attempts, claims, losses,
                            message_id, recipients, size, response, error, finished_at)
    {numbers}
    SELECT 'peer', CASE WHEN n % 10 = 0 THEN 'refused' ELSE 'sent' END, 0, {now}, {now}, 1, 1, 0,
           {name}, 1, 1000, '250 ok', '', {now} FROM numbers"""


@pytest.fixture
def full(shop):
    """A queue with many finished rows."""
    shop.send()
    now = shop.row(1)["created_at"]
    dialect = shop.store.engine.dialect.name
    numbers = _NUMBERS[dialect].format(rows=ROWS)
    name = "'<' || n || '@x>'" if dialect == "sqlite" else "concat('<', n, '@x>')"
    shop.execute(text(_FINISHED.format(numbers=numbers, now=now, name=name)))
    shop.execute(text("ANALYZE TABLE mail_queue" if dialect == "mariadb" else "ANALYZE"))
    return shop


def plan_of(connection, statement, parameters):
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row[3] for row in found]
    if connection.dialect.name == "mariadb":
        found = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        return [f"{row.type} {row.table}" for row in found]
    return [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)]


def is_scan(step):
    """Return True if a step of a plan reads all messages."""
    is_of_sqlite = step.startswith("SCAN mail_queue") and "mail_queue_" not in step
    return is_of_sqlite or "Seq Scan on mail_queue " in step or step == "ALL mail_queue"


def test_no_statement_of_a_worker_reads_all_rows(full):
    statements = []

    def note(connection, cursor, statement, parameters, context, many):
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            statements.append((statement, parameters))

    full.peer.script = [None, MessageRefused("No."), BackendUnavailable("Later.")]
    for number in range(7):
        full.send(f"Mail {number}", options={"queue": {"expires": 0 if number == 6 else None}})
    tables = full.store.tables
    with full.store.begin() as connection:
        Leases(tables, "dead", 60).register(connection, "host", 1)
        rows = Protocol(tables, "dead").claim(connection, "peer", 2)
        Protocol(tables, "dead").mark(connection, rows[:1])
        connection.execute(tables.worker.update().values(until=0))
    event.listen(full.store.engine, "before_cursor_execute", note)
    full.work()
    event.remove(full.store.engine, "before_cursor_execute", note)
    with full.store.begin() as connection:
        states = {each["state"] for each in queries.counts(connection, tables)}
    assert states > {"unknown", "queued", "expired"}

    assert len(statements) > 20
    with full.store.begin() as connection:
        for statement, parameters in statements:
            plan = plan_of(connection, statement, parameters)
            assert not any(map(is_scan, plan)), f"{statement}\n{plan}"


def test_a_scan_would_be_found(full):
    with full.store.begin() as connection:
        plan = plan_of(connection, "SELECT * FROM mail_queue WHERE size = 5", ())
    assert any(map(is_scan, plan))
