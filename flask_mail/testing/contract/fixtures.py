"""Fixtures for authors of backends."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

import pytest

from ... import Message, email_dispatched, email_queued
from ...backends import Backend, Envelope, Outcome, Receipt
from .data import Delivered
from .helpers import must_send


class Fixtures:
    """The fixtures of the contract; only ``backend`` is required."""

    children: tuple[str, ...] = ()
    """For a wrapper backend: the names of its backends, which its receipts may have."""
    taken: Outcome = Outcome.SENT
    """The outcome of a message that it takes: :attr:`.Outcome.QUEUED` for a queue."""

    @pytest.fixture
    def backend(self) -> Backend[Any]:
        """The backend to test, new for each test. Required."""
        raise NotImplementedError(
            f"{type(self).__name__} must define the fixture `backend`, which returns the backend."
        )

    @pytest.fixture
    def delivered(self, backend: Backend[Any]) -> Delivered | None:
        """A function that returns what `backend` delivered: a list of (envelope, content).

        Oldest first. Default: the messages that it keeps, or ``None`` if it keeps none.
        """
        kept = backend.kept()
        if kept is None:
            return None
        earlier = {each.id for each in kept}  # in the same folder, of other tests
        return lambda: _read_back(backend, earlier)

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """The options from which an app builds a backend like `backend`, by lowercase name.

        Needed if the backend has required options.
        """
        return {}

    @pytest.fixture
    def secrets(self) -> Iterable[str]:
        """The passwords and keys that `backend` was built with, which must not be shown."""
        return ()

    @pytest.fixture
    def failing(self) -> Backend[Any] | None:
        """A backend like `backend` whose peer cannot be reached, or refuses every message."""
        return None

    @pytest.fixture
    def refusing(self) -> Backend[Any] | None:
        """A backend like `backend` whose peer rejects nobody@example.com with a 5xx code."""
        return None

    def _must_send(self, backend: Backend[Any], message: Message, **given: Any) -> Receipt:
        return must_send(backend, message, taken=self.taken, **given)

    @property
    def _taken_signal(self) -> Any:
        return email_queued if self.taken is Outcome.QUEUED else email_dispatched

    def _names(self, backend: Backend[Any]) -> tuple[str, ...]:
        return (backend.name, *self.children)


def _read_back(backend: Backend[Any], earlier: Container[str]) -> list[tuple[Envelope, bytes]]:
    stored = [each.read() for each in backend.kept() or () if each.id not in earlier]
    return [
        (each.envelope, each.content)
        for each in stored
        if each is not None and each.envelope is not None
    ]
