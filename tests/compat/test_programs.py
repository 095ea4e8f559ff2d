"""Programs that combine threads, queues, batches and error handling."""

from __future__ import annotations

import copy
import json
import pickle
import smtplib
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, current_app

from flask_mail import Attachment, BadHeaderError, Mail, Message


def hello(**fields: Any) -> Message:
    return Message(
        **{
            "subject": "testing",
            "sender": "from@example.com",
            "recipients": ["to@example.com"],
            "body": "testing",
            **fields,
        }
    )


# --- Guards ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["mail", "connection"])
def test_a_message_without_recipients_is_an_assertion_error(mail: Mail, way: str) -> None:
    msg = Message("testing", recipients=[], body="testing")

    with mail.connect() as conn, pytest.raises(AssertionError, match="recipients"):
        (mail if way == "mail" else conn).send(msg)


@pytest.mark.parametrize("field", ["cc", "bcc"])
def test_copies_alone_are_recipients_enough(mail: Mail, field: str) -> None:
    with mail.record_messages() as outbox:
        mail.send(Message("testing", **{field: ["copy@example.com"]}))

    assert len(outbox) == 1


@pytest.mark.parametrize(
    "subject",
    [
        "testing\r\n",
        "testing\n\r",
        "testing\r\n testing\r\n ",
        "testing\r\n testing\r\n\t",
        "testing\r\n testing\r\n\n",
        "testing\r\ntesting",
        "testing\n testing",
    ],
)
def test_a_badly_folded_subject_is_refused(mail: Mail, subject: str) -> None:
    msg = hello(subject=subject)

    assert msg.has_bad_headers() is True
    with mail.connect() as conn, pytest.raises(BadHeaderError):
        conn.send(msg)


def test_a_good_message_has_no_bad_headers(mail: Mail) -> None:
    msg = hello(recipients=[("Zoë", "to@example.com")], reply_to="Me <me@example.com>")

    assert msg.has_bad_headers() is False


# --- Recipients --------------------------------------------------------------------------------


def test_all_recipients_are_one_set(mail: Mail) -> None:
    """Suites compare it with sets, join it with others and take an element out of it."""
    msg = hello(recipients=["to@example.com"], cc=["cc@example.com"], bcc=["bcc@example.com"])
    other = hello(recipients=["other@example.com"])

    assert len(msg.send_to) == 3
    assert msg.send_to == {"to@example.com", "cc@example.com", "bcc@example.com"}
    assert msg.send_to.difference({"to@example.com"}) == {"cc@example.com", "bcc@example.com"}
    assert "cc@example.com" in msg.send_to
    assert len(msg.send_to | other.send_to) == 4
    assert other.send_to.pop() == "other@example.com"
    msg.add_recipient("cc@example.com")
    assert len(msg.send_to) == 3


def test_recipients_are_a_list_that_programs_work_on(mail: Mail) -> None:
    msg = Message("testing")
    msg.recipients.append("first@example.com")
    msg.recipients += ["second@example.com"]
    msg.cc.extend(["cc@example.com"])
    msg.bcc = ["bcc@example.com"]

    assert msg.recipients == ["first@example.com", "second@example.com"]
    assert msg.recipients[0] == "first@example.com"
    assert msg.send_to == {
        "first@example.com",
        "second@example.com",
        "cc@example.com",
        "bcc@example.com",
    }


