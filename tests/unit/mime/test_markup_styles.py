"""HTML to text: line breaks that styles keep, and where links lead."""

from __future__ import annotations

import time

import pytest

from flask_mail.mime.html_text import text_of_html


def test_unclosed_style_sheet_or_comment_ends_with_the_mail() -> None:
    assert text_of_html("<p>Hi</p><style>.p{display:none}<p>x") == "Hi\n"
    assert text_of_html("<p class=p>Hi</p><!-- <style>.p{display:none}") == "Hi\n"


@pytest.mark.parametrize("value", ["pre-line", "pre-line !important", "PRE-LINE"])
def test_pre_line_keeps_lines_and_no_spaces(value: str) -> None:
    html = f'<div style="color: red; white-space: {value}">one\ntwo   x\r\n\nthree</div>after\nall'

    assert text_of_html(html) == "one\ntwo x\n\nthree\nafter all\n"


@pytest.mark.parametrize("value", ["pre", "pre-wrap", "break-spaces"])
def test_pre_wrap_keeps_lines_and_spaces(value: str) -> None:
    html = f'<p>a\nb<p style="white-space:{value}">one\n  two  x\n\nthree</p><p>c\nd'

    assert text_of_html(html) == "a b\n\none\n  two  x\n\nthree\n\nc d\n"


def test_white_space_within_a_line_keeps_its_lines() -> None:
    for value in ("pre-line", "pre-wrap"):
        html = f'<p>Hi <span style="white-space:{value}">one\ntwo</span> end\nhere'
        assert text_of_html(html) == "Hi one\ntwo end here\n"


def test_white_space_ends_with_its_element_and_may_be_reset() -> None:
    html = (
        '<div style="white-space:pre-line">a\nb<p style="white-space:normal">c\nd</p>e\nf</div>'
        '<pre style="white-space:normal">g\nh</pre><div style="white-space:inherit">i\nj</div>'
        "<div style='white-space:'>k\nl</div>"
    )
    assert text_of_html(html) == "a\nb\n\nc d\n\ne\nf\n\ng h\n\ni j\nk l\n"


def test_a_cell_and_an_item_may_keep_lines() -> None:
    style = 'style="white-space:pre-line"'

    assert text_of_html(f"<ul><li {style}>a\nb<li>c\nd</ul>") == "- a\n  b\n- c d\n"
    assert "a\nb" in text_of_html(f"<table><tr><td {style}>a\nb</td></tr></table>")


def test_relative_links_lead_from_the_base() -> None:
    html = (
        '<base target=_blank><base href="https://example.com/x/"><base href="https://b.example/">'
        '<a href="y">A</a> <a href=" /z ">B</a> <a href="#top">C</a> <a href="mailto:a@b.c">D</a>'
        ' <a href="//h/p">E</a> <a href="http://[a">F</a> <a>G</a>'
    )
    assert text_of_html(html) == (
        "A (https://example.com/x/y) B (https://example.com/z) C D (a@b.c) E (https://h/p)"
        " F (http://[a) G\n"
    )


def test_areas_of_an_image_are_links() -> None:
    html = (
        '<p>See<img usemap="#m" alt="Menu"><map name=m><area href="https://e.com/a" alt="Shop">'
        '<area href="https://e.com/b"><area alt="no link"><area href="#x" alt=""></map>after'
    )
    assert text_of_html(html) == (
        "See Menu\nShop (https://e.com/a)\nhttps://e.com/b\nno link\nafter\n"
    )


@pytest.mark.parametrize(
    "html",
    [
        "<style " * 50_000,
        "<style>" + "{" * 200_000 + "}" * 200_000,
        "<style>" + "/*" * 200_000,
        "<style>" + ".a{display:none}" * 20_000 + "</style>" + "<p class=a>" * 2_000,
        "<style>" + ".a," * 100_000 + "{display:none}",
        "<style media" + " " * 200_000,
        '<p style="white-space:pre-line">' + "\n" * 100_000,
        "<!--<style" * 50_000,
    ],
)
def test_hostile_sheets_take_linear_time(html: str) -> None:
    start = time.process_time()
    text_of_html(html)

    assert time.process_time() - start < 20  # seconds; quadratic time takes minutes
