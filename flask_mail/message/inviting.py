"""Methods of a message that invites to an event."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .message import AddressLike


class Inviting:
    """Mixin: calendar invitations; the code is imported when it is used first."""

    if TYPE_CHECKING:
        sender: Any
        recipients: Any
        cc: Any
        date: Any
        alts: Any
        attachments: Any

        def attach(self, filename: str, content_type: str, data: bytes) -> None: ...

    def invite(
        self,
        uid: str,
        start: date,
        end: date,
        summary: str,
        organizer: AddressLike | None = None,
        attendees: Iterable[AddressLike] | None = None,
        method: str = "REQUEST",
        sequence: int = 0,
        *,
        location: str | None = None,
        description: str | None = None,
    ) -> None:
        """Add an invitation to one event, which mail programs offer to accept.

        It needs the extra ``calendar``, and replaces an earlier invitation of this message.

        :param uid: identifies the event: the same for its changes and its cancellation.
        :param start: a datetime with a time zone, or a date for an event of whole days.
        :param end: of the same kind, later than `start`; the day after the last one for whole days.
        :param organizer: the sender by default.
        :param attendees: the To and Cc recipients by default.
        :param method: ``"REQUEST"``, ``"CANCEL"``, or ``"PUBLISH"`` for an event without answers.
        :param sequence: higher at each change of the event.
        :raises MessageError: a value is not valid.
        :raises ConfigurationError: the library icalendar is missing.
        """
        from .invitations import calendar_of

        calendar = calendar_of(
            uid,
            start,
            end,
            summary,
            self.sender if organizer is None else organizer,
            [*self.recipients, *self.cc] if attendees is None else attendees,
            method,
            sequence,
            location,
            description,
            sent=self.date,
        )
        self.invite_from(calendar)

    def invite_from(self, ics: str | bytes) -> None:
        """Add an invitation from iCalendar text, such as that of another library.

        It becomes an alternative ``text/calendar`` with its METHOD, which Gmail and Outlook show as
        an invitation, and an attachment ``invite.ics`` for other programs.

        :raises MessageError: it is not a calendar with a METHOD.
        """
        from .invitations import NAME, TYPE, is_calendar, is_invitation, read

        method, text = read(ics)
        for name in filter(is_calendar, list(self.alts)):
            del self.alts[name]
        self.attachments = [each for each in self.attachments if not is_invitation(each)]
        self.alts[f"calendar; method={method}"] = text
        self.attach(NAME, TYPE, text.encode())
