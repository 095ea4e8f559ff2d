"""The messages that all send: mostly a short one with text and HTML."""

from __future__ import annotations

import random
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

SENDER = "shop@bench.test"
SUBJECT = "Your order has been sent"
TEXT = """\
Hello,

your order has left our house and will be with you in two or three days.

Kind regards
The shop
"""
HTML = """\
<html><body>
<p>Hello,</p>
<p>your order has left our house and will be with you in <b>two or three days</b>.</p>
<p>Kind regards<br>The shop</p>
</body></html>
"""
_NON_ASCII_TEXT = """\
Grüß Gott, Frau Müller,

Ihre Bestellung („Čaj z máty“, drei Beutel, 17,85 €) hat unser Haus verlassen und trifft in zwei bis
drei Tagen ein.

Schöne Grüße
Żółty Słoń
"""
_NON_ASCII_HTML = """\
<html><body>
<p>Grüß Gott, Frau Müller,</p>
<p>Ihre Bestellung („Čaj z máty“, drei Beutel, 17,85 €) hat unser Haus verlassen und trifft in
<b>zwei bis drei Tagen</b> ein.</p>
<p>Schöne Grüße<br>Żółty Słoń</p>
</body></html>
"""
_CHUNK = 1 << 20


class File(NamedTuple):
    """Attachments."""

    name: str
    kind: str
    data: bytes


@dataclass(frozen=True)
class Content:
    """Content of a message, and its addresses."""

    to: tuple[str, ...] = ("reader0@bench.test",)
    sender: str = SENDER
    subject: str = SUBJECT
    text: str = TEXT
    html: str | None = HTML
    cc: tuple[str, ...] = ()
    reply_to: str | None = None
    files: tuple[File, ...] = ()


def recipients(count: int) -> list[str]:
    """Return `count` addresses."""
    return [f"reader{number}@bench.test" for number in range(count)]


def noise(size: int) -> bytes:
    """Return the same octets each time, of all values."""
    return random.Random(size).randbytes(size)


def named(name: str) -> Content:
    """Return the content of that name: those that the group `build` compares."""
    if name == "text":
        return Content(html=None)
    if name == "html":
        return Content()
    if name == "pdf":
        data = b"%PDF-1.7\n" + noise(100 * 1024)
        return Content(files=(File("invoice.pdf", "application/pdf", data),))
    if name == "recipients":
        return Content(to=tuple(recipients(500)))
    assert name == "non-ascii"
    return Content(
        to=("Zoë Müller <zoe@bücher.test>", "Łukasz Żak <lukasz@bench.test>"),
        sender="Żółty Słoń <slon@bücher.test>",
        subject="Ihre Bestellung „Čaj z máty“ ist unterwegs und trifft in zwei bis drei Tagen ein",
        text=_NON_ASCII_TEXT,
        html=_NON_ASCII_HTML,
        cc=("Børge Ångström <borge@bench.test>",),
        reply_to="Kundenbetreuung für Österreich <hilfe@bücher.test>",
        files=(File("Überblick für März.txt", "text/plain", _NON_ASCII_TEXT.encode()),),
    )


def large(mebibytes: int) -> bytes:
    """Return the data of a large attachment."""
    return noise(_CHUNK) * mebibytes


def large_file(folder: Path, mebibytes: int) -> Path:
    """Return the path of a file with a large attachment, which is written where it is missing."""
    path = folder / f"attachment-{mebibytes}.bin"
    if not path.exists() or path.stat().st_size != mebibytes * _CHUNK:
        chunk = noise(_CHUNK)
        with path.open("wb") as file:
            for _ in range(mebibytes):
                file.write(chunk)
    return path


def rendered() -> bytes:
    """Return the message as a program would write it that makes none itself."""
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = recipients(1)[0]
    message["Subject"] = SUBJECT
    message["Message-ID"] = "<1@bench.test>"
    message.set_content(TEXT)
    message.add_alternative(HTML, subtype="html")
    return message.as_bytes()
