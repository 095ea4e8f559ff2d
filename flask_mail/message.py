"""Message and Attachment: the data that a user fills in."""

from __future__ import annotations

import copy
import re
import secrets
import warnings
from datetime import datetime
from email import message_from_bytes, policy
from mimetypes import guess_type
from typing import TYPE_CHECKING, Any

from . import _context, mime
from .addresses import tolerant_address
from .checks import check_controls
from .errors import BadHeaderError
from .outgoing import Envelope, unordered_recipients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from email.message import Message as ParsedMessage

    from .connection import Connection
    from .outgoing import Receipt

    AddressLike = str | tuple[str, str]

_NEEDS_QUOTES = re.compile(r'["\\@<>;]')


def make_msgid(idstring: str | None = None, domain: str | None = None) -> str:
    """Return a new Message-ID: 128 random bits at `domain`, which tell nothing about this host.

    :param idstring: inserted after the random part.
    :param domain: ``localhost`` where it is left out.
    """
    token = secrets.token_hex(16)
    return f"<{token}{f'.{idstring}' if idstring else ''}@{domain or 'localhost'}>"


_own_make_msgid = make_msgid


class Attachment:
    """A file that goes with a message.

    :param filename: the name that readers see.
    :param content_type: ``type/subtype``; guessed from the name, else ``text/plain`` for str and
        ``application/octet-stream`` for bytes.
    :param data: the content; required.
    :param disposition: ``attachment`` (the default) or ``inline``.
    :param headers: further headers of this part, such as ``{"Content-ID": "<logo>"}``.
    """

    filename: str | None
    content_type: str
    data: str | bytes
    disposition: str
    headers: dict[str, str]

    def __init__(
        self,
        filename: str | None = None,
        content_type: str | None = None,
        data: str | bytes | None = None,
        disposition: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ) -> None:
        if data is None:
            raise ValueError("The 'data' argument is required.")
        if content_type is None and filename is not None:
            content_type = guess_type(str(filename))[0]
        if content_type is None:
            content_type = "text/plain" if isinstance(data, str) else "application/octet-stream"
        self.filename = filename
        self.content_type = content_type
        self.data = data
        self.disposition = disposition or "attachment"
        self.headers = dict(headers or {})

    def __repr__(self) -> str:
        return f"<Attachment {self.filename!r} {self.content_type} {len(self.data)}>"


