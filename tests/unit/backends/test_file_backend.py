"""The file backend: complete files or none, whatever fails."""

from __future__ import annotations

import email
import errno
import itertools
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email import policy
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryUnknown,
    Message,
    Outcome,
    Outgoing,
)
from flask_mail.backends import file
from flask_mail.backends.file import FileBackend, Moments
from flask_mail.util.locks import _count_fork

NOON = datetime(2030, 1, 2, 12, 0, 0, 5, tzinfo=timezone.utc)
STEM = "20300102T120000_000005Z-0123456789abcdef"


def hello(**fields: object) -> Message:
    fields = {
        "subject": "Grüße",
        "recipients": ["bob@example.com"],
        "sender": "ann@example.com",
        "body": "Hällo",
        **fields,
    }
    return Message(**fields)  # type: ignore[arg-type]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mail"


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next file is called STEM."""
    monkeypatch.setattr(file, "_moments", Moments(lambda: NOON))
    monkeypatch.setattr(file, "_unique", lambda: "0123456789abcdef")


@pytest.fixture
def umask() -> Iterator[None]:
    """A process that hides nothing by itself."""
    before = os.umask(0)
    yield
    os.umask(before)


# What is written


def test_the_message_is_kept_octet_for_octet(folder: Path) -> None:
    message = hello(html="<b>Hällo</b>")
    message.attach("räport.bin", "application/octet-stream", bytes(range(256)) * 100)
    receipt = FileBackend(folder).send(message)
    octets = Path(receipt.response).read_bytes()
    assert octets == Outgoing.of(message).content
    parsed = email.message_from_bytes(octets, policy=policy.default)
    assert parsed["Subject"] == "Grüße"
    assert [part.get_content() for part in parsed.iter_attachments()] == [bytes(range(256)) * 100]


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\xff\x00", b"a\r\nb\r\n"])
def test_whatever_a_program_renders_is_kept_as_it_is(folder: Path, content: bytes) -> None:
    class Rendered(Message):
        def as_bytes(self) -> bytes:
            return content

    receipt = FileBackend(folder).send(Rendered("x", ["b@example.com"], sender="a@example.com"))
    assert Path(receipt.response).read_bytes() == content


@pytest.mark.usefixtures("fixed")
def test_the_envelope_is_kept_beside_it(folder: Path) -> None:
    message = hello(
        recipients=["bob@example.com", "jörg@example.com"],
        bcc=["hidden@example.com"],
        mail_options=["BODY=8BITMIME"],
        rcpt_options=["NOTIFY=NEVER"],
        tags=["welcome"],
        metadata={"order": 4711},
    )
    message.msgId = "<1@example.com>"
    receipt = FileBackend(folder).send(message, envelope_from="<>")
    assert receipt.response == str(folder / f"{STEM}.eml")
    assert names(folder) == [f"{STEM}.eml", f"{STEM}.json"]
    assert json.loads((folder / f"{STEM}.json").read_bytes()) == {
        "sender": "",
        "recipients": ["bob@example.com", "jörg@example.com", "hidden@example.com"],
        "mail_options": ["BODY=8BITMIME"],
        "rcpt_options": ["NOTIFY=NEVER"],
        "tags": ["welcome"],
        "metadata": {"order": "4711"},
        "mailer": "",
        "message_id": "<1@example.com>",
        "date": "2030-01-02T12:00:00.000005+00:00",
    }


def test_the_receipt_tells_the_path(folder: Path) -> None:
    receipt = FileBackend(str(folder)).send(hello())
    assert (receipt.outcome, receipt.backend) == (Outcome.SENT, "file")
    assert [str(path) for path in folder.glob("*.eml")] == [receipt.response]


def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    backend = FileBackend("mail")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert Path(backend.send(hello()).response).parent == tmp_path / "mail"


def test_nothing_leaves_the_machine() -> None:
    assert FileBackend.external is False


# Who can read it


def test_nothing_is_made_before_the_first_message(folder: Path) -> None:
    backend = FileBackend(folder / "deep" / "er")
    assert not folder.exists()
    backend.send(hello())
    assert len(names(folder / "deep" / "er")) == 2


@pytest.mark.usefixtures("umask")
def test_only_the_owner_can_read_mail(folder: Path) -> None:
    FileBackend(folder).send(hello())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600, 0o600]


@pytest.mark.usefixtures("umask")
def test_a_file_is_never_readable_for_others_while_it_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []

    def write(descriptor: int, octets: memoryview, real=os.write) -> int:  # type: ignore[no-untyped-def]
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return int(real(descriptor, octets))

    monkeypatch.setattr(os, "write", write)
    FileBackend(folder).send(hello())
    assert set(modes) == {0o600}


@pytest.mark.usefixtures("umask")
def test_a_folder_that_is_there_is_used_as_it_is(folder: Path) -> None:
    folder.mkdir(mode=0o750)
    (folder / "other").write_text("other")
    FileBackend(folder).send(hello())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert len(names(folder)) == 3


def test_the_folder_is_made_again_where_somebody_removed_it(folder: Path) -> None:
    backend = FileBackend(folder)
    backend.send(hello())
    shutil.rmtree(folder)
    assert Path(backend.send(hello()).response).exists()


@pytest.mark.usefixtures("fixed")
@pytest.mark.parametrize("name", [f".{STEM}.json.tmp", f".{STEM}.eml.tmp"])
@pytest.mark.parametrize("target", ["victim", "new"])
def test_a_link_planted_under_the_temporary_name_is_not_followed(
    folder: Path, tmp_path: Path, name: str, target: str
) -> None:
    (tmp_path / "victim").write_text("precious")
    folder.mkdir()
    (folder / name).symlink_to(tmp_path / target)
    error = failure_of(FileBackend(folder))
    assert os.strerror(errno.EEXIST) in str(error)
    assert names(folder) == [name]
    assert (folder / name).is_symlink()
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("fixed")
def test_a_file_of_somebody_else_stays_whole(folder: Path) -> None:
    folder.mkdir()
    (folder / f".{STEM}.eml.tmp").write_text("theirs")
    failure_of(FileBackend(folder))
    assert names(folder) == [f".{STEM}.eml.tmp"]
    assert (folder / f".{STEM}.eml.tmp").read_text() == "theirs"


def test_files_are_opened_without_following_links(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = {}

    def open_(path: Path, flags: int, mode: int = 0o777, real=os.open) -> int:  # type: ignore[no-untyped-def]
        opened[path] = flags, mode
        return int(real(path, flags, mode))

    monkeypatch.setattr(os, "open", open_)
    FileBackend(folder).send(hello())
    written = [how for path, how in opened.items() if path != folder]
    wanted = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    assert written == [(wanted, 0o600), (wanted, 0o600)]


# Names


def test_names_sort_by_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [
        NOON, NOON + timedelta(microseconds=10), NOON + timedelta(seconds=1),
        NOON + timedelta(hours=12), NOON + timedelta(days=400),
    ]  # fmt: skip
    clock = iter(moments)
    monkeypatch.setattr(file, "_moments", Moments(lambda: next(clock)))
    backend = FileBackend(folder)
    sent = [backend.send(hello()).response for _ in moments]
    assert sent == sorted(sent)
    assert [Path(each).name[:23] for each in sent[:3]] == [
        "20300102T120000_000005Z", "20300102T120000_000015Z", "20300102T120001_000005Z",
    ]  # fmt: skip


def test_names_sort_also_where_the_clock_stands_still_or_is_set_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([NOON, NOON, NOON, NOON - timedelta(hours=1), NOON + timedelta(seconds=1)])
    monkeypatch.setattr(file, "_moments", Moments(lambda: next(clock)))
    first, second = FileBackend(folder), FileBackend(folder)
    sent = [
        Path(backend.send(hello()).response).name[:23]
        for backend in (first, second, first, second, first)
    ]
    assert sent == [
        "20300102T120000_000005Z",
        "20300102T120000_000006Z",
        "20300102T120000_000007Z",
        "20300102T120000_000008Z",
        "20300102T120001_000005Z",
    ]


def test_moments_are_taken_one_at_a_time() -> None:
    held = []

    def clock() -> datetime:
        held.append(moments.lock()._is_owned())
        return NOON

    moments = Moments(clock)
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: moments.next(), range(2000)))
    assert len(set(got)) == 2000
    assert all(held)
    assert not moments.lock()._is_owned()


def test_a_name_is_the_time_in_utc_and_cannot_be_guessed(folder: Path) -> None:
    before = datetime.now(timezone.utc)
    backend = FileBackend(folder)
    stems = [Path(backend.send(hello()).response).stem for _ in range(20)]
    parts = [re.fullmatch(r"(\d{8}T\d{6}_\d{6})Z-([0-9a-f]{16})", stem) for stem in stems]
    assert len({part[2] for part in parts if part}) == 20
    written = [
        datetime.strptime(part[1], "%Y%m%dT%H%M%S_%f").replace(tzinfo=timezone.utc)
        for part in parts
        if part
    ]
    assert before <= written[0] < written[-1]
    assert written[-1] - before < timedelta(minutes=5)


WRITER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from flask_mail import Message
from flask_mail.backends.file import FileBackend

folder, process, count = sys.argv[1:]
backend = FileBackend(folder)

def write(thread):
    responses = []
    for number in range(int(count)):
        subject = f"{process} {thread} {number}"
        message = Message(subject, ["bob@example.com"], subject, sender="ann@example.com")
        responses.append(backend.send(message).response)
    return responses

sys.stdin.read()  # both begin together
with ThreadPoolExecutor(4) as pool:
    for responses in pool.map(write, range(4)):
        assert responses == sorted(set(responses))
"""


