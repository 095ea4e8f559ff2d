"""Tasks of a worker whose library stores mail and sends it later."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from content import large, recipients
from memory import resident, status

ONE = "one transaction"

clock = time.perf_counter


class Queueing:
    """The part of the worker that is about queues."""

    _sender: Any

    def enqueue(self, count: int, way: str) -> dict[str, Any]:
        """Store messages; answer how long it took."""
        sender = self._sender
        sender.reset()
        sender.enqueue(recipients(1), way)
        readers = recipients(count)
        start = clock()
        sender.enqueue(readers, way)
        return {"around": 0.0, "sending": clock() - start, "count": count, "sent": 0}

    def dispatch(self, count: int, processes: int = 1) -> dict[str, Any]:
        """Send stored messages; answer how long it took."""
        sender = self._sender
        sender.reset()
        sender.enqueue(recipients(1), ONE)
        sender.dispatch(1)  # imports and caches
        sender.enqueue(recipients(count), ONE)
        seconds = sender.dispatch(processes)
        if left := sender.left():
            raise RuntimeError(f"{left} messages were not sent.")
        return {"around": 0.0, "sending": seconds, "count": count, "sent": count + 1}

    def enqueue_large(self, mebibytes: int) -> dict[str, Any]:
        """Store a message with an attachment; answer by how much the process grew."""
        sender = self._sender
        sender.reset()
        sender.enqueue(recipients(1), ONE)
        data = large(mebibytes)
        before = resident()  # the data is part of it
        sender.enqueue_large(recipients(1)[0], data)
        return {"growth": status("VmHWM") - before, "sent": 0}

    def dispatch_large(self, mebibytes: int) -> dict[str, Any]:
        """Send a stored message with an attachment; answer by how much more than the attachment the
        process grew.
        """
        sender = self._sender
        sender.reset()
        sender.enqueue(recipients(1), ONE)
        sender.dispatch(1)
        # By another process, which frees its memory.
        request = f'{{"task": "store_large", "mebibytes": {mebibytes}}}\n'
        subprocess.run([sys.executable, *sys.argv], input=request.encode(), check=True, timeout=60)
        before = resident()
        sender.dispatch(1)
        growth = status("VmHWM") - before - mebibytes * 1024
        if sender.left():
            raise RuntimeError("The large message was not sent.")
        return {"growth": max(0, growth), "sent": 2}

    def store_large(self, mebibytes: int) -> dict[str, Any]:
        """Store a message with an attachment."""
        self._sender.enqueue_large(recipients(1)[0], large(mebibytes))
        return {}

    def store(self, count: int) -> dict[str, Any]:
        """Store messages, and nothing else."""
        self._sender.reset()
        self._sender.enqueue(recipients(count), ONE)
        return {}

    def work(self) -> dict[str, Any]:
        """Send what can be sent; answer how many messages are left."""
        self._sender.dispatch(1)
        return {"left": self._sender.left()}

    def unknown(self) -> dict[str, Any]:
        """Answer the recipients of messages that may have been sent, as the library says."""
        return {"readers": self._sender.unknown()}
