"""Stores of messages for the inbox: a folder, an outbox, or the memory of a backend."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from ..errors import ConfigurationError, MessageError
from ..message.metadata import metadata_of, tags_of
from ..mime.parts import tolerated
from ..receipt import Envelope
from ..util.locks import ForkSafeLock
from ..util.text import describe
from .filters import clean_text, moment_of

if TYPE_CHECKING:
    from ..delivery.recent import Recent
    from ..message.message import Message

LARGEST: Final = 64 * 1024 * 1024
"""Octets: a file that is larger is listed and not read."""
_LARGEST_ENVELOPE: Final = 4 * 1024 * 1024

# What FileBackend writes, and what people drop there. Without separators, and not hidden: no id
# leads out of the folder.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+=-]{0,199}")
# O_NOFOLLOW: a link in the folder could lead anywhere. O_NONBLOCK: opening a pipe would wait.
_READ: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)  # Windows would change line ends
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One message of an inbox, as it was handed over."""

    id: str
    moment: datetime
    content: bytes
    envelope: Envelope | None = None
    """``None`` if it is unknown, as for a file from elsewhere."""
    size: int = 0
    error: str = ""
    """Why the content cannot be shown; it is empty then."""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


Listed: TypeAlias = "tuple[str, int]"
_Named: TypeAlias = "tuple[str, datetime, Message]"


class Source(Protocol):
    """Messages that can be listed, read and deleted."""

    def listed(self) -> list[Listed]:
        """Return what names each message, newest first, and what changes with its content."""

    def get(self, wanted: str) -> Kept | None:
        """Return a message, or ``None`` if it does not exist or was deleted."""

    def delete(self, unwanted: Iterable[str]) -> None:
        """Delete messages; missing ones are ignored."""


class Folder:
    """The ``.eml`` files in the folder of a file backend."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def listed(self) -> list[Listed]:
        found: list[tuple[int, str]] = []
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    name = entry.name.removesuffix(".eml")
                    if name != entry.name and _NAME.fullmatch(name):
                        with contextlib.suppress(OSError):  # just deleted
                            status = entry.stat(follow_symlinks=False)
                            if stat.S_ISREG(status.st_mode):
                                found.append((status.st_mtime_ns, name))
        except FileNotFoundError:  # nothing was sent yet
            return []
        except OSError as error:
            raise self._unusable("read", error) from error
        return [(name, changed) for changed, name in sorted(found, reverse=True)]

    def get(self, wanted: str) -> Kept | None:
        if not _NAME.fullmatch(wanted):
            return None
        path = self._path / f"{wanted}.eml"
        try:
            size, mtime, content = _read(path, LARGEST)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            return Kept(wanted, _EPOCH, b"", error=f"{path.name} cannot be read: {reason}.")
        too_large = "" if content is not None else _too_large(size, LARGEST)
        kept = Kept(wanted, moment_of(mtime), content or b"", None, size, too_large)
        return self._with_envelope(kept)

    def delete(self, unwanted: Iterable[str]) -> None:
        for each in filter(_NAME.fullmatch, unwanted):
            try:
                (self._path / f"{each}.eml").unlink(missing_ok=True)
            except OSError as error:
                raise self._unusable("changed", error) from error
            with contextlib.suppress(OSError):  # not a message file, such as a folder
                (self._path / f"{each}.json").unlink()

    def _unusable(self, what: str, error: OSError) -> ConfigurationError:
        reason = error.strerror or type(error).__name__
        return ConfigurationError(
            f"The folder {str(self._path)!r} (MAIL_FILE_PATH) cannot be {what}: {reason}."
        )

    def _with_envelope(self, kept: Kept) -> Kept:
        try:
            _, _, content = _read(self._path / f"{kept.id}.json", _LARGEST_ENVELOPE)
            # No number is looked at, and Python takes minutes for one of a million digits.
            fields = json.loads(content or b"", parse_int=float)
            envelope = Envelope(
                _text(fields["sender"]),
                *(_texts(fields[name]) for name in ("recipients", "mail_options", "rcpt_options")),
            )
            metadata = fields.get("metadata", {})
            return replace(
                kept,
                envelope=envelope,
                tags=_texts(fields.get("tags", ())),
                metadata=dict(zip(_texts(metadata), _texts(metadata.values()), strict=True)),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return kept  # not written, or not by Flask-Mail


class Outbox:
    """The outbox of a locmem backend."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        # The messages themselves are kept with their names, so that no other one is at the same
        # address in memory as long as the name is known.
        self._names: dict[int, _Named] = {}
        self._by_name: dict[str, _Named] = {}
        self._lock = ForkSafeLock()

    def listed(self) -> list[Listed]:
        return [(name, 0) for name, _, _ in reversed(self._named())]

    def get(self, wanted: str) -> Kept | None:
        with self._lock():
            known = self._by_name.get(wanted)
        # Only asked for by those who have the name from a list; it may be gone since.
        if known is None or id(known[2]) not in map(id, list(self.messages)):
            return None
        name, moment, message = known
        envelope = getattr(message, "envelope", None)
        try:
            content = message.as_bytes()
        except MessageError as error:  # such as a file that was attached and is gone
            return Kept(name, moment, b"", envelope, error=str(error))
        except Exception as error:  # noqa: BLE001 (a program's own class, or what it put there)
            reason = f"This message cannot be rendered: {type(error).__name__}."
            return Kept(name, moment, b"", envelope, error=reason)
        return Kept(
            name,
            moment,
            content,
            envelope,
            len(content),
            tags=tolerated(tags_of, message) or (),
            metadata=tolerated(metadata_of, message) or {},
        )

    def delete(self, unwanted: Iterable[str]) -> None:
        with self._lock():
            # By identity: messages of a subclass may equal each other.
            doomed = {id(self._by_name[each][2]) for each in unwanted if each in self._by_name}
            for index, message in reversed(list(enumerate(self.messages))):
                if id(message) in doomed:
                    # One by one: a list in its place would lack what is sent at this moment.
                    with contextlib.suppress(IndexError):  # the program has cleared it
                        if self.messages[index] is message:
                            del self.messages[index]

    def _named(self) -> list[_Named]:
        with self._lock():
            names = {}
            for message in list(self.messages):
                known = self._names.get(id(message))
                names[id(message)] = known or (secrets.token_hex(8), _moment_of(message), message)
            self._names = names
            self._by_name = {each[0]: each for each in names.values()}
            return list(names.values())


