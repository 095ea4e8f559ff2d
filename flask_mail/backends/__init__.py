"""The public API for authors of backends."""

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
from .features import Feature

__all__ = [
    "Backend",
    "BackendUnavailable",
    "ConfigurationError",
    "DeliveryError",
    "DeliveryUnknown",
    "Envelope",
    "Feature",
    "MessageRefused",
    "Outcome",
    "Outgoing",
    "Receipt",
    "Refusal",
    "Secret",
    "UnsupportedFeature",
]
