"""The inbox in a real Chromium: it is live, it looks right, and hostile mail does nothing there."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import hostile
import pytest
from browser import AXE, Served, chromium, look, needs_axe, needs_browser, serving
from flask import Flask
from inbox_support import Browser, QueueBackend, Rows, make_mail, welcome

from flask_mail import Mail, Message
from flask_mail.inbox import pages as pages_of_inbox

pytestmark = needs_browser

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.py"
SCREENS = {"phone": (375, 667), "laptop": (1280, 800)}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(autouse=True)
def laptop(driver: Any) -> None:
    look(driver)


@pytest.fixture
def mail(tmp_path: Path) -> Mail:
    mail = make_mail("file", MAIL_FILE_PATH=tmp_path / "mail")
    mail.preview("welcome")(welcome)
    return mail


@pytest.fixture
def server(mail: Mail, driver: Any) -> Iterator[Served]:
    with serving(mail.app) as served:
        yield served
        driver.get("about:blank")  # it would go on asking


def css(driver: Any, selector: str) -> list[Any]:
    found: list[Any] = driver.find_elements("css selector", selector)
    return found


def until(driver: Any, selector: str, seconds: float = 20) -> Any:
    """Return the first element that a selector finds, once there is one."""
    from selenium.webdriver.support.wait import WebDriverWait

    wait = WebDriverWait(driver, seconds, poll_frequency=0.02)
    return wait.until(lambda _: css(driver, selector))[0]


def newest(mail: Mail) -> str:
    """Return the path of the page of the newest message."""
    page: str = Browser(mail).messages()[0]["page"]
    return page


def in_frame(driver: Any) -> Any:
    driver.switch_to.frame(until(driver, "iframe"))
    return until(driver, "body")


class TestLive:
    @pytest.fixture
    def app(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Flask:
        """The quickstart, as `flask --debug run` serves it."""
        for name in list(os.environ):
            if "MAIL_" in name:
                monkeypatch.delenv(name)
        monkeypatch.setenv("MAIL_BACKEND", "file")
        monkeypatch.setenv("MAIL_FILE_PATH", str(tmp_path / "mail"))
        monkeypatch.setenv("FLASK_DEBUG", "1")
        spec = importlib.util.spec_from_file_location("quickstart_in_browser", QUICKSTART)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        app: Flask = module.create_app()
        return app

    def test_mail_appears_in_the_open_inbox_by_itself(self, driver: Any, app: Flask) -> None:
        with serving(app) as served:
            driver.get(served.url("/_mail/"))
            assert "No mail yet" in until(driver, ".empty").text
            inbox = driver.current_window_handle
            driver.switch_to.new_window("window")
            driver.get(served.url())
            until(driver, "#name").send_keys("Ann")
            until(driver, "#address").send_keys("ann@example.com")
            until(driver, "form button").click()
            until(driver, "[role=status]")
            driver.close()
            driver.switch_to.window(inbox)

            row = until(driver, ".list .row")

            assert "Welcome" in row.text
            assert until(driver, "#live").get_property("textContent") == "1 new message"
            row.click()
            assert until(driver, "article h1").text == "Welcome"
            assert "Hello Ann" in in_frame(driver).text
            driver.switch_to.default_content()
            driver.get("about:blank")

    def test_what_is_deleted_elsewhere_disappears(
        self, driver: Any, mail: Mail, server: Served
    ) -> None:
        mail.send(welcome())
        driver.get(server.url("/_mail/"))
        until(driver, ".list .row")
        Browser(mail).client.delete("/_mail/api/messages")
        until(driver, ".empty")

    @pytest.mark.parametrize("query", ["", "?q=Second"])
    def test_the_list_goes_on_when_the_open_message_is_deleted(
        self, driver: Any, mail: Mail, server: Served, query: str
    ) -> None:
        mail.send(welcome())
        driver.get(server.url(newest(mail) + query))
        until(driver, "article")
        Browser(mail).client.delete("/_mail/api/messages")
        mail.send_message("Other", ["ann@example.com"], "Hi")
        mail.send_message("Second", ["ann@example.com"], "Hi")
        until(driver, f".list li:nth-child({1 if query else 2})")
        shown = [each.text.splitlines()[-1] for each in css(driver, ".list .subject")]
        assert shown == (["Second"] if query else ["Second", "Other"])

    def test_the_focus_stays_where_it_is_when_mail_comes(
        self, driver: Any, mail: Mail, server: Served
    ) -> None:
        mail.send(welcome())
        driver.get(server.url("/_mail/"))
        driver.execute_script("arguments[0].focus()", until(driver, ".list .row"))
        mail.send_message("Second", ["ann@example.com"], "Hi")
        until(driver, ".list li:nth-child(2)")
        focused = driver.switch_to.active_element
        assert "Welcome" in focused.text

    def test_a_server_that_was_away_is_found_again(self, driver: Any, mail: Mail) -> None:
        with serving(mail.app) as served:
            driver.get(served.url("/_mail/"))
            until(driver, ".empty")
            script = "window.fetch = ((old) => (...args) => (window.fetch = old, Promise.reject()))"
            driver.execute_script(f"{script}(window.fetch)")
            mail.send(welcome())
            mail.send(welcome())
            until(driver, ".list .row")
            driver.get("about:blank")


class TestMessage:
    def test_html_is_shown_with_its_own_pictures_and_no_others(
        self, driver: Any, mail: Mail, server: Served
    ) -> None:
        mail.send(welcome())
        driver.get(server.url(newest(mail)))
        assert "Hello Ann" in in_frame(driver).text
        own, remote = css(driver, "img")
        assert (own.get_property("naturalWidth"), remote.get_property("naturalWidth")) == (1, 0)
        driver.switch_to.default_content()

    def test_remote_pictures_are_loaded_after_a_click(
        self, driver: Any, mail: Mail, server: Served
    ) -> None:
        with serving(Flask("tracker")) as tracker:
            html = f'<img src="{tracker.url("/pixel.png", "127.0.0.1")}">'
            mail.send_message("Hi", ["ann@example.com"], "Hi", html)
            driver.get(server.url(newest(mail)))
            in_frame(driver)
            driver.switch_to.default_content()
            before = list(tracker.paths)
            driver.find_element("link text", "Show remote images").click()
            until(driver, 'iframe[src*="images=1"]')
            in_frame(driver)
            driver.switch_to.default_content()
        assert (before, tracker.paths) == ([], ["/pixel.png"])

    def test_no_connection_is_made_ahead_of_time(
        self, driver: Any, mail: Mail, server: Served
    ) -> None:
        """No policy forbids it, and it tells that the message was opened."""
        connected = []
        for html in hostile.CONNECTING:
            with socket.create_server(("127.0.0.1", 0)) as tracker:
                tracker.setblocking(False)
                url = f"http://127.0.0.1:{tracker.getsockname()[1]}/"
                source = f"{html.replace('{}', url)}Hi"
                mail.send_message("Hi", ["ann@example.com"], "Hi", source)
                for path in (newest(mail), f"{newest(mail)}/html"):
                    driver.get(server.url(path))
                    driver.get(server.url("/_mail/"))  # by then it would have been made
                with contextlib.suppress(BlockingIOError):
                    tracker.accept()
                    connected.append(html)
        assert connected == []

    @pytest.mark.parametrize(("scheme", "colour"), [("Light", "0, 0, 0"), ("Dark", "255, 215, 0")])
    @pytest.mark.parametrize("own", ["light", "dark"])
    def test_dark_mode_is_that_of_the_mail_program_not_of_the_reader(
        self, driver: Any, mail: Mail, server: Served, scheme: str, colour: str, own: str
    ) -> None:
        look(driver, scheme=own)
        html = "<style>@media (prefers-color-scheme:dark){h1{color:gold}}</style><h1>Hi</h1>"
        mail.send_message("Hi", ["ann@example.com"], "Hi", html)
        driver.get(server.url(newest(mail)))
        if scheme == "Dark":  # a click on the current one would replace the frame while it is read
            driver.find_element("link text", scheme).click()
        until(driver, f"iframe.{scheme.lower()}")
        in_frame(driver)
        assert colour in until(driver, "h1").value_of_css_property("color")
        driver.switch_to.default_content()

    @pytest.mark.parametrize(("name", "width"), [("Phone", 360), ("Tablet", 768)])
    def test_html_is_shown_at_the_width_of_a_device(
        self, driver: Any, mail: Mail, server: Served, name: str, width: int
    ) -> None:
        mail.send(welcome())
        driver.get(server.url(newest(mail)))
        driver.find_element("link text", name).click()
        assert until(driver, f".frame > iframe.w{width}").get_property("clientWidth") == width

    def test_a_link_of_the_message_opens_in_a_tab_of_its_own(
        self, driver: Any, mail: Mail, server: Served
    ) -> None:
        html = f'<a id="link" href="{server.url("/confirm")}">Confirm</a>'
        mail.send_message("Hi", ["ann@example.com"], "Hi", html)
        driver.get(server.url(newest(mail)))
        inbox = driver.current_window_handle
        in_frame(driver)
        until(driver, "#link").click()
        [tab] = set(driver.window_handles) - {inbox}
        driver.switch_to.window(tab)
        assert urlsplit(driver.current_url).path == "/confirm"
        assert driver.execute_script("return window.opener") is None
        driver.close()
        driver.switch_to.window(inbox)

    def test_an_attachment_is_saved_as_it_was(
        self, driver: Any, mail: Mail, server: Served, tmp_path: Path
    ) -> None:
        from selenium.webdriver.support.wait import WebDriverWait

        downloads = tmp_path / "downloads"
        where = {"behavior": "allow", "downloadPath": str(downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)
        mail.send(welcome())
        driver.get(server.url(newest(mail)))
        driver.find_element("link text", "invoice.html").click()
        saved = downloads / "invoice.html"
        WebDriverWait(driver, 20, poll_frequency=0.05).until(lambda _: saved.exists())
        assert saved.read_bytes() == b"<script>alert(1)</script>"

    def test_all_messages_are_deleted_with_the_keyboard(
        self, driver: Any, mail: Mail, server: Served
    ) -> None:
        from selenium.webdriver.common.keys import Keys

        mail.send(welcome())
        driver.get(server.url("/_mail/"))
        until(driver, "details.danger summary").send_keys(Keys.ENTER)
        until(driver, "details.danger[open] button").send_keys(Keys.ENTER)
        until(driver, ".empty")
        assert Browser(mail).messages() == []

    def test_a_preview_is_shown(self, driver: Any, server: Served) -> None:
        driver.get(server.url("/_mail/previews"))
        until(driver, ".list .row").click()
        assert until(driver, "article h1").text == "Welcome"
        assert "Hello Ann" in in_frame(driver).text
        driver.switch_to.default_content()


class TestPanes:
    """The list and the message side by side on a wide screen, one of them on a phone."""

    VIEWS: ClassVar = {"Raw": "source", "HTML source": "markup", "HTML": "html"}

    @pytest.fixture(autouse=True)
    def inbox(self, driver: Any, mail: Mail, server: Served) -> None:
        for subject in ("One", "Two", "Three"):
            mail.send_message(
                subject, ["ann@example.com"], f"Text of {subject}", f"<p>{subject}</p>"
            )
        driver.get(server.url("/_mail/"))
        driver.execute_script("localStorage.clear(); location.reload()")
        until(driver, ".unread")

    def press(self, driver: Any, *keys: str) -> None:
        for key in keys:
            driver.switch_to.active_element.send_keys(key)

    def opened(self, driver: Any, subject: str) -> bool:
        """Return True once the message with that subject is open."""
        from selenium.webdriver.support.wait import WebDriverWait

        script = "return document.querySelector('article h1')?.textContent"
        wait = WebDriverWait(driver, 20, poll_frequency=0.02)
        return bool(wait.until(lambda _: driver.execute_script(script) == subject))

    def test_a_click_opens_the_message_beside_the_list(self, driver: Any) -> None:
        driver.execute_script("window.same = true")
        css(driver, ".list .row")[1].click()
        assert self.opened(driver, "Two")
        assert driver.execute_script("return window.same")
        assert len(css(driver, ".list .row")) == 3
        assert css(driver, ".row[aria-current]")[0].text.count("Two")
        driver.find_element("link text", "Text").click()
        assert "Text of Two" in until(driver, "pre.text").text
        assert driver.execute_script("return window.same")
        driver.back()
        driver.back()
        until(driver, ".empty")

    def test_keys_go_through_the_list(self, driver: Any) -> None:
        from selenium.webdriver.common.keys import Keys

        for key, subject in (("j", "Three"), ("j", "Two"), (Keys.ARROW_DOWN, "One")):
            self.press(driver, key)
            assert self.opened(driver, subject)
        for key, subject in (("k", "Two"), (Keys.ARROW_UP, "Three")):
            self.press(driver, key)
            assert self.opened(driver, subject)
        self.press(driver, "/", "j")
        assert driver.switch_to.active_element.get_property("value") == "j"
        assert self.opened(driver, "Three")

    def test_what_was_not_read_is_marked_and_counted(self, driver: Any, server: Served) -> None:
        assert driver.title == "(3) Inbox · shop"
        css(driver, ".list .row")[0].click()
        assert self.opened(driver, "Three")
        assert len(css(driver, ".unread")) == 2
        assert driver.title == "(2) Three · shop"
        driver.get(server.url("/_mail/"))
        until(driver, ".row")
        assert driver.title == "(2) Inbox · shop"
        assert "Unread." in css(driver, ".unread")[0].get_property("textContent")

    def test_several_are_selected_and_deleted(self, driver: Any, mail: Mail) -> None:
        button = "#selection button"
        assert not css(driver, button)[0].is_displayed()
        boxes = css(driver, ".list input")
        boxes[0].click()
        boxes[2].click()
        assert css(driver, button)[0].text == "Delete selected (2)"
        mail.send_message("Four", ["ann@example.com"], "Hi")
        until(driver, ".list li:nth-child(4)")
        assert css(driver, button)[0].text == "Delete selected (2)"
        css(driver, button)[0].click()
        until(driver, ".list li:nth-child(2):last-child")
        assert [each["subject"] for each in Browser(mail).messages()] == ["Four", "Two"]
        css(driver, "#every")[0].click()
        assert css(driver, button)[0].text == "Delete selected (2)"

    def test_the_page_itself_does_not_scroll_beside_its_panes(
        self, driver: Any, mail: Mail, server: Served
    ) -> None:
        mail.send_many([welcome() for _ in range(12)])
        driver.get(server.url("/_mail/"))
        until(driver, ".list li:nth-child(15)")
        script = "return document.documentElement.scrollHeight <= innerHeight"
        assert driver.execute_script(script)

    def test_a_search_goes_on_until_all_messages_were_searched(
        self, driver: Any, mail: Mail, server: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pages_of_inbox, "MOST_READ", 1)
        mail.send_many(
            [Message(f"Order {number}", ["bob@example.com"], "Hi") for number in range(5)]
        )
        driver.get(server.url("/_mail/?q=order"))
        assert "Searched all 8 messages." in until(driver, "#further:not(:has(#more))").text
        assert len(css(driver, ".list .row")) == 5
        assert css(driver, "#inbox .count")[0].text == "5"
        assert until(driver, "#live").get_property("textContent") == "5 results"
        css(driver, ".list .row")[4].click()
        assert self.opened(driver, "Order 0")

    def test_the_next_page_is_one_key_away(
        self, driver: Any, server: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pages_of_inbox, "_MOST_LISTED", 2)
        driver.get(server.url("/_mail/"))
        self.press(driver, "j")
        assert self.opened(driver, "Three")
        self.press(driver, "j")
        assert self.opened(driver, "Two")
        self.press(driver, "j")
        assert "Newest messages" in until(driver, ".further").text
        until(driver, ".list li:only-child")

    def test_a_phone_shows_the_list_or_the_message(self, driver: Any, server: Served) -> None:
        look(driver, width=390, height=844)
        driver.get(server.url("/_mail/"))
        css(driver, ".list .row")[0].click()
        assert self.opened(driver, "Three")
        assert not css(driver, ".list")[0].is_displayed()
        self.press(driver, "j")
        assert self.opened(driver, "Two")
        driver.find_element("link text", "Next").click()
        assert self.opened(driver, "One")
        css(driver, ".back")[0].click()
        assert until(driver, ".list").is_displayed()

    def test_tabs_of_a_phone_stay_on_one_line(self, driver: Any) -> None:
        look(driver, width=375, height=667)
        css(driver, ".list .row")[0].click()
        assert self.opened(driver, "Three")
        until(driver, "iframe.twin")  # by the script of the page
        driver.execute_script("window.same = true")
        for name in ("Raw", "HTML source", "HTML"):
            driver.execute_script("arguments[0].click()", driver.find_element("link text", name))
            tab = until(driver, f'.tabs a[aria-current][href$="view={self.VIEWS[name]}"]').rect
            assert 0 <= tab["x"] <= 375 - tab["width"]
            tops = {each.rect["y"] for each in css(driver, ".tabs a")}
            assert tops == {tab["y"]}
        assert driver.execute_script("return window.same")

    def test_a_late_answer_does_not_replace_the_message_that_was_chosen_since(
        self, driver: Any
    ) -> None:
        driver.execute_script(
            """window.fetch = (fetch => (url, options) => {
                 const late = url.endsWith(arguments[0]) && new Promise((go) => window.go = go);
                 return Promise.resolve(late).then(() => fetch(url, options));
               })(window.fetch)""",
            css(driver, ".list .row")[0].get_attribute("pathname"),
        )
        self.press(driver, "j", "j", "j")
        assert self.opened(driver, "One")
        driver.execute_script("window.go()")
        self.press(driver, "k")
        assert self.opened(driver, "Two")
        assert css(driver, ".row[aria-current]")[0].text.count("Two")
        driver.back()
        assert self.opened(driver, "One")

    def test_the_focus_stays_on_the_tab_that_was_chosen(self, driver: Any) -> None:
        from selenium.webdriver.common.keys import Keys

        self.press(driver, "j")
        assert self.opened(driver, "Three")
        driver.find_element("link text", "Headers").send_keys(Keys.ENTER)
        until(driver, '.tabs a[aria-current][href$="view=headers"]')
        assert driver.switch_to.active_element.text == "Headers"
        assert until(driver, "#live").get_property("textContent") == "Headers"

    def test_a_deletion_keeps_the_search(self, driver: Any, server: Served) -> None:
        driver.get(server.url("/_mail/?q=text"))
        self.press(driver, "j", "j")
        assert self.opened(driver, "Two")
        driver.find_element("css selector", ".actions .danger").click()
        assert self.opened(driver, "One")
        assert len(css(driver, ".list .row")) == 2
        assert driver.find_element("id", "q").get_property("value") == "text"
        css(driver, ".list input")[0].click()
        css(driver, "#selection button")[0].click()
        until(driver, ".list li:only-child")
        assert self.opened(driver, "One")

    def test_a_frame_is_as_high_as_its_mail(self, driver: Any, mail: Mail) -> None:
        html = '<img name="documentElement"><div style="height:3210px;margin:0">High</div>'
        mail.send_message("High", ["ann@example.com"], "High", html)
        until(driver, ".list li:nth-child(4)")
        self.press(driver, "j")
        assert self.opened(driver, "High")
        until(driver, '.frame > iframe[style*="height"]')
        frame = css(driver, ".frame > iframe")[0]
        assert 3210 <= frame.get_property("clientHeight") < 3400
        assert driver.execute_script("return arguments[0].contentDocument", frame) is None


class TestMailPrograms:
    HTML = "<p>\n" * 300 + '<video src="a.mp4"></video>\n<p style="display: flex">Hi</p>'

    def test_the_lines_that_are_not_supported_lead_to_the_source(
        self, driver: Any, mail: Mail, server: Served
    ) -> None:
        mail.send_message("Hi", ["ann@example.com"], "Hi", self.HTML)
        driver.get(server.url(newest(mail)))
        driver.find_element("link text", "Mail programs").click()
        until(driver, ".programs summary").click()
        until(driver, ".gaps a[href$='#L301']").click()
        line = until(driver, ".line:target")
        assert line.text == '<video src="a.mp4"></video>'
        top = driver.execute_script("return arguments[0].getBoundingClientRect().top", line)
        assert 0 <= top < 800


class TestQueue:
    @pytest.fixture
    def rows(self) -> Rows:
        QueueBackend.rows = Rows()
        return QueueBackend.rows

    @pytest.fixture
    def mail(self, rows: Rows, tmp_path: Path) -> Mail:
        mailers = {
            "default": {"BACKEND": QueueBackend},
            "bulk": {"BACKEND": "file", "PATH": tmp_path},
        }
        return make_mail(MAIL_MAILERS=mailers)

    def test_an_unknown_message_needs_the_confirmation(
        self, driver: Any, server: Served, rows: Rows
    ) -> None:
        fields = {"is_waiting": False, "reason": "The worker died.", "may_arrive_twice": True}
        rows.add("7", "unknown", attempts=1, retry=rows.act("retry"), **fields)
        driver.get(server.url("/_mail/"))
        driver.find_element("link text", "Queue").click()
        until(driver, ".row").click()
        until(driver, ".decide button").click()
        assert rows.done == []
        until(driver, ".decide input[type=checkbox]").click()
        until(driver, ".decide button").click()
        until(driver, ".panes:not(.opened)")
        assert rows.done == ["retry"]

    def test_a_waiting_message_is_cancelled(self, driver: Any, server: Served, rows: Rows) -> None:
        rows.add("7", cancel=rows.act("cancel"))
        driver.get(server.url("/_mail/queue/q-7"))
        until(driver, ".actions form[action$=cancel] button").click()
        until(driver, ".panes:not(.opened)")
        assert rows.done == ["cancel"]


class TestHostile:
    """The corpus of `hostile.py`, in every place where a message is shown."""

    def looked_at(self, driver: Any, server: Served, path: str) -> Any:
        """Look at a page, and return what the message has set on its window."""
        driver.get(server.url(path))
        return driver.execute_script("return window.pwned")

    def click(self, driver: Any) -> None:
        """Click what the message has in its frame for that."""
        window = driver.current_window_handle
        in_frame(driver)
        for each in css(driver, "#link"):
            each.click()
        driver.switch_to.default_content()
        for tab in set(driver.window_handles) - {window}:
            driver.switch_to.window(tab)
            assert driver.execute_script("return window.pwned") is None
            driver.close()
        driver.switch_to.window(window)

    def test_it_acts_where_nothing_protects(self, driver: Any) -> None:
        app = Flask("unprotected")
        app.add_url_rule("/", view_func=lambda: hostile.HTML[0])
        with serving(app) as served:
            assert self.looked_at(driver, served, "/") == 1
            driver.get("about:blank")
        assert "/pwned" in served.paths

    def test_it_does_nothing_in_the_inbox(self, driver: Any, mail: Mail, server: Served) -> None:
        mail.send_many(hostile.messages())
        listed = Browser(mail).messages()
        assert len(listed) == len(hostile.HTML) + len(hostile.TEXTS)

        acted = [self.looked_at(driver, server, "/_mail/")]
        for each in listed:
            page = each["page"]
            is_html = each["subject"] == "HTML"
            views = ("html", "markup") if is_html else ("text", "headers", "source")
            for view in views:
                acted.append(self.looked_at(driver, server, f"{page}?view={view}"))
                if view == "html":
                    self.click(driver)
                    acted.append(driver.execute_script("return window.pwned"))
                assert urlsplit(driver.current_url).path == page
            if each["subject"] == "HTML":
                acted.append(self.looked_at(driver, server, f"{page}/html"))

        assert [each for each in acted if each is not None] == []
        elsewhere = {each for each in server.paths if not each.startswith("/_mail")}
        assert elsewhere <= {"/favicon.ico"}

    def test_nothing_of_a_message_is_loaded_with_remote_pictures_but_those(
        self, driver: Any, mail: Mail, server: Served
    ) -> None:
        """Loading remote images contacts another server, but runs no script."""
        mail.send_many(hostile.messages())
        for each in Browser(mail).messages(subject="HTML"):
            assert self.looked_at(driver, server, f"{each['page']}?images=1") is None


class TestOtherSites:
    def test_the_page_of_another_site_can_do_nothing(
        self, driver: Any, mail: Mail, server: Served
    ) -> None:
        mail.send(welcome())
        driver.get(server.url("/_mail/"))  # it has the cookie now
        inbox = server.url("/_mail/")
        site = Flask("evil")
        site.add_url_rule("/", view_func=lambda: "<!doctype html><title>evil</title>")
        with serving(site) as evil:
            driver.get(evil.url("/", "127.0.0.1"))
            script = """
                const [inbox, done] = arguments, results = [];
                const attempt = (name, path, options) =>
                  fetch(inbox + path, {credentials: "include", ...options})
                    .then(async (answer) => results.push([name, await answer.text()]), () => {});
                const frame = document.createElement("iframe");
                const framed = new Promise((loaded) => frame.onload = loaded);
                frame.src = inbox;
                document.body.append(frame);
                const script = document.createElement("script");
                const refused = new Promise((failed) => script.onerror = script.onload = failed);
                script.src = inbox + "static/inbox.js";
                document.body.append(script);
                Promise.all([
                  framed, refused,
                  attempt("read", "api/messages", {}),
                  attempt("blind", "api/messages", {mode: "no-cors"}),
                  attempt("delete", "api/messages", {method: "DELETE"}),
                  attempt("form", "delete", {method: "POST", mode: "no-cors",
                                             body: new URLSearchParams({token: ""})}),
                ]).then((answers) => done([results, answers[1].type]));
            """
            results, loading = driver.execute_async_script(script, inbox)
            driver.execute_script(
                """document.body.innerHTML =
                   `<form method=post action="${arguments[0]}delete"><input name=token></form>`;
                   document.forms[0].submit()""",
                inbox,
            )
            until(driver, "body")
        assert [text for _, text in results if "Welcome" in text] == []
        assert loading == "error"
        assert len(Browser(mail).messages()) == 1


def pages(mail: Mail) -> dict[str, str]:
    """Return the paths of the pages, by name."""
    message = newest(mail)
    views = ("html", "text", "advice", "programs", "markup", "headers", "envelope", "source")
    return {
        "list": "/_mail/",
        "search": "/_mail/?q=nothing",
        "previews": "/_mail/previews",
        "preview": "/_mail/previews/welcome",
        "message": message,
        "missing": "/_mail/messages/gone",
        "queue": "/_mail/queue",
        "queue-message": "/_mail/queue/q-7",
        **{f"message-{view}": f"{message}?view={view}" for view in views},
    }


@pytest.fixture
def with_queue(mail: Mail) -> None:
    """Give the app a queue beside its mailer."""
    assert mail.app is not None
    mail.app.config["MAIL_MAILERS"] = {
        "default": {"BACKEND": "file", "PATH": mail.app.config["MAIL_FILE_PATH"]},
        "rows": {"BACKEND": QueueBackend},
    }
    QueueBackend.rows = rows = Rows()
    rows.add("8", cancel=rows.act("cancel"))
    ended = {"is_waiting": False, "attempts": 1, "retry": rows.act("retry")}
    lost = "WorkerLost: the worker died while it was sending the message"
    rows.add("7", "unknown", reason=lost, may_arrive_twice=True, **ended)
    rows.add("6", "refused", reason="MessageRefused: 550 5.1.1 <recipient 1> is unknown", **ended)


@needs_axe
@pytest.mark.usefixtures("with_queue")
@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    driver: Any, mail: Mail, server: Served, scheme: str, screen: str
) -> None:
    width, height = SCREENS[screen]
    look(driver, scheme=scheme, width=width, height=height)
    mail.send(welcome())
    source = Path(AXE).read_text(encoding="utf-8")
    # A frame in which no script may run cannot be looked into.
    run = """
        const done = arguments[arguments.length - 1];
        axe.run(document, {iframes: false}).then((found) => done(found.violations), done);
    """
    serious = []
    for name, path in pages(mail).items():
        driver.get(server.url(path))
        driver.execute_script(source)
        serious += [
            (name, each["id"], [node["html"] for node in each["nodes"]])
            for each in driver.execute_async_script(run)
            if each["impact"] in ("serious", "critical")
        ]
    assert serious == []


@pytest.mark.usefixtures("with_queue")
@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_on_the_screen(
    driver: Any, mail: Mail, server: Served, tmp_path: Path, scheme: str, screen: str
) -> None:
    """Their pictures are kept in SCREENSHOTS, for people to look at."""
    width, height = SCREENS[screen]
    look(driver, scheme=scheme, width=width, height=height)
    mail.send_message("Your order is on its way " * 6, ["bob@example.com"], "Text " * 400)
    mail.send(welcome())
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    wide = []
    for name, path in pages(mail).items():
        dark = "?scheme=dark" if (name, scheme) == ("message", "dark") else ""
        driver.get(server.url(path + dark))
        driver.save_screenshot(str(folder / f"{name}-{scheme}-{screen}.png"))
        script = "return document.documentElement.scrollWidth"
        if driver.execute_script(script) > width:
            wide.append(name)
        background = until(driver, "body").value_of_css_property("background-color")
        shades = [int(each) for each in re.findall(r"\d+", background)[:3]]
        assert (sum(shades) < 3 * 128) == (scheme == "dark")
    assert wide == []
