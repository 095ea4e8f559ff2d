"""Previews: messages with sample data, shown and not sent."""

from __future__ import annotations

import os
import re
from datetime import datetime
from types import SimpleNamespace

import pytest
from flask import url_for
from flask_babel import Babel, get_locale
from inbox_support import PNG, Browser, make_mail, welcome
from markupsafe import escape

from flask_mail import ConfigurationError, Mail, Message, email_sending
from flask_mail.inbox.parameters import parameters_of, values_for
from flask_mail.inbox.previews import locales


@pytest.fixture
def mail():
    return make_mail()


@pytest.fixture
def browser(mail):
    return Browser(mail)


def test_they_are_listed_with_what_their_docstrings_begin_with(mail, browser):
    @mail.preview("welcome")
    def first():
        """The first mail to a customer.

        And more.
        """
        return welcome()

    @mail.preview("goodbye")
    def second():
        return welcome()

    page = browser.text("/previews")
    assert page.index("goodbye") < page.index("welcome")
    assert "The first mail to a customer." in page
    assert "And more" not in page


def test_they_are_grouped_and_have_their_subjects(mail, browser):
    mail.preview("user/reset")(lambda: Message("Reset your password", ["a@b.example"]))
    mail.preview("user/mails/confirm")(welcome)
    mail.preview("order")(welcome)
    page = browser.text("/previews")
    groups = re.findall(r'<h3 class="group">(.*?)</h3>', page)
    assert groups == ["user", "user/mails"]
    assert '<span class="from">reset</span>' in page
    assert "Reset your password" in page
    assert "<h1>Reset your password</h1>" in browser.text("/previews/user/reset")
    assert browser.get("/previews/user/reset/eml").data.startswith(b"Subject: Reset")


def test_broken_ones_are_marked_with_the_reason_and_the_others_listed(mail, browser):
    def fail():
        raise ZeroDivisionError

    mail.preview("a")(fail)
    mail.preview("b")(lambda: mail.render("nothing", ["a@b.example"]))
    mail.preview("c")(lambda: None)
    mail.preview("d")(lambda: Message("Draft"))
    mail.preview("e")(welcome)
    page = browser.text("/previews")
    reasons = re.findall(r"<strong>Broken:</strong> (.*?)</span>", page)
    assert [each.partition(":")[0] for each in reasons[:2]] == [
        "ZeroDivisionError",
        "TemplateNotFound",
    ]
    assert reasons[2].endswith("must return a Message; it returned NoneType.")
    assert "No recipients" in reasons[3]
    assert len(reasons) == 4
    assert "Welcome" in page


class TestParameters:
    @pytest.fixture(autouse=True)
    def preview(self, mail):
        @mail.preview("welcome")
        def welcome(name="Ann", count=3, rate: float = 0.5, *, trial=True, note: str | None = None):
            return Message(f"{name} {count!r} {rate!r} {trial!r} {note!r}", ["a@b.example"], "Hi")

    @pytest.mark.parametrize(
        ("query", "subject"),
        [
            ("", "Ann 3 0.5 True None"),
            ("name=Bob&count=7&rate=2&trial=false&note=x", "Bob 7 2.0 False 'x'"),
            ("other=1&view=text&q=x", "Ann 3 0.5 True None"),
        ],
    )
    def test_the_url_sets_them(self, browser, query, subject):
        page = browser.text(f"/previews/welcome?{query}")
        assert f"<h1>{escape(subject)}</h1>" in page

    def test_the_page_has_a_form_and_links_that_keep_them(self, browser):
        page = browser.text("/previews/welcome?name=B%26b&trial=false")
        assert '<input name="name" value="B&amp;b">' in page
        assert '<input name="count" value="3">' in page
        assert '<option value="false" selected>' in page
        assert 'href="/_mail/previews/welcome/eml?name=B%26b&amp;trial=false"' in page
        assert "view=text&amp;name=B%26b" in page

    def test_a_value_of_another_type_is_told(self, browser):
        answer = browser.get("/previews/welcome?count=many")
        assert answer.status_code == 409
        assert (
            "count of the preview &#39;welcome&#39; must be of type int, not &#39;many&#39;."
            in (answer.text)
        )

    def test_those_that_no_text_can_express_are_left_alone(self):
        def preview(a, items=(), *args, view="x", when: datetime | None = None, **rest):
            pass

        assert [each.name for each in parameters_of(preview)] == ["a"]
        preview.__signature__ = "unknown"
        assert parameters_of(preview) == []
        del preview.__signature__
        assert values_for("x", preview, {"a": "1", "items": "2", "view": "y"}) == {"a": "1"}


