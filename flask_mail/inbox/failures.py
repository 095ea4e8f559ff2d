"""Messages that an app could not send, for its inbox: bounded, in memory."""

from __future__ import annotations

import contextlib
import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from ..backends.values import Kept, StoredMessage
from ..delivery.outgoing import Outgoing, canonical
from ..delivery.recent import Recent
from ..delivery.signals import email_failed
from ..receipt import Envelope
from ..util.text import clean_text
from .sources import Entry

if TYPE_CHECKING:
    from flask import Flask

    from ..delivery.recent import Delivered
    from ..message.message import Message
    from ..receipt import Receipt

_KEY = "mail_failures"
_NO_ENVELOPE = Envelope("", ())
_MOST_OCTETS = 8 * 1024 * 1024


class Failures:
    """Receiver of `email_failed` that remembers the messages of one app."""

    def __init__(self) -> None:
        self.recent = Recent(octets=_MOST_OCTETS)

    def __call__(self, app: object, message: Message, receipt: Receipt) -> None:
        if not getattr(message, "is_resent", False):  # the page of the inbox shows the error
            self.recent.add(
                _as_written(message, receipt),
                outcome=receipt.outcome.value,
                reason=_reason(receipt),
                backend=receipt.backend,
            )

    def entries(self) -> list[Entry]:
        """Return the messages, newest first."""
        return [
            Entry(
                *(each.id, _kept(self.recent, each), each.backend, each.mailer),
                outcome=each.outcome,
                reason=each.reason,
            )
            for each in reversed(self.recent.all())
        ]


def watch(app: Flask) -> None:
    """Remember the messages of `app` that fail from now on."""
    if _KEY not in app.extensions:
        # The signal refers to it weakly.
        app.extensions[_KEY] = failures = Failures()
        email_failed.connect(failures, sender=app)


def failures_of(app: Flask) -> Failures | None:
    """Return the failures of `app`, or ``None`` if it is not watched."""
    found: Failures | None = app.extensions.get(_KEY)
    return found


def _reason(receipt: Receipt) -> str:
    refused = [
        f"{address}: {each.code} {each.enhanced} {each.text}".replace("  ", " ")
        for address, each in receipt.refused.items()
    ]
    return clean_text("\n".join((receipt.reason or receipt.outcome.value, *refused)))


def _as_written(message: Message, receipt: Receipt) -> Outgoing:
    message = copy.copy(message)  # rendering sets its date
    # It failed, perhaps because it cannot be rendered.
    with contextlib.suppress(Exception):
        return Outgoing.of(message, mailer=receipt.mailer)
    try:
        octets = canonical(message.as_bytes())
    except Exception:  # noqa: BLE001 (the same)
        subject = " ".join(clean_text(str(getattr(message, "subject", ""))).split())
        octets = f"Subject: {subject}\r\n\r\n".encode()
    return Outgoing(_NO_ENVELOPE, octets, receipt.message_id, message, mailer=receipt.mailer)


def _kept(recent: Recent, failed: Delivered) -> Kept:
    return Kept(
        failed.id, failed.moment, partial(_read, failed), partial(recent.forget, [failed.id])
    )


def _read(failed: Delivered) -> StoredMessage:
    envelope: Any = failed.envelope
    return StoredMessage(
        failed.content or b"",
        envelope if envelope.recipients else None,
        failed.tags,
        failed.metadata,
        failed.size,
        "" if failed.content is not None else "This message is too large to be kept.",
        failed.mailer,
    )
