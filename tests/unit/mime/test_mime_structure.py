"""mixed(related(alternative(text, HTML), inline parts), attachments), each where it is needed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from reading import compose, parsed

from flask_mail import Message

PNG = b"\x89PNG\r\n\x1a\n"


def tree(part: Any) -> Any:
    """Return the types of a message, nested as its parts are."""
    kind = part.get_content_type().replace("multipart/", "").replace("text/", "")
    return [kind, *map(tree, part.iter_parts())] if part.is_multipart() else kind


def structure(message: Message) -> Any:
    return tree(parsed(message.as_bytes()))


def test_what_the_html_shows_is_beside_it() -> None:
    message = compose(body="text")
    content_id = message.embed(PNG, "logo.png")
    message.html = f'<img src="cid:{content_id}">'
    message.attach("terms.pdf", data=b"")

    assert structure(message) == [
        "mixed",
        ["related", ["alternative", "plain", "html"], "image/png"],
        "application/pdf",
    ]


def test_without_attachments_related_is_the_outermost() -> None:
    message = compose(body="text", html="<p>")
    message.embed(PNG)

    assert structure(message) == ["related", ["alternative", "plain", "html"], "image/png"]


def test_related_tells_what_its_first_part_is() -> None:
    """RFC 2387 section 3.1 requires it."""
    message = compose(body="text", html="<p>")
    message.embed(PNG)

    assert parsed(message.as_bytes())["Content-Type"].params["type"] == "multipart/alternative"


@pytest.mark.parametrize(
    ("fields", "html", "is_beside"),
    [
        ({"disposition": "inline", "content_id": "logo"}, "<p>", True),
        ({"disposition": "inline", "headers": {"Content-ID": "<logo>"}}, "<p>", True),
        ({"disposition": "inline", "headers": [("content-id", "logo")]}, "<p>", True),
        ({"headers": {"Content-ID": "<logo>"}}, '<img src="cid:logo">', True),
        ({"headers": {"Content-ID": "<logo>"}}, '<img src="cid:logo10">', False),
        ({"headers": {"Content-ID": "<a+b@c>"}}, "<img src=CID:a%2Bb@c>", True),
        ({"headers": {"Content-ID": "<a%2Bb>"}}, "<img src=cid:a%2Bb>", True),
        ({"headers": {"Content-ID": "<a&b>"}}, '<img src="cid:a&amp;b">', True),
        (
            {"headers": {"Content-ID": "<a>"}},
            '<p style="a: url(&quot;cid:a&quot;)">',
            True,
        ),
        ({"headers": {"Content-ID": "<logo>"}}, "<p>", False),
        ({"disposition": "inline"}, "<p>", False),
        ({"disposition": "inline", "content_id": "logo"}, None, False),
        ({}, "<p>", False),
    ],
)
def test_a_part_is_shown_if_it_is_inline_or_referred_to(
    fields: dict[str, Any], html: str | None, is_beside: bool
) -> None:
    """0.10 had `headers` for it. What nobody refers to would be hidden by some readers."""
    message = compose(body="text", html=html)
    message.attach("logo.png", "image/png", PNG, **fields)

    assert structure(message)[0] == ("related" if is_beside else "mixed")


def test_only_attachments_are_beside_an_empty_text() -> None:
    message = compose(body=None)
    message.attach("a.bin", data=b"")
    message.attach("b.bin", data=b"")

    assert structure(message) == ["mixed", "plain", *["application/octet-stream"] * 2]


def test_twenty_alternatives_are_in_order() -> None:
    alts = {f"x-{number}": str(number) for number in range(20)}

    assert structure(compose(body="text", alts=alts)) == ["alternative", "plain", *alts]


def test_invitations_and_amp_are_alternatives() -> None:
    message = compose(body="text")
    message.alts["x-amp-html"] = "<html amp4email>"
    message.html = "<p>"
    message.alts["calendar; method=REQUEST"] = "BEGIN:VCALENDAR"

    assert structure(message) == ["alternative", "plain", "x-amp-html", "html", "calendar"]
    calendar = list(parsed(message.as_bytes()).iter_parts())[-1]
    assert calendar["Content-Type"].params["method"] == "REQUEST"


# --- HTML without a text --------------------------------------------------------------------------


def text_beside(**fields: Any) -> str:
    plain, *_ = parsed(compose(**fields).as_bytes()).iter_parts()
    assert plain.get_content_type() == "text/plain"
    return str(plain.get_content()).strip().replace("\r\n", "\n")


@pytest.mark.parametrize("body", [None, ""])
def test_html_without_a_text_gets_one(body: str | None) -> None:
    html = "<h1>Hello</h1><p>Tea &amp; cake"

    assert text_beside(body=body, html=html) == "Hello\n\nTea & cake"


def test_html_with_parameters_is_html() -> None:
    assert text_beside(body=None, alts={"x-amp-html": "no", "HTML; a=b": "<p>yes"}) == "yes"


def test_a_text_stays_as_it_is() -> None:
    assert text_beside(body=" ", html="<p>Hello") == ""
    assert text_beside(body="Hi", html="<p>Hello") == "Hi"


def test_other_alternatives_give_no_text() -> None:
    assert text_beside(body=None, alts={"calendar": "BEGIN:VCALENDAR"}) == ""


def test_the_message_itself_is_left_alone() -> None:
    message = compose(body=None, html="<p>Hello")
    message.as_bytes()

    assert message.body is None


def test_the_html_may_be_anything() -> None:
    assert text_beside(body=None, alts={"html": 12}) == "12"


# --- The same each time --------------------------------------------------------------------------


def seeded(seed: object = 1, **fields: Any) -> Message:
    message = compose(date=None, seed=seed, html="<p>", **fields)
    message.embed(PNG)
    message.attach("a.bin", data=b"\0")
    return message


def test_a_seed_gives_the_same_bytes_each_time() -> None:
    assert seeded().as_bytes() == seeded().as_bytes()
    assert seeded(1).as_bytes() != seeded(2).as_bytes()


def test_the_date_of_a_seeded_message_does_not_depend_on_the_time_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n" in seeded().as_string()


def test_a_seed_leaves_a_date_that_is_given() -> None:
    assert compose(seed=1, date=0).date == 0


def test_without_a_seed_each_message_is_different() -> None:
    assert re.sub(rb"(?m)^Date:.*", b"", seeded(None).as_bytes()) != re.sub(
        rb"(?m)^Date:.*", b"", seeded(None).as_bytes()
    )
