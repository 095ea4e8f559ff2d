"""The table of errors: what smtplib and the operating system raise, and what it becomes."""

from __future__ import annotations

import copy
import pickle
import smtplib
import socket
import ssl
from unittest import mock

import pytest

from flask_mail import (
    BackendUnavailable,
    DeliveryError,
    DeliveryUnknown,
    MessageRefused,
    Outcome,
    Receipt,
)
from flask_mail.smtp import errors, failures
from flask_mail.smtp.replies import Reply, reply_of

FOREIGN = sorted(
    (
        each
        for each in vars(smtplib).values()
        if isinstance(each, type) and issubclass(each, Exception)
    ),
    key=lambda each: each.__name__,
)
OWN = sorted(
    (
        each
        for each in vars(errors).values()
        if isinstance(each, type)
        and issubclass(each, DeliveryError)
        and each.__module__ == errors.__name__
        and not each.__name__.startswith("_")
    ),
    key=lambda each: each.__name__,
)
OF_THE_SYSTEM = (
    ConnectionAbortedError,
    ConnectionRefusedError,
    ConnectionResetError,
    BrokenPipeError,
    PermissionError,
    TimeoutError,
    OSError,
    socket.gaierror,
    socket.timeout,
    ssl.SSLError,
    ssl.SSLEOFError,
    ssl.SSLCertVerificationError,
)
# Those that share the class of their base.
WITHOUT_A_CLASS = {PermissionError: OSError, ssl.SSLEOFError: ssl.SSLError}


def made(kind):
    """Make a foreign error without its constructor, whose arguments differ."""
    error = kind.__new__(kind)
    error.smtp_code, error.smtp_error, error.recipients = 450, b"4.2.0 later", {}
    return error


def test_smtplib_has_exceptions_to_walk():
    assert {smtplib.SMTPException, smtplib.SMTPRecipientsRefused} <= set(FOREIGN)


@pytest.mark.parametrize("foreign", [*FOREIGN, *OF_THE_SYSTEM])
def test_each_foreign_error_has_a_class_of_ours_that_is_also_its_own(foreign):
    """`except smtplib.SMTPHeloError` and `except ConnectionRefusedError` go on to match."""
    kind = failures.class_for(made(foreign))
    assert issubclass(kind, BackendUnavailable)
    assert issubclass(kind, WITHOUT_A_CLASS.get(foreign, foreign))


@pytest.mark.parametrize("kind", OWN)
def test_each_class_is_one_of_ours_first_and_a_foreign_one(kind):
    assert issubclass(kind, OSError)
    outcomes = [
        base
        for base in (BackendUnavailable, MessageRefused, DeliveryUnknown)
        if issubclass(kind, base)
    ]
    assert len(outcomes) == 1
    assert kind.__doc__


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("clone", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])
def test_each_class_is_pickled_with_its_receipt_and_everything_on_it(kind, clone):
    """Queues (Celery, multiprocessing) hand errors over; a receipt and its error are a cycle."""
    error = kind("A sentence.", stage="data", response="450 later")
    error.receipt = Receipt("<1@x>", "smtp", Outcome.NOT_SENT, error=error)
    error.errno, error.smtp_code, error.recipients = 111, 450, {"a@x": (450, b"later")}
    again = clone(error)
    assert type(again) is kind
    assert (str(again), again.args) == ("A sentence.", ("A sentence.",))
    assert (again.stage, again.response) == ("data", "450 later")
    assert (again.smtp_code, again.recipients) == (450, {"a@x": (450, b"later")})
    assert again.receipt == error.receipt
    assert again.receipt.error in (again, error)
    if not issubclass(kind, smtplib.SMTPException):
        assert again.errno == 111


def test_a_receipt_is_pickled_with_its_error():
    error = errors.ServerDisconnected("Gone.")
    error.receipt = Receipt("<1@x>", "smtp", Outcome.NOT_SENT, error=error)
    again = pickle.loads(pickle.dumps(error.receipt))
    assert again.error.receipt is again


