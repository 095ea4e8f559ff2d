"""Speed of delivery: the groups that send over a line or over loopback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .cells import PEERS, SMTP_SOURCE, Cell, Entry, Group, Plan
from .environments import AIOSMTPLIB, LIMIT, NODEMAILER, OLD, OURS

PIPELINING = f"{OURS}, PIPELINING only"
FIRST = f"{OURS}, first send"
NO_POOL = f"{OURS}, no pool"
BY_NAME = f"{OURS}, mailer by name"
POOL_OF_8 = f"{OURS}, pool of 8"
EIGHT = f"{OURS}, 8 connections"
CHUNKING_COLUMN, PIPELINING_COLUMN, NEITHER_COLUMN = "CHUNKING", "PIPELINING only", "neither"
SLOW_COLUMN = "CHUNKING, 50 ms a message"
ONE_THREAD, EIGHT_THREADS = "1 thread", "8 threads"


def _all(request: dict[str, Any], *, source: bool = True) -> list[Entry]:
    """Everybody with the same request."""
    names = [*PEERS, SMTP_SOURCE] if source else list(PEERS)
    return [Entry(name, name, request) for name in names]


def _single(
    plan: Plan, server: str, milliseconds: int, to: int = 1, *, cold: bool = True
) -> list[Entry]:
    login = server == "login"
    step = (to - 1) * 1.0  # peers wait for the reply to each RCPT

    def request(per_message: float, *, cold: bool = False) -> dict[str, Any]:
        count = plan.share(milliseconds, per_message, plan.most_singles)
        return {"task": "single", "count": count, "threads": 1, "to": to, "cold": cold}

    opening = 12 if login else 8
    entries = [Entry(OURS, OURS, request(1))]
    if cold:
        entries.append(Entry(FIRST, OURS, request(opening, cold=True)))
        entries.append(Entry(NO_POOL, OURS, request(opening), {"MAIL_POOL_SIZE": 0}))
        entries.append(Entry(BY_NAME, OURS, request(1), {"mailer": "shop"}))
    if server == "postfix":
        entries.insert(1, Entry(PIPELINING, OURS, request(2), server="pipelining"))
    # smtp-source knows neither TLS nor login.
    return entries + _all(request(opening + step), source=not login)


def _loop(plan: Plan, server: str, milliseconds: int) -> list[Entry]:
    def request(per_message: float) -> dict[str, Any]:
        count = plan.share(milliseconds, per_message, plan.most_in_loop)
        return {"task": "loop", "count": count}

    entries = [Entry(OURS, OURS, request(1))]
    if server == "postfix":
        entries.append(Entry(PIPELINING, OURS, request(2), server="pipelining"))
    return entries + _all(request(4))


def _batch(
    plan: Plan, server: str, milliseconds: int, size: int, threads: int = 1, *, share: float = 0.25
) -> list[Entry]:
    """A batch. The others are slower: they send at most this share of it."""

    def request(per_message: float, most: int = size) -> dict[str, Any]:
        count = plan.share(milliseconds, per_message / threads, most) if per_message else most
        return {"task": "batch", "count": max(count, threads), "threads": threads}

    entries = [Entry(OURS, OURS, request(0))]
    if server == "postfix":
        entries.append(Entry(PIPELINING, OURS, request(1), server="pipelining"))
    return entries + _all(request(4, int(share * size)))


def _singles_of_threads(plan: Plan, milliseconds: int, threads: int) -> list[Entry]:
    def request(per_message: float) -> dict[str, Any]:
        count = threads * plan.share(milliseconds, per_message, plan.most_singles)
        return {"task": "single", "count": count, "threads": threads, "to": 1, "cold": False}

    entries = [
        Entry(OURS, OURS, request(1)),
        Entry(POOL_OF_8, OURS, request(1), {"MAIL_POOL_SIZE": 8}),
    ]
    return entries + _all(request(8))


def _sweep(server: str, entries: Callable[[Plan, str, int], list[Entry]]) -> Callable[[Plan], Any]:
    """Return what makes a cell for each round trip."""
    return lambda plan: [
        Cell(f"{ms} ms", server, ms, entries(plan, server, ms), plan.turns(ms))
        for ms in plan.round_trips
    ]


def _batches(plan: Plan) -> list[Cell]:
    size = plan.batch
    return [
        Cell(f"{ms} ms", "postfix", ms, _batch(plan, "postfix", ms, size), plan.turns(ms), size)
        for ms in plan.round_trips
    ]


def _sink(plan: Plan) -> list[Cell]:
    single, loop = _single(plan, "sink", 0, cold=False), _loop(plan, "sink", 0)
    batch = _batch(plan, "sink", 0, plan.batch)
    return [
        Cell("single", "sink", 0, single, plan.repeats),
        Cell("loop", "sink", 0, loop, plan.repeats),
        Cell("batch", "sink", 0, batch, plan.repeats, plan.batch),
    ]


def _threads(plan: Plan) -> list[Cell]:
    turns, size = plan.fewer_repeats, plan.batch
    single, batch = _singles_of_threads(plan, 20, 8), _batch(plan, "postfix", 20, size, 8)
    return [
        Cell("single, 8 threads", "postfix", 20, single, turns),
        Cell("batch, 8 threads", "postfix", 20, batch, turns, size),
    ]


def _several(
    plan: Plan, column: str, server: str, *, ours: float, others: float, has_limit: bool = False
) -> Cell:
    """A batch over one connection and over several.

    :param ours: round trips of a message over one connection; `others`: that of the others.
    """

    def request(per_message: float, connections: int = 1) -> dict[str, Any]:
        # Three times as many messages, because connections are opened meanwhile.
        trips = per_message / (3 * connections if connections > 1 else 1)
        return {"task": "batch", "count": plan.share(20, trips, plan.batch), "threads": 1}

    entries = [
        Entry(OURS, OURS, request(ours)),
        Entry(EIGHT, OURS, request(ours, 8), {"MAIL_BATCH_CONNECTIONS": 8}),
        Entry(OLD, OLD, request(others)),
        Entry(AIOSMTPLIB, AIOSMTPLIB, request(others, 5)),
        Entry(NODEMAILER, NODEMAILER, request(others, 5)),
    ]
    if has_limit:
        entries.append(Entry(LIMIT, LIMIT, request(ours)))
    return Cell(column, server, 20, entries, plan.repeats, plan.batch)


def _offers(plan: Plan) -> list[Cell]:
    return [
        _several(plan, CHUNKING_COLUMN, "postfix", ours=0.05, others=4.4, has_limit=True),
        _several(plan, PIPELINING_COLUMN, "pipelining", ours=1, others=4.4),
        _several(plan, NEITHER_COLUMN, "neither", ours=4.2, others=4.4),
        _several(plan, SLOW_COLUMN, "slow", ours=2.5, others=7),
    ]


def _loopback(plan: Plan) -> list[Cell]:
    def cell(column: str, threads: int) -> Cell:
        def request(count: int) -> dict[str, Any]:
            count *= threads
            return {"task": "single", "count": count, "threads": threads, "to": 1, "cold": False}

        warm, cold = request(plan.batch // 4), request(plan.batch // 20)
        entries = [
            Entry(OURS, OURS, warm),
            Entry(POOL_OF_8, OURS, warm, {"MAIL_POOL_SIZE": 8}),
            *(Entry(name, name, cold) for name in PEERS),
        ]
        return Cell(column, "sink", 0, entries, plan.repeats)

    return [cell(ONE_THREAD, 1), cell(EIGHT_THREADS, 8)]


def _messages(plan: Plan) -> list[Cell]:
    def cell(size: int, server: str, place: str, milliseconds: int, *, has_peers: bool) -> Cell:
        entries = _batch(plan, server, milliseconds, size, share=1)
        column = f"{size:,}, {place}, {milliseconds} ms"
        return Cell(column, server, milliseconds, entries if has_peers else entries[:1], 1, size)

    return [
        *(cell(size, "sink", "smtp-sink", 0, has_peers=size <= 1000) for size in plan.sizes),
        *(cell(size, "postfix", "Postfix", 20, has_peers=False) for size in plan.sizes),
    ]


def _recipients(plan: Plan) -> list[Cell]:
    return [
        Cell(f"{to:,}", "postfix", 20, _single(plan, "postfix", 20, to, cold=False), 1)
        for to in plan.recipients
    ]


def _memory(plan: Plan) -> list[Cell]:
    request = {"task": "memory", "count": plan.memory}
    entries = [Entry(name, name, request) for name in (OURS, *PEERS)]
    return [Cell(f"{plan.memory:,} messages", "sink", 0, entries, 1)]


GROUPS = [
    Group(
        "single",
        "One message, plain",
        "time",
        "`mail.send` to Postfix. Peers open a connection for each message; Flask-Mail 1.0 keeps"
        " one. *First send*: the first of an application, whose pool is empty. *No pool*:"
        ' `MAIL_POOL_SIZE = 0`. *Mailer by name*: `mail.using("shop").send`, as Django has'
        ' `mailers["shop"]`.',
        _sweep("postfix", _single),
    ),
    Group(
        "login",
        "One message, STARTTLS and login",
        "time",
        "As above, on a port of Postfix that demands both.",
        _sweep("login", _single),
    ),
    Group(
        "loop",
        "A loop over one connection",
        "time",
        "`with mail.connect() as conn`, then `conn.send` in a loop, for each message, without"
        " opening and closing; to Postfix.",
        _sweep("postfix", _loop),
    ),
    Group(
        "batch",
        "A batch",
        "rate",
        "`mail.send_many` to Postfix; of the peers, the fastest way they have: a loop over one"
        " connection, or `connection.send_messages`.",
        _batches,
    ),
    Group(
        "servers",
        "Batches to servers that offer less, 20 ms",
        "rate",
        "A batch to ports of Postfix that differ in what they announce, and one that takes 50 ms to"
        " accept each message. *8 connections*: `MAIL_BATCH_CONNECTIONS = 8`; the default is 1."
        " Nodemailer's pool has 5 by default. aiosmtplib has no pool; the program opens 5."
        " *Prepared octets*: a program that writes the same octets over one connection as fast as"
        " it can.",
        _offers,
    ),
    Group(
        "sink",
        "Without latency: smtp-sink on loopback",
        "rate",
        "What is left is the work of the client. smtp-sink announces PIPELINING, not CHUNKING.",
        _sink,
    ),
    Group(
        "threads",
        "Threads, 20 ms to Postfix",
        "rate",
        "All threads together. A batch is divided among them. *Pool of 8*: `MAIL_POOL_SIZE = 8`;"
        " the default is 2. With one thread: the tables above.",
        _threads,
    ),
    Group(
        "loopback",
        "Threads on loopback, smtp-sink",
        "rate",
        "`mail.send` in a loop in each thread, all threads together.",
        _loopback,
    ),
    Group(
        "messages",
        "Growth with the number of messages",
        "time",
        "A batch, for each message: the same figure in each column is growth in proportion.",
        _messages,
    ),
    Group(
        "recipients",
        "Growth with the number of recipients, 20 ms to Postfix",
        "time",
        "One message to 1, 10, ... recipients by `mail.send`.",
        _recipients,
    ),
    Group(
        "memory",
        "Memory",
        "time",
        "By how much the peak of the resident memory is above what it was before a batch from a"
        " generator, sent to smtp-sink. Flask-Mail 1.0 returns a receipt for each message, which"
        " is part of it.",
        _memory,
    ),
]
