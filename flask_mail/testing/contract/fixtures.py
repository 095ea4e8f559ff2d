"""What an author gives the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from ...backends import Backend
from .data import Delivered


class Fixtures:
    """The fixtures of the contract: one is required."""

    children: tuple[str, ...] = ()
    """For a backend that delivers by others: their names, which its receipts may have too."""

    @pytest.fixture
    def backend(self) -> Backend[Any]:
        """The backend to test; a new one for each test. Required."""
        raise NotImplementedError(
            f"{type(self).__name__} must define the fixture `backend`, which returns the backend."
        )

    @pytest.fixture
    def delivered(self) -> Delivered | None:
        """A function that returns what `backend` delivered: a list of (envelope, content).

        The oldest comes first. ``None``: it cannot be read back.
        """
        return None

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """The options that an app sets for a backend like `backend`, by lowercase name.

        Needed for a backend that cannot be built without options.
        """
        return {}

    @pytest.fixture
    def secrets(self) -> Iterable[str]:
        """The passwords and keys that `backend` was built with, which must show nowhere."""
        return ()

    @pytest.fixture
    def failing(self) -> Backend[Any] | None:
        """A backend like `backend` whose peer cannot be reached, or refuses every message."""
        return None

    @pytest.fixture
    def refusing(self) -> Backend[Any] | None:
        """A backend like `backend` whose peer refuses nobody@example.com, for good."""
        return None

    def _names(self, backend: Backend[Any]) -> tuple[str, ...]:
        return (backend.name, *self.children)
