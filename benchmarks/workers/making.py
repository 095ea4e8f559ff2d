"""Tasks of a worker that send nothing over a network."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

from checks import check
from content import Content, named

BLOCKS = 10  # in one turn; the figure is the median of them

clock = time.perf_counter


class Making:
    """The half of the worker for which no server is needed."""

    def __init__(self, sender: Any) -> None:
        self._sender = sender

    def apps(self, count: int) -> dict[str, Any]:
        """Set up mail for an app and send with it, as a test with an app of its own does."""
        samples = []
        for _ in range(count + 1):
            app = self._sender.app_of_a_test()
            start = clock()
            self._sender.test(app)
            samples.append(clock() - start)
        return {"samples": samples[1:]}

    def _made(self, wanted: Content) -> bytes:
        sender = self._sender
        made: bytes = sender.render(sender.compose(wanted))
        return made

    def build(self, content: str, seconds: float) -> dict[str, Any]:
        """Make messages and their octets for about `seconds`."""
        wanted = named(content)
        with self._sender.context():
            check(self._made(wanted), wanted)

            def make() -> None:
                self._made(wanted)

            count = fitting(make, seconds / BLOCKS)
            return {"samples": [block(make, count) for _ in range(BLOCKS)]}

    def overhead(
        self, content: str, seconds: float, over: str, *, listening: bool
    ) -> dict[str, Any]:
        """Make messages for about `seconds`, and send them for as long; answer by how much sending
        takes longer, too.

        :param over: ``mail`` for ``mail.send``, ``connection``, or ``nothing``, where they are
            made and checked only.
        :param listening: whether each signal has a receiver.
        """
        sender = self._sender
        wanted = named(content)
        if listening:
            sender.listen()

        def make() -> None:
            self._made(wanted)

        with sender.context(), sender.connect() as connection:

            def send() -> None:
                message = sender.compose(wanted)
                if over == "mail":
                    sender.send(message)
                elif over == "connection":
                    sender.send_over(connection, message)
                else:
                    sender.check(message)
                    sender.render(message)

            count = fitting(send, seconds / BLOCKS)
            pairs = []
            for _ in range(BLOCKS):  # in turn, so that both meet the same machine
                pairs.append((block(make, count), block(send, count)))
                sender.forget()
        return {
            "samples": [sending for _, sending in pairs],
            "above": statistics.median(sending - making for making, sending in pairs),
        }


def fitting(work: Callable[[], None], seconds: float) -> int:
    """Return how often `work` can be done in that time: once at least."""
    work()
    gc.collect()  # nobody pays for what was before; for garbage of one's own everybody does
    count = 1
    while (taken := block(work, count) * count) < seconds / 4:
        count *= 2
    return max(1, int(count * seconds / taken))


def block(work: Callable[[], None], count: int) -> float:
    """Return the seconds that `work` takes on an average."""
    start = clock()
    for _ in range(count):
        work()
    return (clock() - start) / count
