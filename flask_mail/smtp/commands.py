"""Commands of a mail transaction (RFC 5321 section 3.3), grouped for pipelining."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..mime.content import Content, Portion, Supply
from .smuggling import ended, stuffed

if TYPE_CHECKING:
    from ..receipt import Envelope


class Command(NamedTuple):
    """A command, with the content that belongs to it."""

    stage: str
    """As in :class:`DeliveryError`, "chunk" for each BDAT but the last, or "reset" for RSET."""
    line: bytes
    """The line without CRLF; empty for the content that follows DATA."""
    content: bytes | memoryview | Content | Portion = b""
    holds: bool = False
    """True if nothing may be written before it is answered."""


def opening(
    envelope: Envelope,
    options: Sequence[str],
    content: bytes | Content | None,
    *,
    reset: bool,
    is_chunked: bool,
    is_pipelined: bool,
) -> list[Command]:
    """Return the commands up to the first one whose reply decides about the content.

    :param options: parameters of MAIL.
    :param content: the content to send immediately; ``None`` if it waits for replies.
    :param reset: send RSET first, because another transaction may be open.
    """
    holds = not is_pipelined
    commands = [Command("reset", b"RSET", holds=holds)] if reset else []
    sender = f"MAIL FROM:<{envelope.sender}>{_join(options)}"
    commands.append(Command("sender", sender.encode(), holds=holds))
    of_recipient = _join(envelope.rcpt_options)
    *others, last = envelope.recipients
    for recipient in others:
        line = f"RCPT TO:<{recipient}>{of_recipient}"
        commands.append(Command("recipient", line.encode(), holds=holds))
    line = f"RCPT TO:<{last}>{of_recipient}"
    holds = holds or (is_chunked and not content)
    commands.append(Command("recipient", line.encode(), holds=holds))
    if not is_chunked:
        commands.append(Command("data", b"DATA", holds=True))
    elif content:
        content = ended(content)
        commands.append(Command("accept", b"BDAT %d LAST" % len(content), content))
    return commands


def body(
    content: bytes | Content, chunk: int, *, is_chunked: bool, is_pipelined: bool
) -> Iterator[Command]:
    """Yield the commands that carry the content.

    :param chunk: octets per BDAT.
    """
    holds = not is_pipelined
    if not is_chunked:
        yield Command("accept", b"", stuffed(content), holds)
        return
    content = ended(content)
    supply = Supply(content)
    size = len(content)
    *chunks, last = range(0, size, chunk)
    for _ in chunks:
        # Each waits for its reply: if a server replied twice to one chunk, the second reply would
        # be taken for that to the next one, and the last reply, perhaps a refusal, would be missed.
        yield Command("chunk", b"BDAT %d" % chunk, Portion(supply, chunk), holds=True)
    part = Portion(supply, size - last)
    yield Command("accept", b"BDAT %d LAST" % len(part), part, holds)


def _join(options: Sequence[str]) -> str:
    return "".join([f" {option}" for option in options])
