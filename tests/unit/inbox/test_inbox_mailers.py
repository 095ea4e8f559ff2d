"""The inbox of an app that has several mailers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from inbox_support import Browser, make_mail

from flask_mail.backends import Backend, Kept, StoredMessage
from flask_mail.inbox.inbox import Inbox

NOON = datetime(2030, 1, 1, 12, tzinfo=timezone.utc)


class Shelf(Backend[None]):
    """Numbers its messages, as another shelf does."""

    name = "shelf"
    external = False

    def __init__(self, *, minutes: int = 0) -> None:
        self.minutes = minutes
        self.messages: dict[str, StoredMessage] = {}

    def deliver(self, mail, session):
        self.messages[str(len(self.messages))] = StoredMessage(mail.content, mail.envelope)
        return self.accepted(mail)

    def kept(self):
        return [
            Kept(
                number,
                NOON + timedelta(minutes=self.minutes + int(number)),
                lambda number=number: self.messages.get(number),
                lambda number=number: self.messages.pop(number, None),
            )
            for number in self.messages
        ]


def mail_with(**mailers: Any) -> Any:
    return make_mail("console", MAIL_MAILERS=mailers, MAIL_CONSOLE_STREAM="stderr")


def send(mail: Any, *subjects: str, mailer: str = "default") -> None:
    for subject in subjects:
        mail.using(mailer).send_message(subject, ["ann@example.com"], "Hi")


def listed(mail: Any) -> list[tuple[str, str, str]]:
    return [(each["subject"], each["mailer"], each["backend"]) for each in Browser(mail).messages()]


def test_messages_of_all_mailers_are_listed_newest_first(tmp_path):
    mail = mail_with(box={"BACKEND": "file", "PATH": tmp_path / "box"}, memory="locmem")
    send(mail, "One")
    send(mail, "Two", mailer="box")
    send(mail, "Three", mailer="memory")
    send(mail, "Four")
    assert listed(mail) == [
        ("Four", "default", "console"),
        ("Three", "memory", "locmem"),
        ("Two", "box", "file"),
        ("One", "default", "console"),
    ]


def test_replaced_mailers_share_one_store_and_keep_their_names():
    mail = mail_with(default="smtp://x.example.com", bulk="smtp://y.example.com")
    mail.app.testing = True
    send(mail, "One")
    send(mail, "Two", mailer="bulk")
    assert listed(mail) == [("Two", "bulk", "locmem"), ("One", "default", "locmem")]


def test_locmem_mailers_list_each_message_once_with_its_mailer():
    mail = mail_with(default="locmem", bulk="locmem")
    send(mail, "One")
    send(mail, "Two", mailer="bulk")
    assert listed(mail) == [("Two", "bulk", "locmem"), ("One", "default", "locmem")]


def test_mailers_with_one_folder_list_each_message_once(tmp_path):
    box = {"BACKEND": "file", "PATH": tmp_path}
    mail = mail_with(default=box, other=dict(box))
    send(mail, "One")
    send(mail, "Two", mailer="other")
    assert listed(mail) == [("Two", "other", "file"), ("One", "default", "file")]


def test_console_mailers_list_each_message_once():
    mail = mail_with(other={"BACKEND": "console", "STREAM": "stderr"})
    send(mail, "One")
    send(mail, "Two", mailer="other")
    assert listed(mail) == [("Two", "other", "console"), ("One", "default", "console")]


def test_equal_ids_of_two_backends_are_told_apart():
    mail = mail_with(first={"BACKEND": Shelf}, second={"BACKEND": Shelf, "MINUTES": 10})
    send(mail, "One", "Two", mailer="first")
    send(mail, "Three", mailer="second")
    assert listed(mail) == [
        ("Three", "second", "shelf"),
        ("Two", "first", "shelf"),
        ("One", "first", "shelf"),
    ]
    inbox = Inbox(mail.app)
    ids = [each.id for each in inbox.kept()]
    assert len(set(ids)) == 3
    inbox.delete(ids[0])
    assert [subject for subject, *_ in listed(mail)] == ["Two", "One"]
    assert Browser(mail).client.delete("/_mail/api/messages").status_code == 204
    assert listed(mail) == []


def test_mailers_that_keep_nothing_hide_no_messages():
    mail = mail_with(
        real="smtp://x.example.com",
        broken={"BACKEND": "smtp", "PROT": 1},
        unreadable={"BACKEND": "file", "PATH": __file__},
    )
    send(mail, "One")
    assert listed(mail) == [("One", "default", "console")]


def test_default_mailer_that_keeps_nothing_is_named_if_none_does():
    mail = mail_with(default="smtp://x.example.com", bulk="null")
    page = Browser(mail).text()
    assert "The smtp backend does not keep messages for the inbox" in page
    assert "set MAIL_MAILERS[&#39;default&#39;] to" in page


def test_mailers_that_are_no_dict_are_reported():
    mail = make_mail("console", MAIL_MAILERS="bulk")
    assert "MAIL_MAILERS must be a dict" in Browser(mail).text()


def test_pages_show_the_mailer_if_there_are_several():
    mail = mail_with(bulk="locmem")
    send(mail, "One", mailer="bulk")
    browser = Browser(mail)
    assert "Mailer </span>" not in browser.text()  # the same in each row
    assert "<dt>Mailer</dt><dd>bulk</dd>" in browser.text(f"/messages/{browser.only()['id']}")
    send(mail, "Two", mailer="default")
    page = browser.text()
    assert "Mailer </span>bulk</span>" in page
    assert "Mailer </span>default</span>" in page


def test_pages_show_no_mailer_if_there_is_one():
    mail = make_mail("locmem")
    mail.send_message("One", ["ann@example.com"], "Hi")
    browser = Browser(mail)
    assert "Mailer </span>" not in browser.text()
    assert "<dt>Mailer</dt>" not in browser.text(f"/messages/{browser.only()['id']}")
    assert browser.only()["mailer"] == "default"


def test_search_finds_a_mailer():
    mail = mail_with(bulk="locmem")
    send(mail, "One")
    send(mail, "Two", mailer="bulk")
    found = Browser(mail).client.get("/_mail/api/messages?q=bulk").get_json()["messages"]
    assert [each["subject"] for each in found] == ["Two"]
    [one] = [each for each in Browser(mail).messages() if each["subject"] == "Two"]
    assert Browser(mail).client.get(one["url"]).get_json()["mailer"] == "bulk"


@pytest.mark.parametrize("mailer", [7, None, ["bulk"]])
def test_mailer_that_a_program_assigned_is_only_shown_if_it_is_text(mailer):
    mail = make_mail("locmem")
    mail.send_message("One", ["ann@example.com"], "Hi")
    mail.outbox[0].mailer = mailer
    assert Browser(mail).only()["mailer"] == "default"


def test_message_of_no_mailer_has_none_if_several_share_its_store():
    mail = mail_with(default="smtp://x.example.com", bulk="smtp://y.example.com")
    mail.app.testing = True
    send(mail, "One")
    del mail.outbox[0].mailer
    assert Browser(mail).only()["mailer"] is None
    assert "Mailer </span>" not in Browser(mail).text()
