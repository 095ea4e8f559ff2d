"""Assertions of the outbox, and the explanations of failures."""

from __future__ import annotations

import io
import re

import pytest
from flask import Flask

from flask_mail import Mail, Message
from flask_mail.testing import Outbox


@pytest.fixture
def mail():
    app = Flask("shop")
    app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="Shop <shop@example.com>")
    return Mail(app)


@pytest.fixture
def order(outbox, mail):
    message = Message(
        "Your order",
        ["Ann <ann@example.com>"],
        "It is\non its way.",
        "<p>It is <b>on its way</b>.</p>",
        sender="Shop <shop@example.com>",
        cc=["bob@example.com"],
        bcc=["archive@example.com"],
        reply_to="help@example.com",
        extra_headers={"X-Order": "Nr. 7 für Ann"},
    )
    message.attach("invoice.pdf", "application/pdf", b"%PDF-1.7")
    mail.send(message)
    return outbox.last


def big(attachment):
    return attachment.content_type == "application/pdf" and len(attachment.read()) > 5


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"to": "ann@example.com"},
        {"to": "ann@EXAMPLE.com"},
        {"to": ("Ann", "ann@example.com")},
        {"to": "Somebody <ann@example.com>"},
        {"to": ["ann@example.com"]},
        {"to": re.compile("^ann@")},
        {"to": lambda address: address.startswith("ann")},
        {"cc": "bob@example.com"},
        {"bcc": "archive@example.com"},
        {"sender": "shop@example.com"},
        {"sender": ("Shop", "shop@example.com")},
        {"subject": "Your order"},
        {"subject": re.compile("order$")},
        {"subject": lambda text: len(text) == 10},
        {"body": "is\non its"},
        {"body": re.compile("ON ITS", re.IGNORECASE)},
        {"html": "<b>on its way</b>"},
        {"html": lambda html: html.startswith("<p>")},
        {"attachment": "invoice.pdf"},
        {"attachment": re.compile(r"\.pdf$")},
        {"attachment": big},
        {"headers": {"Reply-To": "help@example.com", "x-order": "Nr. 7 für Ann"}},
        {"headers": {"X-Order": re.compile("für")}},
        {"to": None, "subject": "Your order", "html": None},
        {"to": "ann@example.com", "subject": "Your order", "body": "way", "count": None},
    ],
)
def test_a_message_that_is_as_expected_is_returned(outbox, order, expected):
    assert outbox.assert_sent(**expected) is order
    with pytest.raises(AssertionError):
        outbox.assert_not_sent(**{k: v for k, v in expected.items() if k != "count"})


@pytest.mark.parametrize(
    ("expected", "shown", "found"),
    [
        ({"to": "eve@example.com"}, "to  'eve@example.com'", "to  ann@example.com"),
        ({"to": "Ann@example.com"}, "to  'Ann@example.com'", "to  ann@example.com"),
        ({"to": "bob@example.com"}, "to  'bob@example.com'", "to  ann@example.com"),
        ({"to": ["ann@example.com", "eve@example.com"]}, "to  'eve@", "to  ann@example.com"),
        ({"cc": "ann@example.com"}, "cc  'ann@example.com'", "cc  bob@example.com"),
        ({"bcc": "bob@example.com"}, "bcc  'bob@example.com'", "bcc  archive@example.com"),
        ({"sender": "ann@example.com"}, "sender  'ann@", "sender  shop@example.com"),
        ({"subject": "order"}, "subject  'order'", "subject  'Your order'"),
        ({"subject": re.compile("^order")}, "subject  matches '^order'", "subject  'Your order'"),
        ({"body": "teapot"}, "body  contains 'teapot'", r"body  'It is\non its way.'"),
        ({"html": "<i>"}, "html  contains '<i>'", "html  '<p>It is <b>on its way</b>.</p>'"),
        ({"attachment": "a.txt"}, "attachment  'a.txt'", "attachment  'invoice.pdf'"),
        ({"attachment": lambda _: False}, "satisfies <lambda>()", "attachment  'invoice.pdf'"),
        ({"headers": {"X-Order": "8"}}, "X-Order  '8'", "X-Order  'Nr. 7 für Ann'"),
        ({"headers": {"X-No": "8"}}, "X-No  '8'", "X-No  none"),
    ],
)
def test_a_failure_shows_what_was_expected_and_what_was_there(
    outbox, order, expected, shown, found
):
    with pytest.raises(AssertionError) as caught:
        outbox.assert_sent(**expected)
    text = str(caught.value)
    assert shown in text
    assert "The nearest is message 1, which has" in text
    assert f"  {found}" in text
    outbox.assert_not_sent(**expected)


def test_the_table_shows_the_type_of_parts_without_a_name(outbox, mail):
    message = Message("Logo", ["eve@example.com"], html="<b>!</b>")
    message.embed(io.BytesIO(b"GIF89a"), content_type="image/gif")
    mail.send(message)
    with pytest.raises(AssertionError, match="html, image/gif without a name"):
        outbox.assert_no_mail()