def test_a_preview_asked_for_alone_makes_no_others(mail, browser):
    made = []
    mail.preview("other")(lambda: made.append("other"))
    mail.preview("welcome")(welcome)
    assert "<h1>Welcome</h1>" in browser.text("/previews/welcome", headers={"X-Mail-Pane": "1"})
    assert made == []


def test_without_any_the_page_tells_how_to_make_one(browser):
    assert '@mail.preview("welcome")' in browser.text("/previews")


def test_a_preview_is_shown_with_everything_and_not_sent(mail, browser):
    mail.preview("welcome")(welcome)
    sent = []

    def record(app, message):
        sent.append(message)

    with email_sending.connected_to(record):
        page = browser.text("/previews/welcome")
        document = browser.text("/previews/welcome/html")
    assert "<h1>Welcome</h1>" in page
    assert "<dt>Bcc</dt><dd>archive@example.com</dd>" in page
    assert "data:image/png" in document
    assert browser.get("/previews/welcome/parts/0?inline=1").data == PNG
    assert browser.get("/previews/welcome/eml").data.startswith(b"Subject: Welcome\r\n")
    assert (sent, browser.messages()) == ([], [])
    assert 'method="post"' not in page


def test_the_decorated_function_stays_what_it_is(mail):
    assert mail.preview("welcome")(welcome) is welcome


def test_the_name_of_the_function_is_the_default(mail):
    assert mail.preview(welcome) is welcome
    del mail.previews["welcome"]
    assert mail.preview()(welcome) is welcome
    assert mail.previews == {"welcome": welcome}


def test_a_function_without_a_usable_name_needs_one(mail):
    with pytest.raises(ConfigurationError, match="'<lambda>' needs another name"):
        mail.preview(lambda: Message("Hi", ["a@b.example"]))


@pytest.mark.parametrize("value", ["welcome", 3, None])
def test_only_a_function_is_a_preview(mail, value):
    with pytest.raises(TypeError, match=r"not (str|int|NoneType): write @mail.preview"):
        mail.preview("welcome")(value)


def test_of_two_with_one_name_the_later_counts(mail, browser):
    mail.preview("welcome")(lambda: Message("First", ["a@b.example"]))
    mail.preview("welcome")(lambda: Message("Second", ["a@b.example"]))
    assert "<h1>Second</h1>" in browser.text("/previews/welcome")


def test_one_mail_shows_its_previews_in_all_of_its_apps():
    mail = Mail()
    apps = [make_mail().app, make_mail().app]
    mail.init_app(apps[0])
    mail.preview("welcome")(welcome)
    mail.init_app(apps[1])
    pages = [app.test_client().get("/_mail/previews/welcome").status_code for app in apps]
    assert pages == [200, 200]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        ".a",
        "a b",
        "ü",
        "x" * 101,
        "a/html",
        "a/parts/1",
        3,
    ],
)
def test_a_name_that_fits_in_no_address_is_refused(mail, name):
    with pytest.raises(ConfigurationError, match="needs another name"):
        mail.preview(name)


def test_edits_of_a_template_show_at_the_next_look(mail, browser, tmp_path):
    mail.app.jinja_loader.searchpath[:] = [str(tmp_path)]
    template = tmp_path / "welcome.txt"
    mail.preview("welcome")(lambda: mail.render("welcome", ["a@b.example"]))
    shown = []
    for number, text in enumerate(("before", "after")):
        template.write_text(text)
        os.utime(template, (number, number))
        shown.append([each in browser.text("/previews/welcome") for each in ("before", "after")])
    assert shown == [[True, False], [False, True]]


def test_links_lead_to_the_app_where_it_runs(mail, browser):
    mail.app.add_url_rule("/confirm", "confirm", lambda: "")
    mail.preview("link")(lambda: Message("Hi", ["a@b.example"], url_for("confirm", _external=True)))
    page = browser.get("/previews/link", base_url="http://127.0.0.1:5123").text
    assert "http://127.0.0.1:5123/confirm" in page


