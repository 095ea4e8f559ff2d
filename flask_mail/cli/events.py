"""``flask mail events``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
from flask import current_app
from flask.cli import with_appcontext

from ..errors import MailError
from ..extension.event_sources import event_sources
from ..extension.events import events_prefix
from ..inbox.sources import backends_in_use
from .context import mail_state
from .output import say, say_json, say_table

if TYPE_CHECKING:
    from flask import Flask

    from ..events import DeliveryEvent
    from ..extension.event_sources import Source
    from ..extension.state import _Mail

_HEADING = ("MAILER", "BACKEND", "ADDRESS", "LAST EVENT")


@dataclass(frozen=True)
class _Row:
    mailer: str
    backend: str
    address: str | None
    """The URL, or the path if the app does not know its host."""
    missing: str | None
    """The setting without which there is no address."""
    last: dict[str, str] | None
    """The last event that this process has received, or a backend has stored."""

    @property
    def cells(self) -> tuple[str, str, str, str]:
        last = f"{self.last['at']} {self.last['kind']}" if self.last else ""
        return self.mailer, self.backend, self.address or f"set {self.missing}", last


@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@click.pass_context
@with_appcontext
def list_events(context: click.Context, as_json: bool) -> None:
    """List the addresses for events, such as bounces.

    The last event is that of this process, or of a backend that stores events, such as a queue. Of
    others, look where receivers of email_reported store them, or in the log of the service.
    """
    if context.invoked_subcommand is not None:
        return
    with mail_state() as state:
        sources = event_sources(state.selection).values()
        last = _last(state)
        rows = [_row(state, each, last.get(each.mailer)) for each in sources if each.key]
    if as_json:
        say_json({"events": [asdict(row) for row in rows]})
    elif rows:
        say_table([_HEADING, *(row.cells for row in rows)])
    else:
        say("No mailer has a backend that can read events: `flask mail mailers` lists them.")


@click.argument("mailer")
@click.argument("url")
def confirm_events(mailer: str, url: str) -> None:
    """Confirm that a service may send events to MAILER.

    URL is the address that the service has sent for this, as Amazon SNS does. The endpoint logs it.
    """
    with mail_state() as state:
        able = {each.mailer: each for each in event_sources(state.selection).values() if each.key}
        # The log of a backend with flat settings names it by that.
        by_backend = {each.backend: each for each in able.values()}
        source = able.get(mailer) or by_backend.get(mailer)
        if source is None or not source.is_open:
            raise click.BadParameter(
                f"{mailer!r} receives no events. Mailers that can: {', '.join(able) or 'none'}.",
                param_hint="'MAILER'",
            )
        try:
            state.selection.build(source.reference).confirm_events(url)
        except MailError as error:
            raise click.ClickException(str(error)) from None
    say(f"Mailer {mailer!r}: the service may send events now.")


def _last(state: _Mail) -> dict[str, DeliveryEvent]:
    """Return the last event of each mailer."""
    received = (state.app or current_app).extensions.get("mail_events")
    found: dict[str, DeliveryEvent] = dict(received.last) if received is not None else {}
    for backend, _ in backends_in_use(state, []):
        try:
            stored = list(backend.last_events())
        except MailError as error:
            say(f"The events that are stored cannot be read: {error}", err=True)
            continue
        for each in stored:
            found[each.mailer] = max(each, found.get(each.mailer, each), key=attrgetter("at"))
    return found


def _row(state: _Mail, source: Source, last: DeliveryEvent | None) -> _Row:
    app: Any = state.app or current_app
    prefix = events_prefix(app)
    missing = None if source.is_open else source.key
    if prefix is None:
        missing = "MAIL_EVENTS"
    return _Row(
        source.mailer,
        source.backend,
        _address(app, f"{prefix}/{quote(source.mailer, safe='')}") if missing is None else None,
        missing,
        None if last is None else {"at": last.at.isoformat(), "kind": last.kind.value},
    )


def _address(app: Flask, path: str) -> str:
    host = app.config.get("SERVER_NAME")
    path = f"{(app.config.get('APPLICATION_ROOT') or '/').rstrip('/')}{path}"
    return f"{app.config.get('PREFERRED_URL_SCHEME') or 'http'}://{host}{path}" if host else path
