"""HTML -> the text that its reader sees. Pure, and in linear time for any input."""

from __future__ import annotations

from .elements import Reader

__all__ = ["text_of_html"]


def text_of_html(html: str) -> str:
    r"""Return the text of an HTML mail, for readers that show no HTML.

    Links are followed by their URLs, images are what their ``alt`` says, lists and quotes keep
    their marks, the cells of a row of data share a line, and what is hidden is left out. Lines are
    not wrapped and end with ``\n``. No input raises, and no control characters but line ends and
    tabs come through.
    """
    return Reader().read(html)
