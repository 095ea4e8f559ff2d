"""The octets of a message, produced block by block if there are many."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from ..errors import MessageError
from ..util.files import BLOCK, DataSource

LARGE: Final = 256 * 1024
"""Octets; larger content is encoded while it is sent."""

_LINE = 76  # RFC 2045 section 6.8
_OF_A_LINE = _LINE // 4 * 3
_LINES_OF_A_BLOCK = struct.Struct(f"{_LINE}s" * (BLOCK // _OF_A_LINE))


def encode_base64(octets: bytes | memoryview) -> bytes:
    """Encode `octets` in lines of 76 characters, without a final line end."""
    encoded = binascii.b2a_base64(octets, newline=False)
    if len(encoded) <= _LINE:
        return encoded
    if len(encoded) == _LINES_OF_A_BLOCK.size:
        return b"\r\n".join(_LINES_OF_A_BLOCK.unpack(encoded))
    return b"\r\n".join([encoded[start : start + _LINE] for start in range(0, len(encoded), _LINE)])


class Base64:
    """Octets that :func:`encode_base64` encodes only when they are sent."""

    def __init__(self, data: bytes | DataSource) -> None:
        self.data = data
        characters = (len(data) + 2) // 3 * 4
        line_ends = max(0, (characters - 1) // _LINE)
        self._size = characters + 2 * line_ends

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self.blocks())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Base64) and self.data == other.data

    __hash__ = None  # type: ignore[assignment]

    def check(self) -> None:
        """Check that an underlying file is unchanged, see :meth:`DataSource.check`."""
        if isinstance(self.data, DataSource):
            self.data.check()

    def blocks(self) -> Iterator[bytes]:
        """Yield the encoded octets in blocks of some tens of KiB."""
        start = b""
        for block in _blocks(self.data):
            yield start + encode_base64(block)
            start = b"\r\n"


class Content:
    """The octets of a large message, or of a part of it.

    They can be read any number of times and are always the same: if a file has changed, reading
    raises.

    :param pieces: literal octets, and data that is still to be encoded.
    :ivar pieces: the same, with adjacent literal octets merged.
    """

    def __init__(self, pieces: Iterable[bytes | Base64]) -> None:
        merged: list[bytes | Base64] = []
        literal: list[bytes] = []
        for piece in pieces:
            if isinstance(piece, bytes):
                literal.append(piece)
            else:
                merged += (b"".join(literal), piece)
                literal.clear()
        self.pieces = (*merged, b"".join(literal))
        self._size = sum(map(len, self.pieces))

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self.blocks())

    def __repr__(self) -> str:
        return f"<Content of {self._size} octets>"

    @property
    def literal(self) -> bytes:
        """The octets outside of base64 data, such as the header and the text."""
        return b"".join(each for each in self.pieces if isinstance(each, bytes))

    def check(self) -> None:
        """Check that the underlying files are unchanged, see :meth:`DataSource.check`."""
        for piece in self.pieces:
            if isinstance(piece, Base64):
                piece.check()

    def blocks(self) -> Iterator[bytes]:
        """Yield the octets, in blocks of any size.

        :raises MessageError: a file is missing or has changed; some blocks may precede it.
        """
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from piece.blocks()


class Supply:
    """A cursor over content, which is read once, in portions."""

    def __init__(self, content: bytes | Content) -> None:
        self._blocks = iter((content,)) if isinstance(content, bytes) else content.blocks()
        self._rest = memoryview(b"")

    def take(self, octets: int) -> memoryview:
        """Return at least one and at most `octets` of the next octets.

        :raises MessageError: the content has ended, or as :meth:`Content.blocks`.
        """
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                raise MessageError("The content is shorter than its declared size.")
            self._rest = memoryview(block)
        taken, self._rest = self._rest[:octets], self._rest[octets:]
        return taken


class Portion:
    """A slice of a supply, read only when it is needed."""

    def __init__(self, supply: Supply, octets: int) -> None:
        self._supply = supply
        self._octets = octets

    def __len__(self) -> int:
        return self._octets

    def blocks(self) -> Iterator[memoryview]:
        """Yield the octets; works only once."""
        left = self._octets
        while left:
            taken = self._supply.take(left)
            left -= len(taken)
            yield taken


def _blocks(data: bytes | DataSource) -> Iterator[bytes | memoryview]:
    if isinstance(data, DataSource):
        yield from data.blocks(BLOCK)
    else:
        view = memoryview(data)
        for start in range(0, len(view), BLOCK):
            yield view[start : start + BLOCK]