class Message:
    """An email message.

    :param subject: the subject.
    :param recipients: the To addresses: each a str such as ``"Ann <ann@example.com>"`` or a
        (name, address) pair.
    :param body: the plain text.
    :param html: the HTML.
    :param alts: alternatives to the text: subtype -> content, in rising order of preference, such
        as ``{"html": "<b>Hi</b>"}``.
    :param sender: the From address, ``MAIL_DEFAULT_SENDER`` by default.
    :param cc: the Cc addresses.
    :param bcc: addresses that get the message and that nobody sees.
    :param attachments: the attachments.
    :param reply_to: where answers go; a list for several addresses.
    :param date: seconds since the epoch or a datetime; the time of sending by default.
    :param charset: ``utf-8`` by default; text that it cannot express is sent in UTF-8.
    :param extra_headers: further headers; one that Flask-Mail writes too replaces it.
    :param mail_options: ESMTP options of MAIL FROM, such as ``["BODY=8BITMIME"]``.
    :param rcpt_options: ESMTP options of each RCPT TO, such as ``["NOTIFY=SUCCESS"]``.

    Lists are copied. Nothing is refused before the message is sent.
    """

    subject: str
    sender: AddressLike | None
    body: str | None
    alts: dict[str, str]
    attachments: list[Attachment]
    reply_to: AddressLike | list[AddressLike] | None
    date: float | datetime | None
    charset: str | None
    extra_headers: dict[str, str] | None
    mail_options: list[str]
    rcpt_options: list[str]
    envelope: Envelope | None
    """Whom it went to: set on the copies in ``mail.outbox``."""

    def __init__(
        self,
        subject: str = "",
        recipients: Iterable[AddressLike] | None = None,
        body: str | None = None,
        html: str | None = None,
        alts: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        sender: AddressLike | None = None,
        cc: Iterable[AddressLike] | None = None,
        bcc: Iterable[AddressLike] | None = None,
        attachments: Iterable[Attachment] | None = None,
        reply_to: AddressLike | list[AddressLike] | None = None,
        date: float | datetime | None = None,
        charset: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        mail_options: Iterable[str] | None = None,
        rcpt_options: Iterable[str] | None = None,
    ) -> None:
        self.recipients = recipients
        self.subject = subject
        self.sender = sender_text(sender or default_sender())
        self.reply_to = reply_to
        self.cc = cc
        self.bcc = bcc
        self.body = body
        self.alts = dict(alts or {})
        if html is not None:
            self.html = html
        self.date = date
        self.charset = charset
        self.extra_headers = _copied(extra_headers, dict)
        self.mail_options = _copied(mail_options, list) or []
        self.rcpt_options = _copied(rcpt_options, list) or []
        self.attachments = list(attachments or [])
        self.envelope = None
        self.boundary = secrets.token_hex(16)
        self._msg_id: str | None = None
        if self.sender or make_msgid is not _own_make_msgid:  # a program's own takes no domain
            self._new_msg_id()

    @property
    def recipients(self) -> list[AddressLike]:
        """The To addresses. Any iterable may be assigned; it is copied."""
        return self._recipients

    @recipients.setter
    def recipients(self, values: Iterable[AddressLike] | None) -> None:
        self._recipients: list[AddressLike] = _address_list(values)

    @property
    def cc(self) -> list[AddressLike]:
        """The Cc addresses. Any iterable may be assigned; it is copied."""
        return self._cc

    @cc.setter
    def cc(self, values: Iterable[AddressLike] | None) -> None:
        self._cc: list[AddressLike] = _address_list(values)

    @property
    def bcc(self) -> list[AddressLike]:
        """The Bcc addresses, which are only in the envelope. Any iterable may be assigned."""
        return self._bcc

    @bcc.setter
    def bcc(self, values: Iterable[AddressLike] | None) -> None:
        self._bcc: list[AddressLike] = _address_list(values)

    @property
    def html(self) -> str | None:
        """The HTML: the alternative ``"html"``."""
        return self.alts.get("html")

    @html.setter
    def html(self, value: str | None) -> None:
        if value is None:
            self.alts.pop("html", None)
        else:
            self.alts["html"] = value

    @property
    def msgId(self) -> str:  # noqa: N802 (0.10's name)
        """The Message-ID: random, at the sender's domain, the same from the first look on."""
        return self._msg_id or self._new_msg_id()

    @msgId.setter
    def msgId(self, value: str) -> None:  # noqa: N802 (0.10's name)
        self._msg_id = value

    def _new_msg_id(self) -> str:
        if make_msgid is _own_make_msgid:
            domain = tolerant_address(self.sender).domain
            self._msg_id = make_msgid(domain=domain if domain.isascii() else None)
        else:
            self._msg_id = make_msgid()
        return self._msg_id

    @property
    def send_to(self) -> set[AddressLike]:
        """All recipients: To, Cc and Bcc."""
        return unordered_recipients(self)

    def add_recipient(self, recipient: AddressLike) -> None:
        """Add a To address."""
        self.recipients.append(recipient)

    def attach(
        self,
        filename: str | None = None,
        content_type: str | None = None,
        data: str | bytes | None = None,
        disposition: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ) -> None:
        """Add an :class:`Attachment`, which takes the same arguments."""
        self.attachments.append(Attachment(filename, content_type, data, disposition, headers))

    def has_bad_headers(self) -> bool:
        """Whether a header, address, name or option holds a line break or another control."""
        try:
            check_controls(self)
        except BadHeaderError:
            return True
        return False

    def is_bad_headers(self) -> bool:
        """Deprecated: the name of :meth:`has_bad_headers` before 0.9."""
        warnings.warn(
            "'is_bad_headers' is renamed to 'has_bad_headers'.", DeprecationWarning, stacklevel=2
        )
        return self.has_bad_headers()

    def send(self, connection: Connection) -> Receipt:
        """Send this message over `connection`."""
        return connection.send(self)

    def as_bytes(self) -> bytes:
        """Return the message as it travels, lines ending in CRLF; what must not be sent is cleaned.

        Line breaks and other controls in headers are removed; sending refuses them.
        """
        if type(self)._message is not Message._message:  # noqa: SLF001 (this class's)
            return self._message().as_bytes()
        state = _context.current_state()
        ascii_attachments = bool(state is not None and state.ascii_attachments)
        return mime.render(self, ascii_attachments=ascii_attachments)

    def as_string(self) -> str:
        """Return :meth:`as_bytes` as a str."""
        return self.as_bytes().decode("utf-8", "surrogateescape")

    def __str__(self) -> str:
        return self.as_string()

    def __bytes__(self) -> bytes:
        return self.as_bytes()

    def __repr__(self) -> str:
        return f"<Message {str(self.subject)[:60]!r} to {len(self.send_to)}>"

    def _message(self) -> ParsedMessage:
        # Programs override this to add headers or to sign, as 0.10 rendered through it.
        state = _context.current_state()
        ascii_attachments = bool(state is not None and state.ascii_attachments)
        return message_from_bytes(
            mime.render(self, ascii_attachments=ascii_attachments), policy=policy.SMTP
        )

    def snapshot(self) -> Message:
        """Return a copy that no later change of this message, or of a lazy string, reaches."""
        clone = object.__new__(type(self))
        for name, value in self.__dict__.items():
            clone.__dict__[name] = _frozen(value) if name in _OWN else _deep_copy(value)
        return clone

    def __getstate__(self) -> dict[str, Any]:
        # Lazy strings belong to the request; what queues and caches store are their words. And the
        # worker must send the Message-ID that the web process has written down.
        self._msg_id = self.msgId
        return self.snapshot().__dict__


