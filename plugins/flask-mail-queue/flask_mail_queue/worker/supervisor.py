"""Several workers as processes, which are replaced if they die."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from .stopping import Interrupted, Stop

_log = logging.getLogger("flask_mail.queue")
_POLL = 0.2
_DELAY = 5.0  # a worker that dies at its start must not do so all the time


class Supervisor:
    """Runs workers in forks of this process.

    :param work: called in each fork; returns its exit status.
    :param stop: passes on the signals of this process.
    :param replace: start another worker if one dies.
    """

    def __init__(self, work: Callable[[], int], stop: Stop, *, replace: bool) -> None:
        self._work = work
        self._stop = stop
        self._replace = replace
        self._running: set[int] = set()
        self._starts: list[float] = []

    def run(self, count: int) -> bool:
        """Run `count` workers until they end; return True if none of them has failed.

        :raises Interrupted: a second signal came, which the workers got too.
        """
        self._starts = [time.monotonic()] * count
        is_right = True
        told = False
        try:
            while self._running or self._starts:
                if self._stop.requested and not told:
                    told = True
                    self._starts.clear()
                    # Not SIGTERM: the workers may have got that one already, as a supervisor of
                    # the system sends it to all processes of a service.
                    self._signal(signal.SIGUSR1)
                self._start()
                is_right &= self._ended()
                time.sleep(_POLL)
        except Interrupted:
            self._signal(signal.SIGTERM)
            for each in self._running:
                with suppress(ChildProcessError):
                    os.waitpid(each, 0)
            raise
        return is_right

    def _start(self) -> None:
        due = [each for each in self._starts if each <= time.monotonic()]
        self._starts = [each for each in self._starts if each not in due]
        for _ in due:
            self._running.add(self._fork())

    def _fork(self) -> int:
        sys.stdout.flush()
        parent = os.getpid()
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            # Not in the group of the terminal, whose Ctrl-C is passed on by this process.
            os.setpgid(0, 0)
            self._stop.parent = parent
            status = self._work()
        except BaseException:  # noqa: BLE001 (the frames above are those of the parent)
            _log.exception("A worker failed.")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _ended(self) -> bool:
        """Wait for no worker; return False if one has failed, and will not be replaced."""
        is_right = True
        for each in list(self._running):
            process, status = os.waitpid(each, os.WNOHANG)
            if not process:
                continue
            self._running.discard(each)
            if status == 0 or self._stop.requested:
                is_right &= status == 0
                continue
            code = os.waitstatus_to_exitcode(status)
            reason = f"signal {-code}" if code < 0 else f"status {code}"
            _log.error("Worker %d ended with %s.", each, reason)
            if self._replace:
                self._starts.append(time.monotonic() + _DELAY)
            else:
                is_right = False
        return is_right

    def _signal(self, number: int) -> None:
        for each in self._running:
            # An interrupt may come between the end of one and its removal from the list.
            with suppress(ProcessLookupError):
                os.kill(each, number)
