"""Events about the messages of a test, as a mail service would report them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from flask import current_app, has_app_context

from ..delivery.signals import email_reported
from ..events import DeliveryEvent, EventKind
from ..extension.event_sources import Source, sources_of
from ..extension.events import report
from ..message.metadata import metadata_of, tags_of
from .report import listed
from .sent import Sent, key_of

if TYPE_CHECKING:
    from ..message.message import Message


def find(sent: Sequence[Sent], message: Message) -> Sent:
    """Return the newest of `sent` that is `message`, or a copy of it.

    :raises AssertionError: it was not sent.
    """
    __tracebackhide__ = True
    for each in reversed(sent):
        if each.message is message or each.message.msgId == message.msgId:
            return each
    raise AssertionError(f"The message was not sent in this test: {listed([str(message.subject)])}")


def events_about(
    sent: Sent, kind: EventKind | str, recipient: str | None, event_id: str | None, **fields: Any
) -> list[DeliveryEvent]:
    """Return an event for one recipient of a message, or for each of them.

    :raises AssertionError: the message has no such recipient.
    """
    __tracebackhide__ = True
    recipients = sent.envelope.recipients
    chosen = [each for each in recipients if recipient is None or key_of(each) == key_of(recipient)]
    if not chosen:
        raise AssertionError(
            f"{recipient} is not a recipient. The message has {listed(recipients)}."
        )
    source, now = _source_of(sent), datetime.now(timezone.utc)
    number = event_id or secrets.token_hex(8)
    return [
        DeliveryEvent(
            EventKind(kind),
            now,
            number if each == chosen[0] else f"{number}-{each}",
            sent.receipt.message_id,
            sent.receipt.response,
            each,
            tags=tags_of(sent.message),
            metadata=metadata_of(sent.message),
            mailer=source.mailer,
            backend=source.backend,
            **fields,
        )
        for each in chosen
    ]


def signal(sent: Sent, events: Sequence[DeliveryEvent]) -> None:
    """Signal `events` to every receiver, and raise the first error of one.

    :raises AssertionError: no receiver is connected.
    """
    __tracebackhide__ = True
    app = None if sent.selection is None else sent.selection.app
    if app is None and has_app_context():
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    if not email_reported.has_receivers_for(app):
        raise AssertionError("No receiver of email_reported is connected, so the event is lost.")
    # As in the request of a service, receivers have a context.
    with nullcontext() if app is None or has_app_context() else app.app_context():
        error = report(app, events)
    if error is not None:
        raise error


def _source_of(sent: Sent) -> Source:
    """Return the mailer whose service would report it: of several, the first."""
    name = sent.receipt.mailer
    if sent.selection is None or not name:  # a person has chosen a backend
        return Source(name, backend=sent.receipt.backend)
    return next(sources_of(sent.selection, name))
