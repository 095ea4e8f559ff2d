"""The commands ``flask mail queue list`` and ``flask mail queue show``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import click
from flask.cli import with_appcontext

from flask_mail import ConfigurationError, MailError

from ..database import queries
from ..database.contents import Contents, recipients_of
from ..database.schema import SECOND, State
from ..inspection import moment
from ..queues import contents_of
from .options import of_queue, queues_in, read_seconds, transaction

_FIELDS: Final = ("mailer", "state", "priority", "attempts", "message_id", "recipients", "size")
_TIMES: Final = {
    "created": "created_at",
    "due": "due_at",
    "expires": "expires_at",
    "finished": "finished_at",
}


@click.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice([each.value for each in State]))
@click.option("--since", callback=read_seconds, default="1d", show_default=True)
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with times in UTC.")
@of_queue
@with_appcontext
def list_rows(
    states: tuple[str, ...], since: float, limit: int, as_json: bool, mailer: str | None
) -> None:
    """List messages, the newest first, without addresses. Times are in the local time zone."""
    with transaction(mailer) as (connection, tables):
        rows = queries.listed(connection, tables, states, since, limit)
    if as_json:
        click.echo(json.dumps([_as_dict(each) for each in rows], indent=2))
        return
    for row in rows:
        click.echo(
            f"{row['id']}  {row['state']}  {row['mailer']}  attempts: {row['attempts']}"
            f"  {_times(row)}  {printable(row['error'] or row['response'])}".rstrip()
        )


@click.command("show")
@click.argument("number", type=int)
@click.option("--content", is_flag=True, help="Show the message too, with its addresses.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with times in UTC.")
@of_queue
@with_appcontext
def show(number: int, content: bool, as_json: bool, mailer: str | None) -> None:
    """Show a message and its attempts. Times are in the local time zone."""
    with transaction(mailer) as (connection, tables):
        row = queries.row(connection, tables, number)
        attempts = queries.attempts(connection, tables, number)
        contents = contents_in(mailer, row)
    if row is None:
        raise click.ClickException(f"The queue has no row {number}.")
    if as_json:
        _show_json(row, attempts, _content(row, contents) if content else None)
        return
    _show(row)
    for each in attempts:
        click.echo(
            f"attempt: {_local(each['at'])}  {each['outcome']}  {each['error']}"
            f"  {printable(each['response'])}".rstrip()
        )
    if content:
        click.echo(printable(_content(row, contents), lines=True))


def contents_in(mailer: str | None, row: Any) -> Contents:
    """Return the content of the queue to which a row belongs."""
    return contents_of(queues_in(mailer), "" if row is None else row["mailer"])


def printable(text: str, *, lines: bool = False) -> str:
    """Return text for a terminal: a reply may contain escape sequences."""
    kept = "\n\t" if lines else ""
    return "".join(each if each.isprintable() or each in kept else "?" for each in text)


def _content(row: Any, contents: Contents) -> str:
    """Return the message of a row, or what was kept of it."""
    if row["record"] is None:
        raise click.ClickException("The content was deleted.")
    try:
        kept = recipients_of(contents.read(row["record"]))
        if kept is not None:
            return "\n".join(f"recipient: {each}" for each in kept)
        return contents.mail_of(row["record"]).content.decode("utf-8", "replace")
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
    except (ValueError, MailError) as error:
        raise click.ClickException(f"The row cannot be read: {type(error).__name__}.") from None


def _show(row: Any) -> None:
    for name in _FIELDS:
        click.echo(f"{name}: {printable(str(row[name]))}")
    for name, column in _TIMES.items():
        if row[column] is not None:
            click.echo(f"{name}: {_local(row[column])}")
    for name in ("error", "response", "key", "peer_id", "reported"):
        if row[name]:
            click.echo(f"{name}: {printable(row[name])}")
    click.echo(f"content: {'deleted' if row['record'] is None else 'stored'}")


def _show_json(row: Any, attempts: Any, content: str | None) -> None:
    shown = {
        **_as_dict(row),
        **{name: row[name] for name in ("key", "peer_id", "reported")},
        "has_content": row["record"] is not None,
        "tried": [
            {"at": _utc(each["at"]), **{n: each[n] for n in ("outcome", "error", "response")}}
            for each in attempts
        ],
    }
    click.echo(json.dumps(shown if content is None else {**shown, "content": content}, indent=2))


def _as_dict(row: Mapping[Any, Any]) -> dict[str, Any]:
    # Without the key, which may contain an address.
    return {
        "id": row["id"],
        **{name: row[name] for name in (*_FIELDS, "error", "response")},
        **{name: _utc(row[column]) for name, column in _TIMES.items()},
    }


def _times(row: Mapping[Any, Any]) -> str:
    name = "due" if row["finished_at"] is None else "finished"
    return f"created: {_local(row['created_at'])}  {name}: {_local(row[_TIMES[name]])}"


def _local(microseconds: int) -> str:
    return moment(microseconds / SECOND).astimezone().isoformat(" ", "seconds")


def _utc(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    return moment(microseconds / SECOND).isoformat(timespec="seconds")
