"""The console backend: what a developer sees, and what mail cannot do to a terminal."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import subprocess
import sys
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    Message,
    Outcome,
    email_dispatched,
)
from flask_mail.backends import console
from flask_mail.backends.console import ConsoleBackend
from flask_mail.util.locks import _count_fork

RULE = "-" * 72


class Rendered(Message):
    """A message of a program that renders it by itself."""

    def __init__(self, *lines: str | bytes) -> None:
        super().__init__("x", ["bob@example.com"], sender="ann@example.com")
        self.lines = lines

    def as_bytes(self) -> bytes:
        return b"\r\n".join(x if isinstance(x, bytes) else x.encode("ascii") for x in self.lines)


def plain(**fields: object) -> Message:
    fields = {
        "subject": "Hello",
        "recipients": ["bob@example.com"],
        "sender": "ann@example.com",
        "body": "Hi Bob",
        "date": datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        **fields,
    }
    message = Message(**fields)  # type: ignore[arg-type]
    message.msgId = "<1@example.com>"
    return message


def printed(message: Message, form: str = "readable", **how: object) -> str:
    stream = io.StringIO()
    assert ConsoleBackend(stream, form).send(message, **how).sent  # type: ignore[arg-type]
    return stream.getvalue()


def shown(message: Message, form: str = "readable", **how: object) -> str:
    text = printed(message, form, **how)
    assert text.startswith(f"{RULE}\n" if form == "readable" else "# MAIL FROM:<")
    return text


def lines(message: Message) -> list[str]:
    return shown(message).splitlines()


def part(*header: str, body: str = "x") -> Message:
    """A message with one part beside its text."""
    return Rendered(
        'Content-Type: multipart/mixed; boundary="b"',
        "",
        "--b",
        "",
        "Some text",
        "--b",
        *header,
        "",
        body,
        "--b--",
        "",
    )


# What is shown


def test_a_message_is_shown_as_a_reader_wants_it() -> None:
    message = plain(
        subject="Grüße aus Köln, und noch so viel mehr, dass der Betreff gefaltet werden muss 🎉",
        recipients=["Jörg Müller <bob@example.com>", "cleo@example.com"],
        sender=("Smith, Ann", "ann@example.com"),
        cc=["dora@example.com"],
        bcc=["hidden@example.com"],
        reply_to="Ärzte <office@example.com>",
        body="Hällo Jörg,\n\n\twie geht's?\n",
        html="<p>Hällo</p>",
        extra_headers={"X-Tag": "one"},
    )
    message.attach("räport.pdf", "application/pdf", b"%" * 2048)
    message.attach("logo.png", "image/png", b"1", disposition="inline")
    assert shown(message) == (
        f"{RULE}\n"
        "MAIL FROM:<ann@example.com>\n"
        "RCPT TO:<bob@example.com>\n"
        "RCPT TO:<cleo@example.com>\n"
        "RCPT TO:<dora@example.com>\n"
        "RCPT TO:<hidden@example.com>\n"
        "\n"
        "Subject: Grüße aus Köln, und noch so viel mehr, dass der Betreff gefaltet werden muss 🎉\n"
        'From: "Smith, Ann" <ann@example.com>\n'
        "To: Jörg Müller <bob@example.com>, cleo@example.com\n"
        "Date: Wed, 02 Jan 2030 03:04:05 +0000\n"
        "Message-ID: <1@example.com>\n"
        "Cc: dora@example.com\n"
        "Reply-To: Ärzte <office@example.com>\n"
        "X-Tag: one\n"
        "\n"
        "Hällo Jörg,\n"
        "\n"
        "\twie geht's?\n"
        "\n"
        "[text/html, 13 bytes]\n"
        "[attachment: räport.pdf, application/pdf, 2.0 KiB]\n"
        "[inline: logo.png, image/png, 1 byte]\n"
        f"{RULE}\n"
    )


def test_the_envelope_is_shown_with_its_options() -> None:
    message = plain(mail_options=["BODY=8BITMIME"], rcpt_options=["NOTIFY=NEVER"])
    assert lines(message)[1:3] == [
        "MAIL FROM:<ann@example.com> BODY=8BITMIME",
        "RCPT TO:<bob@example.com> NOTIFY=NEVER",
    ]


@pytest.mark.parametrize("form", ["readable", "source"])
def test_the_empty_reverse_path_is_shown_as_such(form: str) -> None:
    assert "MAIL FROM:<>\n" in shown(plain(), form, envelope_from="<>")


def test_an_internationalized_address_is_shown_as_it_is() -> None:
    text = shown(plain(recipients=["jörg@example.com"]))
    assert "RCPT TO:<jörg@example.com>\n" in text
    assert "To: jörg@example.com\n" in text


def test_the_source_is_shown_below_the_envelope() -> None:
    message = plain(subject="Grüße", bcc=["hidden@example.com"], html="<b>Hi</b>")
    source = message.as_bytes().decode("ascii").replace("\r\n", "\n")
    assert shown(message, "source") == (
        "# MAIL FROM:<ann@example.com>\n"
        "# RCPT TO:<bob@example.com>\n"
        "# RCPT TO:<hidden@example.com>\n"
        f"{source}\n"
    )


@pytest.mark.parametrize("ending", ["", "\r\n"])
def test_an_empty_line_follows_the_source(ending: str) -> None:
    assert shown(Rendered("A: b", "", f"text{ending}"), "source").endswith("\ntext\n\n")


def test_octets_that_are_not_utf_8_are_escaped_in_the_source() -> None:
    assert "\ncaf\\xe9 ü\n" in shown(Rendered("A: b", "", b"caf\xe9 \xc3\xbc"), "source")


def test_nothing_is_given_back_but_acceptance() -> None:
    receipt = ConsoleBackend(io.StringIO()).send(plain())
    assert (receipt.outcome, receipt.backend, receipt.response) == (Outcome.SENT, "console", "")


def test_nothing_leaves_the_machine() -> None:
    assert ConsoleBackend.external is False


# Text and parts


def test_without_text_that_which_is_made_of_the_html_is_shown() -> None:
    text = lines(plain(body=None, html="<p>Hällo</p>\n"))
    assert text[text.index("") :][-5:] == ["", "Hällo", "", "[text/html, 15 bytes]", RULE]


def test_a_blank_text_counts_as_none() -> None:
    assert "\n<p>Hi</p>\n" in shown(plain(body=" \n\t\n", html="<p>Hi</p>"))


def test_every_alternative_has_a_line() -> None:
    text = lines(plain(html="<p>Hi</p>", alts={"calendar": "BEGIN:VCALENDAR", "html": "<p>"}))
    assert text[-3:-1] == ["[text/calendar, 15 bytes]", "[text/html, 9 bytes]"]


def test_a_message_without_any_text_ends_after_its_headers() -> None:
    text = lines(plain(body=None))
    assert text[-2:] == ["Message-ID: <1@example.com>", RULE]


def test_blank_lines_around_the_text_are_left_out() -> None:
    text = lines(plain(body="\n\nHi\n\n\n"))
    assert text[-4:] == ["Message-ID: <1@example.com>", "", "Hi", RULE]


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1024, "1.0 KiB"),
        (1536, "1.5 KiB"), (5_000_000, "4882.8 KiB"),
    ],
)  # fmt: skip
def test_an_attachment_has_its_name_type_and_size(size: int, told: str) -> None:
    message = plain()
    message.attach("a.bin", "application/octet-stream", b"\0" * size)
    assert lines(message)[-2] == f"[attachment: a.bin, application/octet-stream, {told}]"


def test_tags_and_metadata_are_shown_below_the_message() -> None:
    message = plain(tags=["welcome", "a\u202eb"], metadata={"order": 4711, "plan": "\u200bfree"})
    assert lines(message)[-4:-1] == [
        "",
        "[tags: welcome, a\\u202eb]",
        "[metadata: order=4711, plan=\\u200bfree]",
    ]


def test_only_what_there_is_of_them_is_shown() -> None:
    assert lines(plain(tags=["welcome"]))[-3:-1] == ["", "[tags: welcome]"]
    assert lines(plain(metadata={"order": 1}))[-3:-1] == ["", "[metadata: order=1]"]


def test_an_attachment_may_have_no_name() -> None:
    message = plain()
    message.attach(None, "text/plain", "not the text of the message")
    assert lines(message)[-2] == "[attachment: without a name, text/plain, 27 bytes]"
    assert "not the text" not in shown(message)


def test_an_attached_message_is_one_attachment() -> None:
    message = plain()
    inner = 'Content-Type: multipart/mixed; boundary="i"\n\n--i\n\ninner text\n--i--\n'
    message.attach("fwd.eml", "message/rfc822", inner)
    told = len(inner.replace("\n", "\r\n")), len(inner)
    assert lines(message)[-2] in [
        f"[attachment: fwd.eml, message/rfc822, {size} bytes]" for size in told
    ]
    assert "inner text" not in shown(message)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('Content-Disposition: attachment; filename="plain.txt"', "plain.txt"),
        ("Content-Disposition: attachment; filename=\"raport\"; filename*=utf-8''r%C3%A4port",
         "räport"),
        ("Content-Disposition: attachment; filename*0*=utf-8''r%C3%A4; filename*1=port", "räport"),
        ('Content-Disposition: attachment; filename="=?utf-8?q?r=C3=A4port?="', "räport"),
        ("Content-Disposition: attachment; filename*=no-charset''r%C3%A4", None),
        ('Content-Type: text/plain; name="of the type.txt"', "of the type.txt"),
        ('Content-Type: a/b; NAME="a"\r\nContent-Disposition: attachment; FileName="b"', "b"),
        ("Content-Disposition: attachment; filename*=utf-8''a%0D%0A%1B%5B1mb%E2%80%AEc",
         r"a\r\n\x1b[1mb\u202ec"),
        ("Content-Disposition: attachment; filename*=utf-7''a+2AA-", "a\ufffd"),
        ("Content-Disposition: attachment; filename*=a; filename*0=b", "a"),
    ],
)  # fmt: skip
def test_an_attachment_has_the_name_that_its_header_means(header: str, name: str | None) -> None:
    shown_name = lines(part(header))[-2].partition(": ")[2].partition(", ")[0]
    assert shown_name == name if name else shown_name.startswith("r")


def test_text_that_is_marked_as_inline_is_still_the_text() -> None:
    text = shown(Rendered("Content-Disposition: inline", "", "Signed text"))
    assert "\nSigned text\n" in text
    assert "[" not in text


def test_all_texts_are_shown() -> None:
    text = lines(part("Content-Type: text/plain", body="A list's footer"))
    assert text[-5:] == ["", "Some text", "", "A list's footer", RULE]


@pytest.mark.parametrize(
    ("header", "octets"),
    [
        ("charset=utf-8\r\nContent-Transfer-Encoding: base64", base64.b64encode("ü".encode())),
        ("charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable", b"=C3=BC"),
        ("charset=utf-8\r\nContent-Transfer-Encoding: 8bit", b"\xc3\xbc"),
        ("charset=latin-1\r\nContent-Transfer-Encoding: 8bit", b"\xfc"),
        ("charset=no-such-charset\r\nContent-Transfer-Encoding: 8bit", b"\xc3\xbc"),
        ("charset=rot13\r\nContent-Transfer-Encoding: 8bit", b"\xc3\xbc"),
        ("charset=undefined\r\nContent-Transfer-Encoding: 8bit", b"\xc3\xbc"),
        ("format=flowed", b"\xc3\xbc"),
    ],
)
def test_text_is_decoded(header: str, octets: bytes) -> None:
    single = Rendered(f"Content-Type: text/plain; {header}", "", octets)
    nested = Rendered(
        "Content-Type: multipart/mixed; boundary=b", "", "--b",
        f"Content-Type: text/plain; {header}", "", octets, "--b--",
    )  # fmt: skip
    assert lines(single)[-2] == "ü"
    assert lines(nested)[-2] == "ü"


def test_octets_that_their_charset_does_not_have_are_escaped() -> None:
    message = Rendered("Content-Type: text/plain; charset=utf-8", "", b"caf\xe9")
    assert lines(message)[-2] == r"caf\xe9"


def test_parts_are_found_where_the_last_delimiter_is_missing() -> None:
    message = Rendered(
        "Content-Type: multipart/mixed; boundary=b", "", "For programs without MIME",
        "--b  ", "", "First", "--bogus", "--b", "", "Second",
    )  # fmt: skip
    assert lines(message)[-6:] == ["", "First", "--bogus", "", "Second", RULE]
    assert "without MIME" not in shown(message)


@pytest.mark.parametrize("parameter", ["", "; boundary=b", "; boundary*=utf-7''+2AA-"])
def test_a_multipart_without_parts_is_one_line(parameter: str) -> None:
    message = Rendered(f"Content-Type: multipart/mixed{parameter}", "", "--c", "", "x")
    assert lines(message)[-2] == "[multipart/mixed, 8 bytes]"


def test_parts_that_nest_without_end_are_not_all_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_MOST_PARTS", 3)
    source = ["The text"]
    for depth in range(5):
        source = [f"Content-Type: multipart/mixed; boundary=b{depth}", "", f"--b{depth}", *source]
    assert re.fullmatch(r"\[multipart/mixed, \d+ bytes\]", lines(Rendered(*source))[-2])


# Headers


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
        ("=?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?q?=C3=9Fe?= an alle", "Grüße an alle"),
        ("=?utf-8?q?half_a_character:_=C3?= =?utf-8?q?=BC?=", "half a character: ü"),
        ("an =?iso-8859-1*de?q?J=FCrgen?= (=?us-ascii?q?x?=)", "an Jürgen (x)"),
        ("folded\r\n between words\r\n\tand at a tab", "folded between words and at a tab"),
        ("=?utf-8?q?bad=FF?=", "bad\ufffd"),
        ("=?utf-8?b?a?=", "=?utf-8?b?a?="),
        ("=?no-such?q?charset?=", "=?no-such?q?charset?="),
        ("=?rot13?q?codec?=", "=?rot13?q?codec?="),
        ("=?utf-8?x?kind?=", "=?utf-8?x?kind?="),
        (b"raw \xc3\xbc", "raw ü"),
        (b"raw \xfc", "raw ü"),
        ("=?utf-8?q?a=0D=0ABcc:_x=1B=5B2J=E2=80=AE?=", r"a\r\nBcc: x\x1b[2J\u202e"),
        ("=?utf-7?q?a+2AA-?=", "a\ufffd"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_header_is_decoded_to_one_line(written: str | bytes, read: str) -> None:
    octets = written if isinstance(written, bytes) else written.encode("ascii")
    assert f"\nSubject: {read}\nX-After: y\n" in shown(
        Rendered(b"Subject: " + octets, "X-After: y", "", "text")
    )


def test_a_header_of_many_words_is_read_at_once() -> None:
    """The time grows with the length, however the value is built."""
    value = "=?a?q?" * 100_000
    assert f"\nSubject: {value}\n" in shown(Rendered(f"Subject: {value}", "", "text"))


def test_a_broken_line_among_the_headers_does_not_stop_the_message() -> None:
    assert "\nSubject: x\n" in shown(Rendered("Subject: x", "no header", ": none", "", "text"))


PIECES = st.sampled_from(
    [
        b"Content-Type: ", b"multipart/mixed; boundary=b", b"text/plain; charset=",
        b"message/rfc822",
        b"Content-Disposition: ", b"attachment; filename*0*=", b"filename*=", b"utf-8''%00",
        b"Content-Transfer-Encoding: ", b"base64", b"quoted-printable", b"x-uuencode", b"--b",
        b"=?utf-8?q?", b"=?utf-7?b?", b"?=", b"=1B", b"unicode_escape", b"idna", b"utf-16", b"\\",
        b"\r\n\r\n", b"\r\n", b"\r", b"\n ", b"\t", b'"', b";", b"\0", b"\xff", b"\x1b[2J",
        "\u202e\u0085".encode(),
    ]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(PIECES | st.binary(max_size=8), max_size=30).map(b"".join))
def test_whatever_is_rendered_is_shown_without_controls(content: bytes) -> None:
    text = printed(Rendered(content)) + printed(Rendered(content), "source")
    seen = set(text) - {"\n", "\t"}
    assert all(char.isprintable() or unicodedata.category(char) == "Zs" for char in seen)


# What mail must not do to a terminal

TERMINAL = {
    "colour": "\x1b[31m",
    "clear the screen": "\x1b[2J",
    "window title": "\x1b]0;owned\x07",
    "answerback": "\x05",
    "report the title as input": "\x1b[21t",
    "link": "\x1b]8;;http://evil.example\x1b\\",
    "one-octet CSI": "\x9b31m",
    "one-octet OSC": "\x9d0;owned\x9c",
    "overwrite the line": "good\rbad",
    "backspace": "bad\b\b\bgood",
    "next line": "a\x85b",
    "form feed": "a\x0cb",
    "delete": "a\x7fb",
    "NUL": "a\0b",
    "right-to-left override": "exe.\u202egpj",
    "isolate": "\u2066a\u2069",
    "marks": "\u200e\u200f\u061c",
    "line separator": "a\u2028b\u2029c",
    "zero width": "pay\u200bpal\u200c\u200d\ufeff\u2060",
    "soft hyphen": "pay\u00adpal",
    "tags": "\U000e0041\U000e0042",
    "blank letters": "a\u3164\u115f\u1160\uffa0\u034fb",
}


@pytest.mark.parametrize("attack", TERMINAL.values(), ids=TERMINAL)
@pytest.mark.parametrize("form", ["readable", "source"])
def test_mail_does_not_drive_the_terminal(attack: str, form: str) -> None:
    raw = attack.encode("utf-8")
    word = "=?utf-8?b?" + base64.b64encode(raw).decode("ascii") + "?="
    for message in (
        plain(body=f"before {attack} after"),
        Rendered(f"Subject: {word}", b"X-Raw: " + raw, b"X-" + raw + b": y", "", raw),
        part(f"Content-Type: text/{word}", f"Content-Disposition: attachment; filename={word}"),
    ):
        text = shown(message, form)
        assert not set(text) & {c for c in attack if not c.isprintable() or c in "\u3164\u115f"}
        assert all(line.isprintable() for line in text.splitlines())


def test_an_escape_names_the_character() -> None:
    text = lines(plain(body="\x1b \x85 \u202e \u2028 \U000e0041 \x00"))[-2]
    assert text == r"\x1b \x85 \u202e \u2028 \U000e0041 \x00"


def test_a_lone_carriage_return_is_shown_and_a_line_end_is_one() -> None:
    message = Rendered("Content-Transfer-Encoding: quoted-printable", "", "a=0Db=0D=0Ac=0Ad")
    assert lines(message)[-4:-1] == [r"a\rb", "c", "d"]


@pytest.mark.exhaustive
def test_of_all_characters_only_those_that_are_seen_reach_the_terminal() -> None:
    every = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]
    text = shown(Rendered("Content-Type: text/plain; charset=utf-8", "", "".join(every).encode()))
    categories = {unicodedata.category(char) for char in set(text) - {"\n", "\t"}}
    assert categories.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    assert set(text) >= {"ä", "\u00a0", "\u3000", "漢", "🎉", "\u0301"}


# The stream


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_standard_stream_is_the_one_of_the_moment(name: str) -> None:
    backend = ConsoleBackend(name)
    redirect = contextlib.redirect_stdout if name == "stdout" else contextlib.redirect_stderr
    for _ in range(2):
        stream = io.StringIO()
        with redirect(stream):
            backend.send(plain())
        assert stream.getvalue().count("Subject: Hello\n") == 1


def test_the_default_is_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    ConsoleBackend().send(plain())
    captured = capsys.readouterr()
    assert "Subject: Hello\n" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize("form", ["readable", "source"])
@pytest.mark.parametrize(
    ("encoding", "seen"),
    [("ascii", rb"\xfc \u6f22 \U0001f389"), ("latin-1", b"\xfc \\u6f22 \\U0001f389")],
)
def test_what_the_stream_cannot_encode_is_escaped(encoding: str, seen: bytes, form: str) -> None:
    octets = io.BytesIO()
    stream = io.TextIOWrapper(octets, encoding=encoding, newline="\n")
    source = Rendered("Content-Type: text/plain; charset=utf-8", "", "ü 漢 🎉".encode())
    assert ConsoleBackend(stream, form).send(source).sent
    assert b"\n" + seen + b"\n" in octets.getvalue()


@pytest.mark.parametrize("encoding", ["no-such-encoding", "rot13", "undefined"])
def test_ascii_fits_a_stream_whose_encoding_is_unknown(encoding: str) -> None:
    class Odd(io.StringIO):
        @property
        def encoding(self) -> str:  # type: ignore[override]
            return encoding

    stream = Odd()
    ConsoleBackend(stream).send(plain(subject="Grüße"))
    assert "Subject: Gr\\xfc\\xdfe\n" in stream.getvalue()


class Calls:
    """Notes each call."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def write(self, text: str) -> None:
        self.made.append(text)

    def flush(self) -> None:
        self.made.append("flush")