def default_sender() -> Any:
    """Return the default sender of the mail state that applies here, if there is one."""
    state = _context.current_state()
    return None if state is None else state.default_sender


def sender_text(sender: Any) -> Any:
    """Return a (name, address) pair as ``name <address>``, anything else as it is."""
    if not isinstance(sender, (tuple, list)) or len(sender) != 2:
        return sender
    name, address = sender
    name = "" if name is None else str(name)
    if _NEEDS_QUOTES.search(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'
    return f"{name} <{address}>"


def _address_list(values: Any) -> Any:
    if not values:
        return []
    return _copied(values, list)


def _copied(values: Any, kind: Callable[[Any], Any]) -> Any:
    # What is no list or mapping is kept for the error that sending it raises: list("a@b.c") would
    # be its letters, as it was in 0.10.
    if values is None or isinstance(values, (str, bytes)):
        return values
    try:
        return kind(values)
    except (TypeError, ValueError):
        return values


# What Message itself stores; a subclass may add anything.
_OWN = frozenset(Message().__dict__)


def _frozen(value: Any) -> Any:
    """Copy what a message holds; whatever is no plain value is a lazy string."""
    if value is None or isinstance(value, (str, bytes, int, float, datetime, Envelope)):
        return value
    if isinstance(value, dict):
        return {_frozen(key): _frozen(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_frozen, value))
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, Attachment):
        clone = copy.copy(value)
        clone.__dict__.update({key: _frozen(each) for key, each in value.__dict__.items()})
        return clone
    return str(value)


def _deep_copy(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 (a lock, a socket: what cannot be copied is shared)
        return value
