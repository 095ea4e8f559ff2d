"""Grammar of mailboxes (RFC 5321, 5322, 6531), in linear time. Pure.

``email.utils`` is not used: its parsers cut a string down to the first thing that looks like an
address, recurse on parentheses, and take quadratic time elsewhere. Here a length cap comes first,
then linear scans.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ..errors import MessageError
from ..util.patterns import lazy_pattern
from ..util.text import MAX_TEXT, becomes_ascii, check_controls, decode_words
from .domain import domain_to_ascii

MAX_ADDRESS: Final = 320  # characters, before the domain is encoded: bounds the scans
_MAX_ADDR_SPEC: Final = 254  # RFC 5321 4.5.3.1.3: a path of 256 octets less its < and >

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"  # RFC 5322 3.2.3
ATOMS = lazy_pattern(rf"[{_ATEXT}]+(?: [{_ATEXT}]+)*")
# RFC 6531 3.3 adds all non-ASCII characters. Written as a negated class because a range up to
# U+10FFFF takes milliseconds to compile.
_ATEXT_8 = r'[^\x00- "(),.:;<>@\[\\\]\x7f]'
# Mailbox providers have given out addresses with a dot at the end, or two in a row.
_DOT_ATOM = lazy_pattern(rf"(?:{_ATEXT_8}|\.)+")
_QUOTED_LOCAL = lazy_pattern(r'"(?:[^\x00-\x1f"\\\x7f]|\\[ -~])*"')  # RFC 5321 4.1.2

QUOTED = r'"(?:[^"\\]|\\.)*"'
_WORD = lazy_pattern(rf'{QUOTED}|[^"<>@;]+')
_ESCAPED = lazy_pattern(r"\\(.)")
_ADDR_SPEC = lazy_pattern(rf'({QUOTED}|[^"@]*)@(.*)')
_COMMENT = lazy_pattern(r"[^()<>@\\]*\)")
_SIMPLE_NAME = lazy_pattern(r"[A-Za-z0-9_-][A-Za-z0-9_ -]*")
_SIMPLE_SPEC = lazy_pattern(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9._-]+")

_EMPTY = "it is empty"
_NO_DOMAIN = "it has no domain; write it as name@example.com"
_NO_LOCAL = "the part before the @ is missing (a source route is not an address)"
_SEVERAL = (
    "it contains more than one address: pass a list with one item for each"
    ' (a name with @ < > or ; must be in double quotes, such as "a@b" <c@example.com>)'
)
_OPEN_QUOTE = "a double quote is never closed"
_BRACKETS = "write it as Name <name@example.com>; in a pair, give the address without a name"
_BAD_COMMENT = "an address may be followed by only one (comment), without nested parentheses"
_BAD_LOCAL = (
    "the part before the @ may have letters, digits, dots and !#$%&'*+-/=?^_`{|}~;"
    ' anything else must be quoted: "a b"@example.com'
)
_ENCODED = (
    "the part before the @ contains =?, which begins an encoded-word (RFC 2047): mail programs"
    " would decode it and show another address"
)


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox: a display name and an address.

    :param name: the decoded display name, or ``""``.
    :param local: the local part as given, ready for an SMTP command: a quoted-string, or atoms and
        dots.
    :param domain: A-labels, or an address literal in brackets.
    """

    name: str
    local: str
    domain: str

    @property
    def addr_spec(self) -> str:
        """The address without the name; the local part alone if there is no domain."""
        return f"{self.local}@{self.domain}" if self.domain else self.local

    @property
    def needs_smtputf8(self) -> bool:
        """True if the local part is not ASCII, which requires SMTPUTF8 (RFC 6531)."""
        return not self.local.isascii()


