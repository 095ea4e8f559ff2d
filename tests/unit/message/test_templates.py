"""Messages written as Jinja templates."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jinja2
import pytest
from flask import Blueprint, Flask, before_render_template, g, template_rendered

from flask_mail import Attachment, Mail, Message, MessageError
from flask_mail.message.templates import TemplateNotFound

NAME = "Tom & <b>Ann"


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = Flask("shop", root_path=str(tmp_path))
    app.config.update(MAIL_BACKEND="locmem", MAIL_DEFAULT_SENDER="shop@example.com")
    Mail(app)
    return app


@pytest.fixture
def render(app: Flask, tmp_path: Path) -> Any:
    """Write templates, and render those of ``a``."""

    def render(__name: str = "a", **templates: str) -> Message:
        folder = tmp_path / "templates"
        for name, source in templates.items():
            path = folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        with app.app_context():
            return Message.from_template(__name, name=NAME)

    return render


# --- Which templates -----------------------------------------------------------------------------


def test_text_and_html_are_looked_for(render: Any) -> None:
    message = render(a_txt="Hello {{ name }}.\n", a_html="<p>Hello {{ name }}.\n")

    assert message.body == f"Hello {NAME}."
    assert message.html == "<p>Hello Tom &amp; &lt;b&gt;Ann."
    assert (message.subject, message.recipients) == ("", [])
    assert message.sender == "shop@example.com"


def test_either_may_be_missing(render: Any) -> None:
    assert render(a_txt="text").html is None
    message = render("b", b_html="<p>HTML")
    assert (message.body, message.html) == (None, "<p>HTML")


def test_neither_is_an_error_that_says_where_it_was_looked_for(
    app: Flask, render: Any, tmp_path: Path
) -> None:
    blueprint = Blueprint("b", "b", root_path=str(tmp_path / "b"), template_folder="mail")
    app.register_blueprint(blueprint)

    with pytest.raises(TemplateNotFound) as caught:
        render("mail/a", mail__a_subject_txt="only a subject")

    assert isinstance(caught.value, MessageError)
    assert isinstance(caught.value, jinja2.TemplateNotFound)
    assert str(caught.value) == (
        "Template not found: 'mail/a.txt', 'mail/a.html' or 'mail/a.md' in"
        f" '{tmp_path / 'templates'}', '{tmp_path / 'b' / 'mail'}'."
    )


def test_an_app_may_have_no_folder() -> None:
    app = Flask("shop", template_folder=None)
    app.jinja_options = {"loader": jinja2.DictLoader({})}

    with app.app_context(), pytest.raises(TemplateNotFound, match="in any folder"):
        Message.from_template("a")


def test_a_template_that_misses_another_one_names_that(render: Any) -> None:
    with pytest.raises(jinja2.TemplateNotFound, match="layout") as caught:
        render(a_txt="{% extends 'layout.txt' %}")

    assert not isinstance(caught.value, MessageError)


def test_a_loader_that_misses_another_one_names_that(app: Flask) -> None:
    """A loader of the app's own may load one template for another."""

    class Loader(jinja2.BaseLoader):
        def get_source(self, environment: Any, template: str) -> Any:
            raise jinja2.TemplateNotFound("layout.txt")

    app.jinja_options = {"loader": Loader()}

    with app.app_context(), pytest.raises(jinja2.TemplateNotFound, match=r"layout\.txt"):
        Message.from_template("a")


@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.md"])
def test_a_name_with_its_suffix_is_an_error(render: Any, name: str) -> None:
    with pytest.raises(MessageError, match="Leave off the extension"):
        render(name, a_txt="text")


def test_blueprints_have_templates_too(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "a.txt").write_text("text")
    app.register_blueprint(Blueprint("b", "b", root_path=str(tmp_path), template_folder="mail"))

    with app.app_context():
        assert Message.from_template("a").body == "text"


# --- The subject ---------------------------------------------------------------------------------