@pytest.mark.parametrize(
    ("foreign", "kind"),
    [
        (smtplib.SMTPSenderRefused(550, b"no", "me@x"), MessageRefused),
        (smtplib.SMTPSenderRefused(450, b"no", "me@x"), BackendUnavailable),
        (smtplib.SMTPDataError(554, b"no"), MessageRefused),
        (smtplib.SMTPDataError(452, b"no"), BackendUnavailable),
        (smtplib.SMTPDataError(500, b"no"), MessageRefused),
        (smtplib.SMTPDataError(400, b"no"), BackendUnavailable),
        (smtplib.SMTPDataError(399, b"?"), DeliveryUnknown),
        (smtplib.SMTPDataError(600, b"?"), DeliveryUnknown),
        (smtplib.SMTPRecipientsRefused({"a@x": (500, b"no")}), MessageRefused),
        (smtplib.SMTPRecipientsRefused({"a@x": (550, b"no")}), MessageRefused),
        (smtplib.SMTPRecipientsRefused({"a@x": (450, b"no")}), BackendUnavailable),
        (smtplib.SMTPRecipientsRefused({}), BackendUnavailable),
        (smtplib.SMTPRecipientsRefused("a mock's"), BackendUnavailable),
        (smtplib.SMTPConnectError(554, b"no"), BackendUnavailable),
        (smtplib.SMTPHeloError(550, b"no"), BackendUnavailable),
        (smtplib.SMTPAuthenticationError(535, b"no"), BackendUnavailable),
        (smtplib.SMTPNotSupportedError("no"), BackendUnavailable),
        (ConnectionRefusedError(111, "refused"), BackendUnavailable),
        (socket.gaierror(-2, "unknown"), BackendUnavailable),
        (smtplib.SMTPDataError(-1, b"what?"), DeliveryUnknown),
        (smtplib.SMTPDataError(250, b"ok"), DeliveryUnknown),
        (smtplib.SMTPResponseException(554, b"no"), DeliveryUnknown),
        (smtplib.SMTPServerDisconnected("gone"), DeliveryUnknown),
        (smtplib.SMTPException("something"), DeliveryUnknown),
        (ConnectionResetError(104, "reset"), DeliveryUnknown),
        (TimeoutError("timed out"), DeliveryUnknown),
        (ssl.SSLError(1, "broken"), DeliveryUnknown),
    ],
    ids=repr,
)
def test_once_the_content_is_out_only_a_no_proves_that_it_was_not_accepted(foreign, kind):
    assert isinstance(failures.failure(foreign, "accept", "mx.test:25"), kind)


@pytest.mark.parametrize(
    ("foreign", "attributes"),
    [
        (smtplib.SMTPSenderRefused(550, b"no", "me@x"), ("smtp_code", "smtp_error", "sender")),
        (smtplib.SMTPRecipientsRefused({"a@x": (550, b"no")}), ("recipients",)),
        (ConnectionRefusedError(111, "Connection refused"), ("errno", "strerror")),
        (socket.gaierror(-2, "Name or service not known"), ("errno", "strerror")),
        (ssl.SSLCertVerificationError(1, "self-signed"), ("errno", "strerror")),
    ],
    ids=repr,
)
def test_the_attributes_that_programs_read_are_carried_over(foreign, attributes):
    error = pickle.loads(pickle.dumps(failures.failure(foreign, "data", "mx.test:25")))
    for name in attributes:
        assert getattr(error, name) == getattr(foreign, name)


def test_refused_recipients_are_told_with_code_and_text():
    foreign = smtplib.SMTPRecipientsRefused(
        {"a@x": (450, b"4.2.0 later"), "b@x": (550, b"5.1.1 no\nsuch user"), "c@x": (451, "busy")}
    )
    error = failures.failure(foreign, "recipient", "mx.test:25")
    assert error.refused == {
        "a@x": (450, "4.2.0", "later"),
        "b@x": (550, "5.1.1", "no such user"),
        "c@x": (451, "", "busy"),
    }
    assert error.response == "550 5.1.1 no such user"
    assert [each.temporary for each in error.refused.values()] == [True, False, True]
    assert str(error) == (
        "The server mx.test:25 refused every recipient: 550 5.1.1 no such user. 2 of 3 recipients"
        " may be accepted later: send the message to these again"
    )
    del foreign.recipients["a@x"], foreign.recipients["c@x"]
    error = failures.failure(foreign, "recipient", "mx.test:25")
    assert str(error) == "The server mx.test:25 refused every recipient: 550 5.1.1 no such user"


