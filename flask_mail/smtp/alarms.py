"""Distinguish errors of a connection from those that a signal handler raises.

Python runs a handler between any two steps of a program, such as right after a write returned. The
handler may raise an ``OSError``, as the example in the documentation of :mod:`signal` does.
"""

from __future__ import annotations

import smtplib
import ssl
from types import TracebackType

from .deadline import DeadlinePassed, Silence


def is_of_link(error: BaseException) -> bool:
    """Return True if a connection raised `error`, rather than code that interrupted it.

    Errors of the operating system have a number. An error without one came from elsewhere, unless
    it is smtplib's, OpenSSL's, or a time-out of ours.
    """
    if isinstance(error, (smtplib.SMTPException, ssl.SSLError, DeadlinePassed, Silence)):
        return True
    return isinstance(error, OSError) and error.errno is not None


TOLERABLE = (OSError, AttributeError, ValueError)


def is_tolerable(error: BaseException) -> bool:
    """Return True if `error` is one that a session raises which is closed or half open."""
    # smtplib and sockets raise the other two on such a session.
    return is_of_link(error) or isinstance(error, (AttributeError, ValueError))


class _Tolerant:
    """Suppress errors of a connection, but not of code that interrupts it."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return error is not None and is_tolerable(error)


TOLERANT = _Tolerant()
