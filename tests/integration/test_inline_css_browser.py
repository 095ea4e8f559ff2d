"""Inlined HTML in a real Chromium: it looks as before, on phones, in the dark, and in print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, needs_browser
from css_documents import Documents

from flask_mail.message.css import inline_css

pytestmark = needs_browser

# Width, colour scheme and medium.
SCREENS = (
    *((360, "light", ""), (360, "dark", ""), (900, "light", ""), (900, "dark", "")),
    (900, "light", "print"),
)
_COMPUTED = """
    return Array.from(document.querySelectorAll("body, body *"))
      .filter((each) => each.tagName != "STYLE")
      .map((each) => {
        const own = getComputedStyle(each), before = getComputedStyle(each, "::before");
        const names = ["color", "margin-left", "margin-top", "padding-top", "padding-left", "width",
          "background-color", "border-left", "border-top", "border-top-left-radius", "font-size",
          "font-family", "font-weight", "line-height", "text-align", "display", "height",
          "text-decoration-line"];
        return names.map((name) => own.getPropertyValue(name)).join("|") + "|" + before.color;
      });
"""
# What mail programs put around a message, for which there are rules.
_EMBEDDED = """
    document.documentElement.setAttribute("data-ogsc", "");
    document.body.className += " body";
    document.body.before(document.createElement("u"));
    const around = document.createElement("section");
    around.className = "ExternalClass";
    around.append(...document.body.childNodes);
    document.body.append(around);
"""

NEWSLETTER = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "x">
<html lang="en"><head><meta name="color-scheme" content="light dark"><title>News</title>
<!--[if mso]><style>.col { width: 300px !important }</style><![endif]-->
<style>
  @import url("missing.css");
  @font-face { font-family: Shop; src: url(missing.woff) }
  body { margin: 0; background: #ffffff; color: #222222; font: 16px/1.5 Arial, sans-serif }
  table { border-collapse: collapse } td { padding: 0 }
  .wrap { width: 600px; margin: 0 auto } .col { display: inline-block; width: 300px }
  h1 { margin: 0 0 16px; font-size: 28px; color: #003366 } p { margin: 0 0 12px }
  .only-phone { display: none } .button, .button:visited { background: #003366; color: #ffffff }
  .button { padding: 12px 24px; border: 1px solid #003366; text-decoration: none }
  .button:hover { background: #0055aa; border-color: #0055aa }
  p.note { color: #777777; font-size: 13px }
  [data-ogsc] h1 { color: #eeeeee } u + .body .wrap { width: 100% }
  .ExternalClass, .ExternalClass p { line-height: 100% }
  @media (max-width: 599px) {
    .wrap, .col { width: 100% } .col { display: block } h1 { font-size: 22px }
    .only-phone { display: block } .only-desktop { display: none }
  }
  @media (prefers-color-scheme: dark) {
    body { background: #111111; color: #eeeeee } h1 { color: #99ccff } .button { border: 0 }
  }
  @supports (display: grid) { .grid { gap: 1px } }
</style>
<style media="print">.button, .only-print-not { display: none } h1 { color: black }</style>
<style media="screen and (max-width: 480px)">h1 { letter-spacing: 0; margin: 0 }</style>
</head><body class="body"><div class="wrap"><h1>News</h1>
<!--[if mso]><table><tr><td><![endif]--><div class="col"><p>One</p><p class="note">Note</p></div>
<![if !mso]><div class="col grid"><p style="color: #880000">Two</p></div><![endif]>
<p class="only-phone">Phone</p><p class="only-desktop">Desktop</p>
<a class="button" href="https://a.test/">Read</a></div></body></html>
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def looks(driver: Any, tmp_path: Path) -> Any:
    """Return how each element of a document looks, on all screens."""

    def looks(html: str) -> list[list[str]]:
        path = tmp_path / "a.html"
        path.write_text(html, encoding="utf-8")
        driver.get(path.as_uri())
        found = []
        for _ in range(2):
            for width, scheme, medium in SCREENS:
                media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
                media["media"] = medium  # type: ignore[assignment]
                driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
                screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
                driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
                found.append(driver.execute_script(_COMPUTED))
            driver.execute_script(_EMBEDDED)
        return found

    return looks


def without_sheets(html: str) -> str:
    """Return HTML as a mail program shows it that ignores style sheets."""
    return html.replace("<style", "<template").replace("</style", "</template")


def test_a_newsletter_looks_as_before_on_all_screens(looks: Any) -> None:
    inlined = inline_css(NEWSLETTER, True)
    assert inlined.count("style=") > 10
    assert looks(inlined) == looks(NEWSLETTER)


def test_without_style_sheets_a_newsletter_looks_as_on_a_screen(looks: Any) -> None:
    plain, inlined = looks(NEWSLETTER), looks(without_sheets(inline_css(NEWSLETTER, True)))
    bare = looks(without_sheets(NEWSLETTER))
    wide = SCREENS.index((900, "light", ""))
    assert bare[wide] != plain[wide]
    assert inlined[wide] == plain[wide]


def test_what_is_for_print_is_seen_on_no_screen(looks: Any) -> None:
    source = '<style media="print">p { display: none }</style><p>Hello</p>'
    assert inline_css(source, True) == source


@pytest.mark.parametrize("seed", range(4))
def test_documents_made_by_chance_look_as_before(looks: Any, seed: int) -> None:
    documents = Documents(seed)
    for _ in range(4):
        source = documents.next()
        assert looks(inline_css(source, True)) == looks(source), source
