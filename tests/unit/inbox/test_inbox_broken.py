"""Messages of others, and broken ones: none takes the list of the inbox down."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from inbox_support import (
    BROKEN,
    BROKEN_ENVELOPES,
    Browser,
    fill_with_broken,
    make_mail,
    welcome,
)

from flask_mail import Message
from flask_mail.backends import entry_points
from flask_mail.inbox import rendered as letters
from flask_mail.inbox.filters import moment_text
from flask_mail.mime.parser import Entity
from flask_mail.util.clocks import moment_of
from flask_mail.util.text import clean_text

VIEWS = ("", *(f"?view={each}" for each in ("html", "text", "headers", "envelope", "source")))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mail"


@pytest.fixture
def browser(folder):
    return Browser(make_mail("file", MAIL_FILE_PATH=folder))


def test_a_folder_of_broken_files_is_listed_as_a_whole(browser, folder):
    count = fill_with_broken(folder)
    assert len(browser.messages()) == count
    assert browser.text("/").count('class="row"') == count
    assert len(browser.messages(subject="Good")) == len(BROKEN_ENVELOPES) + 4
    for name in ("folder", "pipe"):
        assert browser.get(f"/messages/{name}").status_code == 404
    assert browser.client.delete("/_mail/api/messages").status_code == 204
    assert browser.messages() == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", BROKEN)
def test_each_page_of_a_broken_file_is_shown(browser, folder, name):
    folder.mkdir()
    (folder / f"{name}.eml").write_bytes(BROKEN[name])
    for path in (*VIEWS, "/html", "/eml"):
        assert browser.get(f"/messages/{name}{path}").status_code == 200
    assert browser.only()["id"] == name
    assert browser.get(f"/messages/{name}/parts/0").status_code in (200, 404)


@pytest.mark.parametrize("name", BROKEN_ENVELOPES)
def test_a_broken_envelope_is_left_out_or_cleaned(browser, folder, name):
    folder.mkdir()
    (folder / "a.eml").write_bytes(b"Subject: Good\r\n\r\nHi\r\n")
    (folder / "a.json").write_text(BROKEN_ENVELOPES[name])
    for path in VIEWS:
        assert browser.get(f"/messages/a{path}").status_code == 200
    found = browser.only()
    if name == "half":
        assert found["envelope"]["recipients"] == ["a\ufffd@b.c"]
        assert (found["tags"], found["metadata"]) == (["\ufffd"], {"\ufffd": "\ufffd"})
    else:
        assert found["envelope"] is None


def test_half_a_character_is_replaced_everywhere(browser, folder):
    folder.mkdir()
    (folder / "a.eml").write_bytes(
        b"Subject: =?utf-7?q?+2AA-?=\nFrom: =?utf-7?q?+2AA-?= <a@b.example>\n"
        b"=?utf-7?q?+2AA-?=: x\nContent-Type: multipart/mixed; boundary=a\n\n--a\n"
        b"Content-Type: text/plain; charset=utf-7\n\n+2AA-\n--a\n"
        b"Content-Type: image/png; name*=utf-7''%2B2AA-\n\nx\n--a--\n"
    )
    found = browser.only()
    shown = [found["subject"], found["text"], found["from"], found["attachments"][0]["filename"]]
    assert all("\ufffd" in each for each in shown)
    assert "\ud800" not in repr(found)


def test_what_the_reader_itself_gets_wrong_is_the_error_of_one_message(
    browser, folder, monkeypatch
):
    def broken(entity):
        raise RecursionError("too deep")

    fill_with_broken(folder)
    monkeypatch.setattr(letters, "fields_in", broken)
    assert {each["error"] for each in browser.messages()} == {
        "This message cannot be read: RecursionError."
    }
    assert browser.get("/messages/empty").status_code == 200


class TestOutbox:
    """A program may put anything into ``mail.outbox``."""

    @pytest.mark.parametrize(
        "message", [None, "text", SimpleNamespace(as_bytes=lambda: b"Subject: x\r\n\r\n")]
    )
    def test_what_is_no_message_is_listed(self, message):
        mail = make_mail()
        mail.send(welcome())
        mail.outbox.append(message)
        assert len(Browser(mail).messages()) == 2
        assert Browser(mail).text("/")

    def test_a_class_of_the_program_that_raises_is_listed_with_the_reason(self):
        class Odd(Message):
            def as_bytes(self):
                raise ZeroDivisionError

        mail = make_mail()
        mail.outbox.append(Odd("Odd"))
        [found] = Browser(mail).messages()
        assert found["error"] == "This message cannot be rendered: ZeroDivisionError."

    @pytest.mark.parametrize(
        "date", [datetime.max, datetime.min, datetime.max.replace(tzinfo=timezone.utc), 1e18, -1e18]
    )
    def test_a_date_out_of_range_is_shown(self, date):
        mail = make_mail()
        message = Message("Odd", ["ann@example.com"], "Hi", sender="a@b.example")
        message.date = date
        mail.outbox.append(message)
        assert Browser(mail).text("/")
        assert Browser(mail).only()["subject"] == "Odd"


@pytest.mark.parametrize("seconds", [-(10.0**15), 10.0**15, 0.0])
def test_a_moment_out_of_range_can_be_shown(seconds):
    assert moment_text(moment_of(seconds))


def test_text_without_half_characters_stays_as_it_is():
    assert [clean_text(each) for each in ("a", "é😀", "\ud83d\ude00")] == ["a", "é😀", "��"]


def test_a_folder_that_is_asked_for_leaves_no_descriptor_open(browser, folder):
    fill_with_broken(folder)
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.glob("*")))
    for _ in range(20):
        assert browser.get("/messages/folder").status_code == 404
    assert len(list(descriptors.glob("*"))) <= before + 5


class TestWork:
    """Work for a page of the inbox."""

    @pytest.fixture
    def page(self, browser):
        mail_app = browser.client.application
        mail_app.config["MAIL_ALLOWED_RECIPIENTS"] = "*@example.com"  # so that it may send again
        mail_app.extensions["mail"].send(welcome())
        path = browser.messages()[0]["page"]
        assert "Sends the unchanged message" in browser.client.get(path).text
        return path

    def test_a_message_is_read_once(self, browser, page, monkeypatch):
        read = []
        original = Entity.of.__func__

        def of(cls, octets, *args):
            read.append(len(octets))
            return original(cls, octets, *args)

        monkeypatch.setattr(Entity, "of", classmethod(of))
        size = browser.only()["size"]
        read.clear()
        browser.client.get(page)
        assert read.count(size) == 1

    def test_no_entry_points_are_read_again(self, browser, page, monkeypatch):
        def fail(*args):
            raise AssertionError("read again")

        monkeypatch.setattr(entry_points, "_entry_points", fail)
        assert browser.client.get(page).status_code == 200
