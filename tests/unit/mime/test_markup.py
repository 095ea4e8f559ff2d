"""The text of an HTML mail: what its reader sees."""

from __future__ import annotations

import re

import pytest

from flask_mail.mime.html_text import text_of_html

URL = "https://x.example/1"


def check(cases: dict[str, str]) -> None:
    assert {html: text_of_html(html) for html in cases} == cases


def test_text_without_markup_is_one_line() -> None:
    check(
        {
            "": "",
            " \n\t ": "",
            "Hi": "Hi\n",
            " Hi\n  you\tthere\r\nand\x0cme ": "Hi you there and me\n",
        }
    )


def test_paragraphs_and_headings_are_set_off_by_blank_lines() -> None:
    check(
        {
            "<h1>Hi</h1><p>One<p>Two</p>Three<h2>More</h2>": "Hi\n\nOne\n\nTwo\n\nThree\n\nMore\n",
            "<p></p><p>&nbsp;</p><p>One</p><p></p><p>Two</p>": "One\n\nTwo\n",
            "<b>One</b> <i>and</i>\n<u>two</u><div>Three</div>Four": "One and two\nThree\nFour\n",
            "<P>One</P ><DIV\nclass=x>Two</DIV>": "One\n\nTwo\n",
            "<dl><dt>Term<dd>Meaning</dl>": "Term\nMeaning\n",
        }
    )


def test_line_breaks_are_kept_and_lines_are_not_wrapped() -> None:
    long = "word " * 99
    check(
        {
            "One <br> two<br/>three</br>four<br>": "One\ntwo\nthree\nfour\n",
            "<p>One<br><br><br>two</p>": "One\n\ntwo\n",
            f"<p>{long}</p>": f"{long.strip()}\n",
        }
    )


def test_a_rule_is_a_line_of_hyphens() -> None:
    check({"One<hr>two": "One\n\n---\n\ntwo\n"})


def test_links_are_followed_by_their_urls() -> None:
    check(
        {
            f'See <a href="{URL}">this</a>.': f"See this ({URL}).\n",
            f"See <a href='{URL}'>this </a>now": f"See this ({URL}) now\n",
            f"<a href={URL}>One</a><a href={URL}>Two</a>": f"One ({URL}) Two ({URL})\n",
            f'<A HREF="{URL}">One<br>two</A>': f"One\ntwo ({URL})\n",
            '<a href="?a=1&amp;b=2&copy=3&lang=en&#38;x">x</a>': "x (?a=1&b=2&copy=3&lang=en&x)\n",
            '<a href=" https://x.example/a\n b\x00 c ">x</a>': "x (https://x.example/a%20b%20c)\n",
            f'<a title="a > b" href={URL}>x</a>': f"x ({URL})\n",
            f'<a href={URL} href=/other title="it\'s">x</a>': f"x ({URL})\n",
            f"<pre>a <a href={URL}>x  y</a>\nb</pre>": f"a x  y ({URL})\nb\n",
        }
    )


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        (URL, URL, URL),
        (f" {URL} ", URL, URL),
        ("x.example", "https://www.x.example/", "https://www.x.example/"),
        ("a@x.example", "mailto:a@x.example", "a@x.example"),
        ("mailto:a@x.example", "mailto:a@x.example", "a@x.example"),
        ("Write", "mailto:a@x.example", "Write (a@x.example)"),
        ("Leave", "mailto:a@x.example?subject=no", "Leave (mailto:a@x.example?subject=no)"),
        ("Share", "mailto:?subject=x", "Share (mailto:?subject=x)"),
        ("+49 (30) 123", "tel:+4930123", "+4930123"),
        ("Call", "tel:+4930123", "Call (+4930123)"),
    ],
)
def test_a_link_whose_text_is_its_url_is_that_alone(text: str, url: str, shown: str) -> None:
    check({f"See <a href='{url}'>{text}</a> .": f"See {shown} .\n"})


