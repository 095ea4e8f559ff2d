"""The dialogue with SMTP servers, shown on the terminal of a developer."""

from __future__ import annotations

import logging
from typing import Any, Final

from flask.logging import has_level_handler, wsgi_errors_stream

_log: Final = logging.getLogger("flask_mail.smtp")


def show() -> None:
    """Let the dialogue reach a handler: one that the program has set up, or else standard error.

    Flask does the same for ``app.logger`` in debug mode.
    """
    if not _log.level:
        _log.setLevel(logging.DEBUG)
    if _log.isEnabledFor(logging.DEBUG) and not has_level_handler(_log):
        stream: Any = wsgi_errors_stream  # a proxy of the stream that is current then
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(message)s"))
        _log.addHandler(handler)
