"""View model of a page: a message or preview, with the URLs of its pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from flask import abort, current_app, request, url_for

from . import previews as samples
from .rendered import Letter

if TYPE_CHECKING:
    from ..backends.values import StoredMessage
    from ..receipt import Envelope
    from .inbox import Inbox

MESSAGES: Final = "messages"
PREVIEWS: Final = "previews"
_TOKEN: Final = re.compile(r"""[^\s<>,;:"()]+""")


@dataclass(frozen=True)
class Shown:
    """A message that is looked at."""

    where: str
    name: str
    locale: str | None
    moment: datetime
    envelope: Envelope | None
    letter: Letter
    size: int
    error: str
    stored: StoredMessage | None = None
    """``None`` for a preview, which is not stored."""
    mailer: str = ""
    """Its mailer, if the app has several."""

    def url(self, endpoint: str, **arguments: object) -> str:
        """Return the address of a page about this message."""
        given: dict[str, Any] = {key: each for key, each in arguments.items() if each != ""}
        given.setdefault("locale", self.locale)
        return url_for(f".{endpoint}", where=self.where, name=self.name, **given)

    @property
    def blind(self) -> list[str]:
        """The recipients that are not in the headers."""
        named = f"{self.letter.header('to')} {self.letter.header('cc')}".casefold()
        tokens = set(_TOKEN.findall(named))
        recipients = self.envelope.recipients if self.envelope else ()
        return [each for each in recipients if each.casefold() not in tokens]

    @property
    def is_redirected(self) -> bool:
        """True if recipients were redirected; those missing from the headers are then new."""
        return bool(self.letter.header("x-original-to"))

    @property
    def is_preview(self) -> bool:
        return self.where == PREVIEWS


def inbox_here() -> Inbox:
    """Return the inbox that the current app serves: its own, or that of the app it is beside."""
    inbox: Inbox = current_app.extensions["mail_inbox"]
    return inbox


def find(where: str, name: str) -> Shown:
    """Return what is at an address, or answer that there is nothing."""
    return _preview(name) if where == PREVIEWS else message(name)


def message(name: str) -> Shown:
    """Return a message of the inbox, or answer that it is gone."""
    found = inbox_here().get(name)
    if found is None:
        abort(404, "This message does not exist or was deleted.")
    entry, stored = found
    letter = Letter.of(stored.content)
    return Shown(
        MESSAGES,
        name,
        None,
        entry.kept.date,
        stored.envelope,
        letter,
        stored.size,
        stored.error or letter.error,
        stored,
        (stored.mailer or entry.mailer) if inbox_here().has_mailers else "",
    )


def _preview(name: str) -> Shown:
    locale = request.args.get("locale") or None
    inbox = inbox_here()
    # Links of a preview point to the app, at the root of the mount.
    base_url = request.host_url if inbox.app is not current_app else request.url_root
    sample = samples.make(inbox, name, locale, base_url)
    if sample is None:
        abort(404, "This preview does not exist.")
    letter = Letter.of(sample.content)
    return Shown(
        PREVIEWS,
        name,
        locale,
        sample.moment,
        sample.envelope,
        letter,
        len(sample.content),
        sample.problem or letter.error,
    )