LOGIN = [
    (530, b"Authentication required"),
    (530, b"5.7.0 Authentication Required. For more information, go to https://example.com/tls"),
    (530, b"5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM"),
    (550, b"5.7.57 Client not authenticated to send mail"),
    (534, b"5.7.9 Application-specific password required"),
    (535, b"5.7.3 Authentication unsuccessful"),
    (503, b"Error: need EHLO and AUTH first !"),
]
TLS = [
    (530, b"5.7.0 Must issue a STARTTLS command first"),
    (530, b"5.7.0 Encryption required"),
    (538, b"5.7.11 Encryption required for requested authentication mechanism"),
    (523, b"5.7.10 needed"),
]
OF_THE_MESSAGE = [
    (550, b"5.7.1 Client host rejected: not authenticated"),
    (554, b"5.7.1 Relay access denied"),
    (550, b"5.7.60 Client does not have permissions to send as this sender"),
    (554, b"5.7.9 Message not accepted for policy reasons"),
    (550, b"5.7.26 Unauthenticated email is not accepted"),
    (550, b"5.7.1 TLS required"),
    (503, b"5.5.1 Error: need RCPT command"),
]
AT = {
    "sender": lambda reply: smtplib.SMTPSenderRefused(*reply, "me@x"),
    "recipient": lambda reply: smtplib.SMTPRecipientsRefused({"a@x": (450, b"no"), "b@x": reply}),
    "data": lambda reply: smtplib.SMTPDataError(*reply),
    "accept": lambda reply: smtplib.SMTPDataError(*reply),
}


@pytest.mark.parametrize("stage", AT)
@pytest.mark.parametrize(
    ("reply", "setting"),
    [*((each, "MAIL_USERNAME") for each in LOGIN), *((each, "MAIL_USE_TLS") for each in TLS)],
)
def test_reply_about_login_or_tls_is_not_sent_and_names_the_setting(stage, reply, setting):
    foreign = AT[stage](reply)
    error = failures.failure(foreign, stage, "mx.test:25")
    assert isinstance(error, BackendUnavailable)
    assert isinstance(error, type(foreign))
    assert setting in str(error)
    assert error.response.startswith(str(reply[0]))


@pytest.mark.parametrize("stage", AT)
@pytest.mark.parametrize("reply", OF_THE_MESSAGE)
def test_reply_about_the_message_stays_refused(stage, reply):
    error = failures.failure(AT[stage](reply), stage, "mx.test:25")
    assert isinstance(error, MessageRefused)
    assert "MAIL_" not in str(error)


def test_permanent_refusal_outweighs_a_required_login():
    replies = {"a@x": (550, b"5.1.1 no such user"), "b@x": LOGIN[0]}
    error = failures.failure(smtplib.SMTPRecipientsRefused(replies), "recipient", "mx.test:25")
    assert isinstance(error, MessageRefused)
    assert error.response == "550 5.1.1 no such user"


@pytest.mark.parametrize(
    ("reply", "names_tls"), [(TLS[0], True), (TLS[2], True), (LOGIN[4], False), (LOGIN[5], False)]
)
def test_refused_login_names_tls_where_that_is_missing(reply, names_tls):
    error = failures.failure(smtplib.SMTPAuthenticationError(*reply), "login", "mx.test:25")
    assert "MAIL_PASSWORD or MAIL_OAUTH2_TOKEN" in str(error)
    assert ("MAIL_USE_TLS" in str(error)) is names_tls
    assert "after a login" not in str(error)


