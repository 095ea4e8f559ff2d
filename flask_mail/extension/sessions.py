"""Opening and closing the sessions of a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import BackendUnavailable


def is_smtp(backend: object) -> bool:
    """Return True if the sessions of a backend are hosts as in 0.10."""
    return getattr(backend, "session_is_host", False) is True


def close_host(host: Any, *, politely: bool) -> None:
    """Close a host that a program has assigned to a connection."""
    from ..smtp import legacy, session

    (legacy.end if politely else session.drop)(host)


class OpenUntilFailure:
    """Opens sessions until one fails, so that an unreachable server costs one time-out."""

    def __init__(self, open_session: Callable[[], Any]) -> None:
        self._open_session = open_session
        self._failure: BackendUnavailable | None = None

    def __call__(self) -> Any:
        if self._failure is not None:
            raise self._failure
        try:
            return self._open_session()
        except BackendUnavailable as error:
            self._failure = error
            raise