def test_a_failure_prints_the_nearest_miss_and_a_table_of_everything(outbox, order, mail):
    mail.send_message("Welcome", ["eve@example.com"], "Hi", attachments=[])
    mail.send_message("Sale", [f"n{number}@example.com" for number in range(5)], html="<b>!</b>")
    with pytest.raises(AssertionError) as caught:
        outbox.assert_sent(to="eve@example.com", subject="Goodbye", html=re.compile("x" * 999))
    everybody = "n0@example.com, n1@example.com, n2@example.com, and 2 more"
    three = "ann@example.com, bob@example.com, archive@example.com"
    rows = [
        ("#", "to", "subject", "from", "parts"),
        ("1", three, "'Your order'", "Shop <shop@example.com>", "text, html, invoice.pdf"),
        ("2", "eve@example.com", "'Welcome'", "Shop <shop@example.com>", "text"),
        ("3", everybody, "'Sale'", "Shop <shop@example.com>", "html"),
    ]
    table = "\n".join(
        f"  {number}  {to:<{len(everybody)}}  {subject:<12}  {sender:<23}  {parts}"
        for number, to, subject, sender, parts in rows
    )
    assert str(caught.value) == (
        "No message was sent with\n"
        "  to       'eve@example.com'\n"
        "  subject  'Goodbye'\n"
        f"  html     matches '{'x' * 299}...\n"
        "\n"
        "The nearest is message 2, which has\n"
        "  subject  'Welcome'\n"
        "  html     none\n"
        "\n"
        f"3 messages were sent:\n{table}"
    )


def test_a_failure_without_any_message_says_that_nothing_was_sent(outbox):
    with pytest.raises(AssertionError) as caught:
        outbox.assert_sent(subject="Hello")
    expected = "No message was sent with\n  subject  'Hello'\n\nNothing was sent."
    assert str(caught.value) == expected


def test_a_failure_is_short_and_shows_no_control_characters(outbox, mail):
    for number in range(60):
        mail.send_message(f"Nr. {number}", ["ann@example.com"], "\x1b[2J" + "long " * 1000)
    with pytest.raises(AssertionError) as caught:
        outbox.assert_sent(body="short")
    text = str(caught.value)
    assert "\x1b" not in text
    assert r"\x1b[2J" in text
    assert len(text) < 8000
    assert "... and 10 more" in text


def test_what_fits_is_shown_as_a_whole(outbox, mail):
    for _ in range(50):
        mail.send_message("x" * 58, ["ann@example.com"])
    with pytest.raises(AssertionError) as caught:
        outbox.assert_no_mail()
    assert f"'{'x' * 58}'  Shop" in str(caught.value)
    assert "..." not in str(caught.value)


def test_the_newest_of_several_is_returned(outbox, mail):
    mail.send_message("Reset", ["ann@example.com"], "first")
    mail.send_message("Reset", ["ann@example.com"], "second")
    assert outbox.assert_sent(subject="Reset").body == "second"


def test_a_count_returns_so_many_in_order(outbox, mail):
    for body in ("first", "second"):
        mail.send_message("Reset", ["ann@example.com"], body)
    assert [each.body for each in outbox.assert_sent(subject="Reset", count=2)] == [
        "first",
        "second",
    ]
    assert outbox.assert_sent(subject="Other", count=0) == []


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "2 messages were sent, but 1 expected, with\n  subject  'Reset'\n\n2 messages"),
        (3, "2 messages were sent, but 3 expected, with\n  subject  'Reset'\n\n2 messages"),
        (0, "2 messages were sent, but none was expected, with\n  subject  'Reset'\n\n2 messages"),
    ],
)
def test_another_number_is_a_failure(outbox, mail, count, text):
    for _ in range(2):
        mail.send_message("Reset", ["ann@example.com"])
    with pytest.raises(AssertionError) as caught:
        outbox.assert_sent(subject="Reset", count=count)
    assert str(caught.value).startswith(text)


def test_too_few_of_none_shows_the_nearest(outbox, mail):
    mail.send_message("Reset", ["ann@example.com"])
    with pytest.raises(AssertionError, match="The nearest is message 1"):
        outbox.assert_sent(subject="Welcome", count=1)


def test_a_message_that_was_not_wanted_is_shown(outbox, mail):
    mail.send_message("Reset", ["ann@example.com"])
    outbox.assert_not_sent(subject="Welcome")
    with pytest.raises(AssertionError) as caught:
        outbox.assert_not_sent(subject="Reset")
    assert str(caught.value).startswith(
        "1 message was sent, but none was expected, with\n  subject  'Reset'\n\n1 message was sent:"
    )
    with pytest.raises(AssertionError, match=r"none was expected, with\n  \(anything\)"):
        outbox.assert_not_sent()


