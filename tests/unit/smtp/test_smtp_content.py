"""Content arrives octet for octet as rendered, and without forbidden octets."""

from __future__ import annotations

import os

import pytest
from awkward import AWKWARD
from hypothesis import example, given, settings
from hypothesis import strategies as st
from servers import Dialogue, mail_to, scripted_server, smtp_server

from flask_mail import Envelope, Message, MessageError, Outcome
from flask_mail.delivery.outgoing import Outgoing
from flask_mail.smtp import session as client
from flask_mail.smtp.delivery import Delivery

ENVELOPE = Envelope("me@example.com", ("to@example.com",))


def transact(host, where, envelope, content):
    [result] = Delivery(host, where, reopen=None).carry([(envelope, content)])
    assert result.error is None


@pytest.fixture(scope="module")
def server():
    with smtp_server() as running:
        yield running


@pytest.fixture(scope="module")
def session(server):
    """One session for many examples, and the server that it is with."""
    where = client.Server("127.0.0.1", server.port, timeout=10)
    host = client.connect(where)
    yield host, where
    client.end(host)


LINES = st.lists(st.sampled_from(["", ".", "..", ".a", "a.", "a", "From x", " ", "QUIT"]))


@given(LINES.map("\r\n".join), st.sampled_from(["", "\r\n"]))
@example("", "")
@example(".", "")
@example(".\r\nQUIT", "\r\n")
@settings(deadline=None)
def test_dots_and_line_ends_arrive_as_they_were(server, session, text, end):
    """The server's copy equals the content, with a final CRLF if it had none."""
    host, where = session
    content = (text + end).encode()
    transact(host, where, ENVELOPE, content)
    arrived = server.recorder.accepted.pop().content
    assert arrived == (content if content.endswith(b"\r\n") else content + b"\r\n")


@given(body=st.text(), html=st.none() | st.text())
@example(body=".", html=None)
@example(body="\n.\n", html="\r.\r\n.\n")
@example(body="\x00\x1a\x85\u2028.", html="\N{GRINNING FACE}")
@settings(deadline=None)
def test_any_text_arrives_as_it_was_rendered(server, session, body, html):
    host, where = session
    message = Message("Hello", ["to@example.com"], body, html, sender="me@example.com")
    mail = Outgoing.of(message)
    transact(host, where, mail.envelope, mail.content)
    arrived = server.recorder.accepted.pop().content
    assert arrived.removesuffix(b"\r\n") == mail.content.removesuffix(b"\r\n")
    assert arrived.isascii()


def test_awkward_messages_are_stored_as_they_were_built(server):
    mail = mail_to(server.port, MAIL_POOL_SIZE=0)
    messages = [draft.message(name) for name, draft in AWKWARD.items()]
    server.recorder.accepted.clear()
    receipts = mail.send_many(messages)
    assert [each.error for each in receipts] == [None] * len(messages)
    for name, message, envelope in zip(AWKWARD, messages, server.recorder.accepted, strict=True):
        content = message.as_bytes()
        end = b"" if content.endswith(b"\r\n") else b"\r\n"
        assert (name, envelope.content) == (name, content + end)
        expected = Outgoing.of(message).envelope
        assert (envelope.mail_from, tuple(envelope.rcpt_tos)) == (
            expected.sender,
            expected.recipients,
        )


