"""The events of Resend. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parseaddr
from typing import Any, Final

from flask_mail.backends import DeliveryEvent, EventKind

from .payload import ID_TAG

_KINDS: Final = {
    "email.bounced": EventKind.BOUNCED,
    "email.complained": EventKind.COMPLAINED,
    "email.delivered": EventKind.DELIVERED,
    "email.delivery_delayed": EventKind.DELAYED,
    "email.failed": EventKind.REFUSED,
    "email.suppressed": EventKind.REFUSED,
}
_DETAILS: Final = ("bounce", "failed", "suppressed")
_SUPPRESSED: Final = frozenset({"Suppressed", "OnAccountSuppressionList"})
"""Subtypes of bounces for messages that Resend has not sent."""
_SAID: Final = "suppressed sending"
"""In the text of such a bounce, as Resend has written it before it had subtypes."""


def event_of(number: str, found: Mapping[str, Any], *, mailer: str, backend: str) -> DeliveryEvent:
    """Return an event as Flask-Mail reports it.

    :param number: the id of the request, which is the same for repeats.
    :param found: the event, decoded from JSON.
    """
    name = str(found.get("type", ""))
    data = _mapping(found.get("data"))
    kind = _KINDS.get(name, EventKind.OTHER)
    details = next((each for field in _DETAILS if (each := _mapping(data.get(field)))), {})
    reason = " ".join(
        str(details[each])
        for each in ("type", "subType", "message", "reason")
        if isinstance(details.get(each), str)
    )
    is_suppressed = str(details.get("subType")) in _SUPPRESSED or _SAID in reason
    if kind is EventKind.BOUNCED and is_suppressed:
        kind = EventKind.REFUSED
    if name == "contact.updated" and data.get("unsubscribed") is True:
        kind = EventKind.UNSUBSCRIBED
    tags = _tags(data.get("tags"))
    message_id, _, count = _decoded(tags.pop(ID_TAG, "")).partition(" ")
    return DeliveryEvent(
        kind,
        _time(found.get("created_at")),
        id=number,
        message_id=message_id,
        peer_id=str(data.get("email_id") or ""),
        recipient="" if count else _recipient(data),
        permanent=kind is EventKind.BOUNCED and details.get("type") == "Permanent",
        reason=reason,
        response=_response(details.get("diagnosticCode")),
        # A tag has this value, and so has metadata that is True: Resend has one kind of both.
        tags=tuple(key for key, value in tags.items() if value == "true"),
        metadata=tags,
        mailer=mailer,
        backend=backend,
        raw=found,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _tags(value: object) -> dict[str, str]:
    """Return tags by name; Resend documents a list of names and values, and sends an object."""
    if isinstance(value, list):
        value = {each.get("name"): each.get("value") for each in map(_mapping, value)}
    return {str(name): str(each) for name, each in _mapping(value).items() if name}


def _recipient(data: Mapping[str, Any]) -> str:
    """Return the recipient, unless there are several: the event does not say which one it is."""
    several = data.get("to") or data.get("email")
    given = several if isinstance(several, list) else [several]
    headers = data.get("headers")
    names = {
        str(_mapping(each).get("name")).lower()
        for each in (headers if isinstance(headers, list) else ())
    }
    if len(given) != 1 or data.get("cc") or data.get("bcc") or names & {"cc", "bcc"}:
        return ""
    return parseaddr(str(given[0] or ""))[1]


def _response(lines: object) -> str:
    """Return the reply of the recipient's server, without the type in front (RFC 3464)."""
    given = [each for each in lines if isinstance(each, str)] if isinstance(lines, list) else []
    return " ".join(each.strip().removeprefix("smtp;").strip() for each in given)


def _decoded(tag: str) -> str:
    try:
        return base64.urlsafe_b64decode(f"{tag}{'=' * (-len(tag) % 4)}").decode()
    except ValueError:  # of another program
        return ""


def _time(value: object) -> datetime:
    try:
        # Python 3.10 does not read a Z.
        return datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return datetime.now(timezone.utc)
