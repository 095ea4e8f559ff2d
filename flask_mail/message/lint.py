"""Checks for likely mistakes in messages that can be sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..address.parser import tolerant_address
from ..mime.checks import as_text
from ..mime.html_tags import RAW, decode_references, read_attributes, split_tags
from ..mime.html_text import text_of_html
from ..mime.parts import items
from ..mime.render import addresses_in
from ..util.hosts import is_in_development, is_own_machine
from ..util.text import describe
from .finding import Finding, Mistake
from .lint_images import duplicates, images, without_alt

if TYPE_CHECKING:
    from .message import Message

CLIPPED: Final = 102 * 1024
"""Octets of HTML that Gmail shows; it hides the rest behind a link."""

_MOST: Final = 5
"""Findings of one kind: a broken template is broken in many places."""
_LOOKED_AT: Final = 100

# A whole placeholder, or the remains of one.
_BRACES: Final = re.compile(r"\{\{[^{}\n]{0,80}\}\}|\{%[^{}%\n]{0,80}%\}|\{\{|\}\}|\{%|%\}")
_OPENING, _CLOSING = ("{{", "{%"), ("}}", "%}")
# Not "None of these": at the start of a sentence, it is an English word.
_NONE: Final = re.compile(r"\bNone\b(?!(?<=^None) +[a-z])(?!(?<=[.?!] None) +[a-z])", re.MULTILINE)
# "Hello ," of "Hello {{ name }},": an undefined variable leaves nothing.
_EMPTY: Final = re.compile(r"^[^\W\d_]+(?: [^\W\d_]+){0,2} +,(?=\s|$)", re.MULTILINE)
_LINK: Final = re.compile(r"https?://[^\s<>\"')\]]+", re.IGNORECASE)
_HTTP: Final = re.compile(r"<(http://[^\s<>]+)>")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_INLINE_NAMES: Final = (
    *("a", "abbr", "b", "big", "code", "em", "font", "i", "mark", "s", "small", "span"),
    *("strong", "sub", "sup", "tt", "u"),
)
_INLINE: Final = frozenset(f"{slash}{name}" for slash in ("", "/") for name in _INLINE_NAMES)
"""Tags that do not end a word."""
_REFERRING: Final = ("href", "src", "background", "action")


def lint(message: Message, *, as_is: bool = False, served: str = "") -> list[Finding]:
    """Return likely mistakes in a message; nothing is sent, and nothing is raised.

    A mistake that several parts have is one finding, which names them. Of a kind, the first five
    are listed, and how many follow. The documentation of lint lists the codes.

    :param as_is: report a missing text even if there is HTML, as for messages from other programs;
        otherwise, sending writes one from the HTML.
    :param served: a host, with its port, that the reader can reach: links to it are not reported.
    """
    html = next(
        (as_text(text) for kind, text in items(message.alts) if as_text(kind).lower() == "html"), ""
    )
    own_hosts = _names_of(served.lower())
    found = chain(
        _subject(as_text(message.subject)),
        _parts(message, html, as_is),
        _text(as_text(message.body), own_hosts),
        _html(html, own_hosts),
        images(message, html),
        duplicates(message),
        _headers(message.extra_headers, own_hosts),
        _recipients(message),
    )
    return list(_merged(found))


def _subject(subject: str) -> Iterator[Mistake]:
    if not subject.strip():
        yield Mistake("no-subject", "subject", "The message has no subject: give it one.")
    yield from _leftovers(subject, "subject")


def _parts(message: Message, html: str, as_is: bool) -> Iterator[Mistake]:
    body = as_text(message.body)
    if not body.strip() and not any(as_text(text).strip() for _, text in items(message.alts)):
        if not message.attachments:
            yield Mistake("empty", "message", "The message has neither text nor HTML.")
        return
    # Without any text, sending writes one from the HTML.
    if html and not (body or ("" if as_is else text_of_html(html))).strip():
        yield Mistake(
            "no-text",
            "text",
            "The message has HTML but no text for readers without HTML: set its body.",
        )


def _text(text: str, own_hosts: set[str]) -> Iterator[Mistake]:
    yield from _leftovers(text, "text")
    for link in islice(_LINK.finditer(text), _LOOKED_AT):
        yield from _local(link[0], "text", own_hosts)


def _html(html: str, own_hosts: set[str]) -> Iterator[Mistake]:
    if not html:
        return
    octets = len(html.encode("utf-8", "replace"))
    if octets > CLIPPED:
        yield Mistake(
            "html-clipped",
            "html",
            f"The HTML has {octets:,} octets, but Gmail shows only {CLIPPED:,}: shorten it.",
        )
    pieces: list[str] = []
    for text, name, written in split_tags(html):
        if name[1:] not in RAW:
            pieces.append(text)
        if name not in _INLINE:
            pieces.append("\n")
        if written:
            yield from _tag(name, read_attributes(written), own_hosts)
        elif name == "img":
            yield without_alt("")
    # A pattern such as \s*\n\s* would take quadratic time on spaces.
    lines = map(str.strip, decode_references("".join(pieces)).split("\n"))
    yield from _leftovers("\n".join(filter(None, lines)), "html")


def _tag(name: str, attributes: dict[str, str], own_hosts: set[str]) -> Iterator[Mistake]:
    if name == "img" and "alt" not in attributes:
        yield without_alt(attributes.get("src", ""))
    for attribute, value in attributes.items():
        if found := _BRACES.search(value):
            yield _placeholder(value, "html", _key_of(found))
        elif attribute in _REFERRING:
            yield from _reference(value.strip(), own_hosts)


def _reference(url: str, own_hosts: set[str]) -> Iterator[Mistake]:
    if "None" in re.split(r"[^\w]", url):
        yield _placeholder(url, "html", url)
    elif url.lower().startswith(("http:", "https:")):
        yield from _local(url, "html", own_hosts)
    elif not url.startswith("#") and not _SCHEME.match(url):
        yield Mistake(
            "relative-link",
            "html",
            f"{describe(url)} is a relative link, which does not work in mail: use an absolute URL,"
            " such as url_for(..., _external=True).",
        )


def _local(url: str, part: str, own_hosts: set[str]) -> Iterator[Mistake]:
    host = urlsplit(url).netloc.rpartition("@")[2].lower() if is_own_machine(url) else ""
    if host and host not in own_hosts:
        yield Mistake(
            "local-link",
            part,
            f"{describe(url)} is a local address, which readers cannot open: set SERVER_NAME, or"
            " send from a request to the public host.",
            host,
        )


def _names_of(served: str) -> set[str]:
    """Return a host with its port, and its other names if it is this machine."""
    port = served[served.rfind("]") + 1 :].partition(":")[2]
    is_local = is_own_machine(f"http://{served}/")
    names = ("localhost", "127.0.0.1", "[::1]") if is_local else ()
    return {served, *(f"{name}:{port}" if port else name for name in names)}


def _leftovers(text: str, part: str) -> Iterator[Mistake]:
    for pattern in (_BRACES, _NONE, _EMPTY):
        for found in islice(pattern.finditer(text), _LOOKED_AT):
            start, end = found.span()
            shown = " ".join(text[max(0, start - 15) : end + 15].split())
            yield _placeholder(shown, part, _key_of(found), is_empty=pattern is _EMPTY)


def _key_of(found: re.Match[str]) -> str:
    """Return the same for a leftover of one variable in the text and in the HTML."""
    text, (start, end) = found.string, found.span()
    if found.re is _BRACES and found[0] in _OPENING:
        return "".join(text[start : end + 20].partition("\n")[0].split())
    if found.re is _BRACES and found[0] not in _CLOSING:
        return "".join(found[0].split())
    # A link, else the beginning of its line.
    for link in _LINK.finditer(text, max(0, start - 200), end + 200):
        if link.start() <= start < link.end():
            return link[0].rstrip(".,;:!?")
    line = max(text.rfind("\n", 0, start) + 1, start - 15)
    return " ".join(f"{text[line:start].strip(' -')} {found[0]}".split())


def _placeholder(shown: str, part: str, key: str, *, is_empty: bool = False) -> Mistake:
    state = "an empty variable before the comma" if is_empty else "an unfilled variable"
    return Mistake("placeholder", part, f"{describe(shown)} looks like {state}.", key)


def _headers(headers: object, own_hosts: set[str]) -> Iterator[Mistake]:
    named = {as_text(name).lower(): as_text(value) for name, value in items(headers)}
    is_bulk = any(name.startswith("list-") for name in named) or named.get(
        "precedence", ""
    ).strip().lower() in {"bulk", "list"}
    one_click = named.get("list-unsubscribe-post", "").replace(" ", "").lower()
    links = named.get("list-unsubscribe", "").lower()
    has_one_click = one_click == "list-unsubscribe=one-click"
    if has_one_click and "<https://" not in links and (plain := _HTTP.search(links)):
        if is_own_machine(plain[1]):
            yield from _local(plain[1], "headers", own_hosts)
        elif not (is_in_development(plain[1]) and urlsplit(plain[1]).netloc in own_hosts):
            yield Mistake(
                "no-one-click",
                "headers",
                f"{describe(plain[1])} in List-Unsubscribe begins with http://, but one-click"
                " requires https://: set PREFERRED_URL_SCHEME and SERVER_NAME.",
            )
    elif is_bulk and not (has_one_click and "<https://" in links):
        yield Mistake(
            "no-one-click",
            "headers",
            "Its headers mark it as bulk mail, for which Gmail and Yahoo require one-click"
            " unsubscribe: call message.list_unsubscribe(url=..., one_click=True).",
        )


def _recipients(message: Message) -> Iterator[Mistake]:
    lists: Iterable[Any] = (message.recipients, message.cc, message.bcc)
    fields = [[message.sender], addresses_in(message.reply_to)]
    for field in (*lists, *fields):
        for each in field if isinstance(field, (list, tuple)) else [field]:
            address = tolerant_address(each)
            if address.needs_smtputf8:
                yield Mistake(
                    "needs-smtputf8",
                    "recipients",
                    f"{describe(address.addr_spec)} is not ASCII before the @: every server on the"
                    " way must support SMTPUTF8.",
                )


def _merged(found: Iterable[Mistake]) -> Iterator[Finding]:
    """Yield the first mistakes of each kind, each once and with all parts that have it."""
    kinds: dict[str, dict[str, tuple[str, list[str]]]] = {}
    for code, part, text, given in found:
        kind, key = kinds.setdefault(code, {}), given or text
        if key in kind or len(kind) < _LOOKED_AT:  # there may be a million
            _, parts = kind.setdefault(key, (text, []))
            if part not in parts:
                parts.append(part)
    for code, kind in kinds.items():
        mistakes = list(kind.values())
        for text, parts in mistakes[:_MOST]:
            yield Finding(code, ", ".join(parts), text)
        if rest := mistakes[_MOST:]:
            in_parts = dict.fromkeys(part for _, parts in rest for part in parts)
            count = len(rest) if len(kind) < _LOOKED_AT else "many"
            yield Finding(code, ", ".join(in_parts), f"... and {count} more of these.")