@pytest.mark.parametrize("attributes", ["", "href", "href=''", "href='#x'", "name=x", "href=' '"])
def test_a_link_to_nowhere_is_its_text(attributes: str) -> None:
    check({f"See <a {attributes}>this</a>.": "See this.\n"})


@pytest.mark.parametrize("url", ["javascript:x()", "JavaScript:x", "java\nscript:x", "data:,x"])
def test_urls_that_are_programs_or_content_are_left_out(url: str) -> None:
    check({f"See <a href='{url}'>this</a>.": "See this.\n"})


def test_unclosed_link_ends_at_the_next_link_or_its_element() -> None:
    check(
        {
            f"<a href={URL}>One<a href=/2>two</a> three": f"One ({URL}) two (/2) three\n",
            f"<table><tr><td><a href={URL}>One</table><p>Two": f"One ({URL})\n\nTwo\n",
            f"<a href={URL}>One": f"One ({URL})\n",
            "One</a> two": "One two\n",
        }
    )


def test_a_link_around_blocks_has_its_url_after_the_last_line() -> None:
    check(
        {
            f"<a href={URL}><h2>One</h2><p>Two</p></a>Three": f"One\n\nTwo ({URL})\n\nThree\n",
            f"<a href={URL}><table><tr><td>Go</td></tr></table></a>": f"Go ({URL})\n",
            f"<a href={URL}><p>{URL}</p></a>": f"{URL}\n",
            f"One <a href={URL}>two<p> </p></a>": f"One two ({URL})\n",
            f"One<a href={URL}><p>Two</p></a>": f"One\n\nTwo ({URL})\n",
        }
    )


def test_images_are_what_their_alternative_text_says() -> None:
    check(
        {
            'a <img alt="A &amp; B" src=x> b': "a A & B b\n",
            "Hi<img alt=One><img alt=Two>you": "Hi One Two you\n",
            "a<img alt=''><img><img alt=' '>b": "a b\n",
            f"<a href={URL}><img alt=Logo></a>": f"Logo ({URL})\n",
        }
    )


def test_a_link_that_is_an_image_without_text_is_its_url() -> None:
    check(
        {
            f"<a href={URL}><img src=x></a><a href=/2><img alt='' src=x></a>": f"{URL} /2\n",
        }
    )


def test_lists_keep_their_marks_and_are_indented_in_each_other() -> None:
    check(
        {
            "a<ul><li>One</li><li>Two<br>three</li></ul>b": "a\n\n- One\n- Two\n  three\n\nb\n",
            "<ol><li>One<li>Two</ol>": "1. One\n2. Two\n",
            "<ul><li>a<ol><li>b<li>c</ol><li>d</ul>": "- a\n  1. b\n  2. c\n- d\n",
            "<ul><li><p>a</p><p>b</p></li></ul>": "- a\n\n  b\n",
            "<ul><li></li><li><ul><li>a</ul>b</ul>": "- - a\n  b\n",
            "<ul><li>a</ul></ul></li>b": "- a\n\nb\n",
            "<li>a<li>b": "- a\n- b\n",
        }
    )


def test_quotes_are_marked_as_mail_marks_them() -> None:
    check(
        {
            "a<blockquote><p>b<p>c<blockquote>d</blockquote>e</blockquote>f": (
                "a\n\n> b\n>\n> c\n>\n> > d\n>\n> e\n\nf\n"
            ),
            "<blockquote>a<ul><li>b</ul></blockquote>": "> a\n>\n> - b\n",
            "<ul><li><blockquote>a<br>b</blockquote></ul>": "- > a\n  > b\n",
            "<ul><li>a<p>b</ul><blockquote>c</blockquote>": "- a\n\n  b\n\n> c\n",
            f"{'<blockquote>' * 30}a": f"{'> ' * 12}a\n",
        }
    )


