"""Targets, and by how much they were reached or missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .delivering import (
    BY_NAME,
    CHUNKING_COLUMN,
    EIGHT,
    EIGHT_THREADS,
    FIRST,
    NEITHER_COLUMN,
    ONE_THREAD,
    PIPELINING,
    PIPELINING_COLUMN,
    SLOW_COLUMN,
)
from .environments import DJANGO, DJANGO_MAILER, LIMIT, NODEMAILER, OURS, QUEUE
from .making import (
    APP_PER_TEST,
    HTML,
    IMPORT,
    LARGE_COLUMN,
    MAKING,
    NON_ASCII,
    NULL,
    OF_THE_STANDARD_LIBRARY,
)
from .queueing import (
    FIVE_THREADS,
    KILLED,
    OFFICE_EACH,
    OFFICE_MANY,
    POSTGRESQL,
    QUEUE_MANY,
    QUEUE_ONE,
    SENT,
    SQLITE,
    STORED,
    TWO_WORKERS,
    away,
    local,
)

_MOST = frozenset(
    {"round_trips", "growth", "above", "doubled", "lost"}
)  # the figures that have an upper limit


@dataclass(frozen=True)
class Target:
    """A figure of one entry of one cell, and what it should be."""

    text: str
    group: str
    column: str
    label: str
    figure: str
    """``round_trips``, ``growth``, ``above``, ``doubled`` or ``lost``, which should be at most the
    limit, or ``times``, at least."""
    limit: float
    """Of growth in MiB."""
    against: tuple[str, ...] = ()
    """``times`` and ``above`` are against the fastest of these entries; of none: against Flask-Mail
    0.10."""
    against_column: str = ""
    """``times`` is against the same entry in this column instead."""

    def value(self, results: dict[str, Any]) -> float | None:
        """Return what was measured, or None."""
        columns = {
            cell["column"]: {each["label"]: each for each in cell["entries"]}
            for group in results["groups"]
            if group["name"] == self.group
            for cell in group["cells"]
        }
        if self.column not in columns:
            return None
        entries = columns[self.column]
        own = entries.get(self.label)
        if own is None:  # written by an earlier version
            return None
        if self.against_column:
            other = columns[self.against_column][self.label]
            if "seconds" not in own or "seconds" not in other:
                return None
            return float(other["seconds"] / own["seconds"])
        if self.against:
            compared = [own, *(entries[each] for each in self.against)]
            if any("seconds" not in each for each in compared):
                return None  # the fastest may be one that was not measured
            fastest = min(each["seconds"] for each in compared[1:])
            return float(
                own["above"] / fastest if self.figure == "above" else fastest / own["seconds"]
            )
        value: float | None = own.get(self.figure)
        return None if value is None else value * (1 / 1024 if self.figure == "growth" else 1)

    def verdict(self, value: float | None) -> str:
        """Say whether it was reached, and by how much."""
        if value is None:
            return "not measured"
        if not self.limit:
            return "**missed**" if value else "reached"
        if self.figure in _MOST:
            spare = (self.limit - value) / self.limit
        else:
            spare = (value - self.limit) / self.limit
        if spare >= 0:
            return f"reached, {spare:.0%} to spare"
        return f"**missed by {-spare:.0%}**"

    def shown(self, value: float | None) -> str:
        """Return the value as it is written."""
        if value is None:
            return "-"
        if self.figure == "round_trips":
            return f"{value:.2f} round trips"
        if self.figure == "growth":
            return f"{value:.1f} MiB"
        if self.figure in {"doubled", "lost"}:
            return f"{value:.0f}"
        return f"{value:.{1 if value >= 1 else 2}f} times"

    def wanted(self) -> str:
        """Return the limit as it is written."""
        if self.figure == "round_trips":
            return f"at most {self.limit} round trips"
        if self.figure == "growth":
            return f"at most {self.limit:g} MiB"
        if self.figure == "above":
            return f"at most {self.limit:g} times"
        if self.figure in {"doubled", "lost"}:
            return f"at most {self.limit:g}" if self.limit else "none"
        return f"at least {self.limit:g} times"


TARGETS = (
    Target("20 ms to Postfix: a warm `mail.send`", "single", "20 ms", OURS, "round_trips", 1.3),
    Target(
        "20 ms: a warm `mail.using(...).send` against Django's mailers",
        "single",
        "20 ms",
        BY_NAME,
        "times",
        6,
        (DJANGO,),
    ),
    Target("20 ms: `conn.send`, CHUNKING", "loop", "20 ms", OURS, "round_trips", 1.3),
    Target("20 ms: `conn.send`, PIPELINING only", "loop", "20 ms", PIPELINING, "round_trips", 2.3),
    Target("20 ms: `send_many` against Flask-Mail 0.10", "batch", "20 ms", OURS, "times", 40),
    Target("smtp-sink on loopback: `send_many` again", "sink", "batch", OURS, "times", 11),
    Target(
        "20 ms, PIPELINING only: a batch over 8 connections against Nodemailer",
        "servers",
        PIPELINING_COLUMN,
        EIGHT,
        "times",
        2,
        (NODEMAILER,),
    ),
    Target(
        "20 ms, neither: a batch over 8 connections against Nodemailer",
        "servers",
        NEITHER_COLUMN,
        EIGHT,
        "times",
        1.5,
        (NODEMAILER,),
    ),
    Target(
        "20 ms, 50 ms a message: a batch over 8 connections against Nodemailer",
        "servers",
        SLOW_COLUMN,
        EIGHT,
        "times",
        2.5,
        (NODEMAILER,),
    ),
    Target(
        "20 ms, CHUNKING: a batch over one connection against prepared octets",
        "servers",
        CHUNKING_COLUMN,
        OURS,
        "times",
        0.92,
        (LIMIT,),
    ),
    Target(
        "loopback: 8 threads against one",
        "loopback",
        EIGHT_THREADS,
        OURS,
        "times",
        1,
        against_column=ONE_THREAD,
    ),
    Target(
        "null backend: what `mail.send` adds, against making the message",
        "overhead",
        HTML,
        NULL,
        "above",
        1,
        (MAKING,),
    ),
    Target("making text + HTML, against Flask-Mail 0.10", "build", HTML, OURS, "times", 20),
    Target(
        "making text + HTML, against the standard library's fastest",
        "build",
        HTML,
        OURS,
        "times",
        5,
        OF_THE_STANDARD_LIBRARY,
    ),
    Target("making it non-ASCII, against Flask-Mail 0.10", "build", NON_ASCII, OURS, "times", 5),
    Target(
        "25 MiB attached, against Flask-Mail 0.10", "attachment", LARGE_COLUMN, OURS, "times", 5
    ),
    Target(
        "25 MiB attached: memory above the data", "attachment", LARGE_COLUMN, OURS, "growth", 16
    ),
    Target("an app per test, against Flask-Mail 0.10", "apps", APP_PER_TEST, OURS, "times", 0.33),
    Target(
        "0 ms: the first send of an app, against Flask-Mail 0.10",
        "single",
        "0 ms",
        FIRST,
        "times",
        2,
    ),
    Target("import, against Flask-Mail 0.10", "imports", IMPORT, OURS, "times", 0.6),
    *(
        Target(text, group, column(database), label, "times", limit, (against,))
        for database in (SQLITE, POSTGRESQL)
        for text, group, column, label, limit, against in (
            (
                f"{database}: mail stored in the app's transaction, against django-post_office",
                "queue-enqueue",
                str,
                QUEUE_ONE,
                10,
                OFFICE_EACH,
            ),
            (
                f"{database}: the same by `send_many`, against its `send_many`",
                "queue-enqueue",
                str,
                QUEUE_MANY,
                2,
                OFFICE_MANY,
            ),
            (
                f"{database}: stored mail to smtp-sink, against django-mailer",
                "queue-dispatch",
                local,
                QUEUE,
                3,
                DJANGO_MAILER,
            ),
            (
                f"{database}: stored mail, 20 ms, against django-post_office",
                "queue-dispatch",
                away,
                QUEUE,
                8,
                FIVE_THREADS,
            ),
        )
    ),
    Target(
        "PostgreSQL: stored mail, 20 ms, two workers against one",
        "queue-dispatch",
        away(POSTGRESQL),
        TWO_WORKERS,
        "times",
        1.7,
        (QUEUE,),
    ),
    Target("25 MiB stored: memory above the data", "queue-memory", STORED, QUEUE, "growth", 16),
    Target("25 MiB sent later: memory above the data", "queue-memory", SENT, QUEUE, "growth", 16),
    Target("workers killed: sent twice", "queue-kills", KILLED, QUEUE, "doubled", 0),
    Target("workers killed: neither sent nor reported", "queue-kills", KILLED, QUEUE, "lost", 0),
)
