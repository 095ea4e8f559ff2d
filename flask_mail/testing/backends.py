"""The backends in use while a test has an outbox."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..backends.base import Backend
from ..backends.features import Feature
from ..delivery.copies import MOST_KEPT, delivered_copy
from ..util.files import DataSource
from .composites import delivered

if TYPE_CHECKING:
    from ..backends.locmem import LocmemBackend
    from ..delivery.outgoing import Outgoing
    from ..message.message import Message
    from ..receipt import Receipt
    from .failures import Faults

_log = logging.getLogger("flask_mail")


class OutboxBackend(Backend[None]):
    """Puts messages into the outbox of a test, or fails on demand.

    :param faults: the failures that the test has requested.
    :param fail: called with a message that was not sent, and its receipt.
    :param keep: called with the copy of a message, its receipt and the rendered message.
    :param own: the locmem backend of the app, if it has one, so that ``mail.outbox`` works too.
    :param inner: the composite that delivers, if the test makes one of its mailers fail.
    """

    name = "locmem"  # receipts are the same as under TESTING
    features = frozenset(Feature)
    external = False

    def __init__(
        self,
        faults: Faults,
        fail: Callable[[Outgoing, Receipt], None],
        keep: Callable[[Message, Receipt, Outgoing], None],
        own: LocmemBackend | None,
        inner: Backend[Any] | None = None,
    ) -> None:
        self._faults = faults
        self._fail = fail
        self._keep = keep
        self._own = own
        self._inner = inner

    def deliver(self, mail: Outgoing, session: object) -> Receipt:
        try:
            receipt = self._judged(mail)
        except Exception as error:
            self._fail(mail, self.receipt_of(error, mail))
            raise
        if not receipt.taken:
            self._fail(mail, receipt)
            return receipt
        if self._own is not None:
            self._own.deliver(mail, None)
        copy = delivered_copy(mail)
        _keep_files(copy)
        self._keep(copy, receipt, mail)
        return receipt

    def _judged(self, mail: Outgoing) -> Receipt:
        self._faults.raise_due(mail.mailer)
        self._faults.raise_due(None)
        if self._inner is not None:  # its parts refuse recipients
            return delivered(self._inner, mail)
        return self.accepted(mail, refused=self._faults.refused(mail, [mail.mailer]))


def _keep_files(copy: Message) -> None:
    # A program may delete attached files after sending, before the test reads them.
    for each in copy.attachments:
        data: object = getattr(each, "data", None)  # a program may attach other objects
        if isinstance(data, DataSource) and len(data) <= MOST_KEPT:
            each.data = bytes(data)


class LateBackend(Backend[None]):
    """Discards mail sent after its test has ended."""

    name = "late"
    features = frozenset(Feature)
    external = False

    def deliver(self, mail: Outgoing, session: object) -> Receipt:
        _log.warning(
            "%s was discarded because its test has ended (recipients: %d)",
            mail.message_id,
            len(mail.envelope.recipients),
        )
        return self.accepted(mail)
