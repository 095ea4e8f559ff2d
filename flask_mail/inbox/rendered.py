"""Parsed content of a message, for display."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..errors import MessageError
from ..message.finding import Finding
from ..message.lint import lint
from ..message.message import Message
from ..message.parse import fields_in
from ..mime.fields import list_items
from ..mime.parser import Entity, decode_text
from ..mime.parts import alternative_type
from ..util.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..message.attachment import Attachment
    from ..receipt import Envelope

# Types that browsers only show as an image; SVG may contain scripts.
IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_NO_TYPE: Final = "application/octet-stream"
_BY_WEIGHT: Final = (
    *("empty", "no-subject", "placeholder", "missing-image", "local-link", "relative-link"),
    *("needs-smtputf8", "html-clipped", "no-one-click", "no-text", "image-without-alt"),
)
_WEIGHTS: Final = {code: weight for weight, code in enumerate(_BY_WEIGHT)}


@dataclass(frozen=True)
class Part:
    """An attachment or an inline image."""

    number: int
    name: str
    content_type: str
    octets: bytes
    content_id: str | None
    is_inline: bool

    @property
    def size(self) -> int:
        return len(self.octets)

    @property
    def is_image(self) -> bool:
        """True if the browser can show it."""
        return self.content_type in IMAGES

    @classmethod
    def of(cls, number: int, attachment: Attachment) -> Part:
        kind = attachment.content_type.partition(";")[0].strip().lower()
        return cls(
            number,
            clean_text(attachment.filename or f"part-{number + 1}"),
            kind or _NO_TYPE,
            attachment.read(),
            attachment.content_id,
            attachment.content_id is not None or attachment.disposition.startswith("inline"),
        )


@dataclass(frozen=True)
class ParsedContent:
    """A parsed message."""

    content: bytes
    headers: list[tuple[str, str]]
    """Name and value of each header field, unfolded and decoded, in order."""
    message: Message | None
    """The message, or None if it cannot be parsed."""
    fields: Sequence[tuple[str, str]] = ()
    """The header fields as they are, not decoded."""
    text: str | None = None
    html: str | None = None
    others: dict[str, str] = field(default_factory=dict)
    """Further alternatives, by content type."""
    parts: list[Part] = field(default_factory=list)
    error: str = ""

    @classmethod
    def of(cls, content: bytes) -> ParsedContent:
        """Read a message of any origin. Never raises: :attr:`error` says what cannot be read."""
        headers: list[tuple[str, str]] = []
        fields: Sequence[tuple[str, str]] = ()
        try:
            entity = Entity.of(content)
            fields = entity.fields
            headers += [(clean_text(n), clean_text(decode_text(v))) for n, v in entity.fields]
            message = Message()
            for name, value in fields_in(entity).items():
                setattr(message, name, value)
            parts = [Part.of(number, each) for number, each in enumerate(message.attachments)]
        except MessageError as error:
            return cls(content, headers, None, fields, error=str(error))
        except Exception as error:  # noqa: BLE001 (one message must not take the list down)
            reason = f"This message cannot be read: {type(error).__name__}."
            return cls(content, headers, None, fields, error=reason)
        texts = {kind: clean_text(text) for kind, text in message.alts.items()}
        body = None if message.body is None else clean_text(message.body)
        html = texts.pop("html", None)
        others = {alternative_type(clean_text(kind)): text for kind, text in texts.items()}
        return cls(content, headers, message, fields, body, html, others, parts)

    def header(self, name: str) -> str:
        """Return the fields of that name, as one text."""
        wanted = name.lower()
        return ", ".join(value for each, value in self.headers if each.lower() == wanted)

    def mailboxes(self, *names: str) -> list[str]:
        """Return the mailboxes in the fields of these names, each decoded by itself.

        A comma that is encoded or quoted is part of a display name.
        """
        values = (value for name in names for each, value in self.fields if each.lower() == name)
        items = (clean_text(decode_text(each)).strip() for v in values for each in list_items(v))
        return [each for each in items if each]

    @property
    def subject(self) -> str:
        return self.header("subject")

    @property
    def attachments(self) -> list[Part]:
        """The parts that are not inline."""
        return [part for part in self.parts if not part.is_inline]

    def advice(self, envelope: Envelope | None, served: str = "") -> list[Finding]:
        """Return the lint findings for it and the recipients of its envelope, worst first.

        :param served: the host of the inbox, to which links are allowed.
        """
        if self.message is None:
            return []
        message = copy(self.message)
        message.bcc = envelope.recipients if envelope else ()
        found = lint(message, as_is=True, served=served)  # it was sent as it is
        return sorted(found, key=lambda each: _WEIGHTS.get(each.code, len(_WEIGHTS)))

    @property
    def source(self) -> str:
        """The source of the message."""
        return self.content.decode("utf-8", "replace")
