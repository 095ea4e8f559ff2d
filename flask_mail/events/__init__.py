"""Reports of mail services about messages that they have accepted, such as bounces."""

from ..errors import EventsRefused
from ..util.secret import EventsSecret
from .signatures import verify_basic_auth, verify_webhook
from .values import DeliveryEvent, EventKind

__all__ = [
    "DeliveryEvent",
    "EventKind",
    "EventsRefused",
    "EventsSecret",
    "verify_basic_auth",
    "verify_webhook",
]