def test_a_message_is_written_at_once_and_flushed() -> None:
    stream = Calls()
    backend = ConsoleBackend(stream)
    backend.send(plain(subject="one"))
    backend.send(plain(subject="two"))
    assert len(stream.made) == 4
    assert "Subject: one\n" in stream.made[0]
    assert "Subject: two\n" in stream.made[2]
    assert stream.made[1::2] == ["flush", "flush"]


def test_a_stream_needs_nothing_but_write() -> None:
    class WriteOnly:
        def __init__(self) -> None:
            self.text = ""

        def write(self, text: str) -> None:
            self.text += text

    stream = WriteOnly()
    ConsoleBackend(stream).send(plain())
    assert "Subject: Hello\n" in stream.text


def test_messages_of_many_threads_and_backends_stay_whole(tmp_path: Path) -> None:
    class ByLine:
        """Hands over line by line, as terminals do, which lets other threads in between."""

        def __init__(self, descriptor: int) -> None:
            self.descriptor = descriptor

        def write(self, text: str) -> None:
            for line in text.splitlines(keepends=True):
                os.write(self.descriptor, line.encode())

    names = [f"message-{number}" for number in range(400)]
    with (tmp_path / "terminal").open("wb") as terminal:
        backends = [ConsoleBackend(ByLine(terminal.fileno())) for _ in range(4)]

        def send(number: int) -> None:
            name = names[number]
            backends[number % 4].send(plain(subject=name, body=f"{name}\n{name}"))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(send, range(400)))
    found = (tmp_path / "terminal").read_text().split(f"{RULE}\n{RULE}")
    assert sorted(tuple(re.findall(r"message-\d+", text)) for text in found) == sorted(
        (name,) * 3 for name in names
    )


