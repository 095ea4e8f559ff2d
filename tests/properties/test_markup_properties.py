"""The text of an HTML mail: what holds for any input, and that no input takes too long."""

from __future__ import annotations

import inspect
import re
import sys
from html import escape
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reading import PATIENT

from flask_mail.mime.html_text import text_of_html

pytestmark = pytest.mark.exhaustive

ROOM = str(Path(inspect.getfile(text_of_html)).parent)
MANY = 50_000  # of anything; what takes quadratic time never ends


@pytest.mark.parametrize("end", ["", ">", "</a>'\">"])
@pytest.mark.parametrize(
    "piece",
    [
        "<", "<!--", "<!-- >", "</", "<a ", "<![", "<?", "<a href='", '<a href="', '<a =">" ',
        "<b<", "&", "<script>", "<script></script", "<title></", "=", "'", " ", "\u200b ",
        "\u200b", "&#", "&#9",
    ],
)  # fmt: skip
def test_what_is_no_tag_is_read_in_linear_time(piece: str, end: str) -> None:
    assert len(text_of_html(piece * MANY + end)) <= MANY * (len(piece) + 1)


@pytest.mark.parametrize("piece", [" ", "b ", "= ", "b=' ", 'b="" ', "b", "&#9", "&lt", "/"])
def test_attributes_are_read_in_linear_time(piece: str) -> None:
    many = piece * MANY
    assert text_of_html(f"<a href {many}>x</a><a href='{many}'>y</a><p style={many}hidden>z")


@pytest.mark.parametrize("piece", [" ", "0", ";display ", ";", "display:", "font-size "])
def test_styles_are_read_in_linear_time(piece: str) -> None:
    many = piece * MANY
    assert not text_of_html(f"<p style='opacity{many}:{many}1;display{many};display:none'>x")


def test_markers_of_deep_lists_are_not_repeated() -> None:
    """Each would copy those before it."""
    assert text_of_html("<div>" * 100 + "<li>" * MANY + "x").rstrip("x\n") in ("- " * 12, "- " * 13)


@pytest.mark.parametrize("number", ["0", "9", "f"])
def test_numbers_of_any_length_are_read_in_linear_time(number: str) -> None:
    many = number * MANY
    assert text_of_html(f"&#{many};&#x{many}<ol start={many}><li style='opacity:{many}'>x</ol>y")


@pytest.mark.parametrize(
    "piece",
    [
        "<div>", "</div>", "<p style='font-size:0'>a", "<div style='font-size:0'></p>", "<li>",
        "<span hidden>", "<p hidden><div>", "<td>", "</td>", "<table><tr><td>a", "<ul><li>",
        "<table><th>a<th>b", "<a href=x><table><tr><td>a", "<a href=x>a", "<a href=x><img>",
        "<ul><li>a", "<blockquote>a", "<pre>\n", "<br>", "<img alt=x>", "<table><tr><td>a</table>",
        "<a '>", "<tr><td>a<td>b",
    ],
)  # fmt: skip
def test_steps_and_size_grow_no_faster_than_the_input(piece: str) -> None:
    (few, short), (many, long) = (measured(piece * count) for count in (400, 800))

    assert 0 < many <= 2.1 * few
    assert long <= 2.1 * short + 1


def measured(html: str) -> tuple[int, int]:
    """Return how many calls it takes to read `html`, and how long the result is."""
    calls = 0

    def count(frame: FrameType, *_: object) -> None:
        nonlocal calls
        # What is called besides is what earlier tests have left to the garbage collector.
        calls += frame.f_code.co_filename.startswith(ROOM)

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        text = text_of_html(html)
    finally:
        sys.setprofile(before)
    return calls, len(text)


@pytest.mark.parametrize("piece", ["<div>", "<ul><li>", "<table><tr><td>", "<blockquote>", "<q>"])
def test_no_depth_is_too_deep(piece: str) -> None:
    assert "word" in text_of_html(f"{piece * 10_000}word")


TAGS = st.sampled_from(
    [
        "a", "b", "p", "div", "span", "ul", "ol", "li", "table", "tr", "td", "th", "pre", "q", "br",
        "blockquote", "hr", "img", "h1", "script", "style", "template", "body", "dd",
    ]
)  # fmt: skip
ATTRIBUTES = st.sampled_from(
    [
        "", " hidden", " href=/x", " href='#'", " alt='y z'", " start=3", " style='font-size:0'",
        " style='font-size:9px'", " style='visibility:hidden'", " style=display:none", " x='", ' "',
    ]
)  # fmt: skip
PIECES = (
    st.builds("<{}{}>".format, TAGS, ATTRIBUTES)
    | st.builds("</{}>".format, TAGS)
    | st.sampled_from(["word", " ", "\n", "<", ">", "&", "&lt;", "<!--", "-->", "&nbsp;", "\u200c"])
    | st.text(max_size=3)
)
WORDS = st.text(st.sampled_from("abcäß山<&>'\"(x)"), min_size=1, max_size=8)


@PATIENT
@given(st.text() | st.lists(PIECES, max_size=40).map("".join))
@example("<td style='font-size:0'><td></table></td></td>")
def test_any_input_makes_tidy_lines(html: str) -> None:
    text = text_of_html(html)

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text)
    assert not re.search(r"[ \t]\n|\n\n\n|\A\n", text)
    assert text == "" or (text.endswith("\n") and not text.endswith("\n\n"))
    # What was plain text before stays as it is.
    assert text_of_html(f"<pre>{escape(text)}</pre>") == text


@PATIENT
@given(st.lists(st.lists(WORDS, min_size=1, max_size=5), max_size=5), st.data())
def test_all_words_come_through_in_their_order(
    paragraphs: list[list[str]], data: st.DataObject
) -> None:
    around = st.sampled_from(
        ["{}", "<b>{}</b>", "<span style='color:red'>{}</span>", "{}<!-- x -->"]
    )
    block = st.sampled_from(
        [
            "<p>{}</p>",
            "<p>{}",
            "<div>{}</div>",
            "<h1>{}</h1>",
            "<table><tr><td>{}</td></tr></table>",
            "<p hidden>x</p><div style='display:none'><p>x</p></div><p style='color:red'>{}</p>",
        ]
    )
    html = "".join(
        data.draw(block).format(" ".join(data.draw(around).format(escape(word)) for word in words))
        for words in paragraphs
    )
    lines = [" ".join(words) for words in paragraphs]

    assert [line for line in text_of_html(html).split("\n") if line] == lines
