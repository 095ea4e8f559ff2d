"""Templates in the language of the recipient: Mail.render(..., locale=...)."""

from __future__ import annotations

import os
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from flask import Flask, has_app_context, request
from flask_babel import Babel, force_locale, get_locale, lazy_gettext
from jinja2 import BaseLoader, ChoiceLoader, DictLoader, Environment, ModuleLoader, Template
from werkzeug.exceptions import BadRequestKeyError

from flask_mail import Mail, Message, MessageError
from flask_mail.message import untranslated


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = Flask("shop", root_path=str(tmp_path))
    app.config.update(MAIL_BACKEND="locmem", MAIL_DEFAULT_SENDER="shop@example.com")
    return app


@pytest.fixture
def mail(app: Flask) -> Mail:
    return Mail(app)


@pytest.fixture
def babel(app: Flask, tmp_path: Path) -> None:
    catalog = Catalog(locale="de")
    catalog.add("Welcome", "Willkommen")
    folder = tmp_path / "translations" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "messages.mo").open("wb") as file:
        write_mo(file, catalog)
    Babel(app)


def write(tmp_path: Path, **templates: str) -> None:
    folder = tmp_path / "templates"
    folder.mkdir(exist_ok=True)
    for name, source in templates.items():
        (folder / name.replace("__", ".")).write_text(source, encoding="utf-8")


@pytest.mark.parametrize(
    ("locale", "body"),
    [
        ("de_AT", "Servus"),
        ("de-AT", "Servus"),
        ("de", "Hallo"),
        ("de_CH", "Hallo"),
        (Locale("de", "AT"), "Servus"),
        ("fr", "Hello"),
        (None, "Hello"),
    ],
)
def test_the_template_of_the_locale_is_preferred(
    mail: Mail, tmp_path: Path, locale: object, body: str
) -> None:
    write(tmp_path, a__txt="Hello", a__de__txt="Hallo", a__de_AT__txt="Servus")
    assert mail.render("a", locale=locale).body == body


def test_text_and_html_are_looked_for_separately(mail: Mail, tmp_path: Path) -> None:
    write(tmp_path, a__txt="Hello", a__html="<p>Hello", a__de__html="<p>Hallo")
    with pytest.warns(UserWarning, match=r"'a.de.html' exists, but 'a.de.txt' does not.*'a.txt'"):
        message = mail.render("a", locale="de")
    assert (message.body, message.html) == ("Hello", "<p>Hallo")


def test_html_that_is_not_translated_causes_a_warning(
    mail: Mail, app: Flask, tmp_path: Path
) -> None:
    app.config["TEMPLATES_AUTO_RELOAD"] = True
    write(tmp_path, a__txt="Hello", a__html="<p>Hello", a__de__txt="Hallo")
    with pytest.warns(
        UserWarning, match=r"'a.de.html' does not.*\{% extends 'a.html' %\}"
    ) as found:
        mail.render("a", locale="de_AT")
    assert found[0].filename == __file__

    mail.render("a", locale="fr")
    write(tmp_path, a__de__html="{% extends 'a.html' %}")
    assert mail.render("a", locale="de_AT").html == "<p>Hello"


def test_a_subject_that_is_not_translated_causes_a_warning(mail: Mail, tmp_path: Path) -> None:
    write(tmp_path, a__txt="Hello", a__subject__txt="Order", a__de__txt="Hallo")
    with pytest.warns(UserWarning, match=r"'a.de.subject.txt' does not"):
        assert mail.render("a", locale="de").subject == "Order"
    assert mail.render("a", subject="Bestellung", locale="de").subject == "Bestellung"


@pytest.mark.usefixtures("babel")
def test_templates_that_call_gettext_are_in_any_language(mail: Mail, tmp_path: Path) -> None:
    write(tmp_path, a__html="<p>{% trans %}Welcome{% endtrans %}", a__de__txt="Hallo")
    assert mail.render("a", locale="de").html == "<p>Willkommen"


class Unreadable(DictLoader):
    """Loads each template, and reads none."""

    def get_source(self, environment: Environment, template: str) -> Any:
        source = super().get_source(environment, template)
        if environment.cache is not None and (weakref.ref(self), template) in environment.cache:
            raise OSError("The disk is gone.")
        return source


@pytest.mark.parametrize("kind", ["compiled", "compiled, in a choice", "unreadable"])
def test_templates_without_source_cause_no_warning(
    mail: Mail, app: Flask, tmp_path: Path, kind: str
) -> None:
    write(tmp_path, a__html="<p>Hello", a__de__txt="Hallo")
    app.jinja_env.compile_templates(tmp_path / "compiled", zip=None)
    compiled = ModuleLoader(tmp_path / "compiled")
    loaders: dict[str, BaseLoader] = {
        "compiled": compiled,
        "compiled, in a choice": ChoiceLoader([compiled, DictLoader({})]),
        "unreadable": Unreadable({"a.html": "<p>Hello", "a.de.txt": "Hallo"}),
    }
    app.jinja_env.loader = loaders[kind]
    assert mail.render("a", locale="de").html == "<p>Hello"


