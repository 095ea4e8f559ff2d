"""Messages sent to a server with faults, and each receipt held against the server's record."""

from __future__ import annotations

import atexit
import functools
import select
import shutil
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from fault_server import FaultServer, fault_server
from faults import PATIENCE, Fault
from servers import mail_to

from flask_mail import DeliveryError, Message, Outcome, Receipt
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.smtp import attempt, pipeline
from flask_mail.smtp import session as client
from flask_mail.smtp import transport as link

SENT, REFUSED, NOT_SENT, UNKNOWN = (
    Outcome.SENT,
    Outcome.REFUSED,
    Outcome.NOT_SENT,
    Outcome.UNKNOWN,
)

MODES = {
    "lockstep": (),
    "pipelining": ("PIPELINING",),
    "chunking": ("CHUNKING",),
    "both": ("PIPELINING", "CHUNKING"),
    "tls": ("PIPELINING", "CHUNKING"),
    "large": ("PIPELINING", "CHUNKING"),
}
"""Way of sending messages -> the extensions that it needs."""

AT_ONCE = ("both", "tls")
"""The modes in which a message leaves whole, before there is any reply."""

RECIPIENTS = ["a@example.com", "b@example.com", "c@example.com"]

# Flask compiles an app's rules, and CPython 3.11 fails where two threads make an AST at once.
_BUILDING = threading.Lock()

_SMALL = "Hello\n" * 40
_LARGE = ("x" * 70 + "\n") * 2100  # 150 kB
_AT_ONCE = 100_000
_CHUNK = 40_000
ROOM = 1 << 13
"""Little room for what a server does not read: less than half of a large message."""


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes little that the server does not read, large messages travel in several
    chunks, and neither goodbyes nor replies to content are waited for longer than others."""
    connect = socket.create_connection

    def create_connection(*args: Any, **kwargs: Any) -> socket.socket:
        sock = connect(*args, **kwargs)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        return sock

    monkeypatch.setattr(socket, "create_connection", create_connection)
    monkeypatch.setattr(attempt, "AT_ONCE", _AT_ONCE)
    monkeypatch.setattr(pipeline, "OCTETS", _AT_ONCE)
    monkeypatch.setattr(attempt, "CHUNK", _CHUNK)
    monkeypatch.setattr(client, "QUIT_SECONDS", 0.1)
    monkeypatch.setattr(link, "_VERDICT_FACTOR", 1)


@functools.cache
def certified() -> tuple[ssl.SSLContext, str]:
    """Return the context of a server, and the file of the authority that vouches for it."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = f"{folder}/ca.pem"
    authority.cert_pem.write_to_path(path)
    return context, path