def test_a_stream_may_send_mail_itself() -> None:
    inner = io.StringIO()

    class Alarm(Calls):
        def write(self, text: str) -> None:
            super().write(text)
            ConsoleBackend(inner).send(plain(subject="alarm"))

    outer = Alarm()
    ConsoleBackend(outer).send(plain())
    assert "Subject: alarm\n" in inner.getvalue()
    assert "Subject: Hello\n" in outer.made[0]


class Stuck:
    """A stream that does not come back until it is let go."""

    def __init__(self) -> None:
        self.writing, self.let_go = threading.Event(), threading.Event()

    def write(self, text: str) -> None:
        self.writing.set()
        self.let_go.wait(60)


def test_write_lock_is_reset_after_fork() -> None:
    stuck = Stuck()
    with ThreadPoolExecutor(1) as pool:
        receipt = pool.submit(ConsoleBackend(stuck).send, plain())
        assert stuck.writing.wait(60)
        _count_fork()
        assert shown(plain())
        assert not receipt.done()
        stuck.let_go.set()


FORK = """
import io, os, signal, sys, threading
from flask_mail import Message
from flask_mail.backends.console import ConsoleBackend

message = Message("Hello", ["bob@example.com"], "Hi", sender="ann@example.com")
writing, forked = threading.Event(), threading.Event()

class Stuck:
    def write(self, text):
        writing.set()
        forked.wait()

thread = threading.Thread(target=ConsoleBackend(Stuck()).send, args=[message])
thread.start()
writing.wait()
child = os.fork()
if child == 0:
    signal.alarm(30)
    os._exit(0 if ConsoleBackend(io.StringIO()).send(message).sent else 1)
_, status = os.waitpid(child, 0)
forked.set()
thread.join()
sys.exit(status)
"""


