"""Messages as backends get them: validated, rendered, with an envelope."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..address.parser import parse_address, parse_addresses
from ..errors import MessageError, NoRecipients, NoSender
from ..message.fields import unordered_recipients
from ..message.message import Message
from ..message.metadata import check_extras, metadata_of, tags_of
from ..message.validation import check_message, check_options
from ..mime.content import Content
from ..receipt import Envelope, Refusal
from ..util.patterns import lazy_pattern


class _Whole:
    """Descriptor that returns the content as bytes, in whatever form it is stored."""

    def __get__(self, mail: Outgoing | None, owner: type[Outgoing]) -> bytes:
        if mail is None:
            raise AttributeError("content")  # the field has no default
        return bytes(mail.octets)

    def __set__(self, mail: Outgoing, value: bytes | Content) -> None:
        mail.__dict__["content"] = value


@dataclass(frozen=True, repr=False)
class Outgoing:
    """A validated and rendered message, ready to be delivered."""

    envelope: Envelope
    if TYPE_CHECKING:
        content: bytes
    else:
        content: bytes = _Whole()
    """The message in the format of RFC 5322, as bytes, with CRLF line ends and without Bcc.

    A large message is made again at each access: backends that can deliver it in pieces use
    :meth:`blocks`. Raises :class:`MessageError` if an attached file is gone or has changed.
    """
    message_id: str
    message: Message
    """The message, for backends that need its fields; they must not change it."""
    withheld: Mapping[str, Refusal] = field(default_factory=dict)
    """Recipients removed by MAIL_ALLOWED_RECIPIENTS."""
    mailer: str = ""
    """The name of the mailer that the message was given to."""

    @classmethod
    def of(
        cls,
        message: Message,
        envelope_from: str | tuple[str, str] | None = None,
        *,
        mailer: str = "",
    ) -> Outgoing:
        """Validate and render `message`; its date is set to now if it has none.

        :param envelope_from: the reverse-path if it is not the sender; ``"<>"`` is the empty one.
        :param mailer: the name of the mailer that it is given to.
        :raises MessageError: the message is invalid.
        """
        envelope = envelope_of(message, envelope_from)
        if message.date is None:
            message.date = time.time()
        octets: Any = message.content_to_send()
        if isinstance(octets, Content):
            octets.check()
        else:
            octets = canonical(octets)
        return cls(envelope, octets, _message_id(message), message, mailer=mailer)

    def with_envelope(
        self, envelope: Envelope, *, withheld: Mapping[str, Refusal] | None = None
    ) -> Outgoing:
        """Return this message for another envelope.

        Unlike :func:`dataclasses.replace`, it does not make large content as a whole.

        :param withheld: further recipients who do not get it, with the reason.
        """
        withheld = {**self.withheld, **withheld} if withheld else self.withheld
        return self._like(envelope, self.octets, withheld)

    def with_octets(self, octets: bytes | Content) -> Outgoing:
        """Return this message with other content, such as with a signature added."""
        return self._like(self.envelope, octets, self.withheld)

    def _like(
        self, envelope: Envelope, octets: bytes | Content, withheld: Mapping[str, Refusal]
    ) -> Outgoing:
        content: Any = octets
        return type(self)(envelope, content, self.message_id, self.message, withheld, self.mailer)

    def __repr__(self) -> str:
        return f"Outgoing(envelope={self.envelope!r}, message_id={self.message_id!r})"

    @property
    def sender(self) -> str:
        """The encoded address in From, without the name; bounces go to the envelope's sender."""
        return parse_address(self.message.sender, "sender").addr_spec

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the message, in order, without duplicates."""
        return tags_of(self.message)

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of the message as text: numbers in digits, ``True`` as ``"true"``."""
        return metadata_of(self.message)

    @property
    def octets(self) -> bytes | Content:
        """The content as it is stored; large content is only made when it is read."""
        kept: bytes | Content = self.__dict__["content"]
        return kept

    @property
    def size(self) -> int:
        """Size of the content in octets."""
        return len(self.octets)

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in pieces, so that large content is never in memory as a whole.

        :raises MessageError: an attached file is gone or has changed. The last piece was not
            yielded then, and the others must not be delivered.
        """
        octets = self.octets
        return octets.blocks() if isinstance(octets, Content) else iter((octets,))


def envelope_of(message: Message, envelope_from: str | tuple[str, str] | None = None) -> Envelope:
    """Check the fields of `message` and return its envelope.

    :raises MessageError: the message is invalid.
    """
    if message.sender:
        check_message(message)  # first, so that a bad header is reported before any other mistake
    recipients = _recipients(message)
    if not recipients:
        raise NoRecipients(
            "No recipients have been added: give recipients=[...], cc=[...] or bcc=[...]."
        )
    if not message.sender:
        raise NoSender(
            "The message does not specify a sender and a default sender has not been configured:"
            " give sender=... or set MAIL_DEFAULT_SENDER."
        )
    check_extras(message)
    sender = parse_address(message.sender, "sender")
    if envelope_from == "<>":
        reverse_path = ""
    elif envelope_from:
        reverse_path = parse_address(envelope_from, "envelope_from").addr_spec
    else:
        reverse_path = sender.addr_spec
    return Envelope(
        reverse_path,
        recipients,
        check_options(message.mail_options, "mail_options"),
        check_options(message.rcpt_options, "rcpt_options"),
    )


def _recipients(message: Message) -> tuple[str, ...]:
    declared = (
        *parse_addresses(message.recipients, "recipient"),
        *parse_addresses(message.cc, "cc"),
        *parse_addresses(message.bcc, "bcc"),
    )
    # Compared only if it is not ours: it collects all recipients again.
    is_own = getattr(type(message), "send_to", None) is Message.send_to
    wanted = None if is_own else message.send_to
    if wanted is not None and wanted != unordered_recipients(message):
        # A subclass overrides send_to, to redirect mail for instance: 0.10's Connection took its
        # recipients from there. Sorted, because a set has no order.
        redirected = parse_addresses(wanted, "recipient")
        specs = {address.addr_spec for address in redirected}
        declared = (
            *(each for each in declared if each.addr_spec in specs),
            *sorted(redirected, key=lambda address: address.addr_spec),
        )
    unique: dict[tuple[str, str], str] = {}
    for address in declared:
        unique.setdefault((address.local, address.domain.lower()), address.addr_spec)
    return tuple(unique.values())


def _message_id(message: Message) -> str:
    extra = {str(name).lower(): value for name, value in (message.extra_headers or {}).items()}
    return str(extra.get("message-id") or message.msgId).strip()


_STRAY = lazy_pattern(rb"\r(?!\n)|(?<!\r)\n")


def canonical(content: object) -> bytes:
    """Return the result of `as_bytes` as bytes with no other line ends than CRLF."""
    if isinstance(content, str):  # smtplib takes it too
        content = content.encode("utf-8", "surrogateescape")
    elif isinstance(content, (bytearray, memoryview)):
        content = bytes(content)
    # Subclasses override as_bytes, to sign for instance. A stray CR or LF enables SMTP smuggling
    # (RFC 5321 section 2.3.8).
    if not isinstance(content, bytes):
        raise MessageError(f"as_bytes() of this message returned {type(content).__name__}.")
    if content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n"):
        return content
    return _STRAY.sub(b"\r\n", content)
