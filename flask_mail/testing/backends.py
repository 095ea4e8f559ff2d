"""What delivers while a test has an outbox."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..backends.base import Backend
from ..backends.features import Feature
from ..delivery.copies import MOST_KEPT, delivered_copy
from ..util.files import FileData

if TYPE_CHECKING:
    from ..backends.locmem import LocmemBackend
    from ..delivery.outgoing import Outgoing
    from ..message.message import Message
    from ..receipt import Receipt, Refusal

_log = logging.getLogger("flask_mail")


class OutboxBackend(Backend[None]):
    """Puts messages into the outbox of a test; fails where that was asked for.

    :param judge: returns the recipients that are refused, or raises what was asked for.
    :param keep: is given the copy of a message, its receipt and its octets.
    :param own: the backend of ``mail.outbox`` where that would have delivered; it still does.
    """

    name = "locmem"  # receipts say what they say under TESTING
    features = frozenset(Feature)
    external = False

    def __init__(
        self,
        judge: Callable[[Outgoing], Mapping[str, Refusal]],
        keep: Callable[[Message, Receipt, Outgoing], None],
        own: LocmemBackend | None,
    ) -> None:
        self._judge = judge
        self._keep = keep
        self._own = own

    def deliver(self, mail: Outgoing, session: object) -> Receipt:
        refused = self._judge(mail)
        if self._own is not None:
            self._own.deliver(mail, None)
        copy = delivered_copy(mail)
        _keep_files(copy)
        receipt = self.accepted(mail, refused=refused)
        self._keep(copy, receipt, mail)
        return receipt


def _keep_files(copy: Message) -> None:
    # A program deletes what it has attached once it is sent, and tests look at it after that.
    for each in copy.attachments:
        data: object = getattr(each, "data", None)  # a program may attach what is no Attachment
        if isinstance(data, FileData) and len(data) <= MOST_KEPT:
            each.data = bytes(data)


class LateBackend(Backend[None]):
    """Takes what is sent when the test that it belongs to has ended: no real mail leaves."""

    name = "late"
    features = frozenset(Feature)
    external = False

    def deliver(self, mail: Outgoing, session: object) -> Receipt:
        _log.warning(
            "%s went nowhere: the test that it belongs to has ended. Recipients: %d",
            mail.message_id,
            len(mail.envelope.recipients),
        )
        return self.accepted(mail)
