"""Whole messages for tests: the fields that users fill in, and the results that readers must get.

These results follow from the input alone, never from the code under test.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

from hypothesis import strategies as st
from reading import CHARACTERS, HEADER_TEXTS, decode_header

from flask_mail import Attachment, Message
from flask_mail.mime.html_text import text_of_html

Mailbox: TypeAlias = tuple[str, str]
"""A display name, and an address whose local part is quoted where it must be."""


@dataclass(frozen=True)
class Read:
    """A message as a reader understands it."""

    subject: str
    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    reply_to: tuple[Mailbox, ...]
    date: datetime
    message_id: str
    headers: dict[str, str]
    content: ReadPart


@dataclass(frozen=True)
class ReadPart:
    """A part as a reader understands it: text, octets, a message, or inner parts."""

    kind: str
    content: str | bytes | Read | tuple[ReadPart, ...]
    name: str = ""
    content_id: str | None = None


@dataclass(frozen=True)
class File:
    """An attachment, or what the HTML shows where it has a `content_id`."""

    name: str
    kind: str
    data: bytes | Draft
    content_id: str | None = None


@dataclass(frozen=True)
class Draft:
    """Fields of a message that can be sent."""

    subject: str = "subject"
    sender: Mailbox = ("", "from@example.com")
    to: tuple[Mailbox, ...] = (("", "to@example.com"),)
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    body: str = "body"
    alts: tuple[tuple[str, str], ...] = ()
    charset: str | None = None
    date: datetime = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)
    headers: tuple[tuple[str, str], ...] = ()
    files: tuple[File, ...] = ()

    def message(self, seed: object = "draft", kind: type[Message] = Message) -> Message:
        """Return the message; the same octets each time."""
        message = kind(
            self.subject,
            list(self.to),
            self.body,
            None,
            dict(self.alts),
            self.sender,
            list(self.cc),
            list(self.bcc),
            reply_to=list(self.reply_to),
            date=self.date,
            charset=self.charset,
            extra_headers=dict(self.headers),
            seed=seed,
        )
        for number, each in enumerate(self.files):
            data = each.data
            inner = f"{seed}/{number}"
            octets = data if isinstance(data, bytes) else data.message(inner).as_bytes()
            message.attach(each.name or None, each.kind, octets, content_id=each.content_id)
        return message

    def read(self, seed: object = "draft") -> Read:
        """Return what every reader must make of the message."""
        return Read(
            self.subject,
            _mailbox(self.sender),
            _mailboxes(self.to),
            _mailboxes(self.cc),
            _mailboxes(self.reply_to),
            self.date.replace(microsecond=0),
            # Only that it is this message's: which one it is, is a matter of chance.
            self.message(seed).msgId,
            # Spaces around what is not encoded mean nothing.
            {name: text.strip(" ") if text.isascii() else text for name, text in self.headers},
            self._content(seed),
        )

    def _content(self, seed: object) -> ReadPart:
        """mixed(related(alternative(text, ...), what is shown), files), each where it is needed."""
        text = self.body or text_of_html(dict(self.alts).get("html", ""))
        content = ReadPart("text/plain", canonical(text))
        if self.alts:
            texts = [ReadPart(f"text/{kind}", canonical(text)) for kind, text in self.alts]
            content = ReadPart("multipart/alternative", (content, *texts))
        read = [_file(each, f"{seed}/{number}") for number, each in enumerate(self.files)]
        shown = [each for each in read if each.content_id and self.alts]
        if shown:
            content = ReadPart("multipart/related", (content, *shown))
        files = [each for each in read if each not in shown]
        return ReadPart("multipart/mixed", (content, *files)) if files else content


def canonical(text: str) -> str:
    """Return text with the line ends that text in mail has (RFC 2046 section 4.1.1)."""
    return re.sub("\r\n|\r|\n", "\r\n", text)


def bare(spec: str) -> str:
    """Return an address with its local part as it is without quotes, which mean nothing."""
    local, _, domain = spec.rpartition("@")
    if local.startswith('"'):
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    return f"{local}@{domain}"


# Domains, and what they are in the protocol (RFC 5890).
DOMAINS = {
    "example.com": "example.com",
    "EXAMPLE.org": "EXAMPLE.org",
    "localhost": "localhost",
    f"{'a' * 63}.{'b' * 63}.example": f"{'a' * 63}.{'b' * 63}.example",
    "bücher.example": "xn--bcher-kva.example",
    "faß.de": "xn--fa-hia.de",
    "例え.テスト": "xn--r8jz45g.xn--zckzah",
    "مثال.إختبار": "xn--mgbh0fb.xn--kgbechtv",
    "[192.0.2.1]": "[192.0.2.1]",
    "[IPv6:2001:db8::1]": "[IPv6:2001:db8::1]",
}


def _mailbox(given: Mailbox) -> Mailbox:
    name, address = given
    local, _, domain = address.rpartition("@")
    return name.strip(" "), bare(f"{local}@{DOMAINS.get(domain, domain)}")


def _mailboxes(given: tuple[Mailbox, ...]) -> tuple[Mailbox, ...]:
    """Return each address once, as it was given first."""
    found: dict[tuple[str, str], Mailbox] = {}
    for each in given:
        local, _, domain = each[1].rpartition("@")
        found.setdefault((local, DOMAINS.get(domain, domain).lower()), _mailbox(each))
    return tuple(found.values())


def _file(file: File, seed: object) -> ReadPart:
    data = file.data if isinstance(file.data, bytes) else file.data.read(seed)
    return ReadPart(file.kind, data, file.name, file.content_id)


# --- Drafts of every kind ------------------------------------------------------------------------

# What was encoded beforehand is decoded on purpose, and has tests of its own.
FREE_TEXTS = HEADER_TEXTS.filter(lambda text: decode_header(text) == text)
CHARSETS = (None, "utf-8", "iso-8859-1", "shift_jis", "euc-kr", "koi8-r", "us-ascii")
# What browsers, and readers that follow them, take these for (the Encoding Standard of WHATWG).
_OF_BROWSERS = {"iso-8859-1": "cp1252", "euc-kr": "cp949", "shift_jis": "cp932"}
BODIES = (
    st.text()
    | st.text(st.sampled_from("ab .=\té山\r\n"), max_size=300)
    | st.text(st.sampled_from("ab Ünï \r\n"), max_size=60)
    | st.text(st.sampled_from("привет, мир\n"), max_size=60)
    | st.text(st.sampled_from("안녕 세상\n"), max_size=60)
    | st.text(st.sampled_from("件名 テスト\n"), max_size=60)
    | st.sampled_from(["", ".\n..\nFrom me\n", "x" * 2000, "\0", "a\rb\nc\r\nd", "-- \nme", "--=_"])
)
_ATOMS = st.text(st.sampled_from("ab1+_-'=?&/é山"), min_size=1, max_size=8)
# Without ">", which the reader in Rust takes for the end of the address.
_QUOTED = st.text(st.sampled_from(' ab.@,;:()[]"\\é<'), min_size=1, max_size=8).map(
    lambda text: '"{}"'.format(text.replace("\\", r"\\").replace('"', r"\""))
)
# "=?" begins an encoded-word, and is refused there.
LOCALS = (st.lists(_ATOMS, min_size=1, max_size=3).map(".".join) | _QUOTED).filter(
    lambda local: "=?" not in local
)
# That reader strips more than spaces from a name.
NAMES = st.just("") | FREE_TEXTS.map(str.strip)
MAILBOXES = st.tuples(NAMES, st.builds("{}@{}".format, LOCALS, st.sampled_from(sorted(DOMAINS))))
KINDS = ("application/octet-stream", "application/pdf", "image/png", "text/plain", "text/csv")
DATES = st.datetimes(
    datetime(1970, 1, 1),
    datetime(9998, 1, 1),
    timezones=st.integers(-14 * 60, 14 * 60).map(
        lambda minutes: timezone(timedelta(minutes=minutes))
    ),
)


def _lists(mailboxes: st.SearchStrategy[Mailbox], least: int) -> Any:
    return st.lists(mailboxes, min_size=least, max_size=3).map(tuple)


def _is_read_alike(texts: Iterable[str], charset: str | None) -> bool:
    """Return True if all readers decode these texts in the same way from a charset."""
    if charset not in _OF_BROWSERS:
        return True
    octets = "".join(texts).encode(charset, "replace")
    return octets.decode(charset, "replace") == octets.decode(_OF_BROWSERS[charset], "replace")


@st.composite
def drafts(draw: st.DrawFn, depth: int = 1) -> Draft:
    """Draw a draft that can be sent, with messages in it down to `depth`."""
    alts = draw(
        st.dictionaries(st.sampled_from(["html", "calendar", "x-amp-html"]), BODIES, max_size=2)
    )
    contents: Any = st.tuples(st.sampled_from(KINDS), st.binary(max_size=200))
    if depth:
        contents |= st.tuples(st.just("message/rfc822"), drafts(depth - 1))
    files = []
    for number, (kind, data) in enumerate(draw(st.lists(contents, max_size=2))):
        is_shown = kind == "image/png" and draw(st.booleans())
        name = draw(st.just("") | FREE_TEXTS)
        files.append(File(name, kind, data, f"part{number}@embedded" if is_shown else None))
    names = st.text(st.sampled_from("ab-1"), max_size=8).map("X-{}".format)
    headers = draw(st.dictionaries(names, FREE_TEXTS, max_size=2))
    draft = Draft(
        draw(FREE_TEXTS),
        draw(MAILBOXES),
        draw(_lists(MAILBOXES, 1)),
        draw(_lists(MAILBOXES, 0)),
        draw(_lists(MAILBOXES, 0)),
        draw(_lists(MAILBOXES, 0)),
        draw(BODIES),
        tuple(alts.items()),
        draw(st.sampled_from(CHARSETS)),
        draw(DATES),
        tuple({name.lower(): (name, text) for name, text in headers.items()}.values()),
        tuple(files),
    )
    names = [name for name, _ in (draft.sender, *draft.to, *draft.cc, *draft.reply_to)]
    texts = [draft.subject, draft.body, *alts.values(), *headers.values(), *names]
    return draft if _is_read_alike(texts, draft.charset) else replace(draft, charset=None)


# --- Anything in any field -----------------------------------------------------------------------

INJECTIONS = ["\r\nX-Injected: 1", "\nX-Injected: 1", "\rX-Injected: 1", "\vX-Injected: 1",
              "\x1cX-Injected: 1", "\x85X-Injected: 1", "\u2028X-Injected: 1",
              "\r\n\r\n<b>evil</b>", "\n\n--boundary\n"]  # fmt: skip

TEXTS = (
    st.text(max_size=30)
    | st.text(CHARACTERS, max_size=30)
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
    """Draw an attachment with anything in its fields."""
    attachment = Attachment(data=draw(TEXTS | st.binary() | st.integers()))
    attachment.filename = draw(ANYTHING)  # type: ignore[assignment]
    attachment.content_type = draw(ANYTHING | st.just("message/rfc822"))  # type: ignore[assignment]
    attachment.disposition = draw(ANYTHING)  # type: ignore[assignment]
    attachment.headers = draw(MAPPINGS)  # type: ignore[assignment]
    return attachment


# Made here, because what stands in the source is drawn as an example too.
HIDDEN = "".join(("who.gets", ".it.blind"))


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Draw a message with anything in its fields."""
    message = Message(
        subject=draw(ANYTHING),
        recipients=draw(LISTS),
        body=draw(ANYTHING),
        html=draw(st.none() | TEXTS),
        alts=draw(MAPPINGS),
        sender=draw(ADDRESSES),
        cc=draw(LISTS),
        bcc=[f"{HIDDEN}@example.com"],
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
