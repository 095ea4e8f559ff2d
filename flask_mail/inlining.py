"""Style sheets written into the elements that they style, as mail programs want them."""

from __future__ import annotations

import re

from .errors import ConfigurationError

EXTRA = "pip install Flask-Mail[css]"

_DOCUMENT = re.compile(r"<(?:!doctype|html|head|body)\b", re.IGNORECASE)


def inline_css(html: str, wanted: bool | None) -> str:
    """Return HTML whose ``<style>`` is inlined; rules for media stay in a ``<style>``.

    Nothing is loaded: style sheets that are linked stay links. A fragment stays one.

    :param wanted: ``None`` where it is done if the library for it is installed.
    :raises ConfigurationError: it is wanted, and the library is missing.
    """
    if wanted is False or "<style" not in html.lower():
        return html
    try:
        import css_inline  # the extra "css"
    except ImportError:
        if wanted:
            raise ConfigurationError(
                f"MAIL_INLINE_CSS needs the library css-inline: {EXTRA}"
            ) from None
        return html
    inliner = css_inline.CSSInliner(
        load_remote_stylesheets=False, keep_at_rules=True, keep_link_tags=True
    )
    if _DOCUMENT.search(html):
        return inliner.inline(html)
    # The library has a function for fragments, which drops the rules for media. Within a body, the
    # head is theirs alone, and comments for some mail programs stay in their places.
    document = inliner.inline(f"<html><head></head><body>{html}</body></html>")
    head, _, body = document.removeprefix("<html><head>").partition("</head><body>")
    return head + body.removesuffix("</body></html>")
