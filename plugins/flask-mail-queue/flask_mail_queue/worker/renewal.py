"""The thread that renews the lease of a worker."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from ..database.store import Store, describe_failure
from .leases import LeaseLost, Leases

_log = logging.getLogger("flask_mail.queue")
_HUNG: Final = 900.0


class Renewal:
    """Renews the lease of a worker, as long as its main thread makes progress.

    :param seconds: the duration of the lease.
    """

    def __init__(self, store: Store, leases: Leases, seconds: float) -> None:
        self._store = store
        self._leases = leases
        self._every = seconds / 4
        self._ended = threading.Event()
        self._progress = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="mail-queue-lease", daemon=True)
        self.lost = threading.Event()
        """Set if another worker took this one for dead."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def progress(self) -> None:
        """Note that the main thread is alive: a worker that hangs loses its messages."""
        self._progress = time.monotonic()

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            if time.monotonic() - self._progress > _HUNG:
                _log.error("This worker makes no progress: its lease is not renewed.")
                continue
            try:
                with self._store.begin() as connection:
                    self._leases.renew(connection)
            except LeaseLost:
                self.lost.set()
                return
            except SQLAlchemyError as error:
                _log.warning("The lease cannot be renewed: %s.", describe_failure(error))
