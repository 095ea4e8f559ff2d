"""Default time limits of a single message."""

from __future__ import annotations

from typing import Final

_SHORTEST: Final = 20.0
"""Seconds, including the connection: web servers end a request after 30, which also has other work
to do."""
_SLOWEST: Final = 128 * 1024
"""Octets per second: the slowest network for which a large message gets enough time."""


def shortest_deadline(timeout: float) -> float:
    """Return the deadline of a small message.

    :param timeout: seconds to wait for each reply.
    """
    return max(_SHORTEST, timeout)


def seconds_to_transfer(octets: int) -> int:
    """Return the seconds by which the size of a message extends its deadline."""
    return octets // _SLOWEST
