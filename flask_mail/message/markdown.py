"""Templates in Markdown: only what the template itself says is Markdown, never its values.

Escaping values for Markdown is not enough: line breaks in them would end a list or a quote, and
Jinja filters and translations combine values before anything could escape them. So the literal text
of a template is marked when it is compiled. After rendering, everything outside of the marks is a
value, which Jinja has escaped for HTML. A placeholder stands for it while Markdown is converted.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from jinja2.ext import Extension
from jinja2.lexer import TOKEN_BLOCK_BEGIN, TOKEN_DATA, TOKEN_NAME, Token

from ..errors import ConfigurationError, MessageError
from ..util.text import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2.lexer import TokenStream
    from markdown_it import MarkdownIt
    from markdown_it.token import Token as Node

EXTRA: Final = 'pip install "path/to/flask-mail[markdown]"'

# Random, since a value that contained the marks would be read as Markdown.
_NONCE: Final = f"{secrets.randbelow(10**30):030}"
_START: Final = f"\ufdd0{_NONCE}\ufdd0"
_END: Final = f"\ufdd1{_NONCE}\ufdd1"
_PIECES: Final = (_NONCE, _START[:9], _END[:9])
_LITERAL: Final = re.compile(f"{_START}(.*?){_END}", re.DOTALL)
# ASCII, which URLs keep, and led by a digit: `<{{ url }}>` must not become a tag.
_PLACEHOLDER: Final = re.compile(f"0x{_NONCE}x([0-9]+)x")
_AUTOLINK: Final = re.compile(f"<({_PLACEHOLDER.pattern})>")
_WEB: Final = re.compile(r"https?://[^\s<>]+", re.IGNORECASE)
_MAIL: Final = re.compile(r"(?:mailto:)?([^\s<>:/@]+@[^\s<>:/@]+)", re.IGNORECASE)
_ALONE: Final = re.compile(f"<p>({_PLACEHOLDER.pattern})</p>")
_BLOCK: Final = re.compile(
    r"\s*<(?:!--|/?(?:address|article|blockquote|center|div|dl|figure|footer|h[1-6]|header|hr|ol|p"
    r"|pre|section|table|ul)\b)",
    re.IGNORECASE,
)


class Marking(Extension):
    """Marks the literal text of templates, except in ``{% trans %}``, where it is a message ID."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        is_translated = False
        before = ""
        for token in stream:
            if before == TOKEN_BLOCK_BEGIN and token.type == TOKEN_NAME:
                is_translated = token.value == "trans" or (
                    is_translated and token.value != "endtrans"
                )
            before = token.type
            is_literal = token.type == TOKEN_DATA and not is_translated
            value = f"{_START}{token.value}{_END}" if is_literal else token.value
            yield Token(token.lineno, token.type, value)


def to_html(marked: str, name: str) -> str:
    """Return the HTML of a template that was rendered with :class:`Marking`.

    :param name: its name, for errors.
    :raises ConfigurationError: the library markdown-it-py is missing.
    :raises MessageError: the template has changed the marks.
    """
    try:
        from markdown_it import MarkdownIt  # the extra "markdown"
    except ImportError:
        raise ConfigurationError(
            f"The template {describe(name)} requires markdown-it-py: {EXTRA}"
        ) from None
    # HTML is allowed, because values cannot write any.
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    source, values = _taken_apart(marked)
    nodes = parser.parse(source)
    for node in nodes:
        _resolve_links(parser, node.children or (), values)
    page = parser.renderer.render(nodes, parser.options, {})
    page = _ALONE.sub(
        lambda found: found[1] if _BLOCK.match(values[int(found[2])]) else found[0], page
    )
    page = _filled(page, values)
    if any(each in page for each in _PIECES):
        raise MessageError(
            f"The template {describe(name)} changes the output of a block or macro by a filter or"
            " function, which is not possible in Markdown. Change the values instead."
        )
    return page


def _taken_apart(marked: str) -> tuple[str, list[str]]:
    """Return the Markdown with placeholders, and the values that they stand for, as HTML."""
    pieces: list[str] = []
    values: list[str] = []

    def add(value: str) -> None:
        if value:
            pieces.append(_placeholder(value, values))

    at = 0
    for literal in _LITERAL.finditer(marked):
        add(marked[at : literal.start()])
        pieces.append(literal[1])
        at = literal.end()
    add(marked[at:])
    return "".join(pieces), values


def _resolve_links(parser: MarkdownIt, nodes: Iterable[Node], values: list[str]) -> None:
    """Fill in URLs, with the checks of URLs that the template contains itself."""

    def linked(found: re.Match[str]) -> str:
        text = html.unescape(values[int(found[2])])
        if mailbox := _MAIL.fullmatch(text):
            text = mailbox[1]
        elif not _WEB.fullmatch(text):
            return found[0]
        url = parser.normalizeLink(f"mailto:{text}" if mailbox else text)
        return _placeholder(f'<a href="{html.escape(url)}">{html.escape(text)}</a>', values)

    for node in nodes:
        if node.type == "text":
            node.content = _AUTOLINK.sub(linked, node.content)
        for attribute in {"href", "src"}.intersection(node.attrs):
            url = str(node.attrs[attribute])
            if _PLACEHOLDER.search(url):
                url = parser.normalizeLink(html.unescape(_filled(url, values)))
                # such as javascript:
                node.attrs[attribute] = url if parser.validateLink(url) else "#"


def _placeholder(value: str, values: list[str]) -> str:
    values.append(value)
    return f"0x{_NONCE}x{len(values) - 1}x"


def _filled(text: str, values: Sequence[str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values[int(found[1])], text)
