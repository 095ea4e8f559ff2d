"""Runs a program, gives it content, and bounds how long that takes and how much it says."""

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

_MOST_SAID = 4096
"""Octets of its standard error that are kept; the rest is read and forgotten."""
_BLOCK = 65536
_TICK = 0.05
"""Seconds between two looks whether it has ended, where somebody else keeps its output open."""
_SOON = 0.001
"""Seconds until the first look where nobody does."""
_PATIENCE = 5.0
"""Seconds until a program that was killed must have ended."""


@dataclass(frozen=True)
class End:
    """How the program ended."""

    status: int | None
    """Its exit status, negative for a signal; ``None`` where it was killed for its time."""
    had_everything: bool
    """Whether it had all of the content, and was told so."""
    said: str
    """What it wrote to its standard error, on one line."""
    is_lost: bool = False
    """Whether its exit status was taken by another part of this process; `status` is 0 then."""


class NotRun(Exception):
    """The program could not be started."""


class StillRunning(Exception):
    """It could not be killed, and may take a part of the content for the whole."""


class BrokenOff(Exception):
    """Something else ended the conversation, such as a time limit of the caller.

    :ivar had_everything: whether the program may have had all of the content by then.
    """

    def __init__(self, had_everything: bool) -> None:
        super().__init__(had_everything)
        self.had_everything = had_everything


class _TimeIsUp(Exception):
    """Our own limit: a TimeoutError may be that of a handler of signals."""


def run(command: list[bytes], blocks: Iterable[bytes], seconds: float) -> End:
    """Run `command` without a shell, and write `blocks` to its standard input, line ends as LF.

    What goes wrong before the content is complete kills the program before its input ends, so that
    it never takes a part for the whole.

    :raises NotRun: it cannot be run; the cause says why.
    :raises BrokenOff: an OSError of something else, such as a handler of signals; the program is
        killed.
    :raises StillRunning: it went wrong, and the program could not be killed.
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        # The system forgets how a child has ended then, and subprocess takes that for success.
        raise NotRun from ChildProcessError(
            errno.ECHILD,
            "this process ignores SIGCHLD, so how the program ends could not be told; let it have"
            " its default, as by signal.signal(signal.SIGCHLD, signal.SIG_DFL)",
        )
    try:
        process = subprocess.Popen(  # noqa: S603 (the setting names it; no shell)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # to end it with its children
        )
    except OSError as error:
        if error.errno is None:  # not the system's but a handler's: it may have been started
            raise BrokenOff(had_everything=True) from error
        raise NotRun from error
    conversation = _Conversation(process, seconds)
    try:
        end = conversation.hold(_with_lf(blocks))
    except BaseException as error:
        if not conversation.stop() and isinstance(error, Exception):
            raise StillRunning from error
        if isinstance(error, OSError):
            # One that ended well before its input did says that it took what it had.
            raise BrokenOff(conversation.had_everything or process.returncode == 0) from error
        raise
    if not conversation.stop():
        raise StillRunning
    return end


class _Conversation:
    def __init__(
        self,
        process: subprocess.Popen[bytes],
        seconds: float,
        # Bound here, where no test that stops the time replaces it.
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        assert process.stdin is not None  # noqa: S101 (pipes, as they were asked for)
        assert process.stderr is not None  # noqa: S101
        self._process = process
        self._stdin, self._stderr = process.stdin, process.stderr
        self._clock = clock
        self._end = clock() + seconds
        self._said = bytearray()
        self._is_lost = False
        self.had_everything = False
        """Whether its input was closed; true before that, as a signal may come in between."""

    def hold(self, blocks: Iterator[bytes]) -> End:
        for pipe in (self._stdin, self._stderr):
            os.set_blocking(pipe.fileno(), False)
        with selectors.DefaultSelector() as selector, suppress(_TimeIsUp):
            selector.register(self._stderr, selectors.EVENT_READ)
            try:
                for block in blocks:
                    self._write(selector, block)
                self.had_everything = True
                self._stdin.close()
            except BrokenPipeError:  # it has had enough; its status says why
                pass
            self._listen(selector)
        return End(self._poll(), self.had_everything, self.said, self._is_lost)

    @property
    def said(self) -> str:
        text = self._said.decode("utf-8", "replace")
        shown = "".join(each if each.isprintable() else " " for each in text)
        return " ".join(shown.split())

    def stop(self) -> bool:
        """Kill it if it has not ended, then let go of its pipes; return whether it has ended."""
        if self._poll() is None:
            # A program that has changed its user cannot be killed; nobody waits for it for ever.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)
        ended = self._process.poll() is not None
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

    def _listen(self, selector: selectors.BaseSelector) -> None:
        """Read what it says until it has ended; a child that it leaves behind may go on."""
        soon = _SOON
        while self._poll() is None:
            if selector.get_map():
                self._wait(selector, _TICK)
            else:  # it has said its last, and is about to end
                self._wait(selector, soon)
                soon = min(2 * soon, _TICK)
        self._read(selector.select(0), selector)

    def _poll(self) -> int | None:
        # Where a handler of SIGCHLD collects all children, subprocess takes those for successful.
        # What replaces it, as gevent does, collects them in another way.
        process = self._process
        if process.returncode is None and type(process).__module__ == "subprocess":
            try:
                pid, status = os.waitpid(process.pid, os.WNOHANG)
            except ChildProcessError:
                self._is_lost = True
                process.returncode = 0
            else:
                if pid:
                    process.returncode = os.waitstatus_to_exitcode(status)
        return process.poll()

    def _wait(self, selector: selectors.BaseSelector, most: float | None = None) -> None:
        left = self._end - self._clock()
        if left <= 0:
            raise _TimeIsUp
        self._read(selector.select(left if most is None else min(left, most)), selector)

    def _read(
        self, ready: list[tuple[selectors.SelectorKey, int]], selector: selectors.BaseSelector
    ) -> None:
        for key, _ in ready:
            if key.fileobj is self._stderr:
                data = os.read(self._stderr.fileno(), _BLOCK)
                self._said += data[: _MOST_SAID - len(self._said)]
                if not data:
                    selector.unregister(self._stderr)


def _with_lf(blocks: Iterable[bytes]) -> Iterator[bytes]:
    # What such programs read has the line ends of this system; the content has no others than CRLF,
    # one of which may be parted by the end of a block.
    carried = b""
    for block in blocks:
        joined = carried + block
        carried = b"\r" if joined.endswith(b"\r") else b""
        yield joined[: len(joined) - len(carried)].replace(b"\r\n", b"\n")
