"""Opening and closing the sessions of a connection."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard

from ..errors import BackendUnavailable

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..backends.smtp import SmtpBackend


def is_smtp(backend: object) -> TypeGuard[SmtpBackend]:
    """Return True if the sessions of a backend are hosts as in 0.10."""
    return getattr(backend, "session_is_host", False) is True


def close_host(host: Any, *, politely: bool) -> None:
    """Close a host that a program has assigned to a connection."""
    from ..smtp import legacy, session

    (legacy.end if politely else session.drop)(host)


class OpenSession:
    """A session of a backend, and the process that opened it.

    :param is_hidden: True if no program sees the session.
    """

    __slots__ = ("_backend", "_process", "session")

    def __init__(self, backend: Backend[Any], session: Any, *, is_hidden: bool) -> None:
        if is_smtp(backend):
            backend.share(session, is_hidden=is_hidden)
        self.session = session
        self._backend = backend
        self._process = os.getpid()

    @property
    def is_own(self) -> bool:
        """False in a forked child of the process that opened it."""
        return self._process == os.getpid()

    def end(self, *, politely: bool, is_full: bool) -> None:
        """Close it, or drop it if there is no time or another process uses it.

        :param is_full: True if it has reached its message limit.
        """
        if not politely or self._process != os.getpid():
            self._backend.abort(self.session)
        elif is_full:
            self._backend.retire(self.session)
        else:
            self._backend.close(self.session)


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
