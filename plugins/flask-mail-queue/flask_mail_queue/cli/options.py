"""Options, errors and transactions of the commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import current_app
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from flask_mail import MailError

from ..backend import QueueBackend
from ..database.schema import Tables
from ..database.store import Store, describe_failure
from ..queues import queues_of

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def read_seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Read a time such as ``55s``, ``1h`` or ``30d``."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not a time such as 55s, 10m, 1h or 30d.")
    return float(found[1]) * _UNITS[found[2] or "s"]


of_queue = click.option("--queue", "mailer", help="The mailer, if there are several databases.")


@contextmanager
def errors() -> Iterator[None]:
    try:
        yield
    except MailError as error:
        raise click.ClickException(str(error)) from None
    except SQLAlchemyError as error:
        raise click.ClickException(
            f"The database of the queue fails ({describe_failure(error)}): does it respond, and"
            " has `flask mail queue create` been run?"
        ) from None


def queues_in(mailer: str | None) -> list[QueueBackend]:
    if "mail" not in current_app.extensions:
        raise click.ClickException("This app has no Mail: call Mail(app).")
    return queues_of(current_app._get_current_object(), mailer)  # type: ignore[attr-defined]  # noqa: SLF001


def store_of(mailer: str | None) -> Store:
    return queues_in(mailer)[0].store


@contextmanager
def transaction(mailer: str | None) -> Iterator[tuple[Connection, Tables]]:
    """Yield a connection to the database of the queue, and its tables."""
    with errors():
        store = store_of(mailer)
        with store.begin() as connection:
            yield connection, store.tables
