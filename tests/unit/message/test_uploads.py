"""Open files and uploads: what a program forgot is an error, what a visitor sends is none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from reading import compose
from werkzeug.datastructures import FileStorage

from flask_mail import Attachment, Message, MessageError
from flask_mail.delivery.outgoing import Outgoing
from flask_mail.mime.parts import attached_part


def test_a_stream_that_was_written_and_not_rewound_is_refused() -> None:
    file = io.BytesIO()
    file.write(b"data")

    with pytest.raises(MessageError, match=r"^The file is not at its beginning.*seek\(0\)"):
        compose().attach("a.xlsx", file=file)


def test_a_stream_that_was_read_in_part_is_refused() -> None:
    file = io.StringIO("data")
    file.read(1)

    with pytest.raises(MessageError, match="not at its beginning"):
        Attachment("a.txt", file=file)


def test_an_upload_that_was_saved_already_is_refused(tmp_path: Path) -> None:
    upload = FileStorage(io.BytesIO(b"data"), "photo.jpg")
    upload.save(tmp_path / "photo.jpg")

    with pytest.raises(MessageError, match=r"'photo.jpg' is not at its beginning"):
        compose().attach(file=upload)
    upload.seek(0)
    assert Attachment(file=upload).data == b"data"


def test_a_closed_file_is_refused() -> None:
    file = io.BytesIO(b"data")
    file.close()

    with pytest.raises(MessageError, match="cannot be read.*before you close it"):
        Attachment("a", file=file)


def test_a_pipe_has_no_position_and_is_read() -> None:
    class Pipe:
        def read(self) -> bytes:
            return b"data"

        def tell(self) -> int:
            raise OSError("Illegal seek")

    assert Attachment("a", file=Pipe()).data == b"data"


def test_an_empty_file_is_attached() -> None:
    assert Attachment("a.txt", file=io.BytesIO()).data == b""
    assert Attachment(file=FileStorage(io.BytesIO(), "a.txt")).filename == "a.txt"


@pytest.mark.parametrize("name", ["", None])
def test_an_upload_without_a_chosen_file_attaches_nothing(name: str | None) -> None:
    upload = FileStorage(io.BytesIO(), name, "photo", content_type="application/octet-stream")
    message = compose()
    message.attach(file=upload)
    message.attach("cv.pdf", file=upload)

    assert message.attachments == []
    with pytest.raises(MessageError, match="No file was chosen"):
        Attachment(file=upload)
    with pytest.raises(MessageError, match="No file was chosen"):
        message.embed(upload)


def test_fields_of_an_empty_upload_attach_nothing() -> None:
    upload = FileStorage(io.BytesIO(), "", "photo", content_type="application/octet-stream")
    message = compose()
    message.attach(str(upload.filename), upload.content_type, upload.read())
    message.attach("", data="")

    assert message.attachments == []


def test_content_with_an_empty_name_has_a_name() -> None:
    message = compose()
    message.attach("", "text/csv; charset=utf-8", b"a,b")
    message.attach("", data=b"%PDF-")

    assert [each.filename for each in message.attachments] == ["attachment.csv", "attachment"]
    assert message.attachments[1].content_type == "application/pdf"


def test_a_record_may_have_an_attachment_without_name_and_content() -> None:
    message = compose()
    message.attachments = [Attachment("a.txt", "text/plain", b"")]
    message.attachments[0].filename = ""

    assert Message.from_dict(message.to_dict()).attachments[0].filename == ""


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("", "image/png", "attachment.png"),
        (None, "nonsense", "attachment"),
        ("..\\", "image/png", "attachment.png"),
        ("a\r\nb\x85.txt", None, "ab.txt"),
        ("/etc/passwd", None, "passwd"),
        (" ", None, "attachment"),
    ],
)
def test_an_upload_with_content_has_a_name_that_can_be_sent(
    name: Any, kind: str | None, expected: str
) -> None:
    message = compose()
    message.attach(file=FileStorage(io.BytesIO(b"data"), name, "photo", content_type=kind))

    assert message.attachments[0].filename == expected
    Outgoing.of(message)


@pytest.mark.parametrize(
    "kind", ["pdf", "a/b/c", "text/", "multipart/form-data; boundary=x", "text/pl\xe4in", "", "/"]
)
def test_a_malformed_type_of_a_browser_is_guessed_instead(kind: str) -> None:
    message = compose()
    message.attach(file=FileStorage(io.BytesIO(b"data"), "a.pdf", content_type=kind))

    assert message.attachments[0].content_type == "application/pdf"
    Outgoing.of(message)


def test_no_form_of_a_visitor_makes_a_view_fail() -> None:
    app = Flask(__name__)
    sent: list[Message] = []

    @app.post("/")
    def contact() -> str:
        message = compose()
        message.attach(file=request.files["photo"])
        Outgoing.of(message)
        sent.append(message)
        return "ok"

    client = app.test_client()
    for name, kind in (("", ""), ("a.png", "nonsense"), ("a\x00b.png", "image/png\x01")):
        file = (io.BytesIO(b"data" if name else b""), name, kind)
        assert client.post("/", data={"photo": file}).status_code in (200, 400)
    head = b'--x\r\nContent-Disposition: form-data; name="photo"; filename=""\r\n'
    form = "multipart/form-data; boundary=x"
    body = head + b"Content-Type: application/octet-stream\r\n\r\n\r\n--x--\r\n"
    assert client.post("/", data=body, content_type=form).status_code == 200
    assert sent[-1].attachments == []


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("text/plain", "a.txt"),
        ("application/pdf", "report"),
        ("text/plain; charset=utf-8", "a.txt"),
        ("image/PNG", "photos/a.png"),
    ],
)
def test_a_name_and_a_type_that_are_swapped_are_refused_at_once(
    filename: str, content_type: str
) -> None:
    for attach in (Attachment, compose().attach):
        with pytest.raises(MessageError, match="Did you swap filename and content type"):
            attach(filename, content_type, b"data")


@pytest.mark.parametrize("data", ["Hello", b"%PDF-"])
def test_the_order_of_other_libraries_is_refused_at_once(data: Any) -> None:
    with pytest.raises(MessageError, match="Their order is filename, content_type, data"):
        compose().attach("a.txt", data, "text/plain")
    with pytest.raises(MessageError, match="order is filename, content_type, data"):
        Attachment("a.pdf", b"%PDF-", file=io.BytesIO())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("a.txt", "text/plain"),
        ("docs/readme", "text/plain"),
        ("docs/readme", None),
        ("text/plain", "text/plain"),
        ("text/plain", None),
        (None, "application/pdf"),
        (None, "x-world/x-3dmf"),
        ("a.pdb", "chemical/x-pdb"),
    ],
)
def test_names_and_types_in_their_places_are_taken(
    filename: str | None, content_type: str | None
) -> None:
    assert Attachment(filename, content_type, b"data").filename == filename


@pytest.mark.parametrize(
    ("filename", "data", "content_type"),
    [
        ("a.ics", "BEGIN:VCALENDAR\r\nSUMMARY:Tür\r\n".encode(), 'text/calendar; charset="utf-8"'),
        ("a.csv", "ä".encode(), 'text/csv; charset="utf-8"'),
        ("a.csv", bytearray("ä".encode()), 'text/csv; charset="utf-8"'),
        ("a.csv", "ä".encode("latin-1"), "text/csv"),
        ("a.csv", "ä".encode("utf-16"), "text/csv"),
        ("a.csv", b"a", "text/csv"),
        ("a.xml", "<ä/>".encode(), "text/xml"),
        ("a.bin", "ä".encode(), "application/octet-stream"),
    ],
)
def test_text_given_as_bytes_is_labelled_if_it_is_utf_8(
    filename: str, data: Any, content_type: str
) -> None:
    kind = "text/xml" if filename == "a.xml" else None
    assert head_of(Attachment(filename, kind, data)) == content_type.replace('"', "")


def head_of(attachment: Attachment) -> str:
    lines = compose(attachments=[attachment]).as_string().splitlines()
    at = max(number for number, line in enumerate(lines) if line.startswith("Content-Type:"))
    return lines[at].partition(": ")[2]


def test_a_charset_that_was_given_stays() -> None:
    given = Attachment("a.csv", "text/csv; charset=iso-8859-1", "ä".encode())

    assert head_of(given) == "text/csv; charset=iso-8859-1"


def test_text_in_a_file_is_labelled_if_it_is_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a" * 70_000 + "ä".encode())
    attachment = Attachment(path=path)

    assert head_of(attachment) == "text/csv; charset=utf-8"
    path.unlink()
    # Sending tells that the file is gone.
    assert "charset" not in attached_part(attachment, ascii_only=False).head
