"""Wait for sockets, in ways that gevent and eventlet may patch at any time."""

from __future__ import annotations

import select
from collections.abc import Iterable
from typing import Any


def is_ready(sock: Any, write: bool, seconds: float) -> bool:
    """Wait until `sock` can be read or, if `write` is set, written."""
    # Looked up each time: gevent replaces them, and removes those that it does not support.
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if write else 0))
        return bool(poll.poll(seconds * 1000))
    return any(select.select([sock], [sock] if write else [], [], seconds))


def ready(waits: Iterable[tuple[Any, bool]], seconds: float) -> set[int]:
    """Wait until one of several sockets can be read or, if it is marked so, written.

    :return: the file descriptors of those that can; empty if none could in time.
    """
    waiting = {sock.fileno(): write for sock, write in waits}
    if hasattr(select, "poll"):
        poll = select.poll()
        for number, write in waiting.items():
            poll.register(number, select.POLLIN | (select.POLLOUT if write else 0))
        return {number for number, _ in poll.poll(seconds * 1000)}
    writing = [number for number, write in waiting.items() if write]
    readable, writable, _ = select.select(list(waiting), writing, [], seconds)
    return {*readable, *writable}


def connected(socks: Iterable[Any], seconds: float) -> list[Any]:
    """Wait until one of `socks` is connected or has failed; return all that are."""
    waiting = {each.fileno(): each for each in socks}
    if hasattr(select, "poll"):
        poll = select.poll()
        for number in waiting:
            poll.register(number, select.POLLOUT)
        return [waiting[number] for number, _ in poll.poll(seconds * 1000)]
    # Windows reports those that failed separately.
    _, writable, failed = select.select([], list(waiting), list(waiting), seconds)
    return [waiting[number] for number in {*writable, *failed}]
