"""Converters for the values of settings, including strings from the environment."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..util.patterns import lazy_pattern

if TYPE_CHECKING:
    import re


class NotText(ValueError):
    """Raised for a value that may be text of the environment which was read as JSON."""

    advice = " If the environment has it, write it there as a JSON string: '\"1e6\"'."


class Unshown(ValueError):
    """Raised by a converter whose value must not appear in the error."""


_TRUE = frozenset({"true", "yes", "on", "1", "t", "y"})
_FALSE = frozenset({"false", "no", "off", "0", "f", "n"})
_PREFIX = lazy_pattern(r"(?:/[A-Za-z0-9._~-]+)+")
_LONGEST = 1_000_000
_NO_TEXT = (bytes, bool, float, Mapping, list, tuple, set)


def to_bool(value: object) -> bool:
    """Read a bool, 0 or 1, or a word of the environment such as ``"true"``, ``"off"``, ``"0"``."""
    if isinstance(value, (bool, int)):
        return bool(value)
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("true or false")


def is_on(flag: object) -> bool:
    """Return True if a Flask flag, such as ``app.debug``, is on; strings are converted.

    Flask treats every non-empty string as true, and ``app.config.from_prefixed_env()`` turns
    ``False`` into one. Strings that are not a bool are off, so that a typo exposes nothing.
    """
    if not isinstance(flag, str):
        return bool(flag)
    try:
        return to_bool(flag)
    except ValueError:
        return False


def to_flag(value: object) -> bool:
    """Read a Flask flag as :func:`is_on` does, but raise for strings that are not a bool."""
    if not isinstance(value, str):
        return bool(value)
    return bool(value.strip()) and to_bool(value)


def to_int(value: object) -> int:
    """Read a whole number, also from a string."""
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        try:
            return int(value)
        except ValueError:
            pass
    raise ValueError("a whole number")


def to_port(value: object) -> int | None:
    """Read a TCP port, also from a string; 0 means the default port."""
    port = to_int(value)
    if not 0 <= port < 65536:
        raise ValueError("a port from 1 to 65535")
    return port or None


def to_seconds(value: object) -> float:
    """Read a positive number of seconds that the system can wait."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except (ValueError, OverflowError):
            seconds = 0.0
        if 0 < seconds <= _LONGEST:
            return seconds
    raise ValueError("a number of seconds above 0, at most a million")


def to_limit(value: object) -> int | None:
    """Read a whole number, also from a string; 0 or less means no limit, as in 0.10."""
    limit = to_int(value)
    return limit if limit > 0 else None


def to_count(value: object) -> int:
    """Read a whole number of 0 or more, also from a string."""
    count = to_int(value)
    if count < 0:
        raise ValueError("a whole number, 0 or more")
    return count


def to_positive(value: object) -> int:
    """Read a whole number of 1 or more, also from a string."""
    count = to_int(value)
    if count < 1:
        raise ValueError("a whole number, 1 or more")
    return count


def to_str(value: object) -> str:
    """Read text, a lazy string, or a whole number.

    ``app.config.from_prefixed_env()`` turns a password of digits into a number.
    """
    return _text_of(value, "a string")


def to_host(value: object) -> str:
    """Read a host name or address, without scheme, port or credentials."""
    text = to_str(value)
    if any(each.isspace() or not each.isprintable() for each in text):
        raise Unshown("a host name or address without white space or control characters")
    if "@" in text or "?" in text:  # the rest may be a password or a key
        raise Unshown("only a host name or address: set MAIL_USERNAME and MAIL_PASSWORD to log in")
    if "://" in text:
        raise ValueError('a host name or address without a scheme such as "smtp://"')
    if ":" in text.strip("[]") or text.startswith("["):
        try:
            ipaddress.IPv6Address(text)
        except ValueError:
            expected = "a host name, or an address without brackets; set the port with MAIL_PORT"
            raise ValueError(expected) from None
    if not text or "/" in text:
        raise ValueError("a host name or address")
    return text


def to_secret(value: object) -> Any:
    """Read text or a whole number, or return a callable, which is called at each use."""
    from ..util.secret import Secret

    if isinstance(value, Secret):  # str() would make it ***
        return value
    # A string proxy, such as werkzeug's LocalProxy, may look like a callable too.
    if callable(value) and not isinstance(value, str):
        return value
    return _text_of(value, "a string, or a callable that returns one")


def to_secrets(value: object) -> Any:
    """Read one secret, or a list of them."""
    several = list(value) if isinstance(value, (list, tuple)) else [value]
    try:
        found = [each and to_secret(each) for each in several]
    except ValueError:
        found = []
    if not found or not all(found):  # an empty one could be given by anybody
        raise ValueError("a string, a callable that returns one, or a list of them")
    return found if isinstance(value, (list, tuple)) else found[0]


def to_patterns(value: object) -> tuple[re.Pattern[str], ...]:
    """Read the patterns of an allow-list; the parser of addresses is imported for that."""
    from . import recipients

    return recipients.to_patterns(value)


def to_addresses(value: object) -> tuple[str, ...]:
    """Read one or more addresses."""
    from . import recipients

    return recipients.to_addresses(value)


def to_reply_to(value: object) -> Any:
    """Read an address, a (name, address) pair, or a list of them."""
    from . import recipients

    return recipients.to_reply_to(value)


def to_path(value: object) -> str:
    """Read a path from a str or an :class:`os.PathLike`."""
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        if isinstance(path, str):
            return path
    raise ValueError("a path")


def to_url_prefix(value: object) -> str:
    """Read a URL prefix such as ``"/mail-events"``."""
    prefix = value.rstrip("/") if isinstance(value, str) else ""
    if not _PREFIX.fullmatch(prefix):
        raise ValueError('a URL prefix, which begins with "/"')
    return prefix


def to_prefix(value: object) -> bool | str:
    """Read a bool or a URL prefix such as ``"/_mail"``."""
    is_prefix = isinstance(value, str) and value.startswith("/")
    try:
        return to_url_prefix(value) if is_prefix else to_bool(value)
    except ValueError:
        raise ValueError('true, false or a URL prefix such as "/_mail"') from None


def to_anything(value: object) -> Any:
    """Return the value unchanged; its user checks it."""
    return value


def _text_of(value: object, expected: str) -> str:
    if not isinstance(value, _NO_TEXT):
        try:
            return str(value)
        except ValueError:  # a number with more digits than Python converts
            pass
    if isinstance(value, (bool, float, Mapping, list)):
        raise NotText(expected)
    raise ValueError(expected)


def default_port(use_ssl: bool) -> int:
    """Return the port of SMTP if none is set."""
    return 465 if use_ssl else 25
