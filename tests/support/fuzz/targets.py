"""Promises for every value, and values that try to break them. Values can be written as JSON."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import smtplib
from base64 import b64encode
from collections.abc import Callable
from email import policy
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from messages import INJECTIONS, bare
from readers import HAS_SECOND, older_parser
from reading import own_parts, parsed, split_message

from flask_mail import Attachment, Message, MessageError
from flask_mail.address.parser import Address, parse_address, tolerant_address
from flask_mail.delivery.outgoing import Outgoing
from flask_mail.mime.fields import mailboxes
from flask_mail.mime.parser import Entity, decode_text
from flask_mail.mime.render import addresses_in
from flask_mail.smtp.reader import Reader
from flask_mail.smtp.writer import Writer

if HAS_SECOND:
    import fast_mail_parser

SEEDS = Path(__file__).with_name("seeds")

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# RFC 5321 section 4.1.2 and RFC 6531 section 3.3, but for what is in the brackets of a literal.
_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\x80-\U0010ffff"
_QUOTED = r'"(?:[ !#-\[\]-~\x80-\U0010ffff]|\\[ -~])*"'
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
MAILBOX = re.compile(
    rf"(?:[.{_ATEXT}]+|{_QUOTED})"
    rf"@(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9.]+\]|\[(?i:ipv6):[0-9A-Fa-f:.]+\])"
)

_ONCE = frozenset(
    {"subject", "from", "to", "date", "message-id", "cc", "reply-to", "mime-version"}
    | {"content-type", "content-transfer-encoding", "sender", "in-reply-to", "references"}
)
_ALWAYS = frozenset({"date", "message-id", "mime-version", "content-type"})
_NEVER = frozenset(
    {"bcc", "resent-bcc", "content-disposition", "content-transfer-encoding", "content-type"}
    | {"mime-version"}
)


def seeds_of(target: str) -> list[Any]:
    """Return the values that are kept for a target."""
    lines = (SEEDS / f"{target}.jsonl").read_text("ascii").splitlines()
    return [json.loads(line) for line in lines]


# --- Addresses -----------------------------------------------------------------------------------


def addresses(value: Any) -> None:
    """A text, or a name and a text, is one address or an error, whoever reads it afterwards."""
    value = tuple(value) if isinstance(value, list) else value
    shown = tolerant_address(value)
    assert not CONTROLS.search(shown.name + shown.addr_spec)
    try:
        address = parse_address(value, "recipient")
    except MessageError:
        return
    spec = address.addr_spec
    assert MAILBOX.fullmatch(spec)
    assert len(spec.encode()) <= 254
    assert not CONTROLS.search(address.name + spec)
    plain = Address("", address.local, address.domain)
    assert parse_address(spec, "recipient") == plain
    assert parse_address(f"<{spec}>", "recipient") == plain
    assert parse_address((address.name, spec), "recipient") == address
    assert shown == address
    _assert_stays_one(address)


def _assert_stays_one(address: Address) -> None:
    """Every reader finds one address where one was written, with its neighbours beside it."""
    first, last = Address("", "first", "example.com"), Address("Last", "last", "example.com")
    field = mailboxes("To", [first, address, last])
    written = field.replace("\r\n", "")[len("To: ") :]
    expected = [bare(each.addr_spec) for each in (first, address, last)]
    assert [bare(spec) for _, spec in older_parser(written)] == expected
    assert _found_by_the_standard_library("To", written) == expected
    # The reader in Rust takes the first ">" for the end of an address, also where it is quoted.
    if HAS_SECOND and ">" not in address.local:
        mail = fast_mail_parser.parse_email(f"{field}\r\n\r\n".encode())
        assert [bare(each.address) for each in mail.to] == expected


def _found_by_the_standard_library(name: str, written: str) -> list[str]:
    """Return the mailboxes that Python's own parser finds in the value of a header."""
    found: Any = policy.default.header_factory(name, written)
    return [f"{each.username}@{each.domain}" for each in found.addresses]


