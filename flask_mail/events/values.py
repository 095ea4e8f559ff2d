"""Values of events, the same for every service."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any


class EventKind(str, Enum):
    """Kind of an event. A string, so that it can be encoded as JSON."""

    DELIVERED = "delivered"
    """The server of the recipient has accepted the message."""
    DELAYED = "delayed"
    """It could not be delivered yet, and the service tries again."""
    BOUNCED = "bounced"
    """The server of the recipient has rejected it; see :attr:`DeliveryEvent.permanent`."""
    REFUSED = "refused"
    """The service has not sent it, such as to a recipient on its suppression list."""
    COMPLAINED = "complained"
    """The recipient has reported it as spam."""
    UNSUBSCRIBED = "unsubscribed"
    """The recipient has unsubscribed by a page or header of the service."""
    OTHER = "other"
    """Anything else, such as an opened message or a link that was followed."""

    __str__ = Enum.__str__  # the same in each version of Python

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)  # Python 3.10 would take the value


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """Event about a message and one recipient, as a service has reported it.

    Services report an event at least once: :attr:`id` identifies repeats.
    """

    kind: EventKind
    at: datetime
    """The time of the event, with a time zone. One without a time zone is taken as UTC."""
    id: str = ""
    """The same for repeats of an event, and no others. By default, it is made from the message, the
    recipient, the kind and the time."""
    message_id: str = ""
    """The Message-ID as in ``Receipt.message_id``, in angle brackets; empty if it is not
    known."""
    peer_id: str = ""
    """The id of the service for the message, which is usually in :attr:`Receipt.response`."""
    recipient: str = ""
    """The address; empty if the event concerns no recipient in particular."""
    permanent: bool = False
    """True if no message will reach the recipient: the address does not exist."""
    reason: str = ""
    """The explanation of the service, such as its name for the kind of bounce."""
    response: str = ""
    """The reply of the recipient's server, such as ``"550 5.1.1 no such user"``."""
    tags: tuple[str, ...] = ()
    """The tags of the message, if the service returns them."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The metadata of the message, if the service returns them."""
    mailer: str = ""
    """The mailer that has sent the message; of a composite, one of its children. The endpoint sets
    it, so :meth:`.Backend.read_events` leaves it out."""
    backend: str = ""
    """The name of its backend, which the endpoint sets too."""
    raw: Any = field(default=None, repr=False, compare=False)
    """The event as the service has written it, decoded from JSON."""

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("kind", EventKind(self.kind))
        if self.at.tzinfo is None:
            put("at", self.at.replace(tzinfo=timezone.utc))
        if self.message_id and not self.message_id.startswith("<"):
            put("message_id", f"<{self.message_id}>")
        put("tags", tuple(self.tags))
        put("metadata", dict(self.metadata))
        if not self.id:
            about = (self.kind.value, self.at.timestamp(), self.message_id, self.peer_id)
            made_of = repr((*about, self.recipient)).encode("utf-8", "backslashreplace")
            put("id", hashlib.sha256(made_of).hexdigest()[:32])
