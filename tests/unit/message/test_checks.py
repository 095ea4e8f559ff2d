"""Sending refuses what must not be sent, and says what is wrong and where."""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from reading import HEADER_TEXTS, PATIENT, compose, decode_header

from flask_mail import Attachment, BadHeaderError, Message, MessageError, Outgoing
from flask_mail.message.validation import check_fields, check_options

CONTROLS = ["\0", "\a", "\t", "\n", "\r", "\r\n", "\r\n ", "\v", "\f", "\x1b", "\x1c", "\x7f",
            "\x85", "\u2028", "\u2029", "\ud800"]  # fmt: skip


def with_attachment(**fields: Any) -> Message:
    return compose(attachments=[Attachment(**{"filename": "a", "data": b"", **fields})])


def with_id(text: str) -> Message:
    message = compose()
    message.msgId = f"<{text}@example.com>"
    return message


# Where text of a user may end up -> the name of that place in the error.
PLACES: dict[str, tuple[Callable[[str], Message], str]] = {
    "subject": (lambda evil: compose(subject=evil), "The subject 'a"),
    "sender": (lambda evil: compose(sender=f"{evil} <a@b.c>"), "The sender 'a"),
    "sender name": (lambda evil: compose(sender=(evil, "a@b.c")), "The sender 'a"),
    "sender address": (lambda evil: compose(sender=("A", f"{evil}@b.c")), "The sender 'A <a"),
    "recipient": (lambda evil: compose(recipients=[f"{evil}@b.c"]), "The recipient 'a"),
    "recipient name": (lambda evil: compose(recipients=[(evil, "a@b.c")]), "The recipient "),
    "cc": (lambda evil: compose(cc=[f"{evil}@b.c"]), "The cc 'a"),
    "bcc": (lambda evil: compose(bcc=[(evil, "a@b.c")]), "The bcc "),
    "reply_to": (lambda evil: compose(reply_to=f"{evil}@b.c"), "The reply_to 'a"),
    "reply_to pair": (lambda evil: compose(reply_to=(evil, "a@b.c")), "The reply_to 'a"),
    "reply_to list": (lambda evil: compose(reply_to=[("A", "a@b.c"), (evil, "a@b.c")]),
                      "The reply_to 'a"),
    "message ID": (with_id, "The message ID '<a"),
    "charset": (lambda evil: compose(charset=evil), "The charset 'a"),
    "header name": (lambda evil: compose(extra_headers={evil: "1"}), "The extra header name 'a"),
    "header value": (lambda evil: compose(extra_headers={"X-A": evil}),
                     "The extra header 'X-A' 'a"),
    "alternative": (lambda evil: compose(alts={evil: "1"}), "The alternative 'text/a"),
    "file name": (lambda evil: with_attachment(filename=evil), "The attachment name 'a"),
    "content type": (lambda evil: with_attachment(content_type=evil),
                     "The attachment content type 'a"),
    "disposition": (lambda evil: with_attachment(disposition=evil),
                    "The attachment disposition 'a"),
    "attachment header name": (lambda evil: with_attachment(headers={evil: "1"}),
                               "The attachment header name 'a"),
    "attachment header": (lambda evil: with_attachment(headers={"X-A": evil}),
                          "The attachment header 'X-A' 'a"),
    "mail option": (lambda evil: compose(mail_options=[evil]), "The mail_options 'a"),
    "rcpt option": (lambda evil: compose(rcpt_options=[evil]), "The rcpt_options 'a"),
}  # fmt: skip


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
@pytest.mark.parametrize("place", PLACES)
def test_a_control_character_is_refused_wherever_it_is(place: str, control: str) -> None:
    """The error names the place, and shows the value escaped and shortened."""
    make, named = PLACES[place]
    message = make(f"a{control}b" + "c" * 1000)
    if place == "subject" and control in ("\t", "\r\n "):  # legal there
        Outgoing.of(message)
        return

    with pytest.raises(BadHeaderError) as caught:
        Outgoing.of(message)

    text = str(caught.value)
    assert text.startswith(named)
    assert ascii(control)[1:-1] in text
    assert text.isprintable()
    assert len(text) < 250


@pytest.mark.parametrize("place", PLACES)
def test_has_bad_headers_tells_of_a_control_character_wherever_it_is(place: str) -> None:
    make, _ = PLACES[place]

    assert make("a\nb").has_bad_headers() is True
    assert make("a\nb").as_bytes()


def test_a_bad_header_is_told_before_other_mistakes() -> None:
    message = compose(
        extra_headers={"X-A": b"bytes"}, attachments=[Attachment("a", "a/b/c", b"", "in\nline")]
    )

    with pytest.raises(BadHeaderError, match="disposition"):
        check_fields(message)


