"""Signatures of the dkim backend, verified by dkimpy and by Perl's Mail::DKIM."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from awkward import AWKWARD
from dkim_judges import NEEDS_PERL, by_dkimpy, by_perl, ed25519_pem, rsa_pem

from flask_mail import Message, Outgoing
from flask_mail.backends import DkimRecord
from flask_mail.backends.dkim import DkimBackend
from flask_mail.backends.locmem import LocmemBackend

KEYS = [{"SELECTOR": "r1", "KEY": rsa_pem()}, {"SELECTOR": "e1", "KEY": ed25519_pem()}]
BACKEND = DkimBackend(
    mailer=LocmemBackend(), domains={"example.com": KEYS, "xn--bcher-kva.example": KEYS}
)
RECORDS = list(BACKEND.dkim_records())


def dkimpy(contents: list[bytes], records: list[DkimRecord]) -> list[bool]:
    return [by_dkimpy(each, records) == [True, True] for each in contents]


def perl(contents: list[bytes], records: list[DkimRecord]) -> list[bool]:
    # Not every version supports Ed25519.
    return [verdict.startswith("rsa-sha256 pass, ") for verdict in by_perl(contents, records)]


Judge = Callable[[list[bytes], list[DkimRecord]], list[bool]]
JUDGES = pytest.mark.parametrize("judge", [dkimpy, pytest.param(perl, marks=NEEDS_PERL)])


def letter() -> Message:
    return Message(
        "Wöchentlich",
        ["ann@example.org"],
        "Dear Ann,\n\n  see  below.\n\nBest\n\n\n",
        sender=("Käthe", "news@example.com"),
        reply_to="help@example.com",
        extra_headers={
            "List-Unsubscribe": "<https://example.com/u?id=1>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "List-Id": "News <news.example.com>",
            "Feedback-ID": "1:news:example",
            "X-Own": "1",
        },
    )


def signed(message: Message) -> bytes:
    return BACKEND.signed(Outgoing.of(message)).content


@JUDGES
def test_awkward_messages_verify(judge: Judge) -> None:
    messages = {name: draft.message(name) for name, draft in AWKWARD.items()}
    for message in messages.values():
        if not Outgoing.of(message).sender.endswith(("@example.com", "@bücher.example")):
            message.sender = ("Ünal", "me@example.com")
    verdicts = judge([signed(each) for each in messages.values()], RECORDS)
    assert [name for name, good in zip(messages, verdicts, strict=True) if not good] == []


def changed_fields(content: bytes) -> Iterator[tuple[str, bytes]]:
    header, _, body = content.partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", header)
    for number, field in enumerate(fields):
        name = field.partition(b":")[0].decode()
        others = [*fields[:number], *fields[number + 1 :]]
        if name not in ("DKIM-Signature", "X-Own"):
            new = [*fields[:number], field + b"x", *fields[number + 1 :]]
            yield f"{name} changed", b"\r\n".join(new) + b"\r\n\r\n" + body
            yield f"{name} removed", b"\r\n".join(others) + b"\r\n\r\n" + body
    for name in ("From", "Subject", "Date", "To", "Cc", "Reply-To", "Content-Type"):
        yield f"{name} added", f"{name}: x@example.com\r\n".encode() + content


def changed_lines(content: bytes) -> Iterator[tuple[str, bytes]]:
    header, _, body = content.partition(b"\r\n\r\n")
    lines = body.split(b"\r\n")
    for number in range(len(lines) - 1):
        new = [*lines[:number], lines[number] + b"x", *lines[number + 1 :]]
        yield f"line {number} changed", header + b"\r\n\r\n" + b"\r\n".join(new)
    yield "line added", content + b"x\r\n"


@JUDGES
def test_every_change_of_signed_content_is_noticed(judge: Judge) -> None:
    content = signed(letter())
    cases = {"unchanged": content, **dict(changed_fields(content)), **dict(changed_lines(content))}
    assert len(cases) > 30
    verdicts = judge(list(cases.values()), RECORDS)
    passed = [name for name, good in zip(cases, verdicts, strict=True) if good]
    assert passed == ["unchanged"]


@JUDGES
def test_changes_that_relays_make_are_not_noticed(judge: Judge) -> None:
    content = signed(letter())
    header, _, body = content.partition(b"\r\n\r\n")
    cases = [
        b"Received: from a by b\r\nReturn-Path: <news@example.com>\r\n" + content,
        content.replace(b"\r\nTo: ann", b"\r\nTO:   \r\n\tann"),
        content.replace(b"X-Own: 1\r\n", b""),
        header + b"\r\n\r\n" + body.replace(b"  see  below.", b" see below. \t") + b"\r\n\r\n",
    ]
    assert len(set(cases)) == 4
    assert judge(cases, RECORDS) == [True] * 4


@JUDGES
def test_other_keys_do_not_verify(judge: Judge) -> None:
    pairs = zip(RECORDS, reversed(RECORDS), strict=True)
    swapped = [DkimRecord(one.name, other.value) for one, other in pairs]
    assert judge([signed(letter())], swapped) == [False]
    assert judge([signed(letter())], []) == [False]
