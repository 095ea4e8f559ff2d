"""The email message that a program fills in and sends."""

from __future__ import annotations

import hashlib
import os
import secrets
import warnings
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from .. import _context
from ..errors import MessageError
from ..util.text import describe
from . import fields
from .alternatives import Alternatives
from .attachment import Attaching, Attachment
from .copying import Copying
from .fields import (
    EXTRAS,
    Copied,
    CopiedLater,
    by_backend,
    copied,
    one_or_more,
    sender_text,
    unordered_recipients,
)
from .formats import Formats
from .header_fields import HeaderAttributes
from .inviting import Inviting
from .rendering import Rendering

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..receipt import Envelope, Receipt

AddressLike: TypeAlias = str | tuple[str, str]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def make_msgid(idstring: str | None = None, domain: str | None = None) -> str:
    """Return a new Message-ID: 128 random bits at `domain`, which reveal nothing about this host.

    :param idstring: inserted after the random part.
    :param domain: ``localhost`` by default.
    """
    token = secrets.token_hex(16)
    return f"<{token}{f'.{idstring}' if idstring else ''}@{domain or 'localhost'}>"


_own_make_msgid = make_msgid


class Message(Attaching, HeaderAttributes, Copying, Formats, Inviting, Rendering):
    """An email message.

    :param subject: the subject.
    :param recipients: the To addresses: each a str such as ``"Ann <ann@example.com>"`` or a
        (name, address) pair.
    :param body: the plain text.
    :param html: the HTML.
    :param alts: alternatives to the text: a dict of content by subtype or content type, in rising
        order of preference, such as ``{"html": "<b>Hi</b>"}``; `html` and those added later are put
        in their usual order.
    :param sender: the From address, ``MAIL_DEFAULT_SENDER`` by default.
    :param cc: the Cc addresses.
    :param bcc: addresses that get the message and that no reader sees.
    :param attachments: the attachments.
    :param reply_to: the Reply-To address, a (name, address) pair or a collection.
    :param date: seconds since the epoch or a datetime; the time of sending by default.
    :param charset: ``utf-8`` by default; text that it cannot express is sent in UTF-8.
    :param extra_headers: further headers, which replace those that Flask-Mail writes.
    :param mail_options: ESMTP options of MAIL FROM, such as ``["BODY=8BITMIME"]``.
    :param rcpt_options: ESMTP options of each RCPT TO, such as ``["NOTIFY=SUCCESS"]``.
    :param priority: ``"high"``, ``"normal"`` or ``"low"``.
    :param in_reply_to: the message being replied to, or its Message-ID.
    :param references: the messages of its thread; that of `in_reply_to` by default.
    :param auto_submitted: ``True`` or ``"auto-replied"`` for mail that a program wrote.
    :param unsubscribe: the mailing list that its only recipient can leave with one click, such as
        ``"newsletter"``; needs ``MAIL_UNSUBSCRIBE``.
    :param tags: labels for the mail service's statistics, such as ``["welcome"]``.
    :param metadata: text and numbers that the mail service stores with the message and reports with
        its events, such as ``{"order": 4711}``.
    :param key: identifies the message, such as ``"order-42-receipt"``: a queue does not store a
        second one with the same key, and a mail service that knows such keys does not send it.
    :param options: options for single backends, such as ``{"smtp": {...}}``. Other backends ignore
        them.
    :param seed: makes the Message-ID and the boundaries reproducible, for tests that compare a
        message with a file: the same seed and fields give the same bytes. The default date is then
        in 1970. Never send two messages with the same seed.

    Collections of any kind are accepted, also in later assignments, and copied. Fields are checked
    only when the message is sent.
    """

    subject: str
    recipients: Copied[Iterable[AddressLike], list[AddressLike]] = Copied(list)
    cc: Copied[Iterable[AddressLike], list[AddressLike]] = Copied(list)
    bcc: Copied[Iterable[AddressLike], list[AddressLike]] = Copied(list)
    sender: AddressLike
    """None if there is no default sender; the annotation is that of 0.10."""
    body: str | None
    alts: Copied[Mapping[str, str] | Iterable[tuple[str, str]], dict[str, str]] = Copied(
        Alternatives
    )
    attachments: Copied[Iterable[Attachment], list[Attachment]] = Copied(list)
    reply_to: Copied[
        AddressLike | Iterable[AddressLike], AddressLike | list[AddressLike] | None
    ] = Copied(one_or_more)
    date: float | datetime | None
    charset: str | None
    extra_headers: dict[str, str] | None
    mail_options: Copied[Iterable[str], list[str]] = Copied(fields.options)
    rcpt_options: Copied[Iterable[str], list[str]] = Copied(fields.options)
    tags: CopiedLater[Iterable[str], list[str]] = CopiedLater(list)
    metadata: CopiedLater[Mapping[str, Any], dict[str, Any]] = CopiedLater(dict)
    options: CopiedLater[Mapping[str, Mapping[str, Any]], dict[str, dict[str, Any]]] = CopiedLater(
        by_backend
    )
    unsubscribe: str | None = None
    key: str | None = None
    envelope: Envelope | None = None
    """Envelope of the delivery; set on the copies in ``mail.outbox``."""
    mailer: str = ""
    """Name of the mailer that it was given to; set on the copies in ``mail.outbox``."""

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
        reply_to: AddressLike | Iterable[AddressLike] | None = None,
        date: float | datetime | None = None,
        charset: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        mail_options: Iterable[str] | None = None,
        rcpt_options: Iterable[str] | None = None,
        *,
        priority: str | int | None = None,
        in_reply_to: str | Message | None = None,
        references: str | Message | Iterable[str | Message] | None = None,
        auto_submitted: str | bool | None = None,
        unsubscribe: str | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        key: str | None = None,
        seed: object = None,
    ) -> None:
        self.recipients = recipients
        self.subject = subject
        self.sender = sender_text(sender or default_sender())
        self.reply_to = reply_to
        self.cc = cc
        self.bcc = bcc
        self.body = body
        self.alts = alts
        if html is not None:
            self.html = html
        self.date = date
        self.charset = charset
        self.extra_headers = None if extra_headers is None else copied(extra_headers, dict)
        if priority is not None:
            self.priority = priority
        if references is not None:
            self.references = references
        if in_reply_to is not None:
            self.in_reply_to = in_reply_to
        if auto_submitted is not None:
            self.auto_submitted = auto_submitted
        if unsubscribe is not None:
            self.unsubscribe = unsubscribe
        for name, value in zip(EXTRAS, (tags, metadata, options, key), strict=True):
            if value is not None:
                setattr(self, name, value)
        self.mail_options = mail_options
        self.rcpt_options = rcpt_options
        self.attachments = attachments
        if seed is None:
            self._token = os.urandom(16).hex()
        else:
            self._token = hashlib.sha256(str(seed).encode()).hexdigest()[:32]
            self.date = _EPOCH if date is None else date
        if make_msgid is not _own_make_msgid:
            self.msgId = make_msgid()  # a program patched it

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

    @cached_property
    def _token(self) -> str:  # type: ignore[override]
        # For messages that 0.10 pickled.
        return os.urandom(16).hex()

    @cached_property
    def msgId(self) -> str:  # noqa: N802 (0.10's name)
        """The Message-ID: random, at the sender's domain, created on first access."""
        from ..address.parser import parse_address

        try:
            domain = parse_address(self.sender, "sender").domain
        except MessageError:
            domain = "localhost"
        return f"<{self._token}@{domain}>"

    @property
    def send_to(self) -> set[AddressLike]:
        """All recipients: To, Cc and Bcc."""
        return unordered_recipients(self)

    def add_recipient(self, recipient: AddressLike) -> None:
        """Add a To address."""
        self.recipients.append(recipient)

    def has_bad_headers(self) -> bool:
        """Return True if a header, address, name or option contains a line break or control."""
        from .validation import has_bad_headers

        return has_bad_headers(self)

    _own_has_bad_headers = staticmethod(has_bad_headers)

    def is_bad_headers(self) -> bool:
        """Deprecated: the name of :meth:`has_bad_headers` before 0.9."""
        warnings.warn(
            "'is_bad_headers' is renamed to 'has_bad_headers'.", DeprecationWarning, stacklevel=2
        )
        return self.has_bad_headers()

    # Not annotated with Connection, which is in a room above. A Protocol would not do: programs
    # override this with the annotation of 0.10.
    def send(self, connection: Any) -> Receipt:
        """Send this message over `connection`, the :class:`Connection` of ``mail.connect()``."""
        receipt: Receipt = connection.send(self)
        return receipt

    def __repr__(self) -> str:
        fields: list[object] = [self.recipients, self.cc, self.bcc]
        count = sum(len(each) if isinstance(each, list) else 1 for each in fields)
        return f"<Message {describe(self.subject)} to {count}>"

    @classmethod
    def _blank(cls) -> Self:
        # The constructor of a subclass may require other arguments.
        message = object.__new__(cls)
        Message.__init__(message)
        return message


def default_sender() -> Any:
    """Return the default sender of the current mail state, if any."""
    return getattr(_context.current_state(), "default_sender", None)


Message._own_fields = frozenset(Message().__dict__).union(EXTRAS)  # noqa: SLF001 (its own class)
