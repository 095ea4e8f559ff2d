"""The sessions of a backend that is made of others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..delivery.sending import checked
from ..errors import BackendUnavailable, DeliveryError, DeliveryUnknown
from ..receipt import Receipt

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing
    from .base import Backend


class Sessions:
    """One session for each child of a composite, opened when it is needed first.

    A composite returns one from :meth:`.Backend.open`, and passes it to each attempt. Receipts name
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

        A message that the child does not support has :class:`.UnsupportedFeature` as its error, and
        was not handed over. If the session is useless afterwards, it is dropped.
        """
        given = _checked(child, mail)
        if isinstance(given, Receipt):
            return given
        try:
            session = self.of(child)
        except Exception as error:  # noqa: BLE001 (reported by the receipt)
            return child.receipt_of(error, given, handed_over=False)
        receipt = child.attempt(given, session)
        if _leaves_it_useless(receipt):
            self.drop(child)
        return receipt

    def deliver_many(
        self, child: Backend[Any], mails: Iterable[Outgoing | Receipt]
    ) -> Iterator[Receipt]:
        """Deliver messages by the `deliver_many` of `child`; yield one receipt for each, in order.

        Never raises: each message that is taken from `mails` gets a receipt. The outcome of one
        that the child took without returning a receipt is :attr:`.Outcome.UNKNOWN`.

        :param mails: the messages. The child does not get those that it does not support, and a
            receipt among them is yielded unchanged when it is its turn.
        """
        given = (_checked(child, mail) for mail in mails)
        for item in given:
            if isinstance(item, Receipt):
                yield item
            else:
                run = _Run(child, chain((item,), given))
                yield from run.receipts(self)
                if run.next_receipt is not None:
                    yield run.next_receipt

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


def _checked(child: Backend[Any], mail: Outgoing | Receipt) -> Outgoing | Receipt:
    """Return a message as `child` gets it, or the receipt of one that it does not support."""
    if isinstance(mail, Receipt):
        return mail
    mail = mail.for_mailer(child.mailer or child.name)
    try:
        child.check(mail)
    except Exception as error:  # noqa: BLE001 (reported by the receipt)
        return child.receipt_of(error, mail, handed_over=False)
    return mail


def _leaves_it_useless(receipt: Receipt) -> bool:
    """Return True if the session cannot be used after this receipt."""
    error = receipt.error
    # As a Connection does: without a response, the session may be out of step.
    return error is not None and not (isinstance(error, DeliveryError) and error.response)


class _Run:
    """Messages in a row that a child delivers over one session, with their receipts in order.

    It ends at a receipt, which must not wait for the messages after it, and when the session is
    useless, as the other messages need a new one.

    :param items: messages that the child supports, and receipts of others.
    """

    def __init__(self, child: Backend[Any], items: Iterator[Outgoing | Receipt]) -> None:
        self.next_receipt: Receipt | None = None
        """The receipt that has ended it."""
        self._child = child
        self._items = items
        self._taken: deque[Outgoing] = deque()
        self._has_started = False
        self._is_useless = False

    def receipts(self, sessions: Sessions) -> Iterator[Receipt]:
        problem: Exception | None = None
        try:
            for answer in self._child.deliver_many(self._given(), sessions.of(self._child)):
                yield self._answered(answer)
        except Exception as error:  # noqa: BLE001 (reported by the receipts)
            problem = error
        if problem is not None or self._is_useless:
            sessions.drop(self._child)
        for mail in self._taken:
            yield self._unanswered(mail, problem)
        if not self._has_started:
            # If the session cannot be opened, to try again for each would take as long each time.
            stopped = f"The {self._child.name} backend stopped before this message."
            yield from self._not_given(problem or BackendUnavailable(stopped))

    def _given(self) -> Iterator[Outgoing]:
        self._has_started = True
        for item in self._items:
            if isinstance(item, Receipt):
                self.next_receipt = item
                return
            self._taken.append(item)
            yield item
            if self._is_useless:
                return

    def _answered(self, answer: object) -> Receipt:
        if not self._taken:
            raise BackendUnavailable("There are more receipts than messages.")
        receipt = checked(self._child.name, answer, self._taken.popleft())
        self._is_useless = self._is_useless or _leaves_it_useless(receipt)
        return receipt

    def _unanswered(self, mail: Outgoing, problem: Exception | None) -> Receipt:
        if not isinstance(problem, DeliveryUnknown):
            unanswered = DeliveryUnknown(
                f"The {self._child.name} backend returned no receipt for this message."
            )
            unanswered.__cause__ = problem
            problem = unanswered
        return self._child.receipt_of(problem, mail)

    def _not_given(self, problem: Exception) -> Iterator[Receipt]:
        for item in self._items:
            if isinstance(item, Receipt):
                yield item
            else:
                yield self._child.receipt_of(problem, item, handed_over=False)
