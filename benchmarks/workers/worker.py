"""Sends with one library, in its environment, what the lines of JSON on standard input ask for.

``python worker.py ADAPTER OPTIONS``; each request is answered by one line of JSON. Making a message
is part of sending it, and of the time. What sends nothing is in ``making.py``, and what is
about queues in ``queueing.py``.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from content import Content, large, large_file, recipients
from making import Making
from memory import resident, status
from queueing import Queueing

clock = time.perf_counter


def in_threads(
    count: int, prepare: Callable[[], int], work: Callable[[], None]
) -> tuple[float, int]:
    """Do `work` in threads that start together after each has prepared.

    Return the seconds that took, and the sum of what the preparations returned.
    """
    prepared: list[int] = []
    started: list[float] = []
    errors: list[BaseException] = []
    gate = threading.Barrier(count, lambda: started.append(clock()))

    def run() -> None:
        try:
            prepared.append(prepare())
            gate.wait(60)
            work()
        except BaseException as error:  # noqa: BLE001 (raised by the thread that waits)
            errors.append(error)
            gate.abort()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = clock()
    if errors:
        raise errors[0]
    return ended - started[0], sum(prepared)


class Worker(Making, Queueing):
    """Tasks of a worker."""

    def __init__(self, adapter: Any, options: dict[str, Any]) -> None:
        self._make = lambda: adapter.Sender(options)
        super().__init__(self._make())
        self._folder = Path(options["folder"])
        self._warm = False

    def _warm_up(self) -> int:
        """Send a message, if that makes the next one faster; return how many were sent."""
        # Imports and caches for everyone, once; for whom has a pool, a connection in it.
        if self._warm and not self._sender.has_pool:
            return 0
        with self._sender.context():
            self._sender.send(self._sender.message(recipients(1)))
        return 1

    def single(self, count: int, threads: int, to: int, *, cold: bool) -> dict[str, Any]:
        """Send one after the other, each for itself; cold: each as the first of its application."""
        readers = recipients(to)
        samples: list[float] = []
        each = count // threads

        def work() -> None:
            senders = [self._make() for _ in range(each)] if cold else [self._sender] * each
            for sender in senders:
                with sender.context():
                    start = clock()
                    sender.send(sender.message(readers))
                    samples.append(clock() - start)

        seconds, before = in_threads(threads, self._warm_up, work)
        self._warm = True
        return {"samples": samples, "seconds": seconds, "sent": before + threads * each}

    def loop(self, count: int) -> dict[str, Any]:
        """Send over one connection, waiting for the outcome of each."""
        readers = recipients(1)
        sender = self._sender
        before = self._warm_up()
        self._warm = True
        with sender.context():
            start = clock()
            with sender.connect() as connection:
                opened = clock()
                for _ in range(count):
                    sender.send_over(connection, sender.message(readers))
                done = clock()
            closed = clock()
        return {
            "around": opened - start + closed - done,
            "sending": done - opened,
            "count": count,
            "sent": before + count,
        }

    def batch(self, count: int, threads: int) -> dict[str, Any]:
        """Send a batch in the library's own way; with threads, each its share."""
        sender = self._sender
        each = count // threads
        around: list[float] = []

        def work() -> None:
            with sender.context():
                around.append(self._batch(each))

        gc.collect()
        seconds, before = in_threads(threads, self._warm_up, work)
        self._warm = True
        return {
            "around": max(around),
            "sending": seconds - max(around),
            "count": threads * each,
            "sent": before + threads * each,
        }

    def _batch(self, count: int) -> float:
        """Return the seconds for opening and closing."""
        sender = self._sender
        if sender.has_send_many:
            sender.send_many(self._messages(count))
            return 0.0
        start = clock()
        with sender.connect() as connection:
            opened = clock()
            sender.send_all_over(connection, self._messages(count))
            done = clock()
        return opened - start + clock() - done

    def _messages(self, count: int) -> Iterator[Any]:
        readers = recipients(1)
        return (self._sender.message(readers) for _ in range(count))

    def memory(self, count: int) -> dict[str, Any]:
        """Send a batch from a generator; answer by how much it made the process grow."""
        with self._sender.context():
            self._batch(100)
            before = resident()
            self._batch(count)
        return {"growth": status("VmHWM") - before, "before": before, "sent": count + 100}

    def attachment(self, count: int, mebibytes: int, *, by_path: bool) -> dict[str, Any]:
        """Send messages with a large attachment, given as bytes or as a file; answer how long each
        took, and by how much they made the process grow.
        """
        sender = self._sender
        data = b"" if by_path else large(mebibytes)
        path = large_file(self._folder, mebibytes) if by_path else None
        samples = []
        before = self._warm_up()
        self._warm = True
        with sender.context():
            start_size = resident()  # the data is part of it
            for _ in range(count):
                start = clock()
                message = sender.compose(Content())
                if path is None:
                    sender.attach(message, "large.bin", data)
                else:
                    sender.attach_path(message, path)
                sender.send(message)
                samples.append(clock() - start)
                del message
        growth = status("VmHWM") - start_size
        return {"samples": samples, "growth": growth, "sent": before + count}


def main() -> None:
    """Answer requests until there are no more."""
    # Nobody's figure shall depend on how this machine finds its own name.
    socket.getfqdn = lambda name="": "client.bench.test"
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(importlib.import_module(sys.argv[1]), json.loads(sys.argv[2]))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("task"))(**request)
        except Exception as error:  # noqa: BLE001 (the other side says which figure is missing)
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
