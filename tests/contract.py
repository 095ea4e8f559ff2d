"""What every backend promises, as tests for its author to run.

Derive a test class from :class:`BackendContract` and give it a backend. If the tests can look at
what arrived, give it that too; then they check much more::

    class TestPigeonBackend(BackendContract):
        @pytest.fixture
        def backend(self, tmp_path):
            return PigeonBackend(loft=tmp_path)

        @pytest.fixture
        def delivered(self, backend):
            return lambda: [(letter.envelope, letter.content) for letter in backend.letters()]

        @pytest.fixture
        def options(self, tmp_path):
            return {"loft": tmp_path}

Needs nothing but pytest and Flask-Mail.
"""

from __future__ import annotations

import copy
import inspect
import logging
import pickle
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, NamedTuple

import pytest
from flask import Flask

from flask_mail import (
    Attachment,
    BackendUnavailable,
    BadHeaderError,
    ConfigurationError,
    DeliveryError,
    DeliveryUnknown,
    Mail,
    MailError,
    Message,
    MessageError,
    MessageRefused,
    email_dispatched,
    email_failed,
    email_sending,
)
from flask_mail.backends import Backend, Envelope, Outcome, Receipt, loader

Delivered = Callable[[], "list[tuple[Envelope, bytes]]"]

SENDER = "ann@example.com"
RECIPIENT = "bob@example.com"

THREADS = 8
SENDS = 25
_PATIENCE = 120.0  # seconds until threads that wait for each other are a failure

# What ends a line for one mail program or another, what ends a C string, and half a character.
BREAKS: Mapping[str, str] = {
    "CR": "\r",
    "LF": "\n",
    "CRLF": "\r\n",
    "VT": "\x0b",
    "FF": "\x0c",
    "NUL": "\0",
    "U+2028": "\u2028",
    "a lone surrogate": "\udc80",
}
_LINE_ENDS = ("CR", "LF", "CRLF")

_LEFT_ALONE = (
    "subject",
    "sender",
    "recipients",
    "cc",
    "bcc",
    "reply_to",
    "body",
    "alts",
    "date",
    "charset",
    "extra_headers",
    "mail_options",
    "rcpt_options",
    "msgId",
)

OUTCOMES: tuple[tuple[type[DeliveryError], Outcome], ...] = (
    (MessageRefused, Outcome.REFUSED),
    (BackendUnavailable, Outcome.NOT_SENT),
    (DeliveryUnknown, Outcome.UNKNOWN),
)


def _message(subject: str = "Hello", **fields: Any) -> Message:
    return Message(
        **{"subject": subject, "recipients": [RECIPIENT], "sender": SENDER, "body": "Hi", **fields}
    )


def _bad_message() -> Message:
    return _message("Hello\nBcc: everybody@example.com")


def _attached(**fields: Any) -> Message:
    return _message(
        attachments=[
            Attachment(
                **{"filename": "a.txt", "content_type": "text/plain", "data": "data", **fields}
            )
        ]
    )


# A field -> a message that has the text there.
FIELDS: Mapping[str, Callable[[str], Message]] = {
    "subject": lambda text: _message(text),
    "sender": lambda text: _message(sender=f"{text}@example.com"),
    "sender name": lambda text: _message(sender=(text, SENDER)),
    "recipient": lambda text: _message(recipients=[RECIPIENT, f"{text}@example.com"]),
    "recipient name": lambda text: _message(recipients=[RECIPIENT, (text, "eve@example.com")]),
    "cc": lambda text: _message(cc=[f"{text}@example.com"]),
    "bcc": lambda text: _message(bcc=[f"{text}@example.com"]),
    "reply_to": lambda text: _message(reply_to=f"{text}@example.com"),
    "extra header name": lambda text: _message(extra_headers={f"X-{text}": "value"}),
    "extra header value": lambda text: _message(extra_headers={"X-Note": text}),
    "attachment name": lambda text: _attached(filename=f"{text}.txt"),
    "attachment type": lambda text: _attached(content_type=f"text/{text}"),
    "attachment disposition": lambda text: _attached(disposition=text),
    "attachment header name": lambda text: _attached(headers={f"X-{text}": "value"}),
    "attachment header value": lambda text: _attached(headers={"Content-ID": text}),
    "mail option": lambda text: _message(mail_options=[f"ENVID={text}"]),
    "rcpt option": lambda text: _message(rcpt_options=[f"ORCPT={text}"]),
}


