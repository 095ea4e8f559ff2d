"""The file backend: its folders are its owner's alone, and killed processes leave nothing."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_mail import Message
from flask_mail.backends import file
from flask_mail.backends.file import FileBackend

STEM = "20300102T120000_000005Z-0123456789abcdef"
OTHER = "20300102T120000_000006Z-0123456789abcdef"
HOUR = 3600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "mail"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def umask() -> Iterator[None]:
    """A process that hides nothing by itself."""
    before = os.umask(0)
    yield
    os.umask(before)


def send(folder: Path, backend: FileBackend | None = None) -> str:
    message = Message("Hi", ["bob@example.com"], "Hi", sender="ann@example.com")
    return Path((backend or FileBackend(folder)).send(message).response).stem


def put(folder: Path, name: str, hours: float) -> Path:
    """Put a file there that was written so many hours ago."""
    path = folder / name
    path.write_bytes(b"x")
    then = time.time() - hours * HOUR
    os.utime(path, (then, then))
    return path


def names(folder: Path, *but: str) -> list[str]:
    return sorted(
        each.name for each in folder.iterdir() if not any(stem in each.name for stem in but)
    )


@pytest.mark.usefixtures("umask")
def test_each_folder_that_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    """A parent that others can write to would let them put a folder of theirs in its place."""
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    send(there / "a" / "b" / "c")
    modes = [stat.S_IMODE((there / each).stat().st_mode) for each in ("", "a", "a/b", "a/b/c")]
    assert modes == [0o755, 0o700, 0o700, 0o700]


def test_a_deep_folder_is_made(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 300)
    assert send(deep)


def test_temporary_files_of_killed_processes_are_removed(folder: Path) -> None:
    for suffix in ("eml", "json"):
        put(folder, f".{STEM}.{suffix}.tmp", 1.1)
    put(folder, f"{OTHER}.json", 1.1)  # killed between its two names
    sent = send(folder)
    assert names(folder) == [f"{sent}.eml", f"{sent}.json"]


@pytest.mark.parametrize(
    "name",
    [
        f"{STEM}.eml",
        f"{STEM}.tmp",
        f"{STEM}.eml.tmp",  # none of our names
        f".{STEM}.json",
        f".{STEM}.txt.tmp",
        ".notes.tmp",
        "notes.json",
        f".x{STEM}.eml.tmp",
    ],
)
def test_other_files_stay_however_old_they_are(folder: Path, name: str) -> None:
    put(folder, name, 1000)
    sent = send(folder)
    assert names(folder, sent) == [name]


def test_what_is_being_written_stays(folder: Path) -> None:
    """The envelope is written before a message that may take hours to be read from elsewhere."""
    put(folder, f".{STEM}.json.tmp", 5)
    put(folder, f".{STEM}.eml.tmp", 0.5)
    put(folder, f"{OTHER}.json", 0.5)
    sent = send(folder)
    assert names(folder, sent) == [f".{STEM}.eml.tmp", f".{STEM}.json.tmp", f"{OTHER}.json"]


def test_a_message_keeps_its_envelope(folder: Path) -> None:
    for suffix in ("eml", "json"):
        put(folder, f"{STEM}.{suffix}", 1000)
    sent = send(folder)
    assert names(folder, sent) == [f"{STEM}.eml", f"{STEM}.json"]


def test_folders_and_links_of_such_a_name_stay(folder: Path, tmp_path: Path) -> None:
    target = put(tmp_path, "target", 1000)
    (folder / f".{STEM}.eml.tmp").mkdir()
    (folder / f".{OTHER}.eml.tmp").symlink_to(target)
    sent = send(folder)
    assert names(folder, sent) == [f".{STEM}.eml.tmp", f".{OTHER}.eml.tmp"]
    assert target.exists()


def test_the_folder_is_looked_through_once_an_hour(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    abandoned = file._abandoned

    def record(path: Path, now: float) -> list[Path]:
        looks.append(now)
        return abandoned(path, now)

    monkeypatch.setattr(file, "_abandoned", record)
    backend = FileBackend(folder)
    send(folder, backend)
    send(folder, backend)
    assert len(looks) == 1
    backend._swept -= HOUR
    send(folder, backend)
    assert len(looks) == 2


@pytest.mark.parametrize("error", [PermissionError(), FileNotFoundError()])
def test_a_folder_that_cannot_be_looked_through_takes_messages(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def fail(*args: object) -> list[Path]:
        raise error

    monkeypatch.setattr(file, "_abandoned", fail)
    assert send(folder)


def test_a_file_that_goes_meanwhile_is_no_obstacle(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, f".{STEM}.eml.tmp", 2)
    put(folder, f".{OTHER}.eml.tmp", 2)
    scandir = os.scandir

    class Gone:
        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.name = entry.name

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            assert not follow_symlinks
            if OTHER in self.name:
                raise FileNotFoundError
            return (folder / self.name).lstat()

    class Scan:
        def __enter__(self) -> Iterator[Gone]:
            with scandir(folder) as entries:
                return iter([Gone(each) for each in entries])

        def __exit__(self, *args: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", lambda path: Scan())
    assert file._abandoned(folder, time.time()) == [folder / f".{STEM}.eml.tmp"]


def test_a_process_that_was_really_killed_leaves_nothing_for_good(folder: Path) -> None:
    program = f"""
        import os, signal
        from flask_mail import Message
        from flask_mail.backends.file import FileBackend
        os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
        message = Message("Hi", ["bob@example.com"], "Hi", sender="ann@example.com")
        FileBackend({str(folder)!r}).send(message)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert killed.returncode == -signal.SIGKILL
    [left] = folder.iterdir()
    assert left.name.startswith(".")
    send(folder)
    assert left.exists()  # it may still be written
    then = time.time() - 1.1 * HOUR
    os.utime(left, (then, then))
    send(folder)
    assert not left.exists()
