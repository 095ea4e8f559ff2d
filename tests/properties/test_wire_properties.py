"""Properties of the wire: for any bytes of a message, split in any way, the server stores exactly
what was rendered, and nothing follows its end."""

from __future__ import annotations

import contextlib
import socket
import ssl

import pytest
from fault_play import certified
from fault_server import fault_server
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from servers import mail_to

from flask_mail import Message, MessageError, Outcome
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.delivery.outgoing import Outgoing
from flask_mail.smtp import attempt, pipeline
from flask_mail.smtp.wire import Wire

pytestmark = pytest.mark.exhaustive

MODES = {
    "lockstep": (),
    "pipelining": ("PIPELINING",),
    "chunking": ("CHUNKING",),
    "both": ("PIPELINING", "CHUNKING"),
}

# What could be taken for an end, for a command, or for a line to be stuffed.
PIECES = [
    *(b"\r", b"\n", b"\r\n", b".", b"..", b"a", b"\xff", b"." * 700, b"x" * 700),
    *(b"\r\n.\r\n", b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n..\r\n"),
    *(b"\r\n.\r\nMAIL FROM:<evil@example.com>\r\n", b"\r\nBDAT 0 LAST\r\n", b"\r\nRSET\r\n"),
]
BYTES = st.lists(
    st.sampled_from(PIECES) | st.binary(max_size=9).map(lambda some: some.replace(b"\0", b"")),
    max_size=12,
).map(b"".join)
HEADER = b"Subject: Hello\r\n\r\n"
CONTENTS = BYTES.map(lambda body: HEADER + body) | BYTES  # also one without a header
SPLITS = st.fixed_dictionaries(
    {
        "read": st.sampled_from([1, 2, 3, 7, 100, 1 << 18]),  # by the server
        "chunk": st.sampled_from([1, 5, 100, 1 << 20]),
        "at once": st.sampled_from([0, 50, 1 << 18]),
        "under way": st.sampled_from([1, 2, 16]),
        "octets under way": st.sampled_from([0, 200, 1 << 18]),
    }
)
WHOLE = {
    "read": 1 << 18,
    "chunk": 1 << 20,
    "at once": 1 << 18,
    "under way": 16,
    "octets under way": 1 << 18,
}

few = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


class Raw(Message):
    """A message that renders itself, as one that is signed does."""

    raw = b""

    def as_bytes(self):
        return self.raw


def raw(content):
    message = Raw("Hello", ["to@example.com"])
    message.raw = content
    return message


def plain(text):
    return Message("Hello", ["to@example.com"], text)


MESSAGES = CONTENTS.map(raw) | st.text(max_size=60).map(plain)


@pytest.fixture(scope="module", params=MODES)
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def server(mode):
    with fault_server(extensions=MODES[mode], connections=100_000) as running:
        yield running


@pytest.fixture(scope="module")
def mail(server):
    return mail_to(server.port, MAIL_BACKEND=SmtpBackend)  # a new connection for each example


def stored(server, splits, send):
    """Return what the server stores of what `send` sends, with such splits."""
    server.accepted.clear()
    server.read_size = splits["read"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, "CHUNK", splits["chunk"])
        patch.setattr(attempt, "AT_ONCE", splits["at once"])
        patch.setattr(pipeline, "MESSAGES", splits["under way"])
        patch.setattr(pipeline, "OCTETS", splits["octets under way"])
        send()
    server.wait_for_open(0)
    assert server.violations == []  # such as a command that is none
    return [each.content for each in server.accepted]


def rendered(message):
    """Return what has to arrive, whose last line always ends."""
    content = Outgoing.of(message).content
    return content if content.endswith(b"\r\n") else content + b"\r\n"


@given(message=MESSAGES, splits=SPLITS)
@example(message=raw(b""), splits=WHOLE)
@example(message=raw(b"."), splits=WHOLE)
@example(message=raw(HEADER + b"\r\n.\r\n" * 50), splits={**WHOLE, "read": 1})
@few
def test_a_message_is_stored_as_it_was_rendered(mode, server, mail, message, splits):
    arrived = stored(server, splits, lambda: mail.send(message))
    assert arrived == [rendered(message)]


@given(messages=st.lists(MESSAGES, min_size=2, max_size=6), splits=SPLITS)
@example(messages=[raw(b""), raw(b"."), raw(HEADER + b"\n.\n")], splits=WHOLE)
@few
def test_a_batch_is_stored_as_it_was_rendered(mode, server, mail, messages, splits):
    receipts = []
    arrived = stored(server, splits, lambda: receipts.extend(mail.send_many(messages)))
    assert all(each.sent for each in receipts)
    assert arrived == [rendered(each) for each in messages]


@given(before=st.lists(MESSAGES, max_size=2), content=CONTENTS, at=st.integers(0, 99))
@few
def test_a_message_with_a_nul_never_travels_and_harms_no_other(
    mode, server, mail, before, content, at
):
    at %= len(content) + 1
    bad = raw(content[:at] + b"\0" + content[at:])
    messages = [*before, bad, plain("Hello")]
    receipts = []
    arrived = stored(server, WHOLE, lambda: receipts.extend(mail.send_many(messages)))
    assert arrived == [rendered(each) for each in messages if each is not bad]
    [refused] = [each for each in receipts if each.outcome is Outcome.NOT_SENT]
    assert isinstance(refused.error, MessageError)
    assert len(receipts) == len(messages)


@contextlib.contextmanager
def encrypted_pair():
    """Yield both ends of a connection over TLS that holds little; nothing there ever waits."""
    context, authority = certified()
    near, far = socket.socketpair()
    for each in (near, far):
        each.setblocking(False)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 13)
    options = {"do_handshake_on_connect": False}
    trusting = ssl.create_default_context(cafile=authority)
    with (
        trusting.wrap_socket(near, server_hostname="127.0.0.1", **options) as client,
        context.wrap_socket(far, server_side=True, **options) as server,
    ):
        for _ in range(4):
            for each in (client, server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    each.do_handshake()
        yield client, server


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 10, 3000, 7000, 16_384, 40_000]),  # what is written
        st.sampled_from([0, 10, 3000, 16_384, 30_000]),  # what the peer reads
    ),
    min_size=3,
    max_size=20,
)


@given(steps=STEPS)
@example(steps=[(7000, 0), (7000, 0), (7000, 0), (3000, 3000), (40_000, 3000)])
@example(steps=[(7000, 0), (7000, 0), (1000, 3000), (40_000, 30_000), (3000, 10)])
@few
def test_what_a_peer_can_have_read_counts_as_sent(steps):
    """Otherwise a message that it has may be taken for one that it never saw, and be sent again."""
    with encrypted_pair() as (client, server):
        link = Wire(client, 10, "mx.test", debug=False)
        arrived = 0
        for written, read in [*steps, *[(0, 1 << 16)] * 100]:
            link.write(b"x" * written)
            assert link.look() is None
            with contextlib.suppress(ssl.SSLWantReadError):
                while read > 0:
                    octets = len(server.recv(read))
                    read -= octets
                    arrived += octets
            assert arrived <= link.output.sent
        assert arrived == link.output.sent == link.output.put
        assert arrived == sum(written for written, _ in steps)