class BackendContract:
    """The promises of a backend: one test for each.

    A subclass gives the fixture :meth:`backend`. The others are optional; what is not given is not
    looked at. Where your backend cannot keep a promise by its nature, override that test and say
    why.
    """

    children: tuple[str, ...] = ()
    """For a backend that delivers by others: their names, which its receipts may have too."""

    # ------------------------------------------------------------------ fixtures

    @pytest.fixture
    def backend(self) -> Backend[Any]:
        """The backend to test; a new one for each test. Required."""
        raise NotImplementedError(
            f"{type(self).__name__} must define the fixture `backend`, which returns the backend."
        )

    @pytest.fixture
    def delivered(self) -> Delivered | None:
        """A function that returns what `backend` delivered: a list of (envelope, content).

        The oldest comes first. ``None``: it cannot be read back.
        """
        return None

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """The options that an app sets for a backend like `backend`, by lowercase name.

        Needed for a backend that cannot be built without options.
        """
        return {}

    @pytest.fixture
    def secrets(self) -> Iterable[str]:
        """The passwords and keys that `backend` was built with, which must show nowhere."""
        return ()

    @pytest.fixture
    def failing(self) -> Backend[Any] | None:
        """A backend like `backend` whose peer cannot be reached, or refuses every message."""
        return None

    # ------------------------------------------------------------------ what it is

    def test_its_name_is_one_lowercase_word(self, backend: Backend[Any]) -> None:
        """The name can be a setting's value and a part of a setting's key."""
        name = getattr(backend, "name", None)
        assert isinstance(name, str), f"{type(backend).__name__} has the name {name!r}: set a str."
        assert re.fullmatch("[a-z][a-z0-9]*", name), (
            f"{type(backend).__name__} has the name {name!r}: use lowercase letters and digits."
        )

    def test_its_class_can_be_chosen(self, backend: Backend[Any]) -> None:
        """`MAIL_BACKEND` takes the class."""
        try:
            chosen = loader.load(type(backend))
        except ConfigurationError as error:
            pytest.fail(f"The class cannot be chosen: {error}")
        assert chosen is type(backend)

    # ------------------------------------------------------------------ one message

    def test_the_receipt_tells_what_was_sent(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """The receipt says SENT, by this backend, under the Message-ID that the content has."""
        message = _message()
        receipt = _sent(backend, message)
        assert receipt.backend in self._names(backend), (
            f"The receipt is in the name of {receipt.backend!r}, not of {backend.name!r}."
        )
        assert receipt.error is None, f"The receipt says SENT and has the error {receipt.error!r}."
        assert receipt.message_id == message.msgId, (
            f"The receipt has the Message-ID {receipt.message_id!r}, the message {message.msgId!r}."
        )
        for _, content in _arrived(delivered, 1):
            found = _parsed(content)["Message-ID"]
            assert found == receipt.message_id, (
                f"The receipt has the Message-ID {receipt.message_id!r}, the content {found!r}."
            )

    def test_a_message_is_delivered_once(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Each message arrives exactly once, with its own sender, recipient and content."""
        for number in range(3):
            _sent(backend, _message(f"Number {number}", recipients=[f"r{number}@example.com"]))
        found = [
            (envelope.sender, envelope.recipients, str(_parsed(content)["Subject"]))
            for envelope, content in _arrived(delivered, 3)
        ]
        expected = [(SENDER, (f"r{n}@example.com",), f"Number {n}") for n in range(3)]
        assert not found or found == expected, f"Sent {expected}, and what arrived is {found}."

    def test_the_message_is_left_as_it_is(self, backend: Backend[Any]) -> None:
        """Delivery does not change the message: the program may send it again, or show it."""
        message = _message(cc=["cc@example.com"], bcc=["blind@example.com"], html="<b>Hi</b>")
        message.attach("a.txt", "text/plain", "data")
        message.date = 1893456000.0
        before = {name: copy.deepcopy(getattr(message, name)) for name in _LEFT_ALONE}
        _sent(backend, message)
        changed = [name for name in _LEFT_ALONE if getattr(message, name) != before[name]]
        assert not changed, f"deliver() changed {', '.join(changed)} of the message."
        data = [each.data for each in message.attachments]
        assert data == ["data"], f"deliver() changed the attachments to {message.attachments}."

    def test_recipients_are_in_order_and_without_duplicates(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """The envelope has To, Cc and Bcc in the order given, and each recipient once."""
        message = _message(
            recipients=["zoe@example.com", ("Ann", "ann@example.com"), "ZOE@example.com"],
            cc=["mia@example.com", "ann@EXAMPLE.com"],
            bcc=["leo@example.com", "mia@example.com", "bea@example.com"],
        )
        expected = (
            "zoe@example.com",
            "ann@example.com",
            "ZOE@example.com",  # another mailbox, as far as anybody but its server can tell
            "mia@example.com",
            "leo@example.com",
            "bea@example.com",
        )
        _sent(backend, message)
        for envelope, _ in _arrived(delivered, 1):
            assert tuple(envelope.recipients) == expected, (
                f"The recipients should be {expected}, and are {envelope.recipients}."
            )

    def test_blind_copies_are_in_the_envelope_and_never_in_the_content(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Who gets a blind copy gets it, and nobody can tell from the content."""
        message = _message(bcc=["blind@hidden.example", ("Veiled Name", "veiled@hidden.example")])
        _sent(backend, message)
        for envelope, content in _arrived(delivered, 1):
            expected = (RECIPIENT, "blind@hidden.example", "veiled@hidden.example")
            assert tuple(envelope.recipients) == expected, (
                f"The recipients should be {expected}, and are {envelope.recipients}."
            )
            for trace in (b"\nbcc:", b"blind", b"veiled", b"hidden"):
                assert trace not in content.lower(), f"The content shows blind copies: {trace!r}."

    def test_another_envelope_sender_is_used_or_refused(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """`envelope_from` is where bounces go, ``"<>"`` to nobody; From stays the sender.

        A backend that cannot do that raises an error.
        """
        for envelope_from, expected in (("bounces@example.com", "bounces@example.com"), ("<>", "")):
            before = len(delivered()) if delivered is not None else 0
            try:
                _sent(backend, _message(), envelope_from=envelope_from)
            except MailError:
                assert delivered is None or len(delivered()) == before, (
                    f"With envelope_from={envelope_from!r} it raised, and delivered all the same."
                )
                continue
            for envelope, content in _arrived(delivered, before + 1)[before:]:
                assert envelope.sender == expected, (
                    f"The envelope sender should be {expected!r}, and is {envelope.sender!r}."
                )
                sender = str(_parsed(content)["From"])
                assert sender == SENDER, f"From should be {SENDER!r}, and is {sender!r}."

    def test_text_of_every_script_arrives(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Subject, names, domains, text, HTML and file names arrive as they were written."""
        subject = "Grüße aus Köln: ein Paket für Sie ist da 🫖 こんにちは" + " und mehr" * 20
        text = "Zwölf Boxkämpfer\n.\n..\nこんにちは 🫖\n" + "lange Zeile " * 200 + "\nFrom here"
        html = "<p>Zwölf</p>\n<p>🫖</p>"
        message = _message(
            subject,
            sender=("Änne Müller", SENDER),
            recipients=[("Jürgen, der Große", "juergen@bücher.example")],
            body=text,
            html=html,
        )
        message.attach("Übersicht für 2030 🫖.txt", "text/plain", "Straße")
        _sent(backend, message)
        for envelope, content in _arrived(delivered, 1):
            assert tuple(envelope.recipients) == ("juergen@xn--bcher-kva.example",), (
                f"A domain travels in A-labels (RFC 5890); the envelope has {envelope.recipients}."
            )
            parsed = _parsed(content)
            assert str(parsed["Subject"]) == subject, f"The subject became {parsed['Subject']!r}."
            names = [_display_name(parsed, field) for field in ("From", "To")]
            assert names == ["Änne Müller", "Jürgen, der Große"], f"The names became {names}."
            for kind, expected in (("plain", text), ("html", html)):
                part = parsed.get_body((kind,))
                found = "" if part is None else _lines(part.get_content())
                assert found == expected, f"The {kind} text became {found!r}."
            attached = [(each.get_filename(), each.get_content()) for each in _parts(parsed)]
            assert attached == [("Übersicht für 2030 🫖.txt", "Straße")], (
                f"The attachment became {attached}."
            )

    def test_attachments_arrive_byte_for_byte(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """No byte of an attachment is lost, added or changed, whatever its type."""
        attachments = {
            "all.bin": ("application/octet-stream", bytes(range(256)) * 40),
            "ends.txt": ("text/plain", b"\r\n.\r\n..\r\nlf\ncr\rcrlf\r\nFrom me\r\n\r\nno end"),
            "empty.bin": ("application/octet-stream", b""),
            "one.bin": ("image/png", b"\0"),
        }
        message = _message()
        for filename, (content_type, data) in attachments.items():
            message.attach(filename, content_type, data)
        _sent(backend, message)
        for _, content in _arrived(delivered, 1):
            found = {
                each.get_filename(): (each.get_content_type(), each.get_payload(decode=True))
                for each in _parts(_parsed(content))
            }
            assert [*found] == [*attachments], f"The attachments are {[*found]}."
            changed = [name for name in attachments if found[name] != attachments[name]]
            assert not changed, f"The attachments {changed} arrived with other content or types."

    def test_a_later_change_of_the_message_changes_nothing_that_was_delivered(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """What was delivered stays what was sent, whatever becomes of the message."""
        message = _message(
            cc=["cc@example.com"],
            html="<b>Hi</b>",
            extra_headers={"X-Note": "one"},
        )
        message.attach("a.txt", "text/plain", "data")
        _sent(backend, message)
        before = _arrived(delivered, 1)
        message.subject = "Changed"
        message.body = message.html = "Changed"
        message.sender = "changed@example.com"
        message.recipients.append("changed@example.com")
        message.cc.clear()
        message.bcc = ["changed@example.com"]
        message.extra_headers = {"X-Note": "changed"}
        message.attachments[0].data = "Changed"
        message.attachments[0].filename = "changed.txt"
        message.msgId = "<changed@example.com>"
        after = _arrived(delivered, 1)
        assert before == after, "A change of the message reached what had been delivered."

    # ------------------------------------------------------------------ what must not be sent

    @pytest.mark.parametrize("field", FIELDS)
    def test_line_breaks_and_controls_are_refused(
        self, backend: Backend[Any], delivered: Delivered | None, field: str
    ) -> None:
        """Nothing can be smuggled in: the message is refused before any of it is delivered."""
        for name, character in BREAKS.items():
            error = _refusal(
                backend,
                FIELDS[field](f"one{character}two"),
                f"{name} in the {field}",
            )
            if name in _LINE_ENDS:
                assert isinstance(error, BadHeaderError), (
                    f"{name} in the {field} should be a BadHeaderError; it is {error!r}."
                )
        _arrived(delivered, 0)

    def test_line_breaks_and_controls_in_the_envelope_sender_are_refused(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Nothing can be smuggled in through `envelope_from` either."""
        for name, character in BREAKS.items():
            _refusal(
                backend,
                _message(),
                f"{name} in envelope_from",
                envelope_from=f"one{character}two@example.com",
            )
        _arrived(delivered, 0)

    # ------------------------------------------------------------------ signals

    def test_signals_fire_once_and_in_order(self, backend: Backend[Any]) -> None:
        """`email_sending`, then `email_dispatched` with the receipt; the app is their sender."""
        app, message = _app(), _message()
        with _listening() as heard:
            receipt = _sent(backend, message, app=app)
        _check_signals(heard, app, message, ["email-sending", "email-dispatched"])
        assert heard[-1].receipt == receipt, (
            f"email_dispatched has the receipt {heard[-1].receipt}, the caller {receipt}."
        )

    def test_a_refused_message_fires_email_failed_once(self, backend: Backend[Any]) -> None:
        """`email_failed` has the error that the caller gets, and a receipt that says NOT_SENT."""
        app, message = _app(), _bad_message()
        with _listening() as heard:
            error = _refusal(backend, message, "a line break in the subject", app=app)
        _check_signals(heard, app, message, ["email-sending", "email-failed"])
        _check_failure(heard[-1], error)
        assert heard[-1].receipt is not None
        assert heard[-1].receipt.outcome is Outcome.NOT_SENT, (
            f"What was never handed over is {heard[-1].receipt.outcome}."
        )

    def test_a_receiver_may_stop_a_message(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """What a receiver of `email_sending` raises reaches the caller, and nothing is sent."""
        app, message = _app(), _message()

        def stop(sender: object) -> None:
            raise PermissionError("not today")

        with _listening() as heard, email_sending.connected_to(stop):
            with pytest.raises(PermissionError, match="not today"):
                _sent(backend, message, app=app)
            (receipt,) = _sent_many(backend, [message], app=app)
        assert receipt.outcome is Outcome.NOT_SENT, f"It was stopped, and is {receipt.outcome}."
        dispatched = [each for each in heard if each.signal == "email-dispatched"]
        assert not dispatched, "email_dispatched fired for a message that was stopped."
        _arrived(delivered, 0)

    def test_a_receiver_that_raises_does_not_undo_the_delivery(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """A receiver of `email_dispatched` that raises is logged; in tests it raises afterwards.

        The message was sent, and is neither sent again nor reported as failed.
        """

        def break_down(sender: object) -> None:
            raise ZeroDivisionError("a receiver")

        with _listening() as heard, email_dispatched.connected_to(break_down):
            _sent(backend, _message())
            with pytest.raises(ZeroDivisionError, match="a receiver"):
                _sent(backend, _message(), app=_app(TESTING=True))
        names = [each.signal for each in heard]
        assert names == ["email-sending", "email-dispatched"] * 2, f"The signals were {names}."
        _arrived(delivered, 2)

    # ------------------------------------------------------------------ failures

    def test_a_failure_is_raised_and_signalled(self, failing: Backend[Any] | None) -> None:
        """A message that was not delivered raises a DeliveryError whose receipt tells the outcome.

        It is never reported as sent.
        """
        if failing is None:
            return
        app, message = _app(), _message()
        with _listening() as heard:
            error = _failure(failing, message, app=app)
        _check_signals(heard, app, message, ["email-sending", "email-failed"])
        _check_failure(heard[-1], error)
        receipt = error.receipt
        assert receipt is not None, f"The error {error!r} carries no receipt."
        assert receipt.message_id == message.msgId, (
            f"The receipt has the Message-ID {receipt.message_id!r}, not {message.msgId!r}."
        )
        expected = [outcome for kind, outcome in OUTCOMES if isinstance(error, kind)]
        assert [receipt.outcome] == expected, (
            f"{type(error).__name__} is raised, and its receipt says {receipt.outcome}: raise"
            " MessageRefused, BackendUnavailable or DeliveryUnknown."
        )

    def test_send_many_reports_failures_and_raises_none(self, failing: Backend[Any] | None) -> None:
        """A batch that cannot be delivered has a receipt for each message, with its error."""
        if failing is None:
            return
        messages = [_message(f"Number {number}") for number in range(3)]
        with _listening() as heard:
            receipts = _sent_many(failing, messages)
        names = [each.signal for each in heard]
        assert sorted(names) == ["email-failed"] * 3 + ["email-sending"] * 3, (
            f"For three messages that failed the signals were {names}."
        )
        assert [each.message_id for each in receipts] == [each.msgId for each in messages], (
            "send_many() must give one receipt for each message, in their order."
        )
        for receipt in receipts:
            assert receipt.outcome is not Outcome.SENT, "A message that failed has SENT."
            assert receipt.error is not None, "A message that failed has no error."

    def test_errors_and_receipts_can_be_pickled(
        self, backend: Backend[Any], failing: Backend[Any] | None
    ) -> None:
        """Task queues pickle errors and receipts: both come back as they were."""
        receipts = _sent_many(backend, [_message(), _bad_message()])
        errors: list[Exception] = [_refusal(backend, _bad_message(), "a line break")]
        if failing is not None:
            receipts += _sent_many(failing, [_message()])
            errors.append(_failure(failing, _message()))
        for receipt in receipts:
            again = _pickled(receipt)
            assert again == receipt, f"{receipt} came back as {again}."
            assert type(again.error) is type(receipt.error), (
                f"The error {receipt.error!r} came back as {again.error!r}."
            )
        for error in errors:
            again = _pickled(error)
            assert (type(again), str(again)) == (type(error), str(error)), (
                f"{error!r} came back as {again!r}."
            )
            if isinstance(error, DeliveryError):
                assert again.receipt == error.receipt, (
                    f"{error!r} came back with the receipt {again.receipt}."
                )

    # ------------------------------------------------------------------ many messages

    def test_send_many_gives_one_receipt_for_each_in_order(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Bad messages get their receipts between the others, and stop none of them."""
        bad = (0, 3, 4, 8)
        messages = [_bad_message() if n in bad else _message(f"Number {n}") for n in range(9)]
        app = _app()
        with _listening() as heard:
            receipts = _sent_many(backend, (each for each in messages), app=app)
        assert len(receipts) == 9, f"For 9 messages there are {len(receipts)} receipts."
        good = [message for n, message in enumerate(messages) if n not in bad]
        for number, (message, receipt) in enumerate(zip(messages, receipts, strict=True)):
            expected = Outcome.NOT_SENT if number in bad else Outcome.SENT
            assert receipt.outcome is expected, (
                f"Message {number} should be {expected.name}, and is {receipt.outcome.name}:"
                f" {receipt.error!r}."
            )
            assert number in bad or receipt.message_id == message.msgId, (
                f"Receipt {number} belongs to another message: {receipt.message_id}."
            )
            assert receipt.backend in self._names(backend), (
                f"Receipt {number} is in the name of {receipt.backend!r}."
            )
            assert (number in bad) == isinstance(receipt.error, BadHeaderError), (
                f"Receipt {number} has the error {receipt.error!r}."
            )
            last = "email-failed" if number in bad else "email-dispatched"
            own = [each for each in heard if each.message is message]
            _check_signals(own, app, message, ["email-sending", last])
        ids = Counter(str(_parsed(content)["Message-ID"]) for _, content in _arrived(delivered, 5))
        assert not ids or ids == Counter(each.msgId for each in good), (
            "What arrived is not what was sent, each message once."
        )

    def test_send_many_of_nothing_that_can_be_sent_delivers_nothing(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """No messages, no receipts; only bad ones, only their receipts."""
        assert _sent_many(backend, []) == [], "send_many() of nothing gave receipts."
        outcomes = [each.outcome for each in _sent_many(backend, [_bad_message(), _bad_message()])]
        assert outcomes == [Outcome.NOT_SENT] * 2, f"Two bad messages are {outcomes}."
        _arrived(delivered, 0)

    def test_threads_may_share_it(self, backend: Backend[Any], delivered: Delivered | None) -> None:
        """Messages that threads send at the same time arrive once each, with their own content."""
        app = _app()
        sent: list[tuple[str, str, str]] = []  # appending is atomic
        errors: list[Exception] = []
        together = threading.Barrier(THREADS)

        def work(thread: int) -> None:
            try:
                together.wait(_PATIENCE)
                session = backend.open()
                try:
                    for number in range(SENDS):
                        label = f"t{thread}n{number}"
                        message = _message(
                            label, recipients=[f"{label}@example.com"], body=f"Text of {label}"
                        )
                        receipt = backend.send(message, session, app=app)
                        assert receipt.message_id == message.msgId, (
                            "A thread was given the receipt of another's message."
                        )
                        sent.append((receipt.message_id, f"{label}@example.com", label))
                finally:
                    backend.close(session)
            except Exception as error:  # noqa: BLE001 (raised in the test's own thread)
                errors.append(error)

        threads = [
            threading.Thread(target=work, args=(number,), daemon=True) for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_PATIENCE)
        assert not any(thread.is_alive() for thread in threads), "Threads wait for each other."
        assert not errors, f"Threads failed; the first of {len(errors)} errors: {errors[0]!r}."
        total = THREADS * SENDS
        assert len(set(sent)) == total, f"{total} messages have {len(set(sent))} receipts."
        found = []
        for envelope, content in _arrived(delivered, total):
            parsed = _parsed(content)
            label = str(parsed["Subject"])
            text = _lines(parsed.get_content())
            assert text == f"Text of {label}", f"The message {label} has the text {text!r}."
            found.append((str(parsed["Message-ID"]), ", ".join(envelope.recipients), label))
        assert not found or sorted(found) == sorted(sent), (
            "Messages were lost, doubled, or given the envelope of another."
        )

    # ------------------------------------------------------------------ sessions

    def test_close_never_raises(self, backend: Backend[Any], delivered: Delivered | None) -> None:
        """Closing is possible at any time: unused, used, aborted, and once more."""
        unused = backend.open()
        _close(backend, unused, "a session that was never used")
        _close(backend, unused, "a session that was closed before")
        used = backend.open()
        assert backend.send(_message(), used, app=_app()).sent
        _close(backend, used, "a session that was used")
        _close(backend, used, "a session that was used, and closed before")
        aborted = backend.open()
        _close(backend, aborted, "a session", by=backend.abort)
        _close(backend, aborted, "a session that was aborted", by=backend.abort)
        _close(backend, aborted, "a session that was aborted")
        _sent(backend, _message())  # a session that was closed takes none of the others with it
        _arrived(delivered, 2)

    def test_a_session_carries_several_messages(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """One session takes messages one after the other; a bad one among them does not hurt it."""
        app = _app()
        session = backend.open()
        try:
            for number in range(3):
                assert backend.send(_message(f"Number {number}"), session, app=app).sent
                with pytest.raises(MessageError):
                    backend.send(_bad_message(), session, app=app)
            receipts = list(backend.send_many([_message("3"), _message("4")], session, app=app))
        finally:
            backend.close(session)
        assert [each.outcome for each in receipts] == [Outcome.SENT] * 2, f"{receipts}"
        _arrived(delivered, 5)

    # ------------------------------------------------------------------ configuration

    def test_an_unknown_option_is_refused(
        self, backend: Backend[Any], options: Mapping[str, Any]
    ) -> None:
        """A misspelt setting is an error that names it and the right one, and not its value."""
        cls = type(backend)
        known = [
            each.name
            for each in inspect.signature(cls).parameters.values()
            if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        ]
        for option in ("nosuchoption", *(f"{name}{name[-1]}" for name in known)):
            key = cls.setting_key(option)
            try:
                cls.from_options({**options, option: "v4lue"}, _build)
            except ConfigurationError as caught:
                text = str(caught)
            else:
                pytest.fail(f"{key} is no option of {cls.__name__}, and was accepted.")
            assert key in text, f"The error should name {key}; it is: {text}"
            assert "v4lue" not in text, f"The error shows the value, which may be secret: {text}"
            assert option == "nosuchoption" or "did you mean" in text, (
                f"The error should suggest what {key} was meant to be; it is: {text}"
            )

    def test_it_is_built_from_the_settings_of_an_app(
        self, backend: Backend[Any], options: Mapping[str, Any]
    ) -> None:
        """Two apps in one process have one each; closing a session of one leaves the other's."""
        cls = type(backend)
        settings = {cls.setting_key(name): value for name, value in options.items()}
        mails = [
            Mail(_app(MAIL_BACKEND=cls, MAIL_SUPPRESS_SEND=False, **settings)) for _ in range(2)
        ]
        with mails[0].connect() as connection:
            with mails[1].connect() as other:
                receipts = [connection.send(_message()), other.send(_message())]
            receipts.append(connection.send(_message()))
        receipts.append(mails[1].send(_message()))
        found = [(each.backend, each.outcome) for each in receipts]
        assert all(each.sent and each.backend in self._names(backend) for each in receipts), (
            f"What became of the messages: {found}."
        )

    def test_an_app_uses_it_except_in_tests(
        self,
        backend: Backend[Any],
        delivered: Delivered | None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Mail of an app arrives. Under `TESTING`, what would leave this machine does not."""
        monkeypatch.setattr(type(backend), "from_options", lambda *_: backend)
        app = _app(MAIL_BACKEND=type(backend))
        mail = Mail(app)
        own = self._names(backend)
        receipt = mail.send(_message())
        assert receipt.sent, f"{receipt}"
        assert receipt.backend in own, f"MAIL_BACKEND is this class; {receipt.backend!r} was used."
        _arrived(delivered, 1)
        app.config["TESTING"] = True
        receipt = mail.send(_message())
        expected = ("locmem",) if backend.external else own
        assert receipt.backend in expected, (
            f"Under TESTING {expected[0]!r} should take the message; {receipt.backend!r} did."
        )
        _arrived(delivered, 1 if backend.external else 2)
        app.config["MAIL_SUPPRESS_SEND"] = False
        receipt = mail.send(_message())
        assert receipt.backend in own, (
            f"With MAIL_SUPPRESS_SEND=False {own[0]!r} should take the message, even in tests;"
            f" {receipt.backend!r} did."
        )
        _arrived(delivered, 2 if backend.external else 3)

    def test_no_secret_shows(
        self,
        backend: Backend[Any],
        secrets: Iterable[str],
        failing: Backend[Any] | None,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """A password is in no repr, no receipt, no log line and no error."""
        caplog.set_level(logging.DEBUG)
        shown = {"the repr": repr(backend), "the str": str(backend)}
        receipt = _sent(backend, _message())
        shown["the receipt"] = f"{receipt!r} {receipt.response}"
        if failing is not None:
            error = _failure(failing, _message())
            shown["an error"] = f"{error} {error!r} {vars(error)}"
        shown["the log"] = caplog.text
        for secret in secrets:
            for where, text in shown.items():
                assert secret not in text, f"A secret shows in {where} of {backend.name}."

    def _names(self, backend: Backend[Any]) -> tuple[str, ...]:
        return (backend.name, *self.children)


# ---------------------------------------------------------------------- helpers


class _Heard(NamedTuple):
    signal: str
    app: object
    message: Message
    receipt: Receipt | None
    error: Exception | None


@contextmanager
def _listening() -> Iterator[list[_Heard]]:
    """Collect the signals that are sent in a block, whatever their sender."""
    heard: list[_Heard] = []

    def note(name: str) -> Callable[..., None]:
        def receive(
            app: object,
            message: Message,
            receipt: Receipt | None = None,
            error: Exception | None = None,
        ) -> None:
            heard.append(_Heard(name, app, message, receipt, error))

        return receive

    with ExitStack() as stack:
        for signal in (email_sending, email_dispatched, email_failed):
            stack.enter_context(signal.connected_to(note(signal.name)))
        yield heard


def _check_signals(heard: list[_Heard], app: Flask, message: Message, expected: list[str]) -> None:
    names = [each.signal for each in heard]
    assert names == expected, f"The signals should be {expected}, and are {names}."
    for each in heard:
        assert each.app is app, f"{each.signal} has the sender {each.app!r}, not the app."
        assert each.message is message, f"{each.signal} has another message than was sent."


def _check_failure(heard: _Heard, error: Exception) -> None:
    assert heard.error is error, f"email_failed has {heard.error!r}, the caller got {error!r}."
    assert heard.receipt is not None, "email_failed has no receipt."
    assert heard.receipt.error is error, (
        f"The receipt of email_failed has the error {heard.receipt.error!r}, not {error!r}."
    )


def _app(**config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(config)
    return app


@contextmanager
def _sessions(backend: Backend[Any]) -> Iterator[Callable[[], Any]]:
    """Give what opens a session on demand; close what it opened at the end."""
    opened: list[Any] = []

    def open_session() -> Any:
        opened.append(backend.open())
        return opened[-1]

    try:
        yield open_session
    finally:
        for session in opened:
            backend.close(session)


def _send(
    backend: Backend[Any],
    message: Message,
    app: Flask | None,
    envelope_from: str | None = None,
) -> Receipt:
    with _sessions(backend) as open_session:
        return backend.send(
            message, app=app or _app(), envelope_from=envelope_from, open_session=open_session
        )


def _sent(
    backend: Backend[Any],
    message: Message,
    *,
    app: Flask | None = None,
    envelope_from: str | None = None,
) -> Receipt:
    """Send a message that must be delivered."""
    receipt = _send(backend, message, app, envelope_from)
    assert isinstance(receipt, Receipt), f"send() returned {receipt!r}, which is no Receipt."
    assert receipt.outcome is Outcome.SENT, f"The message was not sent: {receipt}."
    return receipt


def _sent_many(
    backend: Backend[Any], messages: Iterable[Message], *, app: Flask | None = None
) -> list[Receipt]:
    with _sessions(backend) as open_session:
        return list(backend.send_many(messages, app=app or _app(), open_session=open_session))


def _refusal(
    backend: Backend[Any],
    message: Message,
    what: str,
    *,
    app: Flask | None = None,
    envelope_from: str | None = None,
) -> MessageError:
    """Send a message that must be refused as what it is; return the error."""
    try:
        receipt = _send(backend, message, app, envelope_from)
    except MessageError as error:
        return error
    except Exception as error:  # noqa: BLE001 (reported)
        pytest.fail(f"For {what} there should be a MessageError; there is {error!r}.")
    pytest.fail(f"{what} was accepted: {receipt}.")


def _failure(backend: Backend[Any], message: Message, *, app: Flask | None = None) -> DeliveryError:
    """Send a message that cannot be delivered; return the error."""
    try:
        receipt = _send(backend, message, app)
    except DeliveryError as error:
        return error
    except Exception as error:  # noqa: BLE001 (reported)
        pytest.fail(f"A failed delivery should raise a DeliveryError; it raised {error!r}.")
    pytest.fail(f"The delivery failed, and was reported as {receipt}.")


def _close(
    backend: Backend[Any], session: Any, what: str, by: Callable[[Any], None] | None = None
) -> None:
    close = by or backend.close
    try:
        close(session)
    except Exception as error:  # noqa: BLE001 (reported)
        pytest.fail(f"{close.__name__}() raised {error!r} for {what}.")


def _arrived(delivered: Delivered | None, count: int) -> list[tuple[Envelope, bytes]]:
    """Return what arrived, which must be `count` messages; nothing where that cannot be read."""
    if delivered is None:
        return []
    found = list(delivered())
    assert len(found) == count, f"{count} messages should have arrived, and {len(found)} have."
    return found


def _parsed(content: bytes) -> EmailMessage:
    assert isinstance(content, bytes), f"The content should be bytes, not {content!r}."
    return message_from_bytes(content, policy=policy.default)


def _parts(parsed: EmailMessage) -> list[EmailMessage]:
    return list(parsed.iter_attachments())


def _display_name(parsed: EmailMessage, field: str) -> str:
    return str(parsed[field].addresses[0].display_name)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").removesuffix("\n")


def _pickled(value: Any) -> Any:
    try:
        return pickle.loads(pickle.dumps(value))
    except Exception as error:  # noqa: BLE001 (reported)
        pytest.fail(f"{value!r} cannot be pickled: {error!r}.")


def _build(name: str) -> Backend[Any]:
    return loader.load(name).from_options({}, _build)
