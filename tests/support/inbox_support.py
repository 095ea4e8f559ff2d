"""Apps with an inbox, and messages to put there."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import datetime, timezone
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_mail import Mail, Message
from flask_mail.backends import Backend, Envelope, QueuedMessage, StoredMessage

# One green pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360f8cf500f0003860180345a8b6b0000000049454e44ae426082"
)


def make_mail(backend: str = "locmem", **config: Any) -> Mail:
    """Return the Mail of a new app in debug; its inbox is at /_mail."""
    app = Flask("shop")
    app.debug = True
    app.config.update(MAIL_BACKEND=backend, MAIL_DEFAULT_SENDER="Shop <shop@example.com>")
    app.config.update(config)
    return Mail(app)


def welcome(**fields: Any) -> Message:
    """Return a message with text, HTML, a picture, an attachment and a blind copy."""
    fields.setdefault("recipients", ["ann@example.com"])
    message = Message("Welcome", bcc=["archive@example.com"], sender="shop@example.com", **fields)
    message.body = "Hello Ann, confirm: https://shop.example.com/confirm?a=1&b=2 please"
    message.embed(PNG, "logo.png", content_id="logo")
    message.html = (
        '<h1>Hello <b>Ann</b></h1><img src="cid:logo" alt="">'
        '<img src="https://tracker.example.com/x.gif">'
    )
    message.attach("invoice.html", "text/html", "<script>alert(1)</script>")
    return message


STORED = StoredMessage(
    b"From: shop@example.com\nTo: Ann <ann@example.com>\nSubject: Your order\n\nHi\n",
    Envelope("shop@example.com", ("ann@example.com",)),
)


class Rows:
    """The messages of a queue, and what was done with them."""

    def __init__(self) -> None:
        self.messages: list[QueuedMessage] = []
        self.done: list[str] = []
        self.error: Exception | None = None
        self.is_changed = True

    def add(self, name: str, state: str = "queued", **fields: Any) -> None:
        due = datetime(2030, 1, 31, 12, tzinfo=timezone.utc)
        fields = {"date": due, "read": lambda: STORED, "mailer": "bulk", **fields}
        fields.setdefault("is_waiting", True)
        self.messages.append(QueuedMessage(f"q-{name}", name, state, **fields))

    def act(self, what: str) -> Any:
        """Return an action that is remembered."""

        def action() -> bool:
            self.done.append(what)
            return self.is_changed

        return action


class QueueBackend(Backend[None]):
    """A queue with the rows that a test has added."""

    name = "rows"
    is_queue = True
    rows = Rows()

    def deliver(self, mail: Any, session: None) -> Any:
        raise NotImplementedError

    def backlog(self) -> list[QueuedMessage]:
        if self.rows.error:
            raise self.rows.error
        return self.rows.messages


class Browser:
    """A test client that knows the inbox of an app."""

    def __init__(self, mail: Mail, prefix: str = "/_mail") -> None:
        assert mail.app is not None
        self.client: FlaskClient = mail.app.test_client()
        self.prefix = prefix

    def get(self, path: str = "/", **arguments: Any) -> TestResponse:
        return self.client.get(self.prefix + path, **arguments)

    def text(self, path: str = "/", **arguments: Any) -> str:
        response = self.get(path, **arguments)
        assert response.status_code == 200, response.get_data(as_text=True)
        return response.get_data(as_text=True)

    def post(self, path: str, **form: str | list[str]) -> TestResponse:
        """Send a form as a page of the inbox does, with its token."""
        found = re.search(r'name="token" value="([^"]+)"', self.text("/"))
        if found is None:
            [first, *_] = self.messages()
            found = re.search(
                r'name="token" value="([^"]+)"', self.text(f"/messages/{first['id']}")
            )
        assert found is not None
        return self.client.post(self.prefix + path, data={"token": found[1], **form})

    def messages(self, **arguments: str) -> list[dict[str, Any]]:
        response = self.get("/api/messages", query_string=arguments)
        assert response.status_code == 200, response.get_data(as_text=True)
        found: list[dict[str, Any]] = response.get_json()["messages"]
        return found

    def only(self) -> dict[str, Any]:
        """Return all of the one message that there is."""
        [summary] = self.messages()
        found: dict[str, Any] = self.client.get(summary["url"]).get_json()
        return found


def _nested(levels: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(levels)
    )


# Files that no program of ours writes, by what is wrong with them.
BROKEN = {
    "empty": b"",
    "nul": b"\0" * 100,
    "not-utf8": bytes(range(256)) * 4,
    "no-header": b"\n\nHi",
    "half-subject": b"Subject: =?utf-7?q?+2AA-?=\n\nHi",
    "half-subject-16": b"Subject: =?utf-16-be?b?2AA=?= =?utf-16-be?b?3wA=?=\n\nHi",
    "half-from": b"From: =?utf-7?q?+2AA-?= <a@b.example>\nTo: =?utf-7?q?+2AA-?= <a@b.c>\n\nHi",
    "half-name": b"=?utf-7?q?+2AA-?=: x\nX-\xed\xa0\x80: \xed\xa0\x80\nSubject: \xed\xa0\x80\n\nHi",
    "half-file": b"Content-Type: image/png; name*=utf-7''%2B2AA-\n"
    b"Content-Disposition: attachment; filename*=utf-7''%2B2AA-\n\nx",
    "half-text": b"Content-Type: text/plain; charset=utf-7\n\n+2AA-",
    "half-html": b"Content-Transfer-Encoding: base64\n"
    b"Content-Type: text/html; charset=utf-16-be\n\n2AA=",
    "half-id": b"Content-Type: image/png\nContent-ID: <=?utf-7?q?+2AA-?=>\n\nx",
    "half-kind": b"Content-Type: text/=?utf-7?q?+2AA-?=\n\nx",
    "half-alternative": b"Content-Type: multipart/alternative; boundary=a\n\n--a\n\nHi\n--a\n"
    b"Content-Type: text/x\xed\xa0\x80; charset=utf-7\n\n+2AA-\n--a--",
    "deep": _nested(5000),
    "parts": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 5000,
    "charset": b"Content-Type: text/plain; charset=undefined\nSubject: =?idna?q?xn--a?=\n\nx",
    "codec": b"Content-Type: text/plain; charset=rot13\nSubject: =?hex?q?4?=\n\nx",
    "date": b"Date: Mon, 99 Foo 99999 99:99:99 +9999\n\nHi",
    "sizes": b"Content-Type: text/plain; charset*999=x; name*0=a; name*99999999999=b\n\nHi",
    "base64": b"Content-Transfer-Encoding: base64\n\n=====A===",
    "many": b"".join(b"X-%d: a\n" % n for n in range(3000)) + b"\nHi",
    "long": b"Subject: " + b"a" * 300_000 + b"\nTo: " + b"(" * 100_000 + b"\n\nHi",
}
# And what is beside them; the messages are good.
BROKEN_ENVELOPES = {
    "half": r'{"sender": "\ud800", "recipients": ["a\udfff@b.c"], "mail_options": ["\ud800"],'
    r' "rcpt_options": [], "tags": ["\ud800"], "metadata": {"\ud800": "\ud800"}}',
    "deep": "[" * 100_000,
    "deep-object": '{"a":' * 100_000,
    "number": "[" + "9" * 1_000_000 + "]",
    "exponent": '{"sender": 1e999999999, "recipients": NaN}',
    "kinds": '{"sender": 5, "recipients": {}, "mail_options": 1, "rcpt_options": null}',
    "nul": "\0\0",
    "text": '"text"',
    "none": "null",
    "nothing": "",
}


def fill_with_broken(folder: Any) -> int:
    """Put broken files of all kinds into a folder; return how many of them are messages."""
    folder.mkdir(exist_ok=True)
    for name, content in BROKEN.items():
        (folder / f"{name}.eml").write_bytes(content)
    for name, text in BROKEN_ENVELOPES.items():
        (folder / f"envelope-{name}.eml").write_bytes(b"Subject: Good\r\n\r\nHi\r\n")
        (folder / f"envelope-{name}.json").write_text(text)
    (folder / "envelope-octets.eml").write_bytes(b"Subject: Good\r\n\r\nHi\r\n")
    (folder / "envelope-octets.json").write_bytes(b'{"sender": "\xff\xfe\xed\xa0\x80"}')
    (folder / "envelope-folder.eml").write_bytes(b"Subject: Good\r\n\r\nHi\r\n")
    (folder / "envelope-folder.json").mkdir()
    (folder / "folder.eml").mkdir()
    (folder / "a\udce9.eml").write_bytes(b"Subject: no name of ours\n\nHi")
    (folder / "link.eml").symlink_to(folder / "empty.eml")
    (folder / "dangling.eml").symlink_to(folder / "nothing")
    os.mkfifo(folder / "pipe.eml")
    for name, seconds in (("future", 10**14), ("past", -(10**10))):
        (folder / f"{name}.eml").write_bytes(b"Subject: Good\r\n\r\nHi\r\n")
        with contextlib.suppress(OSError):  # not every file system has such years
            os.utime(folder / f"{name}.eml", (seconds, seconds))
    return len(BROKEN) + len(BROKEN_ENVELOPES) + 4
