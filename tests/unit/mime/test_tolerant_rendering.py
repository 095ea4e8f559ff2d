"""Rendering never refuses: whatever the fields hold, one well-formed message comes out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from messages import HIDDEN, INJECTIONS, messages
from reading import compose, headers_of, own_parts, parsed, split_message

from flask_mail import Attachment, Message


@settings(deadline=None)
@given(messages())
def test_whatever_the_fields_hold_one_well_formed_message_comes_out(message: Message) -> None:
    content = message.as_bytes()

    headers, _ = split_message(content)
    names = [name.lower() for name, _ in headers]
    assert "x-injected" not in names
    assert "bcc" not in names
    assert HIDDEN.encode() not in content
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
