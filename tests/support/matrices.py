"""Ways in which messages travel, and matrices of which a part runs by default."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest

MODES = {
    "lockstep": (),
    "pipelining": ("PIPELINING",),
    "chunking": ("CHUNKING",),
    "both": ("PIPELINING", "CHUNKING"),
}
"""Way of sending messages -> the extensions that it needs."""

MODE_PARAMS = [
    "lockstep",
    pytest.param("pipelining", marks=pytest.mark.exhaustive),
    pytest.param("chunking", marks=pytest.mark.exhaustive),
    "both",
]
every_mode = pytest.mark.parametrize("mode", MODE_PARAMS)


def matrix(names: str, *axes: Iterable[Any]) -> pytest.MarkDecorator:
    """Parametrize a test with all combinations.

    By default, only so many run that each value comes up.
    """
    values = [list(axis) for axis in axes]
    longest = max(map(len, values))
    always = {tuple(number % len(axis) for axis in values) for number in range(longest)}
    return pytest.mark.parametrize(
        names,
        [
            pytest.param(
                *(axis[index] for axis, index in zip(values, indexes, strict=True)),
                marks=() if indexes in always else pytest.mark.exhaustive,
            )
            for indexes in product(*(range(len(axis)) for axis in values))
        ],
    )
