"""Intended differences from 0.10.

Nearly all of these tests fail on 0.10. `docs/migrating.md` lists the differences.
"""

from __future__ import annotations

import email
import functools
import os
import smtplib
import socket
import subprocess
import sys
from collections.abc import Callable
from email.message import Message as Part
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from flask import Flask, has_app_context

import flask_mail
from flask_mail import BadHeaderError, Mail, Message, email_dispatched

Seen = list[tuple[Any, Any]]


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


def parsed(content: bytes) -> Part:
    return email.message_from_bytes(content)


def run_python(code: str, *options: str) -> list[str]:
    """Run `code` in an interpreter of its own; return the lines that it printed."""
    root = str(Path(flask_mail.__file__).parent.parent)
    completed = subprocess.run(
        [sys.executable, *options, "-c", dedent(code)],
        env={**os.environ, "PYTHONPATH": root},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return completed.stdout.splitlines()


@pytest.fixture
def served_app(make_app: Callable[..., Flask], smtp_server: Any) -> Flask:
    """An app that sends to a server on this machine."""
    return make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=smtp_server.port)


# --- Without an app context --------------------------------------------------------------------


def test_a_message_is_made_and_sent_without_an_app_context(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    """The default sender is found when the message is sent."""
    mail = Mail(make_app(MAIL_DEFAULT_SENDER="default@example.com"))
    msg = Message("Hello", ["to@example.com"], "testing")

    assert not has_app_context()
    mail.send(msg)

    [(sender, recipients, content)] = fake_smtp.sent
    assert (sender, recipients) == ("default@example.com", ["to@example.com"])
    assert parsed(content)["From"] == "default@example.com"


def test_a_default_sender_with_a_name_is_found_when_the_message_is_sent(
    served_app: Flask, smtp_server: Any
) -> None:
    served_app.config["MAIL_DEFAULT_SENDER"] = ("Me", "me@example.com")
    mail = Mail(served_app)

    mail.send(Message("Hello", ["to@example.com"], "testing"))

    [delivery] = smtp_server.deliveries
    assert delivery.sender == "me@example.com"
    assert parsed(delivery.content)["From"] == "Me <me@example.com>"


def test_a_message_made_without_a_context_is_sent_in_one(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    msg = Message("Hello", ["to@example.com"], "testing")
    app = make_app(MAIL_DEFAULT_SENDER="default@example.com")
    mail = Mail()
    mail.init_app(app)

    with app.app_context():
        mail.send(msg)

    assert [sender for sender, _, _ in fake_smtp.sent] == ["default@example.com"]


def test_every_way_of_sending_works_without_an_app_context(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    app = make_app(MAIL_DEFAULT_SENDER="default@example.com")
    mail = Mail(app)

    mail.send_message("one", ["to@example.com"])
    app.extensions["mail"].send(Message("two", ["to@example.com"]))
    with mail.connect() as conn:
        conn.send(Message("three", ["to@example.com"]))
        conn.send_message("four", ["to@example.com"])

    subjects = [parsed(content)["Subject"] for _, _, content in fake_smtp.sent]
    assert subjects == ["one", "two", "three", "four"]
    assert {sender for sender, _, _ in fake_smtp.sent} == {"default@example.com"}


def test_messages_are_recorded_without_an_app_context(make_app: Callable[..., Flask]) -> None:
    app = make_app(TESTING=True, MAIL_DEFAULT_SENDER="default@example.com")
    mail = Mail(app)
    seen: Seen = []

    def receiver(app: Flask, message: Message) -> None:
        seen.append((app, message))

    msg = Message("Hello", ["to@example.com"])
    with email_dispatched.connected_to(receiver), mail.record_messages() as outbox:
        mail.send(msg)

    assert outbox == [msg]
    assert seen == [(app, msg)]


def test_a_message_is_shown_without_an_app_context() -> None:
    text = Message("Hello", ["to@example.com"], "testing", sender="me@example.com").as_string()

    assert "Subject: Hello" in text
    assert "From: me@example.com" in text


def test_no_sender_at_all_is_told_when_the_message_is_sent(make_app: Callable[..., Flask]) -> None:
    mail = Mail(make_app(TESTING=True))
    msg = Message("Hello", ["to@example.com"])

    with pytest.raises(flask_mail.NoSender, match="MAIL_DEFAULT_SENDER"):
        mail.send(msg)


# --- Configuration is looked at when mail is sent ----------------------------------------------


@pytest.mark.parametrize("made_for_the_app", [True, False])
def test_testing_that_is_switched_on_late_keeps_mail_from_leaving(
    make_app: Callable[..., Flask], fake_smtp: Any, made_for_the_app: bool
) -> None:
    """The oldest complaint about Flask-Mail: tests that mail customers."""
    app = make_app(MAIL_DEFAULT_SENDER="from@example.com")
    mail = Mail(app) if made_for_the_app else Mail()
    mail.init_app(app)

    app.config["TESTING"] = True
    with app.app_context(), mail.record_messages() as outbox:
        mail.send(hello())
        app.extensions["mail"].send(hello())
        with mail.connect() as conn:
            conn.send(hello())

    assert fake_smtp.opened == []
    assert len(outbox) == 3
    assert app.extensions["mail"].suppress is True


def test_testing_that_is_switched_off_again_lets_mail_leave(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    app = make_app(TESTING=True)
    mail = Mail(app)

    with app.app_context():
        mail.send(hello())
        app.testing = False
        mail.send(hello())

    assert len(fake_smtp.sent) == 1


def test_suppression_that_is_configured_late_is_honoured(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail(live_app)
    live_app.config["MAIL_SUPPRESS_SEND"] = True

    with live_app.app_context():
        mail.send(hello())

    assert fake_smtp.opened == []


def test_settings_made_after_mail_are_honoured(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    app = make_app()
    mail = Mail(app)
    app.config.update(
        MAIL_SERVER="late.example.com",
        MAIL_PORT=587,
        MAIL_USE_TLS=True,
        MAIL_USERNAME="someone",
        MAIL_PASSWORD="a secret",
        MAIL_DEFAULT_SENDER="late@example.com",
        MAIL_MAX_EMAILS=1,
    )

    with app.app_context(), mail.connect() as conn:
        conn.send(Message("Hello", ["to@example.com"]))
        conn.send(Message("Hello", ["to@example.com"]))

    sessions = [session for session in fake_smtp.opened if session.sent]
    assert len(sessions) == 2
    for session in sessions:
        assert (session.host, session.port, session.tls) == ("late.example.com", 587, True)
        assert session.credentials == ("someone", "a secret")
    assert {sender for sender, _, _ in fake_smtp.sent} == {"late@example.com"}


def test_the_state_shows_settings_made_after_mail(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    mail = Mail(app)
    app.config.update(MAIL_SERVER="late.example.com", MAIL_ASCII_ATTACHMENTS=True)

    assert mail.server == app.extensions["mail"].server == "late.example.com"
    assert app.extensions["mail"].ascii_attachments is True


def test_what_was_assigned_wins_over_settings_made_later(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail(live_app)
    mail.state.default_sender = "assigned@example.com"
    mail.state.server = "assigned.example.com"
    live_app.config.update(MAIL_DEFAULT_SENDER="late@example.com", MAIL_SERVER="late.example.com")

    with live_app.app_context():
        mail.send(Message("Hello", ["to@example.com"]))

    assert fake_smtp.opened[0].host == "assigned.example.com"
    assert [sender for sender, _, _ in fake_smtp.sent] == ["assigned@example.com"]


# --- What settings mean ------------------------------------------------------------------------


@pytest.mark.parametrize("no", ["False", "false", "0", "no", "off", ""])
def test_a_no_from_the_environment_is_a_no(
    make_app: Callable[..., Flask], fake_smtp: Any, no: str
) -> None:
    app = make_app(MAIL_USE_TLS=no, MAIL_USE_SSL=no)
    mail = Mail(app)

    assert app.extensions["mail"].use_tls is False
    assert app.extensions["mail"].use_ssl is False
    with app.app_context():
        mail.send(hello())
    assert not fake_smtp.opened[0].tls


@pytest.mark.parametrize("yes", ["True", "true", "1", "yes", "on"])
def test_a_yes_from_the_environment_is_a_yes(make_app: Callable[..., Flask], yes: str) -> None:
    app = make_app(MAIL_USE_TLS=yes)
    Mail(app)

    assert app.extensions["mail"].use_tls is True


def test_a_suppression_from_the_environment_is_understood(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    app = make_app(TESTING=True, MAIL_SUPPRESS_SEND="False")
    mail = Mail(app)

    with app.app_context():
        mail.send(hello())

    assert len(fake_smtp.sent) == 1


def test_numbers_from_the_environment_are_numbers(make_app: Callable[..., Flask]) -> None:
    app = make_app(MAIL_PORT="587", MAIL_MAX_EMAILS="20")
    Mail(app)

    assert app.extensions["mail"].port == 587
    assert app.extensions["mail"].max_emails == 20


def test_implicit_tls_has_a_port_of_its_own(make_app: Callable[..., Flask]) -> None:
    app = make_app(MAIL_USE_SSL=True)
    Mail(app)
    with_port = make_app(MAIL_USE_SSL=True, MAIL_PORT=2465)
    Mail(with_port)

    assert app.extensions["mail"].port == 465
    assert with_port.extensions["mail"].port == 2465


def test_a_debugging_app_does_not_print_the_dialogue(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    """It shows the password."""
    app = make_app(DEBUG=True, MAIL_USERNAME="someone", MAIL_PASSWORD="a secret")
    mail = Mail(app)

    with app.app_context():
        mail.send(hello())

    assert fake_smtp.opened[0].debuglevel == 0


def test_the_most_messages_per_connection_are_given_for_one_batch(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    """As before 0.8."""
    app = make_app(MAIL_MAX_EMAILS=100)
    mail = Mail(app)

    with app.app_context(), mail.connect(max_emails=2) as conn:
        for _ in range(3):
            conn.send(hello())

    assert [len(session.sent) for session in fake_smtp.opened] == [2, 1]


# --- Settings from before 0.8 ------------------------------------------------------------------


@pytest.mark.parametrize("sender", ["old@example.com", ("Old", "old@example.com")])
def test_default_mail_sender_still_names_the_default_sender(
    make_app: Callable[..., Flask], sender: Any
) -> None:
    app = make_app(TESTING=True, DEFAULT_MAIL_SENDER=sender)

    def program() -> list[Message]:
        mail = Mail(app)
        with app.app_context(), mail.record_messages() as outbox:
            mail.send(Message("Hello", ["to@example.com"]))
        return outbox

    with pytest.warns(DeprecationWarning, match="MAIL_DEFAULT_SENDER"):
        [sent] = program()
    assert "old@example.com" in sent.sender


def test_default_max_emails_still_limits_a_connection(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    app = make_app(DEFAULT_MAX_EMAILS=2)

    def program() -> None:
        mail = Mail(app)
        with app.app_context(), mail.connect() as conn:
            for _ in range(3):
                conn.send(hello())

    with pytest.warns(DeprecationWarning, match="MAIL_MAX_EMAILS"):
        program()
    assert [len(session.sent) for session in fake_smtp.opened] == [2, 1]


def test_mail_fail_silently_still_hides_a_failed_connection(make_app: Callable[..., Flask]) -> None:
    """Not from the receipt."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=port, MAIL_FAIL_SILENTLY=True)

    def program() -> tuple[flask_mail.Receipt, list[Message]]:
        mail = Mail(app)
        with app.app_context(), mail.record_messages() as outbox:
            return mail.send(hello()), outbox

    with pytest.warns(DeprecationWarning, match="MAIL_FAIL_SILENTLY"):
        receipt, outbox = program()
    assert receipt.outcome is flask_mail.Outcome.NOT_SENT
    assert outbox == []


# --- Recipients --------------------------------------------------------------------------------


def dict_keys(addresses: list[str]) -> Any:
    return dict.fromkeys(addresses).keys()


def generator(addresses: list[str]) -> Any:
    return (address for address in addresses)


@pytest.mark.parametrize("field", ["recipients", "cc", "bcc"])
@pytest.mark.parametrize("kind", [tuple, set, frozenset, iter, dict_keys, generator])
def test_recipients_come_in_any_collection(
    served_app: Flask, smtp_server: Any, field: str, kind: Callable[[list[str]], Any]
) -> None:
    mail = Mail(served_app)
    addresses = ["a@example.com", "b@example.com"]

    with served_app.app_context():
        msg = hello(**{"recipients": ["to@example.com"], field: kind(addresses)})
        if field == "recipients":
            msg.add_recipient("to@example.com")
        mail.send(msg)

    [delivery] = smtp_server.deliveries
    assert sorted(delivery.recipients) == [*addresses, "to@example.com"]
    name = {"recipients": "To", "cc": "Cc", "bcc": "Bcc"}[field]
    shown = parsed(delivery.content)[name]
    assert (shown is None) if field == "bcc" else all(each in shown for each in addresses)


@pytest.mark.parametrize("field", ["recipients", "cc", "bcc"])
def test_one_string_in_place_of_a_list_is_refused(
    live_app: Flask, fake_smtp: Any, field: str
) -> None:
    """0.10 took every letter for a recipient."""
    mail = Mail(live_app)

    with live_app.app_context():
        msg = hello(**{field: "one@example.com"})
        with pytest.raises(flask_mail.MessageError, match=field.rstrip("s")) as caught:
            mail.send(msg)

    assert isinstance(caught.value, ValueError)
    assert fake_smtp.sent == []


def test_recipients_keep_their_order_and_are_named_once(
    served_app: Flask, smtp_server: Any
) -> None:
    mail = Mail(served_app)
    letters = [f"{letter}@example.com" for letter in "zyxwvutsrq"]

    with served_app.app_context():
        mail.send(
            hello(
                recipients=[*letters, "z@example.com"],
                cc=["m@example.com", "k@example.com", "m@example.com", "y@example.com"],
                bcc=["b@example.com", "a@example.com", "k@example.com"],
            )
        )

    [delivery] = smtp_server.deliveries
    content = parsed(delivery.content)
    assert [each.strip() for each in content["To"].split(",")] == letters
    assert [each.strip() for each in content["Cc"].split(",")] == [
        "m@example.com",
        "k@example.com",
        "y@example.com",
    ]
    assert delivery.recipients == [
        *letters,
        "m@example.com",
        "k@example.com",
        "b@example.com",
        "a@example.com",
    ]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (field, name)
        for field in ("sender", "recipients", "cc", "reply_to")
        for name in ("Smith, John", "John (Sales)", "a@b", 'The "Boss"', "A; B")
        if (field, name) != ("reply_to", "a@b")  # these are two addresses
    ],
)
def test_a_name_with_special_characters_is_quoted(
    served_app: Flask, smtp_server: Any, field: str, name: str
) -> None:
    """0.10 wrote `From: Smith`, for the name is "Smith, John"."""
    mail = Mail(served_app)
    pair = (name, "john@example.com")

    with served_app.app_context():
        mail.send(hello(**{field: [pair] if field in {"recipients", "cc"} else pair}))

    [delivery] = smtp_server.deliveries
    header = {"sender": "From", "recipients": "To", "cc": "Cc", "reply_to": "Reply-To"}[field]
    escaped = name.replace('"', '\\"')
    assert parsed(delivery.content)[header] == f'"{escaped}" <john@example.com>'
    if field == "sender":
        assert delivery.sender == "john@example.com"


def test_an_ascii_name_stands_as_it_is(served_app: Flask, smtp_server: Any) -> None:
    """0.10 wrote encoded words for the plainest name, which spam filters dislike."""
    mail = Mail(served_app)

    with served_app.app_context():
        mail.send(hello(sender=("Me", "me@example.com"), recipients=["You <you@example.com>"]))

    content = parsed(smtp_server.deliveries[0].content)
    assert content["From"] == "Me <me@example.com>"
    assert content["To"] == "You <you@example.com>"


def test_a_sharp_s_in_a_domain_is_kept(served_app: Flask, smtp_server: Any) -> None:
    """0.10 sent mail for faß.de to fass.de, which belongs to somebody else."""
    mail = Mail(served_app)

    with served_app.app_context():
        mail.send(hello(recipients=["jemand@faß.de"], sender="ich@faß.de"))

    [delivery] = smtp_server.deliveries
    assert delivery.recipients == ["jemand@xn--fa-hia.de"]
    assert delivery.sender == "ich@xn--fa-hia.de"
    assert parsed(delivery.content)["To"] == "jemand@xn--fa-hia.de"


# --- Injection ---------------------------------------------------------------------------------


def with_attachment(**fields: Any) -> dict[str, Any]:
    attachment = flask_mail.Attachment(
        **{"filename": "notes.txt", "content_type": "text/plain", "data": b"notes", **fields}
    )
    return {"attachments": [attachment]}


NEWLINES = ("\n", "\r", "\r\n", "\r\n ")
INJECTIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "header value": lambda nl: {"extra_headers": {"X-Extra": f"yes{nl}Bcc: x@example.com"}},
    "header name": lambda nl: {"extra_headers": {f"X-Extra{nl}Bcc": "x@example.com"}},
    "cc": lambda nl: {"cc": [f"cc@example.com{nl}Bcc: x@example.com"]},
    "cc name": lambda nl: {"cc": [(f"Copy{nl}Bcc: x@example.com", "cc@example.com")]},
    "bcc": lambda nl: {"bcc": [f"bcc@example.com{nl}RCPT TO:<x@example.com>"]},
    "file name": lambda nl: with_attachment(filename=f"notes.txt{nl}Bcc: x@example.com"),
    "content type": lambda nl: with_attachment(content_type=f"text/plain{nl}Bcc: x@example.com"),
    "disposition": lambda nl: with_attachment(disposition=f"inline{nl}Bcc: x@example.com"),
    "attachment header": lambda nl: with_attachment(headers={"X-Extra": f"yes{nl}Bcc: x"}),
    "attachment header name": lambda nl: with_attachment(headers={f"X-Extra{nl}Bcc": "x"}),
    "mail option": lambda nl: {"mail_options": [f"BODY=8BITMIME{nl}RCPT TO:<x@example.com>"]},
    "rcpt option": lambda nl: {"rcpt_options": [f"NOTIFY=NEVER{nl}RCPT TO:<x@example.com>"]},
}


@pytest.mark.parametrize("testing", [False, True], ids=["live", "testing"])
@pytest.mark.parametrize("newline", NEWLINES, ids=repr)
@pytest.mark.parametrize("place", INJECTIONS)
def test_a_newline_is_refused_wherever_it_is(
    make_app: Callable[..., Flask], fake_smtp: Any, place: str, newline: str, testing: bool
) -> None:
    """0.10 looked at subject, sender, recipients and reply-to only."""
    app = make_app(TESTING=testing)
    mail = Mail(app)

    with app.app_context(), mail.record_messages() as outbox:
        msg = hello(**INJECTIONS[place](newline))
        with pytest.raises(BadHeaderError):
            mail.send(msg)

    assert fake_smtp.sent == []
    assert outbox == []


def test_a_newline_in_the_envelope_sender_is_refused(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail(live_app)

    with (
        live_app.app_context(),
        mail.connect() as conn,
        pytest.raises(flask_mail.MessageError),
    ):
        conn.send(hello(), envelope_from="bounces@example.com\r\nRCPT TO:<x@example.com>")

    assert fake_smtp.sent == []


# --- Mistakes are told -------------------------------------------------------------------------


@pytest.mark.parametrize("made_for_an_app", [True, False])
def test_a_misspelled_method_is_an_attribute_error(
    make_app: Callable[..., Flask], made_for_an_app: bool
) -> None:
    mail = Mail(make_app()) if made_for_an_app else Mail()

    with pytest.raises(AttributeError, match="sned"):
        _ = mail.sned
    assert not hasattr(mail, "sned")


@pytest.mark.parametrize(
    ("error", "fields"),
    [("NoRecipients", {"recipients": []}), ("NoSender", {"sender": None})],
)
def test_the_guards_are_errors_that_old_handlers_catch(
    make_app: Callable[..., Flask], error: str, fields: dict[str, Any]
) -> None:
    mail = Mail(make_app(TESTING=True))

    with pytest.raises(AssertionError) as caught:
        mail.send(hello(**fields))

    assert type(caught.value) is getattr(flask_mail, error)
    assert isinstance(caught.value, flask_mail.MessageError)
    assert isinstance(caught.value, flask_mail.MailError)


@pytest.mark.exhaustive
def test_the_guards_stand_when_assertions_are_switched_off() -> None:
    printed = run_python(
        """\
        import flask, flask_mail

        app = flask.Flask("optimized")
        app.config["TESTING"] = True
        mail = flask_mail.Mail(app)
        with app.app_context():
            for fields in ({"sender": "me@example.com"}, {"recipients": ["you@example.com"]}):
                try:
                    mail.send(flask_mail.Message("Hello", **fields))
                except AssertionError as error:
                    print(type(error).__name__)
        """,
        "-O",
    )

    assert printed == ["NoRecipients", "NoSender"]


def test_configuration_errors_are_value_errors() -> None:
    assert issubclass(flask_mail.ConfigurationError, ValueError)
    assert issubclass(flask_mail.ConfigurationError, flask_mail.MailError)
    assert issubclass(flask_mail.MessageError, ValueError)
    assert issubclass(BadHeaderError, flask_mail.MessageError)


# --- After the message was accepted ------------------------------------------------------------


def test_sending_tells_what_became_of_the_message(served_app: Flask, smtp_server: Any) -> None:
    mail = Mail(served_app)

    with served_app.app_context():
        receipt = mail.send(hello())

    assert isinstance(receipt, flask_mail.Receipt)
    assert receipt.outcome is flask_mail.Outcome.SENT
    assert len(smtp_server.deliveries) == 1


def test_a_farewell_that_fails_is_no_error(
    live_app: Flask, fake_smtp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message was accepted: an error would make the program send it again."""

    def quit_(self: object) -> None:
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")

    monkeypatch.setattr("flask_mail.smtplib.SMTP.quit", quit_)
    mail = Mail(live_app)

    with live_app.app_context(), mail.record_messages() as outbox:
        mail.send(hello())

    assert len(fake_smtp.sent) == len(outbox) == 1


# --- Text --------------------------------------------------------------------------------------


def test_importing_leaves_the_registry_of_character_sets_alone() -> None:
    """0.10 changed how every library of the process writes UTF-8."""
    printed = run_python(
        """\
        import copy
        from email import charset

        names = ("CHARSETS", "ALIASES", "CODEC_MAP")
        before = copy.deepcopy([getattr(charset, name) for name in names])
        import flask_mail
        print([getattr(charset, name) for name in names] == before)
        """
    )

    assert printed == ["True"]


def test_text_that_the_character_set_cannot_express_is_sent_in_utf_8(
    live_app: Flask, fake_smtp: Any
) -> None:
    mail = Mail(live_app)

    with live_app.app_context():
        mail.send(hello(body="→ ✓", charset="iso-8859-1"))

    part = parsed(fake_smtp.sent[0][2])
    assert part.get_content_charset() == "utf-8"
    assert part.get_payload(decode=True).decode() == "→ ✓"


def test_a_lazy_sender_is_read_when_the_message_is_sent(
    served_app: Flask, smtp_server: Any, lazy: Callable[[str], Any]
) -> None:
    mail = Mail(served_app)

    with served_app.app_context():
        mail.send(hello(sender=lazy("Zoë <zoe@example.com>")))
        mail.send(hello(sender=(lazy("Zoë"), "zoe@example.com")))

    for delivery in smtp_server.deliveries:
        assert delivery.sender == "zoe@example.com"
        assert "=?utf-8?" in parsed(delivery.content)["From"]
    assert len(smtp_server.deliveries) == 2


def test_a_lazy_subject_needs_no_more_than_str(live_app: Flask, fake_smtp: Any) -> None:
    class Lazy:
        def __init__(self, text: str) -> None:
            self.text = text

        def __str__(self) -> str:
            return self.text

    mail = Mail(live_app)

    with live_app.app_context():
        mail.send(hello(subject=Lazy("translated")))
        bad = hello(subject=Lazy("bad\nsubject"))
        with pytest.raises(BadHeaderError):
            mail.send(bad)

    [(_, _, content)] = fake_smtp.sent
    assert parsed(content)["Subject"] == "translated"


def test_html_among_the_alternatives_is_kept(make_app: Callable[..., Flask]) -> None:
    """0.10 threw it away unless `html` was given too."""
    app = make_app()
    Mail(app)

    with app.app_context():
        msg = hello(alts={"html": "<p>testing</p>", "calendar": "BEGIN:VCALENDAR"})

    assert msg.html == "<p>testing</p>"
    assert list(msg.alts) == ["html", "calendar"]


# --- Receivers that neither could call ---------------------------------------------------------


def keyword_only(seen: Seen) -> Callable[..., None]:
    def receiver(*, app: Flask, message: Message) -> None:
        seen.append((app, message))

    return receiver


def keyword_only_and_more(seen: Seen) -> Callable[..., None]:
    def receiver(*, message: Message, app: Flask, **extra: Any) -> None:
        assert not {"app", "message"} & set(extra)
        seen.append((app, message))

    return receiver


def message_then_app_keyword_only(seen: Seen) -> Callable[..., None]:
    def receiver(message: Message, *, app: Flask) -> None:
        seen.append((app, message))

    return receiver


def partial_of_the_app(seen: Seen) -> Callable[..., None]:
    def record(target: Seen, *, app: Flask, message: Message) -> None:
        target.append((app, message))

    return functools.partial(record, seen)


@pytest.mark.parametrize(
    "shape",
    [keyword_only, keyword_only_and_more, message_then_app_keyword_only, partial_of_the_app],
)
def test_a_receiver_is_given_what_it_names(
    app: Flask, mail: Mail, shape: Callable[[Seen], Callable[..., None]]
) -> None:
    seen: Seen = []
    msg = hello()

    with email_dispatched.connected_to(shape(seen)):
        mail.send(msg)

    assert seen == [(app, msg)]


def test_a_receiver_of_the_message_alone_is_given_it(app: Flask, mail: Mail) -> None:
    seen: list[Message] = []

    def receiver(message: Message) -> None:
        seen.append(message)

    msg = hello()
    with email_dispatched.connected_to(receiver):
        mail.send(msg)

    assert seen == [msg]


@pytest.mark.parametrize("name", ["app", "sender"])
def test_a_receiver_of_one_thing_else_is_given_the_app(app: Flask, mail: Mail, name: str) -> None:
    seen: list[Flask] = []
    receivers = {"app": lambda app: seen.append(app), "sender": lambda sender: seen.append(sender)}

    with email_dispatched.connected_to(receivers[name]):
        mail.send(hello())

    assert seen == [app]


def test_receivers_of_all_eras_hear_of_one_message(app: Flask, mail: Mail) -> None:
    seen: Seen = []

    def of_0_9(message: Message, app: Flask) -> None:
        seen.append((app, message))

    def of_0_10(app: Flask, message: Message) -> None:
        seen.append((app, message))

    def of_flask(sender: Flask, **extra: Any) -> None:
        seen.append((sender, extra["message"]))

    msg = hello()
    with (
        email_dispatched.connected_to(of_0_9, sender=app),
        email_dispatched.connected_to(of_0_10),
        email_dispatched.connected_to(of_flask, sender=app),
        mail.record_messages() as outbox,
    ):
        mail.send(msg)

    assert seen == [(app, msg)] * 3
    assert outbox == [msg]