class Memory:
    """The recent messages of a backend that prints them."""

    def __init__(self, recent: Recent) -> None:
        self._recent = recent

    def listed(self) -> list[Listed]:
        return [(each.id, 0) for each in reversed(self._recent.all())]

    def get(self, wanted: str) -> Kept | None:
        for each in self._recent.all():
            if each.id == wanted:
                too_large = "" if each.content is not None else _too_large(each.size, None)
                content = each.content or b""
                return Kept(
                    each.id,
                    each.moment,
                    content,
                    each.envelope,
                    each.size,
                    too_large,
                    each.tags,
                    each.metadata,
                )
        return None

    def delete(self, unwanted: Iterable[str]) -> None:
        self._recent.forget(unwanted)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _read(path: Path, most: int) -> tuple[int, float, bytes | None]:
    """Return size, time and content of a regular file; no content if it is larger."""
    descriptor = os.open(path, _READ)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):  # a folder cannot even be opened as a file
        os.close(descriptor)
        raise FileNotFoundError(path)
    with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor)
        content = file.read(most + 1) if status.st_size <= most else b""
        too_large = status.st_size > most or len(content) > most
        return status.st_size, status.st_mtime, None if too_large else content


def _too_large(size: int, most: int | None) -> str:
    what = "open the file itself" if most else "the file backend keeps such messages"
    return f"This message has {size / 2**20:.0f} MiB, too many to be shown: {what}."


def _moment_of(message: Message) -> datetime:
    date: Any = getattr(message, "date", None)
    try:
        return moment_of(date.timestamp() if isinstance(date, datetime) else float(date))
    except (TypeError, ValueError, OverflowError, OSError):
        return datetime.now(timezone.utc)


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    if isinstance(values, str):  # not its characters
        raise TypeError(f"no list: {describe(values)}")
    return tuple(map(_text, values))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"no text: {describe(value)}")
    return clean_text(value)