def test_a_child_process_does_not_wait_for_a_thread_of_its_parent() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], timeout=60, check=False)
    assert done.returncode == 0


def test_a_platform_without_fork_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "register_at_fork")
    spec = spec_from_file_location("flask_mail.backends.without_fork", console.__file__)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(module := module_from_spec(spec))
    assert module.ConsoleBackend(io.StringIO()).send(plain()).sent


# Streams that fail


def failure_of(stream: object) -> BackendUnavailable:
    with pytest.raises(BackendUnavailable, match=r"MAIL_CONSOLE_STREAM") as raised:
        ConsoleBackend(stream).send(plain())
    receipt = raised.value.receipt
    assert receipt is not None
    assert receipt.outcome is Outcome.NOT_SENT
    assert "Hi Bob" not in str(raised.value)
    return raised.value


def test_a_closed_stream_is_told() -> None:
    stream = io.StringIO()
    stream.close()
    error = failure_of(stream)
    assert str(error) == (
        "The console backend cannot write to StringIO: I/O operation on closed file."
        " Set MAIL_CONSOLE_STREAM to an open stream."
    )
    assert isinstance(error.__cause__, ValueError)


def test_a_broken_pipe_is_told() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as stream:  # noqa: PTH123 (a descriptor)
        assert "to TextIOWrapper: Broken pipe." in str(failure_of(stream))
        with contextlib.suppress(BrokenPipeError):
            stream.close()


