"""The commands ``flask mail work`` and ``flask mail queue``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from flask_mail import MailError

from . import upkeep
from .backend import QueueBackend
from .finding import queues_of
from .records import mail_of
from .schema import ALL_MAILERS, SECOND, State, Tables
from .stopping import Interrupted, Stop
from .store import Store, describe_failure
from .worker import Worker

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHOWN = ("mailer", "state", "priority", "attempts", "message_id", "recipients", "size")


def _seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Read a time such as ``55s``, ``1h`` or ``30d``."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not a time such as 55s, 10m, 1h or 30d.")
    return float(found[1]) * _UNITS[found[2] or "s"]


_of_queue = click.option("--queue", "mailer", help="The mailer, if there are several databases.")


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except MailError as error:
        raise click.ClickException(str(error)) from None
    except SQLAlchemyError as error:
        raise click.ClickException(
            f"The database of the queue fails ({describe_failure(error)}): does it respond, and"
            " has `flask mail queue create` been run?"
        ) from None


def _queues(mailer: str | None) -> list[QueueBackend]:
    if "mail" not in current_app.extensions:
        raise click.ClickException("This app has no Mail: call Mail(app).")
    return queues_of(current_app._get_current_object(), mailer)  # type: ignore[attr-defined]  # noqa: SLF001


def _store(mailer: str | None) -> Store:
    return _queues(mailer)[0].store


@contextmanager
def _transaction(mailer: str | None) -> Iterator[tuple[Connection, Tables]]:
    """Yield a connection to the database of the queue, and its tables."""
    with _errors():
        store = _store(mailer)
        with store.begin() as connection:
            yield connection, store.tables


@click.command("work")
@click.option("--mailer", "mailers", multiple=True, help="Only the mail of this mailer.")
@click.option("--batch", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--once", is_flag=True, help="End when nothing is due.")
@click.option("--for", "seconds", callback=_seconds, help="End after this time, such as 55s.")
@_of_queue
@with_appcontext
def work(
    mailers: tuple[str, ...], batch: int, once: bool, seconds: float | None, mailer: str | None
) -> None:
    """Send the mail of the queue until SIGTERM."""
    app: Any = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with _errors():
        queues = [each for each in _queues(mailer) if not mailers or each.target in mailers]
        if not queues:
            raise click.ClickException(f"No queue has the mailer {', '.join(mailers)}.")
        for each in queues:
            _announce(app, each)
        with Stop() as stop:
            worker = Worker(app, queues, stop=stop, batch=batch, once=once, seconds=seconds)
            try:
                worker.run()
            except Interrupted:
                raise click.ClickException("Interrupted while mail was being sent.") from None
    click.echo(f"Messages: {worker.count}")


def _announce(app: Any, queue: QueueBackend) -> None:
    selection = app.extensions["mail"].selection
    backend = selection.target(queue.target)[0]
    wanted = selection.backend_class(selection.reference(queue.target)[0])
    click.echo(f"{queue.target}: {backend.name}")
    if wanted is not type(backend):
        click.secho(
            f"Warning: mail of {queue.target} goes to {backend.name}, not to {wanted.name}, because"
            " of TESTING or MAIL_SUPPRESS_SEND: it is marked as sent, and never leaves.",
            fg="yellow",
            err=True,
        )


@click.group("queue")
def queue() -> None:
    """Look after the queue."""


@queue.command("create")
@_of_queue
@with_appcontext
def create(mailer: str | None) -> None:
    """Create the tables that do not exist."""
    with _errors():
        store = _store(mailer)
        store.create()
        click.echo(f"Tables: {', '.join(each.name for each in store.tables.all)}")


@queue.command("status")
@click.option("--json", "as_json", is_flag=True)
@click.option("--max-age", callback=_seconds, help="Exit with 1 if mail is due for longer.")
@_of_queue
@with_appcontext
def status(as_json: bool, max_age: float | None, mailer: str | None) -> None:
    """Count the messages, and show the workers."""
    with _transaction(mailer) as (connection, tables):
        counts = [dict(each) for each in upkeep.counts(connection, tables)]
        oldest = upkeep.oldest_due(connection, tables)
        alive = [dict(each) for each in upkeep.workers(connection, tables)]
        paused = [dict(each) for each in upkeep.paused(connection, tables)]
    for each in alive:
        each["left"] = each["left"] / SECOND
    for each in paused:
        each["mailer"], each["paused"] = each["mailer"] or None, each["paused"] / SECOND
    if as_json:
        shown = {"counts": counts, "oldest_due_seconds": oldest, "workers": alive, "paused": paused}
        click.echo(json.dumps(shown, indent=2))
    else:
        for each in counts:
            click.echo(f"{each['mailer']}  {each['state']}  {each['count']}")
        click.echo(f"Oldest due: {'none' if oldest is None else f'{oldest:.0f} s'}")
        for each in alive:
            is_late = "" if each["left"] > 0 else "  does not respond"
            click.echo(f"Worker: {each['host']} {each['pid']}{is_late}")
        for each in paused:
            click.echo(f"Paused: {each['mailer'] or 'all mailers'}, for {each['paused']:.0f} s")
    if max_age is not None and (oldest or 0.0) > max_age:
        raise click.exceptions.Exit(1)


@queue.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice([each.value for each in State]))
@click.option("--since", callback=_seconds, default="1d", show_default=True)
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1))
@_of_queue
@with_appcontext
def list_rows(states: tuple[str, ...], since: float, limit: int, mailer: str | None) -> None:
    """List messages, the newest first, without addresses."""
    with _transaction(mailer) as (connection, tables):
        rows = upkeep.listed(connection, tables, states, since, limit)
    for row in rows:
        click.echo(
            f"{row['id']}  {row['state']}  {row['mailer']}  attempts: {row['attempts']}"
            f"  {_ascii(row['error'] or row['response'])}".rstrip()
        )


@queue.command("show")
@click.argument("number", type=int)
@click.option("--content", is_flag=True, help="Show the message too, with its addresses.")
@_of_queue
@with_appcontext
def show(number: int, content: bool, mailer: str | None) -> None:
    """Show a message and its attempts."""
    with _transaction(mailer) as (connection, tables):
        row = upkeep.row(connection, tables, number)
        attempts = upkeep.attempts(connection, tables, number)
    if row is None:
        raise click.ClickException(f"The queue has no row {number}.")
    _show(row)
    for each in attempts:
        click.echo(f"attempt: {each['outcome']}  {each['error']}  {_ascii(each['response'])}")
    if content:
        if row["record"] is None:
            raise click.ClickException("The content was deleted.")
        try:
            octets = mail_of(row["record"]).content
        except (ValueError, MailError) as error:
            raise click.ClickException(f"The row cannot be read: {type(error).__name__}.") from None
        click.echo(_ascii(octets.decode("utf-8", "replace"), lines=True))


def _show(row: Any) -> None:
    for name in _SHOWN:
        click.echo(f"{name}: {_ascii(str(row[name]))}")
    for name in ("error", "response", "key"):
        if row[name]:
            click.echo(f"{name}: {_ascii(row[name])}")
    click.echo(f"content: {'deleted' if row['record'] is None else 'stored'}")


def _ascii(text: str, *, lines: bool = False) -> str:
    # A reply may contain terminal escape sequences.
    kept = "\n\t" if lines else ""
    return "".join(each if each.isprintable() or each in kept else "?" for each in text)


@queue.command("retry")
@click.argument("numbers", type=int, nargs=-1, required=True)
@click.option("--may-arrive-twice", is_flag=True, help="Also messages that are unknown.")
@_of_queue
@with_appcontext
def retry(numbers: tuple[int, ...], may_arrive_twice: bool, mailer: str | None) -> None:
    """Queue messages again that were not sent."""
    with _transaction(mailer) as (connection, tables):
        done = upkeep.retry(connection, tables, numbers, may_arrive_twice=may_arrive_twice)
    _report(numbers, done, "queued again", "An unknown one needs --may-arrive-twice.")


@queue.command("settle")
@click.argument("number", type=int)
@click.argument("outcome", type=click.Choice([State.SENT.value, State.REFUSED.value]))
@_of_queue
@with_appcontext
def settle(number: int, outcome: str, mailer: str | None) -> None:
    """Set the outcome of a message that is unknown, and delete its content."""
    with _transaction(mailer) as (connection, tables):
        done = upkeep.settle(connection, tables, number, State(outcome))
    _report((number,), {number} if done else set(), outcome, "It is not unknown.")


@queue.command("cancel")
@click.argument("numbers", type=int, nargs=-1, required=True)
@_of_queue
@with_appcontext
def cancel(numbers: tuple[int, ...], mailer: str | None) -> None:
    """Cancel messages that no worker has claimed."""
    with _transaction(mailer) as (connection, tables):
        done = upkeep.cancel(connection, tables, numbers)
    _report(numbers, done, "cancelled", "Only queued messages can be cancelled.")


@queue.command("pause")
@click.argument("name", metavar="[MAILER]", required=False)
@_of_queue
@with_appcontext
def pause(name: str | None, mailer: str | None) -> None:
    """Begin to send no more mail of a mailer, or of all of them."""
    with _errors():
        known = [each.target for each in _queues(mailer)]
    if name is not None and name not in known:
        raise click.ClickException(f"No queue has the mailer {name}; they have {', '.join(known)}.")
    with _transaction(mailer) as (connection, tables):
        upkeep.pause(connection, tables, name or ALL_MAILERS)
    click.echo(f"Paused: {name or 'all mailers'}")


@queue.command("resume")
@click.argument("name", metavar="[MAILER]", required=False)
@_of_queue
@with_appcontext
def resume(name: str | None, mailer: str | None) -> None:
    """Send the mail of a mailer again, or of all of them."""
    with _transaction(mailer) as (connection, tables):
        is_done = upkeep.resume(connection, tables, name)
        left = [each["mailer"] for each in upkeep.paused(connection, tables)]
    if ALL_MAILERS in left:
        raise click.ClickException("All mailers are paused: call `resume` without a mailer.")
    if not is_done:
        raise click.ClickException(f"Not paused: {name or 'any mailer'}.")
    click.echo(f"Resumed: {name or 'all mailers'}")


@queue.command("purge")
@click.option("--older-than", callback=_seconds, default="30d", show_default=True)
@_of_queue
@with_appcontext
def purge(older_than: float, mailer: str | None) -> None:
    """Delete the rows of finished messages."""
    with _errors():
        store = _store(mailer)
        total = count = 0
        while True:  # each in a transaction of its own, as workers wait for it
            with store.begin() as connection:
                count = upkeep.purge(connection, store.tables, older_than)
            total += count
            if not count:
                break
    click.echo(f"Deleted: {total}")


def _report(numbers: tuple[int, ...], done: set[int], what: str, hint: str) -> None:
    for number in sorted(done):
        click.echo(f"{number}: {what}")
    if missing := [str(each) for each in numbers if each not in done]:
        raise click.ClickException(f"Unchanged: {', '.join(missing)}. {hint}")
