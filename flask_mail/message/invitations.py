"""Calendar invitations (RFC 5545, RFC 6047)."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ..address.parser import parse_address, parse_addresses
from ..errors import ConfigurationError, MessageError
from ..mime.checks import check_text
from ..util.clocks import moment_of
from ..util.patterns import lazy_pattern
from ..util.text import describe, plain_text
from .header_fields import MAILTO_SAFE

if TYPE_CHECKING:
    from ..address.syntax import Address
    from .attachment import Attachment

EXTRA: Final = 'pip install "path/to/flask-mail[calendar]"'
NAME: Final = "invite.ics"
TYPE: Final = "application/ics"
_METHODS: Final = {"REQUEST": "CONFIRMED", "PUBLISH": "CONFIRMED", "CANCEL": "CANCELLED"}
_METHOD: Final = lazy_pattern(
    r"^METHOD:([A-Z-]{1,40})\r?$", re.ASCII | re.IGNORECASE | re.MULTILINE
)
_LINE_END: Final = lazy_pattern(r"\r\n|\r|\n")


def calendar_of(
    uid: str,
    start: object,
    end: object,
    summary: str,
    organizer: object,
    attendees: object,
    method: str,
    sequence: int,
    location: str | None,
    description: str | None,
    *,
    sent: object,
) -> bytes:
    """Return a calendar with one event; see :meth:`Message.invite`.

    :param sent: the date of the message, if it has one.
    """
    if method not in _METHODS:
        raise MessageError(
            f'The method {describe(method)} is not one of "REQUEST", "PUBLISH" and "CANCEL":'
            " use invite_from() for others."
        )
    if type(sequence) is not int or sequence < 0:
        raise MessageError(f"The sequence must be 0, 1, 2, ..., not {describe(sequence)}.")
    try:
        import icalendar  # the extra "calendar"
    except ImportError:
        raise ConfigurationError(f"invite() requires icalendar: {EXTRA}") from None
    event = icalendar.Event()
    event.add("uid", check_text(uid, "uid"))
    event.add("dtstamp", _stamp(sent))
    first, last = _moment(start, "start"), _moment(end, "end")
    if type(first) is not type(last) or not first < last:
        raise MessageError(
            "The end of an event must be later than its start, and of the same kind: both dates,"
            " or both datetimes."
        )
    event.add("dtstart", first)
    event.add("dtend", last)
    event.add("summary", check_text(summary, "summary"))
    event.add("sequence", sequence)
    event.add("status", _METHODS[method])
    for field, text in (("location", location), ("description", description)):
        if text is not None:
            check_text(_LINE_END.sub(" ", text), field)
            event.add(field, _LINE_END.sub("\n", text))
    event["organizer"] = _person(icalendar, parse_address(organizer, "organizer"))
    for guest in parse_addresses(attendees, "attendee"):
        person = _person(icalendar, guest)
        if method == "REQUEST":
            person.params.update(
                {"ROLE": "REQ-PARTICIPANT", "PARTSTAT": "NEEDS-ACTION", "RSVP": "TRUE"}
            )
        event.add("attendee", person, encode=False)
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Flask-Mail//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add_component(event)
    return calendar.to_ical()  # type: ignore[no-any-return]


def read(ics: str | bytes) -> tuple[str, str]:
    """Return the METHOD of iCalendar text, and the text with CRLF line ends.

    :raises MessageError: it is not a calendar with a METHOD.
    """
    try:
        text = str(ics, "utf-8-sig") if isinstance(ics, (bytes, bytearray)) else plain_text(ics)
    except UnicodeDecodeError:
        text = None
    text = text or ""
    found = _METHOD.search(text)
    if not text.lstrip().upper().startswith("BEGIN:VCALENDAR") or found is None:
        raise MessageError(
            "An invitation must be iCalendar text in UTF-8, from BEGIN:VCALENDAR on, with a"
            " METHOD such as REQUEST (RFC 6047 section 2.4)."
        )
    return found[1].upper(), _LINE_END.sub("\r\n", text)


def is_calendar(subtype: object) -> bool:
    """Return True if an alternative is a calendar."""
    return str(subtype).partition(";")[0].strip().lower() in ("calendar", "text/calendar")


def is_invitation(attachment: Attachment) -> bool:
    """Return True if an attachment is that of an invitation."""
    return (attachment.filename, attachment.content_type) == (NAME, TYPE)


def _moment(value: object, field: str) -> Any:
    """Return a datetime in UTC, which needs no description of its time zone, or a date."""
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise MessageError(
                f"The {field} of an event needs a time zone: use a datetime with tzinfo."
            )
        return value.astimezone(timezone.utc)
    if not isinstance(value, date):
        raise MessageError(
            f"The {field} of an event must be a datetime or a date, not {describe(value)}."
        )
    return value


def _stamp(sent: Any) -> datetime:
    if isinstance(sent, datetime):
        return sent.astimezone(timezone.utc)
    if sent is None:
        return datetime.now(timezone.utc)
    return moment_of(sent)


def _person(icalendar: Any, address: Address) -> Any:
    # RFC 6068 section 2: what is not encoded here means nothing else in a URI.
    person = icalendar.vCalAddress(
        f"mailto:{quote(address.local, safe=MAILTO_SAFE)}@{address.domain}"
    )
    if address.name:
        person.params["CN"] = address.name.replace('"', "'")  # RFC 5545 section 3.2: no quotes
    return person
