"""The console backend: prints messages during development."""

from __future__ import annotations

import io
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from .. import _context
from ..errors import BackendUnavailable, ConfigurationError
from ..mime.parser import Entity, decode_text
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
                f'{self.setting("stream")} must be "stdout", "stderr" or an object whose'
                f" write() takes text, not this {type(stream).__name__}."
            )
        if format not in tuple(_FORMATS):
            raise ConfigurationError(f'{self.setting("format")} must be "readable" or "source".')
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
                f" Set {self.setting('stream')} to an open stream."
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
    shown = [*_envelope(mail.envelope), "", *_content(mail.content), *_extras(mail)]
    return "\n".join((_RULE, *shown, _RULE, ""))


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
    # Parsed, because a program may override the rendering, for example to sign.
    whole = Entity.of(content)
    for name, value in whole.fields:
        if name.lower() not in _STRUCTURE:
            yield f"{_line(name)}: {_header(value)}"
    parts = _leaves(whole)
    attached = [part for part in parts if _is_attached(part)]
    inline = [part for part in parts if not _is_attached(part)]
    plain = [part for part in inline if _type(part) == "text/plain"]
    html = [part for part in inline if _type(part) == "text/html"]
    texts = _bodies(plain) or _bodies(html)[:1]
    for text in texts:
        yield ""
        yield text
    notes = [f"[{_description(part)}]" for part in inline if part not in plain]
    notes += [f"[{_kind(part)}: {_name(part)}, {_description(part)}]" for part in attached]
    if notes:
        yield ""
        yield from notes


def _leaves(whole: Entity) -> list[Entity]:
    """Return the parts without subparts, in order; an attached message is one part."""
    leaves: list[Entity] = []
    pending = [whole]
    seen = 0
    while pending:
        part = pending.pop()
        seen += 1
        is_open = seen <= _MOST_PARTS and _type(part).startswith("multipart/")
        pieces = list(part.parts()) if is_open else []
        if pieces:
            pending += reversed(pieces)
        else:
            leaves.append(part)
    return leaves


def _type(part: Entity) -> str:
    main = part.content_type.main
    return main if main.count("/") == 1 else "text/plain"  # RFC 2045 section 5.2


def _kind(part: Entity) -> str:
    return "inline" if part.disposition.main == "inline" else "attachment"


def _is_attached(part: Entity) -> bool:
    # Some signing programs mark the text as inline.
    return part.disposition.main not in ("", "inline") or bool(_filename(part))


def _bodies(parts: list[Entity]) -> list[str]:
    return [text.strip("\n") for text in map(_body, parts) if text.strip()]


def _body(part: Entity) -> str:
    octets = part.octets()
    try:
        charset = part.content_type.parameters.get("charset", "utf-8")
        text = octets.decode(charset, "backslashreplace")
    except (LookupError, ValueError):
        text = octets.decode("utf-8", "backslashreplace")
    return _text(text)


def _name(part: Entity) -> str:
    return _line(_filename(part)) or "without a name"


def _filename(part: Entity) -> str:
    # RFC 6266 section 4.3: that of the disposition takes precedence.
    named = part.disposition.parameters.get("filename")
    return named or part.content_type.parameters.get("name", "")


def _description(part: Entity) -> str:
    size = len(part.octets())
    shown = f"{size / 1024:.1f} KiB" if size >= 1024 else f"{size} byte{'' if size == 1 else 's'}"
    return f"{_line(_type(part))}, {shown}"


def _header(value: str) -> str:
    return _line(decode_text(value.replace("\t", " ")))


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
