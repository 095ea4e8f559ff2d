"""Delivery of one message."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from ... import ConfigurationError, MailError, UnsupportedFeature
from ...backends import Backend, Feature, loader
from .data import LEFT_ALONE, RECIPIENT, SENDER, Delivered, hello
from .fixtures import Fixtures
from .helpers import display_name, lines_of, must_arrive, must_be_able, parsed, parts_of


class Messages(Fixtures):
    """Delivery of one message."""

    def test_its_name_is_one_lowercase_word(self, backend: Backend[Any]) -> None:
        """The name is used as a setting's value and in keys of settings."""
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

    def test_the_receipt_tells_what_was_sent(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """The receipt has SENT, the name of the backend, and the Message-ID of the content."""
        message = hello()
        receipt = self._must_send(backend, message)
        assert receipt.backend in self._names(backend), (
            f"The receipt names the backend {receipt.backend!r}, not {backend.name!r}."
        )
        assert receipt.error is None, f"The receipt has SENT and the error {receipt.error!r}."
        assert receipt.message_id == message.msgId, (
            f"The receipt has the Message-ID {receipt.message_id!r}, the message {message.msgId!r}."
        )
        for _, content in must_arrive(delivered, 1):
            found = parsed(content)["Message-ID"]
            assert found == receipt.message_id, (
                f"The receipt has the Message-ID {receipt.message_id!r}, the content {found!r}."
            )

    def test_a_message_is_delivered_once(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Each message arrives exactly once, with its own sender, recipient and content."""
        for number in range(3):
            self._must_send(
                backend, hello(f"Number {number}", recipients=[f"r{number}@example.com"])
            )
        found = [
            (envelope.sender, envelope.recipients, str(parsed(content)["Subject"]))
            for envelope, content in must_arrive(delivered, 3)
        ]
        expected = [(SENDER, (f"r{n}@example.com",), f"Number {n}") for n in range(3)]
        assert not found or found == expected, f"Sent {expected}, but {found} arrived."

    def test_the_message_is_left_as_it_is(self, backend: Backend[Any]) -> None:
        """Delivery does not change the message, which may be sent again."""
        message = hello(cc=["cc@example.com"], bcc=["blind@example.com"], html="<b>Hi</b>")
        if Feature.ATTACHMENTS in backend.features:
            message.attach("a.txt", "text/plain", "data")
        if Feature.TAGS in backend.features:
            message.tags = ["welcome"]
        if Feature.METADATA in backend.features:
            message.metadata = {"order": "4711"}
        message.date = 1893456000.0
        before = {name: copy.deepcopy(getattr(message, name)) for name in LEFT_ALONE}
        self._must_send(backend, message)
        changed = [name for name in LEFT_ALONE if getattr(message, name) != before[name]]
        assert not changed, f"deliver() changed {', '.join(changed)} of the message."
        data = [each.data for each in message.attachments]
        expected = ["data"] if Feature.ATTACHMENTS in backend.features else []
        assert data == expected, f"deliver() changed the attachments to {message.attachments}."

    def test_recipients_are_in_order_and_without_duplicates(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """The envelope has To, Cc and Bcc in order, without duplicates."""
        message = hello(
            recipients=["zoe@example.com", ("Ann", "ann@example.com"), "ZOE@example.com"],
            cc=["mia@example.com", "ann@EXAMPLE.com"],
            bcc=["leo@example.com", "mia@example.com", "bea@example.com"],
        )
        expected = (
            "zoe@example.com",
            "ann@example.com",
            "ZOE@example.com",  # local parts are case-sensitive (RFC 5321 section 2.4)
            "mia@example.com",
            "leo@example.com",
            "bea@example.com",
        )
        self._must_send(backend, message)
        for envelope, _ in must_arrive(delivered, 1):
            assert tuple(envelope.recipients) == expected, (
                f"The recipients should be {expected}, not {envelope.recipients}."
            )

    def test_blind_copies_are_in_the_envelope_and_never_in_the_content(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Bcc recipients are in the envelope, and the content does not show them."""
        message = hello(bcc=["blind@hidden.example", ("Veiled Name", "veiled@hidden.example")])
        self._must_send(backend, message)
        for envelope, content in must_arrive(delivered, 1):
            expected = (RECIPIENT, "blind@hidden.example", "veiled@hidden.example")
            assert tuple(envelope.recipients) == expected, (
                f"The recipients should be {expected}, not {envelope.recipients}."
            )
            for trace in (b"\nbcc:", b"blind", b"veiled", b"hidden"):
                assert trace not in content.lower(), f"The content shows blind copies: {trace!r}."

    def test_another_envelope_sender_is_used_or_refused(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """`envelope_from` sets the reverse-path, ``"<>"`` the null one; From stays the sender.

        A backend that does not support it raises an error.
        """
        for envelope_from, expected in (("bounces@example.com", "bounces@example.com"), ("<>", "")):
            before = len(delivered()) if delivered is not None else 0
            try:
                self._must_send(backend, hello(), envelope_from=envelope_from)
            except MailError:
                assert delivered is None or len(delivered()) == before, (
                    f"With envelope_from={envelope_from!r} it raised, but delivered the message."
                )
                continue
            for envelope, content in must_arrive(delivered, before + 1)[before:]:
                assert envelope.sender == expected, (
                    f"The envelope sender should be {expected!r}, not {envelope.sender!r}."
                )
                sender = str(parsed(content)["From"])
                assert sender == SENDER, f"From should be {SENDER!r}, not {sender!r}."

    def test_text_of_every_script_arrives(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Subject, names, domains, text, HTML and file names arrive as they were written."""
        subject = "Grüße aus Köln: ein Paket für Sie ist da 🫖 こんにちは" + " und mehr" * 20
        text = "Zwölf Boxkämpfer\n.\n..\nこんにちは 🫖\n" + "lange Zeile " * 200 + "\nFrom here"
        html = "<p>Zwölf</p>\n<p>🫖</p>"
        message = hello(
            subject,
            sender=("Änne Müller", SENDER),
            recipients=[("Jürgen, der Große", "juergen@bücher.example")],
            body=text,
            html=html,
        )
        if Feature.ATTACHMENTS in backend.features:
            message.attach("Übersicht für 2030 🫖.txt", "text/plain", "Straße")
        self._must_send(backend, message)
        for envelope, content in must_arrive(delivered, 1):
            assert tuple(envelope.recipients) == ("juergen@xn--bcher-kva.example",), (
                f"Domains must be in A-labels (RFC 5890); the envelope has {envelope.recipients}."
            )
            letter = parsed(content)
            assert str(letter["Subject"]) == subject, f"The subject became {letter['Subject']!r}."
            names = [display_name(letter, field) for field in ("From", "To")]
            assert names == ["Änne Müller", "Jürgen, der Große"], f"The names became {names}."
            for kind, expected in (("plain", text), ("html", html)):
                part = letter.get_body((kind,))
                found = "" if part is None else lines_of(part.get_content())
                assert found == expected, f"The {kind} text became {found!r}."
            attached = [(each.get_filename(), each.get_content()) for each in parts_of(letter)]
            given = [(each.filename, each.data) for each in message.attachments]
            assert attached == given, f"The attachment became {attached}."

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
        must_be_able(backend, Feature.ATTACHMENTS)
        message = hello()
        for filename, (content_type, data) in attachments.items():
            message.attach(filename, content_type, data)
        self._must_send(backend, message)
        for _, content in must_arrive(delivered, 1):
            found = {
                each.get_filename(): (each.get_content_type(), each.get_payload(decode=True))
                for each in parts_of(parsed(content))
            }
            assert [*found] == [*attachments], f"The attachments are {[*found]}."
            changed = [name for name in attachments if found[name] != attachments[name]]
            assert not changed, f"The attachments {changed} arrived with other content or types."

    def test_a_later_change_of_the_message_changes_nothing_that_was_delivered(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Changing the message later does not affect what was delivered."""
        message = hello(
            cc=["cc@example.com"],
            html="<b>Hi</b>",
            extra_headers={"X-Note": "one"} if Feature.HEADERS in backend.features else None,
        )
        if Feature.ATTACHMENTS in backend.features:
            message.attach("a.txt", "text/plain", "data")
        self._must_send(backend, message)
        before = must_arrive(delivered, 1)
        message.subject = "Changed"
        message.body = message.html = "Changed"
        message.sender = "changed@example.com"
        message.recipients.append("changed@example.com")
        message.cc.clear()
        message.bcc = ["changed@example.com"]
        message.extra_headers = {"X-Note": "changed"}
        for each in message.attachments:
            each.data = "Changed"
            each.filename = "changed.txt"
        message.msgId = "<changed@example.com>"
        after = must_arrive(delivered, 1)
        assert before == after, "A later change of the message changed what was delivered."

    def test_a_large_message_arrives_whole(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Three megabytes arrive, or a backend with a limit raises an error."""
        must_be_able(backend, Feature.ATTACHMENTS)
        data = bytes(range(256)) * 12_000
        message = hello()
        message.attach("large.bin", "application/octet-stream", data)
        try:
            self._must_send(backend, message)
        except UnsupportedFeature:
            must_arrive(delivered, 0)
            return
        for _, content in must_arrive(delivered, 1):
            found = [each.get_payload(decode=True) for each in parts_of(parsed(content))]
            assert found == [data], (
                "The attachment of a large message arrived changed, or not at all."
            )
