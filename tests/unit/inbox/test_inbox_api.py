"""The inbox as JSON, for browser tests."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from inbox_support import PNG, Browser, make_mail, welcome

from flask_mail import Message
from flask_mail.inbox.inbox import Inbox
from flask_mail.inbox.summaries import Query


@pytest.fixture
def mail():
    return make_mail()


@pytest.fixture
def browser(mail):
    return Browser(mail)


def subjects(browser, **arguments):
    return [each["subject"] for each in browser.messages(**arguments)]


class TestQuery:
    @pytest.fixture(autouse=True)
    def messages(self, mail):
        mail.send(
            Message(
                "Welcome, Ann",
                [("Ann", "ann@example.com")],
                "Your code is 123456",
                bcc=["archive@example.com"],
            )
        )
        mail.send(Message("Your order", ["bob@example.com"], html="<p>One Teapot</p>"))

    @pytest.mark.parametrize("to", ["ann@example.com", "ANN", "archive@"])
    def test_to_is_part_of_a_recipient_also_of_a_blind_copy(self, browser, to):
        assert subjects(browser, to=to) == ["Welcome, Ann"]

    def test_subject_is_part_of_the_subject(self, browser):
        assert subjects(browser, subject="ORDER") == ["Your order"]

    @pytest.mark.parametrize("words", ["123456", "shop ann", "code WELCOME"])
    def test_q_is_words_that_stand_anywhere(self, browser, words):
        assert subjects(browser, q=words) == ["Welcome, Ann"]

    def test_q_finds_what_the_html_says(self, browser):
        assert subjects(browser, q="teapot") == ["Your order"]

    def test_all_that_is_given_must_match(self, browser):
        assert subjects(browser, to="ann", subject="order") == []

    def test_since_leaves_out_what_was_sent_until_then(self, browser):
        newest, oldest = browser.messages()
        assert subjects(browser, since=oldest["date"]) == [newest["subject"]]
        assert subjects(browser, since="2000-01-01") == [newest["subject"], oldest["subject"]]

    @pytest.mark.parametrize(
        "since",
        ["2100-01-31T12:00:00Z", "2100-01-31T12:00:00.123Z", "2100-01-31T12:00:00.123 02:00"],
    )
    def test_since_is_read_as_browsers_write_it(self, browser, since):
        assert subjects(browser, since=since) == []

    @pytest.mark.parametrize(
        "arguments",
        [
            {"since": "yesterday"},
            {"wait": "long"},
            {"wait": "-1"},
            {"wait": "inf"},
            {"wait": "nan"},
        ],
    )
    def test_an_argument_that_is_none_is_an_error_that_names_it(self, browser, arguments):
        response = browser.get("/api/messages", query_string=arguments)
        assert response.status_code == 400
        assert response.get_json()["error"].startswith(f"{next(iter(arguments))} must be")


class TestArguments:
    @pytest.mark.parametrize("name", ["too", "Subject", "<b>", ""])
    def test_unknown_argument_is_an_error_that_names_the_known_ones(self, mail, browser, name):
        mail.send(welcome())
        response = browser.get("/api/messages", query_string={"q": "x", name: "ann@example.com"})
        assert response.status_code == 400
        assert response.get_json()["error"] == (
            f"unknown argument {name!r}: the known ones are q, to, subject, since, wait"
        )

    @pytest.mark.parametrize("method", ["get", "delete"])
    def test_one_message_takes_no_arguments(self, mail, browser, method):
        mail.send(welcome())
        [found] = browser.messages()
        response = getattr(browser.client, method)(found["url"], query_string={"to": "ann"})
        assert response.status_code == 400
        assert response.get_json()["error"] == "unknown argument 'to': none is known here"
        assert len(browser.messages()) == 1

    def test_deleting_with_arguments_deletes_nothing(self, mail, browser):
        mail.send(welcome())
        assert browser.client.delete("/_mail/api/messages?to=bob").status_code == 400
        assert len(browser.messages()) == 1

    def test_argument_that_is_given_twice_is_an_error(self, browser):
        response = browser.get("/api/messages?to=ann&to=bob")
        assert response.status_code == 400
        assert response.get_json()["error"] == "to is given 2 times: give it once"


class TestWaiting:
    """With a clock of its own: nothing sleeps."""

    @pytest.fixture
    def inbox(self, mail):
        return Inbox(mail.app)

    def test_it_ends_when_a_message_comes(self, mail, inbox):
        pauses = []

        def pause(seconds):
            pauses.append(seconds)
            if len(pauses) == 3:
                mail.send(welcome())

        found = inbox.find_soon(Query(subject="welcome"), 5, clock=lambda: 0.0, pause=pause)
        assert [each.subject for each in found] == ["Welcome"]
        assert len(pauses) == 3
        assert max(pauses) <= 0.5

    def test_messages_are_looked_at_again_only_when_there_are_others(self, mail, inbox):
        looks, pauses = [], []

        class Counting(Query):
            def matches(self, summary):
                looks.append(summary.subject)
                return summary.subject == "Last"

        def pause(seconds):
            pauses.append(seconds)
            if len(pauses) == 5:
                mail.send_message("Last", ["ann@example.com"], "Hi")

        mail.send(welcome())
        [found] = inbox.find_soon(Counting(), 60, clock=lambda: 0.0, pause=pause)
        assert found.subject == "Last"
        assert looks == ["Welcome", "Last", "Welcome"]

    @pytest.mark.parametrize(("asked", "waited"), [(5.0, 5.0), (1e9, 30.0)])
    def test_wait_ends_after_the_given_time_or_thirty_seconds(self, inbox, asked, waited):
        now = [0.0]

        def pause(seconds):
            now[0] += seconds

        assert inbox.wait(list, asked, clock=lambda: now[0], pause=pause) == []
        assert waited <= now[0] < waited + 1

    def test_a_long_pause_ends_with_the_given_time(self, inbox):
        now = [0.0]

        def look():
            now[0] += 1
            return []

        def pause(seconds):
            now[0] += seconds

        assert inbox.wait(look, 3.0, clock=lambda: now[0], pause=pause) == []
        assert now[0] == 1 + 3 + 1  # a look, the given time, and a last look

    def test_too_many_at_a_time_do_not_wait(self, inbox):
        def pause(seconds):
            raise AssertionError("this one waits")

        def wait_within(others):
            if not others:
                return inbox.wait(list, 5, clock=lambda: 0.0, pause=pause)
            found = []
            inbox.wait(
                lambda: found,
                5,
                clock=lambda: 0.0,
                pause=lambda seconds: found.append(wait_within(others - 1)),
            )
            return found[0]

        assert wait_within(16) == []
        with pytest.raises(AssertionError, match="this one waits"):
            wait_within(15)

    def test_a_request_waits_where_the_server_has_threads(self, mail, browser):
        found = []

        def ask():
            client = mail.app.test_client()
            answer = client.get(
                "/_mail/api/messages?subject=welcome&wait=30",
                environ_overrides={"wsgi.multithread": True},
            )
            found.extend(answer.get_json()["messages"])

        asking = threading.Thread(target=ask)
        asking.start()
        mail.send(welcome())
        asking.join(30)
        assert [each["subject"] for each in found] == ["Welcome"]

    def test_a_request_does_not_wait_where_the_server_has_one_thread(self, browser):
        assert browser.messages(wait="30") == []
        assert browser.get("/changes").status_code == 200

    def test_changes_answers_once_the_version_is_another(self, mail, browser):
        before = browser.get("/changes").get_json()["version"]
        mail.send(welcome())
        answer = browser.get(
            f"/changes?version={before}", environ_overrides={"wsgi.multithread": True}
        )
        assert answer.get_json()["version"] != before


class TestOne:
    def test_it_has_headers_source_and_parts(self, mail, browser):
        mail.send(welcome())
        found = browser.only()
        assert ["Subject", "Welcome"] in found["headers"]
        picture, invoice = found["attachments"]
        assert (picture["content_id"], picture["inline"], picture["size"]) == ("logo", True, 70)
        assert (invoice["content_type"], invoice["inline"]) == ("text/html", False)
        assert browser.client.get(picture["url"]).data == PNG
        assert browser.client.get(found["source"]).data.startswith(b"Subject: Welcome\r\n")

    def test_it_tells_what_is_likely_to_be_wrong(self, mail, browser):
        mail.send_message("Hello {{ name }}", ["a@b.example"], "Hi")
        (found,) = browser.messages()
        (advice,) = browser.get(f"/api/messages/{found['id']}").get_json()["advice"]
        assert (advice["code"], advice["part"]) == ("placeholder", "subject")
        assert "Hello {{ name }}" in advice["text"]

    def test_it_tells_it_of_blind_copies_too(self, mail, browser):
        mail.send_message("Hello", ["a@b.example"], "Hi", bcc=["jörg@b.example"])
        (found,) = browser.messages()
        (advice,) = browser.get(f"/api/messages/{found['id']}").get_json()["advice"]
        assert advice["code"] == "needs-smtputf8"

    def test_html_that_was_sent_without_a_text_has_none(self, tmp_path):
        """Sending makes a text, so that of a file is not made by it any more."""
        html = "Subject: Hi\nContent-Type: text/html\n\n<p>Hi</p>"
        (tmp_path / "other.eml").write_text(html)
        browser = Browser(make_mail("file", MAIL_FILE_PATH=tmp_path))
        (advice,) = browser.get("/api/messages/other").get_json()["advice"]
        assert (advice["code"], advice["part"]) == ("no-text", "text")

    def test_a_page_for_people_is_named_too(self, mail, browser):
        mail.send(welcome())
        assert browser.client.get(browser.messages()[0]["page"]).status_code == 200

    def test_one_that_is_gone_is_a_404_in_json(self, browser):
        assert "does not exist" in browser.get("/api/messages/gone").get_json()["error"]
        assert browser.client.delete("/_mail/api/messages/gone").status_code == 404

    def test_one_that_cannot_be_read_has_its_headers_and_the_reason(self, tmp_path):
        mail = make_mail("file", MAIL_FILE_PATH=tmp_path)
        nested = b"".join(
            b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(30)
        )
        (tmp_path / "deep.eml").write_bytes(b"Subject: Deep\n" + nested)
        found = Browser(mail).only()
        assert (found["subject"], found["html"]) == ("Deep", None)
        assert "nested over 20 levels" in found["error"]
        assert "nested over 20 levels" in Browser(mail).text("/messages/deep")


def test_the_list_has_an_end(mail, monkeypatch):
    monkeypatch.setattr("flask_mail.inbox.inbox.MOST_LISTED", 2)
    mail.send_many([welcome(), welcome(), welcome()])
    assert len(Browser(mail).messages()) == 2


def test_summaries_are_kept_up_to_a_number_of_characters(mail, monkeypatch):
    mail.send_many([welcome(), welcome(), welcome()])
    inbox = Inbox(mail.app)
    [length] = {each.length for each in inbox.find(Query())}
    assert length > len(welcome().body)
    monkeypatch.setattr("flask_mail.inbox.inbox._MOST_REMEMBERED", 2 * length)
    inbox = Inbox(mail.app)
    found = inbox.find(Query())
    assert len(found) == 3
    assert list(inbox._summaries.values()) == found[:2]  # the newest
    assert inbox.find(Query()) == found
    assert list(inbox._summaries.values()) == found[:2]
    mail.send(welcome())
    newest, second, *_ = inbox.find(Query())
    assert sorted(inbox._summaries.values(), key=id) == sorted((newest, second), key=id)
    assert inbox._remembered == 2 * length


def test_a_summary_that_two_requests_make_is_counted_once(mail):
    mail.send(welcome())
    inbox = Inbox(mail.app)
    [entry] = inbox.kept()

    def read():
        inbox.summary(entry)  # as another request does meanwhile
        return entry.kept.read()

    found = inbox.summary(entry._replace(kept=replace(entry.kept, read=read)))
    assert inbox._remembered == found.length
