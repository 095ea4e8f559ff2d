"""Checks for likely mistakes in the images of a message."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from ..mime.parts import content_id_in
from ..mime.render import content_ids_in
from ..util.text import describe
from .finding import Mistake

if TYPE_CHECKING:
    from .message import Message

# Not conditional comments, which Outlook reads.
_COMMENT: Final = re.compile(r"<!--(?!\[if).*?-->", re.DOTALL | re.IGNORECASE)


def without_alt(source: str) -> Mistake:
    return Mistake(
        "image-without-alt",
        "html",
        f'The image {describe(source)} has no alt text: describe it, or set alt="" if it is'
        " decorative.",
    )


def images(message: Message, html: str) -> Iterator[Mistake]:
    if "cid:" not in html.lower():
        return
    # Up to the last "-->": with one ahead, each search takes linear time.
    end = html.rfind("-->") + 3
    html = _COMMENT.sub("", html[:end]) + html[end:]
    given = set(_given(message))
    for content_id in dict.fromkeys(map(unquote, content_ids_in(html))):
        if content_id not in given:
            yield Mistake(
                "missing-image",
                "html",
                f"The HTML refers to {describe(f'cid:{content_id}')}, but no attachment has that"
                " Content-ID: add it with message.embed(), or content_id=.",
            )


def duplicates(message: Message) -> Iterator[Mistake]:
    """Yield the Content-IDs that several attachments have."""
    counts = Counter(_given(message))
    for content_id, count in counts.items():
        if content_id is not None and count > 1:
            yield Mistake(
                "duplicate-content-id",
                "message",
                f"{count} attachments have the Content-ID {describe(content_id)}, so a mail program"
                " shows one of them in place of the others: give each its own.",
            )


def _given(message: Message) -> list[str | None]:
    return [content_id_in(getattr(each, "headers", None)) for each in message.attachments or ()]
