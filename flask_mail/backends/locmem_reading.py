"""Messages in the outbox of locmem backends, and what else a program puts there."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import MessageError
from ..message.metadata import metadata_of, tags_of
from ..mime.parts import tolerated
from ..util.clocks import moment_of
from ..util.locks import ForkSafeLock
from .values import Kept, StoredMessage

if TYPE_CHECKING:
    from .locmem import Memory

# The message itself is kept with its id, so that no other one is at the same address in memory as
# long as the id is known.
Identified: TypeAlias = "tuple[str, datetime, Any]"

_lock = ForkSafeLock()


def kept_by(memory: Memory) -> list[Kept]:
    """Return the messages in the outbox, in order."""
    with _lock():
        found: dict[int, Identified] = {}
        for message in list(memory.outbox):
            known = memory.identified.get(id(message))
            found[id(message)] = known or (os.urandom(8).hex(), _moment_of(message), message)
        memory.identified = found
    return [
        Kept(name, date, partial(_read, memory, message), partial(_delete, memory, message))
        for name, date, message in found.values()
    ]


def _read(memory: Memory, message: Any) -> StoredMessage | None:
    # By identity: messages of a subclass may equal each other.
    if not any(each is message for each in list(memory.outbox)):
        return None
    envelope = getattr(message, "envelope", None)
    try:
        content = message.as_bytes()
    except MessageError as error:  # such as a file that was attached and is gone
        return StoredMessage(b"", envelope, error=str(error))
    except Exception as error:  # noqa: BLE001 (a program's own class, or what it put there)
        reason = f"This message cannot be rendered: {type(error).__name__}."
        return StoredMessage(b"", envelope, error=reason)
    tags, metadata = tolerated(tags_of, message), tolerated(metadata_of, message)
    mailer = getattr(message, "mailer", "")
    return StoredMessage(
        content,
        envelope,
        tags or (),
        metadata or {},
        mailer=mailer if isinstance(mailer, str) else "",
    )


def _delete(memory: Memory, message: Any) -> None:
    with _lock():
        outbox = memory.outbox
        for index, each in reversed(list(enumerate(outbox))):
            if each is message:
                # In place: a list in its place would lack messages that are sent at this moment.
                with contextlib.suppress(IndexError):  # the program has cleared it
                    if outbox[index] is message:
                        del outbox[index]


def _moment_of(message: Any) -> datetime:
    date: Any = getattr(message, "date", None)
    try:
        return moment_of(date.timestamp() if isinstance(date, datetime) else float(date))
    except (TypeError, ValueError, OverflowError, OSError):
        return datetime.now(timezone.utc)
