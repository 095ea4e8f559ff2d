"""Protection against SMTP smuggling: content that a server could read as commands.

BDAT announces the length of the content (RFC 3030), so no end has to be found in it. A server that
refuses BDAT must still read the content, but some execute its lines as commands, and would accept a
mail that an attacker has hidden in the body of another. Content with such lines is sent by DATA,
which waits until the server is ready to read it.
"""

from __future__ import annotations

import re

from ..mime.content import Content
from ..util.patterns import lazy_pattern

# Commands that begin, change or complete a transaction, or identify the client, including obsolete
# and vendor-specific ones.
_VERBS = (
    *(b"DATA", b"BDAT", b"BURL", b"RCPT", b"HELO", b"EHLO", b"LHLO", b"RSET", b"NOOP", b"QUIT"),
    *(b"VRFY", b"EXPN", b"ETRN", b"ATRN", b"AUTH", b"STARTTLS", b"XCLIENT", b"XFORWARD", b"XAUTH"),
    *(b"XEXCH50", b"XEXPS", b"XRCPT"),
)
_WITH_FROM = (b"MAIL", b"SEND", b"SOML", b"SAML")
_BEGINNINGS = frozenset(verb[:4] for verb in (*_VERBS, *_WITH_FROM))
_COMMAND = lazy_pattern(
    rb"(?:%b|(?:%b)(?:[ :]*FROM|$))" % (b"|".join(_VERBS), b"|".join(_WITH_FROM))
    # A word ends here for every server. So a line of base64 only matches if it is nothing else, and
    # Mail-Followup-To and Data-driven do not.
    + rb"(?![A-Z0-9+/=_-])",
    re.MULTILINE,
)
# Upper case; and servers differ in what ends a line for them, and what they skip before a command.
_READ = bytes(
    0x20 if each == 0x09 else 0x0A if each < 0x20 or each >= 0x7F else ord(chr(each).upper())
    for each in range(256)
)

_SHORTEST_LIMIT = 510
"""Octets of a line after which a server may read the rest as another line (RFC 5321 section
4.5.3.1.4: 512 with the line end)."""

_END = b"\r\n"


def may_hold_commands(content: bytes | Content, *, is_cut: bool) -> bool:
    """Return True if a server could read a line of `content` as a command of a transaction.

    Base64 that is made while sending is not searched: a line of it could at most be DATA, and the
    dot that would end that does not occur in base64.

    :param is_cut: True if it is sent in several chunks, each of which would begin a line.
    """
    octets = (content if isinstance(content, bytes) else content.literal).translate(_READ)
    lines = octets.split(b"\n")
    for line in lines:
        start = line.lstrip(b" ") if line[:1] == b" " else line
        if start[:4] in _BEGINNINGS and _COMMAND.match(start):
            return True
    if is_cut or len(max(lines, key=len)) > _SHORTEST_LIMIT:
        return _COMMAND.search(octets) is not None
    return False


def ended(content: bytes | Content) -> bytes | Content:
    """Return the content for BDAT, with an end of its last line, as with DATA.

    Otherwise a server that reads it as commands would miss the RSET that follows it.
    """
    if isinstance(content, bytes):
        return content if content.endswith(_END) else content + _END
    last = content.pieces[-1]
    is_ended = isinstance(last, bytes) and last.endswith(_END)
    return content if is_ended else Content([*content.pieces, _END])


def stuffed(content: bytes | Content) -> bytes | Content:
    """Return the content for DATA: dots stuffed, ended by a dot (RFC 5321 section 4.5.2)."""
    # Also after a bare LF, a line end for some servers, so that no end of DATA is smuggled.
    if isinstance(content, bytes):
        dot = b"." if content.startswith(b".") else b""
        return b"".join((dot, content.replace(b"\n.", b"\n.."), _end_of(content)))
    # It begins with a header. Base64 contains no dots, and its last line has no end.
    pieces = [
        each.replace(b"\n.", b"\n..") if isinstance(each, bytes) else each
        for each in content.pieces
    ]
    last = pieces[-1]
    return Content([*pieces, _end_of(last if isinstance(last, bytes) else b"")])


def _end_of(content: bytes) -> bytes:
    return b".\r\n" if content.endswith(_END) else b"\r\n.\r\n"