def test_a_message_that_could_not_be_sent_is_shown_with_the_reason(mail, browser):
    mail.preview("draft")(lambda: Message("Draft", body="To whom?"))
    page = browser.text("/previews/draft")
    assert "No recipients have been added" in page
    assert "To whom?" in page
    assert "Envelope unknown." in browser.text("/previews/draft?view=envelope")


def test_what_a_preview_raises_reaches_the_debugger(mail, browser):
    @mail.preview("broken")
    def broken():
        raise ZeroDivisionError("in the template")

    with pytest.raises(ZeroDivisionError, match="in the template"):
        browser.get("/previews/broken")


def test_a_function_that_returns_no_message_is_told(mail, browser):
    mail.preview("none")(lambda: None)
    answer = browser.get("/previews/none")
    assert answer.status_code == 409
    assert "must return a Message; it returned NoneType" in answer.text


def test_a_preview_that_does_not_exist_is_not_found(browser):
    assert browser.get("/previews/gone").status_code == 404


class TestLocale:
    @pytest.fixture(autouse=True)
    def babel(self, mail, tmp_path):
        (tmp_path / "de" / "LC_MESSAGES").mkdir(parents=True)
        (tmp_path / "de" / "LC_MESSAGES" / "messages.mo").write_bytes(b"")
        mail.app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(tmp_path)
        Babel(mail.app)
        mail.preview("locale")(lambda: Message(f"In {get_locale()}", ["a@b.example"], "Hi"))

    @pytest.mark.parametrize(
        ("asked", "made"), [("", "en"), ("de", "de"), ("pt_BR", "pt_BR"), ("pt-BR", "pt_BR")]
    )
    def test_a_preview_is_made_in_the_locale_that_is_asked_for(self, browser, asked, made):
        assert f"<h1>In {made}</h1>" in browser.text(f"/previews/locale?locale={asked}")

    def test_the_locales_of_the_app_can_be_chosen(self, browser):
        assert '"/_mail/previews?locale=de"' in browser.text("/previews")
        page = browser.text("/previews/locale?locale=de")
        assert ">de</a>" in page
        assert 'href="/_mail/previews/locale/eml?locale=de"' in page

    def test_one_locale_is_no_choice(self, mail, browser, tmp_path):
        (tmp_path / "de" / "LC_MESSAGES" / "messages.mo").unlink()
        assert 'aria-label="Language"' not in browser.text("/previews")
        assert 'aria-label="Language"' not in browser.text("/previews/locale")

    def test_the_default_is_a_choice_in_older_versions(self, mail, monkeypatch):
        """Flask-Babel 2 lists it only if there are no translations."""
        older = SimpleNamespace(default_locale="en", list_translations=lambda: ["de"])
        monkeypatch.setitem(mail.app.extensions, "babel", older)
        assert locales(SimpleNamespace(app=mail.app)) == ["de", "en"]

    def test_a_folder_with_an_odd_name_leaves_the_previews(self, browser, tmp_path):
        odd = tmp_path / "en-odd" / "LC_MESSAGES"
        odd.mkdir(parents=True)
        (odd / "messages.mo").write_bytes(b"")
        assert 'aria-label="Language"' not in browser.text("/previews")
        assert "In de" in browser.text("/previews/locale?locale=de")

    def test_the_choice_is_kept_on_the_way_to_a_preview(self, browser):
        assert '"/_mail/previews/locale?locale=de"' in browser.text("/previews?locale=de")

    @pytest.mark.parametrize(
        "locale", ["xx", "../../etc", "de_QQQQQQQQQQ", "x" * 1000, "de\\u0000"]
    )
    def test_a_locale_that_does_not_exist_is_told(self, browser, locale):
        answer = browser.get("/previews/locale", query_string={"locale": locale})
        assert answer.status_code == 409
        assert "does not exist" in answer.text


def test_without_flask_babel_a_locale_is_told(mail, browser):
    mail.preview("welcome")(welcome)
    answer = browser.get("/previews/welcome?locale=de")
    assert answer.status_code == 409
    assert "needs Flask-Babel" in answer.text
