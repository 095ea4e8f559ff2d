"""Sending a message of the inbox once more: to one address that a person has typed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _context
from ..backends.entry_points import installed
from ..backends.features import Feature
from ..backends.loader import load_installed
from ..errors import ConfigurationError, MessageError
from ..message.message import Message
from ..message.validation import check_message

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..backends.values import StoredMessage
    from ..receipt import Receipt
    from .inbox import Inbox
    from .rendered import ParsedContent


class Again(Message):
    """A message that travels as the octets that it once was."""

    octets: bytes = b""
    is_resent = True

    def as_bytes(self) -> bytes:
        return self.octets


def backends(inbox: Inbox) -> list[str]:
    """Return the names of the backends that can resend a message.

    Empty if mail is suppressed, as in tests, or if there is no recipient allow-list: the inbox must
    not be an open relay.
    """
    if inbox.state.suppress or not _is_guarded(inbox):
        return []
    names = []
    for each in installed():
        try:
            if load_installed(each).external:
                names.append(each.name)
        except ConfigurationError:  # a broken plugin; `flask mail backends` lists it
            continue
    return sorted(names, key=lambda name: name != "smtp")  # which most people want


def lacks_guard(inbox: Inbox) -> bool:
    """Return True if only a recipient allow-list is missing."""
    return not (inbox.state.suppress or _is_guarded(inbox))


def _is_guarded(inbox: Inbox) -> bool:
    try:
        return inbox.state.selection.guard() is not None
    except ConfigurationError:  # sending says what is wrong with the setting
        return False


def _fill(again: Again, read: Message, stored: StoredMessage, backend: Backend[Any]) -> None:
    """Add what a backend looks at that does not take the octets."""
    if Feature.TAGS in backend.features:
        again.tags = stored.tags
    if Feature.METADATA in backend.features:
        again.metadata = stored.metadata
    for name in ("body", "alts", "attachments"):
        setattr(again, name, getattr(read, name))
    try:
        check_message(again)
    except MessageError:
        # Not written by Flask-Mail: the octets are sent unchanged.
        again.body, again.alts, again.attachments = None, {}, []


def resend(
    inbox: Inbox, stored: StoredMessage, parsed: ParsedContent, address: str, backend_name: str
) -> Receipt:
    """Send a message or preview to `address` only, regardless of its headers.

    :raises ConfigurationError: there is no recipient allow-list, mail is suppressed, or the backend
        is not one of :func:`backends`.
    :raises MessageError: the address is not valid.
    :raises DeliveryError: it was not delivered, or may not have been.
    """
    state = inbox.state
    if state.selection.guard() is None:
        raise ConfigurationError(
            "Set MAIL_ALLOWED_RECIPIENTS to the addresses that the inbox may send to, or"
            " MAIL_REDIRECT_TO."
        )
    if backend_name not in backends(inbox):
        raise ConfigurationError(
            "Choose an installed backend that sends mail. Not available under TESTING and with"
            " MAIL_SUPPRESS_SEND."
        )
    read = parsed.message or Message()
    again = Again(read.subject, [address], sender=read.sender or state.default_sender)
    again.octets = stored.content
    again.msgId = read.msgId
    backend = state.selection.deliverer(backend_name)
    _fill(again, read, stored, backend)
    sessions: list[Any] = []

    def open_session() -> Any:
        sessions.append(backend.open())
        return sessions[-1]

    is_done = False
    with _context.bound(state):
        try:
            receipt = backend.send(
                again,
                app=inbox.app,
                envelope_from=(stored.envelope.sender or "<>") if stored.envelope else None,
                open_session=open_session,
                policy=state.selection.policy_without_mailer(),
            )
            is_done = True
        finally:
            for session in sessions:
                (backend.close if is_done else backend.abort)(session)
    return receipt
