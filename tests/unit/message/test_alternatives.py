"""Alternatives stand in the order that mail programs expect (RFC 2046 section 5.1.4)."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from reading import compose, parsed

from flask_mail import Message
from flask_mail.message.alternatives import Alternatives

ICS = "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"


def kinds(message: Message) -> list[str]:
    parts = parsed(message.as_bytes()).walk()
    return [each.get_content_type() for each in parts if not each.is_multipart()]


def test_html_comes_before_a_calendar_given_in_alts() -> None:
    message = compose(body="Hi", html="<p>Hi", alts={"calendar; method=REQUEST": ICS})

    assert kinds(message) == ["text/plain", "text/html", "text/calendar"]


def test_html_set_after_a_calendar_comes_before_it() -> None:
    message = compose(body="Hi")
    message.alts["calendar"] = ICS
    message.html = "<p>Hi"

    assert kinds(message) == ["text/plain", "text/html", "text/calendar"]


def test_known_alternatives_are_ordered_whenever_they_are_added() -> None:
    alternatives = Alternatives()
    for subtype in ("x-other", "calendar", "html", "Watch-HTML", "x-amp-html", "x-last"):
        alternatives[subtype] = subtype

    assert list(alternatives) == [
        *("x-other", "Watch-HTML", "x-amp-html", "html", "calendar", "x-last"),
    ]


def test_an_alternative_that_is_replaced_stays_in_its_place() -> None:
    message = compose(html="<p>Hi", alts={"calendar": ICS, "html": "<p>Old"})
    message.alts["calendar"] = "other"

    assert message.alts == {"calendar": "other", "html": "<p>Hi"}
    assert kinds(message)[1:] == ["text/calendar", "text/html"]


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))]
)
def test_the_order_of_one_mapping_is_kept(again: Any) -> None:
    message = compose(body="Hi", alts={"calendar": ICS, "html": "<p>Hi"})

    assert kinds(again(message)) == ["text/plain", "text/calendar", "text/html"]
    assert list(again(message.alts)) == ["calendar", "html"]
    assert kinds(Message.from_dict(message.to_dict()))[1:] == ["text/calendar", "text/html"]
    assert kinds(Message.from_bytes(message.as_bytes()))[1:] == ["text/calendar", "text/html"]


def test_a_whole_content_type_of_html_is_html_in_any_case() -> None:
    message = compose(alts={"TEXT/HTML": "<p>Hi", "text/Calendar; method=REQUEST": ICS})

    assert message.html == "<p>Hi"
    assert list(message.alts) == ["html", "calendar; method=REQUEST"]
