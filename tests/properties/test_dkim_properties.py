"""Any message that is signed verifies with dkimpy after a server has stored it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dkim_judges import by_dkimpy, ed25519_pem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import drafts
from servers import Recorder, Running, smtp_server

from flask_mail import Message
from flask_mail.backends.dkim import DkimBackend
from flask_mail.backends.smtp import SmtpBackend

pytestmark = pytest.mark.exhaustive

_VALUES = st.text(st.sampled_from("ab \t=:;é"), max_size=30)
_NAMES = st.sampled_from(
    ["List-Unsubscribe", "list-id", "LIST-X", "Content-X", "From-X", "Sender", "Reply-To", "Cc"]
)
_HEADERS = st.lists(
    st.tuples(_NAMES, _VALUES, st.sampled_from([": ", ":", ":\r\n ", ":\t"])), max_size=6
)
_LINES = st.text(st.sampled_from("ab. \t=-é"), max_size=12)
_BODIES = st.lists(_LINES, max_size=8).map("\r\n".join)


class Ready(Message):
    """A message whose content a program has made itself."""

    content = b""

    def as_bytes(self) -> bytes:
        return self.content


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with smtp_server(Recorder(), decode_data=False) as server:
        yield server


@pytest.fixture(scope="module")
def backend(server: Running) -> DkimBackend:
    smtp = SmtpBackend(server=server.host, port=server.port)
    return DkimBackend(mailer=smtp, domain="example.com", selector="s1", key=ed25519_pem())


def assert_verifies(server: Running, backend: DkimBackend, message: Message) -> None:
    server.recorder.accepted.clear()
    session = backend.open()
    try:
        backend.send(message, session)
    finally:
        backend.close(session)
    [envelope] = server.recorder.accepted
    content: Any = envelope.content
    assert by_dkimpy(content, backend.dkim_records()) == [True], content
    header, _, _ = content.partition(b"\r\n\r\n")
    assert max(map(len, header.split(b"\r\n"))) <= 998


few = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])


@few
@given(drafts())
def test_any_message_verifies_after_delivery(server, backend, draft):
    message = draft.message()
    message.sender = (draft.sender[0], "me@news.example.com")
    assert_verifies(server, backend, message)


@few
@given(_HEADERS, _BODIES)
def test_any_content_of_a_program_verifies_after_delivery(server, backend, headers, body):
    message = Ready("Hi", ["to@example.org"], sender="me@example.com")
    fields = "".join(f"{name}{colon}{value}\r\n" for name, value, colon in headers)
    text = f"{fields}From: me@example.com\r\nMessage-ID: {message.msgId}\r\n\r\n{body}"
    message.content = text.encode()
    assert_verifies(server, backend, message)