@pytest.mark.parametrize("count", [5, pytest.param(200, marks=pytest.mark.exhaustive)])
def test_processes_and_threads_share_a_folder(folder: Path, count: int) -> None:
    """Nothing is lost or mixed up, and the messages of each thread stay in order."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WRITER, str(folder), process, str(count)],
            stdin=subprocess.PIPE,
        )
        for process in "AB"
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    assert [writer.wait(timeout=300) for writer in writers] == [0, 0]
    kept = names(folder)
    messages = [name for name in kept if name.endswith(".eml")]
    assert len(messages) == 8 * count
    assert kept == sorted(name[:-4] + end for name in messages for end in (".eml", ".json"))
    subjects = []
    for name in messages:
        parsed = email.message_from_bytes((folder / name).read_bytes(), policy=policy.default)
        envelope = json.loads((folder / name).with_suffix(".json").read_bytes())
        assert envelope["message_id"] == parsed["Message-ID"]
        assert parsed.get_content() == parsed["Subject"]
        subjects.append(tuple(str(parsed["Subject"]).split()))
    for process in "AB":
        for thread in "0123":
            numbers = [int(subject[2]) for subject in subjects if subject[:2] == (process, thread)]
            assert numbers == list(range(count))


def test_name_lock_is_reset_after_fork(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, let_go = threading.Event(), threading.Event()

    def clock() -> datetime:
        if threading.current_thread() is not threading.main_thread():
            asked.set()
            let_go.wait(60)
        return NOON

    monkeypatch.setattr(file, "_moments", Moments(clock))
    backend = FileBackend(folder)
    with ThreadPoolExecutor(1) as pool:
        receipt = pool.submit(backend.send, hello())
        assert asked.wait(60)
        _count_fork()
        assert backend.send(hello()).sent
        assert not receipt.done()
        let_go.set()


FORK = """
import os, signal, sys, threading
from datetime import datetime, timezone
from flask_mail import Message
from flask_mail.backends import file