def test_other_mistakes_are_no_bad_headers() -> None:
    message = compose(extra_headers={"X-A": b"bytes"}, charset="klingon")

    assert message.has_bad_headers() is False
    with pytest.raises(MessageError, match="must be a string, not b'bytes'"):
        check_fields(message)


@PATIENT
@given(
    subject=HEADER_TEXTS,
    name=HEADER_TEXTS,
    extra=HEADER_TEXTS,
    body=st.text(),
    html=st.text(),
    data=st.binary() | st.text(),
)
def test_what_holds_no_control_is_sent(
    subject: str, name: str, extra: str, body: str, html: str, data: str | bytes
) -> None:
    assume(name or data)  # neither: an upload for which no file was chosen
    assume("@" not in name)  # a reply_to of two addresses is two
    message = compose(
        subject=subject,
        sender=(name, "from@example.com"),
        recipients=[(name, "to@example.com")],
        reply_to=(name, "reply@example.com"),
        extra_headers={"X-Extra": extra},
        body=body,
        html=html,
        attachments=[Attachment(name, "application/pdf", data, headers={"X-Extra": extra})],
    )

    outgoing = Outgoing.of(message)

    assert not message.has_bad_headers()
    assert outgoing.content == message.as_bytes()
    assert decode_header(subject) in [subject, decode_header(subject)]


# --- Mistakes ------------------------------------------------------------------------------------


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "bytes as subject": ({"subject": b"Hi"}, "The subject must be a string, not b'Hi'"),
    "a list as subject": ({"subject": ["Hi"]}, "The subject must be a string, not "),
    "bytes as body": ({"body": b"Hi"}, "The body must be a string, not bytes: decode it."),
    "a dict as body": ({"body": {"a": "b"}}, "The body must be a string, not dict."),
    "bytes as html": ({"html": bytearray(b"Hi")}, "The alternative 'html' must be a string, not b"),
    "a lone surrogate in the body": ({"body": "ab\ud800"}, "lone surrogate at character 2"),
    "a lone surrogate in the html": ({"html": "\udfff"}, "The alternative 'html' contains a lone"),
    "a lone surrogate in data": ({"attachments": [Attachment("a", data="\ud800")]},
                                 "The attachment 'a' contains a lone"),
    "an alternative of no type": ({"alts": {"a/b/c": ""}}, "'a/b/c' is not valid for a part"),
    "no mapping of alternatives": ({"alts": "html"}, "alts must be a dict of names and values"),
    "an unknown charset": ({"charset": "klingon"}, "'klingon' is unknown: use one such as"),
    "a date that is no number": ({"date": float("nan")}, "The date nan cannot be used"),
    "a date out of range": ({"date": 1e20}, "from 1900 on"),
    "a date as text": ({"date": "today"}, "The date 'today' cannot be used"),
    "a bare string": ({"recipients": "a@b.c"}, "must be a list of addresses, not 'a@b.c'"),
    "a bare string as cc": ({"cc": "a@b.c"}, "cc must be a list of addresses, not 'a@b.c'"),
    "no iterable": ({"bcc": 42}, "bcc must be a list of addresses, not 42"),
    "no address": ({"recipients": ["root"]}, "The recipient 'root' cannot be used: it has no"),
    "a reply_to of no address": ({"reply_to": "root"}, "The reply_to 'root' cannot be used"),
    "a reply_to of two": ({"reply_to": ["a@b.c", "root"]}, "The reply_to 'root' cannot be used"),
    "no mapping of headers": ({"extra_headers": "X-A: 1"}, "extra headers must be a dict"),
    "a header of bytes": ({"extra_headers": {"X-A": b"1"}}, "header 'X-A' must be a string, not b"),
    "a header without value": ({"extra_headers": {"X-A": None}}, "must be a string, not None"),
    "a header of no addresses": ({"extra_headers": {"From": "Zoë"}}, "The extra header 'From' 'Zo"),
    "an option with a space": ({"mail_options": ["A B"]}, "contains 'A B', which is not an ESMTP"),
    "an option with two values": ({"rcpt_options": ["A=B=C"]}, "rcpt_options contains 'A=B=C'"),
    "an option of bytes": ({"mail_options": [b"A"]}, "The mail_options must be a string, not b"),
    "options as a string": ({"mail_options": "A"}, 'list of options, such as ["KEYWORD=value"]'),
    "options of no kind": ({"rcpt_options": 42}, "rcpt_options must be a list of options"),
    "a file as data": ({"attachments": [Attachment("a.txt", data=open)]},
                       "'a.txt' has data of type builtin_function_or_method: pass bytes or str"),
    "a name for an attachment": ({"attachments": ["a.pdf"]}, "contain 'a.pdf': use msg.attach()"),
    "a content type of three": ({"attachments": [Attachment("a", "a/b/c", b"")]}, "'a/b/c' is not"),
    "half a content type": ({"attachments": [Attachment("a", "text/", b"")]}, "'text/' is not"),
    "several parts in one": ({"attachments": [Attachment("a", "multipart/mixed", b"")]},
                             "'multipart/mixed' is not valid for a part"),
    "no disposition": ({"attachments": [Attachment("a", "a/b", b"", "in line")]},
                       "The attachment disposition 'in line' is not valid"),
    "a name of bytes": ({"attachments": [Attachment(b"a", "a/b", b"")]}, "must be a string, not b"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_a_sentence(mistake: str) -> None:
    fields, sentence = MISTAKES[mistake]

    with pytest.raises(MessageError) as caught:
        Outgoing.of(compose(**fields))

    assert sentence in str(caught.value)
    assert not isinstance(caught.value, BadHeaderError)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("", "is empty"), (" ", "is empty"), (None, "must be a string, not None")],
)
def test_a_message_id_is_not_empty(text: Any, sentence: str) -> None:
    message = compose()
    message.msgId = text

    with pytest.raises(MessageError, match=f"The message ID {sentence}"):
        Outgoing.of(message)


