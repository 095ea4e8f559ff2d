"""Several messages over one session, and what happens when it breaks between or in them."""

from __future__ import annotations

import os
import re
import smtplib
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from servers import Dialogue, Recorder, mail_to, scripted_server, smtp_server

from flask_mail import BackendUnavailable, Connection, DeliveryUnknown, Message, Outcome
from flask_mail.smtp import pipeline
from flask_mail.smtp import session as client

SUPPORT = str(Path(__file__).parents[2] / "support")

SENT, REFUSED, NOT_SENT, UNKNOWN = (
    Outcome.SENT,
    Outcome.REFUSED,
    Outcome.NOT_SENT,
    Outcome.UNKNOWN,
)


def messages(*subjects):
    return [Message(each, ["to@example.com"], body="Hi") for each in subjects]


class Script:
    """A connection that accepts so many messages, and then does something else."""

    def __init__(self, accepts, then=None):
        self.accepts = accepts
        self.then = then
        self.subjects = []

    def __call__(self, connection):
        with Dialogue(connection) as talk:
            talk.greet()
            for _ in range(self.accepts):
                self.accept(talk)
            if self.then:
                self.then(talk)

    def accept(self, talk):
        talk.answer("250 ok", "250 ok", "354 go")
        [subject] = [line for line in talk.content() if line.startswith("Subject: ")]
        self.subjects.append(subject.removeprefix("Subject: "))
        talk.say("250 ok")


def close_in_the_middle(talk):
    talk.answer("250 ok")  # RCPT gets no answer


def refuse_service(talk):
    talk.answer("250 ok", "421 4.3.2 shutting down")


def close_after_the_content(talk):
    talk.answer("250 ok", "250 ok", "354 go")
    talk.content()


def talk_nonsense(talk):
    talk.answer("250 ok", "what?")
    talk.wait()


BREAKS = {
    talk_nonsense: NOT_SENT,
    close_in_the_middle: SENT,
    refuse_service: SENT,
    close_after_the_content: UNKNOWN,
}
"""Fault that breaks a connection -> outcome of the message in flight."""


@pytest.mark.parametrize("broken", BREAKS)
def test_a_batch_goes_on_over_one_new_connection(broken):
    """The message that was under way is only sent again if it was provably not accepted."""
    is_again = BREAKS[broken] is SENT
    first, second = Script(1, broken), Script(2 + is_again)
    with scripted_server(first, second) as port:
        receipts = mail_to(port).send_many(messages("one", "two", "three", "four"))
    assert [each.outcome for each in receipts] == [SENT, BREAKS[broken], SENT, SENT]
    assert [each.attempts for each in receipts] == [1, 1 + is_again, 1, 1]
    assert first.subjects == ["one"]
    assert second.subjects == ["two"] * is_again + ["three", "four"]


@pytest.mark.parametrize("broken", BREAKS)
def test_a_connection_goes_on_over_a_new_session(broken):
    is_again = BREAKS[broken] is SENT
    first, second = Script(1, broken), Script(1 + is_again)
    one, two, three = messages("one", "two", "three")
    with scripted_server(first, second) as port, mail_to(port).connect() as connection:
        connection.send(one)
        try:
            receipt = connection.send(two)
        except (BackendUnavailable, DeliveryUnknown) as error:
            receipt = error.receipt
        assert connection.send(three).sent
    assert (receipt.outcome, receipt.attempts) == (BREAKS[broken], 1 + is_again)
    assert first.subjects == ["one"]
    assert second.subjects == ["two"] * is_again + ["three"]


