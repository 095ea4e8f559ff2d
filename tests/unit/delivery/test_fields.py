"""Fields of a message, for services that do not take its octets."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from reading import compose

from flask_mail import Envelope, Message, MessageError, UnsupportedFeature
from flask_mail.backends import Fields, Outgoing, Roles
from flask_mail.config.recipients import to_patterns
from flask_mail.delivery.guard import Guard
from flask_mail.util.files import BLOCK


def outgoing(**fields: Any) -> Outgoing:
    return Outgoing.of(compose(**fields))


def shown(roles: Roles) -> dict[str, list[str]]:
    return {
        role: [
            f"{each.name} <{each.addr_spec}>" if each.name else each.addr_spec
            for each in getattr(roles, role)
        ]
        for role in ("to", "cc", "bcc")
    }


def fields_of(**fields: Any) -> Fields:
    return outgoing(**fields).fields


# --- Recipients ----------------------------------------------------------------------------------


def test_roles_are_those_of_the_fields_with_names() -> None:
    mail = outgoing(
        recipients=[("Jürgen, der Große", "j@B.c"), "k@b.c"],
        cc=["Cy <y@b.c>"],
        bcc=[("X", "x@b.c")],
    )
    assert shown(mail.roles) == {
        "to": ["Jürgen, der Große <j@B.c>", "k@b.c"],
        "cc": ["Cy <y@b.c>"],
        "bcc": ["x@b.c"],
    }


def test_address_that_is_quoted_in_the_header_has_its_role() -> None:
    mail = outgoing(recipients=["a..b.@b.c", '"x y"@b.c'], cc=["..z@b.c"])
    assert shown(mail.roles) == {"to": ["a..b.@b.c", '"x y"@b.c'], "cc": ["..z@b.c"], "bcc": []}


def test_recipients_out_of_the_envelope_have_no_role() -> None:
    mail = outgoing(recipients=["a@b.c", "d@b.c"], cc=["y@b.c"], bcc=["x@b.c"])
    less = mail.with_envelope(Envelope(mail.envelope.sender, ("d@b.c", "x@b.c")))
    assert shown(less.roles) == {"to": ["d@b.c"], "cc": [], "bcc": ["x@b.c"]}


def test_recipient_in_no_field_gets_a_blind_copy() -> None:
    mail = outgoing(recipients=["a@b.c"])
    more = mail.with_envelope(Envelope(mail.envelope.sender, ("a@b.c", "log@b.c")))
    assert shown(more.roles) == {"to": ["a@b.c"], "cc": [], "bcc": ["log@b.c"]}


def test_recipient_of_redirected_mail_is_in_to() -> None:
    guard = Guard(to_patterns(["nobody@b.c"]), ["dev@b.c"])
    mail = guard.guarded(outgoing(recipients=["a@b.c"], cc=["y@b.c"], bcc=["x@b.c"]))
    assert shown(mail.roles) == {"to": ["dev@b.c"], "cc": [], "bcc": []}
    assert ("X-Original-To", "a@b.c") in mail.fields.headers


def test_blind_copies_alone_are_never_shown_to_each_other() -> None:
    mail = outgoing(recipients=[], bcc=["x@b.c", "z@b.c"])
    assert shown(mail.roles) == {"to": [], "cc": [], "bcc": ["x@b.c", "z@b.c"]}


def test_recipients_that_the_header_hides_get_blind_copies() -> None:
    mail = outgoing(recipients=["a@b.c", "d@b.c"], extra_headers={"To": "undisclosed-recipients:;"})
    assert shown(mail.roles) == {"to": [], "cc": [], "bcc": ["a@b.c", "d@b.c"]}


# --- Header --------------------------------------------------------------------------------------


def test_header_is_decoded_and_what_a_service_writes_is_left_out() -> None:
    fields = fields_of(
        subject="Grüße 🫖",
        sender=("Änne", "a@b.c"),
        reply_to=["r@b.c", ("S", "s@b.c")],
        priority="high",
        extra_headers={"X-Note": "schön", "Date": "Mon, 1 Jan 2024 00:00:00 +0000"},
        in_reply_to="<1@b.c>",
    )
    assert (fields.sender.name, fields.sender.addr_spec) == ("Änne", "a@b.c")
    assert fields.subject == "Grüße 🫖"
    assert [each.addr_spec for each in fields.reply_to] == ["r@b.c", "s@b.c"]
    assert dict(fields.headers) == {
        "X-Note": "schön",
        "X-Priority": "1",
        "Importance": "high",
        "Priority": "urgent",
        "In-Reply-To": "<1@b.c>",
        "References": "<1@b.c>",
    }


def test_headers_that_replace_fields_are_in_the_fields() -> None:
    fields = fields_of(
        subject="One", extra_headers={"Subject": "Two", "From": "Ann <a@b.c>, Bea <b@b.c>"}
    )
    assert (fields.subject, fields.sender.name, fields.headers) == ("Two", "Ann", ())


def test_message_without_subject_has_an_empty_one() -> None:
    assert fields_of(subject="").subject == ""


# --- Content -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "text", "html"),
    [
        ({"body": "Hi"}, "Hi", None),
        ({"body": "Hi", "html": "<b>Ho</b>"}, "Hi", "<b>Ho</b>"),
        ({"body": None, "html": "<b>Ho</b>"}, "Ho\n", "<b>Ho</b>"),
        ({"body": None}, "", None),
        ({"body": "Hi", "alts": {"text/html; a=b": "<b>Ho</b>"}}, "Hi", "<b>Ho</b>"),
    ],
)
def test_text_and_html_are_those_of_the_message(given: Any, text: str, html: str | None) -> None:
    fields = fields_of(**given)
    assert (fields.text, fields.html, fields.alternatives) == (text, html, ())


def test_other_alternatives_are_named() -> None:
    fields = fields_of(body="Hi", alts={"html": "<b>Hi</b>", "calendar": "BEGIN:VCALENDAR"})
    assert fields.alternatives == ("text/calendar",)


def test_files_have_their_types_names_and_ids(tmp_path: Path) -> None:
    message = compose(html='<img src="cid:logo">')
    message.attach("Übersicht.txt", "text/plain", "Straße")
    message.embed(b"\x89PNG\r\n\x1a\n", content_id="logo")
    message.attach(None, "application/pdf", b"%PDF", headers={"Content-Description": "A file"})
    (tmp_path / "data.bin").write_bytes(b"data")
    message.attach_file(tmp_path / "data.bin")
    text, image, pdf, file = Outgoing.of(message).fields.files

    assert (text.name, text.content_type) == ("Übersicht.txt", "text/plain; charset=utf-8")
    assert (text.content_id, text.is_inline, text.headers) == (None, False, ())
    assert b"".join(text.base64()) == base64.b64encode("Straße".encode())
    assert (image.name, image.content_type) == ("attachment.png", "image/png")
    assert (image.content_id, image.is_inline) == ("logo", True)
    assert (pdf.name, pdf.headers) == ("attachment.pdf", (("Content-Description", "A file"),))
    assert (file.name, len(file), b"".join(file.base64())) == ("data.bin", 4, b"ZGF0YQ==")


def test_file_of_an_unknown_type_has_a_name() -> None:
    message = compose()
    message.attach(None, "application/x-unheard-of", b"data")
    assert Outgoing.of(message).fields.files[0].name == "attachment"


def test_large_file_is_encoded_in_blocks() -> None:
    data = bytes(range(256)) * 1000
    message = compose()
    message.attach("large.bin", "application/octet-stream", data)
    blocks = list(Outgoing.of(message).fields.files[0].base64())
    assert b"".join(blocks) == base64.b64encode(data)
    assert max(map(len, blocks)) == BLOCK // 3 * 4


def test_file_that_has_changed_raises(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"data")
    message = compose()
    message.attach_file(tmp_path / "data.bin")
    mail = Outgoing.of(message)
    (tmp_path / "data.bin").write_bytes(b"other data")
    with pytest.raises(MessageError, match="has changed"):
        list(mail.fields.files[0].base64())


def test_message_that_is_stored_and_read_has_the_same_fields() -> None:
    message = Message("Grüße", ["Bob <b@b.c>"], "Hi", sender="a@b.c", html="<b>Hi</b>")
    message.attach("a.txt", "text/plain", "data")
    mail = Outgoing.of(message)
    again = Outgoing.from_dict(mail.to_dict())
    assert (again.roles, again.fields) == (mail.roles, mail.fields)


def test_content_that_a_subclass_makes_cannot_be_in_fields() -> None:
    """A signature would be lost."""

    class Signed(Message):
        def as_bytes(self) -> bytes:
            return super().as_bytes() + b"signature"

    mail = Outgoing.of(Signed("Hi", ["b@b.c"], "Hi", sender="a@b.c"))
    with pytest.raises(UnsupportedFeature, match="Signed makes its content"):
        mail.fields  # noqa: B018
