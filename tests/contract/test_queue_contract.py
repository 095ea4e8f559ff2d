"""The contract of a backend that stores messages in a queue."""

from __future__ import annotations

import pytest

from flask_mail import Outcome
from flask_mail.backends import Backend, BackendUnavailable
from flask_mail.backends.features import Feature
from flask_mail.backends.locmem import LocmemBackend
from flask_mail.testing import BackendContract


class ToyQueue(Backend[None]):
    """Stores messages as a worker would read them; one that is full stores none."""

    name = "toyqueue"
    api_version = 1
    features = frozenset(Feature)

    def __init__(self, *, room: int = 10_000) -> None:
        self.room = room
        self.stored: list[tuple[object, bytes]] = []  # appending is atomic

    def deliver(self, mail, session):
        if len(self.stored) >= self.room:
            raise BackendUnavailable("The queue is full.")
        self.stored.append((mail.envelope, mail.content))
        return self.queued(mail, str(len(self.stored)))


class TestToyQueue(BackendContract):
    taken = Outcome.QUEUED

    @pytest.fixture
    def backend(self):
        return ToyQueue()

    @pytest.fixture
    def delivered(self, backend):
        return lambda: list(backend.stored)

    @pytest.fixture
    def failing(self):
        return ToyQueue(room=0)


@pytest.mark.parametrize(
    ("backend", "taken"), [(ToyQueue(), Outcome.SENT), (LocmemBackend(), Outcome.QUEUED)]
)
@pytest.mark.parametrize(
    ("test", "says"),
    [
        ("test_the_receipt_tells_what_was_sent", "was not"),
        ("test_signals_fire_once_and_in_order", "was not"),
        ("test_send_many_gives_one_receipt_for_each_in_order", "should be"),
        ("test_a_session_carries_several_messages", "outcome"),
    ],
)
def test_queue_and_backend_that_sends_are_not_taken_for_each_other(backend, taken, test, says):
    contract = BackendContract()
    contract.taken = taken
    given = {"backend": backend, "delivered": None}
    method = getattr(contract, test)
    names = method.__code__.co_varnames[1 : method.__code__.co_argcount]
    with pytest.raises(AssertionError, match=says):
        method(**{name: given[name] for name in names})