class Play:
    """A server with faults, and an app that sends to it; judged at the end of a ``with`` block.

    :param mode: one of :data:`MODES`.
    :param server: options of :func:`fault_server`.
    :param body: of each message; by default one that travels as the mode wants it.
    :param tls: whether to use STARTTLS; so does the mode of that name.
    :ivar problems: what was not as it has to be, in words.
    """

    def __init__(
        self,
        mode: str,
        *faults: Fault,
        server: dict[str, Any] | None = None,
        body: str | None = None,
        tls: bool = False,
        **settings: Any,
    ) -> None:
        self.problems: list[str] = []
        self.receipts: list[Receipt] = []
        self._messages: list[Message] = []
        self._mode = mode
        self._body = body or (_LARGE if mode == "large" else _SMALL)
        self._faults = faults
        options: dict[str, Any] = {"extensions": MODES[mode], **(server or {})}
        if mode == "large":
            options["room"] = ROOM
        if tls or mode == "tls":
            options["context"], path = certified()
            settings |= {"MAIL_USE_TLS": True, "MAIL_TLS_CA_FILE": path}
        self._running = fault_server(*faults, **options)
        self._settings = {
            "MAIL_BACKEND": SmtpBackend,  # by its name, what is installed would be searched for it
            "MAIL_POOL_SIZE": 4,
            "MAIL_TIMEOUT": 20,
            "MAIL_DEADLINE": 20,
            **settings,
        }

    def __enter__(self) -> Play:
        self.server: FaultServer = self._running.__enter__()
        with _BUILDING:
            self.mail = mail_to(self.server.port, **self._settings)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._running.__exit__(*exc_info)
        if exc_info[0] is None:
            self._judge()

    def send(self) -> None:
        """Send one message, and wait until the server has closed what it closes."""
        [message] = self._new(1)
        try:
            receipt = self.mail.send(message)
        except DeliveryError as error:
            receipt = error.receipt
        self.receipts.append(receipt)
        self._wait_for_ends()

    def send_many(self, count: int) -> None:
        receipts = self.mail.send_many(self._new(count))
        self._check(len(receipts) == count, f"{len(receipts)} receipts for {count} messages")
        self.receipts.extend(receipts)
        self._wait_for_ends()

    def expect(self, *outcomes: Outcome | set[Outcome]) -> None:
        """Check what became of each message, in order."""
        got = [each.outcome for each in self.receipts]
        expected = [each if isinstance(each, set) else {each} for each in outcomes]
        fits = len(got) == len(expected) and all(
            one in some for one, some in zip(got, expected, strict=True)
        )
        shown = " ".join("|".join(sorted(each.name for each in some)) for some in expected)
        self._check(fits, f"{' '.join(each.name for each in got)} in place of {shown}")

    def expect_attempts(self, number: int, attempts: int) -> None:
        found = self.receipts[number].attempts
        self._check(found == attempts, f"{found} attempts in place of {attempts}")

    def _wait_for_ends(self) -> None:
        self.server.wait_for_ends()
        # On a busy machine the system tells this end of it only later.
        for _, host in list(self.mail.selection.backend()._pool._idle):
            if self.server.has_left(host.sock):
                poll = select.poll()
                poll.register(host.sock, select.POLLIN)
                assert poll.poll(PATIENCE * 1000)

    def _new(self, count: int) -> Iterator[Message]:
        for _ in range(count):
            message = Message(f"Number {len(self._messages)}", RECIPIENTS, self._body)
            self._messages.append(message)
            yield message

    def _check(self, condition: bool, problem: str) -> None:
        if not condition:
            self.problems.append(f"{self._mode} {self._shown_faults()}: {problem}")

    def _shown_faults(self) -> str:
        return " ".join(f"{each.stage}-{each.kind}" for each in self._faults)

    def _judge(self) -> None:
        fired = [each for each, _, _ in self.server.fired]
        self._check(all(each in fired for each in self._faults), "a fault did not come to pass")
        self._check(not self.server.violations, str(self.server.violations))
        rest = list(self.server.accepted)
        for number, (message, receipt) in enumerate(
            zip(self._messages, self.receipts, strict=True)
        ):
            name = f"number {number}, {receipt.outcome.name},"
            content = message.as_bytes()
            found = [each for each in rest if each.content == content]
            rest = [each for each in rest if each.content != content]
            self._check(len(found) < 2, f"{name} was accepted {len(found)} times")
            self._check(receipt.message_id in ("", message.msgId), f"{name} has a wrong receipt")
            if receipt.outcome is UNKNOWN:
                self._check_complete(name, content)
            else:
                self._check(bool(found) == receipt.sent, f"{name} was accepted: {bool(found)}")
            to = tuple(each for each in RECIPIENTS if each not in receipt.refused)
            for each in found:
                self._check(each.recipients == to, f"{name} went to {each.recipients}")
                self._check(each.sender == "me@example.com", f"{name} came from {each.sender}")
        self._check(not rest, f"also accepted: {rest}")

    def _check_complete(self, name: str, content: bytes) -> None:
        """Check that all of a message has arrived whose outcome is unknown."""
        if self._mode == "large" or any(each.closes for each in self._faults):
            return  # in chunks; what comes after the close does not arrive
        if "CHUNKING" not in MODES[self._mode]:
            content += b".\r\n"
        arrived = any(content in each.wire.seen for each in self.server.conversations)
        self._check(arrived, f"{name} was not complete")
