"""Speed of storing mail and sending it later, and its outcomes if a worker is killed."""

from __future__ import annotations

from typing import Any

from .cells import NOWHERE, Cell, Entry, Group, Plan
from .environments import CELERY, DJANGO_MAILER, POST_OFFICE, QUEUE

ONE, EACH, MANY = "one transaction", "a transaction each", "`send_many`"
QUEUE_ONE, QUEUE_MANY = f"{QUEUE}, {ONE}", f"{QUEUE}, {MANY}"
OFFICE_ONE, OFFICE_EACH = f"{POST_OFFICE}, {ONE}", f"{POST_OFFICE}, {EACH}"
OFFICE_MANY = f"{POST_OFFICE}, {MANY}"
TWO_WORKERS = f"{QUEUE}, 2 workers"
FIVE_THREADS = f"{POST_OFFICE}, 5 threads"
SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
SLOW_COLUMN = f"{POSTGRESQL}, 20 ms, 50 ms a message"
STORED, SENT = "25 MiB stored", "25 MiB sent"
LARGE = 25  # MiB
KILLED = "workers killed"


def away(database: str) -> str:
    """Return the name of the column with a database and a line of 20 ms."""
    return f"{database}, 20 ms"


def local(database: str) -> str:
    """Return the name of the column with a database and smtp-sink on loopback."""
    return f"{database}, smtp-sink"


def _entry(
    label: str,
    library: str,
    request: dict[str, Any],
    database: str = SQLITE,
    **options: Any,
) -> Entry:
    needs = "postgresql" if database == POSTGRESQL else ""
    settings = {"database": database.lower(), "options": options}
    return Entry(label, library, request, settings, needs="redis" if library == CELERY else needs)


def _enqueue(plan: Plan) -> list[Cell]:
    def cell(database: str) -> Cell:
        def entry(label: str, library: str, way: str, count: int = plan.queued) -> Entry:
            return _entry(label, library, {"task": "enqueue", "count": count, "way": way}, database)

        entries = [
            entry(QUEUE_ONE, QUEUE, ONE),
            entry(QUEUE_MANY, QUEUE, "send_many"),
            entry(f"{QUEUE}, {EACH}", QUEUE, EACH),
            entry(OFFICE_ONE, POST_OFFICE, ONE),
            entry(OFFICE_EACH, POST_OFFICE, EACH, plan.queued // 3),
            entry(OFFICE_MANY, POST_OFFICE, "send_many"),
            entry(f"{DJANGO_MAILER}, {ONE}", DJANGO_MAILER, ONE),
            entry(f"{DJANGO_MAILER}, {EACH}", DJANGO_MAILER, EACH, plan.queued // 3),
            entry(f"{DJANGO_MAILER}, `send_messages`", DJANGO_MAILER, "send_messages"),
        ]
        if database == SQLITE:
            entries.append(entry(f"{CELERY} and Redis", CELERY, EACH))
        return Cell(database, NOWHERE, 0, entries, plan.fewer_repeats)

    return [cell(SQLITE), cell(POSTGRESQL)]


def _dispatch(plan: Plan) -> list[Cell]:
    def entry(label: str, library: str, database: str, count: int, processes: int = 1) -> Entry:
        request = {"task": "dispatch", "count": count, "processes": processes}
        return _entry(label, library, request, database)

    count = plan.queued
    cells = []
    for database in (SQLITE, POSTGRESQL):
        entries = [
            entry(QUEUE, QUEUE, database, count),
            entry(FIVE_THREADS, POST_OFFICE, database, count),
            entry(DJANGO_MAILER, DJANGO_MAILER, database, count // 3),
        ]
        if database == SQLITE:
            entries.append(entry(f"{CELERY} and Redis", CELERY, database, count // 3))
        cells.append(Cell(local(database), "sink", 0, entries, plan.fewer_repeats))
    for database in (SQLITE, POSTGRESQL):
        entries = [
            entry(QUEUE, QUEUE, database, 3 * count),
            entry(FIVE_THREADS, POST_OFFICE, database, count // 3),
        ]
        if database == POSTGRESQL:
            entries.append(entry(TWO_WORKERS, QUEUE, database, 3 * count, 2))
        cells.append(Cell(away(database), "postfix", 20, entries, plan.fewer_repeats))
    entries = [
        entry(QUEUE, QUEUE, POSTGRESQL, count // 3),
        entry(TWO_WORKERS, QUEUE, POSTGRESQL, count // 3, 2),
    ]
    cells.append(Cell(SLOW_COLUMN, "slow", 20, entries, 1))
    return cells


def _memory(plan: Plan) -> list[Cell]:
    def cell(column: str, task: str, server: str) -> Cell:
        request = {"task": task, "mebibytes": LARGE}
        entries = [_entry(each, each, request) for each in (QUEUE, POST_OFFICE, DJANGO_MAILER)]
        return Cell(column, server, 0, entries, 1)

    return [cell(STORED, "enqueue_large", NOWHERE), cell(SENT, "dispatch_large", "sink")]


def _kills(plan: Plan) -> list[Cell]:
    request = {"task": "kills", "count": 120, "kills": plan.kills, "most": 8}
    request |= {"seed": 1, "pause": 1.5}
    entries = [
        _entry(QUEUE, QUEUE, request, LEASE=1),
        _entry(POST_OFFICE, POST_OFFICE, request),
        _entry(DJANGO_MAILER, DJANGO_MAILER, request),
        # An hour by default, which nobody waits for here.
        _entry(f"{CELERY} and Redis", CELERY, request, visibility_timeout=5),
    ]
    return [Cell(KILLED, NOWHERE, 0, entries, 1)]


GROUPS = [
    Group(
        "queue-enqueue",
        "Storing mail for later",
        "rate",
        "Messages with text and HTML, until they are committed. *One transaction*: that of the"
        " app's data, for all of them, one call each; *`send_many`*: in such a transaction, in one"
        " call. Celery has no transactions. django-post_office and"
        " django-mailer run on Django 6.1, Flask-Mail-Queue on Flask-SQLAlchemy.",
        _enqueue,
    ),
    Group(
        "queue-dispatch",
        "Sending stored mail",
        "rate",
        "Until all outcomes are recorded. One worker each; django-post_office has five threads in"
        " it. Its statuses are recorded after each hundred messages, those of Flask-Mail-Queue"
        " after five, and those of django-mailer after each. Celery sends by Flask-Mail 0.10.",
        _dispatch,
    ),
    Group(
        "queue-memory",
        "A large attachment in a queue",
        "time",
        "By how much the peak of the resident memory is above what it was before and the data.",
        _memory,
    ),
    Group(
        "queue-kills",
        "Workers that are killed",
        "time",
        "120 messages. Each worker is killed (SIGKILL, with all its processes) when the server has"
        " accepted one to eight messages from it, and before it replies to the last of them; the"
        " same numbers for all. The last worker lives. *Twice*: accepted more than once. *Never*:"
        " neither accepted nor reported. Celery's visibility timeout is 5 seconds instead of an"
        " hour, and django-mailer's lock is off, as it would never be released.",
        _kills,
    ),
]
