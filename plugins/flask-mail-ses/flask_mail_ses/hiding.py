"""Keeps keys and tokens out of the log of botocore at level DEBUG: what it says and is told."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from flask_mail.backends import Secret

_LOGGERS: Final = ("botocore.auth", "botocore.endpoint", "botocore.parsers")
# As a header, in JSON, XML or what Python shows. Also of the services that are asked for a role, or
# to sign on.
_NAMED: Final = re.compile(
    r"""((?:access|bearer|id|refresh|security|session|web_?identity)[_-]?token
            |client_?secret|secret_?access_?key)
        (['"]?\s?[:=>]\s?b?['"]?)
        [^\s'"<>&,;\\]+""",
    re.IGNORECASE | re.VERBOSE,
)
_hidden: ContextVar[Secret | None] = ContextVar("_hidden", default=None)
_NONE: Final = Secret("")


class _Hiding(logging.Filter):
    """Masks what is secret in the records of a request of ours; other programs' are left alone."""

    def filter(self, record: logging.LogRecord) -> bool:
        secret = _hidden.get()
        if secret is not None:
            text = record.getMessage()
            shown = secret.redact(_NAMED.sub(r"\1\2***", text))
            if shown != text:
                record.msg, record.args = shown, ()
        return True


_hiding: Final = _Hiding()


@contextmanager
def hiding(secret: Secret | None) -> Iterator[None]:
    """Mask keys and tokens in the log of botocore within a block, and `secret` wherever it is."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_hiding)  # once, however often it is added
    token = _hidden.set(secret or _NONE)
    try:
        yield
    finally:
        _hidden.reset(token)
