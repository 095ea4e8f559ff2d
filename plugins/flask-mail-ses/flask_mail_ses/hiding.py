"""Keeps session tokens out of what botocore logs at level DEBUG: what it signs, what is said."""

from __future__ import annotations

import logging
from typing import Final
from weakref import WeakSet

from flask_mail.backends import Secret

_LOGGERS: Final = ("botocore.auth", "botocore.endpoint", "botocore.parsers")


class _Hiding(logging.Filter):
    """Masks secrets in each record; they are forgotten with the backends that have them."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: WeakSet[_Hidden] = WeakSet()

    def filter(self, record: logging.LogRecord) -> bool:
        shown = text = record.getMessage()
        for each in list(self.secrets):
            shown = each.secret.redact(shown)
        if shown != text:
            record.msg, record.args = shown, ()
        return True


class _Hidden:
    """A secret that stays hidden as long as somebody holds this."""

    def __init__(self, secret: Secret) -> None:
        self.secret = secret


_hiding = _Hiding()


def hide(secret: Secret) -> object:
    """Mask `secret` in the log of botocore, as long as what this returns is held."""
    hidden = _Hidden(secret)
    _hiding.secrets.add(hidden)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_hiding)  # once, however often it is added
    return hidden
