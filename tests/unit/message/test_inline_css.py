"""Style sheets are inlined in HTML from templates, where the library for it is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_mail import ConfigurationError, Mail, Message
from flask_mail.message.css import inline_css

PAGE = "<style>p { color: red } @media print { p { color: blue } }</style><p>Grüße</p>"


@pytest.fixture
def render(tmp_path: Path) -> Any:
    app = Flask("shop", root_path=str(tmp_path))
    mail = Mail(app)

    def render(page: str, **settings: Any) -> str:
        (tmp_path / "templates").mkdir(exist_ok=True)
        (tmp_path / "templates" / "a.html").write_text(page, encoding="utf-8")
        app.config.update(settings)
        return str(mail.render("a").html)

    return render


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "css_inline", None)


@pytest.mark.parametrize("setting", [None, True, "yes"])
def test_styles_are_inlined_and_the_style_sheet_stays(render: Any, setting: Any) -> None:
    html = render(PAGE, MAIL_INLINE_CSS=setting)

    assert html == (
        "<style>p { color: red } @media print { p { color: blue !important } }</style>"
        '<p style="color: red;">Grüße</p>'
    )


@pytest.mark.parametrize("setting", [False, "no"])
def test_they_stay_where_that_is_wanted(render: Any, setting: Any) -> None:
    assert render(PAGE, MAIL_INLINE_CSS=setting) == PAGE


def test_html_without_styles_stays_as_it_is(render: Any) -> None:
    assert render("<p>one<p>two", MAIL_INLINE_CSS=True) == "<p>one<p>two"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("<!--[if mso]><table><tr><td><![endif]-->", "<!--[if mso]></table><![endif]-->"),
        ("<![if !mso]>", "<![endif]>"),
        ("<!doctype html>", ""),
        (
            '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x">\n<html xmlns:v="urn:x">'
            "<head><title>a > b</title></head><body bgcolor=white>",
            "</body></html>",
        ),
        ("<HTML><Body>", ""),
        ("<?xml version='1.0'?><![CDATA[x]]><!-- p -->", "<!-- not closed"),
        ("<textarea><p></textarea><script>'<p>'</script>", "<br/><p/x <"),
        ("<b>1 < 2 && 3 <", "<a>x</a>"),
    ],
)
def test_all_else_stays_octet_for_octet(before: str, after: str) -> None:
    source = f"<style>p {{ color: red }}</style>{before}<P CLASS=a>a</P>{after}"
    inlined = '<P style="color: red;" CLASS=a>'

    assert inline_css(source, True) == source.replace("<P CLASS=a>", inlined)


@pytest.mark.parametrize(
    "rule",
    [
        "a:hover { color: red }",
        "a:visited, a:active { color: red }",
        "[data-ogsc] .x { color: red }",
        "u + .body .x { color: red }",
        ".ExternalClass, .ExternalClass p { color: red }",
        "#MessageViewBody a { color: red }",
        "p::before { content: 'x'; color: red }",
        "p:-moz-any-link { color: red }",
        "p:where(.a), p:is(.a) { color: red }",
        "p::before b, b::after.x { color: red }",
        "p:first-letter { color: red }",
        "p, p:unknown { color: red }",
        "p,, a { color: red }",
        "@media (max-width: 600px) { p { color: red } }",
        "@media print { p { color: red } }",
        "@media screen { p { color: red } }",
        "@font-face { font-family: A; src: url(a.woff) }",
        "@import url('a.css');",
        "@supports (display: grid) { p { color: red } }",
        "@layer a { p { color: red } }",
        "@container (width > 1px) { p { color: red } }",
        "@keyframes a { from { color: red } }",
        "@page { margin: 0 }",
        "p { &:hover { color: red } }",
        "p { .x & { color: red } b { color: blue } }",
        "p { color: revert-layer }",
        "p { *zoom: 1; colour; : red; color: }",
    ],
)
def test_rules_that_apply_now_and_then_stay_in_the_style_sheet_alone(rule: str) -> None:
    source = f'<style>{rule}</style><body class=body><p>a <a class="x" href="#">b</a></p></body>'
    assert inline_css(source, True) == source


@pytest.mark.parametrize(
    "attributes",
    [
        'media="print"',
        'media="(max-width: 600px)"',
        'media="only screen and (max-width: 600px)"',
        "media='(prefers-color-scheme: dark)'",
        "MEDIA=Handheld",
        'data-css-inline="ignore"',
        'type="text/less"',
    ],
)
def test_style_sheets_for_other_media_are_left_alone(attributes: str) -> None:
    source = f"<style {attributes}>p {{ display: none }}</style><p>Hello</p>"
    assert inline_css(source, True) == source


@pytest.mark.parametrize(
    "attributes", ["", 'media="all"', "media=Screen", 'media="print, screen"', "type='text/css'"]
)
def test_style_sheets_for_the_screen_are_inlined(attributes: str) -> None:
    source = f"<style {attributes}>p {{ color: red }}</style><p>Hello</p>"
    assert '<p style="color: red;">' in inline_css(source, True)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("<![if !mso]>", "<![endif]>"),
        ("<!--[if !mso]><!-->", "<!--<![endif]-->"),
        ("<!--[if !mso]><!-- -->", "<!--<![endif]-->"),
        ("<!--[if mso]>", "<![endif]-->"),
        ("<!--", "-->"),
    ],
)
def test_style_sheets_that_some_programs_do_not_see_are_left_alone(start: str, end: str) -> None:
    source = f"{start}<style>p {{ color: red }}</style>{end}<style>b {{ margin: 0 }}</style><p>a"
    assert inline_css(source, True) == source


def test_a_style_sheet_after_a_comment_for_outlook_is_inlined() -> None:
    source = "<!--[if mso]><p><![endif]--><style>p { color: red }</style><p>a</p>"
    assert '<p style="color: red;">' in inline_css(source, True)


def test_an_element_may_be_left_alone() -> None:
    source = '<style>p { color: red }</style><p data-css-inline="ignore">a</p><p>b</p>'
    assert inline_css(source, True) == source.replace("<p>b", '<p style="color: red;">b')


@pytest.mark.parametrize(
    ("attribute", "inlined"),
    [
        ("", ' style="color: red;"'),
        ('style="margin: 0"', 'style="color: red; margin: 0"'),
        ("style='margin: 0'", "style='color: red; margin: 0'"),
        ("style=margin:0", 'style="color: red; margin:0"'),
        ("style='x: \"\"'", "style='color: red; x: \"\"'"),
        ("style", 'style="color: red;"'),
        ("style=", 'style="color: red;"'),
        ('style=""', 'style="color: red; "'),
        ('style="}"', 'style="color: red; }"'),
        ('style="a:b" style="{"', 'style="color: red; a:b" style="{"'),
        ('STYLE="a:b"', 'STYLE="color: red; a:b"'),
        ('title="style" Style = "a:b"', 'title="style" Style = "color: red; a:b"'),
    ],
)
def test_what_an_element_has_already_comes_last(attribute: str, inlined: str) -> None:
    source = f"<style>p {{ color: red }}</style><p {attribute}>a</p>"
    found = inline_css(source, True)
    assert found.endswith(f"<p {inlined}>a</p>" if attribute else f"<p{inlined} >a</p>")


def test_values_are_escaped_for_the_attribute() -> None:
    css = "p { font-family: \"A & B\", 'C';\n  background: url(a?b&c) }"
    html = inline_css(f"<style>{css}</style><p>a</p><p style='x:y'>b</p>", True)
    assert (
        "<p style=\"font-family: &quot;A &amp; B&quot;, 'C'; background: url(a?b&amp;c);\">" in html
    )
    assert (
        "<p style='font-family: \"A &amp; B\", &#39;C&#39;; background: url(a?b&amp;c); x:y'>"
        in html
    )


@pytest.mark.parametrize(
    ("css", "style"),
    [
        ("p { color: red } p { color: blue }", "color: blue;"),
        (".a { color: red } p { color: blue }", "color: red;"),
        ("p { color: red !important } .a { color: blue }", "color: red !important;"),
        ("p { margin: 0 } .a { margin-left: 1px }", "margin: 0; margin-left: 1px;"),
        ("p { margin-left: 1px } .a { margin: 0 }", "margin-left: 1px; margin: 0;"),
        ("p { color: red; color: rgba(0,0,0,.5) }", "color: red; color: rgba(0,0,0,.5);"),
        ("p, .a { color: red } p { color: blue }", "color: red;"),
        (".a, p { color: red } p { color: blue }", "color: red;"),
        ("p:first-of-type:not(.b) { color: red } .a { color: blue }", "color: red;"),
        ("[class] { COLOR: Red }", "color: Red;"),
        ("p { --Own: 1; color: var(--Own) }", "--Own: 1; color: var(--Own);"),
        ("/* x */ p /* y */ { /* z */ color /**/ : red /* ; */ }", "color: red;"),
        ("<!-- p { color: red } -->", "color: red;"),
        ("@charset 'x'; @import 'a'; p { color: red }", "color: red;"),
        ("@media print { b { x: y } } p { color: red", "color: red;"),
        ("; p { x: y } p { color: red }", "color: red;"),
        ("p { color: red; &:hover { x: y } margin: 0 }", "color: red; margin: 0;"),
        ("@x { p { a: b } } p { color: red }", "color: red;"),
    ],
)
def test_the_cascade_decides(css: str, style: str) -> None:
    html = inline_css(f'<style>{css}</style><p class="a">a</p>', True)
    assert f'<p style="{style}" class="a">' in html


@pytest.mark.parametrize(
    ("css", "raised"),
    [
        ("p { color: red } @media print { p { color: blue } }", "color: blue"),
        ("p { color: red } @media print { p { color: blue; } }", "color: blue"),
        ("p { color: red } p:hover { color: blue /* x */ }", "color: blue"),
        ("p { margin: 0 } @media print { p { margin-left: 1px } }", "margin-left: 1px"),
        ("p { margin-left: 0 } @media print { p { margin: 1px } }", "margin: 1px"),
        ("p { line-height: 1 } @media print { p { font: 1px a } }", "font: 1px a"),
        ("p { border: 0 } p:hover { border-color: red }", "border-color: red"),
        ("p { margin-left: 1px } p, p:hover { margin: 0 }", "margin: 0"),
        (
            "p { border-radius: 0 } p:hover { -webkit-border-radius: 1px }",
            "-webkit-border-radius: 1px",
        ),
        ("p { color: red } [data-ogsc] p { color: blue }", "color: blue"),
        ("p { color: red } @supports (a: b) { @media print { p { all: unset } } }", "all: unset"),
    ],
)
def test_a_rule_that_stays_does_not_lose_against_one_that_is_inlined(css: str, raised: str) -> None:
    html = inline_css(f"<style>{css}</style><p>a</p>", True)
    assert f"{raised} !important" in html
    assert html.count("!important") == 1
    assert "<p style=" in html


@pytest.mark.parametrize(
    "css",
    [
        "p { color: red } @media print { p { margin: 1px } }",  # something else
        ".a { color: red } @media print { p { color: blue } }",  # it loses anyway
        "p { color: red !important } @media print { p { color: blue } }",
        ".a { color: red !important } @media print { p { color: blue; margin: 0 } }",
        ".a { x: y } @media print { p { margin-top: 0; margin-left: 1px } }",
        "p { color: red } @media print { p { color: blue !important } }",
        "p { font-size: 1px } p:hover { font-weight: bold }",
        "p { border: 0 } p:hover { border-radius: 1px; border-collapse: collapse }",
        "p { color: red } p::before { color: blue }",
        "p, p:hover, p:visited { color: red; margin: 0; margin-top: 1px }",
        "p { color: red } b:hover { color: blue }",
    ],
)
def test_a_rule_that_stays_is_left_as_it_is_if_nothing_takes_its_place(css: str) -> None:
    source = f'<style>{css}</style><p class="a">a</p>'
    html = inline_css(source, True)
    assert html.startswith(f"<style>{css}</style>")
    assert "<p style=" in html


@pytest.mark.parametrize(
    "css",
    [
        # Important, the rule for print would beat .b, or the element's own style, too.
        "p { color: red } .b { color: green } @media print { p { color: blue } }",
        "p { color: red } @media print { p { color: blue } } i { x: y }",
        # An important one of a sheet cannot beat an important one of an element.
        "p { color: red !important } @media print { .a { color: blue !important } }",
        # It would beat another one that stays and is important.
        "p { color: red } @media print { .a { color: blue } p { color: lime !important } }",
        # Layers are weaker, but for what is important.
        "p { color: red !important } @layer x { p { color: blue !important } }",
        "p { color: red } .a::before, .a:hover { color: blue }",
        "p { color: red; } b { x: y } p, p:hover { color: blue } .a { color: green } .a { x: y }"
        " .a:hover { color: lime }",
    ],
)
def test_rule_is_not_inlined_over_one_that_cannot_be_important(css: str) -> None:
    own = ' style="color: gray"' if "i {" in css else ""
    source = f'<style>{css}</style><p class="a">a</p><p class="b"{own}>b</p>'
    html = inline_css(source, True)
    assert html.startswith(f"<style>{css}</style>")
    assert '<p class="a">' in html or '<p style="x: y;" class="a">' in html


def test_a_shorthand_is_left_out_with_what_it_covers() -> None:
    css = (
        "p { margin-left: 9px; margin: 0; margin-top: 1px; color: red } .b { margin-left: 2px }"
        " @media print { p { margin-left: 5px } }"
    )
    html = inline_css(f'<style>{css}</style><p>a</p><p class="b">b</p>', True)
    assert '<p style="color: red;">a</p>' in html


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "html",
    [
        "<style>" + "@media a {" * 100 + "p { color: red }" + "}" * 100 + "</style><p>a</p>",
        "<style>" + "(" * 5000 + "</style><p>a</p>",
        "<style>" + ";a" * 5000 + "{}</style><p>a</p>",
        "<style>p{" + "a:b;" * 5000 + "}</style><p>a</p>",
        "<style>p{}</style>" + "<p " * 2000,
        "<style>p{}</style>" + '<p a="' * 2001,
        "<style>p{}</style>" + "<!" * 5000,
        "<style>p{}</style>" + "<style>" * 2000,
        "<style>p{} ) } ] p:not(a{} \\",
        "<style>p:not(.a{color:red}</style><p>",
        "<style>p{color:'red\n}</style><p>",
    ],
)
def test_any_html_takes_little_time_and_raises_nothing(html: str) -> None:
    assert "<style>" in inline_css(html, True)


def test_nothing_is_loaded(render: Any, tmp_path: Path) -> None:
    """Neither from this machine nor from another one: a link stays a link."""
    sheet = tmp_path / "a.css"
    sheet.write_text("p { color: green }")
    links = "".join(
        f'<link rel="stylesheet" href="{href}">'
        for href in (sheet, sheet.as_uri(), "http://127.0.0.1:1/a.css")
    )

    html = render(f"{links}<style>b {{ color: red }}</style><p>a</p>")

    assert "green" not in html
    assert html.count("<link") == 3


@pytest.mark.usefixtures("without_library")
def test_without_the_library_html_stays_as_it_is(render: Any) -> None:
    assert render(PAGE) == PAGE


@pytest.mark.usefixtures("without_library")
def test_wanting_it_without_the_library_is_an_error_that_names_the_extra(render: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"flask-mail\[css\]"):
        render(PAGE, MAIL_INLINE_CSS=True)


def test_html_that_is_set_by_hand_is_left_alone(render: Any) -> None:
    message = Message("Hello", ["a@example.com"], html=PAGE, sender="b@example.com")

    assert message.html == PAGE
    assert b"style=3D" not in message.as_bytes()