# --- Messages ------------------------------------------------------------------------------------

FIELDS = ("subject", "recipients", "body", "alts", "sender", "cc", "reply_to", "date", "charset")


def message_of(value: dict[str, Any]) -> Message:
    """Return the message whose fields a value holds."""
    given = {name: _pairs(value[name]) for name in FIELDS if name in value}
    message = Message(
        **given, extra_headers=value.get("headers"), bcc=["hidden@example.com"], seed="fuzz"
    )
    for each in value.get("files", ()):
        attachment = Attachment(data=b"")
        data = each.get("data", "")
        attachment.data = data.encode("latin-1") if _is_octets(data) else data
        attachment.filename = each.get("filename")
        attachment.content_type = each.get("content_type")
        attachment.disposition = each.get("disposition", "attachment")
        attachment.headers = each.get("headers", {})
        message.attachments.append(attachment)
    if "id" in value:
        message.msgId = value["id"]
    return message


def messages(value: dict[str, Any]) -> None:
    """Check that any fields make one well-formed message with exactly these fields."""
    message = message_of(value)
    content = message.as_bytes()
    headers, _ = split_message(content)  # line ends, line lengths, NUL
    _assert_only_expected(value, [name.lower() for name, _ in headers])
    assert b"hidden@example.com" not in content
    assert message.as_bytes() == content
    parts = list(own_parts(parsed(content)))
    leaves = [part for part in parts if part.get_content_maintype() != "multipart"]
    assert len(leaves) == 1 + len(message.alts) + len(message.attachments)
    for part in leaves:
        assert "X-Injected" not in part
    head = content.partition(b"\r\n\r\n")[0]
    # Only an address may be beyond ASCII in a header (RFC 6532).
    sources = ("recipients", "sender", "cc", "reply_to", "headers")
    given = json.dumps([value.get(name) for name in sources], ensure_ascii=False)
    assert head.isascii() or not given.isascii()
    attached = [str(each.get("content_type")).lower() for each in value.get("files", ())]
    may_be_8bit = any(kind.strip().startswith("message/") for kind in attached)
    assert content[len(head) :].isascii() or may_be_8bit
    with contextlib.suppress(MessageError):
        mail = Outgoing.of(message)
        assert mail.content == content
        assert all(MAILBOX.fullmatch(each) for each in mail.envelope.recipients)
        given_headers = {str(name).lower() for name in value.get("headers") or ()}
        for name, fields in _ADDRESS_FIELDS.items():
            if name.lower() not in given_headers:
                _assert_reads_as(name, head.decode(), fields(message))


_ADDRESS_FIELDS: dict[str, Callable[[Message], list[Any]]] = {
    "From": lambda message: [message.sender],
    "To": lambda message: list(message.recipients),
    "Cc": lambda message: list(message.cc),
    "Reply-To": lambda message: addresses_in(message.reply_to),
}


def _assert_reads_as(name: str, head: str, given: list[Any]) -> None:
    """Python's own parser finds the mailboxes in a header that a field of the message names."""
    unfolded = head.replace("\r\n ", " ").split("\r\n")
    (written,) = [line for line in unfolded if line.startswith(f"{name}: ")] or [f"{name}: "]
    specs = [parse_address(each, name).addr_spec for each in given]
    unique = {
        (spec.rpartition("@")[0], spec.rpartition("@")[2].lower()): spec for spec in specs[::-1]
    }
    expected = sorted(bare(spec).lower() for spec in unique.values())
    found = _found_by_the_standard_library(name, written.partition(": ")[2])
    assert sorted(each.lower() for each in found) == expected


def _assert_only_expected(value: dict[str, Any], names: list[str]) -> None:
    names_given = [CONTROLS.sub("", name) for name in value.get("headers") or {}]
    asked = {each.lower() for each in names_given if re.fullmatch("[!-9;-~]{1,76}", each)} - _NEVER
    found = set(names)
    assert found >= _ALWAYS | asked
    assert found <= _ONCE | asked
    assert all(names.count(name) == 1 for name in _ONCE & found)


