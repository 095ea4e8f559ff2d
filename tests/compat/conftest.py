"""Fixtures of the tests of old programs.

Two files do not hold on 0.10.0: `test_improvements.py`, and `test_as_in_0_9_1.py`, which holds on
0.9.1. All others pass there unchanged, which is the proof that they describe what programs have
relied on; so they use no name that 0.10 lacks.
"""

from __future__ import annotations

import socketserver
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask

from flask_mail import Mail


@pytest.fixture
def app() -> Iterator[Flask]:
    """An app under test, as suites of programs set it up: TESTING, and a request context pushed."""
    app = Flask(__name__)
    app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="support@mysite.com")
    with app.test_request_context():
        yield app


@pytest.fixture
def mail(app: Flask) -> Mail:
    return Mail(app)


@pytest.fixture
def make_app() -> Callable[..., Flask]:
    """Build an app as production has it: not testing, no context pushed."""

    def make(**config: Any) -> Flask:
        app = Flask(__name__)
        app.config.update(config)
        return app

    return make


@pytest.fixture
def live_app(make_app: Callable[..., Flask]) -> Flask:
    """An app that would really send, with nobody listening where it would send to."""
    return make_app(
        MAIL_SERVER="mail.example.com", MAIL_PORT=2525, MAIL_DEFAULT_SENDER="from@example.com"
    )


class RecordingHost:
    """The least that programs give in place of a connected `smtplib.SMTP`."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[str], bytes]] = []
        self.options: list[tuple[Any, Any]] = []
        self.quits = 0

    def sendmail(
        self,
        from_addr: str,
        to_addrs: list[str],
        msg: bytes,
        mail_options: Any,
        rcpt_options: Any,
    ) -> None:
        self.sent.append((from_addr, list(to_addrs), msg))
        self.options.append((mail_options, rcpt_options))

    def quit(self) -> None:
        self.quits += 1


@pytest.fixture
def host() -> RecordingHost:
    return RecordingHost()


@dataclass
class FakeSessions:
    """Every connection that was opened while `smtplib.SMTP` and `SMTP_SSL` were replaced."""

    opened: list[Any] = field(default_factory=list)

    @property
    def sent(self) -> list[tuple[str, list[str], bytes]]:
        return [each for session in self.opened for each in session.sent]


@pytest.fixture
def fake_smtp(monkeypatch: pytest.MonkeyPatch) -> FakeSessions:
    """Replace smtplib's classes as suites do: by a class of their own that knows only (host, port).

    Its methods take what 0.10 gave them and nothing else.
    """
    sessions = FakeSessions()

    class FakeSMTP(RecordingHost):
        implicit_tls = False

        def __init__(self, host: str, port: int) -> None:
            super().__init__()
            self.host = host
            self.port = port
            self.tls = self.implicit_tls
            self.credentials: tuple[str, str] | None = None
            self.debuglevel = 0
            sessions.opened.append(self)

        def set_debuglevel(self, debuglevel: int) -> None:
            self.debuglevel = debuglevel

        def starttls(self) -> None:
            self.tls = True

        def login(self, user: str, password: str) -> None:
            self.credentials = (user, password)

    class FakeSMTPSSL(FakeSMTP):
        implicit_tls = True

    monkeypatch.setattr("flask_mail.smtplib.SMTP", FakeSMTP)
    monkeypatch.setattr("flask_mail.smtplib.SMTP_SSL", FakeSMTPSSL)
    return sessions


@dataclass
class Delivery:
    sender: str
    recipients: list[str]
    content: bytes


class LoopbackServer(socketserver.ThreadingTCPServer):
    """As much of an SMTP server as `smtplib.SMTP.sendmail` needs."""

    daemon_threads = True

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        super().__init__(("127.0.0.1", 0), Dialogue)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Dialogue(socketserver.StreamRequestHandler):
    server: LoopbackServer

    def handle(self) -> None:
        self.reply("220 loopback ready")
        sender, recipients = "", []
        while line := self.rfile.readline():
            command = line.decode("ascii").rstrip("\r\n")
            verb = command[:4].upper()
            if verb == "MAIL":
                sender, recipients = address_in(command), []
            elif verb == "RCPT":
                recipients.append(address_in(command))
            elif verb == "DATA":
                self.reply("354 go ahead")
                content = self.read_content()
                self.server.deliveries.append(Delivery(sender, recipients, content))
            elif verb == "QUIT":
                self.reply("221 bye")
                return
            self.reply("250 ok")

    def read_content(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def reply(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode("ascii"))


def address_in(command: str) -> str:
    return command[command.index("<") + 1 : command.index(">")]


@pytest.fixture
def smtp_server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class LazyString:
    """A translation that is made when it is read, after the manner of Flask-Babel's."""

    def __init__(self, translate: Callable[[], str]) -> None:
        self._translate = translate

    def __str__(self) -> str:
        return self._translate()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(str(self), name)

    def __contains__(self, item: str) -> bool:
        return item in str(self)

    def __len__(self) -> int:
        return len(str(self))

    def __iter__(self) -> Iterator[str]:
        return iter(str(self))


@pytest.fixture
def lazy() -> Callable[[str], LazyString]:
    """Make a lazy string that says `text`."""
    return lambda text: LazyString(lambda: text)


@pytest.fixture
def png() -> bytes:
    """A real image: one transparent pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 6, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\x00" * 5))
        + chunk(b"IEND", b"")
    )
