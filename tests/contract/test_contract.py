"""Every backend keeps the promises of the contract: the built-in ones and those of users."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
from dataclasses import dataclass, field, replace
from itertools import takewhile

import pytest
from aiosmtpd.smtp import AuthResult
from dkim_judges import ed25519_pem
from flask import Flask
from servers import Recorder, smtp_server

from flask_mail import Mail, Message
from flask_mail.backends import Backend, BackendUnavailable, Envelope, MessageRefused
from flask_mail.backends.console import ConsoleBackend
from flask_mail.backends.dkim import DkimBackend
from flask_mail.backends.file import FileBackend
from flask_mail.backends.locmem import LocmemBackend
from flask_mail.backends.null import NullBackend
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.testing import BackendContract
from flask_mail.testing.contract import Streaming

PASSWORD = "s3cret-pässword"


class Pages(io.StringIO):
    """A stream that remembers each write: the console backend makes one for each message."""

    def __init__(self):
        super().__init__()
        self.pages = []

    def write(self, text):
        self.pages.append(text)
        return super().write(text)


def read_page(page):
    """Read the raw source that the console backend shows, with the envelope in comments."""
    comments = list(takewhile(lambda line: line.startswith("# "), page.splitlines(keepends=True)))
    paths = [line[line.index("<") + 1 : line.index(">")] for line in comments]
    source = page[sum(map(len, comments)) :].removesuffix("\n")
    return Envelope(paths[0], tuple(paths[1:])), source.replace("\n", "\r\n").encode("utf-8")


class TestConsoleBackend(BackendContract):
    @pytest.fixture
    def stream(self):
        return Pages()

    @pytest.fixture
    def options(self, stream):
        return {"stream": stream, "format": "source"}

    @pytest.fixture
    def backend(self, options):
        return ConsoleBackend(**options)

    @pytest.fixture
    def delivered(self, stream):
        return lambda: [read_page(page) for page in stream.pages]

    @pytest.fixture
    def failing(self):
        closed = io.StringIO()
        closed.close()
        return ConsoleBackend(closed)


@pytest.mark.exhaustive
class TestReadableConsoleBackend(BackendContract):
    @pytest.fixture
    def backend(self):
        return ConsoleBackend(io.StringIO())


def read_folder(folder):
    """Read what the file backend wrote."""
    found = []
    for path in sorted(folder.glob("*.eml")):
        kept = json.loads(path.with_suffix(".json").read_text("utf-8"))
        names = ("recipients", "mail_options", "rcpt_options")
        envelope = Envelope(kept["sender"], *(tuple(kept[name]) for name in names))
        found.append((envelope, path.read_bytes()))
    return found


def unwritable(folder, cls=FileBackend):
    """Return a backend that cannot make its folder."""
    (folder / "occupied").touch()
    return cls(folder / "occupied" / "mail")


class TestFileBackend(Streaming, BackendContract):
    @pytest.fixture
    def options(self, tmp_path):
        return {"path": tmp_path / "mail"}

    @pytest.fixture
    def backend(self, options):
        return FileBackend(**options)

    @pytest.fixture
    def delivered(self, options):
        return lambda: read_folder(options["path"])

    @pytest.fixture
    def failing(self, tmp_path):
        return unwritable(tmp_path)


class TestLocmemBackend(BackendContract):
    @pytest.fixture
    def backend(self):
        return LocmemBackend()

    def test_kept_messages_are_read_back_without_a_fixture(self, backend, delivered):
        backend.send(Message("Hi", ["to@example.com"], sender="me@example.com"))
        assert delivered() == [(copy.envelope, copy.as_bytes()) for copy in backend.outbox]
        assert len(backend.outbox) == 1


class TestNullBackend(BackendContract):
    @pytest.fixture
    def backend(self):
        return NullBackend()


class Distrustful(Recorder):
    """A server that accepts no password."""

    def authenticate(self, server, session, envelope, mechanism, data):
        return AuthResult(success=False, handled=False)


class TestSmtpBackend(Streaming, BackendContract):
    @pytest.fixture
    def server(self):
        recorder = Recorder()
        with smtp_server(
            recorder,
            authenticator=recorder.authenticate,
            auth_require_tls=False,
        ) as server:
            yield server

    @pytest.fixture
    def options(self, server):
        return {
            "server": server.host,
            "port": server.port,
            "username": "me",
            "password": PASSWORD,
        }

    @pytest.fixture
    def backend(self, options):
        return SmtpBackend(**options)

    @pytest.fixture
    def delivered(self, server):
        def read():
            return [
                (
                    # aiosmtpd's way of writing the empty reverse-path.
                    Envelope(each.mail_from.removeprefix("<>"), tuple(each.rcpt_tos)),
                    each.content,
                )
                for each in server.recorder.accepted
            ]

        return read

    @pytest.fixture
    def secrets(self):
        return [PASSWORD]

    @pytest.fixture(
        params=[
            "nobody listens",
            "AUTH",
            "MAIL 451 4.3.0 later",
            "bob@example.com 550 5.1.1 no such user",
            "DATA 554 5.7.1 no",
        ]
    )
    def failing(self, request, options):
        command, _, reply = request.param.partition(" ")
        recorder = Distrustful(answers={command: reply})
        with (
            socket.socket() as unused,
            smtp_server(
                recorder, authenticator=recorder.authenticate, auth_require_tls=False
            ) as server,
        ):
            unused.bind(("127.0.0.1", 0))
            settings = {**options, "port": server.port}
            if request.param == "nobody listens":
                settings["port"] = unused.getsockname()[1]
            elif command != "AUTH":
                del settings["username"], settings["password"]
            yield SmtpBackend(**settings)

    @pytest.fixture
    def refusing(self):
        recorder = Recorder(answers={"nobody@example.com": "550 5.1.1 no such user"})
        with smtp_server(recorder) as server:
            yield SmtpBackend(server=server.host, port=server.port)


SIGNS = {"domain": "example.com", "selector": "s1", "key": ed25519_pem(), "missing": "pass"}


class TestDkimBackend(Streaming, BackendContract):
    children = ("file", "locmem", "smtp")

    @pytest.fixture
    def options(self, tmp_path):
        return {"mailer": "locmem", **SIGNS}

    @pytest.fixture
    def backend(self, tmp_path):
        return DkimBackend(mailer=FileBackend(tmp_path / "mail"), **SIGNS)

    @pytest.fixture
    def delivered(self, tmp_path):
        return lambda: read_folder(tmp_path / "mail")

    @pytest.fixture
    def failing(self, tmp_path):
        return DkimBackend(mailer=unwritable(tmp_path), **SIGNS)

    @pytest.fixture
    def refusing(self):
        recorder = Recorder(answers={"nobody@example.com": "550 5.1.1 no such user"})
        with smtp_server(recorder) as server:
            smtp = SmtpBackend(server=server.host, port=server.port)
            yield DkimBackend(mailer=smtp, **SIGNS)


class LetterBackend(Backend[None]):
    """A backend as users write it, with one method."""

    name = "letter"

    def __init__(self, *, api_key: str = ""):
        self.letters = []
        self._api_key = api_key

    def deliver(self, mail, session):
        if self._api_key == "expired":
            raise MessageRefused("MAIL_LETTER_API_KEY was refused: ask for a new one.")
        self.letters.append((mail.envelope, mail.content))
        return self.accepted(mail, response=f"letter {len(self.letters)}")


class TestBackendOfAUser(BackendContract):
    @pytest.fixture
    def backend(self):
        return LetterBackend(api_key="k3y")

    @pytest.fixture
    def delivered(self, backend):
        return lambda: backend.letters

    @pytest.fixture
    def secrets(self):
        return ["k3y"]

    @pytest.fixture
    def failing(self):
        return LetterBackend(api_key="expired")


class SigningBackend(FileBackend):
    """Adds a header to what the backend that it derives from writes."""

    name = "signing"

    def deliver(self, mail, session):
        signed = replace(mail, content=b"X-Signed: yes\r\n" + mail.content)
        return super().deliver(signed, session)


@pytest.mark.exhaustive
class TestSubclassOfABuiltInBackend(TestFileBackend):
    @pytest.fixture
    def backend(self, options):
        return SigningBackend(**options)

    @pytest.fixture
    def failing(self, tmp_path):
        return unwritable(tmp_path, SigningBackend)

    test_a_large_file_is_asked_for_in_pieces = None  # it signs the whole

    def test_its_own_header_is_in_the_content(self, backend, delivered):
        backend.send(Message("Hello", ["to@example.com"], sender="me@example.com"))
        [(_, content)] = delivered()
        assert content.startswith(b"X-Signed: yes\r\n")


@dataclass
class Line:
    """A session of the switchboard."""

    is_open: bool = True
    carried: list = field(default_factory=list)


class SwitchboardBackend(Backend[Line]):
    """Keeps sessions and counts what becomes of them."""

    name = "switchboard"

    def __init__(self, *, lines: int = 100):
        self.free = lines
        self.opened = []
        self.closed = 0
        self._lock = threading.Lock()

    def open(self):
        with self._lock:
            if not self.free:
                raise BackendUnavailable("MAIL_SWITCHBOARD_LINES are all busy.", stage="connect")
            self.free -= 1
            self.opened.append(Line())
            return self.opened[-1]

    def close(self, session):
        with self._lock:
            if session.is_open:
                session.is_open = False
                self.closed += 1
                self.free += 1

    def deliver(self, mail, session):
        if not session.is_open:
            raise BackendUnavailable("The line is closed.")
        session.carried.append((mail.envelope, mail.content))
        return self.accepted(mail)


class TestBackendWithSessions(BackendContract):
    @pytest.fixture
    def backend(self):
        return SwitchboardBackend()

    @pytest.fixture
    def delivered(self, backend):
        return lambda: [letter for line in backend.opened for letter in line.carried]

    @pytest.fixture
    def failing(self):
        return SwitchboardBackend(lines=0)

    @pytest.fixture
    def mail(self, backend, monkeypatch):
        monkeypatch.setattr(SwitchboardBackend, "from_options", lambda *_: backend)
        app = Flask(__name__)
        app.config.update(MAIL_BACKEND=SwitchboardBackend, MAIL_DEFAULT_SENDER="me@example.com")
        return Mail(app)

    def test_a_block_opens_and_closes_one(self, backend, mail):
        with mail.connect() as connection:
            for number in range(3):
                connection.send(Message(f"Number {number}", ["to@example.com"]))
            assert (len(backend.opened), backend.closed) == (1, 0)
        assert (len(backend.opened), backend.closed) == (1, 1)

    def test_each_single_send_opens_and_closes_one(self, backend, mail):
        for number in range(3):
            mail.send(Message(f"Number {number}", ["to@example.com"]))
        assert (len(backend.opened), backend.closed, backend.free) == (3, 3, 100)

    def test_a_bad_message_opens_none(self, backend, mail):
        assert not mail.send_many([Message("Hello\n", ["to@example.com"])])[0].sent
        assert backend.opened == []


class BulkBackend(Backend[None]):
    """Hands a whole batch over at once."""

    name = "bulk"

    def __init__(self):
        self.uploads = []

    def deliver(self, mail, session):
        [receipt] = self.deliver_many([mail], session)
        return receipt

    def deliver_many(self, mails, session):
        mails = list(mails)
        self.uploads.append([(mail.envelope, mail.content) for mail in mails])
        return iter([self.accepted(mail) for mail in mails])


@pytest.mark.exhaustive
class TestBackendForBatches(BackendContract):
    @pytest.fixture
    def backend(self):
        return BulkBackend()

    @pytest.fixture
    def delivered(self, backend):
        return lambda: [letter for upload in backend.uploads for letter in upload]

    def test_a_batch_is_one_upload(self, backend):
        messages = [Message("Hi", ["to@example.com"], sender="me@example.com") for _ in range(3)]
        list(backend.send_many(messages))
        assert [len(upload) for upload in backend.uploads] == [3]


class FailoverBackend(Backend[None]):
    """Delivers by the first of several backends that takes the message."""

    name = "failover"

    def __init__(self, *, to: str):
        self.names = to.split(",")
        self.children = []

    @classmethod
    def from_options(cls, options, build):
        backend = super().from_options(options, build)
        backend.children = [build(name) for name in backend.names]
        return backend

    def deliver(self, mail, session):
        *firsts, last = self.children
        for child in firsts:
            with contextlib.suppress(BackendUnavailable):
                return child.deliver(mail, session)
        return last.deliver(mail, session)


@pytest.mark.exhaustive
class TestBackendMadeOfOthers(BackendContract):
    """Its children deliver, and it alone fires signals, outside its loop."""

    children = ("locmem", "null")

    @pytest.fixture
    def options(self):
        return {"to": "null,locmem"}

    @pytest.fixture
    def backend(self, tmp_path):
        backend = FailoverBackend(to="file,locmem")
        backend.children = [unwritable(tmp_path), LocmemBackend()]
        return backend

    @pytest.fixture
    def delivered(self, backend):
        outbox = backend.children[-1].outbox
        return lambda: [(copy.envelope, copy.as_bytes()) for copy in outbox]

    @pytest.fixture
    def failing(self, tmp_path):
        backend = FailoverBackend(to="file,file")
        backend.children = [unwritable(tmp_path), unwritable(tmp_path)]
        return backend
