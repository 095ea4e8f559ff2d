"""Rendering never refuses: whatever the fields hold, one well-formed message comes out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import compose, headers_of, own_parts, parsed, split_message

from flask_mail import Attachment, Message

INJECTIONS = ["\r\nX-Injected: 1", "\nX-Injected: 1", "\rX-Injected: 1", "\vX-Injected: 1",
              "\x1cX-Injected: 1", "\x85X-Injected: 1", "\u2028X-Injected: 1",
              "\r\n\r\n<b>evil</b>", "\n\n--boundary\n"]  # fmt: skip

TEXTS = (
    st.text(max_size=30)
    | st.text(st.sampled_from('ab@<>,;:"\\()[] =?é\r\n\t\0\v\x1c\x85\u2028\ud800'), max_size=60)
    | st.tuples(st.sampled_from(["", "a", "a@b.c"]), st.sampled_from(INJECTIONS)).map("".join)
)
# What programs have put into fields, by mistake or not.
ANYTHING = TEXTS | st.none() | st.binary(max_size=9) | st.integers() | st.lists(TEXTS, max_size=3)
ADDRESSES = ANYTHING | st.tuples(TEXTS, TEXTS)
LISTS = ANYTHING | st.lists(ADDRESSES, max_size=4)
MAPPINGS = st.none() | st.dictionaries(TEXTS, ANYTHING, max_size=3)


@st.composite
def attachments(draw: st.DrawFn) -> Attachment:
    attachment = Attachment(data=draw(TEXTS | st.binary() | st.integers()))
    attachment.filename = draw(ANYTHING)  # type: ignore[assignment]
    attachment.content_type = draw(ANYTHING | st.just("message/rfc822"))  # type: ignore[assignment]
    attachment.disposition = draw(ANYTHING)  # type: ignore[assignment]
    attachment.headers = draw(MAPPINGS)  # type: ignore[assignment]
    return attachment


@st.composite
def messages(draw: st.DrawFn) -> Message:
    message = Message(
        subject=draw(ANYTHING),
        recipients=draw(LISTS),
        body=draw(ANYTHING),
        html=draw(st.none() | TEXTS),
        alts=draw(MAPPINGS),
        sender=draw(ADDRESSES),
        cc=draw(LISTS),
        bcc=["hidden@example.com"],
        attachments=draw(st.lists(attachments(), max_size=2)),
        reply_to=draw(LISTS | ADDRESSES),
        date=draw(ANYTHING | st.floats()),
        charset=draw(ANYTHING | st.sampled_from(["utf-8", "shift_jis", "utf-7", "idna"])),
        extra_headers=draw(
            MAPPINGS
            | st.dictionaries(st.sampled_from(["Bcc", "From", "To", "Subject", "Date"]), ANYTHING)
        ),
    )
    if draw(st.booleans()):
        message.msgId = draw(ANYTHING)
    return message


@settings(max_examples=300, deadline=None)
@given(messages())
def test_whatever_the_fields_hold_one_well_formed_message_comes_out(message: Message) -> None:
    content = message.as_bytes()

    headers, _ = split_message(content)
    names = [name.lower() for name, _ in headers]
    assert "x-injected" not in names
    assert "bcc" not in names
    assert b"hidden" not in content
    for name in ("subject", "from", "to", "cc", "reply-to", "date", "message-id", "mime-version",
                 "content-type", "content-transfer-encoding"):  # fmt: skip
        assert names.count(name) <= 1
    parts = list(own_parts(parsed(content)))
    leaves = [part for part in parts if part.get_content_maintype() != "multipart"]
    assert len(leaves) == 1 + len(message.alts) + len(message.attachments)
    assert message.as_string().encode("utf-8", "surrogateescape") == content
    assert message.as_bytes() == content


@pytest.mark.parametrize("injection", INJECTIONS, ids=ascii)
def test_no_field_injects_a_header_or_a_part(injection: str) -> None:
    evil: Any = f"a{injection}"
    message = compose(
        subject=evil,
        sender=(evil, f"from@example.com{injection}"),
        recipients=[evil, (evil, evil)],
        cc=[evil],
        reply_to=evil,
        charset=evil,
        date=evil,
        extra_headers={evil: "1", "X-Extra": evil, "Sender": evil, "Message-ID": evil},
        alts={evil: "1"},
        attachments=[Attachment(evil, evil, b"", evil, {evil: "1", "X-Extra": evil})],
    )
    message.msgId = evil

    content = message.as_bytes()

    assert "X-Injected" not in headers_of(content)
    mixed, _, plain, alternative, attachment = parsed(content).walk()
    assert mixed.get_content_type() == "multipart/mixed"
    for part in (plain, alternative, attachment):
        assert "X-Injected" not in part
        assert b"evil" not in part.get_payload(decode=True)


def test_fields_that_were_emptied_are_read_as_empty() -> None:
    """0.10 rendered them; they reach the message by its `__dict__`, as from JSON."""
    message = compose()
    message.__dict__.update(alts=None, attachments=None, cc=None, extra_headers=None)

    assert "Cc" not in headers_of(message.as_bytes())


def test_a_bare_string_for_a_list_is_shown_as_one_address() -> None:
    headers = headers_of(compose(recipients="a@b.c", cc=b"d@e.f").as_bytes())

    assert headers["To"] == "a@b.c"
    assert "Cc" in headers
