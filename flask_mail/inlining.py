"""Style sheets written into the elements that they style, as mail programs want them."""

from __future__ import annotations

from .errors import ConfigurationError

EXTRA = "pip install Flask-Mail[css]"


def inline_css(html: str, wanted: bool | None) -> str:
    """Return HTML whose ``<style>`` is inlined; rules for media stay in a ``<style>``.

    Nothing is loaded: style sheets that are linked stay links.

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
    return inliner.inline(html)