def test_a_process_without_standard_output_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert "to stdout: this process does not have one." in str(failure_of("stdout"))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError(), "RuntimeError"),
        (RuntimeError("no.\x1b[2J"), r"no.\x1b[2J"),
        (TypeError("a bytes-like object is required"), "a bytes-like object is required"),
    ],
)
def test_whatever_a_stream_raises_is_told(error: Exception, told: str) -> None:
    class Failing(Calls):
        def flush(self) -> None:
            raise error

    assert f"to Failing: {told}." in str(failure_of(Failing()))


def test_the_lock_is_free_after_a_failure() -> None:
    failing = io.StringIO()
    failing.close()
    failure_of(failing)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(shown, plain()).result(timeout=60)


def test_a_message_that_is_not_shown_is_not_dispatched() -> None:
    seen: list[object] = []
    stream = io.StringIO()
    stream.close()
    with email_dispatched.connected_to(lambda app, **more: seen.append(more)):
        failure_of(stream)
    assert seen == []


# Settings


@pytest.mark.parametrize("stream", ["stdin", "STDOUT", "log.txt", 1, None, object(), b"stdout"])
def test_a_stream_that_is_none_is_a_configuration_error(stream: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^MAIL_CONSOLE_STREAM must be ") as raised:
        ConsoleBackend(stream)
    assert type(stream).__name__ in str(raised.value)


@pytest.mark.parametrize("stream", [io.BytesIO(), io.BufferedWriter(io.BytesIO())])
def test_a_stream_of_octets_is_a_configuration_error(stream: object) -> None:
    with pytest.raises(ConfigurationError, match="MAIL_CONSOLE_STREAM"):
        ConsoleBackend(stream)


@pytest.mark.parametrize("form", ["", "raw", "Readable", None, []])
def test_a_format_that_is_none_is_a_configuration_error(form: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^MAIL_CONSOLE_FORMAT must be "):
        ConsoleBackend(format=form)


def build(name: str) -> ConsoleBackend:
    raise AssertionError(name)


def test_options_come_from_the_configuration() -> None:
    stream = io.StringIO()
    options = {"stream": stream, "format": "source"}
    ConsoleBackend.from_options(options, build).send(plain())
    assert stream.getvalue().startswith("# MAIL FROM:<ann@example.com>\n")


@pytest.mark.parametrize("option", ["stream", "format"])
def test_a_wrong_option_is_named_by_its_setting(option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"MAIL_CONSOLE_{option.upper()}"):
        ConsoleBackend.from_options({option: "elsewhere"}, build)


def test_a_backend_derived_from_it_names_its_own_settings() -> None:
    class Terminal(ConsoleBackend):
        name = "terminal"

    with pytest.raises(ConfigurationError, match=r"^MAIL_TERMINAL_STREAM"):
        Terminal("elsewhere")
