"""The examples that the documentation of 0.9.1 and of 0.10 prints, run as they stand there.

Only the layout of a page is added: names that the page takes for granted are given to `run`. The
documented signal receiver is in `test_as_in_0_9_1.py`, because 0.10 itself could not run it.
"""

from __future__ import annotations

import email
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

import flask_mail
from flask_mail import Mail, Message


def run(snippet: str, **names: Any) -> SimpleNamespace:
    """Run a documented example with `names` defined, and return what it defined itself."""
    namespace: dict[str, Any] = {"__name__": __name__, **names}
    exec(compile(dedent(snippet), "<documentation>", "exec"), namespace)
    return SimpleNamespace(**namespace)


# --- Configuring -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "documented"),
    [
        ("port", 25),
        ("use_tls", False),
        ("use_ssl", False),
        ("debug", False),
        ("username", None),
        ("password", None),
        ("default_sender", None),
        ("max_emails", None),
        ("suppress", False),
        ("ascii_attachments", False),
    ],
)
def test_each_setting_has_its_documented_default(
    make_app: Callable[..., Flask], attribute: str, documented: object
) -> None:
    app = make_app()
    Mail(app)

    assert getattr(app.extensions["mail"], attribute) == documented


def test_the_default_server_is_this_machine(make_app: Callable[..., Flask]) -> None:
    """The documentation says localhost, the code of 0.9.1 and 0.10 says 127.0.0.1."""
    app = make_app()
    Mail(app)

    assert app.extensions["mail"].server in {"localhost", "127.0.0.1"}


@pytest.mark.parametrize(
    ("setting", "value", "attribute"),
    [
        ("MAIL_SERVER", "mail.example.com", "server"),
        ("MAIL_PORT", 2525, "port"),
        ("MAIL_USE_TLS", True, "use_tls"),
        ("MAIL_USE_SSL", True, "use_ssl"),
        ("MAIL_DEBUG", True, "debug"),
        ("MAIL_USERNAME", "someone", "username"),
        ("MAIL_PASSWORD", "a secret", "password"),
        ("MAIL_DEFAULT_SENDER", "from@example.com", "default_sender"),
        ("MAIL_DEFAULT_SENDER", ("Me", "me@example.com"), "default_sender"),
        ("MAIL_MAX_EMAILS", 7, "max_emails"),
        ("MAIL_SUPPRESS_SEND", True, "suppress"),
        ("MAIL_ASCII_ATTACHMENTS", True, "ascii_attachments"),
    ],
)
def test_each_documented_setting_is_read(
    make_app: Callable[..., Flask], setting: str, value: object, attribute: str
) -> None:
    app = make_app(**{setting: value})
    Mail(app)

    assert getattr(app.extensions["mail"], attribute) == value


def test_debug_output_follows_the_debug_flag_of_the_app(make_app: Callable[..., Flask]) -> None:
    app = make_app(DEBUG=True)
    Mail(app)

    assert app.extensions["mail"].debug == True  # noqa: E712 (0.10 has the int 1)


def test_suppression_follows_the_testing_flag_of_the_app(make_app: Callable[..., Flask]) -> None:
    app = make_app(TESTING=True)
    Mail(app)

    assert app.extensions["mail"].suppress is True


# --- The extension instance --------------------------------------------------------------------


def test_mail_is_made_for_one_app() -> None:
    made = run(
        """\
        from flask import Flask
        from flask_mail import Mail

        app = Flask(__name__)
        mail = Mail(app)
        """
    )

    assert made.mail.app is made.app
    assert made.mail.state is made.app.extensions["mail"]


def test_mail_is_made_first_and_gets_its_app_later() -> None:
    made = run(
        """\
        mail = Mail()

        app = Flask(__name__)
        mail.init_app(app)
        """,
        Flask=Flask,
        Mail=Mail,
    )

    assert made.mail.app is None
    assert made.app.extensions["mail"].port == 25