def test_preformatted_text_is_kept_but_for_what_nobody_sees() -> None:
    check(
        {
            "a<pre>\n  b\tc\r\n    d&nbsp;&lt;<b>e</b>  \n</pre>f": "a\n\n  b\tc\n    d <e\n\nf\n",
            "<pre>a\n\n\n\nb<br>c&#13;d&#x2028;e</pre>": "a\n\nb\nc\nd\ne\n",
            "<blockquote><pre>a\n\n  b</pre></blockquote>": "> a\n>\n>   b\n",
        }
    )


def test_the_rows_of_a_table_are_lines() -> None:
    head = "<table><tr><th>Item<th>Price</tr>"
    check(
        {
            f"a{head}<tr><td>Tea<td>$3</table>b": "a\n\nItem | Price\nTea | $3\n\nb\n",
            f"{head}<tr><td>Tea<br>green</td><td>$3</td><tr><td>Coffee</table>": (
                "Item | Price\nTea\ngreen | $3\nCoffee\n"
            ),
            f"{head}<tr><td><p>Tea</p></td><td><p>$3</p></td></table>": (
                "Item | Price\n\nTea\n\n$3\n"
            ),
            f"{head}<tr><td><ul><li>1</ul><td>x</table>": "Item | Price\n\n- 1\n\nx\n",
            "<table><caption>Prices</caption><tr><td>Tea<td>$3</table>": "Prices\nTea $3\n",
            "<table><tr><td>Total:</td><td></td><td>$3</td></tr></table>": "Total: $3\n",
            "<table><tr><td>One<tr><td>Two</table>": "One\nTwo\n",
            "<blockquote><table><tr><td>Tea<td>$3<tr><td>Milk<td>$1</table></blockquote>": (
                "> Tea $3\n> Milk $1\n"
            ),
            "<table><tr><th><table><tr><th>One</table><th><table><tr><th>Two</table></table>": (
                "One\n\nTwo\n"
            ),
        }
    )


def test_tables_that_are_not_well_formed_lose_no_text() -> None:
    check(
        {
            "<tr><td>One</td></tr></table>two": "One\ntwo\n",
            "<table>One<tr>two<td>three</table></td></tr>four": "One\ntwo three\n\nfour\n",
            "<table><tr><td></div></span>One</td></table>": "One\n",
        }
    )


@pytest.mark.parametrize(
    "hidden",
    [
        "<head><title>x</title><meta name=x><style>a > b {}</style></head>",
        "<script>if (a < b) x('</p>')</script>",
        "<SCRIPT >x</Script\n>",
        "<style></styles>x</style>",
        "<iframe><p>x</p></iframe>",
        "<template><p>x<template>y</template></p></template>",
        "<xml><o:PixelsPerInch>96</o:PixelsPerInch></xml>",
        "<!-- x > y -- <b> -->",
        "<!---->",
        "<!-->",
        "<!--->",
        "<!-- x --!>",
        "<!--[if mso]><p>x</p><![endif]-->",
        "<!DOCTYPE html>",
        "<?xml version='1.0'?>",
        "<span hidden>x</span>",
        "<div style='display:none'>x<div>y</div>z</div>",
        "<div style='COLOR:red; Display : None !important'>x</div>",
        "<div style='visibility:hidden'>x<img alt=y></div>",
        "<img alt=x hidden>",
        "<img alt=x style='visibility:hidden'>",
        "<span hidden>x<br></br>y<span>z</span></span>",
        "<span hidden>x</span><span hidden>y</span>",
        "<div hidden><ul><li>x<li>y</ul><table><tr><td>z</table></div>",
    ],
)
def test_what_is_not_seen_is_left_out(hidden: str) -> None:
    assert text_of_html(f"Hi {hidden} you").split() == ["Hi", "you"]


@pytest.mark.parametrize(
    "seen",
    [
        "<span aria-hidden=true>One</span>",
        "<span class=hidden title='display:none'>One</span>",
        "<span style='display:block;text-decoration:none'>One</span>",
        "<span style='mso-hide:all'>One</span>",
        "<![if !mso]>One<![endif]>",
        "<!--[if !mso]><!-->One<!--<![endif]-->",
        "<noscript>One</noscript>",
        "<head><p>One</head>",
        "O<!-- x -->ne",
        "O<span></span>ne",
    ],
)
def test_what_is_seen_is_kept(seen: str) -> None:
    assert text_of_html(f"{seen} two").split() == ["One", "two"]