message = Message("Hello", ["bob@example.com"], "Hi", sender="ann@example.com")
asked, forked = threading.Event(), threading.Event()

def clock():
    if threading.current_thread() is not threading.main_thread():
        asked.set()
        forked.wait()
    return datetime.now(timezone.utc)

file._moments = file.Moments(clock)
backend = file.FileBackend(sys.argv[1])
thread = threading.Thread(target=backend.send, args=[message])
thread.start()
asked.wait()
child = os.fork()
if child == 0:
    signal.alarm(30)
    os._exit(0 if backend.send(message).sent else 1)
_, status = os.waitpid(child, 0)
forked.set()
thread.join()
sys.exit(status)
"""


def test_a_child_process_does_not_wait_for_a_thread_of_its_parent(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FORK, str(folder)], timeout=60, check=False)
    assert done.returncode == 0
    assert len(list(folder.glob("*.eml"))) == 2


# What fails


def failure_of(backend: FileBackend) -> BackendUnavailable:
    with pytest.raises(BackendUnavailable, match="MAIL_FILE_PATH") as raised:
        backend.send(hello())
    receipt = raised.value.receipt
    assert receipt is not None
    assert receipt.outcome is Outcome.NOT_SENT
    return raised.value


def fail(
    patch: pytest.MonkeyPatch,
    owner: object,
    function: str,
    nth: int,
    error: BaseException,
    done: bool = False,
) -> None:
    """Let a function of the operating system fail at its nth call, after the deed if `done`."""
    real = getattr(owner, function)
    calls = itertools.count(1)

    def call(*given: object, **named: object) -> object:
        if next(calls) != nth:
            return real(*given, **named)
        if done or function == "close":  # a descriptor is closed also where close() fails
            real(*given, **named)
        raise error

    patch.setattr(owner, function, call)


STEPS = [
    pytest.param(os, "open", 1, id="create the envelope"),
    pytest.param(os, "write", 1, id="write the envelope"),
    pytest.param(os, "fsync", 1, id="sync the envelope"),
    pytest.param(os, "close", 1, id="close the envelope"),
    pytest.param(os, "open", 2, id="create the message"),
    pytest.param(os, "write", 2, id="write the message"),
    pytest.param(os, "fsync", 2, id="sync the message"),
    pytest.param(os, "close", 2, id="close the message"),
    pytest.param(Path, "replace", 1, id="rename the envelope"),
    pytest.param(Path, "replace", 2, id="rename the message"),
    pytest.param(os, "open", 3, id="open the folder"),
    pytest.param(os, "fsync", 3, id="sync the folder"),
]


@pytest.mark.parametrize(("owner", "function", "nth"), STEPS)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
def test_an_error_leaves_nothing_and_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, owner: object, function: str, nth: int, code: int
) -> None:
    backend = FileBackend(folder)
    backend.send(hello())
    before = names(folder)
    with monkeypatch.context() as patch:
        fail(patch, owner, function, nth, OSError(code, os.strerror(code)))
        error = failure_of(backend)
    assert str(error) == (
        f"The file backend cannot write to {str(folder)!r} (MAIL_FILE_PATH): {os.strerror(code)}."
    )
    assert isinstance(error.__cause__, OSError)
    assert names(folder) == before
    assert backend.send(hello()).sent


@pytest.mark.parametrize(("owner", "function", "nth"), STEPS)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interrupt_leaves_nothing_and_goes_on(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    function: str,
    nth: int,
    interrupt: type[BaseException],
    done: bool,
) -> None:
    with monkeypatch.context() as patch:
        fail(patch, owner, function, nth, interrupt(), done)
        with pytest.raises(interrupt):
            FileBackend(folder).send(hello())
    assert names(folder) == []


def test_no_descriptor_is_left_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, closed = [], []

    def open_(*given, real=os.open) -> int:  # type: ignore[no-untyped-def]
        opened.append(descriptor := int(real(*given)))
        return descriptor

    def close(descriptor: int, real=os.close) -> None:  # type: ignore[no-untyped-def]
        closed.append(descriptor)
        real(descriptor)

    for nth in (1, 2, 3):
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", open_)
            patch.setattr(os, "close", close)
            fail(patch, os, "fsync", nth, OSError(errno.EIO, "Input/output error"))
            failure_of(FileBackend(folder))
    assert opened == closed


def test_short_writes_are_continued(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(descriptor: int, octets: memoryview, real=os.write) -> int:  # type: ignore[no-untyped-def]
        return int(real(descriptor, octets[:7]))

    monkeypatch.setattr(os, "write", write)
    message = hello()
    receipt = FileBackend(folder).send(message)
    assert Path(receipt.response).read_bytes() == Outgoing.of(message).content
    assert json.loads(Path(receipt.response).with_suffix(".json").read_bytes())["sender"]


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [500]

    def write(descriptor: int, octets: memoryview, real=os.write) -> int:  # type: ignore[no-untyped-def]
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = int(real(descriptor, octets[: room[0]]))
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", write)
    assert "No space left on device." in str(failure_of(FileBackend(folder)))
    assert room == [0]
    assert names(folder) == []


def test_the_first_error_is_told_where_closing_fails_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def close(descriptor: int, real=os.close) -> None:  # type: ignore[no-untyped-def]
        real(descriptor)
        raise OSError(errno.EIO, "later")

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", close)
        fail(patch, os, "write", 1, OSError(errno.ENOSPC, "first"))
        assert str(failure_of(FileBackend(folder))).endswith(": first.")
    assert names(folder) == []


def test_an_error_without_a_reason_is_told_by_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, os, "fsync", 1, TimeoutError())
    assert str(failure_of(FileBackend(folder))).endswith(": TimeoutError.")


def test_an_error_while_cleaning_up_does_not_hide_the_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlink(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "later")

    fail(monkeypatch, os, "fsync", 2, OSError(errno.EIO, "first"))
    monkeypatch.setattr(Path, "unlink", unlink)
    assert str(failure_of(FileBackend(folder))).endswith(": first.")


def test_a_message_that_cannot_be_taken_back_is_told_as_unknown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be found in the folder, so sending it again may send it twice."""

    def unlink(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "later")

    fail(monkeypatch, os, "fsync", 3, OSError(errno.EIO, "first"))
    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(DeliveryUnknown, match=r"MAIL_FILE_PATH.*: first\.$") as raised:
        FileBackend(folder).send(hello())
    assert raised.value.receipt is not None
    assert raised.value.receipt.outcome is Outcome.UNKNOWN


