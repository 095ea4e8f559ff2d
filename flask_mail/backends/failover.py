"""Delivery by the first mailer that takes the message."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..config.converters import to_seconds
from ..config.table import convert
from ..delivery.sending import error_of
from ..errors import (
    OPENING,
    ConfigurationError,
    DeliveryUnknown,
    MailError,
    MessageError,
    UnsupportedFeature,
    attach,
    name_mailer,
)
from ..receipt import Outcome, Receipt
from ..util.clocks import monotonic
from ..util.locks import ForkSafeLock
from .base import Backend
from .composite import Composite, to_names
from .options import key_of_option, read_options
from .sessions import Sessions

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..delivery.outgoing import Outgoing


class FailoverBackend(Composite):
    """Delivers by the first of several mailers; by the next one if it was provably not sent.

    A mailer that cannot be reached rests: it is left out for a while, unless all rest.

    :param mailers: names of the mailers, in order.
    :param retry_after: seconds that a mailer rests, unless the server says how long.
    :param refused_too: try the next mailer too if the message was refused.
    """

    name = "failover"
    _run: int | None = None
    """The number of messages of a batch that the first mailer gets before it is chosen again."""

    def __init__(
        self,
        *,
        mailers: Sequence[Backend[Any]],
        retry_after: float = 60.0,
        refused_too: bool = False,
    ) -> None:
        super().__init__(mailers)
        self.retry_after = retry_after
        self.refused_too = refused_too
        self.clock: Callable[[], float] = monotonic
        self._lock = ForkSafeLock()
        self._awake_at: dict[int, float] = {}  # by id of a child

    @classmethod
    def parts(cls, options: Mapping[str, Any]) -> Sequence[Any]:
        key = key_of_option(cls, options)("mailers")
        return convert(key, to_names, options["mailers"]) if options.get("mailers") else ()

    @classmethod
    def from_options(cls, options: Mapping[str, Any], build: Callable[[str], Backend[Any]]) -> Self:
        given = cls._read(options, key_of_option(cls, options))
        return cls(**{**given, "mailers": [build(each) for each in given["mailers"]]})

    @classmethod
    def _read(cls, options: Mapping[str, Any], key_of: Callable[[str], str]) -> dict[str, Any]:
        """Return the arguments of the constructor, with the names of the mailers."""
        given = read_options(cls, key_of, options)
        for name, read in (("mailers", to_names), ("retry_after", to_seconds)):
            if name in given:
                given[name] = convert(key_of(name), read, given[name], secret=False)
        return given

    def open(self) -> Sessions:
        """Open a session of the first child for which this is possible.

        :raises DeliveryError: it is possible for none; the error is that of the first.
        """
        session = _Session()
        left, failed = list(self._turn()), session.failed
        while (child := self._next(left)) is not None:
            left = _without(child, left)
            try:
                session.of(child)
            except Exception as error:  # noqa: BLE001 (raised if no other can be opened)
                mailer = child.mailer or child.name
                name_mailer(error, mailer)
                receipt = child.receipt_of(error, None, handed_over=False)
                failed.append(replace(receipt, mailer=receipt.mailer or mailer, error=error))
                self._note(child, receipt)
            else:
                session.start = child, left
                return session
        decided = _decided(failed, failed[0])
        first = error_of(decided)
        attach(first, "receipt", decided)
        raise first

    # Any: base classes know no _Session.
    def deliver(self, mail: Outgoing, session: Any) -> Receipt:
        child, left, failed = self._start(mail, session)
        return self._continued(child, left, failed, session.attempt(child, mail), mail, session)

    def deliver_many(self, mails: Iterable[Outgoing], session: Any) -> Iterator[Receipt]:
        upcoming = iter(mails)
        for first in upcoming:
            child, left, failed = self._start(first, session)
            taken: deque[Outgoing] = deque()
            given = self._given(child, chain((first,), upcoming), taken)
            for receipt in session.deliver_many(child, given):
                mail = taken.popleft()
                yield self._continued(child, left, failed, receipt, mail, session)
                failed = []

    def _given(
        self, child: Backend[Any], mails: Iterator[Outgoing], taken: deque[Outgoing]
    ) -> Iterator[Outgoing]:
        """Yield messages to a child until it rests, or has had its turn."""
        for number, mail in enumerate(mails, 1):
            taken.append(mail)
            yield mail
            if number == self._run or self._rests(child):
                return

    def _turn(self) -> Sequence[Backend[Any]]:
        """Return the children in the order in which the next message tries them."""
        return self.children

    def _start(
        self, mail: Outgoing, session: _Session
    ) -> tuple[Backend[Any], list[Backend[Any]], list[Receipt]]:
        """Return the first child to try, the others, and the receipts of those that failed to open.

        For the first message of a session, that is what :meth:`open` has found.
        """
        if session.start is not None:
            (child, left), session.start = session.start, None
            failed, session.failed = session.failed, []
            message_id = mail.message_id
            return (
                *(child, left),
                [replace(each, message_id=message_id, error=each.error) for each in failed],
            )
        turn = self._turn()
        child = self._next(turn) or turn[0]
        return child, _without(child, turn), []

    def _continued(
        self,
        child: Backend[Any],
        left: Sequence[Backend[Any]],
        failed: Sequence[Receipt],
        receipt: Receipt,
        mail: Outgoing,
        session: Sessions,
    ) -> Receipt:
        """Return the outcome of a message after a child's `receipt`; try the others if needed.

        :param failed: receipts of children before this one.
        """
        tried = [*failed, receipt]
        self._note(child, receipt)
        while self._goes_on(tried[-1]):
            another = self._next(left)
            if another is None:
                return _decided(tried, tried[0])
            left = _without(another, left)
            tried.append(session.attempt(another, mail))
            self._note(another, tried[-1])
        return _decided(tried, tried[-1])

    def _goes_on(self, receipt: Receipt) -> bool:
        """Return True if the message was provably not accepted, and another child may take it."""
        if receipt.outcome is Outcome.REFUSED:
            return self.refused_too
        error = receipt.error
        is_at_fault = isinstance(error, MessageError) and not isinstance(error, UnsupportedFeature)
        return receipt.outcome is Outcome.NOT_SENT and not is_at_fault

    def _next(self, left: Sequence[Backend[Any]]) -> Backend[Any] | None:
        """Return the child of `left` to try next: one that does not rest, unless all do."""
        if left and not self._awake_at:
            return left[0]
        now = self.clock()
        with self._lock():
            moments = {id(each): self._awake_at.get(id(each), now) for each in self.children}
        awake = [each for each in left if moments[id(each)] <= now]
        if awake:
            return awake[0]
        if not left or min(moments.values()) <= now:
            return None
        return min(left, key=lambda each: moments[id(each)])

    def _rests(self, child: Backend[Any]) -> bool:
        now = self.clock()
        return self._awake_at.get(id(child), now) > now

    def _note(self, child: Backend[Any], receipt: Receipt) -> None:
        """Let a child rest that cannot be reached, or that said when to try again."""
        # A composite does not rest while one of those it has tried need not.
        rests = [self._rest_after(each) for each in (receipt, *receipt.earlier)]
        with self._lock():
            if receipt.taken:
                self._awake_at.pop(id(child), None)
            elif receipt.outcome is Outcome.NOT_SENT and (seconds := min(rests)):
                self._awake_at[id(child)] = self.clock() + seconds

    def _rest_after(self, receipt: Receipt) -> float:
        """Return the seconds for which the child of a failed attempt rests, or 0."""
        error: Any = receipt.error
        seconds: float | None = getattr(error, "retry_after", None)
        if seconds is not None:
            return seconds
        is_down = getattr(error, "stage", "") in OPENING or isinstance(error, ConfigurationError)
        return self.retry_after if is_down else 0.0


class _Session(Sessions):
    """Sessions, and how far :meth:`FailoverBackend.open` came, for the first message."""

    def __init__(self) -> None:
        super().__init__()
        self.start: tuple[Backend[Any], list[Backend[Any]]] | None = None
        self.failed: list[Receipt] = []


def _without(child: Backend[Any], children: Sequence[Backend[Any]]) -> list[Backend[Any]]:
    return [each for each in children if each is not child]


def _decided(tried: Sequence[Receipt], decisive: Receipt) -> Receipt:
    """Return the receipt that decided the outcome, with those of all that were tried."""
    if len(tried) == 1 and decisive.taken:
        return decisive
    earlier = [
        each
        for receipt in tried
        # Those of a composite in this one have their place in this order.
        for each in (receipt.earlier if receipt is decisive else (receipt,))
    ]
    error = decisive.error
    if decisive.outcome is Outcome.UNKNOWN and not isinstance(error, MailError):
        unknown = DeliveryUnknown(
            f"The {decisive.backend} backend raised {type(error).__name__}, so the message may have"
            " been accepted; no other mailer was tried."
        )
        unknown.__cause__ = error
        error = unknown
    return replace(
        decisive,
        error=error,
        attempts=sum(each.attempts for each in tried),
        earlier=tuple(earlier),
    )
