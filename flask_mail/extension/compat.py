"""Names that programs and tests know from 0.9.1 and 0.10, and where they are patched."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..address.parser import tolerant_address
from ..delivery import signals as signals_module
from ..message import attachment, message
from ..mime.encodings import encode_words
from ..mime.fields import charset_of, mailbox
from ..smtp import server
from . import connection, mixin, state
from . import mail as extension

if TYPE_CHECKING:
    from collections.abc import Iterable


class FlaskMailUnicodeDecodeError(UnicodeDecodeError):
    """Bytes that are not in the expected encoding, shown with what they are."""

    def __init__(self, obj: Any, *args: Any) -> None:
        self.obj = obj
        super().__init__(*args)

    def __str__(self) -> str:
        return f"{super().__str__()}. You passed in {self.obj!r} ({type(self.obj)})"


def force_text(s: Any, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return `s` as a str: bytes are decoded, lazy strings resolved."""
    if isinstance(s, str):
        return s
    try:
        return str(s, encoding, errors) if isinstance(s, bytes) else str(s)
    except UnicodeDecodeError as error:
        raise FlaskMailUnicodeDecodeError(s, *error.args) from error


def sanitize_subject(subject: str, encoding: str = "utf-8") -> str:
    """Return `subject` in encoded-words, unless it is ASCII."""
    return subject if subject.isascii() else " ".join(encode_words(subject, charset_of(encoding)))


def sanitize_address(addr: str | tuple[str, str], encoding: str = "utf-8") -> str:
    """Return an address as it is written in a header."""
    return mailbox(tolerant_address(addr), charset_of(encoding))


def sanitize_addresses(
    addresses: Iterable[str | tuple[str, str]], encoding: str = "utf-8"
) -> list[str]:
    """Return :func:`sanitize_address` of each."""
    return [sanitize_address(each, encoding) for each in addresses]


def _has_newline(line: str) -> bool:
    """Whether there is a line break in `line`."""
    return "\n" in line or "\r" in line


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
_MODULES = frozenset({"re", "time", "unicodedata", "warnings", "blinker"})

# Where the code lives that used these names in 0.10's only module, apart from what a class says of
# itself.
_ROOMS = (attachment, connection, extension, message, mixin, signals_module, state, server)
_KEPT = ((connection, "Connection"), (message, "Message"))
_originals: dict[tuple[ModuleType, str], Any] = {}


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
        for room in _ROOMS:
            if name in vars(room) and (room, name) not in _KEPT:
                _originals.setdefault((room, name), getattr(room, name))
                setattr(room, name, value)

    def __delattr__(self, name: str) -> None:
        # How mock.patch undoes the patch of a name that was only found by __getattr__.
        super().__delattr__(name)
        for room in _ROOMS:
            if (room, name) in _originals:
                setattr(room, name, _originals[room, name])

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
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
            return importlib.import_module(name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
