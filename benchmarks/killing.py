"""Programs that send from a queue, and are killed each time a server has accepted some of it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socketserver
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from .contestants import CouldNotSend, Worker
from .loopback import LoopbackServer
from .workers.content import recipients


class _Dialogue(socketserver.StreamRequestHandler):
    """One connection, of SMTP what the clients need."""

    server: Judge

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client was killed
            self._talk()

    def _talk(self) -> None:
        self._say("220 judge.bench.test")
        reader = ""
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"EHLO":
                self._say("250-judge.bench.test", "250 PIPELINING")
                continue
            if verb == b"RCPT":
                reader = line.decode("ascii").partition("<")[2].partition(">")[0]
            elif verb == b"DATA":
                self._say("354 Go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.server.accept(reader)
            self._say("221 Bye" if verb == b"QUIT" else "250 OK")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{each}\r\n" for each in lines).encode())


class Judge(LoopbackServer):
    """A mail server that counts what it accepts, and kills a client between that and its reply."""

    def __init__(self) -> None:
        super().__init__(_Dialogue)
        self.accepted: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._group = self._left = 0

    def kill_after(self, count: int, group: int) -> None:
        """Kill a group of processes when `count` further messages are accepted."""
        with self._lock:
            self._left, self._group = count, group

    @property
    def is_armed(self) -> bool:
        """True if nothing was killed since."""
        with self._lock:
            return self._left > 0

    def accept(self, reader: str) -> None:
        """Count a message."""
        with self._lock:
            self.accepted[reader] += 1
            self._left -= 1
            if self._left == 0:
                os.killpg(self._group, signal.SIGKILL)


class Kills:
    """Lets a library store messages and send them by processes that are killed.

    :param command: the program of a worker, which is given the options as JSON.
    """

    def __init__(
        self, command: list[str], options: dict[str, Any], certificate: Path, log: Path
    ) -> None:
        self._judge = Judge()
        threading.Thread(target=self._judge.serve_forever, daemon=True).start()
        options = options | {"host": "127.0.0.1", "port": self._judge.port}
        self._start = lambda: Worker(command, options, certificate, log)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return how many messages were accepted twice, and how many never.

        :raises CouldNotSend: the queue was empty too early, or was not empty in the end.
        """
        points = random.Random(request["seed"])  # the same for everyone
        with contextlib.closing(self._start()) as worker:
            worker.ask({"task": "store", "count": request["count"]})
        for _ in range(request["kills"]):
            self._kill(points.randint(1, request["most"]))
            time.sleep(request["pause"])  # what tells the dead from the living may take a while
        with contextlib.closing(self._start()) as worker:
            for _ in range(5):
                left = worker.ask({"task": "work"})["left"]
                if not left:
                    break
                time.sleep(request["pause"])
            unknown = set(worker.ask({"task": "unknown"})["readers"])
        if left:
            raise CouldNotSend(f"{left} messages were left over")
        accepted = self._judge.accepted
        lost = [
            each
            for each in recipients(request["count"])
            if each not in accepted and each not in unknown
        ]
        return {
            "doubled": sum(each > 1 for each in accepted.values()),
            "lost": len(lost),
            "unknown": len(unknown),
            "sent": 0,
        }

    def _kill(self, after: int) -> None:
        with contextlib.closing(self._start()) as worker:
            self._judge.kill_after(after, worker.group)
            try:
                worker.ask({"task": "work"})
            except CouldNotSend:
                if self._judge.is_armed:
                    raise
            else:
                raise CouldNotSend("the queue was empty before the last kill")

    def close(self) -> None:
        """Stop the server."""
        self._judge.shutdown()
        self._judge.server_close()
