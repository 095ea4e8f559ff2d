"""The command ``flask mail queue``."""

from __future__ import annotations

import json
import re

import click
from flask.cli import with_appcontext

from ..database import changes, queries, upkeep
from ..database.schema import ALL_MAILERS, SECOND, State
from ..erasure import forget as forget_address
from .options import errors, of_queue, queues_in, read_seconds, store_of, transaction
from .rows import contents_in, list_rows, printable, show


@click.group("queue")
def queue() -> None:
    """Look after the queue."""


queue.add_command(list_rows)
queue.add_command(show)


@queue.command("create")
@of_queue
@with_appcontext
def create(mailer: str | None) -> None:
    """Create the tables, and what a new version needs.

    Tables and columns that exist stay as they are.
    """
    with errors():
        store = store_of(mailer)
        added = store.create()
        click.echo(f"Tables: {', '.join(each.name for each in store.tables.all)}")
        if added:
            click.echo(f"Added: {', '.join(added)}")


@queue.command("status")
@click.option("--json", "as_json", is_flag=True)
@click.option(
    "--max-age", callback=read_seconds, help="Exit with 1 if mail has been overdue for longer."
)
@of_queue
@with_appcontext
def status(as_json: bool, max_age: float | None, mailer: str | None) -> None:
    """Count the messages, and show the workers."""
    with transaction(mailer) as (connection, tables):
        counts = [dict(each) for each in queries.counts(connection, tables)]
        oldest = queries.oldest_due(connection, tables)
        alive = [dict(each) for each in queries.workers(connection, tables)]
        paused = [dict(each) for each in queries.paused(connection, tables)]
        last = queries.last_event(connection, tables)
        event = None if last is None else {**last, "age": last["age"] / SECOND}
    for each in alive:
        each["left"] = each["left"] / SECOND
    for each in paused:
        each["mailer"], each["paused"] = each["mailer"] or None, each["paused"] / SECOND
    if as_json:
        shown = {"counts": counts, "oldest_due_seconds": oldest, "workers": alive, "paused": paused}
        click.echo(json.dumps({**shown, "last_event": event}, indent=2))
    else:
        for each in counts:
            click.echo(f"{each['mailer']}  {each['state']}  {each['count']}")
        click.echo(f"Oldest due: {'none' if oldest is None else f'{oldest:.0f} s'}")
        for each in alive:
            is_late = "" if each["left"] > 0 else "  does not respond"
            click.echo(f"Worker: {each['host']} {each['pid']}{is_late}")
        if not alive and oldest is not None:
            click.echo("Worker: none. Start one: flask mail work")
        for each in paused:
            click.echo(f"Paused: {each['mailer'] or 'all mailers'}, for {each['paused']:.0f} s")
        if event is not None:
            ago = f"{event['age']:.0f} s ago"
            click.echo(f"Last event: {event['kind']}, by {printable(event['mailer'])}, {ago}")
    if max_age is not None and (oldest or 0.0) > max_age:
        click.echo(f"Mail is overdue: {oldest:.0f} s is more than {max_age:.0f} s.", err=True)
        raise click.exceptions.Exit(1)


@queue.command("retry")
@click.argument("numbers", type=int, nargs=-1, required=True)
@click.option(
    "--may-arrive-twice", is_flag=True, help="Also retry messages whose outcome is unknown."
)
@of_queue
@with_appcontext
def retry(numbers: tuple[int, ...], may_arrive_twice: bool, mailer: str | None) -> None:
    """Queue messages again that were not sent."""
    with transaction(mailer) as (connection, tables):
        done = changes.retry(connection, tables, numbers, may_arrive_twice=may_arrive_twice)
    _report(
        numbers, dict.fromkeys(done, "queued again"), "An unknown one needs --may-arrive-twice."
    )


@queue.command("settle")
@click.argument("number", type=int)
@click.argument("outcome", type=click.Choice([State.SENT.value, State.REFUSED.value]))
@of_queue
@with_appcontext
def settle(number: int, outcome: str, mailer: str | None) -> None:
    """Set the outcome of a message that is unknown.

    Its content is deleted as KEEP says.
    """
    with transaction(mailer) as (connection, tables):
        row = queries.row(connection, tables, number)
        remains = row and contents_in(mailer, row).remains_of(row["record"], State(outcome))
        done = changes.settle(connection, tables, number, State(outcome), remains)
    _report((number,), {number: outcome} if done else {}, "It is not unknown.")


