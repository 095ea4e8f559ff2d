"""Attachments from content, paths, open files and uploads."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage

from flask_mail import Attachment, Message, MessageError

PNG = b"\x89PNG\r\n\x1a\n..."


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(PNG)
    return path


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_attached_by_its_path(picture: Path, kind: Any) -> None:
    message = Message()
    message.attach_file(kind(picture))
    message.attach("b.bin", "application/x-b", path=kind(picture))
    message.attach_file(kind(picture), "c", "application/x-c")

    assert [(each.filename, each.content_type) for each in message.attachments] == [
        ("picture.png", "image/png"),
        ("b.bin", "application/x-b"),
        ("c", "application/x-c"),
    ]
    assert {each.read() for each in message.attachments} == {PNG}


def test_a_missing_file_is_told_at_once(tmp_path: Path) -> None:
    message = Message()

    with pytest.raises(FileNotFoundError):
        message.attach_file(tmp_path / "missing.pdf")

    assert message.attachments == []


def test_an_open_file_is_read_at_once(picture: Path) -> None:
    with picture.open("rb") as file:
        attachment = Attachment(file=file)

    assert (attachment.filename, attachment.data) == ("picture.png", PNG)


def test_a_file_of_text_is_text() -> None:
    attachment = Attachment("a.txt", file=io.StringIO("é"))

    assert (attachment.data, attachment.read()) == ("é", b"\xc3\xa9")


def test_a_file_may_have_no_name() -> None:
    assert Attachment(file=io.BytesIO(PNG)).filename is None
    with os.fdopen(os.open(os.devnull, os.O_RDONLY), "rb") as file:  # its name is a number
        assert Attachment(file=file).filename is None


def test_an_upload_keeps_its_name_and_type() -> None:
    upload = FileStorage(
        io.BytesIO(b"data"), "C:\\fakepath\\report.dat", content_type="text/x-r; a=b"
    )

    attachment = Attachment(file=upload)

    assert (attachment.filename, attachment.content_type) == ("report.dat", "text/x-r")
    assert attachment.data == b"data"


def test_the_type_of_an_upload_that_tells_none_is_guessed() -> None:
    upload = FileStorage(io.BytesIO(b"data"), "report.pdf")

    assert Attachment(file=upload).content_type == "application/pdf"


@pytest.mark.parametrize("data", [b"data", bytearray(b"data"), memoryview(b"data")])
def test_content_in_the_place_of_a_file_is_taken(data: Any) -> None:
    assert Attachment("a", file=data).read() == b"data"


def test_a_path_in_the_place_of_a_file_is_taken(picture: Path) -> None:
    assert Attachment(file=picture).filename == "picture.png"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("picture.png", "pass a file name as 'path', and content as 'data'"),
        (12, "must be an open file, not int"),
        (type("Odd", (), {"read": lambda self: None})(), r"read\(\) returned NoneType"),
    ],
)
def test_what_is_no_file_is_an_error_that_says_what_to_give(file: Any, said: str) -> None:
    with pytest.raises(MessageError, match=said):
        Attachment(file=file)


@pytest.mark.parametrize(
    "given", [{}, {"data": b"", "path": "a"}, {"data": b"", "file": b""}, {"path": "", "file": b""}]
)
def test_one_source_is_required(given: Any) -> None:
    with pytest.raises(ValueError, match="'data'.*'path'.*'file'"):
        Attachment("a", **given)


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.pdf", b"", "application/pdf"),
        ("a.html.gz", b"", "application/gzip"),
        ("a.tar.xz", b"", "application/x-xz"),
        ("a.txt.br", b"", "application/octet-stream"),
        ("a.txt.gz", "text", "text/plain"),
        ("logo.svgz", b"", "image/svg+xml"),
        ("data:text/html,a.pdf", b"", "application/pdf"),
        ("a", PNG, "image/png"),
        (None, b"\xff\xd8\xff\xe0", "image/jpeg"),
        (None, b"GIF89a", "image/gif"),
        (None, bytearray(b"%PDF-1.7"), "application/pdf"),
        (None, b"PK\x03\x04", "application/octet-stream"),
        (None, b"", "application/octet-stream"),
        (None, "%PDF-", "text/plain"),
        ("a.unheard-of", "text", "text/plain"),
    ],
)
def test_type_is_guessed_from_name_then_content(name: str | None, data: Any, kind: str) -> None:
    assert Attachment(name, data=data).content_type == kind


def test_the_content_of_a_file_may_tell_its_type(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(PNG)
    (tmp_path / "b").write_bytes(b"")

    assert Attachment(path=tmp_path / "a").content_type == "image/png"
    assert Attachment(path=tmp_path / "b").content_type == "application/octet-stream"


def test_a_content_id_makes_it_inline() -> None:
    attachment = Attachment("a.png", data=PNG, content_id="logo")

    assert attachment.headers == {"Content-ID": "<logo>"}
    assert (attachment.content_id, attachment.disposition) == ("logo", "inline")
    assert Attachment(data=PNG, content_id="<logo>").content_id == "logo"
    assert Attachment(data=PNG, content_id="logo", disposition="attachment").disposition == (
        "attachment"
    )


def test_a_content_id_among_the_headers_is_one_too() -> None:
    assert Attachment(data=PNG, headers={"content-id": " <a@b> "}).content_id == "a@b"
    assert Attachment(data=PNG, headers={"X-Y": "z"}).content_id is None


@pytest.mark.parametrize("content_id", ["", "a b", "a<b", "a\r\nb", "é", "<>"])
def test_what_is_no_content_id_is_refused(content_id: str) -> None:
    with pytest.raises(MessageError, match="content_id"):
        Attachment(data=PNG, content_id=content_id)


@pytest.mark.parametrize("kind", ["path", "str", "bytes", "file"])
def test_an_image_is_embedded(picture: Path, kind: str) -> None:
    message = Message(sender="ann@example.com")
    content: Any = {
        "path": picture,
        "str": str(picture),
        "bytes": PNG,
        "file": io.BytesIO(PNG),
    }[kind]

    content_id = message.embed(content)

    (attachment,) = message.attachments
    assert attachment.content_id == content_id
    assert (attachment.disposition, attachment.content_type) == ("inline", "image/png")
    assert attachment.read() == PNG


def test_each_embedded_image_has_a_content_id_of_its_own() -> None:
    first, second = Message(), Message()

    ids = [message.embed(PNG) for message in (first, first, second)]

    assert len(set(ids)) == 3
    assert first.embed(PNG, "a.png", "image/x-a", content_id="own") == "own"
    assert (first.attachments[-1].filename, first.attachments[-1].content_type) == (
        "a.png",
        "image/x-a",
    )


def test_its_repr_tells_the_size_and_shows_no_content(picture: Path) -> None:
    assert repr(Attachment(path=picture)) == f"<Attachment 'picture.png' 'image/png' {len(PNG)}>"


def test_a_content_id_is_not_made_twice_where_one_was_taken_away() -> None:
    message = Message("Hello")
    first, second = (message.embed(b"GIF89a") for _ in range(2))
    del message.attachments[0]

    third = message.embed(b"GIF89a")

    assert len({first, second, third}) == 3


def test_a_message_that_an_older_version_pickled_can_embed_too() -> None:
    """It has a Message-ID, and none of what is ours alone."""
    message = Message("Hello", sender="me@example.com")
    stored = {name: value for name, value in vars(message).items() if name != "_token"}
    older = object.__new__(Message)
    vars(older).update(stored, msgId="<old@example.com>")

    content_id = older.embed(b"GIF89a")

    assert older.attachments[0].content_id == content_id
    assert older.msgId == "<old@example.com>"
