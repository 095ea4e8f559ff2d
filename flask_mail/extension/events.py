"""The endpoint at which mail services report what has become of mail."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from traceback import walk_tb
from typing import TYPE_CHECKING, Final, cast

from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import HTTPException

from .. import _context
from ..config import table as settings
from ..config.message_settings import EVENTS
from ..delivery.signals import email_reported, propagates, reported
from ..errors import EventsRefused
from ..util.clocks import monotonic
from ..util.locks import ForkSafeLock
from ..util.text import remove_controls
from .csrf import exempt
from .development import is_developed
from .event_sources import event_sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..events.values import DeliveryEvent

BLUEPRINT: Final = "flask_mail_events"
MAX_SIZE: Final = 1024 * 1024  # octets
_QUIET: Final = 60.0  # seconds
_MOST_RECENT: Final = 500

_log = logging.getLogger("flask_mail")


class Received:
    """Memory of the endpoint of an app, in this process."""

    def __init__(self) -> None:
        self.clock = monotonic
        self.last: dict[str, DeliveryEvent] = {}
        """The newest event of each mailer."""
        self._recent: deque[DeliveryEvent] = deque(maxlen=_MOST_RECENT)
        self._warned: dict[object, float] = {}
        self._lock = ForkSafeLock()

    def note(self, app: Flask, event: DeliveryEvent) -> None:
        """Remember an event as the newest; in development, all recent ones, for the inbox."""
        self.last[event.mailer] = event
        if is_developed(app):
            self._recent.append(replace(event, raw=None))  # which may be large

    def about(self, message_id: str) -> list[DeliveryEvent]:
        """Return the recent events of a message, oldest first."""
        return [each for each in list(self._recent) if message_id and each.message_id == message_id]

    def warn(self, mailer: str, problem: str, about: object = None) -> None:
        """Log a warning, unless there was one for this mailer within a minute.

        Anyone can send requests, so they must not fill the log.

        :param about: what the warning is for, if not for the mailer.
        """
        with self._lock():
            if not self._is_due(about or mailer):
                return
        _log.warning(
            "Mailer %r: %s Further problems with its events are not logged for a minute.",
            mailer,
            remove_controls(problem),
        )

    def fail(self, mailer: str, error: Exception) -> None:
        """Log an error with its traceback; later, warnings of the same one."""
        problem = f"its events were not processed: {remove_controls(str(error) or repr(error))}"
        # Neither by its text, which may contain the request, nor by mailer: anyone chooses both.
        about = (type(error), *_origin(error))
        with self._lock():
            is_new = about not in self._warned and self._is_due(about)
        if is_new:
            _log.error("Mailer %r: %s", mailer, problem, exc_info=error)
        else:
            self.warn(mailer, problem, about)

    def _is_due(self, about: object) -> bool:
        now, before = self.clock(), self._warned.get(about)
        if before is not None and now - before < _QUIET:
            return False
        if len(self._warned) >= _MOST_RECENT:
            self._warned.clear()
        self._warned[about] = now
        return True


class _Headers(EnvironHeaders):
    """Headers whose values are not shown in tracebacks: that of a login is the secret."""

    def __repr__(self) -> str:
        return f"<headers: {', '.join(self.keys())}>"

    __str__ = __repr__


def _origin(error: Exception) -> tuple[str, int]:
    """Return the file and line that raised an error."""
    found = ("", 0)
    for frame, line in walk_tb(error.__traceback__):
        found = frame.f_code.co_filename, line
    return found


def events_prefix(app: Flask) -> str | None:
    """Return the URL prefix of the addresses for events, or ``None`` if there are none."""
    return settings.lookup(app.config, EVENTS) if BLUEPRINT in app.blueprints else None


def add_endpoint(app: Flask) -> None:
    """Add the endpoint to `app`, if ``MAIL_EVENTS`` is set."""
    prefix = settings.lookup(app.config, EVENTS)
    if prefix is None or BLUEPRINT in app.blueprints:
        return
    # The argument may be current_app, a proxy that is only valid in this context.
    app = getattr(app, "_get_current_object", lambda: app)()
    app.extensions["mail_events"] = Received()
    blueprint = Blueprint(BLUEPRINT, __name__)
    blueprint.add_url_rule(
        "/<path:mailer>", "receive", _receive, methods=["POST"], provide_automatic_options=False
    )
    app.register_blueprint(blueprint, url_prefix=prefix)
    exempt(app, BLUEPRINT)


def report(app: object, events: Iterable[DeliveryEvent]) -> Exception | None:
    """Signal events; return the first error of a receiver, after every receiver had each event."""
    errors = [reported(app, event) for event in events]
    return next((each for each in errors if each is not None), None)


def _receive(mailer: str) -> Response:
    app = cast("Flask", current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001
    received: Received = app.extensions["mail_events"]
    # Answers are made here, and not by abort(): a handler of the app could make them a success, and
    # the service would not send the events again.
    try:
        return Response(status=_status(app, received, mailer))
    except HTTPException as error:  # such as that of a service that hangs up
        return Response(status=error.code or 500)
    except EventsRefused as refusal:
        received.warn(mailer, f"a request with events was refused ({refusal.status}). {refusal}")
        return Response(status=refusal.status)
    except Exception as error:
        if propagates(app):
            raise
        received.fail(mailer, error)
        return Response(status=500)


def _status(app: Flask, received: Received, mailer: str) -> int:
    selection = _context.current_state().selection
    source = event_sources(selection).get(mailer)
    if source is not None and source.error is not None:
        raise source.error
    if source is None or not source.is_open:
        return 404
    body, headers = _body(), cast("Mapping[str, str]", _Headers(request.environ))
    read = selection.build(source.reference).read_events(headers, body)
    # All of them, before a receiver gets any. A backend does not know its name in the receipts if
    # its settings are flat.
    events = [replace(each, mailer=source.mailer, backend=source.backend) for each in read]
    for event in events:
        received.note(app, event)
    if events and not email_reported.has_receivers_for(app):
        received.warn(mailer, "no receiver of email_reported is connected, so its events are lost.")
    error = report(app, events)
    if error is None:
        return 204
    if propagates(app):
        raise error
    return 500  # and the service sends them again


def _body() -> bytes:
    """Return the octets of the request as they are.

    :raises EventsRefused: they are too many.
    """
    # Before 2.3, Werkzeug applied the limit of the app to forms only.
    most = min(MAX_SIZE, request.max_content_length or MAX_SIZE)
    length = request.content_length
    body = b""
    if length is None:  # then the app may not have read it, nor is all of it read here
        body = request.stream.read(most + 1)
    elif length <= most:
        body = request.get_data()  # not as a form
    if max(length or 0, len(body)) > most:
        raise EventsRefused(f"It is larger than {most} octets.", status=413)
    return body
