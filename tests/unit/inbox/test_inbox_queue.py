"""The messages in the queues of an app, in its inbox: what is due, and what failed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from inbox_support import STORED, Browser, QueueBackend, Rows, make_mail

from flask_mail import Mail
from flask_mail.backends import ConfigurationError, StoredMessage


@pytest.fixture
def store() -> Rows:
    QueueBackend.rows = Rows()
    return QueueBackend.rows


@pytest.fixture
def mail(store: Rows) -> Mail:
    mailers = {"default": {"BACKEND": QueueBackend}, "other": {"BACKEND": "console"}}
    return make_mail(MAIL_MAILERS=mailers)


@pytest.fixture
def browser(mail: Mail) -> Browser:
    return Browser(mail)


def token_in(page: str) -> str:
    return page.partition('name="token" value="')[2].partition('"')[0]


def act(browser: Browser, what: str, **fields: str) -> Any:
    token = token_in(browser.text("/queue/q-7"))
    return browser.client.post(f"/_mail/queue/q-7/{what}", data={"token": token, **fields})


def test_an_app_without_a_queue_has_no_page_of_it() -> None:
    browser = Browser(make_mail())
    assert "Queue" not in browser.text()
    assert "No mailer of this app has a queue." in browser.text("/queue")
    page = browser.get("/queue/q-7")
    assert page.status_code == 409


def test_the_inbox_says_what_is_wrong_if_nothing_can_be_built() -> None:
    browser = Browser(make_mail(MAIL_MAILERS={"default": {"BACKEND": "nothing"}}))
    assert "nothing" in browser.text()
    assert "Queue" not in browser.text()


def test_an_app_without_mail_has_no_queue(mail: Mail) -> None:
    assert mail.app
    browser = Browser(mail)
    browser.text()
    mail.app.extensions["mail"] = object()
    assert "no mail that could be shown" in browser.text("/queue")


def test_messages_are_listed_with_state_and_time(browser: Browser, store: Rows) -> None:
    assert "The queue is empty" in browser.text("/queue")
    store.add("7")
    store.add("6", "queued", attempts=2, reason="450 later")
    store.add("5", "failed", is_waiting=False, attempts=1, reason="550 no", mailer="")
    page = browser.text("/queue")
    assert ">Queue</a>" in page
    assert page.count("To Ann") == page.count("Your order") == 3
    assert page.count("due 2030-01-31") == 2
    assert page.count('<li class="failed">') == 1
    assert [word in page for word in ("450 later", "2 attempts", "550 no", "1 attempt<")] == [
        True
    ] * 4
    assert page.count("</span>bulk</span>") == 2
    assert 'href="/_mail/queue/q-7"' in page


def test_a_message_without_content_has_a_number(browser: Browser, store: Rows) -> None:
    store.add("7", "sent", read=lambda: StoredMessage(b"", error="The content was deleted."))
    store.add("6", read=lambda: None)
    page = browser.text("/queue")
    assert "Number 7" in page
    assert "The content was deleted." in page
    assert "q-6" not in page
    assert "The content was deleted." in browser.text("/queue/q-6")


def test_a_message_is_shown_beside_the_others(browser: Browser, store: Rows) -> None:
    store.add("7", attempts=1, reason="450 later")
    store.add("6")
    page = browser.text("/queue/q-7")
    assert page.count('class="row"') == 2
    assert 'aria-current="true"' in page
    assert "<dt>Due</dt>" in page
    assert "450 later" in page
    assert "Number 7, 1 attempt" in page
    assert "Delete" not in page
    assert browser.get("/queue/q-7/eml").data == STORED.content
    assert browser.get("/queue/gone").status_code == 404


def test_a_queue_that_cannot_be_listed_says_why(browser: Browser, store: Rows) -> None:
    store.error = ConfigurationError("The database is away.")
    assert "The database is away." in browser.text("/queue")
    assert browser.get("/queue/q-7").status_code == 409


def test_several_queues_in_a_backend_made_of_others_are_listed_once(store: Rows) -> None:
    store.add("7")
    mailers = {
        "default": {"BACKEND": "failover", "MAILERS": ["first", "other"]},
        "first": {"BACKEND": QueueBackend},
        "other": {"BACKEND": "console"},
    }
    browser = Browser(make_mail(MAIL_MAILERS=mailers))
    page = browser.text("/queue")
    assert ">Queue</a>" in page
    assert page.count('class="row"') == 1


def test_a_failed_message_is_sent_again(browser: Browser, store: Rows) -> None:
    store.add("7", "failed", is_waiting=False, reason="550 no", retry=store.act("retry"))
    assert "may arrive twice" not in browser.text("/queue/q-7")
    answer = act(browser, "retry")
    assert (answer.status_code, answer.location) == (303, "/_mail/queue")
    assert store.done == ["retry"]


def test_an_unknown_message_is_sent_again_only_if_a_person_accepts_that(
    browser: Browser, store: Rows
) -> None:
    store.add("7", "unknown", is_waiting=False, may_arrive_twice=True, retry=store.act("retry"))
    assert "It may arrive twice" in browser.text("/queue/q-7")
    answer = act(browser, "retry")
    assert answer.status_code == 409
    assert "confirm that it may arrive twice" in answer.text
    assert store.done == []
    assert act(browser, "retry", may_arrive_twice="1").status_code == 303
    assert store.done == ["retry"]


def test_a_waiting_message_is_cancelled(browser: Browser, store: Rows) -> None:
    store.add("7", cancel=store.act("cancel"))
    assert act(browser, "cancel").status_code == 303
    assert store.done == ["cancel"]


@pytest.mark.parametrize("what", ["retry", "cancel"])
def test_what_has_changed_meanwhile_stays_as_it_is(
    browser: Browser, store: Rows, what: str
) -> None:
    store.add("7", **{what: store.act(what)})
    store.is_changed = False
    answer = act(browser, what)
    assert answer.status_code == 409
    assert "changed this message first" in answer.text
    assert store.done == [what]
    page = browser.text("/queue/q-7")
    store.messages[0] = replace(store.messages[0], **{what: None})
    data = {"token": token_in(page)}
    assert browser.client.post(f"/_mail/queue/q-7/{what}", data=data).status_code == 409
    assert store.done == [what]


@pytest.mark.parametrize("what", ["retry", "cancel"])
def test_other_pages_cannot_act(browser: Browser, store: Rows, what: str) -> None:
    store.add("7", retry=store.act("retry"), cancel=store.act("cancel"))
    path = f"/_mail/queue/q-7/{what}"
    assert browser.client.post(path).status_code == 403
    page = browser.text("/queue/q-7")
    headers = {"Origin": "https://evil.example"}
    data = {"token": token_in(page)}
    assert browser.client.post(path, data=data, headers=headers).status_code == 403
    assert browser.client.get(path).status_code == 404
    assert store.done == []
