"""The octets of one connection: each wait is bounded, and writing never waits for reading."""

from __future__ import annotations

import select
import smtplib
import socket
import threading

import pytest

from flask_mail.smtp import transport as module
from flask_mail.smtp.channel import Channel
from flask_mail.smtp.deadline import Deadline, DeadlinePassed
from flask_mail.smtp.wire import Wire
from flask_mail.smtp.writer import JOINED, Writer


@pytest.fixture
def pair():
    """Two ends of a connection with small buffers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        end.settimeout(10)
    with ours, theirs:
        yield ours, theirs


def link_to(sock, timeout=10.0, **options):
    return Wire(sock, timeout, "mx.test:25", debug=False, **options)


class Clock:
    """A clock that goes on by a second each time it is looked at."""

    def __init__(self, step=1.0):
        self.now = 0.0
        self.step = step

    def __call__(self):
        self.now += self.step
        return self.now


def test_link_reads_and_writes_without_deadlock(pair):
    """Each side fills the other's buffers: whoever would only write would wait for ever."""
    ours, theirs = pair
    size, count = 2_000_000, 60_000

    def answer_before_reading():
        theirs.sendall(b"250 ok\r\n" * count)
        left = size
        while left:
            left -= len(theirs.recv(min(left, 65536)))
        theirs.sendall(b"221 bye\r\n")

    server = threading.Thread(target=answer_before_reading)
    server.start()
    link = link_to(ours)
    link.write(b"x" * size)
    codes = [link.hear().code for _ in range(count + 1)]
    server.join(10)
    assert codes == [250] * count + [221]
    assert link.output.sent == link.output.put == size


def test_a_reply_must_be_complete_in_time_however_lively_it_is(pair):
    """The clock of a reply starts once, not with each octet of it."""
    ours, theirs = pair
    link = link_to(ours, timeout=5, clock=Clock())
    dripping = threading.Event()

    def drip():
        while not dripping.is_set():
            theirs.sendall(b"2")

    server = threading.Thread(target=drip)
    server.start()
    try:
        with pytest.raises((TimeoutError, smtplib.SMTPResponseException)) as caught:
            link.hear()
    finally:
        dripping.set()
        server.join(10)
    assert isinstance(caught.value, TimeoutError)


def test_each_reply_has_its_own_time(pair):
    ours, theirs = pair
    clock = Clock(step=0)
    link = link_to(ours, timeout=5, clock=clock)
    for _ in range(3):
        theirs.sendall(b"250 ok\r\n")
        assert link.hear().code == 250
        clock.now += 4


def test_a_peer_that_reads_too_little_of_what_is_written_is_given_up(pair):
    ours, theirs = pair
    link = link_to(ours, timeout=0.2)
    link.write(b"x" * 10_000_000)
    with pytest.raises(TimeoutError, match="timed out"):
        link.hear()
    assert 0 < link.output.sent < link.output.put
    theirs.close()


def test_nothing_is_waited_for_after_the_deadline(pair):
    link = link_to(pair[0])
    link.deadline = Deadline(0.05)
    with pytest.raises(DeadlinePassed):
        link.hear()
    with pytest.raises(DeadlinePassed, match="no time left"):
        link.hear()


def test_what_has_arrived_by_the_deadline_is_heard_after_it(pair):
    ours, theirs = pair
    link = link_to(ours)
    theirs.sendall(b"250 ok\r\n")
    link.deadline = Deadline(0)
    assert link.hear().code == 250
    with pytest.raises(DeadlinePassed):
        link.hear()


def test_a_child_of_a_fork_writes_nothing_on_its_parents_connection(pair, monkeypatch):
    ours, theirs = pair
    link = link_to(ours)
    link.write(b"QUIT\r\n")
    monkeypatch.setattr(module.os, "getpid", lambda: -1)
    with pytest.raises(ConnectionAbortedError):
        link.look()
    theirs.settimeout(0)
    with pytest.raises(BlockingIOError):
        theirs.recv(100)


def test_writing_that_has_to_wait_for_reading_waits_for_that_alone(pair, monkeypatch):
    """As TLS may: otherwise a socket that can be written would never be waited for."""
    ours, theirs = pair
    waits = []

    class Renegotiating:
        refusals = 2

        def __getattr__(self, name):
            return getattr(ours, name)

        def send(self, data):
            if self.refusals:
                self.refusals -= 1
                raise module.ssl.SSLWantReadError
            return ours.send(data)

    is_ready = module.is_ready

    def noting(sock, write, seconds):
        waits.append(write)
        return is_ready(ours, write, seconds)

    monkeypatch.setattr(module, "is_ready", noting)
    link = link_to(Renegotiating())
    link.write(b"MAIL\r\n")
    theirs.sendall(b"2")
    assert link.look() is None
    theirs.sendall(b"50 ok\r\n")
    assert link.hear().code == 250
    assert True not in waits
    assert link.look() is None
    assert link.output.sent == link.output.put


