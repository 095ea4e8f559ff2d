"""The HTML of a message as a document of its own, in which nothing of it can act."""

from __future__ import annotations

import base64
import html
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from .letters import Letter

# Popups: a link opens in a tab of its own, which is no part of the sandbox.
SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox"

_CID: Final = re.compile(r"cid:([^\s\"'<>()]{1,300})", re.IGNORECASE)
_SCHEME: Final = re.compile(
    r"\(\s{0,9}prefers-color-scheme\s{0,9}:\s{0,9}(dark|light)\s{0,9}\)", re.IGNORECASE
)
_ALWAYS, _NEVER = "(min-width:0)", "(max-width:0)"
_REMOTE: Final = re.compile(
    r"(?:\b(?:src|srcset|background)\s{0,9}=|url\()[\s\"']{0,9}(?:https?:)?//", re.IGNORECASE
)
# No policy keeps browsers from connecting ahead of time to where these point, and that tells a
# stranger that the message was opened. A <meta> is empty and stands wherever a <link> may.
_LINK: Final = re.compile(r"<link(?=[\s/>])", re.IGNORECASE)
_IFRAME: Final = re.compile(r"(</?)iframe(?=[\s/>])", re.IGNORECASE)
_MOST_PICTURES: Final = 48 * 1024 * 1024
"""Characters: a message may refer to one large picture a thousand times."""


def policy(*, images: bool) -> str:
    """Return the Content-Security-Policy of such a document.

    :param images: whether pictures may be fetched from other servers, which learn from it that the
        message was opened.
    """
    sources = "data: https: http:" if images else "data:"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src {sources}; base-uri 'none';"
        f" form-action 'none'; frame-ancestors 'self'; sandbox {SANDBOX}"
    )


def document(letter: Letter, *, is_dark: bool) -> str:
    """Return the HTML with its own pictures in it, as a light or a dark mail program shows it."""
    scheme = "dark" if is_dark else "light"
    source = _CID.sub(_Pictures(letter), letter.html or "")
    # Browsers do not agree on whose preference counts in a frame, so none is asked.
    source = _SCHEME.sub(lambda found: _ALWAYS if found[1].lower() == scheme else _NEVER, source)
    source = _IFRAME.sub(r"\1no-iframe", _LINK.sub("<meta", source))
    # Before the message's own: of several <base>, the first counts.
    return (
        '<!doctype html><base target="_blank">'
        f'<meta name="color-scheme" content="{scheme}">'
        f"<style>:root{{color-scheme:{scheme}}}</style>{source}"
    )


def has_remote_images(source: str) -> bool:
    """Whether the HTML seems to want pictures from other servers."""
    return _REMOTE.search(source) is not None


class _Pictures:
    """Puts the pictures of a message where its HTML refers to them."""

    def __init__(self, letter: Letter) -> None:
        self._left = _MOST_PICTURES
        self._urls = {
            part.content_id: f"data:{part.content_type};base64,"
            + base64.b64encode(part.octets).decode("ascii")
            for part in letter.parts
            if part.content_id and part.is_image
        }

    def __call__(self, found: re.Match[str]) -> str:
        url = self._urls.get(unquote(html.unescape(found[1])))
        if url is None or len(url) > self._left:
            return found[0]
        self._left -= len(url)
        return url
