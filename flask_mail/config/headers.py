"""Converter for the headers of ``MAIL_DEFAULT_HEADERS``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..errors import BadHeaderError, ConfigurationError
from ..util.text import HEADER_NAME, check_controls, describe, plain_text
from .converters import to_str

# A message has each of these itself, so a default would replace its own.
_OF_EACH_MESSAGE: Final = frozenset(
    {"bcc", "cc", "date", "from", "message-id", "mime-version", "reply-to", "subject", "to"}
)


def to_headers(value: object) -> dict[str, str]:
    """Read a dict of header names and values.

    :raises ConfigurationError: a name or a value cannot be a header, or each message has it itself.
    """
    if isinstance(value, Mapping):
        return {_name(name): _value(name, content) for name, content in value.items()}
    raise ValueError('a dict of headers, such as {"X-Campaign": "spring"}')


def _name(given: object) -> str:
    name = plain_text(given)
    if name is None or not HEADER_NAME.fullmatch(name):
        raise ConfigurationError(
            f"MAIL_DEFAULT_HEADERS has the name {describe(given)}, which is not valid: use 1 to 76"
            " printable ASCII characters without a colon (RFC 5322 section 3.6.8)."
        )
    if name.lower() in _OF_EACH_MESSAGE or name.lower().startswith("content-"):
        raise ConfigurationError(
            f"MAIL_DEFAULT_HEADERS cannot set {name}, which each message has itself: remove it."
            " MAIL_DEFAULT_SENDER and MAIL_DEFAULT_REPLY_TO set the default addresses."
        )
    return name


def _value(name: object, content: object) -> str:
    try:
        text = to_str(content)
        check_controls(text)
    except BadHeaderError as error:
        raise ConfigurationError(f"MAIL_DEFAULT_HEADERS[{name!r}]: {error}.") from None
    except ValueError:
        raise ConfigurationError(
            f"MAIL_DEFAULT_HEADERS[{name!r}] must be a string, not {describe(content)}."
        ) from None
    return text