def test_a_block_in_the_text_is_the_subject_and_no_text(render: Any) -> None:
    message = render(
        a_txt="{% block subject %}\n  Hello\n\t{{ name }} {% endblock %}\n \n\n  Text\n{# #}",
        a_html="{% block subject %}other{% endblock %}<p>",
    )

    assert message.subject == f"Hello {NAME}"
    assert message.body == "  Text\n"
    assert message.html == "<p>"


def test_it_may_stand_anywhere(render: Any) -> None:
    message = render(a_txt="One\n{% block subject %}Hello{% endblock %}two")

    assert (message.subject, message.body) == ("Hello", "One\ntwo")


def test_the_subject_of_html_alone_is_not_escaped(render: Any) -> None:
    message = render(
        a_html="<title>{{ name }}</title>{% block subject %}Hello {{ name }}{% endblock %}<p>"
    )

    assert message.subject == f"Hello {NAME}"
    assert message.html == "<title>Tom &amp; &lt;b&gt;Ann</title><p>"


def test_a_template_of_its_own_wins(render: Any) -> None:
    message = render(
        a_subject_txt="Hello\n {{ name }}\n", a_txt="{% block subject %}other{% endblock %}text"
    )

    assert (message.subject, message.body) == (f"Hello {NAME}", "text")


def test_blocks_are_inherited_and_extended(render: Any) -> None:
    message = render(
        layout_txt="{% block subject %}Shop{% endblock %}{% block main %}{% endblock %} Bye.",
        middle_txt="{% extends 'layout.txt' %}{% block subject %}{{ super() }}: {% endblock %}",
        a_txt="{% extends 'middle.txt' %}{% set title = 'Hello' %}"
        "{% block subject %}{{ super() }}{{ title }}{% endblock %}"
        "{% block main %}Hi.{% endblock %}",
    )

    assert (message.subject, message.body) == ("Shop: Hello", "Hi. Bye.")


def test_a_layout_s_own_subject_counts(render: Any) -> None:
    message = render(
        layout_html="{% block subject %}A & {{ name }}{% endblock %}<p>{% block b %}{% endblock %}",
        a_html="{% extends 'layout.html' %}{% block b %}B{% endblock %}",
    )

    assert (message.subject, message.html) == (f"A & {NAME}", "<p>B")


def test_a_layout_may_require_a_subject(render: Any) -> None:
    layout = "{% block subject required %}{% endblock %}{% block main %}{% endblock %}"
    child = "{% extends 'layout.txt' %}{% block main %}Hi.{% endblock %}"

    with pytest.raises(jinja2.TemplateRuntimeError, match="'subject'"):
        render(layout_txt=layout, a_txt=child)

    message = render("b", b_txt=child + "{% block subject %}Hello{% endblock %}")
    assert (message.subject, message.body) == ("Hello", "Hi.")


def test_it_may_stand_in_another_block(render: Any) -> None:
    message = render(
        a_html="{% block head scoped %}<title>A</title>"
        "{% block subject %}A & B{% endblock %}{% endblock %}<p>"
    )

    assert (message.subject, message.html) == ("A & B", "<title>A</title><p>")


def test_a_line_break_in_a_name_adds_no_header(app: Flask, render: Any) -> None:
    render(a_txt="{% block subject %}Hello {{ name }}{% endblock %}")

    with app.app_context():
        message = Message.from_template("a", ["a@example.com"], name="A\r\nBcc: b@example.com")

    assert message.subject == "Hello A Bcc: b@example.com"


def test_spaces_that_are_meant_stay_in_the_subject(render: Any) -> None:
    """Examples are the ideographic space, and the no-break space of French."""
    message = render(a_txt="{% block subject %}\n\tBon\u00a0!\u3000Oui \n{% endblock %}")

    assert message.subject == "Bon\u00a0!\u3000Oui"


@pytest.mark.parametrize("control", ["\x0b", "\x0c", "\x1c", "\x1f"])
def test_other_controls_in_the_subject_are_left_for_sending_to_refuse(
    render: Any, control: str
) -> None:
    message = render(a_txt="{% block subject %}A" + control + "B{% endblock %}")

    assert message.subject == f"A{control}B"
    assert message.has_bad_headers()


# --- As the app renders --------------------------------------------------------------------------


