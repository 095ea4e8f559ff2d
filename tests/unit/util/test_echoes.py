"""A secret that a server echoes is hidden, in each spelling and as a piece of it."""

from __future__ import annotations

import base64
import html
import json
import quopri
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import PATIENT

from flask_mail.util.secret import Secret, Secrets, Token

PASSWORD = "Tr0ub4dor&<3> pässwörd\\=\U0001f600"
PLAIN = "c0rrect-Horse.b4ttery"
SECRETS = (
    PASSWORD,
    PLAIN,
    "hunter2",
    "x%41&amp;y=3Dz",
    "0123456789",
    "s3cr",
    "ab+cd ef/gh",
    "k" * 20,
)


def b64(octets):
    return base64.b64encode(octets).decode()


def utf8(text):
    return text.encode()


def units(text):
    """Return the code units of UTF-16, as JavaScript has them."""
    octets = text.encode("utf-16-be")
    return [int.from_bytes(octets[start : start + 2], "big") for start in range(0, len(octets), 2)]


SPELLINGS = {
    "itself": lambda s: s,
    "quoted": lambda s: f"'{s}'",
    "base64": lambda s: b64(utf8(s)),
    "base64 without padding": lambda s: b64(utf8(s)).rstrip("="),
    "base64 after one octet": lambda s: b64(b"x" + utf8(s)),
    "base64 after two octets": lambda s: b64(b"xy" + utf8(s)),
    "base64 in between": lambda s: b64(b"name: " + utf8(s) + b" and more"),
    "base64 cut at the front": lambda s: b64(b"a long name: " + utf8(s))[5:],
    "base64 for URLs": lambda s: base64.urlsafe_b64encode(b"xy" + utf8(s)).decode(),
    "AUTH PLAIN": lambda s: b64(b"\0me\0" + utf8(s)),
    "AUTH PLAIN, its tail": lambda s: b64(b"\0kate@example.com\0" + utf8(s))[10:],
    "hex": lambda s: utf8(s).hex(),
    "HEX": lambda s: utf8(s).hex().upper(),
    "hex with colons": lambda s: utf8(s).hex(":"),
    "hex with blanks": lambda s: utf8(s).hex(" "),
    "hex as C writes it": lambda s: ", ".join(f"0x{each:02X}" for each in utf8(s)),
    "hex at an odd place": lambda s: f"a{utf8(s).hex()}",
    "hex of base64": lambda s: utf8(b64(b"\0me\0" + utf8(s))).hex(),
    "url": lambda s: urllib.parse.quote(s, safe=""),
    "url of a form": urllib.parse.quote_plus,
    "url, lower case": lambda s: "".join(f"%{each:02x}" for each in utf8(s)),
    "url, twice": lambda s: urllib.parse.quote(urllib.parse.quote(s, safe=""), safe=""),
    "url of base64": lambda s: urllib.parse.quote(b64(b"\0me\0" + utf8(s)), safe=""),
    "html": html.escape,
    "html, decimal": lambda s: "".join(f"&#{ord(each)};" for each in s),
    "html, hexadecimal": lambda s: "".join(f"&#x{ord(each):X};" for each in s),
    "html, padded": lambda s: "".join(f"&#{ord(each):07};" for each in s),
    "html in a url": lambda s: urllib.parse.quote(html.escape(s), safe=""),
    "json": lambda s: json.dumps(s)[1:-1],
    "json, all": lambda s: "".join(f"\\u{each:04x}" for each in units(s)),
    "python": lambda s: ascii(s)[1:-1],
    "python's octets": lambda s: repr(utf8(s))[2:-1],
    "escaped by x": lambda s: "".join(f"\\x{each:02X}" for each in utf8(s)),
    "escaped, octal": lambda s: "".join(f"\\{each:03o}" for each in utf8(s)),
    "escaped, 32 bits": lambda s: "".join(f"\\U{ord(each):08x}" for each in s),
    "escaped, in braces": lambda s: "".join(f"\\u{{{ord(each):x}}}" for each in s),
    "code points": lambda s: " ".join(f"U+{ord(each):04X}" for each in s),
    "escaped for a shell": lambda s: "".join(c if c.isalnum() else f"\\{c}" for c in s),
    "quoted-printable": lambda s: quopri.encodestring(utf8(s), quotetabs=True).decode(),
    "quoted-printable, all": lambda s: "".join(f"={each:02X}" for each in utf8(s)),
    "latin-1 as octets": lambda s: "".join(
        f"%{each:02X}" for each in s.encode("latin-1", "replace")
    ),
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_is_hidden_and_the_rest_is_shown(spelling, secret):
    spelled = SPELLINGS[spelling](secret)
    text = Secret(secret).redact(f"535 5.7.8 No! ({spelled}), says mx")
    assert text.startswith("535 5.7.8 No! (")
    assert text.endswith("), says mx")
    assert "***" in text
    middle = text[len("535 5.7.8 No! (") : -len("), says mx")]
    assert len(middle.replace("***", "")) <= 4, middle


@pytest.mark.parametrize("spelling", ["itself", "hex", "url, lower case", "html, decimal", "json"])
@pytest.mark.parametrize("cut", [(0, -1), (0, 7), (3, 10), (-4, None), (-6, None), (-9, None)])
def test_a_piece_is_hidden_in_each_spelling(spelling, cut):
    piece = PLAIN[slice(*cut)]
    text = Secret(PLAIN).redact(f"no: ...{SPELLINGS[spelling](piece)}...")
    assert text == "no: ...***..."


@pytest.mark.parametrize("before", ["", "x", "xy", "\0me\0", "\0kate\0"])
@pytest.mark.parametrize("cut", range(4))
@pytest.mark.parametrize("tail", [4, 6, 12])
def test_a_tail_is_hidden_in_base64_at_each_alignment(before, cut, tail):
    line = b64(utf8(before + PLAIN))[cut:]
    text = Secret(PLAIN).redact(f"bad line: {line[-tail - 4 :]}")
    assert text == "bad line: ***"


def test_a_login_is_hidden_whatever_its_password_is():
    """The line of another user, or of the password before."""
    assert Secret("another").redact(f"no {b64(b'%cme%cpass' % (0, 0))}!") == "no ***!"
    line = b64(b"n,a=me,\1auth=Bearer abc\1\1")
    assert Token("another").redact(f"no {line}") == "no ***"


def test_secrets_do_not_hide_each_other():
    secrets = Secrets()
    for each in ("two  blan ks", "two blan ks", "blan"):
        secrets.add(Secret(each))
    assert secrets.redact("it is two blan ks") == "it is ***"
    assert secrets.redact("nothing of it") == "nothing of it"


@pytest.mark.parametrize("secret", ["p", "pw", "p\xe4"])
@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "no: {}",
        "password={}",
        "'{}' is wrong",
        "({})",
        "smtp://u:{}@mx",
        "pass: {}.",
        "key {}",
    ],
)
def test_a_short_secret_is_hidden_as_a_word_of_its_own(secret, text):
    assert Secret(secret).redact(text.format(secret)) == text.format("***")
    assert Secret(secret).redact(text.format(f"%{ord(secret[0]):x}{secret[1:]}")) == (
        text.format("***")
    )


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("p", "535 password is not proper: port 25"),
        ("pas", "535 password past=passed"),
        ("another", "neither is right"),
        ("password1", "535 5.7.8 Username and Pass not accepted"),
        ("s3cret", "250-SIZE 10240000 at 2026-01-02 03:04:05 &amp; more, 100 % + \\n =3D"),
        ("s3cret", "Authentication failed: AAAAAAAA-BBBB"),
        ("ab", "cad and dab"[0:3]),
        ("", "nothing to hide"),
        (PLAIN, "535 5.7.8 Error: authentication failed: generic failure"),
    ],
)
def test_what_is_not_the_secret_is_shown(secret, text):
    assert Secret(secret).redact(text) == text


@PATIENT
@given(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Cc",)),
        min_size=8,
        max_size=40,
    ),
    st.sampled_from([name for name in SPELLINGS if name != "latin-1 as octets"]),
    st.text("ab %&\\=+;#x0", max_size=8),
)
def test_no_secret_survives_a_spelling(secret, spelling, around):
    redacted = Secret(secret).redact(f"{around} {SPELLINGS[spelling](secret)} {around}")
    assert "***" in redacted
    assert SPELLINGS[spelling](secret) not in redacted


@pytest.mark.parametrize(
    "piece", ["%41", "&#65;", "\\u0041", "41", "41 ", "=", "&", "A", "0x41", "%2525", "%", "a1:"]
)
def test_a_long_reply_is_read_in_linear_time(piece):
    """In another one, it would take minutes."""
    text = piece * (60_000 // len(piece))
    assert Secret(PLAIN).redact(text) == text
