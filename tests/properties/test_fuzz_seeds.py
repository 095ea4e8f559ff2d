"""Regression tests for all inputs that fuzzing has stored (see `tests/support/fuzz`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fuzz import __main__ as fuzzing
from fuzz import targets
from fuzz.targets import TARGETS, VALUES, seeds_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import PATIENT

from flask_mail.address import parser as addresses
from flask_mail.address import syntax
from flask_mail.message import parse as parsing
from flask_mail.mime import charsets, parts
from flask_mail.mime import parser as entities
from flask_mail.smtp.reader import Reader
from flask_mail.smtp.writer import Writer

pytestmark = pytest.mark.exhaustive


def try_seeds(target: str) -> None:
    for value in seeds_of(target):
        TARGETS[target](value)


@pytest.mark.parametrize("target", TARGETS)
def test_the_values_that_are_kept_keep_their_promises(target: str) -> None:
    try_seeds(target)


@pytest.mark.parametrize("target", TARGETS)
@settings(PATIENT, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_few_new_values_keep_their_promises(target: str, data: st.DataObject) -> None:
    TARGETS[target](data.draw(VALUES[target]))


def _last_code(incoming: Reader, line: bytes) -> tuple[bytes, bool]:
    return line, line[3:4] != b"-"


def _count_afterwards(unsent: Writer) -> None:
    while (first := unsent._first()) is not None:
        count = 0
        try:
            count = unsent._sock.send(first)
        finally:
            unsent.sent += count
            if count < len(first):
                unsent.pieces.appendleft(first[count:])


@pytest.mark.parametrize(
    ("target", "module", "name", "broken"),
    [
        ("addresses", syntax, "_check_local", lambda local: local),
        ("messages", parts, "clean", str),
        ("charsets", charsets, "_CODECS", {}),
        (
            "charsets",
            entities,
            "decode_best",
            lambda octets, label: octets.decode(errors="replace"),
        ),
        ("replies", Reader, "_read", _last_code),
        ("alarms", Writer, "flush", _count_afterwards),
        ("charsets", parsing, "decode_best", lambda octets, label: octets.decode(errors="replace")),
    ],
)
def test_a_broken_promise_is_noticed(
    target: str, module: Any, name: str, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Otherwise addresses would come from its cache, and those that are wrong stay there.
    monkeypatch.setattr(addresses, "read_mailbox", syntax.read_mailbox.__wrapped__)
    monkeypatch.setattr(module, name, broken)

    with pytest.raises(AssertionError):
        try_seeds(target)


@pytest.fixture
def own_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the targets seeds that are for one test."""
    (tmp_path / "addresses.jsonl").write_text('"a"\n')
    (tmp_path / "messages.jsonl").write_text("{}\n")
    for module in (fuzzing, targets):
        monkeypatch.setattr(module, "SEEDS", tmp_path)


@pytest.mark.usefixtures("own_seeds")
def test_fuzzing_keeps_and_tells_what_breaks_a_promise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def holds_no_at(value: Any) -> None:
        assert "@" not in str(value)

    monkeypatch.setitem(TARGETS, "addresses", holds_no_at)

    with pytest.raises(AssertionError):
        fuzzing.fuzz("addresses", 60, None, 1)

    [_, found] = seeds_of("addresses")
    assert "@" in found
    assert f"{found!a} breaks a promise" in capsys.readouterr().out


@pytest.mark.usefixtures("own_seeds")
def test_fuzzing_finds_an_encoded_word_in_a_local_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a seed that has one: Python's own parser reads another mailbox."""
    _allow_encoded_words(monkeypatch)
    monkeypatch.setitem(VALUES, "addresses", targets.ADDRESSES)

    with pytest.raises(AssertionError):
        fuzzing.fuzz("addresses", 60, None, 1)

    assert "=?" in str(seeds_of("addresses")[-1])


@pytest.mark.parametrize("field", ["recipients", "cc", "sender", "reply_to"])
def test_a_message_with_an_encoded_word_in_a_local_part_is_noticed(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _allow_encoded_words(monkeypatch)
    address = "=?utf-8?q?victim?=@good.test"
    value = {"recipients": ["to@good.test"], "sender": "me@good.test"}
    value[field] = address if field == "sender" else [address]

    with pytest.raises(AssertionError):
        TARGETS["messages"](value)


def _allow_encoded_words(monkeypatch: pytest.MonkeyPatch) -> None:
    check = syntax._check_local

    def as_it_was(local: str) -> str:
        check(local.replace("=?", "=-"))
        return local

    monkeypatch.setattr(addresses, "read_mailbox", syntax.read_mailbox.__wrapped__)
    monkeypatch.setattr(syntax, "_check_local", as_it_was)


@pytest.mark.usefixtures("own_seeds")
def test_fuzzing_ends_when_its_time_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    fuzzing.main(["addresses", "--seconds", "0.1"])

    assert "addresses: " in capsys.readouterr().out
