"""Behaviour of a server that a batch observes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline import Pipeline
    from .replies import Reply
    from .results import Result
    from .transaction import Transaction

_IN_VAIN = 3
"""Messages in a row that a new connection, or a later attempt, did not help, before no more of them
get one."""


class Lessons:
    """Observations from the messages and connections of a batch.

    :param may_defer: True if a message may be started once more if the server is busy.
    :ivar overlaps: True if a message may be started while another one is in pipeline.
    """

    def __init__(self, *, may_defer: bool = False) -> None:
        self.overlaps = True
        self._is_overlap_proven = False
        self._moved_in_vain = 0
        self._may_defer = may_defer
        self._deferred_in_vain = 0

    def defers(self, reply: Reply) -> bool:
        """Return True if a message with this reply is started once more, later."""
        return self._may_defer and self._deferred_in_vain < _IN_VAIN and reply.is_busy

    def moves(self, reply: Reply) -> bool:
        """Return True if a message with this reply is started again on a new connection."""
        return reply.is_too_many or self._moved_in_vain < _IN_VAIN

    def note_result(self, transaction: Transaction, result: Result) -> None:
        """Learn from the result of a message."""
        if transaction.was_moved:
            self._moved_in_vain = 0 if result.error is None else self._moved_in_vain + 1
        if transaction.is_deferred:
            self._deferred_in_vain = 0 if result.error is None else self._deferred_in_vain + 1

    def note_break(self, pipeline: Pipeline) -> None:
        """Learn from a connection that broke."""
        self._is_overlap_proven = self._is_overlap_proven or pipeline.is_overlap_proven
        if pipeline.has_overlapped and not self._is_overlap_proven:
            # Haraka closes the connection if anything follows content in the same packet.
            self.overlaps = False
