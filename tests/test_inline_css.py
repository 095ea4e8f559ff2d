"""Style sheets are inlined in HTML from templates, where the library for it is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_mail import ConfigurationError, Mail, Message

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
def test_styles_are_inlined_and_rules_for_media_stay(render: Any, setting: Any) -> None:
    html = render(PAGE, MAIL_INLINE_CSS=setting)

    assert '<p style="color: red;">Grüße</p>' in html
    assert "@media print" in html
    assert "p { color: red }" not in html


@pytest.mark.parametrize("setting", [False, "no"])
def test_they_stay_where_that_is_wanted(render: Any, setting: Any) -> None:
    assert render(PAGE, MAIL_INLINE_CSS=setting) == PAGE


def test_html_without_styles_stays_as_it_is(render: Any) -> None:
    assert render("<p>one<p>two", MAIL_INLINE_CSS=True) == "<p>one<p>two"


def test_a_fragment_stays_one(render: Any) -> None:
    """Comments for Outlook stay around what they wrap."""
    html = render(
        "<style>p { color: red }</style><!--[if mso]><table><![endif]--><header><p>a</p></header>"
        "<!--[if mso]></table><![endif]-->"
    )

    assert html == (
        '<!--[if mso]><table><![endif]--><header><p style="color: red;">a</p></header>'
        "<!--[if mso]></table><![endif]-->"
    )


def test_a_fragment_keeps_rules_for_media(render: Any) -> None:
    html = render(PAGE)

    assert html.startswith("<style>@media print")
    assert html.endswith('</style><p style="color: red;">Grüße</p>')


@pytest.mark.parametrize("start", ["<!DOCTYPE html>", "<HTML>", "<head></head>", "<body>"])
def test_a_document_stays_one(render: Any, start: str) -> None:
    html = render(f"{start}<style>p {{ color: red }}</style><p>a</p>")

    assert '<html><head></head><body><p style="color: red;">a</p></body></html>' in html


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
    with pytest.raises(ConfigurationError, match=r"pip install Flask-Mail\[css\]"):
        render(PAGE, MAIL_INLINE_CSS=True)


def test_html_that_is_set_by_hand_is_left_alone(render: Any) -> None:
    message = Message("Hello", ["a@example.com"], html=PAGE, sender="b@example.com")

    assert message.html == PAGE
    assert b"style=3D" not in message.as_bytes()
