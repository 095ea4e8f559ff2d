"""The console backend: prints messages during development."""

from __future__ import annotations

import io
import re
import sys
import unicodedata
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import collapse_rfc2231_value
from typing import TYPE_CHECKING, Any, Final

from .. import _context
from ..errors import BackendUnavailable, ConfigurationError
from ..util.locks import ForkSafeLock
from .base import Backend
from .features import Feature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..delivery.outgoing import Outgoing
    from ..receipt import Envelope, Receipt
    from .values import Kept

_RULE: Final = "-" * 72
# The lines about the parts show the structure better.
_STRUCTURE: Final = frozenset(
    {"mime-version", "content-type", "content-transfer-encoding", "content-disposition"}
)
# A message rendered by a subclass could nest without limit.
_MOST_PARTS: Final = 1000

# Only characters other than printable ASCII are checked one by one, since most text has none.
_DOUBTFUL: Final = re.compile(r"[^ -~\n\t]")
_DOUBTFUL_IN_LINE: Final = re.compile(r"[^ -~]")
# Letters and marks by category, but invisible.
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")

_WORD: Final = r"=\?[^?\s]{1,60}\?[bq]\?[^?\s]*\?="  # RFC 2047 section 2
# White space between two of them is ignored (section 6.2).
_WORDS: Final = re.compile(rf"{_WORD}(?:[ \t]+{_WORD})*", re.ASCII | re.IGNORECASE)
_FOLD: Final = re.compile(r"\r\n(?=[ \t])")

# Shared, since two backends may use one terminal; reentrant, since a stream may send mail.
_lock = ForkSafeLock()


class ConsoleBackend(Backend[None]):
    """Prints every message: its envelope, headers and text, and a line per attachment.

    Terminal controls and deceptive characters are escaped, such as ``\\x1b``.

    :param stream: ``"stdout"``, ``"stderr"`` (as they are when a message is sent), or an object
        whose ``write`` takes text.
    :param format: ``"readable"``, or ``"source"`` for the rendered message.
    :raises ConfigurationError: the stream or format is not valid.
    """

    name = "console"
    features = frozenset(Feature)
    external = False

    def __init__(self, stream: object = "stdout", format: str = "readable") -> None:  # noqa: A002
        if not _is_stream(stream):
            raise ConfigurationError(
                f'{self.setting_key("stream")} must be "stdout", "stderr" or an object whose'
                f" write() takes text, not this {type(stream).__name__}."
            )
        if format not in tuple(_FORMATS):
            raise ConfigurationError(
                f'{self.setting_key("format")} must be "readable" or "source".'
            )
        self._stream = stream
        self._show = _FORMATS[format]

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        text = self._show(mail)
        try:
            stream = self._current_stream()
            text = _encodable(text, getattr(stream, "encoding", None))
            with _lock():
                stream.write(text)
                flush = getattr(stream, "flush", None)
                if flush is not None:
                    flush()
        except Exception as error:
            target = self._stream if isinstance(self._stream, str) else type(self._stream).__name__
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise BackendUnavailable(
                f"The console backend cannot write to {target}: {_line(str(reason)).rstrip('.')}."
                f" Set {self.setting_key('stream')} to an open stream."
            ) from error
        recent = getattr(_context.current_state(), "recent", None)
        if recent is not None:
            recent.add(mail)
        return self.accepted(mail)

    def kept(self) -> list[Kept] | None:
        from .console_reading import recent_messages

        return recent_messages()

    def _current_stream(self) -> Any:
        if not isinstance(self._stream, str):
            return self._stream
        stream = getattr(sys, self._stream)
        if stream is None:
            raise ValueError("this process does not have one")
        return stream


def _is_stream(value: object) -> bool:
    if isinstance(value, str):
        return value in ("stdout", "stderr")
    takes_bytes = isinstance(value, (io.RawIOBase, io.BufferedIOBase))
    return not takes_bytes and callable(getattr(value, "write", None))


def _readable(mail: Outgoing) -> str:
    try:
        shown = [*_envelope(mail.envelope), "", *_content(mail.content), *_extras(mail)]
        lines = [_RULE, *shown, _RULE]
    except Exception:  # noqa: BLE001 (the parser may fail on what a subclass renders)
        return _source(mail)
    return "\n".join(lines) + "\n"


def _source(mail: Outgoing) -> str:
    comments = "".join(f"# {line}\n" for line in _envelope(mail.envelope))
    source = _text(mail.content.decode("utf-8", "backslashreplace"))
    return f"{comments}{source}\n" if source.endswith("\n") else f"{comments}{source}\n\n"


_FORMATS: Final[dict[str, Callable[[Outgoing], str]]] = {"readable": _readable, "source": _source}


def _envelope(envelope: Envelope) -> Iterator[str]:
    yield _line(" ".join((f"MAIL FROM:<{envelope.sender}>", *envelope.mail_options)))
    for recipient in envelope.recipients:
        yield _line(" ".join((f"RCPT TO:<{recipient}>", *envelope.rcpt_options)))


