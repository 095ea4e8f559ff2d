"""The public names of the package: where each is defined, and where it is patched."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

# Each name is imported when it is used first, so that `import flask_mail` stays cheap.
HOMES = {
    "Attachment": "message.attachment",
    "Backend": "backends",
    "BackendNotFound": "errors",
    "MailerNotFound": "errors",
    "BackendUnavailable": "errors",
    "BadHeaderError": "errors",
    "ConfigurationError": "errors",
    "Connection": "extension.connection",
    "DeliveryError": "errors",
    "DeliveryEvent": "events.values",
    "DeliveryUnknown": "errors",
    "Envelope": "receipt",
    "EventKind": "events.values",
    "EventsRefused": "errors",
    "FlaskMailUnicodeDecodeError": "extension.compat",
    "Mail": "extension.mail",
    "MailError": "errors",
    "Message": "message.message",
    "MessageError": "errors",
    "MessageRefused": "errors",
    "NoRecipients": "errors",
    "NoSender": "errors",
    "Outcome": "receipt",
    "Outgoing": "delivery.outgoing",
    "Receipt": "receipt",
    "Refusal": "receipt",
    "UnsupportedFeature": "errors",
    "_Mail": "extension.state",
    "_MailMixin": "extension.mixin",
    "_has_newline": "extension.compat",
    "email_dispatched": "delivery.signals",
    "email_deferred": "delivery.signals",
    "email_failed": "delivery.signals",
    "email_queued": "delivery.signals",
    "email_reported": "delivery.signals",
    "email_sending": "delivery.signals",
    "email_unsubscribed": "delivery.signals",
    "force_text": "extension.compat",
    "make_msgid": "message.message",
    "sanitize_address": "extension.compat",
    "sanitize_addresses": "extension.compat",
    "sanitize_subject": "extension.compat",
    "signals": "delivery.signals",
}

# Subpackages that programs use after `import flask_mail` alone.
_SUBMODULES = frozenset(
    {"_context", "address", "backends", "config", "delivery", "errors", "events", "extension"}
    | {"message", "mime", "receipt", "smtp", "util"}
)

# What 0.10's only module imported and programs took from there.
_INCIDENTAL = {
    "Header": "email.header",
    "MIMEBase": "email.mime.base",
    "MIMEMultipart": "email.mime.multipart",
    "MIMEText": "email.mime.text",
    "charset": "email",
    "encode_base64": "email.encoders",
    "policy": "email",
    "formataddr": "email.utils",
    "formatdate": "email.utils",
    "parseaddr": "email.utils",
    "guess_type": "mimetypes",
    "contextmanager": "contextlib",
    "Flask": "flask",
    "current_app": "flask",
}
_PYTHON_2 = {"PY3": True, "PY34": True, "text_type": str, "string_types": (str,)}
_MODULES = frozenset({"re", "smtplib", "time", "unicodedata", "warnings", "blinker"})

# Where the code lives that used these names in 0.10's only module, apart from what a class says of
# itself.
_ROOMS = (
    "message.attachment",
    "extension.connection",
    "extension.mail",
    "message.message",
    "message.rendering",
    "extension.mixin",
    "delivery.signals",
    "extension.state",
    "smtp.server",
)
_KEPT = {("extension.connection", "Connection"), ("message.message", "Message")}
_originals: dict[tuple[str, str], Any] = {}


def rooms() -> dict[str, ModuleType]:
    """Return the modules in which a patched name of the package is set, by their names."""
    return {room: importlib.import_module(f"flask_mail.{room}") for room in _ROOMS}


class PatchableModule(ModuleType):
    """The package: setting one of its names sets it in the rooms that use it.

    ``mock.patch("flask_mail.make_msgid")`` has worked since 0.4 and goes on working.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and value.__name__ == f"{self.__name__}.{name}":
            # How importlib makes a submodule known; one of them has the name of a namespace.
            if name not in self.__all__:
                super().__setattr__(name, value)
            return
        super().__setattr__(name, value)
        for room, module in rooms().items():
            if name in vars(module) and (room, name) not in _KEPT:
                _originals.setdefault((room, name), getattr(module, name))
                setattr(module, name, value)

    def __delattr__(self, name: str) -> None:
        # How mock.patch undoes the patch of a name that was only found by __getattr__.
        super().__delattr__(name)
        for room, module in rooms().items():
            if (room, name) in _originals:
                setattr(module, name, _originals[room, name])

    def __getattr__(self, name: str) -> Any:
        if name in HOMES:
            value = getattr(importlib.import_module(f"{self.__name__}.{HOMES[name]}"), name)
            # Past __setattr__, which would import the rest to set it there.
            return vars(self).setdefault(name, value)
        if name in _SUBMODULES:
            return importlib.import_module(f"{self.__name__}.{name}")
        if name == "__version__":
            import warnings
            from importlib.metadata import version

            warnings.warn(
                "'flask_mail.__version__' is deprecated: use"
                " importlib.metadata.version('flask-mail').",
                DeprecationWarning,
                stacklevel=2,
            )
            return version("flask-mail")
        if name == "message_policy":  # 0.9.1's
            from email import policy

            return policy.SMTP
        if name in _INCIDENTAL:
            return getattr(importlib.import_module(_INCIDENTAL[name]), name)
        if name in _PYTHON_2:
            return _PYTHON_2[name]
        if name in _MODULES:
            if name == "smtplib":  # about to be patched: its own methods are remembered first
                importlib.import_module("flask_mail.smtp.legacy")
            return importlib.import_module(name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.__all__})
