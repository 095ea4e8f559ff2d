"""A TCP proxy on loopback that adds the latency of a longer line, and nothing else.

Each chunk is passed on half a round trip after it came, in order, however many are under way: the
line has no bandwidth to run out of, no loss and no slow start. Opening a connection costs what it
costs on a real line. There the client's ``connect()`` returns after one round trip (SYN, SYN-ACK)
and the server learns of it half a round trip later (ACK); here the kernel answers ``connect()`` at
once, so that the server is called after one and a half round trips instead, and its greeting
arrives after two.

Runs as a process of its own: ``python -m benchmarks.proxy '[[0.02, 2525], ...]'`` listens once for
each pair of a round trip in seconds and the port to pass on to, prints the list of its own ports as
one line of JSON, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import sys
from collections import deque

OPENING = 1.5  # round trips until the server hears of a connection
MOST_WAITING = 8 << 20  # bytes in one direction: 800 Mbit/s at 80 ms, far above what is sent here


class Direction:
    """Octets on their way to one side of a connection."""

    def __init__(self, delay: float) -> None:
        self.reverse: Direction | None = None
        self.ended = False  # the end has arrived
        self.source: asyncio.Transport | None = None
        self.target: asyncio.Transport | None = None
        self.blocked = False
        self._delay = delay
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, bytes]] = deque()  # empty bytes: the end
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self.closing = False  # the end is on its way

    def put(self, data: bytes) -> None:
        """Take a chunk, or the end of the stream as empty bytes."""
        if self.closing:
            return
        self.closing = not data
        self._size += len(data)
        self._waiting.append((self._loop.time() + self._delay, data))
        if self._size > MOST_WAITING and self.source is not None:
            self.source.pause_reading()
        self.deliver()

    def deliver(self) -> None:
        """Pass on what is due, and wait for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.target is None or self.blocked:
            return
        while self._waiting:
            due, data = self._waiting[0]
            if due > self._loop.time():
                self._timer = self._loop.call_at(due, self.deliver)
                break
            self._waiting.popleft()
            self._size -= len(data)
            if data:
                self.target.write(data)
            else:
                self._end()
        if self._size <= MOST_WAITING // 2 and self.source is not None:
            self.source.resume_reading()

    def _end(self) -> None:
        self.ended = True
        assert self.target is not None
        if self.reverse is None or self.reverse.closing:
            self.target.close()
        elif not self.target.is_closing():
            try:
                self.target.write_eof()
            except OSError:  # that side has reset its connection
                self.target.abort()


class Side(asyncio.Protocol):
    """One of the two connections: what it reads goes into one direction, the other comes here."""

    def __init__(self, away: Direction, here: Direction) -> None:
        self._away = away
        self._here = here
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # asyncio has set TCP_NODELAY
        self._transport = self._away.source = self._here.target = transport
        self._here.deliver()

    def data_received(self, data: bytes) -> None:
        self._away.put(data)

    def eof_received(self) -> bool:
        self._away.put(b"")
        return not self._here.ended  # else asyncio closes it: both ends have ended

    def connection_lost(self, exc: Exception | None) -> None:
        self._away.put(b"")
        self._away.source = None
        self._here.target = None

    def pause_writing(self) -> None:
        self._here.blocked = True

    def resume_writing(self) -> None:
        self._here.blocked = False
        self._here.deliver()


class Line:
    """A listening port: every connection to it is passed on to one port, `round_trip` away."""

    def __init__(self, round_trip: float, port: int) -> None:
        self._round_trip = round_trip
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(self._accepted, "127.0.0.1", 0, backlog=100)

    def _accepted(self) -> Side:
        there = Direction(self._round_trip / 2)
        back = Direction(self._round_trip / 2)
        there.reverse, back.reverse = back, there
        task = asyncio.get_running_loop().create_task(self._call(there, back))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Side(there, back)

    async def _call(self, there: Direction, back: Direction) -> None:
        await asyncio.sleep(OPENING * self._round_trip)
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: Side(back, there), "127.0.0.1", self._port)
        except OSError:
            if back.target is not None:
                back.target.abort()


async def serve(lines: list[tuple[float, int]]) -> None:
    """Listen for all `lines` until standard input ends."""
    servers = [await Line(round_trip, port).listen() for round_trip, port in lines]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for server in servers:
        server.close()


def main() -> None:
    """Run the proxy that the arguments describe."""
    lines = [(float(round_trip), int(port)) for round_trip, port in json.loads(sys.argv[1])]
    # epoll counts in whole milliseconds, rounded up: with a round trip of 5 that would be a fifth
    # more. select counts in microseconds.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    try:
        loop.run_until_complete(serve(lines))
    finally:
        loop.close()


if __name__ == "__main__":
    main()