def _extras(mail: Outgoing) -> Iterator[str]:
    """Yield the tags and metadata for mail services."""
    notes = []
    if mail.tags:
        notes.append(f"[tags: {', '.join(map(_line, mail.tags))}]")
    if mail.metadata:
        pairs = (f"{_line(name)}={_line(value)}" for name, value in mail.metadata.items())
        notes.append(f"[metadata: {', '.join(pairs)}]")
    if notes:
        yield ""
        yield from notes


def _content(content: bytes) -> Iterator[str]:
    head = content.partition(b"\r\n\r\n")[0]
    for name, value in BytesHeaderParser().parsebytes(head).raw_items():
        if name.lower() not in _STRUCTURE:
            yield f"{_line(name)}: {_header(value)}"
    parts = _leaves(content)
    attached = [part for part in parts if _is_attached(part)]
    inline = [part for part in parts if not _is_attached(part)]
    plain = [part for part in inline if part.get_content_type() == "text/plain"]
    html = [part for part in inline if part.get_content_type() == "text/html"]
    texts = _bodies(plain) or _bodies(html)[:1]
    for text in texts:
        yield ""
        yield text
    notes = [f"[{_description(part)}]" for part in inline if part not in plain]
    notes += [f"[{_kind(part)}: {_name(part)}, {_description(part)}]" for part in attached]
    if notes:
        yield ""
        yield from notes


def _leaves(content: bytes) -> list[Message]:
    """Return the parts without subparts, in order; an attached message is one part."""
    leaves: list[Message] = []
    pending = [content]
    seen = 0
    while pending:
        part = BytesHeaderParser().parsebytes(pending.pop())
        seen += 1
        pieces = _pieces(part) if seen <= _MOST_PARTS else []
        if pieces:
            pending += reversed(pieces)
        else:
            leaves.append(part)
    return leaves


def _pieces(part: Message) -> list[bytes]:
    boundary = part.get_boundary()
    if part.get_content_maintype() != "multipart" or not boundary:
        return []
    # RFC 2046 section 5.1.1. The preamble is for programs without MIME.
    delimiter = re.escape(boundary.encode("utf-8", "replace"))
    pieces = re.split(rb"(?:^|\r\n)--%b(?:--)?[ \t]*(?=\r\n|\Z)" % delimiter, _octets(part))[1:]
    return [piece.removeprefix(b"\r\n") for piece in pieces]


def _kind(part: Message) -> str:
    return "inline" if part.get_content_disposition() == "inline" else "attachment"


def _is_attached(part: Message) -> bool:
    # Some signing programs mark the text as inline.
    return part.get_content_disposition() not in (None, "inline") or bool(_filename(part))


def _octets(part: Message) -> bytes:
    octets = part.get_payload(decode=True)
    return octets if isinstance(octets, bytes) else b""


def _bodies(parts: list[Message]) -> list[str]:
    return [text.strip("\n") for text in map(_body, parts) if text.strip()]


def _body(part: Message) -> str:
    octets = _octets(part)
    charset = part.get_content_charset("utf-8")
    try:
        text = octets.decode(charset, "backslashreplace")
    except (LookupError, ValueError):
        text = octets.decode("utf-8", "backslashreplace")
    return _text(text)


def _name(part: Message) -> str:
    return _line(_WORDS.sub(_decoded, _filename(part))) or "without a name"


def _filename(part: Message) -> str:
    # RFC 6266 section 4.3: the extended form takes precedence; the parser returns it last.
    found: list[Any] = [
        value
        for header, wanted in (("content-type", "name"), ("content-disposition", "filename"))
        for name, value in part.get_params([], header)
        if name.lower() == wanted
    ]
    return collapse_rfc2231_value(found[-1]) if found else ""


def _description(part: Message) -> str:
    size = len(_octets(part))
    shown = f"{size / 1024:.1f} KiB" if size >= 1024 else f"{size} byte{'' if size == 1 else 's'}"
    return f"{_line(part.get_content_type())}, {shown}"


def _header(value: str) -> str:
    # The parser represents octets other than ASCII as surrogates.
    octets = _FOLD.sub("", value).encode("utf-8", "surrogateescape")
    text = octets.decode("utf-8", "backslashreplace").replace("\t", " ")
    return _line(_WORDS.sub(_decoded, text))


def _decoded(words: re.Match[str]) -> str:
    try:
        pieces = decode_header(words[0])
        # The language of RFC 2231 section 5 follows a star.
        return "".join(octets.decode(str(charset).partition("*")[0]) for octets, charset in pieces)
    except (LookupError, ValueError, HeaderParseError):
        return words[0]


def _text(text: str) -> str:
    return _DOUBTFUL.sub(_visible, text.replace("\r\n", "\n"))


def _line(text: str) -> str:
    return _DOUBTFUL_IN_LINE.sub(_visible, text)


def _visible(doubtful: re.Match[str]) -> str:
    char = doubtful[0]
    seen = char.isprintable() or unicodedata.category(char) == "Zs"
    return char if seen and char not in _BLANK else ascii(char)[1:-1]


def _encodable(text: str, encoding: object) -> str:
    if not isinstance(encoding, str):
        return text
    try:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    except (LookupError, ValueError):
        return text.encode("ascii", "backslashreplace").decode("ascii")
