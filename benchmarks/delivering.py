"""How fast messages are delivered: the groups that send over a line or over loopback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .cells import PEERS, SMTP_SOURCE, Cell, Entry, Group, Plan
from .environments import OURS

PIPELINING = f"{OURS}, PIPELINING only"
FIRST = f"{OURS}, first send"
NO_POOL = f"{OURS}, no pool"
POOL_OF_8 = f"{OURS}, pool of 8"


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
    plan: Plan, server: str, milliseconds: int, size: int, threads: int = 1, *, peers: bool = True
) -> list[Entry]:
    def request(per_message: float) -> dict[str, Any]:
        count = plan.share(milliseconds, per_message / threads, size) if per_message else size
        return {"task": "batch", "count": max(count, threads), "threads": threads}

    entries = [Entry(OURS, OURS, request(0))]
    if server == "postfix":
        entries.append(Entry(PIPELINING, OURS, request(1), server="pipelining"))
    return entries + (_all(request(4)) if peers else [])


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
    turns = max(1, plan.repeats - 1)
    cells = []
    for threads in (1, 8):
        entries = _singles_of_threads(plan, 20, threads)
        cells.append(Cell(f"single, {threads} threads", "postfix", 20, entries, turns))
    for threads in (1, 8):
        entries = _batch(plan, "postfix", 20, plan.batch, threads)
        cells.append(Cell(f"batch, {threads} threads", "postfix", 20, entries, turns, plan.batch))
    return cells


def _messages(plan: Plan) -> list[Cell]:
    local = [
        Cell(f"{size:,}, smtp-sink, 0 ms", "sink", 0, _batch(plan, "sink", 0, size), 1, size)
        for size in plan.sizes
    ]
    away = [
        Cell(
            f"{size:,}, Postfix, 20 ms",
            "postfix",
            20,
            _batch(plan, "postfix", 20, size, peers=False)[:1],
            1,
            size,
        )
        for size in plan.sizes
    ]
    return local + away


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
        " `MAIL_POOL_SIZE = 0`.",
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
        " the default is 4.",
        _threads,
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
