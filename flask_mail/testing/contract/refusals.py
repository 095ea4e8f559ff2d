"""Messages that must be refused."""

from __future__ import annotations

from typing import Any

import pytest

from ... import BadHeaderError
from ...backends import Backend
from .data import BREAKS, FIELDS, LINE_ENDS, Delivered, hello
from .fixtures import Fixtures
from .helpers import must_arrive, must_refuse


class Refusals(Fixtures):
    """Messages that must be refused."""

    @pytest.mark.parametrize("field", FIELDS)
    def test_line_breaks_and_controls_are_refused(
        self, backend: Backend[Any], delivered: Delivered | None, field: str
    ) -> None:
        """Header and command injection is refused before anything is delivered."""
        for name, character in BREAKS.items():
            error = must_refuse(
                backend,
                FIELDS[field](f"one{character}two"),
                f"{name} in the {field}",
            )
            if name in LINE_ENDS:
                assert isinstance(error, BadHeaderError), (
                    f"{name} in the {field} should raise BadHeaderError, not {error!r}."
                )
        must_arrive(delivered, 0)

    def test_line_breaks_and_controls_in_the_envelope_sender_are_refused(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Injection through `envelope_from` is refused too."""
        for name, character in BREAKS.items():
            must_refuse(
                backend,
                hello(),
                f"{name} in envelope_from",
                envelope_from=f"one{character}two@example.com",
            )
        must_arrive(delivered, 0)