def hidden(cause):
    """Return the error that smtplib raises in the place of one of the system's."""
    host = smtplib.SMTP(local_hostname="shop.test")
    host.sock = mock.Mock()
    host.sock.sendall.side_effect = cause
    with pytest.raises(smtplib.SMTPServerDisconnected) as caught:
        host.send(b"content")
    return caught.value


def test_what_smtplib_hides_is_the_reason_that_is_shown():
    foreign = hidden(ConnectionResetError(104, "Connection reset by peer"))
    error = failures.failure(foreign, "data", "mx.test:25")
    assert type(error) is errors.ServerDisconnected
    assert str(error).endswith("with mx.test:25: [Errno 104] Connection reset by peer.")


def test_a_timeout_that_smtplib_hides_is_a_timeout_error_too():
    error = failures.failure(hidden(TimeoutError("timed out")), "sender", "mx.test:25")
    assert isinstance(error, TimeoutError)
    assert isinstance(error, smtplib.SMTPServerDisconnected)


def test_what_a_program_was_dealing_with_when_it_sent_is_no_cause():
    """Programs report their errors by mail."""
    try:
        raise TimeoutError("of the database")
    except TimeoutError:
        with pytest.raises(smtplib.SMTPServerDisconnected) as caught:
            smtplib.SMTP(local_hostname="shop.test").send(b"content")
    assert isinstance(caught.value.__context__, TimeoutError)
    error = failures.failure(caught.value, "data", "mx.test:25")
    assert not isinstance(error, TimeoutError)
    assert "database" not in str(error)


@pytest.mark.parametrize(
    ("foreign", "stage", "advice"),
    [
        (ssl.SSLCertVerificationError(1, "unknown"), "tls", "MAIL_TLS_CA_FILE"),
        (ssl.SSLError(1, "wrong version number"), "tls", "MAIL_USE_TLS"),
        (socket.gaierror(-2, "unknown"), "connect", "Check MAIL_SERVER."),
        (UnicodeError("label too long"), "connect", "Check MAIL_SERVER."),
        (ConnectionRefusedError(111, "refused"), "connect", "for development."),
        (TimeoutError("timed out"), "connect", "within MAIL_TIMEOUT."),
        (smtplib.SMTPServerDisconnected("closed"), "greeting", "set MAIL_USE_SSL."),
        (OSError(113, "No route to host"), "connect", "No route to host."),
        (smtplib.SMTPException(), "login", "Could not log in to mx.test:25: SMTPException."),
    ],
    ids=repr,
)
def test_the_sentence_ends_in_what_to_do(foreign, stage, advice):
    sentence = str(failures.failure(foreign, stage, "mx.test:25"))
    assert "mx.test:25" in sentence
    assert advice in sentence


# Replies


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"5.1.1 no\nsuch\t user ", "5.1.1 no such user"),
        (b"\x1b[2J\x07", r"\x1b[2J\x07"),
        ("\u202egnp.exe gr\xfc\xdfe".encode(), r"\u202egnp.exe " + "gr\xfc\xdfe"),
        (b"\xff", "\ufffd"),
    ],
)
def test_a_reply_is_one_line_that_no_terminal_obeys(octets, text):
    assert reply_of((550, octets)) == Reply(550, text)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("5.1.1 no such user", (550, "5.1.1", "no such user")),
        ("5.1.1", (550, "5.1.1", "")),
        ("no 5.1.1 user", (550, "", "no 5.1.1 user")),
        ("5.1.1000 no", (550, "", "5.1.1000 no")),
        ("", (550, "", "")),
    ],
)
def test_the_enhanced_code_is_taken_apart(text, refusal):
    assert Reply(550, text).refusal == refusal


@pytest.mark.parametrize(
    ("code", "refuses"), [(-1, False), (399, False), (400, True), (599, True), (600, False)]
)
def test_a_reply_refuses_with_4xx_and_5xx_only(code, refuses):
    assert Reply(code, "").refuses is refuses


def test_a_reply_without_text_is_its_code():
    assert str(Reply(550, "")) == "550"