def test_no_mail_means_none_at_all(outbox, mail):
    outbox.assert_no_mail()
    mail.send_message("Reset", ["ann@example.com"])
    with pytest.raises(AssertionError, match=r"^No mail was expected.\n\n1 message was sent:\n"):
        outbox.assert_no_mail()


def test_an_address_of_no_field_counts_as_to(mail, outbox):
    """A subclass or a setting can redirect a message."""

    class Redirected(Message):
        @property
        def send_to(self):
            return {"staging@example.com"}

    mail.send(Redirected("Hello", ["ann@example.com"], sender="shop@example.com"))
    outbox.assert_sent(to="staging@example.com")
    outbox.assert_not_sent(to="ann@example.com")


@pytest.mark.parametrize(
    ("expected", "error", "text"),
    [
        (
            {"subjet": "Hello"},
            TypeError,
            "'subjet' is not a field to check; did you mean 'subject'?",
        ),
        ({"xyz": "Hello"}, TypeError, "'xyz' is not a field to check."),
        ({"subject": 7}, TypeError, "subject must be a str, a compiled regular .* not int"),
        ({"to": 7}, TypeError, "to must be an address, .* not int"),
        ({"to": []}, TypeError, "to must be an address, .* not list"),
        ({"to": "ann"}, ValueError, "to is not an address: .* no domain"),
        ({"to": ("a", "b", "c")}, ValueError, "to is not an address"),
        ({"body": ""}, ValueError, 'body="" matches every message'),
        ({"headers": {"X-A": 1}}, TypeError, "X-A must be a str"),
        ({"headers": "X-A: 1"}, TypeError, "headers must be a dict, not str"),
        ({"metadata": ["order"]}, TypeError, "metadata must be a dict, not list"),
        ({"tag": ["welcome"]}, TypeError, "tag must be a str"),
    ],
)
def test_an_expectation_that_is_none_is_no_failure_but_an_error(outbox, expected, error, text):
    with pytest.raises(error, match=text):
        outbox.assert_sent(**expected)
    with pytest.raises(error, match=text):
        outbox.assert_not_sent(**expected)


def test_assertions_hold_after_the_end(mail):
    with Outbox() as outbox:
        mail.send_message("Reset", ["ann@example.com"])
    assert outbox.assert_sent(subject="Reset") is outbox.last


def test_tags_and_metadata_can_be_expected(outbox, mail):
    mail.app.config["MAIL_BACKEND"] = "console"  # takes any; smtp refuses them
    mail.send_message(
        "Hi", ["ann@example.com"], "Hi", tags=["welcome", "trial"], metadata={"order": 4711}
    )

    outbox.assert_sent(tag="trial", metadata={"order": "4711"})
    outbox.assert_sent(tag=re.compile("^wel"), metadata={"order": re.compile(r"^\d+$")})
    outbox.assert_not_sent(tag="wel")
    with pytest.raises(AssertionError, match="'welcome', 'trial'"):
        outbox.assert_sent(tag="spring")
    with pytest.raises(AssertionError, match="none"):
        outbox.assert_sent(metadata={"customer": "7"})


class TestMailers:
    @pytest.fixture(autouse=True)
    def sent(self, outbox, mail):
        mail.app.config["MAIL_MAILERS"] = {"bulk": "smtp://bulk.example.com"}
        mail.send_message("Your order", ["ann@example.com"])
        mail.using("bulk").send_message("News", ["ann@example.com"])
        return outbox

    @pytest.mark.parametrize("name", ["bulk", re.compile("^b"), lambda name: len(name) == 4])
    def test_a_message_is_found_by_its_mailer(self, outbox, name):
        assert outbox.assert_sent(mailer=name).subject == "News"
        assert [each.subject for each in outbox.assert_sent(mailer=name, count=1)] == ["News"]
        outbox.assert_not_sent(mailer=name, subject="Your order")
        outbox.assert_not_sent(mailer="other")

    def test_messages_to_an_address_are_found_by_mailer(self, outbox):
        assert [each.subject for each in outbox.to("ann@example.com", mailer="bulk")] == ["News"]
        assert [each.subject for each in outbox.to("ann@example.com", mailer="default")] == [
            "Your order"
        ]
        assert len(outbox.to("ann@example.com")) == 2

    def test_a_failure_shows_the_mailers(self, outbox):
        with pytest.raises(AssertionError) as caught:
            outbox.assert_sent(subject="Your order", mailer="bulk")
        assert str(caught.value) == (
            "No message was sent with\n"
            "  subject  'Your order'\n"
            "  mailer   'bulk'\n\n"
            "The nearest is message 2, which has\n"
            "  subject  'News'\n\n"
            "2 messages were sent:\n"
            "  #  to               subject       from                     mailer   parts\n"
            "  1  ann@example.com  'Your order'  Shop <shop@example.com>  default\n"
            "  2  ann@example.com  'News'        Shop <shop@example.com>  bulk"
        )
