"""The events of Postmark. Pure.

https://postmarkapp.com/developer/webhooks/webhooks-overview
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from hashlib import sha256
from typing import Any, Final

from flask_mail.backends import DeliveryEvent, EventKind

from .payload import ID_FIELD

# Types of bounces, which are reported by one kind of event.
_KINDS: Final = {
    **dict.fromkeys(("AutoResponder", "Subscribe", "AddressChange"), EventKind.OTHER),
    **dict.fromkeys(("OpenRelayTest", "ChallengeVerification"), EventKind.OTHER),
    **dict.fromkeys(("InboundError", "Unconfirmed"), EventKind.OTHER),
    **dict.fromkeys(("Transient", "DnsError"), EventKind.DELAYED),
    "SpamComplaint": EventKind.COMPLAINED,
    **dict.fromkeys(("SMTPApiError", "TemplateRenderingFailed"), EventKind.REFUSED),
    "ManuallyDeactivated": EventKind.REFUSED,
    "Unsubscribe": EventKind.UNSUBSCRIBED,
}
_NOT_RECIPIENTS: Final = frozenset({"Customer", "Admin"})
_PERMANENT: Final = frozenset({"HardBounce", "BadEmailAddress"})


def events_in(found: Mapping[str, Any]) -> Iterator[DeliveryEvent]:
    """Yield the event in a request, decoded from JSON."""
    record = _text(found, "RecordType")
    reason, permanent = "", False
    kind = EventKind.OTHER
    if record == "Delivery":
        kind = EventKind.DELIVERED
    elif record in ("Bounce", "SpamComplaint"):
        bounce = _text(found, "Type") or record
        kind = _KINDS.get(bounce, EventKind.BOUNCED)
        permanent = bounce in _PERMANENT
        reason = f"{bounce} {_text(found, 'Description')}".strip()
    elif record == "SubscriptionChange" and found.get("SuppressSending") is True:
        reason = _text(found, "SuppressionReason")
        # Hard bounces and complaints are reported by events of their own, and the sender, or
        # Postmark, suppresses an address without the recipient's wish.
        if reason == "ManualSuppression" and _text(found, "Origin") not in _NOT_RECIPIENTS:
            kind = EventKind.UNSUBSCRIBED
    tag = _text(found, "Tag")
    given = found.get("Metadata")
    metadata = (
        {str(name): str(each) for name, each in given.items()} if isinstance(given, dict) else {}
    )
    number = metadata.pop(ID_FIELD, "")
    yield DeliveryEvent(
        kind,
        _time(found),
        id=_id(record, found),
        message_id=number and f"<{number}>",
        peer_id=_text(found, "MessageID"),
        recipient=_text(found, "Recipient", "Email"),
        permanent=permanent,
        reason=reason or record,
        response=_text(found, "Details"),
        tags=(tag,) if tag else (),
        metadata=metadata,
        raw=found,
    )


def _id(record: str, found: Mapping[str, Any]) -> str:
    """Return the id of a bounce or complaint; the others have none, so it is made from them.

    Not from the time of the event, which is the present one if it is missing.
    """
    number = found.get("ID")
    if isinstance(number, int) and number:
        return f"{record}-{number}"
    return sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:32]


def _text(found: Mapping[str, Any], *names: str) -> str:
    """Return the first of several fields that is text."""
    return next(
        (value for name in names if isinstance(value := found.get(name), str) and value), ""
    )


def _time(found: Mapping[str, Any]) -> datetime:
    text = _text(found, "DeliveredAt", "BouncedAt", "ChangedAt", "ReceivedAt")
    # Python 3.10 reads neither a Z nor seven digits of a second.
    whole, _, rest = text.replace("Z", "+00:00").partition(".")
    zone = rest.lstrip("0123456789")
    try:
        return datetime.fromisoformat(whole + zone)
    except ValueError:
        return datetime.now(timezone.utc)
