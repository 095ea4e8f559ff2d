"""Conversion of HTML to plain text. Pure, and in linear time for any input."""

from __future__ import annotations

from .elements import Reader

__all__ = ["text_of_html"]


def text_of_html(html: str) -> str:
    r"""Return the text of an HTML mail, for readers without HTML.

    Links are followed by their URLs, images are replaced by their ``alt`` text, lists and quotes
    keep their marks, the cells of a row of data share a line, and hidden content is dropped. Lines
    are not wrapped and end with ``\n``. No input raises, and the only control characters in the
    result are line ends and tabs.
    """
    return Reader().read(html)
