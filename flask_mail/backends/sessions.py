"""The sessions of a backend that is made of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import DeliveryError

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing
    from ..receipt import Receipt
    from .base import Backend


class Sessions:
    """One session for each child of a composite, opened when it is needed first.

    A composite returns one from :meth:`Backend.open`, and passes it to each attempt. Receipts name
    the child, and its mailer.
    """

    def __init__(self) -> None:
        # By id: a backend may be a dataclass, which has no hash.
        self._open: dict[int, tuple[Backend[Any], Any]] = {}

    def of(self, child: Backend[Any]) -> Any:
        """Return the session of `child`; open it if it is not open.

        :raises DeliveryError: the session cannot be opened.
        """
        if id(child) not in self._open:
            self._open[id(child)] = child, child.open()
        return self._open[id(child)][1]

    def attempt(self, child: Backend[Any], mail: Outgoing) -> Receipt:
        """Deliver `mail` by `child` and return the receipt, even if it fails.

        A message that the child does not support has :class:`UnsupportedFeature` as its error, and
        was not handed over. If the session is useless afterwards, it is dropped.
        """
        mail = mail.for_mailer(child.mailer or child.name)
        try:
            child.check(mail)
            session = self.of(child)
        except Exception as error:  # noqa: BLE001 (reported by the receipt)
            return child.receipt_of(error, mail, handed_over=False)
        receipt = child.attempt(mail, session)
        self._drop_if_useless(child, receipt)
        return receipt

    def deliver_many(self, child: Backend[Any], mails: Iterable[Outgoing]) -> Iterator[Receipt]:
        """Deliver messages by the `deliver_many` of `child`, and yield its receipts in order.

        Messages that it does not support must have been left out; see :meth:`Backend.check`.

        :raises DeliveryError: its session cannot be opened.
        """
        name = child.mailer or child.name
        named = (mail.for_mailer(name) for mail in mails)
        yield from child.deliver_many(named, self.of(child))

    def drop(self, child: Backend[Any]) -> None:
        """Drop the session of `child` immediately, without talking to the peer."""
        if id(child) in self._open:
            child.abort(self._open.pop(id(child))[1])

    def close(self) -> None:
        """Close all sessions. Never raises."""
        self._end(lambda child, session: child.close(session))

    def retire(self) -> None:
        """Close all sessions, which have reached their message limit. Never raises."""
        self._end(lambda child, session: child.retire(session))

    def abort(self) -> None:
        """Drop all sessions immediately, without talking to the peers. Never raises."""
        self._end(lambda child, session: child.abort(session))

    def _end(self, end: Callable[[Backend[Any], Any], None]) -> None:
        while self._open:
            end(*self._open.popitem()[1])

    def _drop_if_useless(self, child: Backend[Any], receipt: Receipt) -> None:
        error = receipt.error
        # As a Connection does: without a response, the session may be out of step.
        if error is not None and not (isinstance(error, DeliveryError) and error.response):
            self.drop(child)
