"""Keep keys and tokens out of the DEBUG log of botocore, in requests and responses."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from flask_mail.backends import Secret

_LOGGERS: Final = ("botocore.auth", "botocore.endpoint", "botocore.parsers")
# In a header, JSON, XML or a repr; also of the services for roles and single sign-on.
_NAMED: Final = re.compile(
    r"""((?:access|bearer|id|refresh|security|session|web_?identity)[_-]?token
            |client_?secret|secret_?access_?key)
        (['"]?\s?[:=>]\s?b?['"]?)
        [^\s'"<>&,;\\]+""",
    re.IGNORECASE | re.VERBOSE,
)
_secret: ContextVar[Secret | None] = ContextVar("_secret", default=None)
_NONE: Final = Secret("")


class _Redaction(logging.Filter):
    """Mask secrets in the records of our own requests only."""

    def filter(self, record: logging.LogRecord) -> bool:
        secret = _secret.get()
        if secret is not None:
            text = record.getMessage()
            shown = secret.redact(_NAMED.sub(r"\1\2***", text))
            if shown != text:
                record.msg, record.args = shown, ()
        return True


_filter: Final = _Redaction()


@contextmanager
def redacted_logs(secret: Secret | None) -> Iterator[None]:
    """Mask keys, tokens and `secret` in the log of botocore within a block."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)  # adding it again has no effect
    token = _secret.set(secret or _NONE)
    try:
        yield
    finally:
        _secret.reset(token)
