"""The file backend: one file per message, in a folder."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..config.converters import to_path
from ..config.table import convert
from ..errors import BackendUnavailable, ConfigurationError, DeliveryUnknown
from ..util.locks import ForkSafeLock
from .base import Backend
from .features import Feature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..delivery.outgoing import Outgoing
    from ..receipt import Envelope, Receipt

# O_EXCL and O_NOFOLLOW: a link planted under our name is refused, not written through.
_CREATE: Final = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)  # Windows would turn each LF into CRLF
)
_TICK: Final = timedelta(microseconds=1)

_LEFT_OVER: Final = re.compile(
    r"\.?([0-9]{8}T[0-9]{6}_[0-9]{6}Z-[0-9a-f]{16})\.(?:(?:eml|json)\.tmp|json)"
)
_ABANDONED: Final = 3600.0
"""Seconds without a write after which a temporary file is taken for that of a killed process."""


class Moments:
    """The time, in UTC, later at each look, also where the clock stands still or is set back."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self._clock = clock
        self._last = datetime(1970, 1, 1, tzinfo=timezone.utc)
        self.lock = ForkSafeLock()

    def next(self) -> datetime:
        """Return the next moment."""
        with self.lock():
            self._last = max(self._clock(), self._last + _TICK)
            return self._last


# One for the process: several backends may write into one folder.
_moments = Moments()


def _unique() -> str:
    return secrets.token_hex(8)


class FileBackend(Backend[None]):
    """Writes every message to a file of its own, which mail programs open.

    ``<time>-<random>.eml`` holds the message, and ``<time>-<random>.json`` its envelope. Names sort
    by time. An ``.eml`` is complete from the moment it is there, and so is its ``.json``. Only the
    owner of the process can read them. The receipt's response is the path of the ``.eml``.

    What a process that was killed has left in the folder is removed after an hour, by the next
    process that writes there.

    :param path: the folder; made for the first message if it is missing, with its parents. A
        relative one is looked up once, from the working folder of now.
    :raises ConfigurationError: where it is no path.
    """

    name = "file"
    features = frozenset(Feature)
    external = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        key = self.setting_key("path")
        folder = convert(key, to_path, path)
        try:
            usable = bool(folder) and b"\0" not in os.fsencode(folder)
        except UnicodeEncodeError:
            usable = False
        if not usable:
            raise ConfigurationError(f"{key} must be the path of a folder; it is none.")
        try:
            self._folder = Path(folder).absolute()
        except OSError as error:
            raise ConfigurationError(
                f"{key} is relative, and this process has no working folder: {error.strerror}."
            ) from error

        self._swept = -_ABANDONED

    @property
    def folder(self) -> Path:
        """The folder, as an absolute path."""
        return self._folder

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        moment = _moments.next()
        stem = f"{moment:%Y%m%dT%H%M%S_%fZ}-{_unique()}"
        envelope, message = self._folder / f"{stem}.json", self._folder / f"{stem}.eml"
        ours: list[Path] = []
        try:
            _make_folder(self._folder)
            contents = {envelope: [_envelope(mail, moment)], message: mail.blocks()}
            temporary = {
                final: _write(final.with_name(f".{final.name}.tmp"), blocks, ours)
                for final, blocks in contents.items()
            }
            self._sweep(temporary[message])
            for final in (envelope, message):
                ours.append(final)
                temporary[final].replace(final)
            _sync_folder(self._folder)
        except BaseException as error:
            left = _remove(reversed(ours))
            if not isinstance(error, OSError):
                raise
            problem = DeliveryUnknown if message in left else BackendUnavailable
            raise problem(
                f"The file backend cannot write to {str(self._folder)!r}"
                f" ({self.setting_key('path')}): {_reason(error)}."
            ) from error
        return self.accepted(mail, response=str(message))

    def _sweep(self, fresh: Path) -> None:
        """Remove what killed processes have left, once in a while; a failure is no error.

        :param fresh: a file written just now. Its time is the clock of the file system, which
            another machine may keep.
        """
        with contextlib.suppress(OSError):
            now = fresh.stat().st_mtime
            if now - self._swept >= _ABANDONED:
                self._swept = now
                _remove(_abandoned(self._folder, now))


def _envelope(mail: Outgoing, moment: datetime) -> bytes:
    envelope: Envelope = mail.envelope
    fields = {
        "sender": envelope.sender,
        "recipients": envelope.recipients,
        "mail_options": envelope.mail_options,
        "rcpt_options": envelope.rcpt_options,
        "tags": mail.tags,
        "metadata": mail.metadata,
        "message_id": mail.message_id,
        "date": moment.isoformat(timespec="microseconds"),
    }
    return json.dumps(fields, indent=2).encode("ascii") + b"\n"


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    try:
        # One by one: mkdir(parents=True) gives its mode to the last one alone.
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


def _abandoned(folder: Path, now: float) -> list[Path]:
    """Return temporary files that nobody writes any more, and envelopes without a message."""
    paths: dict[str, list[Path]] = {}
    written: dict[str, float] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            found = _LEFT_OVER.fullmatch(entry.name)
            if found and (entry.name[0] == ".") == entry.name.endswith(".tmp"):
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # a message that was completed meanwhile
                    continue
                if stat.S_ISREG(status.st_mode):
                    paths.setdefault(found[1], []).append(folder / entry.name)
                    # The envelope is written first, and a large message may take its time.
                    written[found[1]] = max(written.get(found[1], 0.0), status.st_mtime)
    return [
        path
        for stem, its in paths.items()
        if now - written[stem] >= _ABANDONED
        for path in its
        if path.suffix == ".tmp" or not (folder / f"{stem}.eml").exists()
    ]


def _write(path: Path, blocks: Iterable[bytes], ours: list[Path]) -> Path:
    """Create a file that is on the disk when this returns; `ours` has its path once it exists."""
    ours.append(path)  # before it exists: an interrupt may come right after
    try:
        descriptor = os.open(path, _CREATE, 0o600)
    except OSError:
        ours.remove(path)  # what stands in the way is somebody else's
        raise
    try:
        for block in blocks:
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        raise
    os.close(descriptor)  # reports what a network file system could not write
    return path


def _sync_folder(folder: Path) -> None:
    """Make the names last, where the platform can do that for a folder that we may list."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return  # Windows opens no folder; others need the permission to read it
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _remove(paths: Iterable[Path]) -> list[Path]:
    """Remove files that may or may not exist; return those that could not be."""
    left = []
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            left.append(path)
    return left


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