def test_a_hidden_element_without_end_tag_ends_where_a_browser_ends_it() -> None:
    check(
        {
            "<p hidden>x<p>One": "One\n",
            "<p style='display:none'>x<div>One": "One\n",
            "<ul><li hidden>x<ul><li>y</ul><li>One</ul>": "- One\n",
            "<table><tr><td hidden>x<td>One</table>": "One\n",
            "<table><tr hidden><td>x<tr><td>One</table>": "One\n",
            "<table><tr><td><span hidden>x</td><td>One</table>": "One\n",
        }
    )


def test_character_references_are_decoded_once() -> None:
    check(
        {
            "&lt;b&gt; &amp;lt; &eacute;&#233;&#xE9; &copy": "<b> &lt; ééé ©\n",
            "AT&T & co &unknown; &#; &#x; &": "AT&T & co &unknown; &#; &#x; &\n",
            f"&#0065;&#{'9' * 5000};&#x{'f' * 5000};&#00000000;": "A\ufffd\ufffd\ufffd\n",
            f"<img alt='&#{'9' * 5000};&#X41;&eacute;&eacute'>": "\ufffdAé&eacute\n",
        }
    )


def test_spaces_that_do_not_break_are_spaces() -> None:
    check({"a&nbsp;&nbsp; b\u202fc&#8199;d": "a b c d\n"})


def test_characters_without_width_are_kept() -> None:
    for text in (
        "Sil\xadben",
        "\u0645\u06cc\u200c\u062e\u0648",
        "\U0001f468\u200d\U0001f467",
        "a\u200bb",
        "\u0647\u200d \u0642",
    ):
        check({text: f"{text}\n"})


def test_other_scripts_and_their_spaces_are_kept() -> None:
    check({"山田\u3000太郎  é\n\U0001f600": "山田\u3000太郎 é \U0001f600\n"})


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("I <3 you", "I <3 you\n"),
        ("a < b & c > d", "a < b & c > d\n"),
        ("<", "<\n"),
        ("a </3 b</> c", "a </3 b c\n"),
        ("<p>a <b", "a <b\n"),
        ("<b>a<p>b</i></b>c", "a\n\nb\n\nc\n"),
        ("</div></p></td></table></ul></li></a>a", "a\n"),
        ("a<!-- b > c", "a\n"),
        ("a<!-- b", "a\n"),
        ("a<script>b</p>", "a\n"),
        ("a<title>b</title", "a\n"),
        ("<p class=it's>a</p><p>b's", "a\n\nb's\n"),
        ("<a href='x>a</a> b", "a (x) b\n"),
        ("<a href='x>a</a> b <i>c's</i> d", "d (x>a</a>%20b%20<i>c)\n"),
        ('<p title=">a</p> b <b>c</b>', "a\n\nb c\n"),
        ("<p\n\tx  =\t'1' / y>a", "a\n"),
        ("a<br<b>b", "ab\n"),
        ("a <! b", "a <! b\n"),
    ],
)
def test_what_is_malformed_is_read_as_browsers_do_and_loses_no_text(html: str, text: str) -> None:
    check({html: text})


def test_no_control_characters_come_through() -> None:
    controls = "".join(map(chr, [*range(32), *range(127, 160), 0x2028, 0x2029, 0xFEFF, 0xD800]))
    markup = f"x{controls}y<img alt='{controls}'><a href='/{controls}'>{controls}z</a>"
    for html in (markup, f"<pre>{markup}</pre>", f"<a href='/{controls}'><p>x</p></a>"):
        text = text_of_html(html + "".join(f"&#{ord(each)};" for each in controls))
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]", text)
