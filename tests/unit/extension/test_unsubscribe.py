"""One-click unsubscribe: Message(unsubscribe=...), MAIL_UNSUBSCRIBE and its page."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Blueprint, Flask, abort, current_app, redirect, request

from flask_mail import (
    ConfigurationError,
    Mail,
    Message,
    MessageError,
    email_failed,
    email_sending,
    email_unsubscribed,
)

ANN = "ann+news@example.com"


@pytest.fixture
def app(tmp_path: Path):
    app = Flask("shop", root_path=str(tmp_path))
    app.config.update(
        MAIL_BACKEND="locmem",
        MAIL_DEFAULT_SENDER="shop@example.com",
        MAIL_UNSUBSCRIBE="/unsubscribe/",
        SECRET_KEY="secret",
        SERVER_NAME="shop.example.com",
        PREFERRED_URL_SCHEME="https",
    )
    return app


@pytest.fixture
def mail(app):
    return Mail(app)


@pytest.fixture
def left(mail):
    """Yield what the receiver of the signal has got."""
    calls = []

    def forget(sender, address, list_name):
        calls.append((sender, address, list_name))

    with email_unsubscribed.connected_to(forget, sender=mail.app):
        yield calls


def news(*recipients, **fields):
    return Message("News", list(recipients or [ANN]), "Hi.", unsubscribe="newsletter", **fields)


def link_in(message):
    return re.search(r"<(https?://[^>]+)>", message.extra_headers["List-Unsubscribe"])[1]


def sent_link(mail, **fields):
    message = news(**fields)
    mail.send(message)
    return link_in(message)


def post(app, url, **given):
    given.setdefault("data", {"List-Unsubscribe": "One-Click"})
    return app.test_client().post(urlsplit(url).path, base_url="https://shop.example.com", **given)


def get(app, url):
    return app.test_client().get(urlsplit(url).path, base_url="https://shop.example.com")


def test_a_message_gets_both_headers_with_a_link_for_its_recipient(mail):
    message = news()
    mail.send(message)
    assert link_in(message).startswith("https://shop.example.com/unsubscribe/")
    source = mail.outbox[0].as_bytes()
    assert b"\r\nList-Unsubscribe: <https://shop.example.com/unsubscribe/" in source
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in source


def test_the_address_to_write_to_is_in_the_header_too(app, mail):
    app.config["MAIL_UNSUBSCRIBE_MAILTO"] = "leave@example.com?subject=leave"
    message = news()
    mail.send(message)
    assert message.extra_headers["List-Unsubscribe"].endswith(
        ", <mailto:leave@example.com?subject=leave>"
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"data": {}},
        {"content_type": "multipart/form-data"},
    ],
)
def test_a_click_tells_who_leaves_which_list(app, mail, left, options):
    response = post(app, sent_link(mail), **options)
    assert response.status_code == 200
    assert left == [(app, ANN, "newsletter")]
    assert "Set-Cookie" not in response.headers
    assert (response.headers["Cache-Control"], response.headers["Referrer-Policy"]) == (
        *("no-store", "no-referrer"),
    )


def test_a_second_click_succeeds_too(app, mail, left):
    url = sent_link(mail)
    assert [post(app, url).status_code for _ in range(2)] == [200, 200]
    assert left == [(app, ANN, "newsletter")] * 2


def test_opening_the_page_changes_nothing_and_shows_a_button(app, mail, left):
    page = get(app, sent_link(mail))
    assert page.status_code == 200
    assert left == []
    assert '<form method="post">' in page.text
    assert '<input type="hidden" name="List-Unsubscribe" value="One-Click">' in page.text
    assert f"to {ANN}." in page.text


def test_the_page_escapes_the_name_of_the_list(app, mail, left):
    message = Message("News", [ANN], "Hi.", unsubscribe="<b>& news")
    mail.send(message)
    assert "&lt;b&gt;&amp; news" in get(app, link_in(message)).text


def test_an_app_may_have_its_own_page(app, mail, left, tmp_path):
    path = tmp_path / "templates" / "flask_mail" / "unsubscribe.html"
    path.parent.mkdir(parents=True)
    path.write_text("{{ 'Bye' if done else 'Leave' }} {{ list_name }}")
    url = sent_link(mail)
    assert (get(app, url).text, post(app, url).text) == ("Leave newsletter", "Bye newsletter")


@pytest.mark.parametrize("change", [lambda token: token[:-2], lambda token: "x" + token, "x".join])
def test_a_link_that_was_changed_is_not_found(app, mail, left, change):
    head, _, token = sent_link(mail).rpartition("/")
    assert post(app, f"{head}/{change(token)}").status_code == 404
    assert left == []


def test_another_key_makes_a_link_invalid_unless_it_is_a_fallback(app, mail, left):
    url = sent_link(mail)
    app.config["SECRET_KEY"] = "new"
    assert post(app, url).status_code == 404
    app.config["SECRET_KEY_FALLBACKS"] = ["secret"]
    assert post(app, url).status_code == 200
    newer = sent_link(mail)
    app.config["SECRET_KEY_FALLBACKS"] = None
    assert post(app, newer).status_code == 200


def test_without_a_receiver_a_click_is_an_error(app, mail):
    url = sent_link(mail)
    assert post(app, url).status_code == 500
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ConfigurationError, match="No receiver of email_unsubscribed"):
        post(app, url)


def test_an_error_of_the_receiver_is_no_success(app, mail):
    def fail(sender, **given):
        raise OSError("database")

    with email_unsubscribed.connected_to(fail, sender=app):
        assert post(app, sent_link(mail)).status_code == 500


def test_a_csrf_check_of_the_app_does_not_stop_a_click(app, mail, left):
    """Checks as Flask-WTF does: before each request, but for the blueprints that are exempt."""

    class Protection:
        exempted = frozenset()

        def exempt(self, view):
            assert isinstance(view, Blueprint)
            self.exempted |= {view.name}

    protection = app.extensions["csrf"] = Protection()

    @app.before_request
    def check():
        if request.method == "POST" and request.blueprint not in protection.exempted:
            abort(400)

    @app.post("/other")
    def other():
        return redirect("/")

    assert post(app, "https://shop.example.com/other").status_code == 400
    assert post(app, sent_link(mail)).status_code == 200
    assert post(app, "https://shop.example.com/other").status_code == 400


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"recipients": [ANN, "bob@example.com"]}, 2),
        ({"cc": ["bob@example.com"]}, 2),
        ({"bcc": ["bob@example.com"]}, 2),
        ({"recipients": []}, 0),
    ],
)
def test_the_link_is_for_exactly_one_recipient(mail, fields, count):
    message = news()
    for name, value in fields.items():
        setattr(message, name, value)
    with pytest.raises(MessageError, match=f"exactly one recipient.*has {count}"):
        mail.send(message)
    assert mail.outbox == []


def test_the_same_recipient_twice_is_one(mail, app, left):
    url = sent_link(mail, cc=["ann+news@EXAMPLE.com"])
    post(app, url)
    assert left == [(app, ANN, "newsletter")]


def test_a_message_for_another_recipient_gets_another_link(app, mail, left):
    message = news()
    mail.send(message)
    message.recipients = [("Bob", "bob@example.com")]
    mail.send(message)
    post(app, link_in(message))
    assert left == [(app, "bob@example.com", "newsletter")]


def test_a_wrong_message_does_not_end_a_batch(mail):
    failed = []

    def note(app, message):
        failed.append(message)

    messages = [news(), news(ANN, "bob@example.com"), news("bob@example.com")]
    with email_failed.connected_to(note):
        receipts = mail.send_many(messages)
    assert [receipt.sent for receipt in receipts] == [True, False, True]
    assert failed == [messages[1]]


def test_receivers_of_email_sending_see_the_headers(mail):
    seen = []

    def note(app, message):
        seen.append(sorted(message.extra_headers))

    with email_sending.connected_to(note):
        mail.send(news())
    assert seen == [["List-Unsubscribe", "List-Unsubscribe-Post"]]


@pytest.mark.parametrize(
    ("setting", "value", "problem"),
    [
        ("MAIL_UNSUBSCRIBE", None, "needs MAIL_UNSUBSCRIBE"),
        ("SECRET_KEY", None, "set SECRET_KEY"),
        ("SERVER_NAME", None, "need SERVER_NAME"),
        ("PREFERRED_URL_SCHEME", "http", "set PREFERRED_URL_SCHEME"),
        ("PREFERRED_URL_SCHEME", None, "set PREFERRED_URL_SCHEME"),
        ("MAIL_UNSUBSCRIBE_MAILTO", "nobody", "mailto 'nobody' cannot be used"),
    ],
)
def test_a_missing_setting_is_named(app, mail, setting, value, problem):
    app.config[setting] = value
    with pytest.raises((ConfigurationError, MessageError), match=problem):
        mail.send(news())
    assert mail.outbox == []


def test_development_hosts_may_be_without_https(app, mail):
    app.config.update(SERVER_NAME="localhost:5000", PREFERRED_URL_SCHEME="http")
    assert sent_link(mail).startswith("http://localhost:5000/unsubscribe/")


def test_a_link_begins_with_the_root_of_the_app(app, mail):
    app.config["APPLICATION_ROOT"] = "/shop/"
    assert sent_link(mail).startswith("https://shop.example.com/shop/unsubscribe/")


def test_a_prefix_that_was_set_too_late_is_an_error(app):
    prefix = app.config.pop("MAIL_UNSUBSCRIBE")
    mail = Mail(app)
    app.config["MAIL_UNSUBSCRIBE"] = prefix
    with pytest.raises(ConfigurationError, match="must be set before Mail"):
        mail.send(news())


@pytest.mark.parametrize("prefix", [True, "unsubscribe", "/a b", "/", 5])
def test_a_prefix_that_is_not_one_is_an_error(app, prefix):
    app.config["MAIL_UNSUBSCRIBE"] = prefix
    with pytest.raises(ConfigurationError, match="MAIL_UNSUBSCRIBE must be a URL prefix"):
        Mail(app)


def test_an_empty_prefix_is_not_set(app):
    app.config["MAIL_UNSUBSCRIBE"] = ""
    Mail(app)
    assert app.blueprints == {}


def test_two_extension_objects_share_the_page(app, left):
    with app.app_context():
        Mail().init_app(current_app)
    Mail(app)
    assert list(app.blueprints) == ["flask_mail_unsubscribe"]


@pytest.mark.parametrize("name", ["", " ", "a\nb", b"x", True, False])
def test_a_list_without_a_usable_name_is_refused(mail, name):
    message = news()
    message.unsubscribe = name
    with pytest.raises(MessageError, match="unsubscribe"):
        mail.send(message)


def test_a_method_of_that_name_is_left_alone(mail):
    class Own(Message):
        def unsubscribe(self):
            raise AssertionError

    message = Own("News", [ANN], "Hi.")
    mail.send(message)
    assert message.extra_headers is None


def test_copies_and_records_keep_the_list(mail):
    message = news()
    copies = [
        copy.copy(message),
        copy.deepcopy(message),
        pickle.loads(pickle.dumps(message)),
        Message.from_dict(message.to_dict()),
    ]
    assert [each.unsubscribe for each in copies] == ["newsletter"] * 4
    assert Message().unsubscribe is None
    assert "unsubscribe" not in Message().to_dict()


class TestTemplates:
    @pytest.fixture(autouse=True)
    def template(self, tmp_path):
        (tmp_path / "templates").mkdir()
        (tmp_path / "templates" / "news.txt").write_text("Leave: {{ unsubscribe_url }}")

    def test_a_template_has_the_link(self, app, mail, left):
        message = mail.render("news", iter([ANN]), unsubscribe="newsletter")
        assert (message.recipients, message.unsubscribe) == ([ANN], "newsletter")
        post(app, message.body.removeprefix("Leave: "))
        assert left == [(app, ANN, "newsletter")]

    # A warning of Werkzeug before 2.3.
    @pytest.mark.filterwarnings("ignore:Current server name:UserWarning")
    def test_in_a_request_the_link_does_not_follow_the_host_header(self, app, mail):
        with app.test_request_context(base_url="https://evil.example.com"):
            message = Message.from_template("news", [ANN], unsubscribe="newsletter")
        assert message.body.startswith("Leave: https://shop.example.com/")

    def test_a_template_needs_the_recipient(self, mail):
        with pytest.raises(MessageError, match="exactly one recipient"):
            mail.render("news", unsubscribe="newsletter")

    def test_a_variable_of_the_program_wins(self, mail):
        variables = {"unsubscribe_url": "own"}
        message = mail.render("news", [ANN], unsubscribe="newsletter", variables=variables)
        assert message.body == "Leave: own"

    def test_without_unsubscribe_there_is_no_link(self, mail):
        assert mail.render("news", [ANN]).body == "Leave: "

    def test_an_app_without_flask_mail_is_an_error(self, tmp_path):
        app = Flask("other", root_path=str(tmp_path))
        with app.app_context(), pytest.raises(RuntimeError, match="call Mail"):
            Message.from_template("news", [ANN], unsubscribe="newsletter")
