"""Messages in the folder of a file backend, of other programs too."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError
from ..receipt import Envelope
from ..util.clocks import moment_of
from ..util.text import clean_text, describe
from .values import Kept, StoredMessage

LARGEST: Final = 64 * 1024 * 1024
"""Octets: a file that is larger is listed and not read."""
_LARGEST_ENVELOPE: Final = 4 * 1024 * 1024

# What FileBackend writes, and what people drop there. Without separators, and not hidden: no id
# leads out of the folder.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+=-]{0,199}")
# Of FileBackend, with the time: that of the file is rounded down to a tick of the kernel, and lost
# when the folder is copied.
_OUR_NAME: Final = re.compile(r"[0-9]{8}T[0-9]{6}_[0-9]{6}Z-[0-9a-f]{16}")
_UNCHANGING: Final = -1
"""Version of a file of FileBackend. That of another file is the time of its last change."""
# O_NOFOLLOW: a link in the folder could lead anywhere. O_NONBLOCK: opening a pipe would wait.
_READ: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)  # Windows would change line ends
)


def kept_in(folder: Path, known: Mapping[str, Kept], setting: str) -> list[Kept]:
    """Return the ``.eml`` files in `folder`, oldest first.

    Those of FileBackend appear complete and never change, so only the folder is read for them: the
    inbox asks several times in a second, and looking at 10,000 files takes long.

    :param known: results of an earlier call by id, in order, which are returned again for unchanged
        files.
    :param setting: the setting of the folder, for errors.
    :raises ConfigurationError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = {
                entry.name[:-4]
                for entry in entries
                if entry.name.endswith(".eml") and _is_file(entry)
            }
    except FileNotFoundError:  # nothing was sent yet
        return []
    except OSError as error:
        raise _unusable(folder, setting, "read", error) from error
    found = [each for each in known.values() if each.version == _UNCHANGING and each.id in names]
    others = names.difference([each.id for each in found])
    if others:
        found += filter(None, (_kept(folder, name, known.get(name), setting) for name in others))
        found.sort(key=lambda each: (each.date, each.id))
    return found


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:  # of this one alone, which says so when it is read
        return True


def _kept(folder: Path, name: str, known: Kept | None, setting: str) -> Kept | None:
    date, version = _date_in(name), _UNCHANGING
    if date is None:
        try:
            status = (folder / f"{name}.eml").lstat() if _NAME.fullmatch(name) else None
        except OSError:  # just deleted
            status = None
        if status is None:
            return None
        date, version = moment_of(status.st_mtime), status.st_mtime_ns
        if known is not None and known.version == version:
            return known
    read = partial(_read_message, folder, name)
    delete = partial(_delete, folder, name, setting)
    return Kept(name, date, read, delete, version)


def _date_in(name: str) -> datetime | None:
    """Return the time in the name of a file of FileBackend, or ``None`` if it is of another."""
    if not _OUR_NAME.fullmatch(name):
        return None
    try:
        moment = datetime.fromisoformat(
            f"{name[:4]}-{name[4:6]}-{name[6:8]}T{name[9:11]}:{name[11:13]}:{name[13:15]}"
            f".{name[16:22]}+00:00"
        )
    except ValueError:  # not a time
        return None
    return moment if "1970" <= name < "9999" else moment_of(moment.timestamp())


def _read_message(folder: Path, name: str) -> StoredMessage | None:
    path = folder / f"{name}.eml"
    try:
        size, content = _read(path, LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return StoredMessage(b"", error=f"{path.name} cannot be read: {reason}.")
    problem = ""
    if content is None:
        problem = f"This message has {size / 2**20:.0f} MiB, too many to be shown: open the file."
    envelope, tags, metadata, mailer = _read_envelope(folder / f"{name}.json")
    return StoredMessage(content or b"", envelope, tags, metadata, size, problem, mailer)


def _read_envelope(path: Path) -> tuple[Envelope | None, tuple[str, ...], dict[str, str], str]:
    try:
        _, content = _read(path, _LARGEST_ENVELOPE)
        # No number is looked at, and Python takes minutes for one of a million digits.
        fields = json.loads(content or b"", parse_int=float)
        envelope = Envelope(
            _text(fields["sender"]),
            *(_texts(fields[name]) for name in ("recipients", "mail_options", "rcpt_options")),
        )
        metadata = fields.get("metadata", {})
        named = dict(zip(_texts(metadata), _texts(metadata.values()), strict=True))
        return envelope, _texts(fields.get("tags", ())), named, _text(fields.get("mailer", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, (), {}, ""  # not written, or not by Flask-Mail


def _delete(folder: Path, name: str, setting: str) -> None:
    try:
        (folder / f"{name}.eml").unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(folder, setting, "changed", error) from error
    with contextlib.suppress(OSError):  # not a message file, such as a folder
        (folder / f"{name}.json").unlink()


def _unusable(folder: Path, setting: str, what: str, error: OSError) -> ConfigurationError:
    reason = error.strerror or type(error).__name__
    return ConfigurationError(f"The folder {str(folder)!r} ({setting}) cannot be {what}: {reason}.")


def _read(path: Path, most: int) -> tuple[int, bytes | None]:
    """Return size and content of a regular file; no content if it is larger."""
    descriptor = os.open(path, _READ)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):  # a folder cannot even be opened as a file
        os.close(descriptor)
        raise FileNotFoundError(path)
    with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor)
        # Not more than needed, as Python allocates it: thousands of files are read for a search.
        content = file.read(status.st_size + 1) if status.st_size <= most else b""
        if len(content) > status.st_size:  # it is being written
            content += file.read(most + 1 - len(content))
        too_large = status.st_size > most or len(content) > most
        return status.st_size, None if too_large else content


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    if isinstance(values, str):  # not its characters
        raise TypeError(f"not a list: {describe(values)}")
    return tuple(map(_text, values))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a str: {describe(value)}")
    return clean_text(value)
