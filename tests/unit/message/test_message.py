"""Message and Attachment: what a user fills in, and what subclasses may change."""

from __future__ import annotations

import email
import json
import re
from collections import UserDict
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from flask import Flask
from hypothesis import given
from reading import HEADER_TEXTS, PATIENT, compose, headers_of

import flask_mail
from flask_mail import Attachment, Mail, Message, MessageError, Outgoing, make_msgid
from flask_mail.address.parser import parse_address


class Lazy:
    """A lazy string: its words are found when they are asked for."""

    def __init__(self, find: Callable[[], str]) -> None:
        self._find = find

    def __str__(self) -> str:
        return self._find()


# --- Fields --------------------------------------------------------------------------------------

COLLECTIONS = ["recipients", "cc", "bcc", "attachments", "mail_options", "rcpt_options"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name in COLLECTIONS
        for kind in (list, tuple, set, iter, dict.fromkeys)
        if kind != dict.fromkeys or not name.endswith("options")  # a mapping of these stays one
    ],
)
def test_a_collection_of_any_kind_is_copied_into_a_list(name: str, kind: Any) -> None:
    given = ["one"]
    message = Message(**{name: kind(given)})
    assert getattr(message, name) == given
    assert getattr(message, name) is not given

    setattr(message, name, kind(["two"]))
    getattr(message, name).append("three")
    assert getattr(message, name) == ["two", "three"]
    assert given == ["one"]

    setattr(message, name, None)
    assert getattr(message, name) == []


@pytest.mark.parametrize("given", [[("html", "<p>")], {"html": "<p>"}, UserDict(html="<p>")])
def test_alternatives_are_copied_into_a_dict(given: Any) -> None:
    message = Message(alts=given)
    message.alts["calendar"] = "BEGIN:VCALENDAR"

    assert message.html == "<p>"
    assert len(given) == 1
    message.alts = given
    assert message.alts == {"html": "<p>"}
    message.alts = None
    assert (message.html, message.alts) == (None, {})


def test_extra_headers_are_copied_into_a_dict_or_none() -> None:
    given = {"X-A": "1"}
    message = Message(extra_headers=given)
    given["X-A"] = "2"

    assert message.extra_headers == {"X-A": "1"}
    assert Message().extra_headers is None
    assert Message(extra_headers={}).extra_headers == {}


@pytest.mark.parametrize("value", ["a@b.c", b"a@b.c", 42, True])
@pytest.mark.parametrize("name", [*COLLECTIONS, "alts"])
def test_what_is_no_collection_is_kept_for_the_error_on_sending(name: str, value: Any) -> None:
    message = compose(**{name: value})

    assert getattr(message, name) == value
    assert message.as_bytes()
    with pytest.raises(flask_mail.MessageError):
        Outgoing.of(message)


def test_html_is_an_alternative() -> None:
    message = Message(html="<p>one", alts={"html": "<p>", "calendar": "BEGIN:"})
    assert message.alts == {"html": "<p>one", "calendar": "BEGIN:"}

    message.html = "<p>two"
    assert message.alts["html"] == "<p>two"
    message.html = None
    message.html = None
    assert message.alts == {"calendar": "BEGIN:"}


def test_recipients_are_added_and_told_all_together() -> None:
    message = Message(recipients=["a@b.c"], cc=[["D", "d@e.f"]], bcc=["a@b.c"])
    message.add_recipient(("G", "g@h.i"))

    assert message.recipients == ["a@b.c", ("G", "g@h.i")]
    assert message.send_to == {"a@b.c", ("D", "d@e.f"), ("G", "g@h.i")}


# --- Sender --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "text", "written"),
    [
        ("me@b.c", "me@b.c", "me@b.c"),
        (("Me", "me@b.c"), "Me <me@b.c>", "Me <me@b.c>"),
        (["Me", "me@b.c"], "Me <me@b.c>", "Me <me@b.c>"),
        (("Smith, John", "j@b.c"), "Smith, John <j@b.c>", '"Smith, John" <j@b.c>'),
        (('The "Boss"', "b@b.c"), '"The \\"Boss\\"" <b@b.c>', '"The \\"Boss\\"" <b@b.c>'),
        (("a@b.c", "d@e.f"), '"a@b.c" <d@e.f>', '"a@b.c" <d@e.f>'),
        (("A \\ B; <C>", "d@e.f"), '"A \\\\ B; <C>" <d@e.f>', '"A \\\\ B; <C>" <d@e.f>'),
        (("Zoë", "z@b.c"), "Zoë <z@b.c>", "=?utf-8?q?Zo=C3=AB?= <z@b.c>"),
        ((None, "me@b.c"), " <me@b.c>", "me@b.c"),
        ((Lazy(lambda: "Me"), Lazy(lambda: "me@b.c")), "Me <me@b.c>", "Me <me@b.c>"),
    ],
)
def test_a_sender_of_two_is_one_string(sender: Any, text: str, written: str) -> None:
    message = compose(sender=sender)

    assert message.sender == text
    assert headers_of(Outgoing.of(message).content)["From"] == written


