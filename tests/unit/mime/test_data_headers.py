"""Headers that programs read as data are folded or warned about, never encoded in silence."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from reading import compose, parsed

from flask_mail.delivery.outgoing import Outgoing

LONG = {"to": [f"user{number}@example.com" for number in range(100)], "sub": {"-a, b:-": ["x: y,"]}}


def sent(caplog: pytest.LogCaptureFixture, name: str, value: str) -> tuple[str, str, bool]:
    """Return a header as it was written and as it is read, and whether it was warned about."""
    message = compose(extra_headers={name: value})
    caplog.clear()
    with caplog.at_level(logging.WARNING, "flask_mail"):
        content = bytes(Outgoing.of(message).content)
    assert max(map(len, content.split(b"\r\n"))) <= 998
    written = content.decode().split(f"{name}: ", 1)[1]
    lines = written.split("\r\n")
    end = next(at for at, line in enumerate(lines) if at and line[:1] not in (" ", "\t"))
    told = any(
        f"{name!r} in extra_headers is written in encoded-words" in each for each in caplog.messages
    )
    return "\r\n".join(lines[:end]), str(parsed(content)[name]), told


@pytest.mark.parametrize("name", ["X-SMTPAPI", "X-Mailgun-Variables", "X-MC-MergeVars", "X-Own"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_long_json_is_folded_and_means_the_same(
    caplog: pytest.LogCaptureFixture, name: str, separators: Any
) -> None:
    value = json.dumps(LONG, separators=separators)
    written, read, told = sent(caplog, name, value)

    assert (json.loads(read), told) == (LONG, False)
    assert len(value) > 1_900
    assert max(map(len, written.split("\r\n"))) <= 100


def test_json_that_is_not_ascii_is_escaped(caplog: pytest.LogCaptureFixture) -> None:
    written, read, told = sent(caplog, "X-SMTPAPI", '{"a":"Tür 🎉"}')

    assert written == '{"a": "T\\u00fcr \\ud83c\\udf89"}'
    assert (json.loads(read), told) == ({"a": "Tür 🎉"}, False)


@pytest.mark.parametrize("value", ['{"a":1}', '{"a": "b c"}', "[1,2]", "{no json", "[tag]", "{=?}"])
def test_what_is_short_stays_as_it_is(caplog: pytest.LogCaptureFixture, value: str) -> None:
    assert sent(caplog, "X-MC-Metadata", value) == (value, value, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-SMTPAPI", json.dumps({"a": "x" * 1000})),
        ("X-MC-Tags", ",".join(["tag"] * 400)),
        ("List-Unsubscribe", f"<https://example.com/{'x' * 1000}>"),
        ("List-Unsubscribe", "<https://example.com/ü>"),
        ("X-Token", "x" * 1000),
        ("X-Broken", "{" + "x" * 1000),
        ("X-Deep", "[" * 5000),
    ],
)
def test_what_cannot_be_folded_is_warned_about(
    caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    written, read, told = sent(caplog, name, value)

    assert told
    assert "=?utf-8?" in written
    assert read.replace(" ", "") == value.replace(" ", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("References", " ".join(f"<{number}@example.com>" for number in range(300))),
        ("Authentication-Results", "mx.example.com; " + "spf=pass smtp.mailfrom=a@b.c; " * 60),
        ("List-Unsubscribe", "<https://example.com/?a==?utf-8?q?x>, <mailto:a@example.com>"),
        ("List-Help", f"<https://example.com/{'x' * 900}>"),
    ],
)
def test_structured_headers_are_folded_at_spaces(
    caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    written, _, told = sent(caplog, name, value)

    assert written.replace("\r\n", "") == value.strip()
    assert not told


def test_text_for_people_is_encoded_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    assert sent(caplog, "X-Note", "Grüße")[1:] == ("Grüße", False)
    assert sent(caplog, "X-Note", "[ü")[1:] == ("[ü", False)
    assert sent(caplog, "Comments", '["ü"]')[1:] == ('["ü"]', False)
