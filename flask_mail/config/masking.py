"""How the values of settings appear in errors: without secrets."""

from __future__ import annotations

import re

from ..util.text import describe

# In the name of a setting that is not in the table: a plugin's option, or an app's own.
_SECRET_WORDS = (
    *("PASS", "PWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH", "BEARER"),
    *("WEBHOOK", "DSN", "URL", "URI"),  # which often hold one
)
USERINFO = re.compile(r"(?<=://)\S*(?=@)")
"""The user and password in a URL. Greedy: a password may hold a raw @ or /."""


def sounds_secret(key: str) -> bool:
    """Return whether the name of a setting says that its value must not be shown.

    So does that of an option of a message, which may be for one customer alone.
    """
    return key.startswith("message.") or any(word in key.upper() for word in _SECRET_WORDS)


def shown(value: object) -> str:
    """Return a word or number for an error; of anything else, which may hold secrets, the type."""
    if isinstance(value, str):
        return describe(USERINFO.sub("***", value))
    if isinstance(value, (int, float)):
        return describe(value)
    return kind_of(value)


def kind_of(value: object) -> str:
    """Return the type of a value in words."""
    return f"a value of type {type(value).__name__}"