# --- Charsets ------------------------------------------------------------------------------------

# Label -> the codec of the programs that write it, and characters of that.
CHARSETS = {
    "utf-8": ("utf-8", "aé中🎉"),
    "gb2312": ("gbk", "朱镕基中文、a1"),
    "x-gbk": ("gb18030", "䶮€朱a"),
    "big5": ("cp950", "中文測試碁a"),
    "big5-hkscs": ("big5hkscs", "嘅啲中a"),
    "ks_c_5601-1987": ("cp949", "뷁똠한국어a"),
    "euc-kr": ("cp949", "펲한a"),
    "shift_jis": ("cp932", "①㈱髙日本語ｱa"),
    "x-sjis": ("cp932", "﨑テスト"),
    "euc-jp": ("euc_jp", "日本語テストa"),
    "iso-2022-jp": ("iso2022_jp", "日本語テストa"),
    "us-ascii": ("cp1252", "aéÿü"),  # nothing that is UTF-8 by chance
    "iso-8859-1": ("cp1252", "aé€“”ÿ"),
    "latin-1": ("cp1252", "aé™…"),
    "iso-8859-9": ("cp1254", "ş€ğ"),
    "windows-1251": ("cp1251", "\u041f\u0440\u0438\u0432\u0435\u0442a"),
    "koi8-r": ("koi8-r", "\u041f\u0440\u0438\u0432\u0435\u0442a"),
    "iso-8859-8-i": ("iso8859-8", "\u05e9\u05dc\u05d5\u05dda"),
    "windows-874": ("cp874", "สวัสดี…a"),
    "tis-620": ("cp874", "สวัสดี€"),
    "unknown-8bit": ("utf-8", "é中"),
}


def charsets(value: dict[str, str]) -> None:
    """A text reads back wherever it stands, and an octet that is wrong costs itself alone."""
    label, left, right = value["label"], value["left"], value["right"]
    codec, _ = CHARSETS[label]
    whole = f"{left} {right}".encode(codec)
    _assert_read(label, whole, f"{left} {right}")
    # No character of several octets may begin or end there.
    wrong = b"\x81" if codec == "cp1252" else b"\xff"
    if wrong.decode(codec, "ignore") and codec != "cp932":
        return  # each octet has a meaning
    if label != "unknown-8bit" or not (left + right).isascii():
        broken = left.encode(codec) + wrong + f" {right}".encode(codec)
        _assert_read(label, broken, f"{left}\N{REPLACEMENT CHARACTER} {right}")


def _assert_read(label: str, octets: bytes, text: str) -> None:
    spelled = "".join(f"%{octet:02X}" for octet in octets)
    word = f"=?{label}?q?{spelled.replace('%', '=')}?="
    head = (
        f"Subject: {word}\r\nContent-Type: text/plain; charset={label}; x*={label}''{spelled}\r\n"
    )
    content = head.encode() + b"Content-Transfer-Encoding: base64\r\n\r\n" + b64encode(octets)
    assert Message.from_bytes(content).body == text
    entity = Entity.of(content)
    assert decode_text(entity.fields[0][1]) == text
    assert entity.content_type.parameters["x"] == text


def _pairs(value: Any) -> Any:
    """Return lists of two within lists as the pairs that they stand for."""
    if isinstance(value, list):
        return [tuple(each) if isinstance(each, list) else each for each in value]
    return value


def _is_octets(data: Any) -> bool:
    return isinstance(data, str) and data.isprintable() and all(each < "\u0100" for each in data)


# --- Connections ---------------------------------------------------------------------------------


