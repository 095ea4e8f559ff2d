"""Receipts of a batch: collected until its end, or passed to a function as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import attach
from .reporting import Causes, log_batch

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..receipt import Outcome, Receipt

OnReceipt = Callable[["Receipt"], object]


class Receipts:
    """Receipts of one `send_many`, in order, for a ``with`` block around it.

    An error that leaves the block gets the attribute `receipts`, and the batch is logged.

    :param on_receipt: called with each receipt; ``None`` to keep them until the end.
    :ivar kept: those that were not passed on.
    :ivar causes: the failures that were not logged as warnings.
    :ivar raised: the first error to be raised after the last message.
    """

    def __init__(self, on_receipt: OnReceipt | None) -> None:
        self.kept: list[Receipt] = []
        self.causes = Causes()
        self.raised: Exception | None = None
        self.may_take = True
        """False once `on_receipt` has raised: no other message is taken."""
        self._on_receipt = on_receipt
        self._passed: Counter[Outcome] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is not None:
            attach(error, "receipts", self.kept)
        self.causes.summarize()
        counted = self._passed + Counter(each.outcome for each in self.kept)
        log_batch(counted, error, is_complete=self._on_receipt is None)

    def pass_on(self) -> None:
        """Call `on_receipt` with the receipts that have come, unless it has raised."""
        if self._on_receipt is None:
            return
        while self.kept and self.may_take:
            try:
                self._on_receipt(self.kept[0])
            except Exception as error:  # noqa: BLE001 (raised after the messages in flight)
                self.may_take = False
                self.raised = self.raised or error
            else:
                self._passed[self.kept.pop(0).outcome] += 1

    def end(self) -> None:
        """Raise the first error of the batch, if there was one."""
        if self.raised is not None:
            raise self.raised