@PATIENT
@given(HEADER_TEXTS)
def test_any_name_of_a_sender_survives_being_one_string(name: str) -> None:
    pair = (name, "me@b.c")

    assert parse_address(Message(sender=pair).sender, "sender") == parse_address(pair, "sender")


def test_the_default_sender_is_that_of_the_app_that_applies() -> None:
    app = Flask(__name__)
    app.config["MAIL_DEFAULT_SENDER"] = ("Smith, John", "john@b.c")
    Mail(app)

    assert Message().sender is None
    with app.app_context():
        assert Message().sender == "Smith, John <john@b.c>"
        assert Message(sender="me@b.c").sender == "me@b.c"


# --- Message-ID ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "domain"),
    [
        ("me@b.c", "b.c"),
        ("Me <me@bücher.example>", "xn--bcher-kva.example"),
        ("me@[192.0.2.1]", "[192.0.2.1]"),
        ("root", "localhost"),
        (None, "localhost"),
    ],
)
def test_a_message_id_is_random_at_the_domain_of_the_sender(sender: Any, domain: str) -> None:
    ids = {compose(sender=sender).msgId for _ in range(9)}

    assert len(ids) == 9
    assert all(re.fullmatch(rf"<[0-9a-f]{{32}}@{re.escape(domain)}>", each) for each in ids)


def test_a_message_id_stays_from_the_first_look_on() -> None:
    message = compose(sender=None)
    message.sender = "me@b.c"

    first = message.msgId
    message.sender = "you@d.e"

    assert first.endswith("@b.c>")
    assert message.msgId == first == headers_of(message.as_bytes())["Message-ID"]


def test_checking_a_message_without_sender_does_not_settle_its_id() -> None:
    message = compose(sender=None)

    assert message.has_bad_headers() is False
    message.sender = "me@b.c"
    assert message.msgId.endswith("@b.c>")


def test_a_message_id_may_be_set() -> None:
    message = compose()
    message.msgId = "<1@b.c>"

    assert Outgoing.of(message).message_id == "<1@b.c>"


def test_a_function_put_in_place_of_make_msgid_makes_the_ids() -> None:
    with mock.patch("flask_mail.make_msgid", return_value="<1@b.c>"):
        message = compose()

    assert message.msgId == "<1@b.c>"


def test_make_msgid_tells_nothing_about_the_host() -> None:
    assert re.fullmatch(r"<[0-9a-f]{32}@localhost>", make_msgid())
    assert re.fullmatch(r"<[0-9a-f]{32}\.part@b\.c>", make_msgid("part", "b.c"))


# --- Rendering -----------------------------------------------------------------------------------


def test_text_and_bytes_are_the_same_message() -> None:
    message = compose(body="é")

    assert bytes(message) == message.as_bytes() == str(message).encode()
    assert str(message) == message.as_string()


def test_a_message_without_a_date_shows_the_same_one_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = compose(date=None)
    content = message.as_bytes()
    monkeypatch.setattr("time.time", lambda: 4e9)

    assert message.as_bytes() == content
    assert message.date is None


def test_an_address_beyond_ascii_is_shown_in_utf_8() -> None:
    message = compose(recipients=["zoë@b.c"])

    assert "To: zoë@b.c" in message.as_string()
    assert message.as_string().encode() == message.as_bytes()


@pytest.mark.parametrize("value", [True, False])
def test_the_app_that_applies_says_whether_names_are_ascii(value: bool) -> None:
    app = Flask(__name__)
    app.config["MAIL_ASCII_ATTACHMENTS"] = value
    Mail(app)
    message = compose(attachments=[Attachment("é.txt", data=b"")])

    with app.app_context():
        assert ("filename*=" not in message.as_string()) is value


