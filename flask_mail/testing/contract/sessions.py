"""Opening, using and closing sessions."""

from __future__ import annotations

from typing import Any

import pytest

from ... import MessageError
from ...backends import Backend
from .data import Delivered, bad_message, hello
from .fixtures import Fixtures
from .helpers import make_app, must_arrive, must_close


class Sessions(Fixtures):
    """Opening, using and closing sessions."""

    def test_close_never_raises(self, backend: Backend[Any], delivered: Delivered | None) -> None:
        """Unused, used, aborted and closed sessions can be closed."""
        unused = backend.open()
        must_close(backend, unused, "an unused session")
        must_close(backend, unused, "a session that was already closed")
        used = backend.open()
        assert backend.send(hello(), used, app=make_app()).outcome is self.taken
        must_close(backend, used, "a used session")
        must_close(backend, used, "a used session that was already closed")
        aborted = backend.open()
        must_close(backend, aborted, "a session", by=backend.abort)
        must_close(backend, aborted, "an aborted session", by=backend.abort)
        must_close(backend, aborted, "an aborted session")
        self._must_send(backend, hello())  # closing a session does not affect others
        must_arrive(delivered, 2)

    def test_a_session_carries_several_messages(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """One session delivers several messages, even after a bad one."""
        app = make_app()
        session = backend.open()
        try:
            for number in range(3):
                receipt = backend.send(hello(f"Number {number}"), session, app=app)
                assert receipt.outcome is self.taken, f"{receipt}"
                with pytest.raises(MessageError):
                    backend.send(bad_message(), session, app=app)
            receipts = list(backend.send_many([hello("3"), hello("4")], session, app=app))
        finally:
            backend.close(session)
        assert [each.outcome for each in receipts] == [self.taken] * 2, f"{receipts}"
        must_arrive(delivered, 5)
