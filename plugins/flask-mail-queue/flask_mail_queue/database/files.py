"""Large attachments, which are stored in pieces beside the rows of their messages.

The attachments of a message are a *bundle*. Messages that are stored in one transaction share the
bundle if their attachments are equal. It is deleted with the content of the last of them.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any, Final

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.engine import Connection

from flask_mail import MessageError
from flask_mail.backends import BackendUnavailable, DataSource, Outgoing

from .returning import locked
from .schema import Tables

if TYPE_CHECKING:
    from .contents import Contents

_BLOCK: Final = 57 * 1024  # the blocks in which Flask-Mail reads data
PIECE: Final = 3 * _BLOCK
"""Octets of a piece. A sealed one takes 229 KiB."""
LARGE: Final = 256 * 1024
"""Octets; files are stored in pieces if those of a message take more."""

_SMALL: Final = 16 * 1024  # a file that is never stored in pieces
_NAME: Final = re.compile(r"([0-9a-f]{32}):(\d{1,9}):(\d{1,15}):([0-9a-f]{64})")
_GONE: Final = (
    "An attachment of this message is not in the queue any more, or was changed there: send the"
    " message anew."
)


def large_files(mail: Outgoing) -> list[Any]:
    """Return the data of the attachments of a message that are stored in pieces."""
    data: list[Any] = [each.data for each in mail.message.attachments or ()]
    is_of_octets = (bytes, bytearray, DataSource)
    found = [each for each in data if isinstance(each, is_of_octets) and len(each) > _SMALL]
    return found if sum(map(len, found)) > LARGE else []


class Bundle:
    """The large attachments of a message.

    :param files: their data, by digest.
    :param digest: returns the digest of data.
    """

    def __init__(self, files: dict[str, Any], digest: Callable[[Any], str]) -> None:
        self.id = secrets.token_hex(16)
        self._files = files
        self._digest = digest
        self._names: dict[str, str] = {}
        first = 0
        for each, data in files.items():
            self._names[each] = f"{self.id}:{first}:{len(data)}:{each}"
            first += -(-len(data) // PIECE)

    def name_of(self, data: Any) -> str | None:
        """Return the name of data in records, or ``None`` if it is no part of it."""
        return self._names.get(self._digest(data))

    def pieces(self) -> Iterator[bytes]:
        """Yield the data in pieces; the data of each attachment begins with a new one.

        :raises MessageError: an attached file is gone or has changed.
        """
        for data in self._files.values():
            yield from _blocks(data, PIECE)


class Bundles:
    """The bundles of messages that are stored in one transaction."""

    def __init__(self) -> None:
        self._bundles: dict[tuple[str, ...], Bundle] = {}
        # With the data, whose address would otherwise be used again.
        self._digests: dict[int, tuple[Any, str]] = {}

    def of(self, mail: Outgoing) -> Bundle | None:
        """Return the bundle of a message; ``None`` if its attachments are small.

        :raises MessageError: an attached file is gone or has changed.
        """
        files = {self._digest(each): each for each in large_files(mail)}
        if not files:
            return None
        return self._bundles.setdefault(tuple(files), Bundle(files, self._digest))

    def _digest(self, data: Any) -> str:
        """Return the SHA-256 of data; equal data of several messages is mostly one object."""
        known = self._digests.get(id(data))
        if known is None:
            digest = hashlib.sha256()
            for block in _blocks(data, PIECE):
                digest.update(block)
            known = self._digests[id(data)] = data, digest.hexdigest()
        return known[1]

    def insert(
        self, connection: Connection, tables: Tables, contents: Contents, ids: Collection[str]
    ) -> None:
        """Store bundles, piece by piece.

        :param ids: of those whose rows were stored.
        """
        for bundle in self._bundles.values():
            if bundle.id in ids:
                for n, octets in enumerate(bundle.pieces()):
                    data = contents.piece(bundle.id, n, octets)
                    values = {"bundle": bundle.id, "n": n, "data": data}
                    connection.execute(insert(tables.file), values)


class StoredFile(DataSource):
    """An attachment that is stored in pieces.

    It is copied into a temporary file, still sealed, before it is used. So it is known to be whole
    before a mailer gets it, no transaction is open while that sends it, and it can be read again
    after it was deleted from the queue.

    :param name: that of :meth:`Bundle.name_of`.
    :param read: returns a piece of a bundle, or ``None`` if it does not exist.
    :param opened: returns the octets of a piece.
    :raises MessageError: the name is invalid.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[str, int], bytes | None],
        opened: Callable[[str, int, bytes], bytes],
    ) -> None:
        found = _NAME.fullmatch(name)
        if found is None:
            raise MessageError("The row names an attachment in a way that cannot be read.")
        self._bundle, self._digest = found[1], found[4]
        self._first, self._size = int(found[2]), int(found[3])
        self._read, self._opened = read, opened
        self._copy: IO[bytes] | None = None
        self._lengths: list[int] = []

    def __len__(self) -> int:
        return self._size

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        return bytes, (bytes(self),)

    def check(self) -> None:
        """Copy it, unless that was done.

        :raises MessageError: it is not whole.
        :raises MailError: it cannot be copied now, or the key is missing.
        """
        if self._copy is not None:
            return
        try:
            self._copy, self._lengths = self._copied()
        except OSError as error:
            raise BackendUnavailable(
                "The temporary file for an attachment cannot be written:"
                f" {error.strerror or type(error).__name__}.",
                stage="data",
            ) from None

    def _copied(self) -> tuple[IO[bytes], list[int]]:
        lengths = []
        digest = hashlib.sha256()
        with ExitStack() as closing:
            copy: IO[bytes] = closing.enter_context(tempfile.TemporaryFile())
            for index in range(-(-self._size // PIECE)):
                piece = self._read(self._bundle, self._first + index)
                if piece is None:
                    raise MessageError(_GONE)
                digest.update(self._octets(index, piece))
                lengths.append(copy.write(piece))
            if digest.hexdigest() != self._digest:
                raise MessageError(_GONE)
            weakref.finalize(self, closing.pop_all().close)
        return copy, lengths

    def blocks(self, octets: int = _BLOCK) -> Iterator[bytes]:
        self.check()
        rest = b""
        for piece in self._pieces():
            data = rest + piece
            end = len(data) - len(data) % octets
            for start in range(0, end, octets):
                yield data[start : start + octets]
            rest = data[end:]
        if rest:
            yield rest

    def _pieces(self) -> Iterator[bytes]:
        copy: Any = self._copy
        position = 0
        for index, length in enumerate(self._lengths):
            copy.seek(position)  # another reader may have moved it
            position += length
            yield self._octets(index, copy.read(length))

    def _octets(self, index: int, piece: bytes) -> bytes:
        return self._opened(self._bundle, self._first + index, piece)


def fetch(mail: Outgoing) -> None:
    """Read the large attachments of a message that was stored, unless that was done.

    :raises MailError: one cannot be read.
    """
    for each in mail.message.attachments:
        if isinstance(each.data, StoredFile):
            each.data.check()


def piece_of(connection: Connection, tables: Tables, bundle: str, n: int) -> bytes | None:
    """Return a piece of a bundle, or ``None`` if it does not exist."""
    file = tables.file
    found: bytes | None = connection.scalar(
        select(file.c.data).where(file.c.bundle == bundle, file.c.n == n)
    )
    return found


def wipe_unused(
    connection: Connection, tables: Tables, bundles: Collection[str | None] | None = None
) -> None:
    """Delete the bundles that no row uses any more.

    If two workers end the last two rows of one at the same time, neither sees that the other has:
    the next sweep deletes it.

    :param bundles: the ids of those that may be unused; default: all.
    """
    file, queue = tables.file, tables.queue
    is_used = exists().where(queue.c.files == file.c.bundle).correlate(file)
    unused = select(file.c.bundle).where(file.c.n == 0, ~is_used)
    if bundles is not None:
        unused = unused.where(file.c.bundle.in_(bundles))
    # Never wait for a worker that was suspended in a transaction.
    ids = [row.bundle for row in locked(connection, unused, file.c.bundle)]
    if ids:
        connection.execute(delete(file).where(file.c.bundle.in_(ids)))


def undo(
    connection: Connection, tables: Tables, ids: Sequence[int], bundles: Collection[str]
) -> None:
    """Delete rows and bundles that were stored in this transaction."""
    connection.execute(delete(tables.queue).where(tables.queue.c.id.in_(ids)))
    connection.execute(delete(tables.file).where(tables.file.c.bundle.in_(bundles)))


def _blocks(data: Any, octets: int) -> Iterator[bytes]:
    if isinstance(data, DataSource):
        yield from data.blocks(octets)
        return
    view = memoryview(data)
    for start in range(0, len(view), octets):
        yield bytes(view[start : start + octets])