def test_a_deadline_that_passes_in_the_handshake_is_a_time_out(pair):
    class Undecided:
        """A TLS socket whose handshake never ends: it wants to write, then to read."""

        def __init__(self):
            self.wants = [module.ssl.SSLWantWriteError, module.ssl.SSLWantReadError]

        def __getattr__(self, name):
            return getattr(pair[0], name)

        def do_handshake(self):
            raise self.wants.pop(0) if len(self.wants) > 1 else self.wants[0]

    link = link_to(Undecided(), timeout=0.05)
    with pytest.raises(TimeoutError, match="timed out"):
        link.shake_hands()


def test_what_the_peer_said_before_it_hung_up_is_heard_first(pair):
    """This holds even if a write has failed before."""
    ours, theirs = pair
    link = link_to(ours)
    theirs.sendall(b"421 4.3.2 shutting down\r\n")
    theirs.close()

    def write_until_it_fails():
        while True:
            link.write(b"x" * 100_000)
            link.look()

    with pytest.raises(OSError):  # noqa: PT011 (a reset, a broken pipe or the end)
        write_until_it_fails()
    assert link.is_closing


def test_half_a_reply_before_a_break_is_none(pair):
    ours, theirs = pair
    link = link_to(ours)
    theirs.sendall(b"250 o")
    theirs.close()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        link.hear()


def test_a_reset_in_the_middle_of_a_reply_is_raised(pair):
    ours, theirs = pair
    link = link_to(ours)
    theirs.sendall(b"250 o")
    while not link.has_unread:
        link.look()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    theirs.close()
    with pytest.raises(ConnectionResetError):
        link.hear()
    assert link.is_stale()


@pytest.mark.parametrize("left", [b"", b"421 idle\r\n", b"250 ok\r\n"])
def test_an_idle_link_is_stale_once_the_peer_has_said_anything(pair, left):
    ours, theirs = pair
    link = link_to(ours)
    assert not link.is_stale()
    if left:
        theirs.sendall(left)
    else:
        theirs.close()
    select.select([ours], [], [], 10)
    assert link.is_stale()
    assert link.is_stale()


def test_an_idle_link_that_the_peer_has_reset_is_stale(pair):
    ours, theirs = pair
    link = link_to(ours)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    theirs.close()
    select.select([ours], [], [], 10)
    assert link.is_stale()


def test_a_link_that_was_closed_or_belongs_to_another_process_is_stale(pair, monkeypatch):
    link = link_to(pair[0])
    monkeypatch.setattr(module.os, "getpid", lambda: -1)
    assert link.is_stale()
    monkeypatch.undo()
    link.close()
    assert link.is_stale()


class Failing:
    """A socket on which writing fails once, though the peer is there and has something to say."""

    def __init__(self, sock):
        self.sock = sock
        self.errors = [OSError(105, "No buffer space available")]

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def send(self, data):
        if self.errors:
            raise self.errors.pop()
        return self.sock.send(data)


def test_link_is_stale_after_a_failed_write_despite_a_reply(pair):
    ours, theirs = pair
    link = link_to(Failing(ours))
    theirs.sendall(b"250 ok\r\n")
    link.write(b"NOOP\r\n")
    assert link.hear().code == 250
    assert link.is_stale()


class Interrupted:
    """A socket with a signal handler that raises as one of its methods returns."""

    def __init__(self, sock, method):
        self.sock = sock
        self.method = method

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def send(self, data):
        count = self.sock.send(data)
        if self.method == "send":
            raise BlockingIOError  # as would-block, but without the number of one
        return count

    def recv(self, size):
        data = self.sock.recv(size)
        if self.method == "recv":
            raise BlockingIOError
        return data


@pytest.mark.parametrize("method", ["send", "recv"])
def test_a_handlers_would_block_is_not_the_sockets(pair, method):
    """The octets have left: written again, they would arrive twice."""
    ours, theirs = pair
    link = link_to(Interrupted(ours, method))
    theirs.sendall(b"250 ok\r\n")
    link.write(b"NOOP\r\n")
    with pytest.raises(BlockingIOError):
        link.hear()
    assert link.output.sent == link.output.put
    assert theirs.recv(100) == b"NOOP\r\n"
    assert link.is_stale()


def test_nothing_is_written_behind_a_gap(pair):
    """The end of a content that is not there would come in the middle of the one before."""
    ours, theirs = pair
    link = link_to(Failing(ours))
    theirs.sendall(b"250 ok\r\n")
    link.write(b"the first half, ")
    assert link.hear().code == 250
    link.write(b"the second half")
    with pytest.raises(OSError, match="No buffer space"):
        link.hear()
    assert link.output.sent == link.output.put - len("the second half")  # it may have left
    theirs.settimeout(0)
    with pytest.raises(BlockingIOError):
        theirs.recv(100)


def test_no_reply_is_awaited_from_a_socket_after_a_failed_write(pair):
    """No event of the socket would report that failure to a batch over several connections."""
    ours, _ = pair
    link = link_to(Failing(ours))
    link.write(b"NOOP\r\n")
    assert link.awaited()[2] > 0
    link.push()
    assert link.awaited() == (link._sock, False, 0.0)
    with pytest.raises(OSError, match="No buffer space"):
        link.hear()


