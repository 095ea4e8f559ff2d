"""The file backend: writes each message to a file in a folder."""

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
    from .values import Kept

# O_EXCL and O_NOFOLLOW: do not follow a symbolic link that an attacker placed there.
_CREATE: Final = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)  # without it, Windows writes CRLF for LF
)
_TICK: Final = timedelta(microseconds=1)

_LEFT_OVER: Final = re.compile(
    r"\.?([0-9]{8}T[0-9]{6}_[0-9]{6}Z-[0-9a-f]{16})\.(?:(?:eml|json)\.tmp|json)"
)
_ABANDONED: Final = 3600.0
"""Seconds after the last write when a temporary file is considered abandoned."""


class Moments:
    """Strictly increasing UTC time, even if the clock stands still or is set back."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self._clock = clock
        self._last = datetime(1970, 1, 1, tzinfo=timezone.utc)
        self.lock = ForkSafeLock()

    def next(self) -> datetime:
        """Return the next time."""
        with self.lock():
            self._last = max(self._clock(), self._last + _TICK)
            return self._last


# Shared, since several backends may write to one folder.
_moments = Moments()


def _unique() -> str:
    return secrets.token_hex(8)


class FileBackend(Backend[None]):
    """Writes each message to a separate file, which mail programs can open.

    The message is in ``<time>-<random>.eml``, its envelope in ``<time>-<random>.json``. Names sort
    by time. An ``.eml`` and its ``.json`` are complete as soon as they appear, and only readable by
    the owner of the process. The receipt's response is the path of the ``.eml``.

    Files left by a killed process are removed after an hour, when a process writes to the folder.

    :param path: the folder, created with its parents at the first message. A relative path is
        resolved once, from the current directory.
    :raises ConfigurationError: the path is not valid.
    """

    name = "file"
    features = frozenset(Feature)
    url_parts = {"path": "path"}  # noqa: RUF012 (read, never changed)
    external = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        key = self.setting("path")
        folder = convert(key, to_path, path)
        try:
            usable = bool(folder) and b"\0" not in os.fsencode(folder)
        except UnicodeEncodeError:
            usable = False
        if not usable:
            raise ConfigurationError(f"{key} must be the path of a folder.")
        try:
            self._folder = Path(folder).absolute()
        except OSError as error:
            raise ConfigurationError(
                f"{key} is relative, but this process has no working directory: {error.strerror}."
            ) from error

        self._swept = -_ABANDONED
        self._listed: dict[str, Kept] = {}

    def kept(self) -> list[Kept]:
        from .file_reading import kept_in

        found = kept_in(self._folder, self._listed, self.setting("path"))
        self._listed = {each.id: each for each in found}
        return found

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
                f" ({self.setting('path')}): {_reason(error)}."
            ) from error
        return self.accepted(mail, response=str(message))

    def _sweep(self, fresh: Path) -> None:
        """Remove files of killed processes from time to time; errors are ignored.

        :param fresh: a file just written, for the clock of the file system, which may be on
            another machine.
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
        "mailer": mail.mailer,
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
        # One by one, since mkdir(parents=True) applies the mode only to the last folder.
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


def _abandoned(folder: Path, now: float) -> list[Path]:
    """Return abandoned temporary files, and envelopes without a message."""
    paths: dict[str, list[Path]] = {}
    written: dict[str, float] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            found = _LEFT_OVER.fullmatch(entry.name)
            if found and (entry.name[0] == ".") == entry.name.endswith(".tmp"):
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # its message has been completed
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
    """Create a file and sync it to disk; add its path to `ours` if it may exist."""
    ours.append(path)  # before it exists: an interrupt may come right after
    try:
        descriptor = os.open(path, _CREATE, 0o600)
    except OSError:
        ours.remove(path)  # the existing file belongs to another process
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
    os.close(descriptor)  # a network file system reports write errors here
    return path


def _sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk, if the platform and permissions allow it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return  # Windows cannot open folders; other systems need read permission
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _remove(paths: Iterable[Path]) -> list[Path]:
    """Remove files if they exist; return those that could not be removed."""
    left = []
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            left.append(path)
    return left


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
