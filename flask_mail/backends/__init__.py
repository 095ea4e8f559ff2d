"""All that the author of a backend imports."""

from ..errors import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryError,
    DeliveryUnknown,
    MessageRefused,
    UnsupportedFeature,
)
from ..outgoing import Envelope, Outcome, Outgoing, Receipt, Refusal
from .base import Backend

__all__ = [
    "Backend",
    "BackendUnavailable",
    "ConfigurationError",
    "DeliveryError",
    "DeliveryUnknown",
    "Envelope",
    "MessageRefused",
    "Outcome",
    "Outgoing",
    "Receipt",
    "Refusal",
    "UnsupportedFeature",
]
