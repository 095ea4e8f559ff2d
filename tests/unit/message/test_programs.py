"""Mail programs that understand the HTML and CSS of a message, by a table of facts."""

from __future__ import annotations

import importlib.util
import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flask_mail.message.html_features import features_in
from flask_mail.message.programs import Gap, Program, date_of_facts, programs_for

ROOT = Path(__file__).parents[3]


class Everything:
    """Contains every name."""

    def __contains__(self, name: object) -> bool:
        return True


def names_in(html: str) -> set[str]:
    return set(features_in(html, Everything()))


def in_style(css: str) -> set[str]:
    return names_in(f"<style>{css}</style>") - {"<style>"}


def program(html: str, name: str) -> Program:
    return next(each for each in programs_for(html) if each.name == name)


@pytest.mark.parametrize(
    ("html", "names"),
    [
        ("<P>Hi", {"<p>"}),
        ("<td ALIGN=left>", {"<td>", "[align]"}),
        ("<input>", {"<input>", "<input type=text>"}),
        ("<button type='Reset'>", {"<button>", "<button type=reset>", "[type]"}),
        ("<a href=' #top'>", {"<a>", "[href]", "<a href=#>"}),
        ("<a href=mailto:a@b.example>", {"<a>", "[href]", "<a href=mailto>"}),
        ("<meta name=Color-Scheme>", {"<meta>", "<meta name=color-scheme>", "[name]"}),
        ("<img src='a.PNG?x=1.gif'>", {"<img>", "[src]", "image png"}),
        ("<img src='https://a.example/a&period;webp#b'>", {"<img>", "[src]", "image webp"}),
        ("<img src='Data:image/png;base64,AA'>", {"<img>", "[src]", "image base64"}),
        ("<img src=cid:logo>", {"<img>", "[src]", ""}),
        ("<img src=CID:logo.svg>", {"<img>", "[src]", ""}),
        ("<td background=a.jpg>", {"<td>", "[background]", "image jpg"}),
        ("<video src=a.mp4>", {"<video>", "[src]"}),
        ("<!--[if mso]><v:rect><![endif]--><b>", {"<b>"}),
    ],
)
def test_features_of_tags_are_found(html: str, names: set[str]) -> None:
    assert names_in(html) == names


@pytest.mark.parametrize(
    ("css", "names"),
    [
        ("Display: Flex", {"display:", "display:flex", "value flex"}),
        ("a: 1REM .5em 10% -2px", {"a:", "a:1rem .5em 10% -2px", "1rem", "1em", "1%", "1px"}),
        ("color: #0000ff", {"color:", "color:#0000ff"}),
        ("margin-top: -1px", {"margin-top:", "margin-top:-1px", "margin:-", "1px"}),
        ("margin: 0 auto", {"margin:", "margin:0 auto", "value auto"}),
        ("a: b !important", {"a:", "a:b", "value b", "!important"}),
        ("--main: red", {"--*:", "--main:red", "value red"}),
        ("a: calc(var(--b))", {"a:", "a:calc(var(--b))", "calc()", "var()"}),
        ("a: url(b.webp)", {"a:", "image webp"}),
        ("a: URL( 'b.avif' )", {"a:", "a:url(  )", "image avif", "url()"}),
        ("font: 1px 'system-ui 2em'", {"font:", "font:1px ", "1px"}),
        ("nothing", set()),
    ],
)
def test_features_of_declarations_are_found(css: str, names: set[str]) -> None:
    assert names_in(f'<b style="{css}">') - {"<b>", "[style]"} == names
    assert names <= in_style(f"p {{ {css} }}")