def test_a_large_file_is_stored_byte_for_byte(server, tmp_path):
    """It is read and encoded block by block as it is sent."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(3 * 1024 * 1024 + 1))
    message = Message("Large", ["to@example.com"], ".\r\n", sender="me@example.com")
    message.attach_file(path)
    server.recorder.accepted.clear()
    mail_to(server.port, MAIL_POOL_SIZE=0).send(message)
    [envelope] = server.recorder.accepted
    is_intact = envelope.content == message.as_bytes()
    assert is_intact


def test_a_line_feed_without_a_carriage_return_ends_no_message():
    """Some servers take a bare LF for a line end: what follows "LF dot" would be commands."""
    lines = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            talk.answer("250 ok", "250 ok", "354 go")
            lines.extend(talk.content())
            talk.say("250 ok")

    with scripted_server(script) as port:
        where = client.Server("127.0.0.1", port, timeout=10)
        host = client.connect(where)
        transact(host, where, ENVELOPE, b"one\n.\r\nMAIL FROM:<evil@example.com>\r\n")
        client.drop(host)
    assert lines == ["one", "..", "MAIL FROM:<evil@example.com>"]


class Raw(Message):
    """A message that renders itself, as one that is signed does."""

    raw = b""

    def as_bytes(self):
        return self.raw


def raw(content, **fields):
    message = Raw("Hello", ["to@example.com"], **fields)
    message.raw = content
    return message


def commands_for(message, *extensions):
    """Send a message to a server with these extensions; return what it hears until DATA."""
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet(*extensions)
            heard.extend(talk.answer("250 ok", "250 ok", "354 go"))
            talk.content()
            talk.say("250 ok")

    with scripted_server(script) as port:
        mail_to(port).send(message)
    return heard


def refusal_of(message, *extensions):
    """Send a message that such a server cannot take, which must not be said to it."""
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet(*extensions)
            while True:
                heard.append(talk.hear())
                talk.say("221 bye")

    with (
        scripted_server(script) as port,
        pytest.raises(MessageError) as caught,
    ):
        mail_to(port).send(message)
    assert heard == ["QUIT"]
    return str(caught.value)


EIGHT_BIT = b"Subject: Hello\r\n\r\n\xc3\xb6\r\n"
UTF8_HEADER = b"Subject: \xc3\xb6\r\n\r\nHello\r\n"


def test_eight_bits_are_declared_where_the_server_offers_them():
    assert commands_for(raw(EIGHT_BIT), "8BITMIME")[0].endswith(" BODY=8BITMIME")


@pytest.mark.parametrize("declared", ["body=8bitmime", "BODY=7BIT"])
def test_what_the_caller_declares_never_belies_the_content(declared):
    message = raw(EIGHT_BIT, mail_options=[declared])
    assert commands_for(message, "8BITMIME")[0] == "MAIL FROM:<me@example.com> BODY=8BITMIME"


def test_a_declaration_of_the_caller_stands_for_content_that_is_ascii():
    message = raw(b"Subject: Hello\r\n\r\nHi\r\n", mail_options=["BODY=7BIT"])
    assert commands_for(message, "8BITMIME")[0] == "MAIL FROM:<me@example.com> BODY=7BIT"


def content_for(message, *extensions):
    """Send a message to a server with these extensions; return the content that it gets."""
    lines = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet(*extensions)
            lines.append(talk.answer("250 ok", "250 ok", "354 go")[0])
            lines.extend(talk.content())
            talk.say("250 ok")

    with scripted_server(script) as port:
        mail_to(port).send(message)
    return lines


def test_eight_bits_are_encoded_for_a_server_that_does_not_offer_them():
    command, *lines = content_for(raw(EIGHT_BIT), "SMTPUTF8")
    assert command == "MAIL FROM:<me@example.com>"
    assert lines == [
        "Subject: Hello",
        "Content-Type: text/plain; charset=utf-8",
        "MIME-Version: 1.0",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "=C3=B6",
    ]


def test_an_attached_message_of_eight_bits_goes_everywhere():
    message = Message("Hello", ["to@example.com"], "Hi", sender="me@example.com")
    message.attach("a.eml", "message/rfc822", EIGHT_BIT)
    lines = content_for(message, "SIZE 1000000")
    assert f"SIZE={len(chr(10).join(lines[1:])) + len(lines)}" in lines[0]
    assert "=C3=B6" in lines
    assert "".join(lines).isascii()
    assert commands_for(message, "8BITMIME")[0].endswith(" BODY=8BITMIME")


def test_a_nul_never_goes_anywhere():
    assert "contains a NUL" in refusal_of(raw(b"\r\na\0b\r\n"), "8BITMIME", "BINARYMIME")


def test_a_header_in_utf_8_needs_smtputf8():
    [mail, _, _] = commands_for(raw(UTF8_HEADER), "SMTPUTF8", "8BITMIME")
    assert mail == "MAIL FROM:<me@example.com> BODY=8BITMIME SMTPUTF8"
    assert "A header" in refusal_of(raw(UTF8_HEADER), "8BITMIME")


@pytest.mark.parametrize("given", [[], ["SMTPUTF8"], ["smtputf8"]])
def test_an_address_beyond_ascii_goes_to_a_server_that_offers_smtputf8(given):
    message = Message("Hello", ["jörg@bücher.example"], body="Hi", mail_options=given)
    mail, rcpt, _ = commands_for(message, "SMTPUTF8")
    assert mail == f"MAIL FROM:<me@example.com> {given[0] if given else 'SMTPUTF8'}"
    assert rcpt == "RCPT TO:<jörg@xn--bcher-kva.example>"


@pytest.mark.parametrize("fields", [{"recipients": ["jörg@example.com"]}, {"sender": "jörg@x.de"}])
def test_address_beyond_ascii_is_refused_without_smtputf8(fields):
    message = Message("Hello", **{"recipients": ["to@example.com"], "body": "Hi", **fields})
    assert "The address 'jörg@" in refusal_of(message, "8BITMIME")


def test_the_commands_after_such_a_message_are_ascii_again():
    with smtp_server() as server, mail_to(server.port).connect() as connection:
        connection.send(Message("Hello", ["jörg@example.com"], body="Hi"))
        connection.send(Message("Hello", ["to@example.com"], body="Hi"))
    assert [each.rcpt_tos for each in server.recorder.accepted] == [
        ["jörg@example.com"],
        ["to@example.com"],
    ]


def test_a_message_that_the_server_cannot_take_is_not_sent():
    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            talk.wait()

    with scripted_server(script) as port:
        [receipt] = mail_to(port).send_many([raw(UTF8_HEADER)])
    assert receipt.outcome is Outcome.NOT_SENT
    assert isinstance(receipt.error, MessageError)
