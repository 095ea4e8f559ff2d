"""An SMTP server that fails where it is told to, and keeps its own record of what it accepted.

It speaks SMTP as servers do (RFC 5321) with PIPELINING (RFC 2920), CHUNKING (RFC 3030), SIZE,
STARTTLS and AUTH PLAIN. One thread for each connection, all of which end with the ``with`` block of
:func:`fault_server`.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from faults import NEGATIVE, OPENING, PATIENCE, STAGES, Choice, Fault, Over, Wire, first_of

from flask_mail.smtp.tls import wrapped

EXTENSIONS = ("SIZE 10485760", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
USERNAME, PASSWORD = "shop", "s3cret-pässword"


@dataclass(frozen=True)
class Accepted:
    """A message whose positive reply the server had decided to send."""

    connection: int
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    """As it was before dots were stuffed."""


@dataclass
class Transaction:
    """A message that is on its way in."""

    sender: str | None = None
    recipients: list[str] = field(default_factory=list)
    asked: int = 0
    """Number of recipients to decide on."""
    size: int = 0
    content: bytearray = field(default_factory=bytearray)
    chunks: int = 0
    met_half: bool = False
    verdict: str = ""
    """The kind of a fault that decides about the content before it was complete."""
    was_answered: bool = False


class Conversation:
    """One connection, from greeting to end."""

    def __init__(self, server: FaultServer, sock: socket.socket, number: int) -> None:
        self.number = number
        self.peer = sock.getpeername()
        self.commands: list[str] = []
        self.ended = threading.Event()
        self._server = server
        self.wire = Wire(sock, server.stop, server.read_size, server.keeps_replies)
        self._message = 0
        self._resets = 0
        self._offers: frozenset[str] = frozenset()
        self._is_greeted = False
        self._mail = Transaction()

    def run(self) -> None:
        try:
            self._converse()
        except (Over, EOFError, OSError):  # one of the two has hung up
            pass
        except BaseException as error:  # noqa: BLE001 (raised in the test's thread)
            self._server.failures.append(error)
        finally:
            self.wire.look()
            self.wire.sock.close()
            self.ended.set()
            with self._server.changed:
                self._server.changed.notify_all()

    def hear_no_more(self) -> None:
        """End the conversation after what was received."""
        with contextlib.suppress(OSError):
            # Of TLS too, whose own shutdown() forgets the keys.
            socket.socket.shutdown(self.wire.sock, socket.SHUT_RD)

    def _converse(self) -> None:
        self._encounter("accept")
        self._answer("greeting", "220 mx.test ESMTP")
        while True:
            line = self.wire.line().decode("utf-8", "replace").rstrip("\r\n")
            self.commands.append(line)
            verb, _, rest = line.partition(" ")
            is_grouped = verb in ("MAIL", "RCPT", "RSET") and "PIPELINING" in self._offers
            is_alone = self.wire.has_more and not is_grouped and verb != "BDAT"
            if is_alone and not self._server.answers_to_bdat:
                self._violated(f"something follows {line!r} at once")
            handler = getattr(self, f"_do_{verb.lower()}", None)
            if handler is None and self._server.answers_to_bdat:
                self.wire.say("500 5.5.1 what?")  # a line of a content
            elif handler is None:
                self._violated(f"unknown command {line!r}")
                self.wire.say("500 5.5.1 what?")
            else:
                handler(rest)

    def _violated(self, what: str) -> None:
        self._server.violations.append(f"connection {self.number}: {what}")

    # Opening

    def _do_ehlo(self, rest: str) -> None:
        extensions = [*EXTENSIONS, *self._server.extensions(self.number)]
        if self._server.context is not None and not isinstance(self.wire.sock, ssl.SSLSocket):
            extensions.append("STARTTLS")
        if self._server.login:
            extensions.append("AUTH PLAIN")
        *lines, last = "mx.test", *extensions
        reply = "".join(f"250-{each}\r\n" for each in lines) + f"250 {last}"
        if self._answer("ehlo", reply):
            self._offers = frozenset(each.partition(" ")[0] for each in extensions)
            self._is_greeted = True

    def _do_helo(self, rest: str) -> None:
        self.wire.say("250 mx.test")
        self._is_greeted = True

    def _do_starttls(self, rest: str) -> None:
        fault = self._fault("starttls")
        self.wire.answer("220 2.0.0 go ahead", fault.kind if fault else "")
        self.wire.flush()
        if fault:
            return  # no handshake can follow, and one with a peer that is gone leaks its socket
        fault = self._fault("handshake")
        if fault:
            self.wire.answer("250 2.0.0 in clear", fault.kind)
            self.wire.stall()
        assert self._server.context is not None
        self.wire.sock = wrapped(self._server.context, self.wire.sock, server_side=True)
        self._offers = frozenset()

    def _do_auth(self, rest: str) -> None:
        login = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode()
        if rest == f"PLAIN {login}":
            self._answer("auth", "235 2.7.0 welcome")
        else:
            self.wire.say("535 5.7.8 who?")

    def _do_quit(self, rest: str) -> None:
        self._answer("quit", "221 2.0.0 bye")
        self.wire.flush()
        raise Over

    def _do_noop(self, rest: str) -> None:
        self.wire.say("250 2.0.0 ok")

    # Transactions

    def _do_rset(self, rest: str) -> None:
        self._mail = Transaction()
        self._resets += 1
        if self._server.resets is not None and self._resets > self._server.resets:
            self.wire.say("554 5.5.0 too many nonmail commands")
            self.wire.flush()
            raise Over
        self.wire.say("250 2.0.0 ok")

    def _do_mail(self, rest: str) -> None:
        self._message += 1
        if not self._is_greeted or self._mail.sender is not None:
            self._violated(f"MAIL {rest} comes out of order")
            self.wire.say("503 5.5.1 not now")
        elif self._answer("mail", "250 2.1.0 ok"):
            path, _, options = rest.removeprefix("FROM:").partition(" ")
            given = dict(each.partition("=")[::2] for each in options.split())
            self._mail.sender = path.strip("<>")
            self._mail.size = int(given.get("SIZE", "0"))

    def _do_rcpt(self, rest: str) -> None:
        self._mail.asked += 1
        stage = f"rcpt{self._mail.asked}"
        if self._mail.sender is None:
            self.wire.say("503 5.5.1 who sends it?")
        elif self._answer(stage if stage in STAGES else "rcpt3", "250 2.1.5 ok"):
            self._mail.recipients.append(rest.removeprefix("TO:").partition(" ")[0].strip("<>"))

    def _do_data(self, rest: str) -> None:
        mail = self._mail
        if mail.chunks:
            self._violated("DATA after BDAT")
        if not mail.recipients and not self._server.goes_ahead_for_nobody:
            self.wire.say("503 5.5.1 for whom?")
            return
        if not self._answer("data", "354 go ahead"):
            self._mail = Transaction()
            return
        while (line := self.wire.line()) != b".\r\n":
            mail.content += line[1:] if line.startswith(b".") else line
            if mail.size and 2 * len(mail.content) >= mail.size:
                self._reach_half()
                if mail.verdict and not mail.was_answered:
                    # Before the end: some servers cannot wait.
                    self.wire.answer("250 2.0.0 queued", mail.verdict)
                    self.wire.flush()
                    mail.was_answered = True
        self._conclude()

    def _do_bdat(self, rest: str) -> None:
        mail = self._mail
        octets, _, last = rest.partition(" ")
        if "CHUNKING" not in self._offers:
            self._violated("BDAT was not offered")
        unread = self._server.answers_to_bdat
        if unread and (unread != "if refused" or not mail.recipients):
            self.wire.say("502 5.5.1 Missing RCPT TO command." if mail.recipients == [] else unread)
            return  # and goes on with the content
        is_wanted = bool(mail.recipients) and mail.verdict not in NEGATIVE
        mail.chunks += 1
        if is_wanted and mail.chunks == 1:
            mail.verdict = self._encounter("data")
        left = int(octets)
        half = mail.size // 2 - len(mail.content)
        if is_wanted and 0 <= half < left:
            mail.content += self.wire.octets(half)
            left -= half
            self._reach_half()
        mail.content += self.wire.octets(left)
        if "PIPELINING" not in self._offers and self.wire.has_more:
            self._violated("something follows BDAT at once")
        if not is_wanted:
            self.wire.say("503 5.5.1 for whom?")
        elif last:
            self._conclude()
        else:
            self.wire.answer("250 2.0.0 octets received", mail.verdict)
            if mail.verdict == "two":
                mail.verdict = ""

    def _reach_half(self) -> None:
        if not self._mail.met_half:
            self._mail.met_half = True
            self._mail.verdict = self._mail.verdict or self._encounter("half")

    def _conclude(self) -> None:
        """Decide about a message whose content is complete."""
        mail, self._mail = self._mail, Transaction()
        content = bytes(mail.content)
        if any(each in content.replace(b"\r\n", b"") for each in (b"\r", b"\n", b"\0")):
            self._violated("the content holds a bare CR, a bare LF or a NUL")
        if not mail.recipients:
            self.wire.say("554 5.5.1 no valid recipients")
            return
        fault = None if mail.verdict else self._fault("content")
        kind = fault.kind if fault else mail.verdict
        refuses = kind in (*NEGATIVE, "421") or (fault is not None and not fault.accepts)
        if not refuses:
            message = Accepted(self.number, mail.sender or "", tuple(mail.recipients), content)
            with self._server.changed:
                self._server.accepted.append(message)
                self._server.changed.notify_all()
        if not mail.was_answered:
            self.wire.answer(f"250 2.0.0 queued as {self.number}-{self._message}", kind)
        after = None if refuses else self._fault("replied")
        if after is not None:
            self.wire.answer("250 2.0.0 once more", after.kind)

    # Faults

    def _fault(self, stage: str) -> Fault | None:
        """Return what goes wrong now."""
        message = 0 if stage in OPENING or stage == "quit" else self._message
        fault = self._server.choose(stage, self.number, message)
        if fault is not None:
            self._server.fired.append((fault, self.number, message))
        return fault

    def _answer(self, stage: str, reply: str) -> bool:
        fault = self._fault(stage)
        return self.wire.answer(reply, fault.kind if fault else "")

    def _encounter(self, stage: str) -> str:
        """Meet a fault where there is nothing to answer yet; return one that decides later."""
        fault = self._fault(stage)
        if fault is None:
            return ""
        if fault.kind not in (*NEGATIVE, "two"):
            self.wire.answer("", fault.kind)
            self.wire.stall()  # what makes no sense is followed by nothing
        return fault.kind


class FaultServer:
    """Running server and its record; see :func:`fault_server`."""

    def __init__(
        self,
        *faults: Fault,
        choose: Choice | None = None,
        extensions: Iterable[str] | Callable[[int], Iterable[str]] = (),
        context: ssl.SSLContext | None = None,
        login: bool = False,
        connections: int = 32,
        goes_ahead_for_nobody: bool = False,
        keeps_replies: bool = False,
        room: int | None = None,
        answers_to_bdat: str = "",
        resets: int | None = None,
    ) -> None:
        self.choose = choose or first_of(*faults)
        self.extensions = extensions if callable(extensions) else lambda number: extensions
        self.context = context
        self.login = login
        self.goes_ahead_for_nobody = goes_ahead_for_nobody
        self.keeps_replies = keeps_replies
        self.answers_to_bdat = answers_to_bdat
        self.resets = resets
        """Number of RSET commands that a connection accepts before it sends 554 and closes."""
        self.read_size = 1 << 18
        """Octets that later connections read at a time."""
        self.accepted: list[Accepted] = []
        self.violations: list[str] = []
        """Violations of RFC 5321, 2920, 3030 and 3207 by the client."""
        self.fired: list[tuple[Fault, int, int]] = []
        """Each fault that came to pass, and at which connection and message."""
        self.conversations: list[Conversation] = []
        self.stop = threading.Event()
        self.changed = threading.Condition()
        self.failures: list[BaseException] = []
        self._limit = connections
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        if room is not None:
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            self.read_size = room
        self.port = self._listening.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def wait_for_ends(self) -> None:
        """Wait until each connection on which a fault closed is closed."""
        for fault, number, _ in list(self.fired):
            if fault.closes:
                assert self.conversations[number - 1].ended.wait(PATIENCE)

    def has_left(self, client: socket.socket) -> bool:
        """Return True if the other end of this socket's connection is closed."""
        peer = client.getsockname()
        return any(each.peer == peer and each.ended.is_set() for each in self.conversations)

    def wait_for_open(self, count: int) -> None:
        """Wait until no more than so many connections are open."""

        def are_few() -> bool:
            return sum(not each.ended.is_set() for each in list(self.conversations)) <= count

        with self.changed:
            assert self.changed.wait_for(are_few, PATIENCE)

    def close(self) -> None:
        """Work off what was received, and end every thread."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join(PATIENCE)
        self.stop.set()
        for each in self.conversations:
            each.hear_no_more()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(each.is_alive() for each in (self._accepting, *self._threads))
        if self.failures:
            raise self.failures[0]

    def _accept(self) -> None:
        while len(self.conversations) < self._limit:
            try:
                sock, _ = self._listening.accept()
            except OSError:  # the test is over
                return
            conversation = Conversation(self, sock, len(self.conversations) + 1)
            self.conversations.append(conversation)
            thread = threading.Thread(target=conversation.run, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._listening.close()


@contextlib.contextmanager
def fault_server(*faults: Fault, **options: Any) -> Iterator[FaultServer]:
    """Run a server with these faults; what it recorded is complete after the block.

    :param choose: finds the fault of a stage, a connection and a message, in place of `faults`.
    :param extensions: what EHLO announces besides :data:`EXTENSIONS`; or what returns it for the
        number of a connection.
    :param context: offers STARTTLS with it.
    :param login: offers AUTH PLAIN, for :data:`USERNAME` and :data:`PASSWORD`.
    :param connections: how many there may be; then nobody listens any more.
    :param goes_ahead_for_nobody: answers DATA with 354 although there is no valid recipient.
    :param keeps_replies: whether replies that wait for the input to be worked off are lost when a
        fault closes the connection.
    :param answers_to_bdat: refuses chunks and takes them for commands: a reply to each BDAT, or
        ``"if refused"`` for those that come when no recipient was accepted.
    :param room: about how many octets may arrive before they are read; else the system decides.
    """
    server = FaultServer(*faults, **options)
    try:
        yield server
    finally:
        server.close()