@pytest.mark.parametrize(
    ("css", "names"),
    [
        ("p, .a.b {}", {"selector grouping", "selector type", "selector class",
            "selector chaining"}),
        ("a > b + c ~ d e {}", {"selector child", "selector adjacent", "selector sibling",
            "selector descendant", "selector combinator", "selector type"}),
        ("*[a]#b {}", {"selector universal", "selector attribute", "selector id"}),
        ("a:HOVER {}", {":hover", "selector type", "selector pseudo"}),
        ("a:not(.b)::before {}", {":not", "::before", "selector type", "selector pseudo"}),
        ("p { & b {} }", {"selector type", "selector nesting", "selector descendant",
            "selector combinator", "nesting"}),
        ("@import url(a.css); p {}", {"@import", "selector type"}),
        ("@font-face { src: url(a.woff) }", {"@font-face"}),
        ("@media (Hover) and (min-width: 1px) { p {} }", {"@media", "@media (hover)",
            "@media (min-width)", "selector type"}),
        ("@ {} ;", set()),
        ("p { @; }", {"selector type"}),
    ],
)  # fmt: skip
def test_features_of_style_sheets_are_found(css: str, names: set[str]) -> None:
    assert in_style(css) == names


def test_selectors_of_any_depth_are_read() -> None:
    deep = f"{':not(' * 1000}a{')' * 1000}"
    assert in_style(f"p{deep} {{}}") == {"selector type", "selector pseudo", ":not"}


def test_the_first_lines_of_a_feature_are_remembered() -> None:
    html = "<p>\n<b>\n<p>\n" + "<i>\n" * 7
    uses = features_in(html, {"<p>", "<i>"})
    assert (uses["<p>"].lines, uses["<p>"].has_more) == ([1, 3], False)
    assert (uses["<i>"].lines, uses["<i>"].has_more) == ([4, 5, 6, 7, 8], True)
    assert set(uses) == {"<p>", "<i>"}


def test_lines_of_declarations_are_their_own() -> None:
    html = "<style>\np {\n  gap: 1px;\n  inset: 0 }\n</style>"
    uses = features_in(html, {"gap:", "inset:", "selector type"})
    assert {name: use.lines for name, use in uses.items()} == {
        "selector type": [2],
        "gap:": [3],
        "inset:": [4],
    }


def test_a_program_has_a_score_and_what_it_does_not_support() -> None:
    found = program('<p>\n<video src="a.mp4"></video>\n<style>p { color: red }', "Gmail")
    assert found.score == 50  # of <p>, <video>, <style> partly, type selectors partly
    assert found.gaps == (
        Gap(
            "<video> element",
            "https://www.caniemail.com/features/html-video/",
            "no",
            (2,),
            has_more=False,
        ),
        Gap(
            "<style> element",
            "https://www.caniemail.com/features/html-style/",
            "partly",
            (3,),
            has_more=False,
        ),
        Gap(
            "Type selector",
            "https://www.caniemail.com/features/css-selector-type/",
            "partly",
            (3,),
            has_more=False,
        ),
    )
    assert [each.where for each in found.gaps] == ["line 2", "line 3", "line 3"]


def test_many_lines_are_shortened() -> None:
    [gap] = program("<video></video>\n" * 9, "Gmail").gaps
    assert gap.where == "lines 1, 2, 3, 4, 5, ..."


def test_a_feature_that_is_written_in_two_ways_is_one() -> None:
    html = "<p style='row-gap: 1px'>\n<p style='gap: 1px'>\n" * 4
    [gap] = program(html, "Outlook (Windows)").gaps
    assert (gap.feature, gap.lines, gap.has_more) == (
        "gap, column-gap, row-gap",
        (1, 2, 3, 4, 5),
        True,
    )


def test_what_outlook_does_not_read_does_not_count_for_it() -> None:
    html = "<!--[if !mso]><!--><p style='gap: 1px'><!--<![endif]-->"
    assert program(html, "Outlook (Windows)") == Program("Outlook (Windows)", 100, ())
    assert program(html, "Yahoo Mail").score < 100
    both = f"{html}<p style='gap: 1px'>"
    assert program(both, "Outlook (Windows)").score < 100


def test_programs_support_html_without_features() -> None:
    assert {(each.score, each.gaps) for each in programs_for("Hi")} == {(100, ())}


