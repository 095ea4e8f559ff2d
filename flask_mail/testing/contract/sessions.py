"""Sessions are opened, used and closed."""

from __future__ import annotations

from typing import Any

import pytest

from ... import MessageError
from ...backends import Backend, Outcome
from .data import Delivered, bad_message, hello
from .fixtures import Fixtures
from .helpers import make_app, must_arrive, must_close, must_send


class Sessions(Fixtures):
    """Sessions are opened, used and closed."""

    def test_close_never_raises(self, backend: Backend[Any], delivered: Delivered | None) -> None:
        """Closing is possible at any time: unused, used, aborted, and once more."""
        unused = backend.open()
        must_close(backend, unused, "a session that was never used")
        must_close(backend, unused, "a session that was closed before")
        used = backend.open()
        assert backend.send(hello(), used, app=make_app()).sent
        must_close(backend, used, "a session that was used")
        must_close(backend, used, "a session that was used, and closed before")
        aborted = backend.open()
        must_close(backend, aborted, "a session", by=backend.abort)
        must_close(backend, aborted, "a session that was aborted", by=backend.abort)
        must_close(backend, aborted, "a session that was aborted")
        must_send(backend, hello())  # a session that was closed takes none of the others with it
        must_arrive(delivered, 2)

    def test_a_session_carries_several_messages(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """One session takes messages one after the other; a bad one among them does not hurt it."""
        app = make_app()
        session = backend.open()
        try:
            for number in range(3):
                assert backend.send(hello(f"Number {number}"), session, app=app).sent
                with pytest.raises(MessageError):
                    backend.send(bad_message(), session, app=app)
            receipts = list(backend.send_many([hello("3"), hello("4")], session, app=app))
        finally:
            backend.close(session)
        assert [each.outcome for each in receipts] == [Outcome.SENT] * 2, f"{receipts}"
        must_arrive(delivered, 5)
