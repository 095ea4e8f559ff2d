"""Content of an attached file, read when the message is sent."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from ..errors import MessageError
from .text import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 57 * 1024
"""Octets: a multiple of a line of base64, so that blocks can be encoded one by one."""

_RECENTLY = 2 * 10**9
"""Nanoseconds: a file changed more recently may change again without a new time of modification
(file systems have a resolution of up to two seconds), so its digest is kept too."""


class DataSource:
    """Data of an attachment that is read when it is needed, any number of times.

    A subclass has a length in octets and a method ``blocks(octets)``, which yields the data in
    blocks of that size, of which only the last one is shorter. It raises :class:`.MessageError`
    before the last block if the data is gone or has changed, so that a part is never taken for the
    whole.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __len__(self) -> int: ...

        def blocks(self, octets: int = BLOCK) -> Iterator[bytes]: ...

    def __bytes__(self) -> bytes:
        return b"".join(self.blocks())

    def check(self) -> None:
        """Raise MessageError if it is already known that the data cannot be read."""


@dataclass(frozen=True, slots=True)
class FileData(DataSource):
    """Content of a file as it was when it was attached.

    It is read block by block when it is needed, so that a large file takes no memory. The file is
    not kept open: a message can be stored, pickled, and sent by another process.
    """

    path: str
    size: int
    mtime_ns: int
    """Time of its last modification; with :attr:`size`, shows if it has changed."""
    digest: str = ""
    """SHA-256 of a file that had just been changed when it was attached, else empty."""

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> FileData:
        """Return the data of a file to attach.

        :raises OSError: it does not exist or cannot be read.
        :raises MessageError: it is not a regular file: reading from a pipe could block forever.
        """
        absolute = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 (".." may follow a link)
        with _opened(absolute) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise MessageError(
                    f"{describe(absolute)} cannot be attached: it is not a regular file."
                )
            digest = ""
            if abs(time.time_ns() - status.st_mtime_ns) < _RECENTLY:
                digest = _digest_of(file)
        return cls(absolute, status.st_size, status.st_mtime_ns, digest)

    def __len__(self) -> int:
        return self.size

    def check(self) -> None:
        """Raise MessageError if the file is missing or its size or mtime has changed."""
        try:
            self._compare(os.stat(self.path))  # noqa: PTH116
        except MessageError:
            raise
        except (OSError, ValueError) as error:  # ValueError: a NUL in a path from a record
            raise self._is_gone(error) from error

    def blocks(self, octets: int = BLOCK) -> Iterator[bytes]:
        """Yield the content in blocks of `octets`; only the last one is shorter.

        :raises MessageError: the file is gone or has changed. That is raised before the last block
            is yielded, so that a part is never taken for the whole.
        """
        digest = hashlib.sha256() if self.digest else None
        try:
            with _opened(self.path) as file:
                self._compare(os.fstat(file.fileno()))
                for start in range(0, self.size, octets):
                    wanted = min(octets, self.size - start)
                    block = file.read(wanted)
                    if digest is not None:
                        digest.update(block)
                    if start + wanted == self.size:
                        self._compare(os.fstat(file.fileno()))
                        if digest is not None and digest.hexdigest() != self.digest:
                            raise self._has_changed()
                    if len(block) < wanted:
                        raise self._has_changed()
                    yield block
        except OSError as error:
            raise self._is_gone(error) from error

    def _compare(self, status: os.stat_result) -> None:
        is_same = (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)
        if not (is_same and stat.S_ISREG(status.st_mode)):
            raise self._has_changed()

    def _has_changed(self) -> MessageError:
        return MessageError(
            f"The attached file {describe(self.path)} has changed since it was attached: attach it"
            " again, or attach its content as data."
        )

    def _is_gone(self, error: Exception) -> MessageError:
        reason = getattr(error, "strerror", None) or error
        return MessageError(
            f"The attached file {describe(self.path)} cannot be read any more: {reason}. Keep it"
            " until the message is sent, or attach its content as data."
        )


def _opened(path: str) -> BinaryIO:
    # Opening a file that was replaced by a pipe would block until something writes to it.
    flag = getattr(os, "O_NONBLOCK", 0)
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | flag))


def _digest_of(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()
