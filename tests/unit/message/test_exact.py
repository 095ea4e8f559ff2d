"""Messages that are certain to be the same after they were serialized and read."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from messages import messages

from flask_mail import Message, MessageError, Outgoing
from flask_mail.message.exact import is_exact


def message(**fields):
    given = {"recipients": ["ann@example.com"], "body": "Hello.", "sender": "shop@example.com"}
    return Message("Hello", **{**given, **fields})


class OwnMessage(Message):
    pass


EXACT = {
    "text": message(),
    "HTML": message(html="<p>Hello</p>", cc=["bob@example.com"]),
    "numbers": message(metadata={"order": 1}, date=1e9),
    "headers": message(extra_headers={"X-Shop": "1"}, tags=["order"]),
    "options": message(options={"queue": {"delay": 5}}),
}
OTHERS = {
    "subclass": OwnMessage("Hello", ["ann@example.com"], sender="shop@example.com"),
    "pair": message(recipients=[("Ann", "ann@example.com")]),
    "list": message(reply_to=["ann@example.com"]),
    "header of bytes": message(extra_headers={"X-Shop": b"1"}),
    "date": message(date=datetime(2026, 1, 1, tzinfo=timezone.utc)),
}


@pytest.mark.parametrize("name", EXACT)
def test_messages_of_plain_values_are_exact(name):
    assert is_exact(EXACT[name])


@pytest.mark.parametrize("name", OTHERS)
def test_messages_of_other_values_are_not(name):
    assert not is_exact(OTHERS[name])


def test_a_message_with_an_attachment_is_not():
    found = message()
    found.attach("a.txt", "text/plain", "data")
    assert not is_exact(found)


def test_a_dict_of_another_attribute_is_not():
    found = message()
    found.order = {"number": "1"}
    assert not is_exact(found)


@given(messages())
def test_an_exact_message_is_read_with_the_same_octets(found):
    try:
        mail = Outgoing.of(found)
    except (MessageError, AttributeError):
        return
    if is_exact(mail.message):
        record = mail.to_dict()
        assert "content" not in record
        assert Outgoing.from_dict(json.loads(json.dumps(record))).content == mail.content