@pytest.mark.usefixtures("babel")
@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("{% extends 'base.html' %}", "<p>Willkommen"),
        ("{% include 'part.html' %}", "<p>Willkommen"),
        ("{% import 'base.html' as base %}Hello", "Hello"),
        ("{% include ['missing.html', 'plain.html'] %}", "<p>Hello"),
        ("{% include 'plain' ~ '.html' %}", "<p>Hello"),
    ],
)
def test_templates_may_refer_to_others_that_call_gettext(
    mail: Mail, tmp_path: Path, source: str, html: str
) -> None:
    write(tmp_path, base__html="<p>{{ _('Welcome') }}", part__html="{% extends 'base.html' %}")
    write(tmp_path, plain__html="<p>Hello", a__html=source, a__de__txt="Hallo")
    assert mail.render("a", locale="de").html == html


def test_templates_may_refer_to_each_other(mail: Mail, tmp_path: Path) -> None:
    write(tmp_path, a__html="{% if False %}{% include 'b.html' %}{% endif %}Hello")
    write(tmp_path, b__html="{% include 'a.html' %}", a__de__txt="Hallo")
    with pytest.warns(UserWarning, match=r"'a.de.html' does not"):
        assert mail.render("a", locale="de").html == "Hello"


def test_templates_are_searched_for_gettext_once(
    mail: Mail, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.config["TEMPLATES_AUTO_RELOAD"] = True
    parsed = []

    def parse(template: Template) -> tuple[bool, list[str]]:
        parsed.append(template.name)
        return original(template)

    original = untranslated._parse
    monkeypatch.setattr(untranslated, "_parse", parse)
    write(tmp_path, a__html="{% include 'b.html' %}", b__html="{{ _('Hi') }}", a__de__txt="Hallo")
    app.jinja_env.globals["_"] = str
    for _ in range(3):
        mail.render("a", locale="de")
    assert parsed == ["a.html", "b.html"]

    write(tmp_path, b__html="<p>Hello")
    os.utime(tmp_path / "templates" / "b.html", (0, 0))
    with pytest.warns(UserWarning, match=r"'a.de.html' does not"):
        mail.render("a", locale="de")
    assert parsed == ["a.html", "b.html", "b.html"]


class Counting(DictLoader):
    """Counts how often each template is looked for."""

    def __init__(self, mapping: dict[str, str]) -> None:
        super().__init__(mapping)
        self.wanted: Counter[str] = Counter()

    def get_source(self, environment: Environment, template: str) -> Any:
        self.wanted[template] += 1
        return super().get_source(environment, template)


def test_missing_translations_are_looked_for_once(mail: Mail, app: Flask) -> None:
    loader = app.jinja_env.loader = Counting({"a.txt": "Hello", "a.html": "<p>Hello"})
    for _ in range(3):
        assert mail.render("a", locale="de_AT").body == "Hello"
    wanted = {f"a.{language}.{each}" for language in ("de_AT", "de") for each in SUFFIXES}
    assert {name: loader.wanted[name] for name in wanted} == dict.fromkeys(wanted, 1)

    app.jinja_env.loader = DictLoader({"a.de.txt": "Hallo"})
    assert mail.render("a", locale="de_AT").body == "Hallo"


@pytest.mark.parametrize(
    "options", [{"auto_reload": True}, {"cache_size": 0}], ids=["auto_reload", "cache_size"]
)
def test_missing_translations_may_follow_if_templates_reload(
    mail: Mail, app: Flask, options: dict[str, Any]
) -> None:
    app.jinja_options = options
    loader = app.jinja_env.loader = DictLoader({"a.txt": "Hello"})
    assert mail.render("a", locale="de").body == "Hello"
    loader.mapping = {"a.txt": "Hello", "a.de.txt": "Hallo"}
    assert mail.render("a", locale="de").body == "Hallo"


SUFFIXES = ("txt", "html", "md", "subject.txt")
ENGLISH = "{% block subject %}Order{% endblock %}"
GERMAN = "{% block subject %}Bestellung{% endblock %}"


@pytest.mark.filterwarnings("ignore:.* may be in two languages")
@pytest.mark.parametrize(
    "templates",
    [
        {"a__txt": ENGLISH, "a__de__txt": GERMAN},
        {"a__txt": "", "a__subject__txt": "Order", "a__de__subject__txt": "Bestellung"},
        {"a__subject__txt": "Order", "a__de__txt": GERMAN},
        {"a__subject__txt": "Order", "a__txt": "", "a__de__html": GERMAN},
        {"a__txt": ENGLISH, "a__de__html": GERMAN},
        {"a__de__subject__txt": "Bestellung", "a__de__txt": "{% block subject %}No{% endblock %}"},
        {"a__de__txt": GERMAN, "a__html": ENGLISH},
        {"a__de__txt": GERMAN, "a__de__html": "{% block subject %}No{% endblock %}"},
        {"a__subject__txt": "Bestellung", "a__de__txt": "", "a__de__html": ""},
    ],
)
def test_a_subject_in_the_locale_wins_over_one_for_all(
    mail: Mail, tmp_path: Path, templates: dict[str, str]
) -> None:
    write(tmp_path, **templates)
    assert mail.render("a", locale="de").subject == "Bestellung"


def test_templates_have_the_locale_as_a_variable(mail: Mail, tmp_path: Path) -> None:
    write(tmp_path, a__txt="{{ locale }}")
    assert mail.render("a", locale="de-AT").body == "de_AT"
    assert mail.render("a", locale="de", variables={"locale": "own"}).body == "own"
    assert mail.render("a").body == ""


@pytest.mark.parametrize("origin", ["context processor", "global"])
def test_the_locale_of_the_app_is_kept_unless_one_is_given(
    mail: Mail, app: Flask, babel: None, tmp_path: Path, origin: str
) -> None:
    own = Locale("de", "CH")
    if origin == "global":
        app.jinja_env.globals["locale"] = own
    else:
        app.context_processor(lambda: {"locale": own})
    write(tmp_path, a__txt="{{ locale }} {{ locale.territory }}")
    assert mail.render("a").body == "de_CH CH"
    assert mail.render("a", variables={"locale": "own"}).body == "own "
    assert mail.render("a", locale="fr_FR").body == "fr_FR "


def test_a_missing_template_is_named_without_the_locale(mail: Mail) -> None:
    with pytest.raises(MessageError, match=r"Template not found: 'a.txt', 'a.html' or 'a.md'"):
        mail.render("a", locale="de")


@pytest.mark.usefixtures("babel")
def test_flask_babel_translates_to_the_locale(mail: Mail, app: Flask, tmp_path: Path) -> None:
    write(tmp_path, a__txt="{{ gettext('Welcome') }}")
    assert mail.render("a", locale="de_AT").body == "Willkommen"
    assert mail.render("a").body == "Welcome"
    with app.test_request_context():
        assert Message.from_template("a", locale="de").body == "Willkommen"
        assert str(get_locale()) == "en"


def asked_for() -> str:
    return request.args["lang"]


def test_the_default_is_the_current_locale_of_babel(mail: Mail, app: Flask, tmp_path: Path) -> None:
    """File, variable and formats agree."""
    Babel(app, locale_selector=asked_for)
    line = "{{ locale }} {{ 1234.5|decimalformat }}"
    write(tmp_path, a__txt=f"Hello {line}", a__de__txt=f"Hallo {line}")
    with app.test_request_context("/?lang=de_DE"):
        assert mail.render("a").body == "Hallo de_DE 1.234,5"
        assert mail.render("a", locale="en").body == "Hello en 1,234.5"
        with force_locale("en_GB"):
            assert mail.render("a").body == "Hello en_GB 1,234.5"
    with app.test_request_context("/?lang=ca_ES@valencia"):
        assert mail.render("a").body.startswith("Hello ca_ES ")


def test_a_lazy_subject_follows_the_current_locale(
    mail: Mail, app: Flask, babel: None, tmp_path: Path
) -> None:
    write(tmp_path, a__txt="text")
    with app.app_context(), force_locale("de"):
        message = mail.render("a", subject=lazy_gettext("Welcome"))
    assert message.subject == "Willkommen"


@pytest.mark.usefixtures("babel")
def test_outside_of_requests_the_locale_is_the_default_one(mail: Mail, tmp_path: Path) -> None:
    write(tmp_path, a__txt="Hello", a__en__txt="{{ locale }}")
    assert mail.render("a").body == "en"


def test_a_selector_of_the_locale_may_need_a_request(
    mail: Mail, app: Flask, tmp_path: Path
) -> None:
    Babel(app, locale_selector=asked_for)
    write(tmp_path, a__txt="Hello", a__de__txt="Hallo")
    assert mail.render("a").body == "Hello"
    assert mail.render("a", locale="de").body == "Hallo"
    with app.test_request_context("/"), pytest.raises(BadRequestKeyError):
        mail.render("a")


@pytest.mark.usefixtures("babel")
def test_a_lazy_subject_follows_the_locale(mail: Mail, tmp_path: Path) -> None:
    write(tmp_path, a__txt="text")
    message = mail.render("a", subject=lazy_gettext("Welcome"), locale="de")
    assert not has_app_context()
    assert message.subject == "Willkommen"


@pytest.mark.parametrize("locale", ["", "../../etc/passwd", "de\x00", "d", 5, "x" * 1000, b"de"])
def test_the_name_of_no_locale_is_refused(mail: Mail, tmp_path: Path, locale: object) -> None:
    write(tmp_path, a__txt="text")
    with pytest.raises(MessageError, match=r"The locale .* does not exist"):
        mail.render("a", locale=locale)


@pytest.mark.usefixtures("babel")
@pytest.mark.parametrize("locale", ["xx", "de_12"])
def test_a_locale_that_babel_does_not_know_is_refused(
    mail: Mail, tmp_path: Path, locale: str
) -> None:
    write(tmp_path, a__txt="text")
    with pytest.raises(MessageError, match=f"The locale '{locale}' does not exist"):
        mail.render("a", locale=locale)
