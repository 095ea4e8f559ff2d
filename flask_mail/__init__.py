"""Send mail from Flask through a backend you choose: SMTP, console, file, memory, or a plugin.

PYTEST_DONT_REWRITE
"""

# The last line is for pytest, which takes all of a distribution with a plugin for part of that: it
# would warn a program which imports this package and then runs pytest.main().

import sys
from typing import TYPE_CHECKING

from .extension.names import PatchableModule

if TYPE_CHECKING:  # at run time, PatchableModule imports each name when it is used
    import smtplib

    from .backends import Backend
    from .delivery.outgoing import Outgoing
    from .delivery.signals import (
        email_deferred,
        email_dispatched,
        email_failed,
        email_queued,
        email_reported,
        email_sending,
        email_unsubscribed,
        signals,
    )
    from .errors import (
        BackendNotFound,
        BackendUnavailable,
        BadHeaderError,
        ConfigurationError,
        DeliveryError,
        DeliveryUnknown,
        EventsRefused,
        MailerNotFound,
        MailError,
        MessageError,
        MessageRefused,
        NoRecipients,
        NoSender,
        UnsupportedFeature,
    )
    from .events.values import DeliveryEvent, EventKind
    from .extension.compat import (
        FlaskMailUnicodeDecodeError,
        force_text,
        sanitize_address,
        sanitize_addresses,
        sanitize_subject,
    )
    from .extension.compat import _has_newline as _has_newline
    from .extension.connection import Connection
    from .extension.mail import Mail
    from .extension.mixin import _MailMixin
    from .extension.state import _Mail
    from .message.attachment import Attachment
    from .message.message import Message, make_msgid
    from .receipt import Envelope, Outcome, Receipt, Refusal

    __version__: str

__all__ = [
    "Attachment",
    "Backend",
    "BackendNotFound",
    "BackendUnavailable",
    "BadHeaderError",
    "ConfigurationError",
    "Connection",
    "DeliveryError",
    "DeliveryEvent",
    "DeliveryUnknown",
    "Envelope",
    "EventKind",
    "EventsRefused",
    "FlaskMailUnicodeDecodeError",
    "Mail",
    "MailError",
    "MailerNotFound",
    "Message",
    "MessageError",
    "MessageRefused",
    "NoRecipients",
    "NoSender",
    "Outcome",
    "Outgoing",
    "Receipt",
    "Refusal",
    "UnsupportedFeature",
    "_Mail",
    "_MailMixin",
    "email_deferred",
    "email_dispatched",
    "email_failed",
    "email_queued",
    "email_reported",
    "email_sending",
    "email_unsubscribed",
    "force_text",
    "make_msgid",
    "sanitize_address",
    "sanitize_addresses",
    "sanitize_subject",
    "signals",
    "smtplib",
]

sys.modules[__name__].__class__ = PatchableModule
