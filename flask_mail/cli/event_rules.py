"""Rules for the settings by which mail services report what becomes of mail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..config.message_settings import EVENTS
from ..delivery.signals import email_reported
from ..errors import ConfigurationError
from ..extension.event_sources import event_sources
from ..extension.events import events_prefix
from .finding import Finding

if TYPE_CHECKING:
    from ..extension.state import _Mail
    from .values import Entries


def judge_events(entries: Entries, state: _Mail) -> Iterator[Finding]:
    """Yield the reasons why events are not received, or lost."""
    try:
        sources = event_sources(state.selection).values()
        is_late = state.app is not None and events_prefix(state.app) is None
    except ConfigurationError:  # the rules of mailers and of kinds report it
        return
    able = [each for each in sources if each.key]
    if not entries.has(EVENTS):
        for each in able:
            if each.is_open:
                yield Finding(
                    "warning",
                    "unused-events",
                    (each.key,),
                    f"{each.key} is set, but no events are received: set {EVENTS} to a URL prefix"
                    ' such as "/mail-events".',
                )
        return
    if is_late:
        yield Finding(
            "error",
            "late-events",
            (EVENTS,),
            f"{EVENTS} must be set before Mail(app) or init_app(app), which adds its addresses.",
        )
    if not able:
        yield Finding(
            "warning",
            "no-events",
            (EVENTS,),
            f"{EVENTS} is set, but the backend of no mailer can read events.",
        )
    for each in able:
        if not each.is_open:
            yield Finding(
                "warning",
                "events-secret",
                (each.key,),
                f"The events of mailer {each.mailer!r} are not received: set {each.key}.",
            )
    if able and not email_reported.has_receivers_for(state.app):
        yield Finding(
            "warning",
            "lost-events",
            (EVENTS,),
            "Events are received and lost, because no receiver of email_reported is connected.",
        )
