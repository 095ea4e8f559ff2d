"""The messages of a queue in the inbox of an app in development."""

from __future__ import annotations

import pytest
from flask_mail_queue.database.schema import State
from shop import Shop

from flask_mail.backends import BackendUnavailable, ConfigurationError, MessageRefused


def backlog(shop):
    return shop.queue.backlog()


def test_a_waiting_message_can_be_read_and_cancelled(shop):
    shop.send()
    [found] = backlog(shop)
    assert (found.state, found.is_waiting, found.mailer, found.name) == (
        "queued",
        True,
        "peer",
        "1",
    )
    assert b"Subject: Hello" in found.read().content
    assert found.retry is None
    assert found.cancel()
    assert not found.cancel()
    [cancelled] = backlog(shop)
    assert (cancelled.state, cancelled.is_waiting) == ("cancelled", False)
    assert cancelled.id == found.id
    assert cancelled.date >= found.date
    assert cancelled.retry()
    assert shop.states() == ["queued"]


def test_a_message_that_failed_has_its_reason_and_is_sent_again(shop):
    shop.peer.script = [MessageRefused("No.", response="550 ann@example.com is unknown")]
    shop.send()
    shop.work()
    [found] = backlog(shop)
    assert (found.state, found.attempts, found.may_arrive_twice) == ("refused", 1, False)
    assert found.reason == "MessageRefused: 550 <recipient 1> is unknown"
    assert found.cancel is None
    assert found.retry()
    assert not found.retry()
    shop.work()
    assert shop.states() == ["sent"]
    assert backlog(shop) == []


def test_an_attempt_that_is_repeated_has_its_reason(shop):
    shop.peer.script = [BackendUnavailable("Later.", stage="data", response="450 later")]
    shop.send()
    shop.work()
    [found] = backlog(shop)
    assert (found.state, found.is_waiting, found.attempts) == ("queued", True, 1)
    assert "450 later" in found.reason


def test_an_unknown_message_is_sent_again_as_a_person_has_decided(shop):
    shop.send()
    queue = shop.store.tables.queue
    shop.execute(queue.update().values(state=State.UNKNOWN.value, finished_at=5))
    [found] = backlog(shop)
    assert (found.state, found.may_arrive_twice) == ("unknown", True)
    assert found.retry()
    assert shop.states() == ["queued"]


def test_a_decision_about_a_failed_message_does_not_hold_for_an_unknown_one(shop):
    shop.send()
    queue = shop.store.tables.queue
    shop.execute(queue.update().values(state=State.FAILED.value, finished_at=5))
    [found] = backlog(shop)
    shop.execute(queue.update().values(state=State.UNKNOWN.value))
    assert not found.retry()
    assert shop.states() == ["unknown"]


def test_content_that_is_gone_cannot_be_sent_again(shop):
    shop.send()
    queue = shop.store.tables.queue
    ended = {"state": State.REFUSED.value, "finished_at": 5, "record": None}
    shop.execute(queue.update().values(**ended))
    [found] = backlog(shop)
    assert found.retry is None
    assert found.read().error == "The content was deleted."
    shop.execute(queue.delete())
    assert found.read() is None


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (b"{", "The row cannot be read: JSONDecodeError."),
        (b"[]", "The row cannot be read: "),
        (b"gAAAAAx", "sealed with a key"),
        (b'{"recipients": ["ann@example.com"]}', "The content was deleted."),
    ],
)
def test_content_that_cannot_be_read_says_why(shop, record, error):
    shop.send()
    shop.execute(shop.store.tables.queue.update().values(record=record))
    assert error in backlog(shop)[0].read().error


def test_queues_in_one_table_show_their_own_mail_once(url):
    with Shop(url) as shop:
        shop.app.config["MAIL_MAILERS"]["second"] = {
            **shop.app.config["MAIL_MAILERS"]["default"],
            "MAILER": "other",
        }
        shop.app.config["MAIL_MAILERS"]["other"] = {"BACKEND": "null"}
        shop.send()
        selection = shop.app.extensions["mail"].selection
        assert [len(selection.build(each).backlog()) for each in ("default", "second")] == [1, 0]


def test_a_database_without_tables_is_an_error(shop):
    shop.store.metadata.drop_all(shop.store.engine)
    with pytest.raises(ConfigurationError, match="flask mail queue create"):
        backlog(shop)


def test_the_inbox_shows_the_queue_and_acts(shop):
    shop.app.debug = True
    client = shop.app.test_client()
    shop.send("Your order")
    assert ">Queue</a>" in client.get("/_mail/").text
    page = client.get("/_mail/queue").text
    assert "Your order" in page
    path = page.partition('class="row" href="')[2].partition('"')[0]
    shown = client.get(path).text
    assert "Hello, Ann." in shown
    token = shown.partition('name="token" value="')[2].partition('"')[0]
    assert client.post(f"{path}/cancel", data={"token": token}).status_code == 303
    assert shop.states() == ["cancelled"]
    assert client.post(f"{path}/retry", data={"token": token}).status_code == 303
    assert shop.states() == ["queued"]