@queue.command("cancel")
@click.argument("numbers", type=int, nargs=-1, required=True)
@of_queue
@with_appcontext
def cancel(numbers: tuple[int, ...], mailer: str | None) -> None:
    """Cancel messages that no worker has claimed."""
    with transaction(mailer) as (connection, tables):
        done = changes.cancel(connection, tables, numbers)
    _report(numbers, done, "Only queued messages can be cancelled.")


@queue.command("pause")
@click.argument("name", metavar="[MAILER]", required=False)
@of_queue
@with_appcontext
def pause(name: str | None, mailer: str | None) -> None:
    """Stop sending the mail of one mailer, or of all."""
    with errors():
        known = [each.target for each in queues_in(mailer)]
    if name is not None and name not in known:
        raise click.ClickException(f"No queue has the mailer {name}; they have {', '.join(known)}.")
    with transaction(mailer) as (connection, tables):
        changes.pause(connection, tables, name or ALL_MAILERS)
    click.echo(f"Paused: {name or 'all mailers'}")


@queue.command("resume")
@click.argument("name", metavar="[MAILER]", required=False)
@of_queue
@with_appcontext
def resume(name: str | None, mailer: str | None) -> None:
    """Send the mail of a mailer again, or of all of them."""
    with transaction(mailer) as (connection, tables):
        is_done = changes.resume(connection, tables, name)
        left = [each["mailer"] for each in queries.paused(connection, tables)]
    if ALL_MAILERS in left:
        raise click.ClickException("All mailers are paused: call `resume` without a mailer.")
    if not is_done:
        problem = "No mailer is paused." if name is None else f"Not paused: {name}."
        raise click.ClickException(problem)
    click.echo(f"Resumed: {name or 'all mailers'}")


@queue.command("forget")
@click.argument("address")
@click.option("--cancel", is_flag=True, help="Cancel its messages that no worker has claimed.")
@of_queue
@with_appcontext
def forget(address: str, cancel: bool, mailer: str | None) -> None:
    """Delete the content of finished messages that contains an address."""
    if not re.fullmatch(r"\S+@[^\s@]+", address):
        problem = f"{address!r} is not one address such as ann@example.com."
        raise click.BadParameter(problem, param_hint="'ADDRESS'")
    with errors():
        found = forget_address(queues_in(mailer), address, cancel=cancel)
    click.echo(f"Content deleted: {len(found.deleted) + len(found.cancelled)}")
    click.echo(f"Cancelled: {len(found.cancelled)}")
    click.echo(f"Keys deleted: {found.keys}")
    problems = []
    if found.left:
        rows = ", ".join(map(str, found.left))
        problems.append(f"Not finished: {rows}. Repeat this when they are, or use --cancel.")
    if found.unreadable:
        rows = ", ".join(map(str, found.unreadable))
        problems.append(f"Cannot be read: {rows}. Do they contain the address?")
    if problems:
        raise click.ClickException("\n".join(problems))


@queue.command("purge")
@click.option("--older-than", callback=read_seconds, default="30d", show_default=True)
@of_queue
@with_appcontext
def purge(older_than: float, mailer: str | None) -> None:
    """Delete the rows of finished messages."""
    with errors():
        queues = queues_in(mailer)
        store = queues[0].store
        whole = [each.target for each in queues if each.contents.keep == "everything"]
        total = count = 0
        while True:  # each in a transaction of its own, as workers wait for it
            with store.begin() as connection:
                count = upkeep.purge(connection, store.tables, older_than, keep=whole)
            total += count
            if not count:
                break
    click.echo(f"Deleted: {total}")


def _report(numbers: tuple[int, ...], done: dict[int, str], hint: str) -> None:
    for number in sorted(done):
        click.echo(f"{number}: {done[number]}")
    if missing := [str(each) for each in numbers if each not in done]:
        raise click.ClickException(f"Unchanged: {', '.join(missing)}. {hint}")
