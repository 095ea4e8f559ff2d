"""Loopback addresses of a server that are dead, silent or refuse, beside one that works."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from flask_mail.smtp import dialing

NAME = "mx.test"


@contextlib.contextmanager
def silent(address: str, port: int) -> Iterator[socket.socket]:
    """Accept connections at this address and say nothing."""
    with socket.create_server((address, port)) as listening:
        yield listening


@contextlib.contextmanager
def dead(address: str, port: int) -> Iterator[socket.socket]:
    """Drop what tries to connect to this address: its backlog is full."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server((address, port), backlog=0))
        for _ in range(3):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect((address, port))
        yield listening


def named(monkeypatch: pytest.MonkeyPatch, port: int, *addresses: str) -> None:
    """Let :data:`NAME` have these addresses, in this order; no failure of them is remembered."""
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (each, port, 0, 0))
        if ":" in each
        else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
        for each in addresses
    ]
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        return list(found) if host == NAME else look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(dialing, "memory", dialing.Memory())


class Tried:
    """Notes to which addresses sockets connect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[str] = []
        begin = dialing.Race._begin

        def noting(race: dialing.Race, address: dialing.Address) -> bool:
            self.addresses.append(address.where[0])
            return begin(race, address)

        monkeypatch.setattr(dialing.Race, "_begin", noting)
