"""What must not be sent."""

from __future__ import annotations

from typing import Any

import pytest

from ... import BadHeaderError
from ...backends import Backend
from .data import BREAKS, FIELDS, LINE_ENDS, Delivered, hello
from .fixtures import Fixtures
from .helpers import must_arrive, must_refuse


class Refusals(Fixtures):
    """What must not be sent."""

    @pytest.mark.parametrize("field", FIELDS)
    def test_line_breaks_and_controls_are_refused(
        self, backend: Backend[Any], delivered: Delivered | None, field: str
    ) -> None:
        """Nothing can be smuggled in: the message is refused before any of it is delivered."""
        for name, character in BREAKS.items():
            error = must_refuse(
                backend,
                FIELDS[field](f"one{character}two"),
                f"{name} in the {field}",
            )
            if name in LINE_ENDS:
                assert isinstance(error, BadHeaderError), (
                    f"{name} in the {field} should be a BadHeaderError; it is {error!r}."
                )
        must_arrive(delivered, 0)

    def test_line_breaks_and_controls_in_the_envelope_sender_are_refused(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Nothing can be smuggled in through `envelope_from` either."""
        for name, character in BREAKS.items():
            must_refuse(
                backend,
                hello(),
                f"{name} in envelope_from",
                envelope_from=f"one{character}two@example.com",
            )
        must_arrive(delivered, 0)
