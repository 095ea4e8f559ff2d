"""Content that must not become commands.

BDAT says how long the content is (RFC 3030), so that nothing has to be looked for in it. A server
that refuses BDAT must read the content all the same, and some do not: they go on with its lines as
if those were commands, and so would accept a mail that somebody has hidden in the body of another.
Content with such lines travels by DATA, which waits until the server is ready to read it.
"""

from __future__ import annotations

import re

from ..mime.content import Content

# What begins, changes or completes a transaction, or tells the server who it talks to, with the
# names that were abolished or are of one maker.
_VERBS = (
    *(b"DATA", b"BDAT", b"BURL", b"RCPT", b"HELO", b"EHLO", b"LHLO", b"RSET", b"NOOP", b"QUIT"),
    *(b"VRFY", b"EXPN", b"ETRN", b"ATRN", b"AUTH", b"STARTTLS", b"XCLIENT", b"XFORWARD", b"XAUTH"),
    *(b"XEXCH50", b"XEXPS", b"XRCPT"),
)
_WITH_FROM = (b"MAIL", b"SEND", b"SOML", b"SAML")
_BEGINNINGS = frozenset(verb[:4] for verb in (*_VERBS, *_WITH_FROM))
_COMMAND = re.compile(
    rb"(?:%b|(?:%b)(?:[ :]*FROM|$))" % (b"|".join(_VERBS), b"|".join(_WITH_FROM))
    # A word ends here for every server. So no line of base64 is a command but one that is nothing
    # else, and Mail-Followup-To and Data-driven are none.
    + rb"(?![A-Z0-9+/=_-])",
    re.MULTILINE,
)
# Upper case; and servers differ in what ends a line for them, and what they skip before a command.
_READ = bytes(
    0x20 if each == 0x09 else 0x0A if each < 0x20 or each >= 0x7F else ord(chr(each).upper())
    for each in range(256)
)

_SHORTEST_LIMIT = 510
"""Octets of a line beyond which a server may take the rest for another one (RFC 5321 section
4.5.3.1.4: 512 with the line end)."""

_END = b"\r\n"


def may_hold_commands(content: bytes | Content, *, is_cut: bool) -> bool:
    """Return whether a line of `content` could be a command of a transaction.

    Of base64 that is made when it is sent, nothing is looked at: a line of it could at most be DATA
    alone, and the dot that would end that is not in base64.

    :param is_cut: whether it travels in several chunks, each of which would begin a line.
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
    """Return the content for BDAT, with the end of its last line, as it has with DATA.

    A server that reads it as commands would miss the RSET that follows it, else.
    """
    if isinstance(content, bytes):
        return content if content.endswith(_END) else content + _END
    last = content.pieces[-1]
    is_ended = isinstance(last, bytes) and last.endswith(_END)
    return content if is_ended else Content([*content.pieces, _END])


def stuffed(content: bytes | Content) -> bytes | Content:
    """Return the content for DATA: dots stuffed, ended by a dot (RFC 5321 section 4.5.2)."""
    # Also after a bare LF, which some servers take for a line end: nobody smuggles an end of DATA.
    if isinstance(content, bytes):
        dot = b"." if content.startswith(b".") else b""
        return b"".join((dot, content.replace(b"\n.", b"\n.."), _end_of(content)))
    # It begins with a header. Base64 has no dots, and its last line no end.
    pieces = [
        each.replace(b"\n.", b"\n..") if isinstance(each, bytes) else each
        for each in content.pieces
    ]
    last = pieces[-1]
    return Content([*pieces, _end_of(last if isinstance(last, bytes) else b"")])


def _end_of(content: bytes) -> bytes:
    return b".\r\n" if content.endswith(_END) else b"\r\n.\r\n"