def test_a_stand_in_for_the_state_needs_no_settings() -> None:
    app = Flask(__name__)
    app.extensions["mail"] = object()

    with app.app_context():
        assert compose(sender=None).sender is None
        assert compose().as_bytes()


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, "<Message 'subject' to 1>"),
        ({"cc": ["a@b.c"], "bcc": ["a@b.c"], "body": "secret"}, "<Message 'subject' to 3>"),
        ({"subject": "a\nb" + "x" * 99}, "<Message 'a\\nb" + "x" * 54 + "... to 1>"),
        ({"subject": None, "recipients": "a@b.c"}, "<Message None to 1>"),
        ({"subject": b"\xff", "recipients": 42}, "<Message b'\\xff' to 1>"),
    ],
)
def test_a_message_shows_itself_shortly_and_without_its_body(
    fields: dict[str, Any], shown: str
) -> None:
    assert repr(compose(**fields)) == shown


def test_a_lazy_string_that_has_no_words_yet_is_shown_all_the_same() -> None:
    def find() -> str:
        raise RuntimeError("no request")

    assert repr(compose(subject=Lazy(find))).startswith("<Message <")


def test_the_old_name_of_has_bad_headers_warns() -> None:
    message = compose(subject="a\nb")

    with pytest.warns(DeprecationWarning, match="renamed to 'has_bad_headers'"):
        assert message.is_bad_headers() is True


# --- Attachments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filename", "data", "content_type"),
    [
        ("a.png", b"", "image/png"),
        ("a.txt", b"", "text/plain"),
        (Lazy(lambda: "a.pdf"), b"", "application/pdf"),
        ("a.unknown-kind", b"", "application/octet-stream"),
        (None, "", "text/plain"),
        (None, bytearray(), "application/octet-stream"),
    ],
)
def test_the_type_of_an_attachment_is_guessed(filename: Any, data: Any, content_type: str) -> None:
    assert Attachment(filename, data=data).content_type == content_type


def test_an_attachment_needs_data() -> None:
    with pytest.raises(ValueError, match="'data' argument is required"):
        Attachment("a.txt")


@pytest.mark.parametrize("headers", [{"X-A": "1"}, [("X-A", "1")]])
def test_an_attachment_copies_its_headers(headers: Any) -> None:
    message = Message()
    message.attach("a.txt", "a/b", "data", "inline", headers)
    [attachment] = message.attachments

    assert vars(attachment) == {
        "filename": "a.txt",
        "content_type": "a/b",
        "data": "data",
        "disposition": "inline",
        "headers": {"X-A": "1"},
    }
    assert attachment.headers is not headers


def test_an_attachment_shows_itself_shortly_and_without_its_data() -> None:
    assert repr(Attachment("a.txt", data="secret")) == "<Attachment 'a.txt' 'text/plain' 6>"
    assert repr(Attachment("a\n", "a/b", open)) == "<Attachment 'a\\n' 'a/b' 0>"  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["text/html", "TEXT/html"])
def test_a_whole_content_type_of_text_is_the_subtype(name: str) -> None:
    message = Message("Hello", ["ann@example.com"], alts={"text/plain": "a", name: "<p>Hi</p>"})
    assert (message.html, list(message.alts)) == ("<p>Hi</p>", ["plain", "html"])

    message.alts.update({"text/calendar; method=REQUEST": "BEGIN:VCALENDAR"})
    assert list(message.alts) == ["plain", "html", "calendar; method=REQUEST"]
    assert b"Content-Type: text/calendar; method=REQUEST" in message.as_bytes()


def test_an_alternative_that_is_no_text_has_its_content_type() -> None:
    message = Message("Hello", ["ann@example.com"], sender="me@example.com", html="<p>Hi</p>")
    message.alts["application/json"] = '{"hi": 1}'
    parts = email.message_from_bytes(Outgoing.of(message).content).get_payload()
    assert [each.get_content_type() for each in parts] == [
        "text/plain",
        "text/html",
        "application/json",
    ]
    assert json.loads(parts[2].get_payload(decode=True)) == {"hi": 1}


@pytest.mark.parametrize("name", ["multipart/mixed", "a/b/c", "text/", "/json", "text/html\n"])
def test_an_alternative_of_an_impossible_type_is_refused(name: str) -> None:
    message = Message("Hello", ["ann@example.com"], sender="me@example.com", alts={name: "x"})
    with pytest.raises(MessageError, match="The alternative '"):
        Outgoing.of(message)
