"""Searching among much mail: what is looked at, and that pages go on where the last one ended."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from inbox_support import Browser, make_mail

from flask_mail import Message
from flask_mail.inbox import inbox as inboxes
from flask_mail.inbox import pages, summaries
from flask_mail.inbox.inbox import Inbox
from flask_mail.inbox.summaries import Query, words_of


@pytest.fixture
def mail():
    return make_mail()


@pytest.fixture
def browser(mail):
    return Browser(mail)


def fill(mail, count, text="Hi"):
    for number in range(count):
        mail.send_message(f"Number {number}", ["ann@example.com"], text)


def rows(page):
    return re.findall(r'<span class="subject"><span class="hidden">Subject: </span>(.*?)</', page)


def further(page):
    """Return the path of the next page, without the prefix, and whether a search goes on."""
    found = re.search(r'<a id="more" class="button" href="/_mail([^"]*)"( data-goes-on)?>', page)
    return (unescape(found[1]), bool(found[2])) if found else None


def count_of(page):
    return re.search(r'<span class="count">(.*?)</span>', page)[1]


class TestWords:
    @pytest.mark.parametrize(
        ("html", "text"),
        [
            ("Gr&uuml;&szlig;e &amp; <b>Wel</b>come", "Grüße & Welcome"),
            ('<table border="0"><td>a</td><style>p{}</style>', "a"),
            ("a<!-- hidden -->b<STYLE>x</style >c<!-- no end", "abc"),
            ("1 < 2<script>no end", "1 < 2"),
            ('<a title="x<b">go</a>', "go\nx"),
            ("Pass\u00adwort&#8203;", "Passwort"),
            (
                '<a class="x" href="https://a.example/?b=1&amp;c=2">go</a>',
                "go\nhttps://a.example/?b=1&c=2",
            ),
            ("<img\nalt='A logo' src=cid:logo>", "\nA logo"),
        ],
    )
    def test_html_is_searched_as_readers_see_it(self, html, text):
        assert words_of(html) == text

    @pytest.mark.parametrize("piece", ["<style", "<!--", "<a href='", "<", "&", "<img alt="])
    def test_searching_html_takes_linear_time(self, piece):
        """In quadratic time, this would take hours."""
        assert len(words_of(piece * 1_000_000)) <= 2 * len(piece) * 1_000_000


class TestQuery:
    @pytest.mark.parametrize(
        "word",
        ["grüße", "GRÜSSE", "köln", "jörg", "archive@example.com", "plan.pdf", "wichtig", "chair"],
    )
    def test_words_are_found_whatever_their_encoding(self, mail, browser, word):
        message = Message(
            "Ankunft in Köln",
            [("Jörg", "joerg@example.com")],
            "Wichtig: " + "ä" * 200,
            html="<p>Gr&uuml;&szlig;e</p>",
            bcc=["archive@example.com"],
        )
        message.attach("plan.pdf", "application/pdf", b"x")
        message.alts["x-other"] = "A chair"
        mail.send(message)
        assert rows(browser.text(f"/?q={word}")) == ["Ankunft in Köln"]

    def test_markup_is_not_found(self, mail, browser):
        mail.send(Message("Hi", ["ann@example.com"], html='<table border="0">Hello</table>'))
        assert rows(browser.text("/?q=order")) == []
        assert rows(browser.text("/?q=hello")) == ["Hi"]

    def test_messages_that_are_too_old_are_not_read(self, mail):
        fill(mail, 2)
        inbox = Inbox(mail.app)
        newer, older = inbox.kept()
        assert len(inbox.find(Query(since=older.kept.date))) == 1
        assert len(inbox.find(Query(since=newer.kept.date))) == 0
        assert len(inbox._summaries) == 1
        assert len(inbox.find(Query(since=older.kept.date - timedelta(days=1)))) == 2


class TestLongMessages:
    @pytest.fixture(autouse=True)
    def least(self, monkeypatch):
        monkeypatch.setattr(summaries, "MOST_SEARCHED", 20)
        monkeypatch.setattr(summaries, "_MOST_MARKUP", 200)
        monkeypatch.setattr(pages, "MOST_SEARCHED", 20)

    def test_the_page_tells_that_only_the_beginning_is_searched(self, mail, browser):
        fill(mail, 1, "A text that goes on after that.")
        page = browser.text("/?q=nothing")
        assert "Of 1 long message, only the first 20 characters were searched." in page
        assert "long message" not in browser.text()
        fill(mail, 1, "A text that goes on after that.")
        assert "Of 2 long messages, only" in browser.text("/?q=text")

    def test_a_short_text_in_long_html_is_searched_to_its_end(self, mail, browser):
        mail.send(
            Message("Hi", ["ann@example.com"], "Hi", html=f"<p style='{'x' * 100}'>Hello</p>")
        )
        page = browser.text("/?q=hello")
        assert rows(page) == ["Hi"]
        assert "long message" not in page

    def test_html_that_is_too_long_to_read_is_told(self, mail, browser):
        mail.send(
            Message("Hi", ["ann@example.com"], "Hi", html=f"<p style='{'x' * 300}'>Hello</p>")
        )
        assert "Of 1 long message, only" in browser.text("/?q=hello")


class TestPages:
    def test_the_list_has_pages(self, mail, browser, monkeypatch):
        monkeypatch.setattr(pages, "_MOST_LISTED", 2)
        fill(mail, 5)
        path, found = "/", []
        while path:
            page = browser.text(path)
            assert count_of(page) == "5"
            assert ("Newest messages" in page) == ("before" in path)
            found.append(rows(page))
            path, goes_on = further(page) or ("", False)
            assert not goes_on
        assert found == [["Number 4", "Number 3"], ["Number 2", "Number 1"], ["Number 0"]]

    def test_a_page_begins_anew_if_its_message_was_deleted(self, mail, browser, monkeypatch):
        """No message is left out."""
        monkeypatch.setattr(pages, "_MOST_LISTED", 2)
        fill(mail, 3)
        path, _ = further(browser.text())
        assert rows(browser.text(path)) == ["Number 0"]
        browser.client.delete(browser.messages()[1]["url"])
        assert rows(browser.text(path)) == ["Number 2", "Number 0"]

    def test_a_message_and_its_steps_stay_on_their_page(self, mail, browser, monkeypatch):
        monkeypatch.setattr(pages, "_MOST_LISTED", 2)
        fill(mail, 4)
        path, _ = further(browser.text())
        page = browser.text(path)
        opened = unescape(re.search(r'class="row" href="/_mail([^"]*)"', page)[1])
        message = browser.text(opened)
        assert rows(message) == ["Number 1", "Number 0"]
        older = browser.messages()[3]["id"]
        assert f'rel="next" href="/_mail/messages/{older}{path.removeprefix("/")}"' in message
        answer = browser.post("/delete-selected", id=[older], before=path.partition("=")[2])
        assert answer.location == f"/_mail{path}"

    def test_a_search_reads_only_so_much_and_goes_on(self, mail, browser, monkeypatch):
        monkeypatch.setattr(pages, "MOST_READ", 3 * inboxes._EACH)  # as each has some octets
        fill(mail, 8)
        page = browser.text("/?q=number+0")
        assert (rows(page), count_of(page)) == ([], "0")
        assert "Searched the newest 3 of 8 messages." in page
        path, goes_on = further(page)
        assert goes_on
        page = browser.text(path)
        assert "Searched the newest 6 of 8 messages." in page
        path, goes_on = further(page)
        page = browser.text(path)
        assert (rows(page), further(page)) == (["Number 0"], None)
        assert "Searched all 8 messages." in page
        # What was read is remembered.
        page = browser.text("/?q=number+0")
        assert (rows(page), further(page)) == (["Number 0"], None)
        assert "No messages match" not in page

    def test_results_have_pages(self, mail, browser, monkeypatch):
        monkeypatch.setattr(pages, "_MOST_LISTED", 2)
        fill(mail, 3)
        page = browser.text("/?q=number")
        assert (rows(page), count_of(page)) == (["Number 2", "Number 1"], "2+")
        path, goes_on = further(page)
        assert not goes_on
        assert rows(browser.text(path)) == ["Number 0"]
        assert 'name="q" value="number"' in page

    def test_a_message_that_disappears_is_looked_at(self, mail, monkeypatch):
        fill(mail, 2)
        inbox = Inbox(mail.app)
        kept = inbox.kept()
        mail.outbox.clear()
        monkeypatch.setattr(inboxes, "read", lambda each: None)
        found = inbox.search(Query(), kept, 10, 1)
        assert (found.messages, found.seen) == ([], 1)
