"""View model of a page: a message or preview, with the URLs of its pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from flask import abort, current_app, request, url_for

from ..backends.values import StoredMessage
from . import previews
from .backlog import backlog, entry_of
from .inbox import read
from .parameters import RESERVED
from .rendered import ParsedContent

if TYPE_CHECKING:
    from ..backends.values import QueuedMessage
    from ..events.values import DeliveryEvent
    from ..receipt import Envelope
    from .inbox import Inbox

MESSAGES: Final = "messages"
PREVIEWS: Final = "previews"
QUEUE: Final = "queue"
LOCATION: Final = f"/<any({MESSAGES}, {PREVIEWS}, {QUEUE}):where>/<path:name>"
_TOKEN: Final = re.compile(r"""[^\s<>,;:"()]+""")


@dataclass(frozen=True)
class Shown:
    """A message that is looked at."""

    where: str
    name: str
    locale: str | None
    moment: datetime
    stored: StoredMessage
    parsed: ParsedContent
    error: str
    mailer: str = ""
    """Its mailer, if the app has several."""
    outcome: str = "sent"
    reason: str = ""
    """The reason if it was not sent."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """The arguments of a preview, from the URL."""
    queued: QueuedMessage | None = None
    """The message in a queue."""
    events: Sequence[DeliveryEvent] = ()
    """Reports of its service about it."""

    def url(self, endpoint: str, **arguments: object) -> str:
        """Return the address of a page about this message."""
        given: dict[str, Any] = {key: each for key, each in arguments.items() if each != ""}
        given.setdefault("locale", self.locale)
        if self.where == MESSAGES:
            given |= place()
        url = url_for(f".{endpoint}", where=self.where, name=self.name, **given)
        if not self.parameters:
            return url
        # One of them may be called like an argument of url_for().
        return f"{url}{'&' if '?' in url else '?'}{urlencode(self.parameters)}"

    @property
    def envelope(self) -> Envelope | None:
        return self.stored.envelope

    @property
    def blind(self) -> list[str]:
        """The recipients that are not in the headers."""
        named = f"{self.parsed.header('to')} {self.parsed.header('cc')}".casefold()
        tokens = set(_TOKEN.findall(named))
        recipients = self.envelope.recipients if self.envelope else ()
        return [each for each in recipients if each.casefold() not in tokens]

    @property
    def is_redirected(self) -> bool:
        """True if recipients were redirected; those missing from the headers are then new."""
        return bool(self.parsed.header("x-original-to"))

    @property
    def is_preview(self) -> bool:
        return self.where == PREVIEWS


def inbox_here() -> Inbox:
    """Return the inbox that the current app serves: its own, or that of the app it is beside."""
    inbox: Inbox = current_app.extensions["mail_inbox"]
    return inbox


def place() -> dict[str, Any]:
    """Return the arguments of the search and the page of the list that the request belongs to."""
    return {name: request.values.get(name, "").strip() or None for name in ("q", "before")}


def find(where: str, name: str) -> Shown:
    """Return what is at an address, or answer that there is nothing."""
    if where == PREVIEWS:
        return _preview(name)
    return _queued(name) if where == QUEUE else message(name)


def message(name: str) -> Shown:
    """Return a message of the inbox, or answer that it is gone."""
    found = inbox_here().get(name)
    if found is None:
        abort(404, "This message does not exist or was deleted.")
    entry, stored = found
    parsed = ParsedContent.of(stored.content)
    received = inbox_here().app.extensions.get("mail_events")
    return Shown(
        *(MESSAGES, name, None, entry.kept.date, stored, parsed),
        error=stored.error or parsed.error,
        mailer=(stored.mailer or entry.mailer) if inbox_here().has_mailers else "",
        outcome=entry.outcome,
        reason=entry.reason,
        events=received.about(parsed.header("message-id").strip()) if received else (),
    )


def queued_message(name: str) -> tuple[QueuedMessage, str]:
    """Return a message of a queue and the name of its backend, or answer that it is gone."""
    found = [each for each in backlog(inbox_here().state) if each[0].id == name]
    if not found:
        abort(404, "This message is not in the queue any more.")
    return found[0]


def base_url() -> str:
    """Return the URL of the app, for the links of previews: the root of the mount."""
    return request.host_url if inbox_here().app is not current_app else request.url_root


def _queued(name: str) -> Shown:
    found, backend = queued_message(name)
    entry = entry_of(found, backend)
    stored = read(entry.kept) or StoredMessage(b"", error="The content was deleted.")
    parsed = ParsedContent.of(stored.content)
    return Shown(
        *(QUEUE, name, None, found.date, stored, parsed),
        error=stored.error or parsed.error,
        mailer=found.mailer,
        outcome=found.state,
        reason=found.reason,
        queued=found,
    )


def _preview(name: str) -> Shown:
    locale = request.args.get("locale") or None
    inbox = inbox_here()
    given = {key: each for key, each in request.args.items() if key not in RESERVED}
    sample = previews.make(inbox, name, locale, base_url(), given)
    if sample is None:
        abort(404, "This preview does not exist.")
    parsed = ParsedContent.of(sample.stored.content)
    return Shown(
        *(PREVIEWS, name, locale, sample.moment, sample.stored, parsed),
        error=sample.problem or parsed.error,
        parameters=given,
    )
