"""Reads messages back by rules of its own, so that no test trusts a single parser."""

from __future__ import annotations

import base64
import binascii
import email
import re
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.message import Message as Part
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from flask_mail import Message

# The first use of a codec or of idna may take longer than hypothesis allows.
PATIENT = settings(deadline=None)

# Everything that may stand in a header: all of Unicode but controls and lone surrogates.
CHARACTERS = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\u2028\u2029")
# Anything at all; what headers are made of, so that it comes up often; and what has to be folded.
HEADER_TEXTS = (
    st.text(CHARACTERS)
    | st.text(st.sampled_from("ab c.,;:\"\\<>()[]@'%*/é✓=?_-\u0301\xa0"), max_size=60)
    | st.text(st.sampled_from("ab é山"), max_size=300)
)

_WORD = re.compile(r"=\?([\w.-]+)\?([bBqQ])\?([!->@-~]*)\?=")
_WORDS = re.compile(rf"{_WORD.pattern}(?:[ \t]+{_WORD.pattern})*")
_LINE = re.compile(r"(?:[!-9;-~]+: ?|[ \t]+)[^\x00-\x08\x0a-\x1f\x7f]*")


def compose(**fields: Any) -> Message:
    """Make a message to which only `fields` are particular."""
    return Message(
        **{
            "subject": "subject",
            "sender": "from@example.com",
            "recipients": ["to@example.com"],
            "body": "body",
            "date": 0,
            **fields,
        }
    )


def decode_header(value: str) -> str:
    """Decode an unfolded header by RFC 2047 and nothing else.

    The readers of the standard library decode words inside of other words, and collapse spaces.
    """
    return _WORDS.sub(
        lambda run: "".join(_decode_word(*word) for word in _WORD.findall(run[0])), value
    )


def _decode_word(charset: str, encoding: str, text: str) -> str:
    if charset == "klingon":  # a reader shows what it cannot decode as it is
        return f"=?{charset}?{encoding}?{text}?="
    if encoding in "bB":
        return base64.b64decode(text, validate=True).decode(charset)
    return binascii.a2b_qp(text, header=True).decode(charset)


def split_message(content: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Return the unfolded headers and the body of a message that has to be well-formed."""
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\x00", content)
    assert max(map(len, content.split(b"\r\n"))) <= 998
    head, separator, body = content.partition(b"\r\n\r\n")
    assert separator
    headers: list[tuple[str, str]] = []
    for line in head.decode("utf-8").split("\r\n"):
        assert _LINE.fullmatch(line)
        assert line.strip()
        if line[0] in " \t":
            name, value = headers.pop()
            headers.append((name, value + line))
        else:
            name, _, value = line.partition(":")
            headers.append((name, value))
    return [(name, value.removeprefix(" ")) for name, value in headers], body


def headers_of(content: bytes) -> dict[str, str]:
    """Return the unfolded headers of a message in which each is written once."""
    headers, _ = split_message(content)
    found = dict(headers)
    assert len({name.lower() for name in found}) == len(headers)
    return found


def parsed(content: bytes) -> EmailMessage:
    """Return a message as the modern parser of the standard library reads it."""
    split_message(content)
    message = email.message_from_bytes(content, policy=policy.default)
    for part in own_parts(message):
        assert not part.defects
    return message


def own_parts(part: EmailMessage) -> Iterator[EmailMessage]:
    """Return a part and those within it; what is in an attached message is not ours."""
    yield part
    if part.get_content_maintype() == "multipart":
        for each in part.iter_parts():
            yield from own_parts(each)


def leaves(content: bytes) -> list[Part]:
    """Return the parts that hold no others, as the standard library's old parser reads them."""
    message = email.message_from_bytes(content)
    return [part for part in message.walk() if not part.is_multipart()]


def text_of(part: Part) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode(part.get_content_charset("ascii"))
