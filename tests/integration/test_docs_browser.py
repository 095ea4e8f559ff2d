"""The documentation in a real Chromium, and the picture in README.

Pictures are kept in SCREENSHOTS, for people to look at.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from browser import REQUIRED, chromium, look, needs_browser, serving
from inbox_support import Browser, make_mail

from flask_mail import Message

pytestmark = needs_browser

ROOT = Path(__file__).parents[2]
SCREENS = {"phone": (390, 844), "laptop": (1280, 800)}
PAGES = ("index", "quickstart", "configuration", "messages", "backends", "compared", "api")
PICTURE = (1280, 760)

ORDER = """
<style>
  h1 { font: 600 22px sans-serif; color: #14532d } p, td { font: 15px/1.5 sans-serif }
  td { padding: 6px 24px 6px 0; border-bottom: 1px solid #ddd }
  .button { display: inline-block; padding: 10px 20px; border-radius: 6px; background: #166534;
            color: #fff; text-decoration: none }
</style>
<h1>Your order is on its way</h1>
<p>Hello Ann,</p>
<p>we have packed your teapot with care. It leaves today.</p>
<table><tr><td>Teapot, green, 1.2 l<td>36.00 €<tr><td>Two cups<td>14.00 €</table>
<p><a class="button" href="https://shop.example.com/orders/7">Track your order</a></p>
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built documentation."""
    if not REQUIRED and find_spec("sphinx_design") is None:
        pytest.skip("needs pip install --group docs")
    folder = tmp_path_factory.mktemp("site")
    command = (sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", "docs", str(folder))
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_on_the_screen(
    driver: Any, site: Path, pictures: Path, scheme: str, screen: str
) -> None:
    width, height = SCREENS[screen]
    look(driver, scheme=scheme, width=width, height=height)
    wide = []
    for name in PAGES:
        driver.get((site / f"{name}.html").as_uri())
        driver.save_screenshot(str(pictures / f"docs-{name}-{scheme}-{screen}.png"))
        if driver.execute_script("return document.documentElement.scrollWidth") > width:
            wide.append(name)
    assert wide == []


def test_cells_say_their_column_on_a_phone(driver: Any, site: Path) -> None:
    width, height = SCREENS["phone"]
    look(driver, width=width, height=height)
    driver.get((site / "compared.html").as_uri())
    cells = driver.find_elements("css selector", "table tbody tr:first-child td")
    assert [each.text.splitlines()[0] for each in cells[:2]] == ["SMTP", "Flask-Mail 1.0: yes"]


def test_code_and_not_output_can_be_copied(driver: Any, site: Path) -> None:
    look(driver)
    driver.get((site / "quickstart.html").as_uri())
    blocks = driver.find_elements("css selector", "div.highlight")
    with_button = {
        each.find_element("xpath", "..").get_attribute("class").split()[0]
        for each in blocks
        if each.find_elements("css selector", "button.copybtn")
    }
    assert with_button == {"highlight-python", "highlight-shell"}


def test_the_picture_of_the_readme_is_of_this_inbox(driver: Any, pictures: Path) -> None:
    """The picture in ``docs/_static/inbox.png`` is a copy of what this test draws."""
    mail = make_mail("locmem")
    for sender, subject, body in (
        ("Accounts <accounts@example.com>", "Confirm your address", "Hello Ben, please confirm."),
        ("Shop <shop@example.com>", "Reset your password", "Hello Cem, this link is valid."),
        ("News <news@example.com>", "New teapots in spring", "Four shapes, three colours."),
        ("Shop <shop@example.com>", "Invoice 2026-0007", "Thank you for your payment."),
    ):
        mail.send_message(subject, ["ben@example.com"], body, sender=sender)
    message = Message("Your order is on its way", [("Ann Lee", "ann@example.com")], html=ORDER)
    message.attach("invoice.pdf", "application/pdf", b"%PDF-1.7")
    mail.send(message)
    look(driver, width=PICTURE[0], height=PICTURE[1])
    with serving(mail.app) as served:
        driver.get(served.url(Browser(mail).messages()[0]["page"]))
        driver.save_screenshot(str(pictures / "readme-inbox.png"))
        assert "Your order is on its way" in driver.page_source
        driver.get("about:blank")

    picture = (ROOT / "docs" / "_static" / "inbox.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20], "big") == PICTURE[0]