def test_text_is_never_escaped_whatever_the_app_says(app: Flask, render: Any) -> None:
    app.jinja_env.autoescape = True

    message = render(a_txt="{{ name }}", a_html="{{ name }}")

    assert (message.body, message.html) == (NAME, "Tom &amp; &lt;b&gt;Ann")


def test_filters_globals_and_context_processors_apply(app: Flask, render: Any) -> None:
    app.jinja_env.filters["shout"] = str.upper
    app.jinja_env.globals["site"] = "Shop"

    @app.context_processor
    def add() -> dict[str, str]:
        return {"added": "yes", "name": "not this one"}

    with app.app_context():
        g.color = "teal"
        source = "{{ site|shout }} {{ added }} {{ name }} {{ config.TESTING }}"
        assert render(a_txt=source).body == f"SHOP yes {NAME} False"


def test_what_is_undefined_is_as_the_app_has_it(app: Flask, render: Any) -> None:
    assert render(a_txt="a{{ missing }}").body == "a"

    app.jinja_env.undefined = jinja2.StrictUndefined
    with pytest.raises(jinja2.UndefinedError, match="missing"):
        render("b", b_html="a{{ missing }}")


def test_text_follows_an_environment_that_changes_later(app: Flask, render: Any) -> None:
    source = "a{{ missing }}"
    assert render(a_txt=source).body == "a"

    app.jinja_env.undefined = jinja2.StrictUndefined
    with pytest.raises(jinja2.UndefinedError, match="missing"):
        render()

    app.jinja_env.add_extension("jinja2.ext.do")
    assert render("b", b_txt="b{% do [].append(1) %}").body == "b"

    app.jinja_env.loader = jinja2.DictLoader({"a.txt": "another"})
    assert render().body == "another"


