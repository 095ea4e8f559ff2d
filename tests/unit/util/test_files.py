"""A file that is attached by its path is read when the message is sent, as it was attached."""

from __future__ import annotations

import base64
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_mail import Attachment, Message, MessageError
from flask_mail.backends import DataSource, Outgoing
from flask_mail.util.files import BLOCK, FileData

LONG_AGO = 10**18
"""Nanoseconds since the epoch: in 2001."""


@pytest.fixture(params=[0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def content(request: pytest.FixtureRequest) -> bytes:
    return os.urandom(request.param)


def old(path: Path, content: bytes) -> Path:
    """Write a file that nobody has changed for long."""
    path.write_bytes(content)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


def test_what_is_read_is_what_is_in_the_file(tmp_path: Path, content: bytes) -> None:
    for data in (
        FileData.of(old(tmp_path / "old", content)),
        FileData.of(str(tmp_path / "old")),
    ):
        assert (len(data), bytes(data)) == (len(content), content)


def test_blocks_are_whole_but_for_the_last(tmp_path: Path) -> None:
    data = FileData.of(old(tmp_path / "old", b"abcdefgh"))

    assert list(data.blocks(3)) == [b"abc", b"def", b"gh"]
    assert list(data.blocks(4)) == [b"abcd", b"efgh"]


def test_a_relative_path_is_that_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").write_bytes(b"data")

    data = FileData.of("a")
    monkeypatch.chdir("/")

    assert bytes(data) == b"data"


def test_it_can_be_pickled_and_holds_no_open_file(tmp_path: Path) -> None:
    path = old(tmp_path / "a", b"data")

    data = pickle.loads(pickle.dumps(FileData.of(path)))
    path.unlink()

    with pytest.raises(MessageError, match="cannot be read any more: No such file"):
        bytes(data)


@pytest.mark.parametrize(
    ("name", "error"), [("missing", FileNotFoundError), (".", IsADirectoryError)]
)
def test_what_is_not_there_is_told_at_once(tmp_path: Path, name: str, error: type[OSError]) -> None:
    with pytest.raises(error, match=str(tmp_path)):
        FileData.of(tmp_path / name)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(MessageError, match="not a regular file"):
        FileData.of(tmp_path / "pipe")


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    path = old(tmp_path / "a", b"data")
    data = FileData.of(path)
    path.unlink()

    for look in (data.check, lambda: bytes(data)):
        with pytest.raises(MessageError, match="Keep it until the message is sent"):
            look()


@pytest.mark.parametrize("changed", [b"longer than before", b"DATA", b""])
def test_a_file_that_has_changed_is_an_error(tmp_path: Path, changed: bytes) -> None:
    path = old(tmp_path / "a", b"data")
    data = FileData.of(path)
    path.write_bytes(changed)

    for look in (data.check, lambda: bytes(data)):
        with pytest.raises(MessageError, match="has changed since it was attached"):
            look()


def test_a_change_within_a_tick_of_the_file_system_s_clock_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"data")
    status = path.stat()
    data = FileData.of(path)
    path.write_bytes(b"DATA")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    data.check()
    with pytest.raises(MessageError, match="has changed"):
        bytes(data)


@pytest.mark.parametrize("becomes", ["shorter", "longer"])
def test_a_file_that_changes_while_it_is_read_is_never_taken_for_whole(
    tmp_path: Path, becomes: str
) -> None:
    path = old(tmp_path / "a", b"x" * 3 * BLOCK)
    data = FileData.of(path)
    blocks = data.blocks()

    assert next(blocks) == b"x" * BLOCK
    os.truncate(path, BLOCK if becomes == "shorter" else 4 * BLOCK)
    with pytest.raises(MessageError, match="has changed"):
        list(blocks)


def test_a_file_that_became_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = old(tmp_path / "a", b"")
    data = FileData.of(path)
    path.unlink()
    os.mkfifo(path)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))

    for look in (data.check, lambda: bytes(data)):
        with pytest.raises(MessageError, match="has changed"):
            look()


def test_data_of_another_source_is_attached() -> None:
    class Numbers(DataSource):
        def __len__(self) -> int:
            return 300_000

        def blocks(self, octets: int = BLOCK) -> Iterator[bytes]:
            for start in range(0, 300_000, octets):
                yield b"1" * min(octets, 300_000 - start)

    message = Message("Hi", ["ann@example.com"], "x", sender="shop@example.com")
    message.attachments.append(Attachment("a.bin", "application/octet-stream", b""))
    message.attachments[0].data = Numbers()
    mail = Outgoing.of(message)
    assert base64.b64encode(bytes(Numbers()))[:76] in mail.content
    assert mail.message.attachments[0].read() == b"1" * 300_000