def replies(value: list[str]) -> None:
    """Each reply has the code of all its lines, or none, in whatever pieces it comes."""
    incoming = Reader()
    found: list[int] = []
    for piece in value:
        incoming.unread += piece.encode("utf-8", "surrogatepass")
        try:
            while (reply := incoming.reply()) is not None:
                found.append(reply.code)
        except smtplib.SMTPResponseException:
            break  # too long
    said = "".join(value).encode("utf-8", "surrogatepass").split(b"\n")[:-1]
    expected: list[int] = []
    codes: list[bytes] = []  # of the reply that has begun
    for line in said:
        match = re.fullmatch(rb"(\d{3})(?:([ -]).*)?", line.rstrip(b"\r"), re.DOTALL)
        codes.append(match[1] if match else b"")
        if not match or codes[0] != codes[-1]:
            expected.append(-1)
            codes.clear()
        elif match[2] != b"-":
            expected.append(int(codes[0]))
            codes.clear()
    assert found == expected[: len(found)]


class _Interrupted:
    """A socket on which a signal arrives as a call returns, after so many octets."""

    def __init__(self, taken: list[int], moment: int) -> None:
        self.arrived = 0
        self._taken = iter(taken)
        self._moment = moment

    def send(self, data: Any) -> int:
        taken = next(self._taken, 0)
        if taken == 0:
            raise BlockingIOError(errno.EAGAIN, "it would block")
        count = min(taken, len(data))
        self.arrived += count
        self._moment -= 1
        if self._moment == 0:
            raise TimeoutError  # the handler's
        return count


def alarms(value: list[Any]) -> None:
    """Check that octets which the peer may have read are reported as sent if a handler raises."""
    pieces, taken, moment = value
    sock = _Interrupted(taken, moment)
    unsent = Writer(sock)
    for piece in pieces:
        unsent.write(b"x" * piece)
        try:
            unsent.flush()
        except BlockingIOError:
            assert unsent.sent == sock.arrived
        except TimeoutError:
            assert unsent.sent >= sock.arrived
            return
    assert unsent.sent == sock.arrived


# --- Values --------------------------------------------------------------------------------------

_PIECES = [
    *("@", "<", ">", '"', "\\", ",", ";", ":", "(", ")", "[", "]", ".", "..", " ", "  ", "\t"),
    *("=?utf-8?q?", "?=", "=?utf-8?b?", "=40", "=0A", "\r\n", "\n", "\r ", "\0", "\v", "\x85"),
    *("\u2028", "\ud800", "\udfff", "é", "山", "\u0308", "\u202e", "\uff20", "\uff1e", "\u3002"),
    *("\u212a", "\u037e", "ß", "👩‍👩‍👧", "xn--", "-", "a", "B", "1", "_", "%", "*", "/", "=", "?"),
    *("a@b.c", "<d@e.f>", '"x y"@z', "[192.0.2.1]", "[IPv6:::1]", "example.com", "x" * 70),
    *("multipart/mixed", "message/rfc822", "text/html; charset=", "attachment; filename=", "--=_"),
    *INJECTIONS,
]
TEXTS = st.lists(st.sampled_from(_PIECES) | st.text(max_size=4), max_size=9).map("".join)


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """Draw a text that differs from another by a few pieces."""
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 4)))
        text = text[:start] + draw(st.sampled_from(["", *_PIECES])) + text[end:]
    return text


def near(value: Any) -> st.SearchStrategy[Any]:
    """Return what is like `value` but for a few pieces."""
    if isinstance(value, str):
        return mutated(value)
    if isinstance(value, list):
        return st.tuples(*map(near, value)).map(list)
    if isinstance(value, dict):
        return st.fixed_dictionaries({name: near(each) for name, each in value.items()})
    return st.just(value)