def test_one_message_is_sent_to_one_after_the_other(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail(live_app)

    with live_app.app_context(), mail.connect() as conn:
        msg = hello()
        for address in ("a@example.com", "b@example.com"):
            msg.recipients = [address]
            conn.send(msg)

    assert [to for _, to, _ in fake_smtp.sent] == [["a@example.com"], ["b@example.com"]]
    assert b"To: b@example.com" in fake_smtp.sent[1][2]


def test_the_body_may_be_changed_between_two_sends(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail(live_app)

    with live_app.app_context():
        msg = hello(body="one")
        mail.send(msg)
        msg.body = "two"
        mail.send(msg)

    assert [content.rstrip()[-3:] for _, _, content in fake_smtp.sent] == [b"one", b"two"]


def test_attachments_may_be_put_into_the_list(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail(live_app)

    with live_app.app_context():
        msg = hello()
        msg.attachments = [Attachment("a.txt", "text/plain", b"a")]
        msg.attachments.append(Attachment("b.txt", "text/plain", b"b"))
        mail.send(msg)

    assert fake_smtp.sent[0][2].count(b"Content-Disposition: attachment") == 2


# --- Envelope ----------------------------------------------------------------------------------


def test_what_a_server_receives_is_what_was_asked_for(
    make_app: Callable[..., Flask], smtp_server: Any
) -> None:
    app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=smtp_server.port)
    mail = Mail(app)

    with app.app_context():
        msg = hello(
            sender=("Mé", "me@example.com"),
            recipients=["to@example.com", ("Zoë", "zoe@example.com")],
            cc=["Çopy <cc@example.com>"],
            bcc=["hidden@example.com"],
            body=".\nnot the end",
        )
        mail.send(msg)

    [delivery] = smtp_server.deliveries
    assert delivery.sender == "me@example.com"
    assert sorted(delivery.recipients) == [
        "cc@example.com",
        "hidden@example.com",
        "to@example.com",
        "zoe@example.com",
    ]
    assert b"hidden" not in delivery.content
    assert delivery.content.rstrip().endswith(b"\r\n\r\n.\r\nnot the end")


def test_the_envelope_sender_may_differ_from_the_header(
    make_app: Callable[..., Flask], smtp_server: Any
) -> None:
    app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=smtp_server.port)
    mail = Mail(app)

    with app.app_context(), mail.connect() as conn:
        conn.send(hello(), envelope_from="bounces@example.com")
        conn.send(hello(), "Bouncés <bounces@example.com>")

    assert [each.sender for each in smtp_server.deliveries] == ["bounces@example.com"] * 2
    assert all(b"From: from@example.com" in each.content for each in smtp_server.deliveries)


# --- Errors ------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_a_connection_error(make_app: Callable[..., Flask]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=unused.getsockname()[1])
    mail = Mail(app)

    with (
        app.app_context(),
        mail.record_messages() as outbox,
        pytest.raises(ConnectionRefusedError),
    ):
        mail.send(hello())
    assert outbox == []


def test_a_login_that_is_refused_is_an_authentication_error(
    make_app: Callable[..., Flask], fake_smtp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def login(self: object, user: str, password: str) -> None:
        raise smtplib.SMTPAuthenticationError(535, b"wrong")

    monkeypatch.setattr("flask_mail.smtplib.SMTP.login", login)
    app = make_app(MAIL_USERNAME="someone", MAIL_PASSWORD="a secret")
    mail = Mail(app)

    with app.app_context(), pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        mail.send(hello())

    assert (caught.value.smtp_code, caught.value.smtp_error) == (535, b"wrong")
    assert fake_smtp.sent == []


def test_a_batch_goes_on_after_a_message_that_was_refused(
    live_app: Flask, fake_smtp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs catch the refusal of one recipient and send to the next."""
    deliver = smtplib.SMTP.sendmail

    def sendmail(self: Any, from_addr: str, to_addrs: list[str], msg: bytes, *options: Any) -> None:
        if to_addrs == ["gone@example.com"]:
            raise smtplib.SMTPRecipientsRefused({"gone@example.com": (550, b"no such user")})
        deliver(self, from_addr, to_addrs, msg, *options)

    monkeypatch.setattr("flask_mail.smtplib.SMTP.sendmail", sendmail)
    mail = Mail(live_app)
    failed = []

    with live_app.app_context(), mail.connect() as conn:
        for address in ("a@example.com", "gone@example.com", "b@example.com"):
            try:
                conn.send(hello(recipients=[address]))
            except smtplib.SMTPRecipientsRefused as error:
                failed.extend(error.recipients)

    assert failed == ["gone@example.com"]
    assert [to for _, to, _ in fake_smtp.sent] == [["a@example.com"], ["b@example.com"]]


def test_an_error_in_the_block_of_a_connection_goes_on(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail(live_app)

    def program() -> None:
        with mail.connect() as conn:
            conn.send(hello())
            raise ZeroDivisionError

    with live_app.app_context(), pytest.raises(ZeroDivisionError):
        program()

    assert len(fake_smtp.sent) == 1


# --- Threads and queues ------------------------------------------------------------------------


def send_in_background(app: Flask, mail: Mail, msg: Message) -> None:
    def run() -> None:
        with app.app_context():
            mail.send(msg)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_a_message_made_in_a_request_is_sent_by_a_thread(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    app = make_app(MAIL_DEFAULT_SENDER="from@example.com")
    mail = Mail()
    mail.init_app(app)

    @app.get("/")
    def view() -> str:
        msg = Message("testing", recipients=["to@example.com"], body="testing")
        send_in_background(current_app._get_current_object(), mail, msg)
        return "sent"

    assert app.test_client().get("/").text == "sent"
    assert [sender for sender, _, _ in fake_smtp.sent] == ["from@example.com"]


def test_messages_sent_by_threads_are_recorded(app: Flask, mail: Mail) -> None:
    with mail.record_messages() as outbox:
        send_in_background(app, mail, hello())

    assert len(outbox) == 1


def test_a_message_is_pickled_for_a_queue(mail: Mail) -> None:
    msg = hello(html="<p>testing</p>", cc=[("Zoë", "cc@example.com")])
    msg.attach("notes.txt", "text/plain", b"notes")

    with mail.record_messages() as outbox:
        mail.send(pickle.loads(pickle.dumps(msg)))

    [sent] = outbox
    assert (sent.msgId, sent.html, sent.cc) == (msg.msgId, msg.html, msg.cc)
    assert vars(sent.attachments[0]) == vars(msg.attachments[0])


def test_a_message_that_was_sent_is_pickled_too(mail: Mail) -> None:
    msg = hello()
    mail.send(msg)

    assert pickle.loads(pickle.dumps(msg)).date == msg.date


def test_the_attributes_of_a_message_travel_as_json_and_make_it_anew(
    live_app: Flask, fake_smtp: Any
) -> None:
    """The Celery recipe: `msg.__dict__` is the argument of the task, which fills in a blank one."""
    mail = Mail(live_app)

    with live_app.app_context():
        original = hello(html="<p>testing</p>", cc=["cc@example.com"], reply_to="me@example.com")
        argument = json.dumps(original.__dict__)
        msg = Message()
        msg.__dict__.update(json.loads(argument))
        mail.send(msg)

    assert msg.recipients == ["to@example.com"]
    assert msg.msgId == original.msgId
    [(sender, recipients, content)] = fake_smtp.sent
    assert sender == "from@example.com"
    assert sorted(recipients) == ["cc@example.com", "to@example.com"]
    for header in (b"Subject: testing", b"Cc: cc@example.com", b"Reply-To: me@example.com"):
        assert header in content
    assert b"<p>testing</p>" in content


def test_a_deep_copy_of_a_message_is_independent(mail: Mail) -> None:
    msg = hello()
    clone = copy.deepcopy(msg)
    clone.recipients.append("other@example.com")
    clone.html = "<p>other</p>"

    assert msg.recipients == ["to@example.com"]
    assert msg.html is None


# --- Recording ---------------------------------------------------------------------------------


def test_the_outbox_holds_the_very_messages_in_order(mail: Mail) -> None:
    messages = [hello(subject=f"number {i}") for i in range(3)]

    with mail.record_messages() as outbox:
        assert outbox == []
        for msg in messages:
            mail.send(msg)

    assert [id(each) for each in outbox] == [id(each) for each in messages]


def test_recording_ends_with_its_block(mail: Mail) -> None:
    with mail.record_messages() as outbox:
        mail.send(hello())
    mail.send(hello())

    assert len(outbox) == 1


def test_recordings_may_be_nested(mail: Mail) -> None:
    with mail.record_messages() as outer:
        mail.send(hello())
        with mail.record_messages() as inner:
            mail.send(hello())

    assert (len(outer), len(inner)) == (2, 1)


def test_recording_needs_neither_context_nor_app(make_app: Callable[..., Flask]) -> None:
    mail = Mail()
    app = make_app(TESTING=True)
    mail.init_app(app)

    with mail.record_messages() as outbox, app.app_context():
        mail.send(hello())

    assert len(outbox) == 1


def test_messages_that_really_are_sent_are_recorded_too(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail(live_app)

    with live_app.app_context(), mail.record_messages() as outbox:
        mail.send(hello())

    assert len(outbox) == len(fake_smtp.sent) == 1


# --- Configuring again -------------------------------------------------------------------------


@pytest.mark.parametrize("made_for_the_app", [True, False])
def test_init_app_is_called_again_after_the_settings_changed(
    make_app: Callable[..., Flask], fake_smtp: Any, made_for_the_app: bool
) -> None:
    app = make_app(MAIL_SERVER="old.example.com")
    mail = Mail(app) if made_for_the_app else Mail()
    mail.init_app(app)
    app.config.update(MAIL_SERVER="new.example.com", MAIL_PORT=2525)

    state = mail.init_app(app)

    assert app.extensions["mail"] is state
    assert (state.server, state.port) == ("new.example.com", 2525)
    with app.app_context():
        mail.send(hello())
    assert (fake_smtp.opened[0].host, fake_smtp.opened[0].port) == ("new.example.com", 2525)


def test_init_app_called_again_forgets_what_was_assigned(make_app: Callable[..., Flask]) -> None:
    app = make_app(MAIL_DEFAULT_SENDER="configured@example.com")
    mail = Mail()
    mail.init_app(app).default_sender = "assigned@example.com"

    mail.init_app(app)

    assert app.extensions["mail"].default_sender == "configured@example.com"