def test_text_is_compiled_once(app: Flask, render: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    compile_ = jinja2.Environment.compile

    def counted(self: jinja2.Environment, source: Any, name: Any, *rest: Any, **more: Any) -> Any:
        compiled.append(name)
        return compile_(self, source, name, *rest, **more)

    monkeypatch.setattr(jinja2.Environment, "compile", counted)
    render(a_txt="text")
    render()

    assert compiled == ["a.txt"]


def test_text_is_compiled_once_again_after_the_environment_has_changed(
    app: Flask, render: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    render(a_txt="text")
    app.jinja_env.undefined = jinja2.StrictUndefined
    made: list[Any] = []
    overlay = jinja2.Environment.overlay

    def counted(self: jinja2.Environment, **options: Any) -> jinja2.Environment:
        made.append(options)
        return overlay(self, **options)

    monkeypatch.setattr(jinja2.Environment, "overlay", counted)
    for _ in range(3):
        render()

    assert [each["autoescape"] for each in made] == [False, True]  # text and Markdown


def test_threads_may_render_the_first_message_at_the_same_time(app: Flask, render: Any) -> None:
    """Each has its own, whoever prepares the templates first."""
    render(a_txt="text")
    with ThreadPoolExecutor(4) as pool:
        for _ in range(200):
            vars(app.jinja_env).pop("flask_mail_overlay_plain")
            bodies = pool.map(lambda _: render().body, range(4))
            assert list(bodies) == ["text"] * 4


def test_an_asynchronous_environment_renders_too(app: Flask, render: Any) -> None:
    app.jinja_options = {"enable_async": True}

    async def greeting() -> str:
        return "Hello & welcome"

    app.jinja_env.globals["greeting"] = greeting
    message = render(
        a_txt="{% block subject %}{{ greeting() }}{% endblock %}{{ greeting() }}!",
        a_html="<p>{{ greeting() }}</p>",
        b_html="{% block subject %}{{ greeting() }}{% endblock %}<p>",
    )

    assert (message.subject, message.body) == ("Hello & welcome", "Hello & welcome!")
    assert message.html == "<p>Hello &amp; welcome</p>"
    assert render("b").subject == "Hello & welcome"


@pytest.mark.parametrize(("name", "count"), [("Tom", 2), ("Tom & Ann", 4)])
def test_html_is_rendered_again_only_for_an_escaped_subject(
    app: Flask, render: Any, name: str, count: int
) -> None:
    calls: list[int] = []
    app.jinja_env.globals["called"] = lambda: calls.append(1) or name
    message = render(a_html="{% block subject %}{{ called() }}{% endblock %}{{ called() }}")

    assert message.subject == name
    assert len(calls) == count


def test_an_error_shows_the_line_of_the_template(render: Any, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        render(a_txt="one\n{{ 1 / 0 }}")

    last = caught.traceback[-1]
    assert (last.path, last.lineno) == (tmp_path / "templates" / "a.txt", 1)


def test_flask_s_signals_tell_of_each_template(app: Flask, render: Any) -> None:
    told: list[tuple[str, str, Any]] = []

    def before(sender: Flask, template: Any, context: Any) -> None:
        context["name"] = "changed"
        told.append(("before", template.name, sender))

    def after(sender: Flask, template: Any, context: Any) -> None:
        told.append(("after", template.name, sender))

    with (
        before_render_template.connected_to(before, app),
        template_rendered.connected_to(after, app),
    ):
        message = render(a_txt="{{ name }}", a_html="{{ name }}")

    assert (message.body, message.html) == ("changed", "changed")
    assert [each[:2] for each in told] == [
        (when, name) for name in ("a.txt", "a.html") for when in ("before", "after")
    ]


def test_html_with_a_subject_is_one_template_to_the_app(app: Flask, render: Any) -> None:
    """Signals tell of it once, and context processors run once, though it is rendered twice."""
    told: list[str] = []

    @app.context_processor
    def add() -> dict[str, str]:
        told.append("processor")
        return {}

    def before(sender: Flask, template: Any, context: Any) -> None:
        context["name"] = "A & B"
        told.append(f"before {template.name}")

    def after(sender: Flask, template: Any, context: Any) -> None:
        told.append(f"after {template.name}")

    with (
        before_render_template.connected_to(before, app),
        template_rendered.connected_to(after, app),
    ):
        message = render(a_html="{% block subject %}{{ name }}{% endblock %}{{ name }}")

    assert (message.subject, message.html) == ("A & B", "A &amp; B")
    assert told == ["processor", "before a.html", "after a.html"]


# --- Where it is called --------------------------------------------------------------------------


@pytest.fixture
def outside(app: Flask, tmp_path: Path) -> Mail:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.txt").write_text("Hello {{ name }} of {{ site }}")
    app.jinja_env.globals["site"] = "the shop"
    return Mail(app)


def test_mail_renders_where_no_app_is_current(outside: Mail) -> None:
    message = outside.render("a", ["a@example.com"], name="Ann")

    assert (message.body, message.recipients) == ("Hello Ann of the shop", ["a@example.com"])
    assert message.sender == "shop@example.com"


def test_mail_renders_as_its_own_app_within_another(outside: Mail, app: Flask) -> None:
    with Flask("other").app_context():
        assert outside.render("a", name="Ann").body == "Hello Ann of the shop"
    with app.app_context():
        assert outside.render("a", name="Ann").body == "Hello Ann of the shop"


def test_mail_without_an_app_renders_as_the_current_one(outside: Mail, app: Flask) -> None:
    with app.app_context():
        assert Mail().render("a", name="Ann").body == "Hello Ann of the shop"


def test_without_any_app_it_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"No app context: use mail\.render\(\)"):
        Message.from_template("a")


def test_any_other_name_may_be_a_variable(outside: Mail) -> None:
    assert outside.render("a", name="Ann", self="me", cls=1).body == "Hello Ann of the shop"


def test_every_parameter_of_a_message_is_a_field(outside: Mail) -> None:
    attachment = Attachment("a.txt", data="1")
    message = outside.render(
        "a",
        recipients=["a@example.com"],
        subject="Hi",
        html="<p>Hi",
        sender="s@example.com",
        cc=["c@example.com"],
        bcc=["b@example.com"],
        reply_to="r@example.com",
        attachments=[attachment],
        extra_headers={"X-A": "1"},
        priority="high",
        tags=["welcome"],
        name="Ann",
    )

    assert (message.subject, message.body, message.html) == (
        *("Hi", "Hello Ann of the shop", "<p>Hi"),
    )
    assert (message.recipients, message.cc, message.bcc) == (
        *(["a@example.com"], ["c@example.com"], ["b@example.com"]),
    )
    assert (message.sender, message.reply_to) == ("s@example.com", "r@example.com")
    assert (message.attachments, message.tags) == ([attachment], ["welcome"])
    assert (message.priority, message.extra_headers["X-A"]) == ("high", "1")  # type: ignore[index]


def test_variables_may_have_the_names_of_fields(outside: Mail, tmp_path: Path) -> None:
    (tmp_path / "templates" / "b.txt").write_text("{{ subject }} {{ sender }} {{ variables }}")
    variables = {"subject": "S", "sender": "T", "variables": "V"}
    message = outside.render("b", subject="Hi", variables=variables)

    assert (message.subject, message.body) == ("Hi", "S T V")
    assert message.sender == "shop@example.com"


def test_a_field_that_is_none_is_as_if_left_out(outside: Mail) -> None:
    message = outside.render("a", None, subject=None, body=None, cc=None, recipients=None)

    assert (message.subject, message.body, message.cc) == ("", "Hello  of the shop", [])


def test_a_body_that_a_template_writes_is_given_once(outside: Mail) -> None:
    with pytest.raises(MessageError, match=r"'a.txt' writes the body.*variables=\{'body': ...\}"):
        outside.render("a", body="other")


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("to", "ann@example.com", "recipients"),
        ("to", ["ann@example.com"], "recipients"),
        ("to", [("Ann", "ann@example.com")], "recipients"),
        ("recipient_list", {"ann@example.com"}, "recipients"),
        ("from_email", "shop@example.org", "sender"),
        ("from_", ("Shop", "shop@example.org"), "sender"),
    ],
)
def test_names_of_other_libraries_are_refused(
    outside: Mail, name: str, value: object, field: str
) -> None:
    """Mail would go to nobody, or come from the default sender, without a word."""
    expected = rf"^{name} is not a field.*: use {field}=.*variables=\{{'{name}': \.\.\.\}}"
    with pytest.raises(MessageError, match=expected):
        outside.render("a", **{name: value})


