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
from .finding import Finding
from .lint_images import duplicates, images, without_alt

if TYPE_CHECKING:
    from .message import Message

CLIPPED: Final = 102 * 1024
"""Octets of HTML that Gmail shows; it hides the rest behind a link."""

_MOST: Final = 5
"""Findings of one kind per part: a broken template is broken in many places."""
_LOOKED_AT: Final = 100

# A whole placeholder, or the remains of one.
_BRACES: Final = re.compile(r"\{\{[^{}\n]{0,80}\}\}|\{%[^{}%\n]{0,80}%\}|\{\{|\}\}|\{%|%\}")
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

    Each part lists the first five mistakes of a kind, and how many follow. The documentation of
    lint lists the codes.

    :param as_is: report a missing text even if there is HTML, as for messages from other programs;
        otherwise, sending writes one from the HTML.
    :param served: a host, with its port, that the reader can reach: links to it are not reported.
    """
    html = next(
        (as_text(text) for kind, text in items(message.alts) if as_text(kind).lower() == "html"), ""
    )
    hosts = _names_of(served.lower())  # not to report, or already reported
    told: set[str] = set()  # reported for the text, so not again for the HTML
    found = chain(
        _subject(as_text(message.subject)),
        _parts(message, html, as_is),
        _text(as_text(message.body), hosts, told),
        _html(html, hosts, told),
        images(message, html),
        duplicates(message),
        _headers(message.extra_headers, hosts),
        _recipients(message),
    )
    return list(_bounded(found))


def _subject(subject: str) -> Iterator[Finding]:
    if not subject.strip():
        yield Finding("no-subject", "subject", "The message has no subject: give it one.")
    for advice, _ in _leftovers(subject, "subject"):
        yield advice


def _parts(message: Message, html: str, as_is: bool) -> Iterator[Finding]:
    body = as_text(message.body)
    if not body.strip() and not any(as_text(text).strip() for _, text in items(message.alts)):
        if not message.attachments:
            yield Finding("empty", "message", "The message has neither text nor HTML.")
        return
    # Without any text, sending writes one from the HTML.
    if html and not (body or ("" if as_is else text_of_html(html))).strip():
        yield Finding(
            "no-text",
            "text",
            "The message has HTML but no text for readers without HTML: set its body.",
        )


def _text(text: str, hosts: set[str], told: set[str]) -> Iterator[Finding]:
    for advice, ending in _leftovers(text, "text"):
        told.add(ending)
        yield advice
    for link in islice(_LINK.finditer(text), _LOOKED_AT):
        yield from _local(link[0], "text", hosts)


def _html(html: str, hosts: set[str], told: set[str]) -> Iterator[Finding]:
    if not html:
        return
    octets = len(html.encode("utf-8", "replace"))
    if octets > CLIPPED:
        yield Finding(
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
            yield from _tag(name, read_attributes(written), hosts)
        elif name == "img":
            yield without_alt("")
    # A pattern such as \s*\n\s* would take quadratic time on spaces.
    lines = map(str.strip, decode_references("".join(pieces)).split("\n"))
    for advice, ending in _leftovers("\n".join(filter(None, lines)), "html"):
        if ending not in told:
            yield advice


def _tag(name: str, attributes: dict[str, str], hosts: set[str]) -> Iterator[Finding]:
    if name == "img" and "alt" not in attributes:
        yield without_alt(attributes.get("src", ""))
    for attribute, value in attributes.items():
        if _BRACES.search(value):
            yield _placeholder(value, "html")
        elif attribute in _REFERRING:
            yield from _reference(value.strip(), hosts)


def _reference(url: str, hosts: set[str]) -> Iterator[Finding]:
    if "None" in re.split(r"[^\w]", url):
        yield _placeholder(url, "html")
    elif url.lower().startswith(("http:", "https:")):
        yield from _local(url, "html", hosts)
    elif not url.startswith("#") and not _SCHEME.match(url):
        yield Finding(
            "relative-link",
            "html",
            f"{describe(url)} is a relative link, which does not work in mail: use an absolute URL,"
            " such as url_for(..., _external=True).",
        )


def _local(url: str, part: str, hosts: set[str]) -> Iterator[Finding]:
    if is_own_machine(url) and _is_new(url, hosts):
        yield Finding(
            "local-link",
            part,
            f"{describe(url)} is a local address, which readers cannot open: set SERVER_NAME, or"
            " send from a request to the public host.",
        )


def _names_of(served: str) -> set[str]:
    """Return a host with its port, and its other names if it is this machine."""
    port = served[served.rfind("]") + 1 :].partition(":")[2]
    is_local = is_own_machine(f"http://{served}/")
    names = ("localhost", "127.0.0.1", "[::1]") if is_local else ()
    return {served, *(f"{name}:{port}" if port else name for name in names)}


def _is_new(url: str, hosts: set[str]) -> bool:
    """Remember the host of a URL; return True if it is new."""
    host = urlsplit(url).netloc.rpartition("@")[2].lower()
    is_new = host not in hosts
    hosts.add(host)
    return is_new


def _leftovers(text: str, part: str) -> Iterator[tuple[Finding, str]]:
    """Yield each leftover with the start of its line, by which text and HTML are compared."""
    for pattern in (_BRACES, _NONE, _EMPTY):
        for found in islice(pattern.finditer(text), _LOOKED_AT):
            start, end = found.span()
            shown = " ".join(text[max(0, start - 15) : end + 15].split())
            advice = _placeholder(shown, part, is_empty=pattern is _EMPTY)
            line = max(text.rfind("\n", 0, start) + 1, start - 15)
            yield advice, text[line:start].strip(" -") + found[0]


def _placeholder(shown: str, part: str, *, is_empty: bool = False) -> Finding:
    state = "an empty variable before the comma" if is_empty else "an unfilled variable"
    return Finding("placeholder", part, f"{describe(shown)} looks like {state}.")


def _headers(headers: object, hosts: set[str]) -> Iterator[Finding]:
    named = {as_text(name).lower(): as_text(value) for name, value in items(headers)}
    is_bulk = any(name.startswith("list-") for name in named) or named.get(
        "precedence", ""
    ).strip().lower() in {"bulk", "list"}
    one_click = named.get("list-unsubscribe-post", "").replace(" ", "").lower()
    links = named.get("list-unsubscribe", "").lower()
    has_one_click = one_click == "list-unsubscribe=one-click"
    if has_one_click and "<https://" not in links and (plain := _HTTP.search(links)):
        if is_in_development(plain[1]) and urlsplit(plain[1]).netloc in hosts:
            return
        yield Finding(
            "no-one-click",
            "headers",
            f"{describe(plain[1])} in List-Unsubscribe begins with http://, but one-click requires"
            " https://: set PREFERRED_URL_SCHEME and SERVER_NAME.",
        )
    elif is_bulk and not (has_one_click and "<https://" in links):
        yield Finding(
            "no-one-click",
            "headers",
            "Its headers mark it as bulk mail, for which Gmail and Yahoo require one-click"
            " unsubscribe: call message.list_unsubscribe(url=..., one_click=True).",
        )


def _recipients(message: Message) -> Iterator[Finding]:
    lists: Iterable[Any] = (message.recipients, message.cc, message.bcc)
    fields = [[message.sender], addresses_in(message.reply_to)]
    for field in (*lists, *fields):
        for each in field if isinstance(field, (list, tuple)) else [field]:
            address = tolerant_address(each)
            if address.needs_smtputf8:
                yield Finding(
                    "needs-smtputf8",
                    "recipients",
                    f"{describe(address.addr_spec)} is not ASCII before the @: every server on the"
                    " way must support SMTPUTF8.",
                )


def _bounded(found: Iterable[Finding]) -> Iterator[Finding]:
    counts: dict[tuple[str, str], int] = {}
    told: set[tuple[str, str]] = set()
    for each in found:
        # Report a mistake once if both the text and the HTML have it.
        if (each.code, each.text) in told:
            continue
        key = each.code, each.part
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= _MOST:
            told.add((each.code, each.text))
            yield each
    for (code, part), count in counts.items():
        if count > _MOST:
            yield Finding(code, part, f"... and {count - _MOST} more of these.")
