"""The data that DKIM signs, and the field that contains the signature."""

from __future__ import annotations

import base64
import hashlib
import re

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from flask_mail.backends.dkim_keys import SigningKey
from flask_mail.mime.dkim import (
    BodyHash,
    data_to_sign,
    names_to_sign,
    read_fields,
    signed_field,
    unsigned_field,
)

# RFC 8463 appendix A.
HEADER = b"""\
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>
""".replace(b"\n", b"\r\n")
BODY = b"""\
Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
BODY_HASH = "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
SECRET = base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
PUBLIC = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
UNSIGNED = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=""".replace(b"\n", b"\r\n")
NAMES = ["from", "to", "subject", "date", "message-id", "from", "subject", "date"]
SIGNATURE = (
    "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
)


def hash_of(*blocks: bytes) -> str:
    body_hash = BodyHash()
    for each in blocks:
        body_hash.update(each)
    return body_hash.finish()


def hash_by_the_rules(body: bytes) -> str:
    """Return the hash by RFC 6376 section 3.4.4, step by step over the whole body."""
    lines = body.split(b"\r\n")
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        del lines[-1]
    text = b"".join(line + b"\r\n" for line in lines)
    return base64.b64encode(hashlib.sha256(text).digest()).decode()


def test_example_of_rfc_8463_is_signed_as_printed():
    assert hash_of(BODY) == BODY_HASH
    key = SigningKey(
        "football.example.com", "brisbane", "ed25519", Ed25519PrivateKey.from_private_bytes(SECRET)
    )
    assert key.record.name == "brisbane._domainkey.football.example.com"
    assert key.record.value == f"v=DKIM1; k=ed25519; p={PUBLIC}"
    data = data_to_sign(read_fields(HEADER), NAMES, UNSIGNED)
    assert base64.b64encode(key.sign(data)).decode() == SIGNATURE


@pytest.mark.parametrize(
    ("body", "canonical"),
    [
        (b"", b""),
        (b"\r\n\r\n", b""),
        (b" \t\r\n", b""),
        (b" ", b""),
        (b"a", b"a\r\n"),
        (b"a\r\n", b"a\r\n"),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n"),  # section 3.4.5
        (b"\r\n \r\na\r\n\r\nb\t", b"\r\n\r\na\r\n\r\nb\r\n"),
    ],
)
def test_body_is_hashed_in_relaxed_form(body, canonical):
    expected = base64.b64encode(hashlib.sha256(canonical).digest()).decode()
    assert hash_of(body) == hash_by_the_rules(body) == expected


_LINES = st.lists(st.text(" \tab.", max_size=4).map(str.encode), max_size=8).map(b"\r\n".join)


@given(_LINES, st.integers(1, 9))
def test_body_hash_does_not_depend_on_the_blocks(body, size):
    blocks = [body[start : start + size] for start in range(0, len(body), size)]
    assert hash_of(*blocks) == hash_by_the_rules(body)


def test_fields_are_read_in_relaxed_form():
    header = b"A: X\r\nB : Y\t\r\n\tZ  \r\nno field\r\nC:\r\n"
    # The first two are the example of section 3.4.5.
    assert read_fields(header) == [("a", b"a:X"), ("b", b"b:Y Z"), ("c", b"c:")]
    assert read_fields(b"\r\n") == []


def test_every_signed_field_is_listed_and_some_once_more():
    header = (
        b"From: a@example.com\r\nList-Unsubscribe: <https://example.com>\r\n"
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nReceived: x\r\nReturn-Path: <>\r\n"
        b"Content-Type: text/plain\r\nX-Own: 1\r\nFeedback-ID: 1:2:3\r\nList-%s: long\r\n"
    ) % (b"x" * 80)
    names = names_to_sign(read_fields(header))
    assert names == [
        *("from", "list-unsubscribe", "list-unsubscribe-post", "content-type", "feedback-id"),
        *("from", "subject", "date", "to", "cc", "reply-to", "content-type"),
    ]


def test_repeated_fields_are_signed_from_the_bottom():
    fields = read_fields(b"List-Id: 1\r\nFrom: a\r\nList-Id: 2\r\n")
    data = data_to_sign(fields, ["list-id", "from", "list-id", "list-id"], b"DKIM-Signature: b=")
    assert data == b"list-id:2\r\nfrom:a\r\nlist-id:1\r\ndkim-signature:b="


def test_field_is_folded_within_78_octets():
    names = [f"content-{number}-{'x' * (number % 60)}" for number in range(200)]
    unsigned = unsigned_field({"d": "example.com", "bh": BODY_HASH}, names)
    field = signed_field(unsigned, bytes(range(256)))
    assert field.endswith(b"\r\n")
    lines = field.removesuffix(b"\r\n").split(b"\r\n")
    assert max(map(len, lines)) <= 78
    assert all(line.startswith(b" ") and line.strip() for line in lines[1:])
    tags = dkim.util.parse_tag_value(field.partition(b":")[2])
    assert re.sub(rb"\s", b"", tags[b"h"]).decode().split(":") == names
    assert base64.b64decode(re.sub(rb"\s", b"", tags[b"b"])) == bytes(range(256))


def test_field_without_further_names_is_complete():
    assert unsigned_field({"d": "x.test"}, ["from"]) == b"DKIM-Signature: d=x.test; h=from;\r\n b="
