"""The HTML of a message as a document of its own, in which nothing of it can act."""

from __future__ import annotations

import base64
import html
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from .rendered import ParsedContent

# Popups: a link opens in a new tab outside the sandbox.
SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox"
# Of a second, invisible frame: the script of the inbox may read the height of its content, and
# nothing in it can act or be clicked.
MEASURING: Final = "allow-same-origin"

_CID: Final = re.compile(r"cid:([^\s\"'<>()]{1,300})", re.IGNORECASE)
_SCHEME: Final = re.compile(
    r"\(\s{0,9}prefers-color-scheme\s{0,9}:\s{0,9}(dark|light)\s{0,9}\)", re.IGNORECASE
)
# By a property, or by <meta name="color-scheme" content="light dark">.
_DECLARED_DARK: Final = re.compile(
    r"(?<!prefers-)color-schemes?\s{0,9}(?::|[\"']?\s{1,9}content\s{0,9}=)[\"'\s]{0,9}(?:light\s{1,9}|only\s{1,9}){0,2}"
    r"dark\b",
    re.IGNORECASE,
)
_ALWAYS, _NEVER = "(min-width:0)", "(max-width:0)"
_REMOTE: Final = re.compile(
    r"(?:\b(?:src|srcset|background)\s{0,9}=|url\()[\s\"']{0,9}(?:https?:)?//", re.IGNORECASE
)
# Browsers may connect to the target of a frame or link before they apply a policy, which reveals
# that the message was opened. So only elements that are known to be harmless are kept. Every "<"
# before a letter is checked, even in comments and style sheets, since every tag that a browser
# recognizes starts like this (HTML, 13.2.5.6).
_TAG: Final = re.compile(r"<(/?)([A-Za-z][^ \t\n\r\f/>]*)")
_NAMES: Final = (
    "a abbr acronym address area article aside b basefont bdi bdo big blink blockquote body br"
    " button caption center cite code col colgroup data dd del details dfn dir div dl dt em"
    " fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html i"
    " img input ins kbd label legend li listing main map mark marquee menu meter nav nobr noscript"
    " ol optgroup option output p picture pre progress q rb rp rt rtc ruby s samp search section"
    " select slot small source span strike strong style sub summary sup table tbody td template"
    " textarea tfoot th thead time title tr tt u ul var wbr"
    # Of SVG, shapes and text.
    " circle clippath defs desc ellipse g line lineargradient mask path pattern polygon polyline"
    " radialgradient rect stop svg symbol text tspan"
)
_KNOWN: Final = frozenset(_NAMES.split())
# Void elements: under another name they would contain all that follows. A <basefont> is void too,
# is allowed in the same places, and has no effect.
_EMPTY: Final = frozenset(
    {"base", "bgsound", "command", "embed", "frame", "image", "isindex", "keygen", "link"}
    | {"meta", "param", "track"}
)
_MOST_PICTURES: Final = 48 * 1024 * 1024
"""Characters: a message may refer to one large picture a thousand times."""


def content_security_policy(*, images: bool, sandbox: str = SANDBOX) -> str:
    """Return the Content-Security-Policy of such a document.

    :param images: whether pictures may be fetched from other servers, which learn from it that the
        message was opened.
    :param sandbox: the permissions of the document.
    """
    sources = "data: https: http:" if images else "data:"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src {sources}; base-uri 'none';"
        f" form-action 'none'; frame-ancestors 'self'; sandbox {sandbox}"
    )


def document(parsed: ParsedContent, *, is_dark: bool) -> str:
    """Return the HTML with its own pictures in it, as a light or a dark mail program shows it."""
    source = parsed.html or ""
    scheme = "dark" if is_dark else "light"
    # A dark page and light text only if the message asks for them: in a message with dark rules for
    # a few elements alone, the others would be white on white.
    page = "dark" if is_dark and _DECLARED_DARK.search(source) else "light"
    source = _CID.sub(_Pictures(parsed), source)
    # Browsers differ in which preference applies in a frame, so none is used.
    source = _SCHEME.sub(lambda found: _ALWAYS if found[1].lower() == scheme else _NEVER, source)
    source = _TAG.sub(_harmless, source)
    # Before the message's own, since the first <base> applies.
    return (
        '<!doctype html><base target="_blank">'
        f'<meta name="color-scheme" content="{page}">'
        f"<style>:root{{color-scheme:{page}}}</style>{source}"
    )


def has_dark_styles(source: str) -> bool:
    """Return True if the HTML has styles for mail programs in dark mode."""
    return any(each[1].lower() == "dark" for each in _SCHEME.finditer(source)) or (
        _DECLARED_DARK.search(source) is not None
    )


def _harmless(tag: re.Match[str]) -> str:
    slash, name = tag.groups()
    known = name.lower()
    if known in _KNOWN:
        return tag[0]
    if known in _EMPTY:
        return f"<{slash}basefont"
    if known == "script":  # its text is not to be seen, such as the JSON-LD of Gmail's actions
        return "</style" if slash else '<style type="none"'
    return f"<{slash}no-{name}"


def has_remote_images(source: str) -> bool:
    """Return True if the HTML seems to refer to remote images."""
    return _REMOTE.search(source) is not None


class _Pictures:
    """Replaces references to the images of a message in its HTML."""

    def __init__(self, parsed: ParsedContent) -> None:
        self._left = _MOST_PICTURES
        self._urls = {
            part.content_id: f"data:{part.content_type};base64,"
            + base64.b64encode(part.octets).decode("ascii")
            for part in parsed.parts
            if part.content_id and part.is_image
        }

    def __call__(self, found: re.Match[str]) -> str:
        url = self._urls.get(unquote(html.unescape(found[1])))
        if url is None or len(url) > self._left:
            return found[0]
        self._left -= len(url)
        return url
