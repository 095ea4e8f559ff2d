"""Events of Amazon SES, in the two forms of its notifications and of its event publishing.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple

from flask_mail.backends import DeliveryEvent, EventKind

from .sns import moment_of

# The field with the details of an event, by its name.
_DETAILS: Final = {
    "Bounce": "bounce",
    "Complaint": "complaint",
    "Delivery": "delivery",
    "DeliveryDelay": "deliveryDelay",
    "Reject": "reject",
    "Send": "send",
    "Subscription": "subscription",
}
# Subtypes of bounces and complaints for messages that Amazon SES has not sent.
_SUPPRESSED: Final = frozenset(
    {
        *("Suppressed", "OnAccountSuppressionList", "OnTenantSuppressionList"),
        "EmailValidationSuppressed",
    }
)
_LEFT_LIST: Final = "UnsubscribedRecipient"
"""The same for a contact list that the recipient has left: other mail may reach it."""
# Reports about authentication, and that a message was no spam (RFC 5965, RFC 6591).
_NO_COMPLAINT: Final = frozenset({"auth-failure", "not-spam"})


class _Found(NamedTuple):
    kind: EventKind
    recipients: list[Any]
    """Addresses, or tables with ``emailAddress``."""
    reason: str = ""
    response: str = ""
    permanent: bool = False


def events_in(notice: Mapping[str, str]) -> Iterator[DeliveryEvent]:
    """Yield an event for each recipient in a notification of Amazon SNS."""
    try:
        about = _table(json.loads(notice["Message"]))
    except (ValueError, RecursionError):
        about = {}
    name = _text(about.get("eventType") or about.get("notificationType"))
    if not name:
        return  # of another program, or that with which Amazon SES tries the topic
    mail, detail = _table(about.get("mail")), _table(about.get(_DETAILS.get(name, "")))
    found = _read(name, detail, mail)
    number = _text(detail.get("feedbackId")) or notice["MessageId"]
    at = moment_of(_text(detail.get("timestamp"))) or moment_of(notice["Timestamp"])
    for place, recipient in enumerate(found.recipients):
        fields = _table(recipient)
        yield DeliveryEvent(
            found.kind,
            at or datetime.now(timezone.utc),
            f"{number}-{place}",
            _message_id(mail),
            _text(mail.get("messageId")),
            _text(fields.get("emailAddress")) or _text(recipient),
            found.permanent,
            found.reason,
            found.response or _response(fields),
            *_tags(mail),
            raw=about,
        )


def _read(name: str, detail: Mapping[str, Any], mail: Mapping[str, Any]) -> _Found:
    all_recipients = _list(mail.get("destination"))
    if name == "Bounce":
        kind, subtype = _text(detail.get("bounceType")), _text(detail.get("bounceSubType"))
        return _Found(
            EventKind.REFUSED if subtype in {*_SUPPRESSED, _LEFT_LIST} else EventKind.BOUNCED,
            _list(detail.get("bouncedRecipients")) or _only(all_recipients),
            f"{kind} {subtype}".strip(),
            permanent=kind == "Permanent" and subtype != _LEFT_LIST,
        )
    if name == "Complaint":
        recipients = _list(detail.get("complainedRecipients")) or all_recipients
        kind, subtype = (
            _text(detail.get(each)) for each in ("complaintFeedbackType", "complaintSubType")
        )
        if subtype in _SUPPRESSED:
            return _Found(EventKind.REFUSED, recipients, kind or subtype)
        # They are all recipients at the provider from which it comes, which hides who it was.
        found = EventKind.OTHER if kind in _NO_COMPLAINT else EventKind.COMPLAINED
        return _Found(found, _only(recipients), kind or subtype)
    if name == "Delivery":
        recipients = _list(detail.get("recipients")) or _only(all_recipients)
        return _Found(EventKind.DELIVERED, recipients, response=_text(detail.get("smtpResponse")))
    if name == "DeliveryDelay":
        recipients = _list(detail.get("delayedRecipients")) or _only(all_recipients)
        return _Found(EventKind.DELAYED, recipients, _text(detail.get("delayType")))
    if name == "Reject":
        return _Found(EventKind.REFUSED, all_recipients or [""], _text(detail.get("reason")))
    kind = EventKind.UNSUBSCRIBED if _has_left_all(detail) else EventKind.OTHER
    return _Found(kind, _only(all_recipients), name)


def _only(recipients: list[Any]) -> list[Any]:
    """Return the recipient, unless there are several: the event does not say which one it is."""
    return recipients if len(recipients) == 1 else [""]


def _has_left_all(detail: Mapping[str, Any]) -> bool:
    return _table(detail.get("newTopicPreferences")).get("unsubscribeAll") is True


def _response(recipient: Mapping[str, Any]) -> str:
    """Return the reply of the recipient's server, without the type in front (RFC 3464)."""
    reply = _text(recipient.get("diagnosticCode")) or _text(recipient.get("status"))
    kind, _, rest = reply.partition(";")
    return rest.strip() if kind.strip().lower() == "smtp" else reply


def _message_id(mail: Mapping[str, Any]) -> str:
    """Return our Message-ID, if the notifications contain the original headers."""
    headers = [_table(each) for each in _list(mail.get("headers"))]
    return next(
        (
            _text(each.get("value")).strip()
            for each in headers
            if _text(each.get("name")).lower() == "message-id"
        ),
        "",
    )


def _tags(mail: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the tags and metadata; a tag is sent as a message tag with the value ``true``."""
    given = {
        name: _text(values[0])
        for name, each in _table(mail.get("tags")).items()
        if (values := _list(each)) and not name.startswith("ses:")
    }
    tags = tuple(name for name, value in given.items() if value == "true")
    return tags, {name: value for name, value in given.items() if name not in tags}


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