def test_what_the_first_connection_announced_is_forgotten_on_the_second():
    heard = []

    def without_extensions(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            heard.extend(talk.answer("250 ok", "250 ok", "354 go"))
            talk.content()
            talk.say("250 ok")

    def with_extensions(connection):
        with Dialogue(connection) as talk:
            talk.greet("SIZE 1000000", "8BITMIME")
            talk.answer("421 bye")

    with scripted_server(with_extensions, without_extensions) as port:
        receipts = mail_to(port).send_many(messages("one"))
    assert [each.outcome for each in receipts] == [SENT]
    assert heard[0] == "MAIL FROM:<me@example.com>"


@pytest.mark.parametrize("broken", BREAKS)
def test_rest_of_batch_is_not_sent_if_the_server_is_gone(broken):
    connections = []
    with scripted_server(Script(1, broken)) as port:
        connect = socket.create_connection

        def counted(*args, **kwargs):
            connections.append(args)
            return connect(*args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "create_connection", counted)
            receipts = mail_to(port).send_many(messages("one", "two", "three", "four", "five"))
    outcome = UNKNOWN if BREAKS[broken] is UNKNOWN else NOT_SENT
    assert [each.outcome for each in receipts] == [SENT, outcome, *[NOT_SENT] * 3]
    assert len(connections) == 2
    for receipt in receipts[2:]:
        assert isinstance(receipt.error, BackendUnavailable)
        assert receipt.error.stage in ("connect", "greeting")
        assert receipt.error.receipt is receipt


def test_refused_messages_leave_the_session_to_the_others():
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            heard.extend(talk.answer("550 not you", "250 ok"))  # the sender
            heard.extend(talk.answer("250 ok", "550 not them", "250 ok"))  # the recipient
            heard.extend(talk.answer("250 ok", "250 ok", "554 no", "250 ok"))  # DATA
            heard.extend(talk.answer("250 ok", "250 ok", "354 go"))
            talk.content()
            talk.say("554 spam")  # the content
            heard.extend(talk.answer("250 ok", "250 ok", "354 go"))
            talk.content()
            talk.say("250 ok")
            talk.answer("221 bye")

    with scripted_server(script) as port:
        receipts = mail_to(port).send_many(messages(*"abcde"))
    assert [each.outcome for each in receipts] == [REFUSED] * 4 + [SENT]
    assert [each[:4] for each in heard] == [
        *("MAIL", "RSET"),
        *("MAIL", "RCPT", "RSET"),
        *("MAIL", "RCPT", "DATA", "RSET"),
        *("MAIL", "RCPT", "DATA"),
        *("MAIL", "RCPT", "DATA"),
    ]


@pytest.mark.parametrize("reset", ["421 bye", "500 what?", None])
def test_a_session_that_cannot_be_reset_is_replaced(reset):
    def refuse(talk):
        talk.answer("550 not you")
        if reset:
            talk.answer(reset)

    second = Script(1)
    with scripted_server(Script(0, refuse), second) as port:
        receipts = mail_to(port).send_many(messages("one", "two"))
    assert [each.outcome for each in receipts] == [REFUSED, SENT]
    assert second.subjects == ["two"]


def test_a_message_that_a_server_cannot_take_says_nothing_to_it():
    """It needs SMTPUTF8: the session is as it was."""
    script = Script(2)
    one, two, three = messages("one", "two", "three")
    two.recipients = ["jörg@example.com"]
    with scripted_server(script) as port:
        receipts = mail_to(port).send_many([one, two, three])
    assert [each.outcome for each in receipts] == [SENT, NOT_SENT, SENT]
    assert script.subjects == ["one", "three"]


def test_a_batch_logs_in_once_and_says_goodbye_once():
    class Counting(Recorder):
        quits = 0

        async def handle_QUIT(self, server, session, envelope):
            self.quits += 1
            return "221 bye"

    recorder = Counting()
    options = {"authenticator": recorder.authenticate, "auth_require_tls": False}
    with smtp_server(recorder, **options) as server:
        mail = mail_to(server.port, MAIL_USERNAME="me", MAIL_PASSWORD="s3cret-pässword")
        receipts = mail.send_many(messages(*"abcdefgh"))
    assert all(each.sent for each in receipts)
    assert len(recorder.logins) == recorder.quits == 1
    assert len({id(each) for each in recorder.sessions}) == 1


def test_user_opened_session_is_reopened_after_breaking(monkeypatch):
    """`Connection.configure_host` of a subclass may return a session of smtplib's."""

    def configure_host(connection):
        return smtplib.SMTP("127.0.0.1", connection.mail.port, "shop.test", timeout=10)

    monkeypatch.setattr(Connection, "configure_host", configure_host)
    first, second = Script(1), Script(1)
    with scripted_server(first, second) as port, mail_to(port).connect() as connection:
        one, two, three = messages("one", "two", "three")
        assert connection.send(one).sent
        with pytest.raises(smtplib.SMTPServerDisconnected) as caught:
            connection.send(two)
        assert caught.value.receipt.outcome is NOT_SENT
        assert connection.send(three).sent
    assert (first.subjects, second.subjects) == (["one"], ["three"])


def test_a_program_that_closed_its_own_session_is_told_so(monkeypatch):
    monkeypatch.setattr(Connection, "configure_host", lambda connection: smtplib.SMTP())
    with mail_to(25).connect() as connection, pytest.raises(BackendUnavailable) as caught:
        connection.send(*messages("one"))
    assert "not connected" in str(caught.value)
    assert caught.value.stage == "connect"


def test_a_session_that_was_never_connected_ends_without_a_word():
    client.end(smtplib.SMTP())


def test_a_session_of_another_process_ends_without_a_word(monkeypatch):
    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            heard.extend(talk.connection.recv(100))

    heard = []
    with scripted_server(script) as port:
        host = client.connect(client.Server("127.0.0.1", port, timeout=10))
        monkeypatch.setattr(os, "getpid", lambda: -1)
        client.end(host)
        monkeypatch.undo()
    assert heard == []


def test_a_session_of_a_program_that_sent_nothing_says_goodbye(monkeypatch):
    def script(connection):
        with Dialogue(connection) as talk:
            talk.say("220 scripted")
            assert talk.hear() == "QUIT"

    with scripted_server(script) as port:
        monkeypatch.setattr(
            Connection, "configure_host", lambda connection: smtplib.SMTP("127.0.0.1", port)
        )
        with mail_to(port).connect():
            pass


@pytest.mark.parametrize(
    ("replies", "outcome"),
    [(["421 bye"], NOT_SENT), (["250 ok", "421 bye"], NOT_SENT), (["250 ok", "250 ok"], UNKNOWN)],
)
def test_421_without_disconnect_settles_outcome(replies, outcome, monkeypatch):
    """All has been written by then: a sender that was refused cannot have been accepted."""

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("PIPELINING", "CHUNKING")
            talk.hear()
            talk.say(*replies)
            talk.wait()

    monkeypatch.setattr(pipeline, "_GRACE", 0.05)
    monkeypatch.setattr("flask_mail.smtp.transport._VERDICT", 0.3)
    with scripted_server(script) as port:
        patience = 10 if "421 bye" in replies else 0.3
        [receipt] = mail_to(port, MAIL_TIMEOUT=patience).send_many(messages("one"))
    assert (receipt.outcome, receipt.attempts) == (outcome, 1)


def test_a_server_that_takes_no_greeting_refuses_a_session_of_a_program(monkeypatch):
    def configure_host(connection):
        return smtplib.SMTP("127.0.0.1", connection.mail.port, "shop.test", timeout=10)

    def script(connection):
        with Dialogue(connection) as talk:
            talk.say("220 scripted")
            talk.answer("550 no", "550 no")

    monkeypatch.setattr(Connection, "configure_host", configure_host)
    with (
        scripted_server(script) as port,
        mail_to(port).connect() as connection,
        pytest.raises(smtplib.SMTPHeloError),
    ):
        connection.send(messages("one")[0])


FORKING = """\
import os, sys
sys.path.insert(0, sys.argv[2])
from flask_mail import Message
from servers import mail_to

def message(subject):
    return Message(subject, ["to@example.com"], body="Hi")

with mail_to(int(sys.argv[1])).connect() as connection:
    connection.send(message("before"))
    child = os.fork()
    connection.send(message("child" if child == 0 else "parent"))
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        connection.send(message("after"))
if child == 0:
    os._exit(0)
"""


@pytest.mark.exhaustive
def test_a_forked_child_lets_go_of_the_session_of_its_parent():
    with smtp_server() as server:
        program = [sys.executable, "-c", FORKING, str(server.port), SUPPORT]
        subprocess.run(program, check=True, timeout=60)
        recorder = server.recorder
        subjects = [
            each.content.split(b"Subject: ")[1].split(b"\r\n")[0].decode()
            for each in recorder.accepted
        ]
        session_of = dict(zip(subjects, recorder.sessions, strict=True))
    assert sorted(session_of) == ["after", "before", "child", "parent"]
    assert session_of["before"] is session_of["parent"] is session_of["after"]
    assert session_of["child"] is not session_of["parent"]


def test_a_child_reconnects_and_closes_only_its_own_session(monkeypatch):
    first, second = Script(1, Dialogue.wait), Script(1)
    one, two = messages("one", "two")
    with scripted_server(first, second) as port, mail_to(port).connect() as connection:
        connection.send(one)
        monkeypatch.setattr(os, "getpid", lambda: -1)
        connection.send(two)
    assert (first.subjects, second.subjects) == (["one"], ["two"])


def test_a_child_that_sends_nothing_says_no_goodbye_for_its_parent(monkeypatch):
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            while True:
                heard.append(talk.hear())

    with (
        scripted_server(script) as port,
        mail_to(port).connect(),
    ):
        monkeypatch.setattr(os, "getpid", lambda: -1)
    assert heard == []


@pytest.mark.parametrize("stray", ["451 later", "550 never"])
def test_a_refusal_and_an_acceptance_of_one_message_are_an_unknown_outcome(stray):
    """A stray line was taken for the reply to MAIL, and now nobody knows which is whose."""

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("PIPELINING", "CHUNKING")
            talk.hear()
            talk.say(stray, "250 ok", "250 ok", "250 accepted")
            talk.wait()

    with scripted_server(script) as port:
        [receipt] = mail_to(port).send_many(messages("one"))
    assert receipt.outcome is UNKNOWN


@pytest.mark.parametrize(
    ("reply", "outcome"), [("550 5.1.8 no such sender", REFUSED), ("451 later", NOT_SENT)]
)
def test_refused_sender_stays_refused_if_the_link_breaks(reply, outcome):
    """The content had left by then, and cannot have been accepted."""

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("PIPELINING", "CHUNKING")
            talk.hear()
            talk.say(reply)

    with scripted_server(script) as port:
        [receipt] = mail_to(port).send_many(messages("one"))
    assert (receipt.outcome, receipt.attempts) == (outcome, 1)


def test_a_server_that_leaves_and_still_refuses_has_not_judged_the_message():
    """After 421 whatever it says of the content is no verdict, so the message is sent again."""

    def leaving(connection):
        with Dialogue(connection) as talk:
            talk.greet("PIPELINING", "CHUNKING")
            assert [talk.hear()[:4] for _ in range(3)] == ["MAIL", "RCPT", "BDAT"]
            talk.say("250 ok", "421 shutting down", "503 no recipients")

    with scripted_server(leaving, Script(1)) as port:
        (receipt,) = mail_to(port).send_many(messages("one"))

    assert (receipt.outcome, receipt.attempts) == (SENT, 2)


class Haraka:
    """A server that closes where anything follows the end of a content in its packet."""

    def __init__(self):
        self.accepted = []
        self.connections = 0

    def __call__(self, connection):
        self.connections += 1
        self._input = b""
        connection.sendall(b"220 mx.test\r\n")
        while (line := self._until(connection, b"\r\n")) != b"QUIT":
            if line.startswith(b"ehlo"):
                connection.sendall(b"250-mx.test\r\n250 PIPELINING\r\n")
            elif line == b"DATA":
                connection.sendall(b"354 go ahead\r\n")
                content = self._until(connection, b"\r\n.\r\n")
                self.accepted += re.findall(rb"Subject: (\d+)", content)
                if self.connections == 1 and not self._input:
                    self._input += connection.recv(65536)  # what leaves without waiting
                connection.sendall(b"250 queued\r\n")
                if self._input:
                    connection.sendall(b"503 pipelined after end of DATA\r\n")
                    return
            else:
                connection.sendall(b"250 ok\r\n")

    def _until(self, connection, end):
        while end not in self._input:
            data = connection.recv(65536)
            if not data:
                raise EOFError
            self._input += data
        found, _, self._input = self._input.partition(end)
        return found


def test_batch_learns_from_a_server_that_bears_no_overlapping_messages():
    server = Haraka()
    with scripted_server(*[server] * 24) as port:
        receipts = mail_to(port).send_many(messages(*map(str, range(24))))
    assert [each.outcome for each in receipts] == [SENT] * 24
    assert server.accepted == [b"%d" % number for number in range(24)]
    assert server.connections == 2
