"""Real SMTP servers on loopback ports of their own, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask

from flask_mail import Mail
from flask_mail.smtp.tls import wrapped


def mail_to(port: int, **settings: Any) -> Mail:
    """Return a Mail of an app that sends to `port` on the loopback interface."""
    app = Flask("shop", static_folder=None)  # which costs most of making an app
    app.config.update(
        MAIL_SERVER="127.0.0.1",
        MAIL_PORT=port,
        MAIL_TIMEOUT=10,
        MAIL_POOL_SIZE=0,  # a script waits for the goodbye
        MAIL_DEFAULT_SENDER="me@example.com",
    )
    app.config.update(settings)
    return Mail(app)


def signed_by_itself() -> bytes:
    """Return a key and its certificate for 127.0.0.1, as a hand-made server has them (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .add_extension(own_id, False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


@dataclass
class Recorder:
    """An aiosmtpd handler that keeps what it accepts and answers what it is told to."""

    accepted: list[Envelope] = field(default_factory=list)
    """Each message that was answered with 250: its ``mail_from``, ``rcpt_tos`` and ``content``."""
    sessions: list[Session] = field(default_factory=list)
    """The session of each message that was accepted."""
    logins: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """A recipient, or MAIL, DATA -> the reply that it gets in place of 250."""

    async def handle_MAIL(self, server, session, envelope, address, options):
        if "MAIL" in self.answers:
            return self.answers["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.accepted.append(envelope)
        self.sessions.append(session)
        return "250 2.0.0 queued as 42"

    def authenticate(self, server, session, envelope, mechanism, data):
        if isinstance(data, LoginPassword):
            self.logins.append((data.login.decode(), data.password.decode()))
        # Unless it is told so, aiosmtpd takes a refusal for answered, and the client waits in vain.
        return AuthResult(success=self.logins[-1][1] == "s3cret-pässword", handled=False)


@dataclass(frozen=True)
class Running:
    """A server that runs."""

    port: int
    recorder: Recorder
    host: str = "127.0.0.1"


@contextlib.contextmanager
def smtp_server(recorder: Recorder | None = None, **options: Any) -> Iterator[Running]:
    """Run aiosmtpd in a thread.

    :param options: of :class:`aiosmtpd.smtp.SMTP`; ``ssl_context`` makes it speak TLS at once.
    """
    recorder = recorder or Recorder()
    ssl_context = options.pop("ssl_context", None)
    options.setdefault("enable_SMTPUTF8", True)

    def protocol() -> SMTP:
        protocols.append(SMTP(recorder, hostname="mx.test", **options))
        return protocols[-1]

    protocols: list[SMTP] = []

    with _serving(protocol, ssl_context, protocols) as port:
        yield Running(port, recorder)


@contextlib.contextmanager
def _serving(
    protocol: Callable[[], asyncio.Protocol], ssl_context: Any, protocols: list[SMTP]
) -> Iterator[int]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await loop.create_server(protocol, "127.0.0.1", 0, ssl=ssl_context)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in protocols:
            if each.transport is not None:  # of a client that keeps its connection
                each.transport.abort()
        await asyncio.sleep(0)
        await loop.shutdown_asyncgens()

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextlib.contextmanager
def scripted_server(*scripts: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run one script for each connection, in order; then refuse. Yields the port.

    A script talks on a plain socket, so it can close, stall and answer whatever a server must not.
    At its end the peer finds that the server has hung up. What the peer says after that makes no
    reset of it, which would depend on who is faster: the sockets are closed when the test is over.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    errors: list[BaseException] = []
    accepted = contextlib.ExitStack()

    def serve() -> None:
        for script in scripts:
            try:
                connection, _ = listening.accept()
            except OSError:  # the test is over
                return
            accepted.enter_context(connection)
            connection.settimeout(10)
            try:
                script(connection)
            except (ConnectionError, EOFError):
                pass
            except BaseException as error:  # noqa: BLE001 (raised in the test's thread)
                errors.append(error)
            hang_up(connection)
        listening.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)
        accepted.close()
        if errors:
            raise errors[0]


def hang_up(connection: socket.socket) -> None:
    """Say no more; the peer sees the end of the connection."""
    with contextlib.suppress(OSError):  # it is closed, or the peer has hung up
        connection.shutdown(socket.SHUT_WR)


class Dialogue:
    """One connection of a scripted server, line by line; hangs up after a ``with`` block."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._reader = connection.makefile("rb")

    def __enter__(self) -> Dialogue:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._reader.close()
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.close()
        else:
            hang_up(self.connection)  # whoever accepted it closes it

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on."""
        self._reader.close()
        self.connection = wrapped(context, self.connection, server_side=True)
        self._reader = self.connection.makefile("rb")

    def reset(self) -> None:
        """Make the peer's next read or write fail with a connection reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._reader.close()
        self.connection.close()

    def wait(self) -> None:
        """Say nothing until the peer hangs up, or says that it will."""
        while self._reader.readline() not in (b"", b"QUIT\r\n"):
            pass

    def say(self, *lines: str) -> None:
        self.connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self) -> str:
        line = self._reader.readline()
        if not line:
            raise EOFError
        return line.decode().rstrip("\r\n")

    def read_into(self, buffer: memoryview) -> int:
        """Read what comes next, without its being a line."""
        return self._reader.readinto(buffer) or 0

    def greet(self, *extensions: str) -> None:
        """Say 220 and answer EHLO."""
        self.say("220 scripted")
        self.hear()
        lines = ["mx.test", *extensions]
        self.say(*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}")

    def answer(self, *replies: str) -> list[str]:
        """Answer each command with the next reply; return the commands."""
        heard = []
        for reply in replies:
            heard.append(self.hear())
            self.say(reply)
        return heard

    def chunk(self) -> bytes:
        """Hear BDAT, and return its content (RFC 3030)."""
        verb, size, *_ = self.hear().split()
        assert verb == "BDAT"
        return self._reader.read(int(size))

    def content(self) -> list[str]:
        """Read up to the final dot."""
        lines = []
        while (line := self.hear()) != ".":
            lines.append(line)
        return lines
