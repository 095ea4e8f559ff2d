"""Run a program with content on standard input, within a time limit."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

_MAX_STDERR = 4096
"""Octets of standard error that are kept; the rest is read and discarded."""
_BLOCK_SIZE = 65536
_POLL_INTERVAL = 0.05
"""Seconds between polls for the exit while a child of the program keeps its output open."""
_FIRST_POLL = 0.001
"""Seconds until the first poll if the output is closed; doubled up to `_POLL_INTERVAL`."""
_KILL_TIMEOUT = 5.0
"""Seconds that a killed program has to exit."""


@dataclass(frozen=True)
class Exit:
    """The exit of a program."""

    status: int | None
    """The exit status, negative for a signal; ``None`` if the time limit was reached."""
    input_complete: bool
    """True if it received all of the content and the end of its input."""
    stderr: str
    """Its standard error, on one line."""
    status_lost: bool = False
    """True if another part of this process collected the exit status; `status` is 0 then."""


class NotStarted(Exception):
    """The program could not be started."""


class StillRunning(Exception):
    """The program could not be killed, and may treat partial content as complete."""


class Interrupted(Exception):
    """Something else interrupted the run, such as a time limit of the caller.

    :ivar input_complete: True if the program may have received all of the content by then.
    """

    def __init__(self, input_complete: bool) -> None:
        super().__init__(input_complete)
        self.input_complete = input_complete


class _TimeLimitReached(Exception):
    """Our own limit. A TimeoutError may come from a signal handler."""


def run(command: list[bytes], blocks: Iterable[bytes], seconds: float) -> Exit:
    """Run `command` without a shell, and write `blocks` to its standard input with LF line ends.

    An error before the content is complete kills the program before its input ends, so that it
    never treats partial content as complete.

    :raises NotStarted: it cannot be run; the cause gives the reason.
    :raises Interrupted: another OSError, such as that of a signal handler; the program is killed.
    :raises StillRunning: an error occurred, and the program could not be killed.
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        # The system keeps no exit status then, and subprocess would report success.
        raise NotStarted from ChildProcessError(
            errno.ECHILD,
            "this process ignores SIGCHLD, so it cannot get the program's exit status; restore the"
            " default with signal.signal(signal.SIGCHLD, signal.SIG_DFL)",
        )
    try:
        popen = subprocess.Popen(  # noqa: S603 (the setting names it; no shell)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that its children are killed too
        )
    except OSError as error:
        if error.errno is None:  # raised by a signal handler: the program may have been started
            raise Interrupted(input_complete=True) from error
        raise NotStarted from error
    process = _Process(popen, seconds)
    try:
        result = process.communicate(_with_lf(blocks))
    except BaseException as error:
        if not process.stop() and isinstance(error, Exception):
            raise StillRunning from error
        if isinstance(error, OSError):
            # A program that exits with 0 before the end of its input claims to have accepted it.
            raise Interrupted(process.input_complete or popen.returncode == 0) from error
        raise
    if not process.stop():
        raise StillRunning
    return result


class _Process:
    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        seconds: float,
        # Bound here, so that a test that freezes time does not replace it.
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        assert popen.stdin is not None  # noqa: S101 (both are pipes)
        assert popen.stderr is not None  # noqa: S101
        self._popen = popen
        self._stdin, self._stderr = popen.stdin, popen.stderr
        self._clock = clock
        self._end = clock() + seconds
        self._stderr_data = bytearray()
        self._status_lost = False
        self.input_complete = False
        """True once its input is being closed: a signal may arrive between the two steps."""

    def communicate(self, blocks: Iterator[bytes]) -> Exit:
        for pipe in (self._stdin, self._stderr):
            os.set_blocking(pipe.fileno(), False)
        with selectors.DefaultSelector() as selector, suppress(_TimeLimitReached):
            selector.register(self._stderr, selectors.EVENT_READ)
            try:
                for block in blocks:
                    self._write(selector, block)
                self.input_complete = True
                self._stdin.close()
            except BrokenPipeError:  # it stopped reading; its status gives the reason
                pass
            self._wait_for_exit(selector)
        return Exit(self._poll(), self.input_complete, self.stderr, self._status_lost)

    @property
    def stderr(self) -> str:
        text = self._stderr_data.decode("utf-8", "replace")
        shown = "".join(each if each.isprintable() else " " for each in text)
        return " ".join(shown.split())

    def stop(self) -> bool:
        """Kill the program unless it has exited, and close its pipes; return True if it is gone."""
        if self._poll() is None:
            # A program that has changed its user cannot be killed: do not wait for it forever.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(_KILL_TIMEOUT)
        ended = self._popen.poll() is not None
        with suppress(OSError):
            self._stdin.close()
        self._stderr.close()
        return ended

    def _write(self, selector: selectors.BaseSelector, block: bytes) -> None:
        view = memoryview(block)
        while view:
            with suppress(BlockingIOError):
                view = view[os.write(self._stdin.fileno(), view) :]
            if view:
                selector.register(self._stdin, selectors.EVENT_WRITE)
                try:
                    self._wait(selector)
                finally:
                    selector.unregister(self._stdin)

    def _wait_for_exit(self, selector: selectors.BaseSelector) -> None:
        """Read standard error until the program exits; its children may go on."""
        soon = _FIRST_POLL
        while self._poll() is None:
            if selector.get_map():
                self._wait(selector, _POLL_INTERVAL)
            else:  # it has closed its output, and is about to exit
                self._wait(selector, soon)
                soon = min(2 * soon, _POLL_INTERVAL)
        self._read(selector.select(0), selector)

    def _poll(self) -> int | None:
        popen = self._popen
        if type(popen).__module__ != "subprocess":  # gevent collects children in its own way
            return popen.poll()
        # Not poll(): if a handler of SIGCHLD collects all children, it reports them as successful.
        if popen.returncode is None:
            try:
                pid, status = os.waitpid(popen.pid, os.WNOHANG)
            except ChildProcessError:
                self._status_lost = True
                popen.returncode = 0
            else:
                if pid:
                    popen.returncode = os.waitstatus_to_exitcode(status)
        return popen.returncode

    def _wait(self, selector: selectors.BaseSelector, most: float | None = None) -> None:
        left = self._end - self._clock()
        if left <= 0:
            raise _TimeLimitReached
        self._read(selector.select(left if most is None else min(left, most)), selector)

    def _read(
        self, ready: list[tuple[selectors.SelectorKey, int]], selector: selectors.BaseSelector
    ) -> None:
        for key, _ in ready:
            if key.fileobj is self._stderr:
                data = os.read(self._stderr.fileno(), _BLOCK_SIZE)
                self._stderr_data += data[: _MAX_STDERR - len(self._stderr_data)]
                if not data:
                    selector.unregister(self._stderr)


def _with_lf(blocks: Iterable[bytes]) -> Iterator[bytes]:
    # Such programs read the line ends of this system. The content has only CRLF, which the end of a
    # block may split.
    carried = b""
    for block in blocks:
        joined = carried + block
        carried = b"\r" if joined.endswith(b"\r") else b""
        yield joined[: len(joined) - len(carried)].replace(b"\r\n", b"\n")
