"""Messages as backends get them: validated, rendered, with an envelope."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..address.parser import parse_address
from ..errors import MessageError
from ..message.message import Message
from ..message.metadata import key_of, metadata_of, tags_of
from ..mime.content import Content
from ..receipt import Envelope, Refusal
from ..util.patterns import lazy_pattern
from .envelope import checked, envelope_of

if TYPE_CHECKING:
    from ..message.attachment_records import Load, Store
    from .fields import Fields, Roles


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
    routed_by: frozenset[tuple[str, str]] = frozenset()
    """The tags and keys of metadata that rules of `routes` have looked at, such as
    ``("tag", "news")``: the backend that delivers may lack the feature for these."""

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
        :raises MessageError: an address or option is invalid, or no recipient is left.
        """
        return self._with(
            envelope=checked(envelope), withheld={**self.withheld, **(withheld or {})}
        )

    def with_octets(self, octets: bytes | Content) -> Outgoing:
        """Return this message with other content, such as with a signature added."""
        return self._with(content=octets)

    def for_mailer(self, mailer: str) -> Outgoing:
        """Return this message as the child of a composite gets it, for receipts and errors."""
        return self if mailer == self.mailer else self._with(mailer=mailer)

    def routed(self, labels: frozenset[tuple[str, str]]) -> Outgoing:
        """Return this message with further tags and keys of metadata in :attr:`routed_by`."""
        return self._with(routed_by=self.routed_by | labels) if labels - self.routed_by else self

    def _with(self, **changes: Any) -> Outgoing:
        # The attribute `content` of the instance may not be bytes yet.
        return type(self)(**{**vars(self), **changes})

    def to_dict(self, *, files: bool = False, store: Store | None = None) -> dict[str, Any]:
        """Return this message as JSON types, for a queue.

        The content is only included if the message would not render to the same octets again: if a
        subclass overrides ``as_bytes``, or a recipient allow-list or a signer has changed it.

        :param files: see :meth:`Message.to_dict`.
        :param store: see there; also called with the data of attachments in the content.
        :raises MessageError: a value has no JSON type, or an attached file is missing or has
            changed.
        """
        from .serialize import to_record

        return to_record(self, files=files, store=store)

    @classmethod
    def from_dict(
        cls, record: Mapping[str, Any], *, files: bool = False, load: Load | None = None
    ) -> Outgoing:
        """Return the message that :meth:`to_dict` serialized, with the same octets.

        :param files: see :meth:`Message.from_dict`; never set it for untrusted records.
        :param load: see there.
        :raises MessageError: the record is invalid or of another version, or an attached file is
            missing or has changed.
        """
        from .serialize import read_record

        return cls(**read_record(record, files=files, load=load))

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
    def key(self) -> str | None:
        """The key of the message, by which a service or a queue recognizes it."""
        return key_of(self.message)

    @property
    def octets(self) -> bytes | Content:
        """The content as it is stored; large content is only made when it is read."""
        kept: bytes | Content = self.__dict__["content"]
        return kept

    @property
    def size(self) -> int:
        """Size of the content in octets."""
        return len(self.octets)

    @property
    def roles(self) -> Roles:
        """The recipients of the envelope in To, in Cc and in neither, with their names.

        For services that take fields. The envelope decides who gets the message, the fields only
        where readers see them.
        """
        from .fields import roles_of

        return roles_of(self)

    @property
    def fields(self) -> Fields:
        """The content in fields, for services that do not take ``content``.

        Raises ``UnsupportedFeature`` if a subclass makes the content, such as a signed one.
        """
        from .fields import fields_of

        return fields_of(self)

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in pieces, so that large content is never in memory as a whole.

        :raises MessageError: an attached file is gone or has changed. The last piece was not
            yielded then, and the others must not be delivered.
        """
        octets = self.octets
        return octets.blocks() if isinstance(octets, Content) else iter((octets,))


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
