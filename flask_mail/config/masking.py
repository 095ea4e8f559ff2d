"""Masking of secrets when the values of settings appear in errors."""

from __future__ import annotations

from ..util.patterns import lazy_pattern
from ..util.text import describe

# For settings that are not in the table: options of plugins, or an app's own.
_SECRET_WORDS = (
    *("PASS", "PWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH", "BEARER"),
    *("WEBHOOK", "DSN", "URL", "URI"),  # these often contain a secret
)
USERINFO = lazy_pattern(r"(?<=://)\S*(?=@)")
"""The user and password in a URL. Greedy: a password may contain a raw @ or /."""


def sounds_secret(key: str) -> bool:
    """Return True if the name of a setting suggests that its value is secret.

    Message options always are: they may concern a single customer.
    """
    return key.startswith("message.") or any(word in key.upper() for word in _SECRET_WORDS)


def shown(value: object) -> str:
    """Return a string or number for an error, and only the type of anything else."""
    if isinstance(value, str):
        return describe(USERINFO.sub("***", value))
    if isinstance(value, (int, float)):
        return describe(value)
    return kind_of(value)


def kind_of(value: object) -> str:
    """Return a phrase that names the type of a value."""
    return f"a value of type {type(value).__name__}"
