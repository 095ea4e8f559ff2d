"""Large content is made block by block, and is what it would be in one piece."""

from __future__ import annotations

import base64
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_mail import MessageError
from flask_mail.mime.content import Base64, Content, Portion, Supply, encode_base64
from flask_mail.util.files import BLOCK, FileData

SIZES = [0, 1, 56, 57, 58, 114, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 57]


def standard(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n").removesuffix(b"\r\n")


@pytest.mark.parametrize("size", SIZES)
def test_base64_is_that_of_the_standard_library(size: int) -> None:
    data = os.urandom(size)

    assert encode_base64(data) == standard(data)


@pytest.mark.parametrize("kind", ["bytes", "file"])
@pytest.mark.parametrize("size", SIZES)
def test_base64_in_blocks_is_the_same_and_its_size_is_known(
    tmp_path: Path, size: int, kind: str
) -> None:
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    encoded = Base64(data if kind == "bytes" else FileData.of(tmp_path / "a"))

    assert b"".join(encoded.blocks()) == standard(data)
    assert len(encoded) == len(standard(data))


@given(st.lists(st.binary(max_size=9) | st.binary(max_size=9).map(Base64)))
def test_content_is_its_pieces(pieces: list[bytes | Base64]) -> None:
    content = Content(pieces)
    expected = b"".join(
        piece if isinstance(piece, bytes) else b"".join(piece.blocks()) for piece in pieces
    )

    assert bytes(content) == expected
    assert len(content) == len(expected)
    assert content.literal == b"".join(each for each in pieces if isinstance(each, bytes))


def test_content_can_be_read_again_and_again() -> None:
    content = Content([b"head", Base64(b"data")])

    assert bytes(content) == bytes(content) == b"headZGF0YQ=="


def test_base64_is_equal_if_its_data_is() -> None:
    assert Base64(b"data") == Base64(bytearray(b"data"))  # type: ignore[arg-type]
    assert Base64(b"data") != Base64(b"other")
    assert Base64(b"data") != b"data"


def test_its_repr_shows_nothing_of_it() -> None:
    assert repr(Content([b"secret"])) == "<Content of 6 octets>"


def test_a_check_finds_a_file_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"data")
    content = Content([b"head", Base64(b"data"), Base64(FileData.of(tmp_path / "a"))])
    content.check()
    (tmp_path / "a").unlink()

    with pytest.raises(MessageError):
        content.check()


@given(st.lists(st.binary(max_size=9)), st.integers(1, 12))
def test_portions_are_the_content_in_order(blocks: list[bytes], size: int) -> None:
    content = Content([each for block in blocks for each in (block, Base64(block))])
    supply = Supply(content)
    sizes = [size] * (len(content) // size) + [len(content) % size]

    portions = [b"".join(Portion(supply, each).blocks()) for each in sizes]

    assert list(map(len, portions)) == sizes
    assert b"".join(portions) == bytes(content)


def test_a_supply_that_ends_early_is_an_error() -> None:
    with pytest.raises(MessageError, match="shorter"):
        list(Portion(Supply(b"four"), 5).blocks())


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["bytes", "file"])
def test_reading_large_content_takes_little_memory(tmp_path: Path, kind: str) -> None:
    data = bytes(20 * 1024 * 1024)
    (tmp_path / "a").write_bytes(data)
    tracemalloc.start()
    try:
        content = Content([Base64(data if kind == "bytes" else FileData.of(tmp_path / "a"))])
        tracemalloc.reset_peak()
        size = sum(map(len, content.blocks()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size == len(content)
    assert peak < 1024 * 1024
