"""Messages written in Markdown."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import Markup, escape

from flask_mail import ConfigurationError, Mail, Message, MessageError

GOLDEN = Path(__file__).parent / "golden"
LAYOUT = "{{ content }}"


@pytest.fixture
def templates() -> dict[str, str]:
    """Templates by name; the layout is the content alone."""
    return {"flask_mail/markdown.html": LAYOUT}


@pytest.fixture
def app(templates: dict[str, str]) -> Flask:
    app = Flask("shop")
    app.jinja_options = {"loader": jinja2.DictLoader(templates)}
    app.config.update(
        TEMPLATES_AUTO_RELOAD=True, MAIL_BACKEND="locmem", MAIL_DEFAULT_SENDER="shop@example.com"
    )
    Mail(app)
    return app


@pytest.fixture
def render(app: Flask, templates: dict[str, str]) -> Any:
    """Render a template in Markdown with variables; return the HTML."""

    def render(source: str, **variables: Any) -> str:
        templates["a.md"] = source
        with app.app_context():
            html = Message.from_template("a", variables=variables).html
        assert html is not None
        return html.strip()

    return render


def test_a_message_has_html_and_a_text(app: Flask, templates: dict[str, str]) -> None:
    """The golden files are what a reader sees, with hostile values."""
    app.config["MAIL_INLINE_CSS"] = False
    del templates["flask_mail/markdown.html"]
    templates["order.md"] = (GOLDEN / "order.md").read_text(encoding="utf-8")
    with app.app_context():
        message = Message.from_template(
            "order",
            ["ann@example.com"],
            locale="en_GB",
            number=7,
            name="Ann *Lee* <b>",
            url="https://shop.example.com/a b",
            contact="mailto:help@example.com",
            items=[("Tea | pot\n| x | y |", "20.00"), ("[Cup](https://evil.example)", "5.00")],
            comment="First line\n\n# Your account is blocked\n\n    <script>",
            code="a`b <i>",
            image="logo",
            banner=Markup("<div>20 % off &amp; more</div>"),
        )
        text = message.as_string()

    assert message.subject == "Order 7 & more"
    assert message.body is None
    assert message.html is not None
    plain = text.split("Content-Transfer-Encoding: 7bit")[1].partition("\n--")[0].strip()
    for name, made in (("order.html", message.html), ("order.txt", plain)):
        path = GOLDEN / name
        assert made.replace("\r\n", "\n").strip() == path.read_text(encoding="utf-8").strip()


# --- Values --------------------------------------------------------------------------------------

HOSTILE = [
    "**bold** _em_ ~~gone~~ `code`",
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "[x]: https://evil.example",
    "<https://evil.example>",
    "<script>alert(1)</script>",
    "&lt;b&gt; &copy;",
    "\\",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "---",
    "===",
    "| a | b |",
    "a\n\n# b",
    "a\n\n    code",
    "\n```\ncode\n```\n",
    "  \n",
    "\ufdd0**x**\ufdd1",
    "\ufdd0{0:030}\ufdd0**x**",
    "0x7x0x",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a {{ v }} b", "<p>a {} b</p>"),
        ("a\n\n{{ v }}", "<p>a</p>\n<p>{}</p>"),
        ("**{{ v }}**", "<p><strong>{}</strong></p>"),
        ("# {{ v }}", "<h1>{}</h1>"),
        ("- {{ v }}", "<ul>\n<li>{}</li>\n</ul>"),
        ("`{{ v }}`", "<p><code>{}</code></p>"),
        ("<b title='{{ v }}'>x</b>", "<p><b title='{}'>x</b></p>"),
        ("*x* {{ v|upper|lower }}", "<p><em>x</em> {}</p>"),
        ("*x* {{ v|e }}", "<p><em>x</em> {}</p>"),
        ("*x* {{ '%s'|safe|format(v) }}", "<p><em>x</em> {}</p>"),
        ("{{ '&ndash;'|safe ~ v }}", "<p>&ndash;{}</p>"),
        ("{% macro m() %}*{{ v }}*{% endmacro %}{{ m() }}", "<p><em>{}</em></p>"),
        ("{% set s %}*{{ v }}*{% endset %}{{ s }}", "<p><em>{}</em></p>"),
        ("{% filter trim %}*{{ v }}*{% endfilter %}", "<p><em>{}</em></p>"),
    ],
)
def test_a_value_is_only_text(render: Any, source: str, expected: str, value: str) -> None:
    value = value.lower() if "lower" in source else value
    assert render(source, v=value) == expected.format(escape(value))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_value_changes_the_structure(render: Any, value: str) -> None:
    source = "> - **{{ v }}**\n\n[x](https://a.example)\n"
    expected = render(source, v="x").replace("<strong>x<", f"<strong>{escape(value)}<")
    assert render(source, v=value) == expected.strip()


def test_markup_is_html_and_not_markdown(render: Any) -> None:
    assert render("a {{ v }}", v=Markup("<b>*x*</b>")) == "<p>a <b>*x*</b></p>"


def test_blocks_of_html_are_in_no_paragraph(render: Any) -> None:
    assert render("a\n\n{{ v }}", v=Markup("<ul><li>x</ul>")) == "<p>a</p>\n<ul><li>x</ul>"


def test_html_of_the_template_stays(render: Any) -> None:
    assert render("<div>\n\n*{{ v }}*\n\n</div>", v="&") == "<div>\n<p><em>&amp;</em></p>\n</div>"


def test_an_empty_value_leaves_no_trace(render: Any) -> None:
    assert render("a\n\n{{ v }}\n\nb", v="") == "<p>a</p>\n<p>b</p>"


# --- URLs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/?x=1&y=2", "https://a.example/?x=1&amp;y=2"),
        ("https://a.example/a b\"'>)", "https://a.example/a%20b%22'%3E)"),
        ("https://a.example/ä", "https://a.example/%C3%A4"),
        ("mailto:a@example.com", "mailto:a@example.com"),
        ("/path", "/path"),
        ("javascript:alert(1)", "#"),
        (" JavaScript:alert(1)", "#"),
        ("data:text/html,x", "#"),
    ],
)
def test_a_url_is_encoded_and_checked(render: Any, url: str, expected: str) -> None:
    assert render("[x]({{ v }})", v=url) == f'<p><a href="{expected}">x</a></p>'
    assert render("[x][1]\n\n[1]: {{ v }}", v=url) == f'<p><a href="{expected}">x</a></p>'
    assert render("![]({{ v }})", v=url) == f'<p><img src="{expected}" alt="" /></p>'


def test_a_url_may_have_several_values(render: Any) -> None:
    html = render("[x](https://a.example/{{ a }}?b={{ b }})", a="ö", b="&")
    assert html == '<p><a href="https://a.example/%C3%B6?b=&amp;">x</a></p>'


@pytest.mark.parametrize(
    ("value", "url", "text"),
    [
        ("https://a.example/?x=1&y=2", "https://a.example/?x=1&amp;y=2", None),
        ('https://a.example/"ä', "https://a.example/%22%C3%A4", "https://a.example/&quot;ä"),
        ("mailto:a@example.com", "mailto:a@example.com", "a@example.com"),
        ("a@example.com", "mailto:a@example.com", "a@example.com"),
    ],
)
def test_a_url_or_address_in_angle_brackets_is_a_link(
    render: Any, value: str, url: str, text: str | None
) -> None:
    assert render("See <{{ v }}>.", v=value) == f'<p>See <a href="{url}">{text or url}</a>.</p>'


@pytest.mark.parametrize("value", ["script", "script src=x", "https://a b", "javascript:alert(1)"])
def test_other_values_in_angle_brackets_are_text(render: Any, value: str) -> None:
    assert render("<{{ v }}>", v=value) == f"<p>&lt;{value}&gt;</p>"
    assert render("</{{ v }}>", v=value) == f"<p>&lt;/{value}&gt;</p>"


# --- Templates -----------------------------------------------------------------------------------


def test_templates_may_be_inherited_and_included(render: Any, templates: dict[str, str]) -> None:
    templates["base.md"] = "{% block subject %}{% endblock %}*Hi*\n\n{% block b %}*x*{% endblock %}"
    templates["foot.md"] = "_{{ v }}_"
    html = render(
        "{% extends 'base.md' %}{% block b %}{{ super() }} {% include 'foot.md' %}{% endblock %}",
        v="_",
    )
    assert html == "<p><em>Hi</em></p>\n<p><em>x</em> <em>_</em></p>"


def test_translations_are_text_with_html(app: Flask, render: Any) -> None:
    app.jinja_env.add_extension("jinja2.ext.i18n")
    catalogue = {"Hi %(v)s": "<b>Hallo</b> *%(v)s*"}
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: catalogue.get(text, text), lambda one, many, n: one, newstyle=True
    )
    html = render(
        "*a* {% trans v=v %}Hi {{ v }}{% endtrans %} {{ _('Hi %(v)s', v=v) }} *b*", v="_<_"
    )
    assert html == ("<p><em>a</em> <b>Hallo</b> *_&lt;_* <b>Hallo</b> *_&lt;_* <em>b</em></p>")


@pytest.mark.parametrize(
    ("block", "subject"),
    [
        ("{% filter truncate(9, true, '', 0) %}Your order {{ v }}{% endfilter %}", "Your orde"),
        ("{% filter title %}your order{% endfilter %} {{ v }}", "Your Order 7"),
        ("{% filter capitalize %}your order{% endfilter %}", "Your order"),
    ],
)
def test_filters_of_the_subject_see_no_marks(
    app: Flask, templates: dict[str, str], block: str, subject: str
) -> None:
    templates["b.md"] = f"{{% block subject %}}{block}{{% endblock %}}Text"
    with app.app_context():
        assert Message.from_template("b", v=7).subject == subject


@pytest.mark.parametrize("subject", ["Tea {{ v }}", "Tea **{{ v }}**"])
def test_the_subject_is_neither_escaped_nor_markdown(
    app: Flask, render: Any, templates: dict[str, str], subject: str
) -> None:
    templates["b.md"] = f"{{% block subject %}}{subject}{{% endblock %}}\n\nText"
    with app.app_context():
        for value in ("& *cup*", "cup"):
            message = Message.from_template("b", v=value)
            assert message.subject == subject.replace("{{ v }}", value)
            assert message.html == "<p>Text</p>\n"


def test_html_of_the_same_name_takes_precedence(app: Flask, templates: dict[str, str]) -> None:
    templates.update({"a.md": "Markdown", "a.html": "HTML", "a.de.md": "*deutsch*"})
    with app.app_context():
        assert Message.from_template("a").html == "HTML"
        assert Message.from_template("a", locale="de_AT").html == "<p><em>deutsch</em></p>\n"


def test_a_text_template_is_the_text(app: Flask, templates: dict[str, str]) -> None:
    templates.update({"a.md": "*Markdown*", "a.txt": "text"})
    with app.app_context():
        message = Message.from_template("a")
    assert (message.body, message.html) == ("text", "<p><em>Markdown</em></p>\n")


def test_an_explicit_body_is_the_text(app: Flask, templates: dict[str, str]) -> None:
    templates["a.md"] = "*Markdown*"
    with app.app_context():
        assert Message.from_template("a", body="own").body == "own"


def test_a_layout_has_the_subject_and_the_variables(app: Flask, templates: dict[str, str]) -> None:
    templates["flask_mail/markdown.html"] = "{{ subject }}|{{ v }}|{{ content }}"
    templates["a.md"] = "{% block subject %}Tea & cup{% endblock %}x"
    with app.app_context():
        assert Message.from_template("a", v="<").html == "Tea &amp; cup|&lt;|<p>x</p>\n"
        message = Message.from_template("a", subject="Own")
    assert message.html == "Own||<p>x</p>\n"


def test_the_default_layout_takes_strict_environments(
    app: Flask, templates: dict[str, str]
) -> None:
    app.jinja_env.undefined = jinja2.StrictUndefined
    templates.clear()
    templates["a.md"] = "# Hello"
    with app.app_context():
        html = Message.from_template("a").html or ""
    assert "<html>" in html
    assert re.search(r"<h1[^>]*>Hello</h1>", html)


def test_a_bytecode_cache_is_not_shared_with_other_templates(
    app: Flask, render: Any, tmp_path: Path
) -> None:
    app.jinja_env.bytecode_cache = jinja2.FileSystemBytecodeCache(str(tmp_path))
    with app.app_context():
        app.jinja_env.from_string("{% include 'a.md' ignore missing %}").render()
        render("*x* {{ v }}", v="*")
        app.jinja_env.get_template("a.md").render()
    assert render("*x* {{ v }}", v="*") == "<p><em>x</em> *</p>"


@pytest.mark.parametrize(
    "source",
    [
        "{% set s %}a{% endset %}{{ s|urlencode }}",
        "{% set s %}a{% endset %}{{ s|truncate(20, True) }}",
    ],
)
def test_marks_never_reach_the_reader(render: Any, source: str) -> None:
    with pytest.raises(MessageError, match=r"'a.md' changes the output of a block or macro"):
        render(source)


def test_without_the_library_the_extra_is_named(
    render: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "markdown_it", None)
    with pytest.raises(ConfigurationError, match=r"'a.md' requires markdown-it-py.*\[markdown\]"):
        render("x")


def test_text_and_html_need_no_library(
    app: Flask, templates: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "markdown_it", None)
    templates.update({"a.txt": "text", "a.html": "HTML"})
    with app.app_context():
        assert Message.from_template("a").html == "HTML"
