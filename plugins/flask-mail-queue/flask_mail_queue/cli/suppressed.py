"""The command ``flask mail suppressed``."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timezone
from typing import Any, Final

import click
from flask.cli import with_appcontext

from ..feedback.suppression_list import ALL_LISTS, Entry, Reason, add, listed, remove
from .options import of_queue, read_seconds, transaction

# In the domain none of what separates the columns of a file.
_ADDRESS: Final = re.compile(r"""[^\s@<>]+@[^\s@<>,;:|"']+""")
_COLUMNS: Final = {
    **dict.fromkeys(("address", "email", "email address", "recipient"), "address"),
    **dict.fromkeys(("reason", "type"), "reason"),
    **dict.fromkeys(("scope", "list"), "scope"),
}
_MAX_ADDRESS: Final = 320
_AT_ONCE: Final = 500
_REASONS: Final = [each.value for each in Reason]

of_list = click.option("--scope", metavar="LIST", help="Only for the mail of this mailing list.")
of_reason = click.option("--reason", type=click.Choice(_REASONS), default=Reason.MANUAL.value)
ending = click.option("--for", "lifetime", callback=read_seconds, help="End it, such as after 90d.")


@click.group("suppressed")
def suppressed() -> None:
    """Look after the addresses that get no mail."""


@suppressed.command("list")
@click.argument("address", required=False)
@of_list
@click.option("--reason", type=click.Choice(_REASONS))
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True)
@of_queue
@with_appcontext
def show(
    address: str | None,
    scope: str | None,
    reason: str | None,
    limit: int,
    as_json: bool,
    mailer: str | None,
) -> None:
    """List suppressed addresses, the newest first."""
    with transaction(mailer) as (connection, tables):
        found = listed(connection, tables, address=address, scope=scope, reason=reason, most=limit)
    if as_json:
        click.echo(json.dumps([_as_dict(each) for each in found], indent=2))
        return
    for each in found:
        end = "" if each.until is None else f"  until {_time(each.until)}"
        source = f"  {each.source}" if each.source else ""
        click.echo(f"{each.address}  {each.scope}  {each.reason}  {_time(each.since)}{end}{source}")


def _as_dict(entry: Entry) -> dict[str, Any]:
    until = None if entry.until is None else _time(entry.until)
    return {**vars(entry), "since": _time(entry.since), "until": until}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


@suppressed.command("add")
@click.argument("addresses", nargs=-1, required=True)
@of_list
@of_reason
@ending
@of_queue
@with_appcontext
def add_addresses(
    addresses: tuple[str, ...],
    scope: str | None,
    reason: str,
    lifetime: float | None,
    mailer: str | None,
) -> None:
    """Send no more mail to addresses."""
    for each in addresses:
        if not _is_address(each):
            problem = f"{each!r} is not an address such as ann@example.com."
            raise click.BadParameter(problem, param_hint="'ADDRESSES'")
    with transaction(mailer) as (connection, tables):
        for each in addresses:
            add(
                *(connection, tables, each, Reason(reason)),
                scope=scope or ALL_LISTS,
                source="command",
                lifetime=lifetime,
            )
    click.echo(f"Added: {len(addresses)}")


@suppressed.command("remove")
@click.argument("addresses", nargs=-1, required=True)
@of_list
@of_queue
@with_appcontext
def remove_addresses(addresses: tuple[str, ...], scope: str | None, mailer: str | None) -> None:
    """Send mail to addresses again."""
    with transaction(mailer) as (connection, tables):
        missing = [each for each in addresses if not remove(connection, tables, each, scope)]
    click.echo(f"Removed: {len(addresses) - len(missing)}")
    if missing:
        raise click.ClickException(f"Not on the list: {', '.join(missing)}.")


@suppressed.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@of_list
@of_reason
@ending
@of_queue
@with_appcontext
def import_addresses(
    file: Iterable[str],
    scope: str | None,
    reason: str,
    lifetime: float | None,
    mailer: str | None,
) -> None:
    """Add the addresses in a file.

    It has one on each line, or is CSV with a column "address" or "email", and perhaps with columns
    "reason" and "scope" too. "-" reads the standard input.
    """
    count = 0
    wrong: list[str] = []
    try:
        rows = list(_rows(file, wrong))
    except (UnicodeError, csv.Error) as error:
        raise click.ClickException(f"The file is not CSV in UTF-8: {error}.") from None
    with _progress(range(0, len(rows), _AT_ONCE)) as parts:
        for first in parts:  # each in a transaction, as workers wait for it
            with transaction(mailer) as (connection, tables):
                for row in rows[first : first + _AT_ONCE]:
                    add(
                        *(connection, tables, row["address"], _reason_of(row, reason)),
                        scope=row.get("scope") or scope or ALL_LISTS,
                        source="import",
                        lifetime=lifetime,
                    )
                    count += 1
    click.echo(f"Added: {count}")
    if wrong:
        raise click.ClickException(f"Not addresses: {', '.join(wrong)}.")


def _progress(parts: Sequence[int]) -> AbstractContextManager[Iterable[int]]:
    """Return a progress bar for the parts, if standard error is a terminal."""
    if len(parts) < 2 or not _is_terminal(sys.stderr):
        return nullcontext(parts)
    return click.progressbar(parts, label="Adding", file=sys.stderr)


def _is_terminal(stream: Any) -> bool:
    return stream is not None and bool(stream.isatty())  # None in a job without output


def _rows(file: Iterable[str], wrong: list[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of a file with an address, and note the lines that have none."""
    names = ["address"]
    for number, cells in enumerate(csv.reader(file), 1):
        values = [each.strip() for each in cells]
        if not any(values) or values[0].startswith("#"):
            continue
        known = [_COLUMNS.get(each.lower(), "") for each in values]
        if number == 1 and "address" in known:
            names = known
            continue
        row = dict(zip(names, values, strict=False))
        if _is_address(row.get("address", "")):
            yield row
        else:
            wrong.append(f"line {number}")


def _reason_of(row: dict[str, str], default: str) -> Reason:
    given = row.get("reason", "").lower()
    return Reason(given if given in _REASONS else default)


def _is_address(text: str) -> bool:
    return len(text) <= _MAX_ADDRESS and text.isprintable() and bool(_ADDRESS.fullmatch(text))
