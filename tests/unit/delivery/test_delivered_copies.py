"""Kept copies of a message have the octets and the envelope that were delivered."""

from __future__ import annotations

import copy
import pickle
import secrets
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from inbox_support import Browser, make_mail, welcome

from flask_mail import Mail, Message, Outgoing, email_dispatched
from flask_mail.backends.locmem import LocmemBackend
from flask_mail.delivery.copies import delivered_copy
from flask_mail.testing import Outbox

KEEPERS = ("locmem", "file", "console")


def report(**fields: Any) -> Message:
    message = Message("Grüße", ["ann@example.com"], "Hällo", sender="shop@example.com", **fields)
    message.attach("Übersicht.txt", "text/plain", "x")
    return message


@pytest.fixture
def octets(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The octets that each backend got, in order."""
    given: list[bytes] = []
    init = Outgoing.__init__

    def record(self: Outgoing, envelope: Any, content: Any, *args: Any, **kwargs: Any) -> None:
        init(self, envelope, content, *args, **kwargs)
        given.append(bytes(content))

    monkeypatch.setattr(Outgoing, "__init__", record)
    return given


@pytest.fixture(params=KEEPERS)
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Mail:
    return make_mail(request.param, MAIL_FILE_PATH=tmp_path / "mail")


def shown(mail: Mail) -> bytes:
    """Return the newest message as the inbox gives it."""
    [first, *_] = Browser(mail).messages()
    return Browser(mail).get(f"/messages/{first['id']}/eml").get_data()


class TestSameOctets:
    """For each backend that keeps messages, in the inbox."""

    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"MAIL_ASCII_ATTACHMENTS": True},
            {"MAIL_REDIRECT_TO": "qa@example.com"},
            {"MAIL_ALLOWED_RECIPIENTS": ["ann@example.com"]},
            {"MAIL_ALLOWED_RECIPIENTS": ["ann@example.com"], "MAIL_REDIRECT_TO": "qa@example.com"},
        ],
    )
    def test_the_inbox_gives_what_was_delivered(
        self, keeper: Mail, octets: list[bytes], config: dict[str, Any]
    ) -> None:
        keeper.app.config.update(config)
        keeper.send(report(cc=["bob@example.com"], bcc=["eve@example.com"]))
        delivered = octets[-1]
        for key in config:
            keeper.app.config[key] = None  # the settings of later do not count
        assert shown(keeper) == delivered

    def test_a_redirected_message_is_labelled_so(self, keeper: Mail) -> None:
        keeper.app.config["MAIL_REDIRECT_TO"] = "qa@example.com"
        keeper.send(report())
        found = Browser(keeper).only()
        assert ["X-Original-To", "ann@example.com"] in found["headers"]
        assert found["envelope"]["recipients"] == ["qa@example.com"]
        page = Browser(keeper).text(f"/messages/{found['id']}?view=envelope")
        assert '<span class="tag">redirected</span>' in page
        assert "blind copy" not in page
        assert "Bcc" not in page

    def test_a_large_message_is_the_same_too(self, keeper: Mail, octets: list[bytes]) -> None:
        message = report()
        message.attach("large.bin", "application/octet-stream", bytes(range(256)) * 4000)
        keeper.app.config["MAIL_REDIRECT_TO"] = "qa@example.com"
        keeper.send(message)
        assert shown(keeper) == octets[-1]


class TestOutboxes:
    """``mail.outbox``, and the outbox of the test kit."""

    @pytest.fixture(params=["locmem", "kit"])
    def sent(self, request: pytest.FixtureRequest) -> Any:
        mail = make_mail("locmem", TESTING=True)

        def send(message: Any, **config: Any) -> Any:
            mail.app.config.update(config)
            if request.param == "locmem":
                with mail.app.app_context():
                    mail.send(message)
                return mail.outbox[-1]
            with Outbox() as outbox:
                mail.send(message)
            return outbox[-1]

        return send

    def test_attachment_names_are_those_that_were_delivered(
        self, sent: Any, octets: list[bytes]
    ) -> None:
        kept = sent(report(), MAIL_ASCII_ATTACHMENTS=True)
        assert b'"Ubersicht.txt"' in octets[-1]
        assert kept.as_bytes() == bytes(kept) == octets[-1]
        assert kept.as_string() == str(kept) == octets[-1].decode()

    def test_what_a_guard_adds_is_there(self, sent: Any, octets: list[bytes]) -> None:
        kept = sent(report(), MAIL_REDIRECT_TO="qa@example.com")
        assert kept.as_bytes().startswith(b"X-Original-To: ann@example.com\r\n")
        assert kept.as_bytes() == octets[-1]
        assert kept.envelope.recipients == ("qa@example.com",)

    def test_a_subclass_does_not_sign_again(self, sent: Any) -> None:
        class Signed(Message):
            def as_bytes(self) -> bytes:
                return f"Signature: {secrets.token_hex(8)}\r\n".encode() + super().as_bytes()

        kept = sent(Signed("Hi", ["ann@example.com"], "Hi", sender="shop@example.com"))
        assert type(kept) is Signed
        assert kept.as_bytes() == kept.as_bytes()
        assert kept.as_bytes().count(b"Signature") == 1

    def test_a_function_of_the_program_is_not_called_again(self, sent: Any) -> None:
        calls: list[int] = []
        message = report()

        def as_bytes() -> bytes:
            calls.append(1)
            return b"Subject: mine\r\n\r\nHi\r\n"

        message.as_bytes = as_bytes  # type: ignore[method-assign]
        kept = sent(message)
        assert kept.as_bytes() == b"Subject: mine\r\n\r\nHi\r\n"
        assert len(calls) == 1

    def test_a_receiver_that_changes_the_message_afterwards_reaches_no_copy(
        self, sent: Any
    ) -> None:
        def change(app: object, message: Message) -> None:
            message.body = "changed"
            message.recipients.clear()

        message = report()
        with email_dispatched.connected_to(change):
            kept = sent(message)
        assert (kept.body, kept.recipients) == ("Hällo", ["ann@example.com"])
        assert b"changed" not in kept.as_bytes()

    @pytest.mark.parametrize(
        "duplicate",
        [lambda message: pickle.loads(pickle.dumps(message)), copy.deepcopy, Message.snapshot],
    )
    @pytest.mark.parametrize("size", [1, 400_000, 9_000_000])
    def test_copies_of_the_copy_have_the_octets_too(
        self, sent: Any, octets: list[bytes], duplicate: Any, size: int
    ) -> None:
        message = report()
        message.attach("a.bin", "application/octet-stream", b"a" * size)
        kept = sent(message, MAIL_REDIRECT_TO="qa@example.com")
        clone = duplicate(kept)
        assert clone.as_bytes() == octets[-1]
        assert clone.envelope == kept.envelope

    def test_a_copy_is_sent_anew_with_what_it_holds_then(self, sent: Any) -> None:
        kept = sent(report(), MAIL_REDIRECT_TO="qa@example.com")
        kept.subject = "Again"
        again = sent(kept)
        assert b"Subject: Again\r\n" in again.as_bytes()
        assert again.as_bytes().count(b"X-Original-To") == 1
        assert b"Again" not in kept.as_bytes()  # it says what was delivered

    def test_a_copy_of_a_subclass_is_sent_anew_as_the_subclass_writes_it(self, sent: Any) -> None:
        class Loud(Message):
            def as_bytes(self) -> bytes:
                return super().as_bytes().replace(b"Hi", b"HI")

        kept = sent(Loud("Hi", ["ann@example.com"], "Hi", sender="shop@example.com"))
        kept.body = "Hi you"
        assert b"HI you" in sent(kept).as_bytes()

    def test_it_travels_as_json_as_its_fields(self, sent: Any) -> None:
        kept = sent(report(), MAIL_ASCII_ATTACHMENTS=True)
        clone = Message.from_dict(kept.to_dict())
        assert (clone.subject, clone.envelope) == ("Grüße", kept.envelope)
        assert "filename*=" in clone.as_string()


def test_a_message_of_another_class_is_kept_too() -> None:
    message = SimpleNamespace(subject="Hi")
    mail = SimpleNamespace(
        message=message, envelope="e", content=b"x", octets=b"x", size=1, mailer="bulk"
    )
    kept = delivered_copy(mail)  # type: ignore[arg-type]
    assert kept is not message
    assert (kept.subject, kept.envelope, kept.mailer) == ("Hi", "e", "bulk")
    assert kept.as_bytes() == b"x"


def test_a_message_that_is_sent_twice_is_kept_twice() -> None:
    backend = LocmemBackend()
    message = report()
    backend.send(message)
    message.body = "Second"
    backend.send(message)
    first, second = backend.outbox
    assert b"Second" not in first.as_bytes()
    assert b"Second" in second.as_bytes()


def test_the_inbox_lists_what_a_program_puts_into_the_outbox_itself() -> None:
    mail = make_mail()
    mail.outbox.append(welcome())
    assert Browser(mail).only()["subject"] == "Welcome"
