"""The public API for authors of backends."""

from typing import TYPE_CHECKING, Any

from ..address.parser import Address
from ..delivery.outgoing import Outgoing
from ..errors import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryError,
    DeliveryUnknown,
    MessageRefused,
    UnsupportedFeature,
)
from ..receipt import Envelope, Outcome, Receipt, Refusal
from ..util.secret import Secret
from .base import Backend
from .features import IN_FIELDS, Feature
from .sessions import Sessions

if TYPE_CHECKING:
    from ..delivery.fields import Fields, File, Roles
    from ..events import (
        DeliveryEvent,
        EventKind,
        EventsRefused,
        EventsSecret,
        verify_basic_auth,
        verify_webhook,
    )
    from ..util.files import DataSource
    from .values import DkimRecord, Kept, ProbeStep, QueuedMessage, StoredMessage

__all__ = [
    "IN_FIELDS",
    "Address",
    "Backend",
    "BackendUnavailable",
    "ConfigurationError",
    "DataSource",
    "DeliveryError",
    "DeliveryEvent",
    "DeliveryUnknown",
    "DkimRecord",
    "Envelope",
    "EventKind",
    "EventsRefused",
    "EventsSecret",
    "Feature",
    "Fields",
    "File",
    "Kept",
    "MessageRefused",
    "Outcome",
    "Outgoing",
    "ProbeStep",
    "QueuedMessage",
    "Receipt",
    "Refusal",
    "Roles",
    "Secret",
    "Sessions",
    "StoredMessage",
    "UnsupportedFeature",
    "verify_basic_auth",
    "verify_webhook",
]


def __getattr__(name: str) -> Any:
    if name in __all__:  # imported when it is used, as programs that send mail need none of these
        from .. import events
        from ..delivery import fields
        from ..util import files
        from . import values

        places = events, fields, values, files
        return next(getattr(each, name) for each in places if hasattr(each, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