_ANYTHING = TEXTS | st.none() | st.integers(-(2**40), 2**40) | st.lists(TEXTS, max_size=3)
# An address of which a part is made of what readers may take for something else.
_LOCAL_PIECES = [
    *(
        "=?utf-8?q?a?=",
        "=?x?q?b=40c=3E=00?=",
        "=?utf-8?b?YUBi?=",
        "=?utf-8?q?",
        "=?",
        "?=",
        "?",
        "=",
    ),
    *(".", "..", "a", "b", "+", "_", "é", "x" * 60, "\\", '"', " ", "@", ",", "<"),
]
_LOCALS = st.lists(st.sampled_from(_LOCAL_PIECES), min_size=1, max_size=6).map("".join)
_DOMAINS = st.sampled_from(["good.test", "a_b.example.com.", "[192.0.2.1]", "faß.de", "x-.y"])
_SPECS = st.builds("{}@{}".format, _LOCALS | _LOCALS.map('"{}"'.format), _DOMAINS)
ADDRESSES = (
    TEXTS
    | _SPECS
    | st.builds("{} <{}>".format, TEXTS, _SPECS)
    | st.lists(TEXTS, min_size=2, max_size=2)
    | st.tuples(TEXTS, _SPECS).map(list)
)
_LISTS = _ANYTHING | st.lists(ADDRESSES, max_size=4)
_MAPPINGS = st.dictionaries(TEXTS, TEXTS, max_size=3)
_TYPES = st.sampled_from(["text/plain", "message/rfc822", "image/png", "message/delivery-status"])
_FILES = st.fixed_dictionaries(
    {},
    optional={
        "filename": _ANYTHING,
        "content_type": _ANYTHING | _TYPES,
        "data": TEXTS,
        "disposition": _ANYTHING,
        "headers": _MAPPINGS,
    },
)
_CODES = st.sampled_from(["220", "250", "251", "354", "421", "450", "550", "25", "2500"])
_SAID = (
    st.tuples(_CODES, st.sampled_from([" ", "-", ""]), st.sampled_from(["ok", "5.7.1 no", ""]))
    .map("".join)
    .map("{}\r\n".format)
    | _CODES
    | st.sampled_from(["\n", "\r\n", "what?\n"])
)
_CHARSETS = st.sampled_from(["utf-8", "iso-8859-1", "shift_jis", "euc-kr", "utf-16", "utf-7"])
_NAMES = st.sampled_from(["From", "To", "Sender", "sender", "Bcc", "References", "Content-Type"])

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "addresses": st.sampled_from(seeds_of("addresses")).flatmap(near) | ADDRESSES,
    "messages": st.sampled_from(seeds_of("messages")).flatmap(near)
    | st.fixed_dictionaries(
        {},
        optional={
            "subject": _ANYTHING,
            "recipients": _LISTS,
            "body": _ANYTHING,
            "alts": _MAPPINGS,
            "sender": TEXTS | _SPECS,
            "cc": _LISTS,
            "reply_to": _LISTS,
            "date": _ANYTHING | st.floats(),
            "charset": _ANYTHING | _CHARSETS,
            "headers": _MAPPINGS | st.dictionaries(_NAMES, TEXTS, max_size=3),
            "files": st.lists(_FILES, max_size=2),
            "id": TEXTS,
        },
    ),
    "charsets": st.sampled_from(list(CHARSETS)).flatmap(
        lambda label: st.fixed_dictionaries(
            {
                "label": st.just(label),
                "left": st.text(CHARSETS[label][1], max_size=9),
                "right": st.text(CHARSETS[label][1], max_size=9),
            }
        )
    ),
    "replies": st.sampled_from(seeds_of("replies")).flatmap(near) | st.lists(_SAID, max_size=12),
    "alarms": st.tuples(
        st.lists(st.integers(1, 200_000), min_size=1, max_size=6),
        st.lists(st.integers(0, 100_000), max_size=30),
        st.integers(1, 12),
    ).map(list),
}
TARGETS: dict[str, Any] = {
    "addresses": addresses,
    "messages": messages,
    "charsets": charsets,
    "replies": replies,
    "alarms": alarms,
}