# A message needs each of its addresses several times, and many messages share addresses.
@lru_cache(maxsize=1024)
def read_mailbox(name: str | None, text: str) -> Address:
    """Parse one mailbox, whose `name` is None if `text` may contain it.

    :raises MessageError: the text is not a mailbox; the error says why.
    """
    if name is None and len(text) <= MAX_ADDRESS and (simple := _simple(text)):
        return simple
    if name is None:
        if len(text) > MAX_TEXT:
            raise MessageError(f"it may have at most {MAX_TEXT} characters")
    elif len(name) > MAX_TEXT or len(text) > MAX_ADDRESS:
        raise MessageError(
            f"the name may have at most {MAX_TEXT} characters and the address {MAX_ADDRESS}"
        )
    check_controls(text)
    check_controls(name or "")
    text = text.strip(" ")
    if name is None:
        name, text = _split(text)
    elif text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    local, domain = _read_addr_spec(text.strip(" "))
    name = decode_words(name.strip(" ")).strip(" ")
    check_controls(name, "the decoded name")
    return Address(name, local, domain)


def _simple(text: str) -> Address | None:
    """Parse the common form of a mailbox: letters and digits, with or without a name."""
    if text.endswith(">"):
        name, _, spec = text[:-1].partition(" <")
        if not _SIMPLE_NAME.fullmatch(name):
            return None
    else:
        name, spec = "", text
    if len(spec) > _MAX_ADDR_SPEC or not _SIMPLE_SPEC.fullmatch(spec):
        return None
    local, _, domain = spec.partition("@")
    return Address(name.rstrip(" "), local, domain_to_ascii(domain))


def _split(text: str) -> tuple[str, str]:
    """Split a mailbox into its display name and its presumed addr-spec."""
    words: list[str] = []
    end = 0
    while word := _WORD.match(text, end):
        words.append(unquote(word[0]))
        end = word.end()
    rest = text[end:]
    match rest[:1]:
        case "<":
            if rest.endswith(">"):
                return "".join(words), rest[1:-1]
            raise MessageError(_SEVERAL if rest.count("@") > 1 else _BRACKETS)
        case "@":
            domain, parenthesis, comment = rest.partition("(")
            if parenthesis and not _COMMENT.fullmatch(comment):
                raise MessageError(_SEVERAL if "@" in comment else _BAD_COMMENT)
            return comment[:-1], text[:end] + domain
        case '"':
            raise MessageError(_OPEN_QUOTE)
        case ";":
            raise MessageError(_SEVERAL)
        case ">":
            raise MessageError(_BRACKETS)
    raise MessageError(_NO_DOMAIN if text else _EMPTY)


def unquote(word: str) -> str:
    return _ESCAPED.sub(r"\1", word[1:-1]) if word.startswith('"') else word


def _read_addr_spec(text: str) -> tuple[str, str]:
    parts = _ADDR_SPEC.fullmatch(text)
    if parts is None:
        raise MessageError(_BAD_LOCAL if "@" in text else _NO_DOMAIN if text else _EMPTY)
    local, domain = parts.groups()
    if any(c in domain for c in "@,;") or ("," in local and not local.startswith('"')):
        raise MessageError(_SEVERAL if local else _NO_LOCAL)
    if "<" in domain or ">" in domain:
        raise MessageError(_BRACKETS)
    local = _check_local(local)
    domain = domain_to_ascii(domain)
    if len(local.encode()) + len("@") + len(domain) > _MAX_ADDR_SPEC:
        raise MessageError(f"the address is longer than {_MAX_ADDR_SPEC} octets")
    return local, domain


def _check_local(local: str) -> str:
    if not local:
        raise MessageError(_NO_LOCAL)
    if becomes_ascii(local):  # U+212A would be a K, U+037E a semicolon
        raise MessageError(_BAD_LOCAL)
    local = unicodedata.normalize("NFC", local)
    grammar = _QUOTED_LOCAL if local.startswith('"') else _DOT_ATOM
    if not grammar.fullmatch(local) or not local.isprintable():
        raise MessageError(_BAD_LOCAL)
    if "=?" in local.replace("\\", ""):  # a quoted-string may escape either character
        raise MessageError(_ENCODED)
    return local
