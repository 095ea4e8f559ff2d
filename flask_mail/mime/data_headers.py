"""Headers whose values programs read as data, such as JSON, and how to fold them. Pure.

Encoded-words are for people (RFC 2047 section 5); a program that reads JSON or URLs from a header
does not decode them.
"""

from __future__ import annotations

import json
import re

from ..util.patterns import lazy_pattern
from .encodings import LONGEST_LINE

_TOKEN = lazy_pattern(r'"(?:[^"\\]|\\.)*"|[,:]')
_NOT_ASCII = lazy_pattern(r"[^\x00-\x7f]")
# RFC 5322 section 3.6, RFC 2369, RFC 2919, RFC 8601, RFC 6376.
_DATA = lazy_pattern(
    r"x-smtpapi|x-mc-.*|x-mailgun-.*|x-msys-api|x-mailin-.*|x-mj-.*|x-pm-.*|x-ses-.*"
    r"|list-(?!id$).*|(?:arc-)?authentication-results|arc-.*|dkim-signature|feedback-id"
    r"|received|references|in-reply-to|message-id|resent-message-id|return-path"
)


def is_data(name: str) -> bool:
    """Return True if programs, not people, read the value of a header."""
    return _DATA.fullmatch(name.lower()) is not None


def with_folds(name: str, value: str) -> str:
    """Rewrite JSON that is long or not ASCII so that it fits a header; return others unchanged.

    The result has escapes, and a space after each comma and colon, where it may be folded.
    """
    if not name.lower().startswith("x-") or value[:1] not in ("{", "["):
        return value
    if value.isascii() and _fits(name, value):
        return value
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return value
    spaced = _TOKEN.sub(lambda found: f"{found[0]} " if len(found[0]) == 1 else found[0], value)
    return _NOT_ASCII.sub(_escaped, spaced)


def is_spoiled(name: str, value: str) -> bool:
    """Return True if a data header would be written in encoded-words, unreadable to programs."""
    text = with_folds(name, value.strip(" "))
    return not _fits(name, text) if text.isascii() else is_data(name)


def _fits(name: str, value: str) -> bool:
    """Return True if a text has enough spaces to be folded into legal lines."""
    # The first line starts with the name (RFC 5322 section 2.1.1).
    limit = LONGEST_LINE - len(name) - len(": ")
    return len(value) <= limit or all(len(each) <= limit for each in value.split(" "))


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]