def test_untested_support_does_not_count() -> None:
    """Of a cursor, no one knows what Outlook for Windows does."""
    assert "u" in next(row[3] for row in table()["features"] if row[0] == "css-cursor")
    assert not program("<p style='cursor: help'>", "Outlook (Windows)").gaps


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "html",
    [
        "<a ", "<a b='", '<a b="', "<a b c=d>", "<!--", "<style>", "<p style='a:b'>", "<", "\n",
        "<style>p{a:b}</style>",
    ],
)  # fmt: skip
def test_hostile_html_takes_linear_time(html: str) -> None:
    start = time.process_time()
    programs_for(html * (200_000 // len(html)))
    assert time.process_time() - start < 20  # seconds; quadratic time takes minutes


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "css",
    [
        "{", "}", "(", "[", "a:b;", "a{", "a{b:c", "/**/", "a{b:c/**/", " ", "a{b:c ", "@media{",
        "@a;", ":a()", ":not(", "a:not(", ":not(a)", ",", "a,", "a ", "a > ", ".a", "[a", "&{",
        "\\",
        "url(", "a{b:url('", "a{b:1em", "a{b:-", "a{b:c(", "!", "a{b: !", "'", '"', "\n", "<!--",
        "@media (", "a{b{", "a{b:c;",
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["<style>{}", "<style>a{{b:{}", "<p style='{}'>", "<style>a{}"])
def test_hostile_css_takes_linear_time(css: str, where: str) -> None:
    start = time.process_time()
    programs_for(where.format(css * (50_000 // len(css))))
    assert time.process_time() - start < 20


# --- The table ---


def table() -> Any:
    path = ROOT / "flask_mail" / "message" / "programs.json"
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location(
        "mail_programs", ROOT / "tools" / "mail_programs.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_has_a_letter_for_each_program_and_no_name_twice() -> None:
    written = table()
    rows = written["features"]
    assert all(
        len(row[3]) == len(written["programs"]) and set(row[3]) <= set("yanu") for row in rows
    )
    names = [name for row in rows for name in row[2]]
    assert len(names) == len(set(names))
    assert len(rows) > 250
    assert date.fromisoformat(date_of_facts())
    assert [each.name for each in programs_for("")] == written["programs"]


def test_the_table_contains_no_prose() -> None:
    assert max(len(row[1]) for row in table()["features"]) < 65


def test_the_licence_of_the_facts_is_beside_them() -> None:
    text = (ROOT / "flask_mail" / "message" / "programs.LICENSE").read_text("utf-8")
    assert "MIT License" in text
    assert "Copyright (c) 2019 HTeuMeuLeu" in text
    assert 'THE SOFTWARE IS PROVIDED "AS IS"' in text


def facts(*features: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    data = [{"slug": slug, "title": title, "stats": stats} for slug, title, stats in features]
    return {"last_update_date": "2026-05-13 14:45:41 +0000", "data": data}


def test_the_tool_writes_one_letter_for_all_versions_of_a_program(tool: Any) -> None:
    stats = {
        "gmail": {
            "desktop-webmail": {"2019-01": "n", "2020-01": "y"},
            "android": {"2020-01": "y #1"},
            "ios": {"2020-01": "u"},
        },
        "apple-mail": {"macos": {"1": "y"}, "ios": {"1": "n #1"}},
        "outlook": {"windows": {"2019": "a #2"}},
    }
    written, unknown = tool.table_of(facts(("css-gap", "gap, row-gap", stats)))
    [row] = written["features"]
    assert row[:3] == ["css-gap", "gap, row-gap", ["gap:", "row-gap:"]]
    assert dict(zip(written["programs"], row[3], strict=True)) == {
        **dict.fromkeys(written["programs"], "u"),
        "Gmail": "y",
        "Apple Mail": "a",
        "Outlook (Windows)": "a",
    }
    assert (written["date"], unknown) == ("2026-05-13", [])


def test_the_tool_names_features_that_it_does_not_know(tool: Any) -> None:
    written, unknown = tool.table_of(
        facts(("css-new", "Something new!", {}), ("html-new", "New", {}), ("amp", "AMP", {}))
    )
    assert (written["features"], unknown) == ([], ["css-new", "html-new"])


def test_the_tool_writes_the_table_that_is_there(tool: Any) -> None:
    path = ROOT / "flask_mail" / "message" / "programs.json"
    assert tool.text_of(table()) == path.read_text("utf-8")
    for slug, title, names, _ in table()["features"]:
        assert names == tool.names_of(slug, title) or slug in tool.TITLES
