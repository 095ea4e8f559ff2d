"""Delivery by several mailers in turn."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from ..config.converters import to_int
from ..config.table import convert
from ..errors import ConfigurationError
from .base import Backend
from .composite import listed
from .failover import FailoverBackend

_MOST: Final = 1000


class RoundRobinBackend(FailoverBackend):
    """Delivers each message by the next of several mailers; fails over as ``failover`` does.

    :param mailers: names of the mailers.
    :param weights: a whole number for each mailer: its share of the messages; default: equal.
    :param retry_after: seconds that a mailer rests, unless the server says how long.
    :param refused_too: try the next mailer too if the message was refused.
    """

    name = "roundrobin"
    # So that the batch delivery of the children has something to save.
    _run = 20

    def __init__(
        self,
        *,
        mailers: Sequence[Backend[Any]],
        weights: Sequence[int] | None = None,
        retry_after: float = 60.0,
        refused_too: bool = False,
    ) -> None:
        super().__init__(mailers=mailers, retry_after=retry_after, refused_too=refused_too)
        shares = weights or [1] * len(mailers)
        self._turns = [
            each for each, share in zip(mailers, shares, strict=True) for _ in range(share)
        ]
        # Processes that start together should not all begin with the same mailer.
        self._counter = count(random.randrange(len(self._turns)))  # noqa: S311 (not a secret)

    @classmethod
    def _read(cls, options: Mapping[str, Any], key_of: Callable[[str], str]) -> dict[str, Any]:
        given = super()._read(options, key_of)
        if "weights" in given:
            key, mailers = key_of("weights"), given["mailers"]
            given["weights"] = convert(key, _to_weights, given["weights"], secret=False)
            if len(given["weights"]) != len(mailers):
                raise ConfigurationError(
                    f"{key} must have one number for each of the {len(mailers)} mailers, not"
                    f" {len(given['weights'])}."
                )
        return given

    def _turn(self) -> Sequence[Backend[Any]]:
        start = next(self._counter) % len(self._turns)
        turns = self._turns[start:] + self._turns[:start]
        return list({id(each): each for each in turns}.values())


def _to_weights(value: object) -> list[int]:
    try:
        weights = [to_int(each) for each in listed(value)]
    except ValueError:
        weights = []
    if not weights or not all(0 < each <= _MOST for each in weights):
        raise ValueError(f"a list of whole numbers from 1 to {_MOST}")
    return weights
