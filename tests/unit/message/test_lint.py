"""Findings about a message before it is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import messages
from reading import PATIENT, compose

from flask_mail import Message
from flask_mail.message.lint import CLIPPED, lint

PAGE = Path(__file__).parents[3] / "docs" / "lint.md"

GOOD = {"subject": "Your order", "body": "It is on its way.", "html": "<p>It is on its way."}


def codes(**fields: Any) -> list[str]:
    return [each.code for each in lint(compose(**{**GOOD, **fields}))]


def test_there_is_nothing_to_say_of_a_good_message() -> None:
    message = compose(
        subject="Your order",
        html='<style>@media print {a {color: red}}</style><p>Hello Ann,<img src="cid:logo" alt="">'
        '<a href="https://example.com/x">See</a> <a href="mailto:a@b.c">write</a>'
        '<a href="#top">top</a><a href="tel:1">call</a><img src="data:image/png,x" alt="a">',
        body="Hello Ann,\n\nNone of it is broken. None whatsoever. See https://example.com/x.",
    )
    message.attach("logo.png", data=b"1", content_id="logo")
    message.list_unsubscribe(url="https://example.com/leave", one_click=True)

    assert lint(message) == []


@pytest.mark.parametrize("subject", ["", " ", None])
def test_a_subject_is_missing(subject: Any) -> None:
    assert codes(subject=subject) == ["no-subject"]


def test_a_message_without_anything_is_empty() -> None:
    assert codes(body=None, html=None) == codes(body=" ", html="") == ["empty"]


def test_an_attachment_alone_is_not_empty() -> None:
    message = compose(subject="Invoice", body=None)
    message.attach("a.pdf", data=b"%PDF-")

    assert lint(message) == []


@pytest.mark.parametrize(
    ("body", "html"), [(" ", "<p>Hello"), (None, "<img src='https://a.b/c.png' alt=''>")]
)
def test_html_needs_a_text(body: str | None, html: str) -> None:
    assert codes(body=body, html=html) == ["no-text"]


def test_a_text_that_is_made_from_the_html_is_one() -> None:
    assert codes(body=None) == []


@pytest.mark.parametrize(
    "text",
    [
        *("Dear {{ name }},", "{% if x %}", "a }} b", "Hello None!", "Hello,\nNone, hi", "None"),
        *("Dear None of it", "It is None. None"),
    ],
)
def test_a_variable_that_was_not_filled_in_is_found_everywhere(text: str) -> None:
    assert set(codes(subject=text.replace("\n", " "))) == {"placeholder"}
    assert set(codes(body=text)) == {"placeholder"}
    html = text.replace("\n", "<p>  ")
    assert set(codes(html=f"<p>{html}</p>")) == {"placeholder"}


@pytest.mark.parametrize(
    "html",
    [
        "Hello <b>None</b>",
        '<a href="{{ url }}">x</a>',
        '<a href="https://a.b/None">x</a>',
        '<img alt="{{ alt }}" src="https://a.b">',
        "No<b>ne</b>: N<i>one</i>",
        "&#78;one, dear",
    ],
)
def test_markup_hides_none(html: str) -> None:
    assert set(codes(html=html)) == {"placeholder"}


@pytest.mark.parametrize(
    "text",
    [
        "None of these",
        "It works. None of it fails!",
        "Line\nNone was lost",
        "NoneType, Nonetheless, none",
        "{ a } } {",
    ],
)
def test_what_is_english_or_code_is_no_variable(text: str) -> None:
    assert codes(body=text, html=text.replace("\n", "<p>\n   ")) == []


@pytest.mark.parametrize("url", ["/account", "account", "//example.com/a", "", "?a=1", " a"])
@pytest.mark.parametrize("markup", ['<a href="{}">x</a>', '<img alt="" src="{}">'])
def test_a_link_needs_a_host(url: str, markup: str) -> None:
    assert codes(html=f"<p>Hello{markup.format(url)}") == ["relative-link"]


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:5000", "app.localhost", "printer.local", "127.0.0.1:80"),
        *("127.1.2.3", "[::1]:5000", "0.0.0.0", "user@localhost."),
    ],
)
def test_a_link_to_the_reader_s_own_machine_is_found(host: str) -> None:
    url = f"http://{host}/a"

    assert codes(html=f'<a href="{url}">x</a>') == ["local-link"]
    if "[" not in host:
        assert codes(body=f"See {url}.") == ["local-link"]


@pytest.mark.parametrize(
    "url", ["https://local.example.com", "http://10.0.0.1", "http://[::1", "http://localhost.a.b"]
)
def test_other_hosts_are_none_of_our_business(url: str) -> None:
    assert codes(html=f'<a href="{url}">x</a>') == []


@pytest.mark.parametrize("image", ["<img>", '<img src="https://a.b/c.png">', "<IMG SRC=data:a>"])
def test_an_image_says_what_it_shows(image: str) -> None:
    assert codes(html=f"<p>Hello{image}") == ["image-without-alt"]


def test_a_page_in_another_case_of_letters_is_html_too() -> None:
    assert codes(html=None, alts={"HTML": "<p>{{ a }}</p>", "amp": "<p>{{ b }}"}) == ["placeholder"]


def test_html_that_gmail_clips_is_found() -> None:
    assert codes(html="é" * (CLIPPED // 2)) == []
    assert codes(html="é" * (CLIPPED // 2) + "a") == ["html-clipped"]


@pytest.mark.parametrize(
    "headers",
    [
        {"List-Id": "<news.example.com>"},
        {"Precedence": "bulk"},
        {"precedence": " List "},
        {"List-Unsubscribe": "<https://a.b>"},
        {
            "List-Unsubscribe": "<http://a.b>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    ],
)
def test_bulk_mail_needs_one_click(headers: Any) -> None:
    assert codes(extra_headers=headers) == ["no-one-click"]


def test_other_headers_make_no_bulk() -> None:
    assert codes(extra_headers={"Precedence": "first-class", "X-List": "a"}) == []


@pytest.mark.parametrize("field", ["recipients", "cc", "bcc", "sender", "reply_to"])
def test_an_address_that_few_servers_take_is_named(field: str) -> None:
    address: Any = "jörg@example.com"
    (advice,) = lint(
        compose(**{**GOOD, field: address if field in ("sender", "reply_to") else [address]})
    )

    assert (advice.code, advice.part) == ("needs-smtputf8", "recipients")
    assert "'jörg@example.com'" in advice.text
    assert codes(recipients=["ann@bücher.example"]) == []


def test_of_many_the_first_few_are_told() -> None:
    found = lint(compose(**{**GOOD, "body": "\n".join(f"{{{{ name{n} }}" for n in range(8))}))

    assert [each.code for each in found] == ["placeholder"] * 6
    assert found[-1].text == "... and 3 more of these."
    assert found[-1].part == "text"
    assert str(found[0]) == f"placeholder (text): {found[0].text}"


def test_of_very_many_the_number_is_not_told() -> None:
    html = "".join(f'<a href="/{number}">x</a>' for number in range(150))
    found = lint(compose(**{**GOOD, "html": f"{html}<a href='/0'>x</a>"}))

    assert [each.code for each in found] == ["relative-link"] * 6
    assert found[-1].text == "... and many more of these."


def test_mistakes_of_text_and_html_are_counted_once() -> None:
    leftovers = [f"{{{{ name{n} }}}}" for n in range(8)]
    fields = {"body": "\n".join(leftovers), "html": "<br>".join(leftovers)}
    found = lint(compose(**{**GOOD, **fields}))

    assert [each.part for each in found] == ["text, html"] * 6
    assert found[-1].text == "... and 3 more of these."


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Hello {{ name }},", "<h1>Dear <b>{{name}}</b></h1><p>Bye, {{ name }}</p>"),
        ("Confirm: https://shop.org/{{ token }}", '<a href="https://shop.org/{{ token }}">x</a>'),
        ("See https://shop.org/None.", '<a href="https://shop.org/None">See</a>'),
        ("Hello None, hi", "<title>Hi</title><p>Hello  <i>None</i></p><p>Hello None</p>"),
        ("Hello ,", "<div>Hello ,<br>your order</div>"),
        ("Hello {{ name", "<p>Hello {{ name</p><p>Bye {{ name</p>"),
        ("Hello name }} and", "<p>Hello name }}</p>"),
    ],
)
def test_one_variable_is_one_finding_with_its_parts(text: str, html: str) -> None:
    [finding] = lint(compose(**{**GOOD, "body": text, "html": html}))

    assert (finding.code, finding.part) == ("placeholder", "text, html")


def test_a_local_host_in_all_parts_is_one_finding() -> None:
    url = "http://localhost:5000/leave"
    message = compose(**{**GOOD, "body": url, "html": f'<a href="{url}">x</a>'})
    message.list_unsubscribe(url, one_click=True)
    [finding] = lint(message)

    assert (finding.code, finding.part) == ("local-link", "text, html, headers")


def test_what_is_the_same_is_told_once() -> None:
    assert codes(html='<a href="/a">x</a>' * 3) == ["relative-link"]


@PATIENT
@given(messages())
def test_any_message_can_be_looked_at(message: Message) -> None:
    assert all(each.code and each.part and each.text for each in lint(message))


ANYTHING = st.none() | st.integers() | st.text() | st.binary() | st.lists(st.text(), max_size=2)


@PATIENT
@given(st.data())
def test_whatever_the_fields_hold_nothing_is_raised(data: st.DataObject) -> None:
    message = Message()
    for field in ("subject", "body", "sender", "reply_to", "extra_headers", "recipients", "alts"):
        setattr(message, field, data.draw(ANYTHING))

    assert isinstance(lint(message), list)


@pytest.mark.parametrize(
    "html",
    [
        *("<a href=x ", "<img", "<img src=a>", "{{", "None ", "<!--", "&#1", "<b"),
        *("http://localhost ", " ", "\n", " \t", "<p>", "&nbsp;", "\xa0"),
    ],
)
@pytest.mark.parametrize("size", [200_000, pytest.param(2_000_000, marks=pytest.mark.exhaustive)])
def test_hostile_html_takes_no_long(size: int, html: str) -> None:
    """The larger would take minutes if the time grew with its square."""
    hostile = html * (size // len(html))

    assert len(lint(compose(subject="a", body=hostile, html=hostile))) < 40
    assert len(lint(compose(subject="a", body="b", html=f"<p>a{hostile}b"))) < 40


def test_the_page_lists_each_code() -> None:
    folder = Path(lint.__code__.co_filename).parent
    source = "".join(each.read_text(encoding="utf-8") for each in folder.glob("lint*.py"))
    made = set(re.findall(r'Mistake\(\s*"([a-z0-9-]+)"', source))
    listed = set(re.findall(r"^\| `([a-z0-9-]+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE))

    assert made == listed


# --- One finding for one mistake -----------------------------------------------------------------


def test_a_placeholder_is_one_mistake() -> None:
    assert codes(body="Hello {{ name }}, {% if x %}", html="<p>Hi") == ["placeholder"] * 2
    assert codes(subject="{{ a }}", body="{{ a }}", html="<p>{{ a }}") == ["placeholder"]
    assert codes(body="Hello {{ name") == ["placeholder"]


def test_links_to_one_local_host_are_one_mistake() -> None:
    local = "http://localhost:5000/"

    assert codes(body=f"{local}a {local}b", html=f'<a href="{local}a">{local}a</a>') == [
        "local-link"
    ]
    assert codes(body=f"{local} http://localhost:8000/ http://127.0.0.1/") == ["local-link"] * 3


def test_what_the_host_of_the_inbox_serves_is_no_mistake() -> None:
    message = compose(**{**GOOD, "html": '<a href="http://localhost:5000/x">x</a>'})
    message.list_unsubscribe("http://localhost:5000/leave", one_click=True)

    assert lint(message, served="LOCALHOST:5000") == []
    found = lint(message, served="localhost:8000")
    assert [each.code for each in found] == ["local-link"]


def test_one_click_on_a_host_for_development_is_a_finding() -> None:
    message = compose(**GOOD)
    message.list_unsubscribe("http://shop.test/leave", one_click=True)
    [found] = lint(message)

    assert (found.code, found.part) == ("no-one-click", "headers")
    assert lint(message, served="shop.test") == []
    assert "'http://shop.test/leave' in List-Unsubscribe begins with http://" in found.text


def test_an_image_that_no_attachment_holds_is_missing() -> None:
    html = (
        '<img src="cid:logo" alt=""><p style="background: url(cid:a%40b)"><img src="CID:x" alt="">'
    )
    message = compose(**{**GOOD, "html": html})
    assert [each.code for each in lint(message)] == ["missing-image"] * 3

    for content_id in ("logo", "a@b", "x"):
        message.attach("a.png", data=b"1", content_id=content_id)
    assert lint(message) == []
    assert lint(Message.from_bytes(message.as_bytes())) == []


def test_a_content_id_of_several_attachments_is_found() -> None:
    message = Message("Hi", ["ann@example.com"], "Hello", html='<img src="cid:logo" alt="">')
    message.attach("a.txt", "text/plain", b"of no image")
    message.attach("b.txt", "text/plain", b"of no image")
    message.embed(b"one", "one.png", content_id="logo")
    assert lint(message) == []
    message.embed(b"two", "two.png", content_id="logo")
    [finding] = lint(message)
    assert (finding.code, finding.part) == ("duplicate-content-id", "message")
    assert finding.text.startswith("2 attachments have the Content-ID 'logo'")


def test_an_image_in_a_comment_is_missing_for_outlook_alone() -> None:
    html = '<p>Hi</p><!-- <img src="cid:a"> --><!--[if mso]><img src="cid:b"><![endif]--><p>'
    [found] = lint(compose(**{**GOOD, "html": html}))

    assert "'cid:b'" in found.text


def test_a_placeholder_in_text_and_html_is_one_mistake() -> None:
    html = "<h1>Your order</h1><p>Hello None, <a href='https://example.com/'>see</a></p>{{ total }}"
    message = Message.from_bytes(compose(**{**GOOD, "body": None, "html": html}).as_bytes())

    assert [each.part for each in lint(message)] == ["text, html"] * 2
    message.html += "<p>Dear None"
    assert [each.part for each in lint(message)] == ["text, html", "text, html", "html"]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("Hello ,\nyour order", "'Hello , your order'"),
        ("Hi\nDear Mr ,", "'Hi Dear Mr ,'"),
        ("Good morning , Ann", "'Good morning , Ann'"),
    ],
)
def test_a_greeting_without_a_name_is_an_empty_variable(body, shown):
    [found] = lint(Message("Hi", ["ann@example.com"], body))
    assert found.code == "placeholder"
    assert found.text == f"{shown} looks like an empty variable before the comma."


def test_an_empty_variable_in_html_is_found_between_tags():
    html = "<p>Hello <b></b>,</p><p>Your order is on its way.</p>"
    [found] = lint(Message("Hi", ["ann@example.com"], "Hi", html))
    assert (found.code, found.part) == ("placeholder", "html")


@pytest.mark.parametrize("body", ["Hello,", "Ann, hi", "1 , 2", "a b c d ,", "x ,y", "Salut !"])
def test_other_commas_are_not_taken_for_empty_variables(body):
    assert lint(Message("Hi", ["ann@example.com"], body)) == []


@pytest.mark.parametrize("served", ["127.0.0.1:5000", "localhost:5000", "[::1]:5000"])
def test_all_names_of_the_server_of_the_inbox_are_its_own(served):
    message = Message("Hi", ["ann@example.com"], "http://localhost:5000/ http://127.0.0.1:5000/x")
    assert lint(message, served=served) == []
    assert [each.code for each in lint(message, served="shop.example.com")] == ["local-link"] * 2
    assert lint(Message("Hi", ["a@b.example"], "http://localhost/"), served="127.0.0.1") == []
