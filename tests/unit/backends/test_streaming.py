"""A message with large attachments is made as it is sent, and is what it would be in one piece."""

from __future__ import annotations

import os
import socket
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_server import FaultServer, fault_server
from faults import Fault
from matrices import MODE_PARAMS, MODES, matrix
from servers import Dialogue, mail_to, scripted_server, smtp_server

from flask_mail import Mail, Message, MessageError, Outcome
from flask_mail.delivery.outgoing import Outgoing
from flask_mail.mime.content import LARGE, Content

MIB = 1024 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(3 * MIB // 2))
    return path


def message(subject: str, **sources: Any) -> Message:
    made = Message(subject, ["to@example.com"], ".\r\n..\r\n", sender="me@example.com")
    for name, data in sources.items():
        made.attach(f"{name}.bin", data=data) if isinstance(data, bytes) else made.attach_file(data)
    return made


@pytest.fixture(params=MODE_PARAMS)
def server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    with fault_server(extensions=MODES[request.param]) as running:
        yield running
    assert running.violations == []


def test_what_arrives_is_what_was_made(server: FaultServer, path: Path) -> None:
    """As bytes and by path, several in one message, and messages before and after it."""
    mail = mail_to(server.port)
    messages = [
        message("small"),
        message("one", path=path),
        message("two", data=b"x" * LARGE, path=path, more=os.urandom(2 * MIB)),
        message("small again", data=b"data"),
    ]

    receipts = mail.send_many(messages)

    assert [receipt.outcome for receipt in receipts] == [Outcome.SENT] * 4
    assert [each.content for each in server.accepted] == [each.as_bytes() for each in messages]


def test_the_size_is_declared_beforehand(path: Path) -> None:
    with smtp_server() as server:
        large = message("large", path=path)
        mail_to(server.port).send(large)

    (arrived,) = server.recorder.accepted
    assert arrived.content == large.as_bytes()
    assert f"SIZE={len(large.as_bytes())}" in arrived.mail_options


def test_it_is_tried_again_from_its_beginning(path: Path) -> None:
    """Each attempt reads the file anew."""
    path.write_bytes(os.urandom(3 * MIB))  # so that the break comes before the last chunk
    fault = Fault("half", "reset", at=((1, 1),))
    with fault_server(fault, extensions=MODES["both"]) as server:
        large = message("large", path=path)
        receipt = mail_to(server.port).send(large)

    assert receipt.attempts == 2
    assert [each.content for each in server.accepted] == [large.as_bytes()]


class Vanishing(Message):
    """Its file changes after it was checked, before it is read."""

    def content_to_send(self) -> bytes | Content:
        content: Any = super().content_to_send()
        path = self.attachments[0].data.path  # type: ignore[union-attr]
        content.check = lambda: os.truncate(path, MIB)
        return content  # type: ignore[no-any-return]


def test_a_file_that_changes_is_an_error_and_nothing_of_it_is_accepted(
    server: FaultServer, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").write_bytes(path.read_bytes())
    changes = Vanishing("changes", ["to@example.com"], sender="me@example.com")
    changes.attach_file(path)
    before, after = message("before"), message("after", other=tmp_path / "other")

    first, second, third = mail_to(server.port).send_many([before, changes, after])

    assert (first.outcome, third.outcome) == (Outcome.SENT, Outcome.SENT)
    assert second.outcome is Outcome.NOT_SENT
    assert isinstance(second.error, MessageError)
    assert "has changed since it was attached" in str(second.error)
    assert [each.content for each in server.accepted] == [before.as_bytes(), after.as_bytes()]


def test_a_file_that_is_gone_is_told_before_anything_is_connected(path: Path) -> None:
    large = message("large", path=path)
    path.unlink()

    with pytest.raises(MessageError, match="cannot be read any more"):
        mail_to(1).send(large)


def test_the_other_backends_notice_too(path: Path, tmp_path: Path) -> None:
    """A test must get the same error as production."""
    for size, backend in enumerate(("locmem", "null", "console", "file"), 2 * MIB):
        large = message("large", path=path)
        path.write_bytes(b"x" * size)
        mail = mail_to(1, MAIL_BACKEND=backend, MAIL_FILE_PATH=str(tmp_path / "mail"))
        with pytest.raises(MessageError, match="has changed"):
            mail.send(large)

    assert not (tmp_path / "mail").exists()


def test_the_file_backend_writes_it_in_pieces(path: Path, tmp_path: Path) -> None:
    large = message("large", path=path)

    receipt = mail_to(1, MAIL_BACKEND="file", MAIL_FILE_PATH=tmp_path / "mail").send(large)

    assert Path(receipt.response).read_bytes() == large.as_bytes()


def test_the_console_shows_no_file_that_changes(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = Vanishing("changes", ["to@example.com"], sender="me@example.com")
    changes.attach_file(path)

    with pytest.raises(MessageError, match="has changed"):
        mail_to(1, MAIL_BACKEND="console").send(changes)

    assert capsys.readouterr().out == ""


def test_the_file_backend_leaves_nothing_of_a_file_that_changes(path: Path, tmp_path: Path) -> None:
    changes = Vanishing("changes", ["to@example.com"], sender="me@example.com")
    changes.attach_file(path)

    with pytest.raises(MessageError, match="has changed"):
        mail_to(1, MAIL_BACKEND="file", MAIL_FILE_PATH=tmp_path / "mail").send(changes)

    assert list((tmp_path / "mail").iterdir()) == []


# --- Memory --------------------------------------------------------------------------------------


def discard(connection: socket.socket) -> None:
    """Take messages in chunks, and keep nothing of them."""
    buffer = bytearray(64 * 1024)
    with Dialogue(connection) as talk:
        talk.greet("CHUNKING", "PIPELINING")
        while (line := talk.hear()) != "QUIT":
            if line.startswith("BDAT"):
                left = int(line.split()[1])
                while left:
                    left -= talk.read_into(memoryview(buffer)[:left])
            talk.say("250 ok")
        talk.say("221 bye")


def peak_of(mail: Mail, sent: Message) -> int:
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        start, _ = tracemalloc.get_traced_memory()
        mail.send(sent)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - start


@pytest.mark.exhaustive
@matrix("source, backend", ["path", "bytes"], ["smtp", "file"])
def test_it_takes_little_memory_above_its_data(tmp_path: Path, source: str, backend: str) -> None:
    data = bytes(32 * MIB)
    (tmp_path / "a").write_bytes(data)
    large = message("large", a=data if source == "bytes" else tmp_path / "a")

    with scripted_server(discard) as port:
        mail = mail_to(port, MAIL_BACKEND=backend, MAIL_FILE_PATH=tmp_path / "mail")
        taken = peak_of(mail, large)
        if backend == "file":
            socket.create_connection(("127.0.0.1", port)).close()

    assert taken < 4 * MIB


# --- What is handed to a backend -----------------------------------------------------------------


def test_a_backend_may_take_it_in_pieces_or_as_a_whole(path: Path) -> None:
    for made in (message("large", path=path), message("small")):
        made.date = 0
        mail = Outgoing.of(made)

        assert mail.content == b"".join(mail.blocks()) == made.as_bytes()
        assert mail.size == len(mail.content)


def test_what_a_subclass_renders_is_what_is_sent(path: Path) -> None:
    class Signed(Message):
        def as_bytes(self) -> bytes:
            return b"X-Signed: yes\r\n" + super().as_bytes()

    signed = Signed("large", ["to@example.com"], sender="me@example.com", date=0)
    signed.attach_file(path)
    put_there = message("large", path=path)
    put_there.as_bytes = lambda: b"Subject: own\r\n\r\n"  # type: ignore[method-assign]

    assert Outgoing.of(signed).content == signed.as_bytes()
    assert Outgoing.of(put_there).content == b"Subject: own\r\n\r\n"
