"""The main job on real input: an app delivers to an SMTP server in another process."""

from __future__ import annotations

import email
import email.policy
import json
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from flask import Flask

from flask_mail import Mail, Message

SERVER = """\
import asyncio, json, pathlib, sys
from aiosmtpd.smtp import SMTP

folder = pathlib.Path(sys.argv[1])

class Keeper:
    async def handle_DATA(self, server, session, envelope):
        name = folder / str(len(list(folder.iterdir())))
        name.with_suffix(".eml").write_bytes(envelope.content)
        name.with_suffix(".json").write_text(json.dumps([envelope.mail_from, envelope.rcpt_tos]))
        return "250 2.0.0 kept"

async def main():
    loop = asyncio.get_running_loop()
    made = lambda: SMTP(Keeper(), hostname="mx.test", enable_SMTPUTF8=True)
    server = await loop.create_server(made, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until the test is over

asyncio.run(main())
"""

TEXT = (
    "Grüße, 你好, שלום, \N{GRINNING FACE}!\n\n.a dot\n..two dots\nFrom the start\n" + "lang " * 300
)
HTML = "<p>Grüße, <b>你好</b> \N{GRINNING FACE}</p>"
DATA = bytes(range(256)) * 400 + b"\r\n.\r\n\n.\n\r"
NAME = "Übersicht “2024” 你好.bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kept = tmp_path / "kept"
    kept.mkdir()
    return kept


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.stdin.close()
            server.wait(10)


@pytest.fixture
def mail(port: int) -> Mail:
    app = Flask("shop")
    app.config.update(
        MAIL_BACKEND="smtp",
        MAIL_SERVER="127.0.0.1",
        MAIL_PORT=port,
        MAIL_DEFAULT_SENDER=("Käthe, im Büro", "kaethe@example.com"),
    )
    return Mail(app)


def parsed(folder: Path) -> EmailMessage:
    [path] = folder.glob("*.eml")
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_what_arrives_is_what_was_asked_for(mail: Mail, folder: Path) -> None:
    message = Message(
        "Grüße aus 東京 \N{GRINNING FACE}: " + "lang " * 40,
        [("Jürgen Müller, 部長", "juergen@example.com"), "ann@bücher.example"],
        TEXT,
        HTML,
        cc=["Zoë <zoe@example.com>"],
        bcc=["hidden@example.com"],
        reply_to="Büro <office@example.com>",
        extra_headers={"X-Ort": "Köln"},
    )
    message.attach(NAME, "application/octet-stream", DATA)
    receipt = mail.send(message)
    assert receipt.sent
    assert receipt.response == "250 2.0.0 kept"

    [envelope] = folder.glob("*.json")
    assert json.loads(envelope.read_text()) == [
        "kaethe@example.com",
        [
            "juergen@example.com",
            "ann@xn--bcher-kva.example",
            "zoe@example.com",
            "hidden@example.com",
        ],
    ]
    arrived = parsed(folder)
    assert arrived["Subject"] == message.subject
    assert arrived["X-Ort"] == "Köln"
    [sender] = arrived["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Käthe, im Büro", "kaethe@example.com")
    first, second = arrived["To"].addresses
    assert (first.display_name, first.addr_spec) == ("Jürgen Müller, 部長", "juergen@example.com")
    assert second.addr_spec == "ann@xn--bcher-kva.example"
    assert arrived["Cc"].addresses[0].display_name == "Zoë"
    assert arrived["Reply-To"].addresses[0].display_name == "Büro"
    assert arrived["Message-ID"] == receipt.message_id
    assert "hidden" not in arrived.as_string()
    assert text_of(arrived, "plain") == TEXT
    assert text_of(arrived, "html") == HTML
    [attachment] = arrived.iter_attachments()
    assert isinstance(attachment, EmailMessage)
    assert attachment.get_filename() == NAME
    assert attachment.get_content_type() == "application/octet-stream"
    assert attachment.get_content() == DATA


def text_of(arrived: EmailMessage, subtype: str) -> str:
    part = arrived.get_body((subtype,))
    assert isinstance(part, EmailMessage)
    # The line end before a boundary belongs to the boundary, and those inside travel as CRLF.
    return str(part.get_content()).replace("\r\n", "\n").rstrip("\n")


def test_an_address_beyond_ascii_arrives_as_it_is_written(mail: Mail, folder: Path) -> None:
    """The server offers SMTPUTF8."""
    assert mail.send(Message("Grüße", ["用户@bücher.example"], TEXT)).sent
    [envelope] = folder.glob("*.json")
    assert json.loads(envelope.read_text())[1] == ["用户@xn--bcher-kva.example"]
    [content] = folder.glob("*.eml")
    assert "用户@xn--bcher-kva.example" in content.read_text("utf-8")
    assert text_of(parsed(folder), "plain") == TEXT
