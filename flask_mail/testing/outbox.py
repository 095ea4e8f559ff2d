"""Outbox: the messages sent during a test."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ..backends.locmem import LocmemBackend
from ..delivery.copies import copy_of
from ..delivery.policy import DEFAULT
from ..events.values import DeliveryEvent, EventKind
from ..message.fields import Delivered
from ..message.message import Message
from ..receipt import Refusal
from . import events, report
from .assertions import Assertions
from .backends import OutboxBackend
from .composites import Composites
from .failures import Faults
from .scope import HEADER, Scope
from .sent import Sent, key_of, keys_of, queued_options

if TYPE_CHECKING:
    import re
    from types import TracebackType

    from typing_extensions import Self

    from ..backends.base import Backend
    from ..delivery.outgoing import Outgoing
    from ..extension.mailers import Selection
    from ..receipt import Receipt

__unittest = True  # unittest ends tracebacks before this module, as __tracebackhide__ does


class Outbox(Assertions, Sequence[Message]):
    """Sequence of the messages sent while it is open; nothing is really sent.

    With pytest, use the fixture ``outbox``; elsewhere, ``with Outbox() as outbox:``. For every
    backend, messages are checked and rendered, signals are sent, and a copy of each message is kept
    here. Later changes of a message do not affect its copy; ``copy.envelope`` has the recipients.

    :param folder: folder of the files of :meth:`assert_matches`.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._sent: list[Sent] = []
        self._failed: list[tuple[Message, Receipt]] = []
        self._faults = Faults()
        self._changed = threading.Condition()
        self._backends: dict[tuple[Selection, LocmemBackend | None, int], OutboxBackend] = {}
        self._composites = Composites(self._faults)
        self._scope = Scope(self._backend)

    def __enter__(self) -> Self:
        self._scope.open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._scope.close()

    def __len__(self) -> int:
        return len(self._sent)

    def __iter__(self) -> Iterator[Message]:
        return iter([each.message for each in list(self._sent)])

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (list, tuple, Outbox)):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        subjects = report.listed([str(each.subject) for each in self])
        return f"<Outbox: {report.counted(len(self))} sent{f': {subjects}' if subjects else ''}>"

    @property
    def last(self) -> Message:
        """The newest message.

        :raises AssertionError: nothing was sent.
        """
        __tracebackhide__ = True
        return self._newest().message

    @property
    def receipts(self) -> list[Receipt]:
        """The receipts of the messages, in the same order."""
        return [each.receipt for each in list(self._sent)]

    @property
    def queued(self) -> list[tuple[Message, Any]]:
        """The messages that would be stored in a queue, each with its options for the queue.

        An option `key` is that of the message, unless it was given. Of a mailer made of several,
        only if all of these are queues.
        """
        return [each.queued for each in list(self._sent) if each.queued is not None]

    @property
    def failed(self) -> list[Message]:
        """Copies of the messages that failed on demand of the test."""
        return [message for message, _ in list(self._failed)]

    @property
    def failed_receipts(self) -> list[Receipt]:
        """The receipts of :attr:`failed`, in the same order.

        Each has the error that the app got, with the stage at which it failed.
        """
        return [receipt for _, receipt in list(self._failed)]

    @property
    def headers(self) -> dict[str, str]:
        """HTTP header for requests to a server, which assigns the mail they send to this outbox.

        Only needed if several tests run at the same time and share a server.
        """
        return {HEADER: self._scope.token}

    def to(self, address: str | tuple[str, str], *, mailer: str | None = None) -> list[Message]:
        """Return the messages sent to an address, in To, Cc or Bcc.

        :param mailer: only those of this mailer.
        """
        key = key_of(address)
        return [
            each.message
            for each in list(self._sent)
            if key in keys_of(each.envelope.recipients) and mailer in (None, *each.mailers)
        ]

    def clear(self) -> None:
        """Remove all messages."""
        with self._changed:
            self._sent.clear()
            self._failed.clear()

    def fail_next(
        self,
        error: Exception | type[Exception],
        *,
        times: int | None = 1,
        mailer: str | None = None,
    ) -> None:
        """Make the next message fail with `error`, as if the backend raised it.

        :param times: number of messages to fail; ``None``: all of them until :meth:`recover`.
        :param mailer: the name of a mailer, if only its messages fail. If mailers are made of it, a
            failover goes on to its next one, as in production.
        """
        self._faults.of(mailer).fail(error, times)

    def time_out(
        self, *, after_content: bool = False, times: int | None = 1, mailer: str | None = None
    ) -> None:
        """Make the next message time out, without waiting.

        The app gets the error of the smtp backend: a :class:`~flask_mail.BackendUnavailable` and
        ``TimeoutError``.

        :param after_content: time out after the whole message was sent. It may have been accepted,
            so the error is a :class:`~flask_mail.DeliveryUnknown`.
        :param times: as for :meth:`fail_next`.
        :param mailer: as for :meth:`fail_next`.
        """
        self._faults.of(mailer).time_out(after_content=after_content, times=times)

    def refuse(
        self,
        recipient: str | re.Pattern[str],
        code: int = 550,
        text: str = "no such user",
        *,
        enhanced: str = "",
        mailer: str | None = None,
    ) -> None:
        """Refuse recipients from now on.

        If all recipients of a message are refused, it raises what the smtp backend raises: a
        :class:`~flask_mail.MessageRefused`, or a :class:`~flask_mail.BackendUnavailable` if every
        code is 4xx. Otherwise it is sent to the others, and its receipt names the refused ones.

        :param recipient: an address, a pattern with ``*`` and ``?``, or a regular expression.
        :param code: the reply code: 4xx is temporary, 5xx permanent.
        :param enhanced: the enhanced status code, such as ``"5.1.1"``.
        :param mailer: the name of a mailer, if only its messages are refused.
        """
        self._faults.of(mailer).refuse(recipient, Refusal(code, enhanced, text))

    def recover(self) -> None:
        """Accept every message again."""
        self._faults.clear()
        self._composites.clear()

    def report(
        self,
        message: Message,
        kind: EventKind | str,
        *,
        recipient: str | None = None,
        permanent: bool | None = None,
        reason: str = "",
        response: str = "",
        event_id: str | None = None,
    ) -> list[DeliveryEvent]:
        """Report what became of a message, as a mail service does by ``MAIL_EVENTS``.

        ``email_reported`` is sent for each recipient, and the events are returned. The first error
        of a receiver is raised, once all receivers were called.

        :param message: a message of this outbox, or the one that was sent.
        :param kind: such as ``"bounced"``, ``"complained"`` or ``"delivered"``.
        :param recipient: one of its recipients; all of them by default.
        :param permanent: by default, True if it bounced.
        :param event_id: the id of an event that is repeated; a new one by default.
        :raises AssertionError: the message was not sent, or no receiver is connected.
        """
        __tracebackhide__ = True
        sent = events.find(list(self._sent), message)
        about = events.events_about(
            sent,
            kind,
            recipient,
            event_id,
            permanent=kind == EventKind.BOUNCED if permanent is None else permanent,
            reason=reason,
            response=response,
        )
        events.signal(sent, about)
        return about

    def _backend(self, selection: Selection, chosen: Any, own_reference: Any) -> Backend[Any]:
        own: LocmemBackend | None = None
        if issubclass(selection.backend_class(chosen), LocmemBackend):
            own = selection.build(chosen)  # type: ignore[assignment]
        try:
            inner = self._composites.find(selection, own_reference, self._faults.mailers())
        except ValueError as error:  # which the app may catch
            self._scope.notes[str(error)] = None
            raise
        with self._changed:
            keep = partial(self._keep, selection)
            made = OutboxBackend(self._faults, self._fail, keep, own, inner)
            # One per app, since each has its own recipient allow-list.
            return self._backends.setdefault((selection, own, id(inner)), made)

    def _fail(self, mail: Outgoing, receipt: Receipt) -> None:
        self._failed.append((copy_of(mail), receipt))

    def _keep(self, selection: Selection, copy: Message, receipt: Receipt, mail: Outgoing) -> None:
        delivered: Delivered = vars(copy)["as_bytes"]
        own = selection.reference()[0] if mail.mailer == DEFAULT else mail.mailer
        # A backend that a person has chosen has no mailer.
        queue = selection.queue_class(own) if own else None
        queued = None if queue is None else (copy, queued_options(queue, mail))
        sent = Sent(copy, receipt, delivered.octets, mail.envelope, queued, selection)
        with self._changed:
            self._sent.append(sent)
            self._changed.notify_all()