@pytest.mark.parametrize("date", [0, 1.5, Decimal(10), -1, 4e9])
def test_a_number_is_a_date(date: Any) -> None:
    Outgoing.of(compose(date=date))


@pytest.mark.parametrize(
    "fields",
    [
        {"body": None, "html": None},
        {"body": 12},
        {"alts": {"html": None}},
        {"subject": None},
        {"subject": 404},
        {"extra_headers": {"X-Priority": 1}},
        {"extra_headers": {"From": "Zoë <zoe@example.com>", "X-A": "é"}},
        {"reply_to": ["a@b.c", ("D", "d@e.f")]},
        {"charset": "shift_jis", "body": "表"},
        {"mail_options": ("BODY=8BITMIME", "SMTPUTF8"), "rcpt_options": ["NOTIFY=SUCCESS,FAILURE"]},
        {"attachments": [Attachment(data=b"")]},
        {"attachments": [Attachment("a.ics", "text/calendar; method=REQUEST", "BEGIN:VCALENDAR")]},
    ],
)
def test_what_programs_send_is_accepted(fields: dict[str, Any]) -> None:
    assert Outgoing.of(compose(**fields)).content


def test_what_is_like_an_attachment_is_one() -> None:
    """0.10 asked for the attributes only."""
    alike = SimpleNamespace(
        filename="a.txt", content_type="text/plain", data="text", disposition="inline", headers=None
    )

    assert b'inline; filename="a.txt"' in Outgoing.of(compose(attachments=[alike])).content


def test_fields_that_were_emptied_are_sent_as_empty() -> None:
    message = compose()
    message.__dict__.update(alts=None, attachments=None, mail_options=None, rcpt_options=None)

    assert Outgoing.of(message).envelope.mail_options == ()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"extra_headers": {"Bcc": "a@b.c"}}, "The header 'Bcc' in extra_headers is left out"),
        ({"extra_headers": {"resent-bcc": "a@b.c"}}, "The header 'resent-bcc' in extra_headers is"),
        ({"extra_headers": {"Content-Type": "a/b"}}, "The header 'Content-Type' in extra_headers"),
        ({"extra_headers": {"MIME-Version": "2"}}, "The header 'MIME-Version' in extra_headers is"),
        (
            {"attachments": [Attachment("a", data=b"", headers={"Content-Type": "a/b"})]},
            "The header 'Content-Type' in the headers of attachment 'a' is left out",
        ),
    ],
)
def test_a_header_that_is_left_out_is_told_in_the_log(
    fields: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "flask_mail"):
        outgoing = Outgoing.of(compose(**fields))

    assert [record.getMessage()[: len(told)] for record in caplog.records] == [told]
    assert b"a@b.c" not in outgoing.content


def test_options_of_no_collection_are_none() -> None:
    assert check_options(None, "mail_options") == ()
    assert check_options(iter(["A", "B=1"]), "mail_options") == ("A", "B=1")


def test_what_a_subclass_calls_bad_is_refused() -> None:
    class Strict(Message):
        def has_bad_headers(self) -> bool:
            return super().has_bad_headers() or "free" in self.subject

    message = Strict("free", ["a@b.c"], sender="d@e.f")

    with pytest.raises(BadHeaderError, match=r"has_bad_headers\(\) of this message"):
        Outgoing.of(message)


def test_a_subclass_that_calls_nothing_bad_opens_no_hole() -> None:
    class Careless(Message):
        def has_bad_headers(self) -> bool:
            return False

    message = Careless("a\r\nBcc: x@y.z", ["a@b.c"], sender="d@e.f")

    with pytest.raises(BadHeaderError):
        Outgoing.of(message)