def test_lines_are_read_for_smtplib_until_the_peer_hangs_up(pair):
    ours, theirs = pair
    link = link_to(ours)
    theirs.sendall(b"250-mx.test\r\n250 SIZE\r\n")
    theirs.close()
    assert [link.readline() for _ in range(4)] == [b"250-mx.test\r\n", b"250 SIZE\r\n", b"", b""]


def test_small_pieces_leave_in_one_write(pair):
    ours, theirs = pair
    sizes = []

    class Counting:
        def __getattr__(self, name):
            return getattr(ours, name)

        def send(self, data):
            sizes.append(len(data))
            return ours.send(data)

    link = link_to(Counting())
    for line in (b"MAIL\r\n", b"RCPT\r\n", b"DATA\r\n"):
        link.write(line)
    theirs.sendall(b"250 ok\r\n")
    assert link.hear().code == 250
    assert sizes == [18]
    link.write(b"BDAT\r\n")
    link.write(memoryview(b"x" * (JOINED + 1)))
    while link.output.sent < link.output.put:
        link.look()
        if select.select([theirs], [], [], 0)[0]:
            theirs.recv(1 << 20)
    assert sizes[1] == 6  # large content is not copied


@pytest.mark.parametrize("missing", [[], ["poll"]], ids=["poll", "select"])
def test_a_wait_works_with_what_the_system_has(pair, missing, monkeypatch):
    """Windows has no poll; gevent puts its own in place."""
    for name in missing:
        monkeypatch.delattr(select, name)
    ours, theirs = pair
    link = link_to(ours, timeout=0.05)
    with pytest.raises(TimeoutError):
        link.hear()
    theirs.sendall(b"250 ok\r\n")
    assert link.hear().code == 250


def test_a_connection_that_is_not_tcp_works_too(monkeypatch):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = link_to(ours)
        link.be_prompt()
        link.be_prompt()
        theirs.sendall(b"220 hello\r\n")
        assert link.hear().code == 220
        monkeypatch.setattr(module, "_QUICKACK", None)  # as on other systems than Linux
        theirs.sendall(b"220 hello\r\n")
        assert link.hear().code == 220


def _drained(theirs):
    def drain():
        while theirs.recv(1 << 20):
            pass

    thread = threading.Thread(target=drain)
    thread.start()
    return thread


def test_deadline_passes_while_the_peer_accepts_everything(pair):
    ours, theirs = pair
    draining = _drained(theirs)
    clock = Clock()
    link = link_to(ours)
    link.deadline = Deadline(5, clock)
    link.write(bytes(20_000_000))

    with pytest.raises(DeadlinePassed):
        link.hear()

    assert link.output.sent < link.output.put
    ours.shutdown(socket.SHUT_WR)
    draining.join(10)


def test_a_reply_is_looked_for_while_much_is_written(pair):
    """A server that refuses in the middle of the content is heard before all of it is written."""
    ours, theirs = pair
    draining = _drained(theirs)
    link = link_to(ours)
    link.write(bytes(20_000_000))
    theirs.sendall(b"552 too much\r\n")

    assert link.hear().code == 552
    assert link.output.sent < link.output.put
    ours.shutdown(socket.SHUT_WR)
    draining.join(10)


def test_piece_counts_as_sent_if_an_alarm_interrupts_its_write():
    """An error without a number was not raised by the system, which may have taken the piece."""

    class Interrupted:
        def send(self, piece):
            raise BlockingIOError("alarm")

    writer = Writer(Interrupted())
    writer.write(b"12345")
    with pytest.raises(BlockingIOError, match="alarm"):
        writer.flush()
    assert writer.sent == 5
    assert not writer.pieces


class Raising:
    """A socket with a signal handler that raises as one of its methods is called."""

    def __init__(self, sock):
        self.sock = sock
        self.method = None

    def __getattr__(self, name):
        if name == self.method:
            raise OSError("Couldn't open device!")
        return getattr(self.sock, name)


@pytest.mark.parametrize(
    ("method", "call"),
    [("settimeout", Wire.lend), ("setsockopt", Wire.awaited), ("recv", Wire.is_stale)],
)
def test_error_of_a_signal_handler_is_no_error_of_the_socket(pair, method, call):
    sock = Raising(pair[0])
    link = link_to(sock)
    sock.method = method
    with pytest.raises(OSError, match="open device"):
        call(link)


def test_error_of_a_signal_handler_does_not_break_a_channel():
    channel = Channel(None, None, reopen=None, max_emails=None, lessons=None, settle=lambda: None)
    channel._pipeline = object()

    def interrupted(pipeline):
        raise OSError("Couldn't open device!")

    with pytest.raises(OSError, match="open device"):
        channel.attempt(interrupted)


def test_channel_without_messages_has_nothing_to_push():
    channel = Channel(None, None, reopen=None, max_emails=None, lessons=None, settle=lambda: None)
    assert channel.push()