@pytest.mark.parametrize("value", ["Ann", 3, {"name": "ann@example.com"}, ["Ann", 3], None])
def test_names_of_other_libraries_can_be_variables(outside: Mail, value: object) -> None:
    assert outside.render("a", to=value, from_email=value).recipients == []


def test_addresses_can_be_variables_beside_the_field(outside: Mail) -> None:
    message = outside.render("a", ["b@example.com"], to="x@example.com", name="Ann")
    assert message.recipients == ["b@example.com"]
    message = outside.render("a", variables={"to": "x@example.com"})
    assert message.recipients == []


def test_recipients_are_given_once(outside: Mail) -> None:
    with pytest.raises(TypeError, match="multiple values for argument 'recipients'"):
        outside.render("a", ["a@example.com"], recipients=["b@example.com"])


def test_a_subclass_renders_itself(outside: Mail, app: Flask) -> None:
    class Welcome(Message):
        pass

    with app.app_context():
        assert isinstance(Welcome.from_template("a"), Welcome)


def test_images_are_embedded_by_the_names_of_variables(
    app: Flask, render: Any, tmp_path: Path
) -> None:
    mail = app.extensions["mail"]
    (tmp_path / "logo.png").write_bytes(b"a logo")
    render(a_html='<img src="{{ logo }}"><img src="{{ body }}">')
    images = {"logo": str(tmp_path / "logo.png"), "body": b"a photo"}
    message = mail.render("a", ["ann@example.com"], embed=images)
    for attachment, data in zip(message.attachments, (b"a logo", b"a photo"), strict=True):
        assert bytes(attachment.data) == data
        assert f'src="cid:{attachment.content_id}"' in message.html
    assert mail.render("a", embed=images, variables={"logo": "own"}).html.startswith(
        '<img src="own'
    )
