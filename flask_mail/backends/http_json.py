"""JSON with large content in base64, which is made while it is sent."""

from __future__ import annotations

import binascii
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ..mime.content import Content
from ..util.files import BLOCK, DataSource

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing


class _Encodable(Protocol):
    """Octets that can be encoded: their number, and their base64 without line ends, in blocks."""

    def __len__(self) -> int: ...

    def base64(self) -> Iterator[bytes]: ...


Octets: TypeAlias = "bytes | bytearray | memoryview | DataSource | Content | Outgoing"


class Base64:
    """Octets in the body of a :class:`Request`, there in base64: those of a message or a file.

    They are encoded while they are sent, block by block.
    """

    def __init__(
        self, octets: bytes | bytearray | memoryview | DataSource | Content | Outgoing
    ) -> None:
        self._octets: Any = getattr(octets, "octets", octets)  # of a message, maybe not bytes yet

    def __len__(self) -> int:
        return len(self._octets)

    def base64(self) -> Iterator[bytes]:
        """Yield the encoded octets, without line ends.

        :raises MessageError: an attached file is gone or has changed.
        """
        rest = b""
        for block in self._blocks():
            data = memoryview(b"".join((rest, block)) if rest else block)
            end = len(data) // 3 * 3
            yield binascii.b2a_base64(data[:end], newline=False)
            rest = bytes(data[end:])
        yield binascii.b2a_base64(rest, newline=False)

    def _blocks(self) -> Iterator[bytes | memoryview]:
        if isinstance(self._octets, (DataSource, Content)):
            yield from self._octets.blocks()
            return
        view = memoryview(self._octets)
        for start in range(0, len(view), BLOCK):
            yield view[start : start + BLOCK]


class JsonBody:
    """A value as JSON; the base64 in it is made while it is read.

    :raises TypeError: the value has a part that is not a JSON type.
    :raises ValueError: it has a number that JSON does not have.
    """

    content_type = "application/json"

    def __init__(self, value: Any) -> None:
        mark = os.urandom(16).hex()
        self._holes: list[_Encodable] = []

        def hole(part: Any) -> str:
            if not hasattr(part, "base64"):
                raise TypeError(f"{type(part).__name__} is not a type of JSON")
            self._holes.append(part)
            return mark

        text = json.dumps(value, default=hole, allow_nan=False, separators=(",", ":"))
        self._literals = text.encode("ascii").split(mark.encode("ascii"))
        self._size = sum(map(len, self._literals))
        self._size += sum((len(each) + 2) // 3 * 4 for each in self._holes)

    def __len__(self) -> int:
        return self._size

    def blocks(self) -> Iterator[bytes]:
        """Yield the octets.

        :raises MessageError: an attached file is gone or has changed.
        """
        yield self._literals[0]
        for encodable, literal in zip(self._holes, self._literals[1:], strict=True):
            yield from encodable.base64()
            yield literal