def test_without_an_app_of_its_own_mail_uses_the_current_app(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    """ "Useful if you have multiple applications running in the same process"."""
    mail = Mail()
    first = make_app(MAIL_SERVER="one.example.com", MAIL_DEFAULT_SENDER="one@example.com")
    second = make_app(MAIL_SERVER="two.example.com", MAIL_DEFAULT_SENDER="two@example.com")
    mail.init_app(first)
    mail.init_app(second)

    for app in (second, first):
        with app.app_context():
            mail.send(Message("Hello", recipients=["to@example.com"]))

    assert [session.host for session in fake_smtp.opened] == ["two.example.com", "one.example.com"]
    assert [sender for sender, _, _ in fake_smtp.sent] == ["two@example.com", "one@example.com"]


README_OF_0_10 = """\
from flask import Flask
from flask_mail import Mail, Message

app = Flask(__name__)
app.config['MAIL_SERVER'] = 'your_mail_server'
app.config['MAIL_PORT'] = 587
app.config['MAIL_USE_TLS'] = True
app.config['MAIL_USE_SSL'] = False
app.config['MAIL_USERNAME'] = 'your_username'
app.config['MAIL_PASSWORD'] = 'your_password'
app.config['MAIL_DEFAULT_SENDER'] = 'your_email@example.com'

mail = Mail(app)

@app.route('/')
def send_email():
  msg = Message(
    'Hello',
    recipients=['recipient@example.com'],
    body='This is a test email sent from Flask-Mail!'
  )
  mail.send(msg)
  return 'Email sent succesfully!'
"""


def test_the_program_in_the_readme_sends_its_message(fake_smtp: Any) -> None:
    made = run(README_OF_0_10)

    response = made.app.test_client().get("/")

    assert response.text == "Email sent succesfully!"
    [session] = fake_smtp.opened
    assert (session.host, session.port) == ("your_mail_server", 587)
    assert session.tls
    assert session.credentials == ("your_username", "your_password")
    assert session.quits == 1
    [(sender, recipients, content)] = session.sent
    assert sender == "your_email@example.com"
    assert recipients == ["recipient@example.com"]
    received = email.message_from_bytes(content)
    assert received["Subject"] == "Hello"
    assert received.get_payload() == "This is a test email sent from Flask-Mail!"


# --- Sending messages --------------------------------------------------------------------------


def test_a_view_makes_a_message(app: Flask, mail: Mail) -> None:
    made = run(
        """\
        from flask_mail import Message

        @app.route("/")
        def index():

            msg = Message("Hello",
                          sender="from@example.com",
                          recipients=["to@example.com"])
        """,
        app=app,
    )

    assert app.view_functions["index"] is made.index
    assert made.index() is None


@pytest.mark.parametrize(
    "example",
    [
        """\
        msg = Message("Hello",
                      sender="from@example.com",
                      recipients=["to@example.com"])
        """,
        """\
        msg = Message(
            subject="Hello",
            sender="from@example.com",
            recipients=["to@example.com"],
        )
        """,
    ],
    ids=["0.9.1", "0.10"],
)
def test_a_message_keeps_what_it_was_made_of(app: Flask, mail: Mail, example: str) -> None:
    msg = run(example, Message=Message).msg

    assert msg.subject == "Hello"
    assert msg.sender == "from@example.com"
    assert msg.recipients == ["to@example.com"]


def test_recipients_are_set_and_added_later(app: Flask, mail: Mail) -> None:
    msg = Message("Hello", sender="from@example.com")
    run(
        """\
        msg.recipients = ["you@example.com"]
        msg.add_recipient("somebodyelse@example.com")
        """,
        msg=msg,
    )

    assert msg.recipients == ["you@example.com", "somebodyelse@example.com"]
    assert msg.send_to == {"you@example.com", "somebodyelse@example.com"}


@pytest.mark.parametrize(
    "example",
    [
        """\
        msg = Message("Hello",
                      recipients=["to@example.com"])
        """,
        """\
        msg = Message(
            subject="Hello",
            recipients=["to@example.com"],
        )
        """,
    ],
    ids=["0.9.1", "0.10"],
)
def test_the_default_sender_is_used_when_none_is_given(
    app: Flask, mail: Mail, example: str
) -> None:
    msg = run(example, Message=Message).msg

    assert msg.sender == "support@mysite.com"


@pytest.mark.parametrize(
    "example",
    [
        """\
        msg = Message("Hello",
                      sender=("Me", "me@example.com"))

        assert msg.sender == "Me <me@example.com>"
        """,
        """\
        msg = Message(
            subject="Hello",
            sender=("Me", "me@example.com"),
        )
        assert msg.sender == "Me <me@example.com>"
        """,
    ],
    ids=["0.9.1", "0.10"],
)
def test_a_sender_is_given_as_name_and_address(app: Flask, mail: Mail, example: str) -> None:
    run(example, Message=Message)


def test_the_default_sender_may_be_name_and_address(make_app: Callable[..., Flask]) -> None:
    app = make_app(MAIL_DEFAULT_SENDER=("Me", "me@example.com"))
    Mail(app)

    with app.app_context():
        assert Message("Hello").sender == "Me <me@example.com>"


def test_body_and_html_are_set_and_the_message_is_sent(app: Flask, mail: Mail) -> None:
    msg = Message("Hello", recipients=["to@example.com"])
    run(
        """\
        msg.body = "testing"
        msg.html = "<b>testing</b>"
        """,
        msg=msg,
    )

    with mail.record_messages() as outbox:
        run("mail.send(msg)", mail=mail, msg=msg)

    assert outbox == [msg]
    assert outbox[0].body == "testing"
    assert outbox[0].html == "<b>testing</b>"


# --- Bulk emails -------------------------------------------------------------------------------


BULK_OF_0_9 = """\
with mail.connect() as conn:
    for user in users:
        message = '...'
        subject = "hello, %s" % user.name
        msg = Message(recipients=[user.email],
                      body=message,
                      subject=subject)

        conn.send(msg)
"""

BULK_OF_0_10 = """\
with mail.connect() as conn:
    for user in users:
        msg = Message(
            subject=f"hello, {user.name}",
            body="...",
            recipients=[user.email],
        )
        conn.send(msg)
"""


@pytest.mark.parametrize("example", [BULK_OF_0_9, BULK_OF_0_10], ids=["0.9.1", "0.10"])
def test_a_batch_travels_over_one_connection_that_is_closed_at_the_end(
    make_app: Callable[..., Flask], fake_smtp: Any, example: str
) -> None:
    app = make_app(MAIL_DEFAULT_SENDER="from@example.com")
    mail = Mail(app)

    with app.app_context():
        run(example, mail=mail, Message=Message, users=users(3))

    [session] = fake_smtp.opened
    assert session.quits == 1
    assert [recipients for _, recipients, _ in session.sent] == [
        ["user0@example.com"],
        ["user1@example.com"],
        ["user2@example.com"],
    ]


def test_the_connection_is_renewed_after_the_configured_number_of_messages(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    app = make_app(MAIL_DEFAULT_SENDER="from@example.com", MAIL_MAX_EMAILS=2)
    mail = Mail(app)

    with app.app_context():
        run(BULK_OF_0_10, mail=mail, Message=Message, users=users(5))

    assert [len(session.sent) for session in fake_smtp.opened] == [2, 2, 1]
    assert [session.quits for session in fake_smtp.opened] == [1, 1, 1]


def users(count: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(name=f"User {i}", email=f"user{i}@example.com") for i in range(count)]


# --- Attachments -------------------------------------------------------------------------------


def test_a_resource_of_the_app_is_attached(tmp_path: Path, png: bytes) -> None:
    (tmp_path / "image.png").write_bytes(png)
    app = Flask("documented", root_path=str(tmp_path))
    Mail(app)

    with app.app_context():
        msg = Message("Hello", sender="from@example.com", recipients=["to@example.com"])
        run(
            """\
            with app.open_resource("image.png") as fp:
                msg.attach("image.png", "image/png", fp.read())
            """,
            app=app,
            msg=msg,
        )
        received = email.message_from_bytes(msg.as_bytes())

    image = received.get_payload()[-1]
    assert image.get_content_type() == "image/png"
    assert image.get_filename() == "image.png"
    assert image.get_content_disposition() == "attachment"
    assert image.get_payload(decode=True) == png


def test_names_of_attachments_become_ascii_when_asked_for(make_app: Callable[..., Flask]) -> None:
    """The accents go, and so does what has no ASCII equivalent, such as ß."""
    app = make_app(MAIL_ASCII_ATTACHMENTS=True)
    Mail(app)

    with app.app_context():
        msg = Message("Hello", sender="from@example.com", recipients=["to@example.com"])
        msg.attach("Grüße aus Genève.txt", "text/plain", b"bonjour")

        assert 'Content-Disposition: attachment; filename="Grue aus Geneve.txt"' in msg.as_string()


# --- Unit tests and suppressing emails ---------------------------------------------------------


def test_nothing_is_sent_while_testing(make_app: Callable[..., Flask], fake_smtp: Any) -> None:
    app = make_app(TESTING=True, MAIL_DEFAULT_SENDER="from@example.com")
    mail = Mail(app)

    with app.app_context():
        mail.send(Message("Hello", recipients=["to@example.com"]))

    assert fake_smtp.opened == []


def test_sending_is_suppressed_outside_of_tests_too(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    app = make_app(MAIL_SUPPRESS_SEND=True, MAIL_DEFAULT_SENDER="from@example.com")
    mail = Mail(app)

    with app.app_context(), mail.record_messages() as outbox:
        mail.send(Message("Hello", recipients=["to@example.com"]))

    assert fake_smtp.opened == []
    assert len(outbox) == 1


def test_suppression_is_switched_off_inside_of_tests(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    app = make_app(TESTING=True, MAIL_SUPPRESS_SEND=False, MAIL_DEFAULT_SENDER="from@example.com")
    mail = Mail(app)

    with app.app_context():
        mail.send(Message("Hello", recipients=["to@example.com"]))

    assert len(fake_smtp.sent) == 1


@pytest.mark.parametrize(
    "example",
    [
        """\
        with mail.record_messages() as outbox:

            mail.send_message(subject='testing',
                              body='test',
                              recipients=emails)

            assert len(outbox) == 1
            assert outbox[0].subject == "testing"
        """,
        """\
        with mail.record_messages() as outbox:
            mail.send_message(
                subject="testing",
                body="test",
                recipients=emails,
            )
            assert len(outbox) == 1
            assert outbox[0].subject == "testing"
        """,
    ],
    ids=["0.9.1", "0.10"],
)
def test_a_test_looks_at_the_messages_that_would_have_been_sent(
    app: Flask, mail: Mail, example: str
) -> None:
    """The outbox is a plain list of messages, and is still there after the block."""
    made = run(example, mail=mail, emails=["to@example.com", "too@example.com"])

    assert isinstance(made.outbox, list)
    assert isinstance(made.outbox[0], Message)
    assert made.outbox[0].recipients == ["to@example.com", "too@example.com"]
    assert made.outbox[0].sender == "support@mysite.com"


def test_messages_that_a_view_sends_are_recorded(make_app: Callable[..., Flask]) -> None:
    app = make_app(TESTING=True, MAIL_DEFAULT_SENDER="from@example.com")
    mail = Mail(app)

    @app.get("/email-sending-view/")
    def view() -> str:
        mail.send_message("testing", recipients=["to@example.com"])
        return "sent"

    with mail.record_messages() as outbox:
        response = app.test_client().get("/email-sending-view/")
        assert response.text == "sent"
        assert len(outbox) == 1
        assert outbox[0].subject == "testing"


# --- Header injection --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "injected",
    [
        {"subject": "Hello\r\nBcc: everyone@example.com"},
        {"subject": "Hello\nBcc: everyone@example.com"},
        {"subject": "Hello\rBcc: everyone@example.com"},
        {"sender": "from@example.com\r\nBcc: everyone@example.com"},
        {"sender": ("Me\nBcc: everyone@example.com", "me@example.com")},
        {"recipients": ["to@example.com\nBcc: everyone@example.com"]},
        {"recipients": ["to@example.com", ("You\r\n", "you@example.com")]},
        {"reply_to": "reply@example.com\r\nBcc: everyone@example.com"},
        {"reply_to": ("Reply\n", "reply@example.com")},
    ],
    ids=repr,
)
def test_a_newline_in_subject_or_address_is_refused(
    app: Flask, mail: Mail, injected: dict[str, Any]
) -> None:
    msg = Message(
        **{
            "subject": "Hello",
            "sender": "from@example.com",
            "recipients": ["to@example.com"],
            **injected,
        }
    )

    assert msg.has_bad_headers()
    with mail.record_messages() as outbox, pytest.raises(flask_mail.BadHeaderError):
        mail.send(msg)
    assert outbox == []
