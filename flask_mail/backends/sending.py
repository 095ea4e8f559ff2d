"""Sending by any backend: validation, admission, signals and receipts, in one place."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, final

from ..delivery.outgoing import Outgoing
from ..delivery.policy import NO_POLICY, Policy
from ..delivery.reporting import Causes, logged
from ..delivery.sending import checked, failure_of, prepared, tell
from ..errors import attach
from ..message.message import Message
from ..receipt import Outcome, Receipt, Refusal

if TYPE_CHECKING:
    from ..delivery.batches import Batch

S = TypeVar("S")


class Sending(ABC, Generic[S]):
    """The final methods of :class:`Backend`, the same for each of them.

    `send` and `send_many` are for callers, `dispatch` and `dispatch_many` for the workers of a
    queue, `attempt` for backends made of others; the rest make receipts.
    """

    name: ClassVar[str]
    external: ClassVar[bool]
    batch_size: ClassVar[int]

    @abstractmethod
    def deliver(self, mail: Outgoing, session: S) -> Receipt: ...

    @abstractmethod
    def deliver_many(self, mails: Iterable[Outgoing], session: S) -> Iterator[Receipt]: ...

    @abstractmethod
    def check(self, mail: Outgoing) -> None: ...

    @final
    def send(
        self,
        message: Message,
        session: S | None = None,
        *,
        app: object = None,
        envelope_from: str | tuple[str, str] | None = None,
        open_session: Callable[[], S] | None = None,
        policy: Policy = NO_POLICY,
    ) -> Receipt:
        """Validate, render and deliver a message, and send the signals.

        :param app: the sender of the signals.
        :param envelope_from: the reverse-path, if it is not the sender; ``"<>"`` is the null one.
        :param open_session: opens the session once the message is valid, so that an invalid one
            opens no connection.
        :param policy: the rules of the app for this message.
        :raises MessageError: the message is not valid; nothing was sent.
        :raises DeliveryError: it was not delivered, or may not have been; see its receipt.
        """
        return self._concluded(
            message,
            partial(prepared, message, app, policy, envelope_from),
            *(session, app, open_session, policy),
        )

    @final
    def dispatch(
        self,
        mail: Outgoing,
        session: S | None = None,
        *,
        app: object = None,
        open_session: Callable[[], S] | None = None,
        policy: Policy = NO_POLICY,
    ) -> Receipt:
        """Deliver a message that was sent before, such as by the worker of a queue.

        As :meth:`send`, but it was validated and rendered, and `email_sending` was sent, when the
        queue took it.
        """
        return self._concluded(mail.message, lambda: mail, session, app, open_session, policy)

    @final
    def send_many(
        self,
        messages: Iterable[Message],
        session: S | None = None,
        *,
        app: object = None,
        open_session: Callable[[], S] | None = None,
        receipts: list[Receipt] | None = None,
        policy: Policy = NO_POLICY,
        ahead: bool = False,
        causes: Causes | None = None,
    ) -> Generator[Receipt, None, None]:
        """Send messages, yield one receipt for each, in order, and send the signals.

        A failed message does not raise: its receipt has the ``error``. Errors of the iterable
        itself, or of a receiver of `email_dispatched` if Flask propagates exceptions, are raised
        after the last receipt.

        :param open_session: opens the session at the first valid message; if it fails, no message
            is sent.
        :param receipts: list to which each receipt is appended, including those of messages in
            flight when the batch is interrupted, which cannot be yielded.
        :param ahead: messages may be taken before those in front of them are delivered.
        :param causes: counts the failures that are not logged as warnings, for a caller that logs a
            summary; by default, this method logs it.
        """
        from ..delivery.batches import Batch

        batch = Batch(
            *(self.name, app, receipts, causes),
            prepare=lambda message: prepared(message, app, policy),
            message_of=lambda message: message,
        )
        size = self.batch_size if ahead else 1
        return self._settled(batch, messages, session, open_session, policy, size)

    @final
    def dispatch_many(
        self,
        mails: Iterable[Outgoing],
        session: S | None = None,
        *,
        app: object = None,
        open_session: Callable[[], S] | None = None,
        receipts: list[Receipt] | None = None,
        policy: Policy = NO_POLICY,
    ) -> Generator[Receipt, None, None]:
        """Deliver messages that were sent before, as :meth:`send_many` does; see `dispatch`."""
        from ..delivery.batches import Batch

        batch = Batch[Any](
            *(self.name, app, receipts),
            prepare=lambda mail: mail,
            message_of=lambda mail: mail.message,
        )
        return self._settled(batch, mails, session, open_session, policy)

    @final
    def attempt(self, mail: Outgoing, session: Any) -> Receipt:
        """Deliver one message and return its receipt, even if it fails; for `deliver_many`."""
        try:
            return checked(self.name, self.deliver(mail, session), mail)
        except Exception as error:  # noqa: BLE001 (reported by the receipt)
            return failure_of(self.name, error, mail, handed_over=True)

    @final
    def accepted(
        self,
        mail: Outgoing,
        *,
        response: str = "",
        refused: Mapping[str, Refusal] | None = None,
        attempts: int = 1,
    ) -> Receipt:
        """Return the receipt of a message that was handed over.

        :param response: the response of the peer, such as its id for the message.
        :param refused: recipients that it refused; they are logged as a warning.
        :param attempts: the number of attempts.
        """
        return Receipt(
            mail.message_id,
            self.name,
            Outcome.SENT,
            refused=dict(refused or {}),
            response=response,
            attempts=attempts,
            mailer=mail.mailer,
        )

    @final
    def queued(self, mail: Outgoing, response: str = "") -> Receipt:
        """Return the receipt of a message that was stored in a queue, which sends it later.

        :param response: its identification in the queue.
        """
        return Receipt(
            mail.message_id, self.name, Outcome.QUEUED, response=response, mailer=mail.mailer
        )

    @final
    def receipt_of(
        self, error: BaseException, mail: Outgoing | None, handed_over: bool = True
    ) -> Receipt:
        """Return the receipt of a message that failed with `error`.

        :param handed_over: True if the peer may have got the message when it was raised; the
            outcome of an error that does not say so itself is then :attr:`Outcome.UNKNOWN`.
        """
        return failure_of(self.name, error, mail, handed_over)

    def _concluded(
        self,
        message: Message,
        prepare: Callable[[], Outgoing],
        session: S | None,
        app: object,
        open_session: Callable[[], S] | None,
        policy: Policy,
    ) -> Receipt:
        started = time.perf_counter()
        mail = None
        handed_over = False
        try:
            mail = prepare()
            mail = self._admitted(mail, policy)
            if open_session is not None:
                session = open_session()
            handed_over = True
            # None: a backend without sessions.
            answer: object = self.deliver(mail, session)  # type: ignore[arg-type]
            receipt = checked(self.name, answer, mail)
        except BaseException as error:
            # BaseException: even if the worker is interrupted, the message may have been accepted.
            receipt = failure_of(self.name, error, mail, handed_over)
            receipt = logged(message, mail, receipt, started)
            attach(error, "receipt", receipt)
            tell(app, message, mail, receipt)
            raise
        receipt = logged(message, mail, receipt, started)
        try:
            problem = tell(app, message, mail, receipt) or receipt.error
            if problem is not None:
                raise problem
        except BaseException as error:
            attach(error, "receipt", receipt)
            raise
        return receipt

    def _settled(
        self,
        batch: Batch[Any],
        items: Iterable[Any],
        session: S | None,
        open_session: Callable[[], S] | None,
        policy: Policy,
        size: int = 1,
    ) -> Generator[Receipt, None, None]:
        def admit(mail: Outgoing) -> Outgoing:
            return self._admitted(mail, policy)

        def outcomes(given: Callable[[], Iterable[Outgoing]]) -> Iterator[Receipt]:
            opened = session if open_session is None else open_session()
            # None: a backend without sessions.
            return self.deliver_many(given(), opened)  # type: ignore[arg-type]

        try:
            if size > 1:
                for group in batch.groups(items, admit, policy, size):
                    yield from batch.settled()
                    if group:
                        given = partial(batch.handing_over_all, group)
                        yield from batch.answered(partial(outcomes, given), iter(()))
            else:
                mails = batch.valid(items, admit)
                first = next(mails, None)
                yield from batch.settled()
                if first is not None:
                    handing = partial(batch.handing_over, first, mails)
                    yield from batch.answered(partial(outcomes, handing), mails)
        except BaseException as error:
            batch.interrupted(error)
            raise
        batch.ended()
        if batch.raised is not None:
            raise batch.raised

    def _admitted(self, mail: Outgoing, policy: Policy) -> Outgoing:
        for admit in policy.admissions:
            admitted: object = admit(mail)
            if not isinstance(admitted, Outgoing):
                name = getattr(admit, "__qualname__", type(admit).__name__)
                raise TypeError(
                    f"{name}(), registered by mail.admit(), returned {type(admitted).__name__}"
                    " instead of the message."
                )
            mail = admitted
        # The limits of the configured backend apply even if a local one replaces it.
        if policy.check_replaced is None or self.external:
            self.check(mail)
        else:
            policy.check_replaced(mail)
        return mail