def test_a_folder_that_cannot_be_listed_can_be_written_to(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows opens no folder at all."""
    fail(monkeypatch, os, "open", 3, PermissionError(errno.EACCES, "Permission denied"))
    assert FileBackend(folder).send(hello()).sent


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP], ids=errno.errorcode.get)
def test_a_file_system_need_not_sync_folders(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    fail(monkeypatch, os, "fsync", 3, OSError(code, os.strerror(code)))
    assert FileBackend(folder).send(hello()).sent
    assert len(names(folder)) == 2


@pytest.mark.parametrize("below", ["", "below", "far/below"])
def test_a_path_that_is_a_file_is_told(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("a file")
    path = tmp_path / "file" / below
    assert str(failure_of(FileBackend(path))) == (
        f"The file backend cannot write to {str(path)!r} (MAIL_FILE_PATH): Not a directory."
    )
    assert (tmp_path / "file").read_text() == "a file"


def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    error = failure_of(FileBackend(tmp_path / ("x" * 300)))
    assert str(error).endswith(": File name too long.")


def test_a_folder_that_must_not_be_made_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, Path, "mkdir", 1, PermissionError(errno.EACCES, "Permission denied"))
    assert str(failure_of(FileBackend(folder))).endswith(": Permission denied.")


def test_a_failed_message_does_not_stop_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, os, "fsync", 4, OSError(errno.ENOSPC, "No space left on device"))
    receipts = list(FileBackend(folder).send_many([hello(), hello(), hello()]))
    assert [receipt.outcome for receipt in receipts] == [
        Outcome.SENT, Outcome.NOT_SENT, Outcome.SENT,
    ]  # fmt: skip
    assert len(names(folder)) == 4


def test_a_platform_may_lack_fork_and_flags(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_NOFOLLOW")
    monkeypatch.delattr(os, "register_at_fork")
    spec = spec_from_file_location("flask_mail.backends.elsewhere", file.__file__)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(module := module_from_spec(spec))
    assert module.FileBackend(folder).send(hello()).sent


# A process that dies

KILLED = """
import os, signal, sys
from flask_mail import Message
from flask_mail.backends.file import FileBackend

folder, step = sys.argv[1], int(sys.argv[2])
real, calls = os.fsync, []

def fsync(descriptor):
    calls.append(descriptor)
    if len(calls) == step:
        os.kill(os.getpid(), signal.SIGKILL)
    real(descriptor)

os.fsync = fsync
message = Message("Hello", ["bob@example.com"], "Hi", sender="ann@example.com")
FileBackend(folder).send(message)
"""


def kill(folder: Path, step: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), str(step)], timeout=60, check=False
    )
    assert done.returncode == -9


@pytest.mark.parametrize("step", [1, 2])
def test_a_killed_process_leaves_no_half_message(folder: Path, step: int) -> None:
    kill(folder, step)
    assert list(folder.glob("*.eml")) == []
    assert all(name.startswith(".") for name in names(folder))
    assert FileBackend(folder).send(hello()).sent
    assert len(list(folder.glob("*.eml"))) == 1


def test_a_message_is_whole_once_it_has_its_name(folder: Path) -> None:
    kill(folder, 3)
    (message,) = folder.glob("*.eml")
    assert message.read_bytes().endswith(b"\r\n\r\nHi")
    assert json.loads(message.with_suffix(".json").read_bytes())["sender"] == "ann@example.com"


def test_the_envelope_is_in_place_before_the_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def replace(path: Path, target: Path, real=Path.replace) -> Path:  # type: ignore[no-untyped-def]
        moved: Path = real(path, target)
        seen.append([name.rpartition(".")[2] for name in names(folder) if name[0] != "."])
        return moved

    monkeypatch.setattr(Path, "replace", replace)
    FileBackend(folder).send(hello())
    assert seen == [["json"], ["eml", "json"]]


def test_the_message_is_taken_back_before_its_envelope(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed = []

    def unlink(path: Path, missing_ok: bool = False, real=Path.unlink) -> None:  # type: ignore[no-untyped-def]
        if path.exists():
            removed.append(path.suffix)
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    fail(monkeypatch, os, "fsync", 3, OSError(errno.EIO, "Input/output error"))
    failure_of(FileBackend(folder))
    assert removed == [".eml", ".json"]


# Settings


def build(name: str) -> FileBackend:
    raise AssertionError(name)


@pytest.mark.parametrize("options", [{}, {"path": None}, {"path": ""}])
def test_the_path_is_required(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="needs MAIL_FILE_PATH"):
        FileBackend.from_options(options, build)


@pytest.mark.parametrize("kind", [str, Path])
def test_the_path_comes_from_the_configuration(folder: Path, kind: type) -> None:
    backend = FileBackend.from_options({"path": kind(folder)}, build)
    assert Path(backend.send(hello()).response).parent == folder


@pytest.mark.parametrize("path", ["", "a\0b", "a\ud800b", 1, None, b"/tmp", ["/tmp"]])
def test_what_is_no_path_is_a_configuration_error(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^MAIL_FILE_PATH must be "):
        FileBackend(path)


def test_a_relative_path_needs_a_working_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = FileNotFoundError(errno.ENOENT, "No such file or directory")
    fail(monkeypatch, Path, "absolute", 1, gone)
    with pytest.raises(ConfigurationError, match="MAIL_FILE_PATH is relative.*: No such file"):
        FileBackend("mail")


def test_a_backend_derived_from_it_names_its_own_setting(tmp_path: Path) -> None:
    class Archive(FileBackend):
        name = "archive"

    (tmp_path / "file").write_text("a file")
    with pytest.raises(BackendUnavailable, match="MAIL_ARCHIVE_PATH"):
        Archive(tmp_path / "file").send(hello())


def test_kept_messages_have_the_time_of_their_name(tmp_path):
    ours = "20300101T120000_000001Z-0123456789abcdef"
    for name in (ours, "copied-20300101T120000_000001Z-0123456789abcdef", f"{ours}-2"):
        (tmp_path / f"{name}.eml").write_bytes(b"")
    for name in ("20301301T120000_000001Z", "99991231T235959_000001Z"):
        (tmp_path / f"{name}-0123456789abcdef.eml").write_bytes(b"")
    for each in tmp_path.iterdir():
        os.utime(each, (1893456000, 1893456000))
    found = {each.id: each.date.isoformat() for each in FileBackend(tmp_path).kept()}
    assert found.pop(ours) == "2030-01-01T12:00:00.000001+00:00"
    assert found.pop("99991231T235959_000001Z-0123456789abcdef") == "9999-01-01T00:00:00+00:00"
    assert set(found.values()) == {"2030-01-01T00:00:00+00:00"}


def test_an_entry_that_cannot_be_looked_at_hides_no_message(tmp_path, monkeypatch):
    """Some file systems report an error for one of them."""
    backend = FileBackend(tmp_path)
    for _ in range(2):
        backend.send(Message("Hi", ["bob@example.com"], "Hi", sender="ann@example.com"))
    broken = backend.kept()[0].id
    scandir = os.scandir

    class Entry:
        def __init__(self, entry):
            self.name = entry.name

        def is_file(self, *, follow_symlinks):
            if self.name.startswith(broken):
                raise OSError(errno.EIO, "Input/output error")
            return True

    @contextmanager
    def scan(folder):
        with scandir(folder) as entries:
            yield [Entry(each) for each in entries]

    monkeypatch.setattr(os, "scandir", scan)
    assert len(FileBackend(tmp_path).kept()) == 2
