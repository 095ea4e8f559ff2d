"""Events of mail services: what they say about rows whose outcome is unknown."""

from __future__ import annotations

import json
import traceback
from datetime import datetime, timezone

import pytest
from flask.cli import ScriptInfo
from flask_mail_queue.cli.queue import queue
from flask_mail_queue.database.schema import SECOND, State
from flask_mail_queue.feedback import events
from shop import Peer, Shop
from sqlalchemy import select, update
from test_recovery import dead_worker

from flask_mail import DeliveryEvent, Message, email_reported
from flask_mail.backends import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryUnknown,
    MessageRefused,
)

NOW = datetime(2026, 11, 30, tzinfo=timezone.utc)


def report(shop, kind, **fields):
    event = DeliveryEvent(kind, NOW, mailer="peer", **fields)
    email_reported.send(shop.app, event=event)
    return event


def message_id(shop, number=1):
    return shop.row(number)["message_id"]


def unknown(shop, *recipients):
    shop.peer.script = [DeliveryUnknown("No reply.")]
    message = Message("Hello", recipients or ["ann@example.com"], "Hello.")
    shop.mail.send(message)
    shop.work()
    assert shop.states()[-1] == "unknown"


def run(shop, *arguments):
    runner = shop.app.test_cli_runner()
    return runner.invoke(queue, arguments, obj=ScriptInfo(create_app=lambda: shop.app))


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        *(("delivered", "sent"), ("delayed", "sent"), ("bounced", "sent")),
        *(("complained", "sent"), ("unsubscribed", "sent")),
        *(("refused", "refused"), ("other", "unknown")),
    ],
)
def test_an_event_settles_a_message_whose_outcome_is_unknown(shop, kind, state):
    unknown(shop)
    told = len(shop.told)
    report(
        *(shop, kind),
        message_id=message_id(shop),
        recipient="ann@example.com",
        response="250 ann@example.com has it",
    )
    row = shop.row(1)
    assert row["state"] == state
    assert len(shop.told) == told, "email_reported is the signal of it"
    if state != "unknown":
        assert row["response"] == f"{kind}: 250 <recipient 1> has it"
        assert row["reported"] == kind
    if state == "sent":
        assert row["record"] is None


def test_a_refusal_of_one_of_several_recipients_settles_nothing(shop):
    unknown(shop, "ann@example.com", "bob@example.com")
    report(shop, "refused", message_id=message_id(shop), recipient="bob@example.com")
    shop.work()
    assert shop.states() == ["unknown"], "it may have refused both"
    assert shop.row(1)["reported"] == "refused"
    report(shop, "delivered", message_id=message_id(shop), recipient="ann@example.com")
    assert shop.states() == ["sent"]


def test_a_refusal_does_not_hide_a_delivery_to_another_recipient(shop):
    def note(mail):
        for kind in ("delivered", "refused"):
            report(shop, kind, message_id=mail.message_id)

    shop.peer.before = note
    shop.peer.script = [DeliveryUnknown("No reply.")]
    shop.send(cc=["bob@example.com"])
    shop.work()
    assert shop.states() == ["sent"]


def test_what_stays_of_a_settled_message_is_as_keep_says(url):
    with Shop(url, KEEP="recipients") as shop:
        unknown(shop)
        report(shop, "delivered", message_id=message_id(shop))
        assert json.loads(shop.row(1)["record"]) == {"recipients": ["ann@example.com"]}


def test_the_name_that_the_service_has_given_finds_the_row(shop, monkeypatch):
    original = Peer.deliver

    def deliver(self, mail, session):
        original(self, mail, session)
        return self.accepted(mail, response="0100-abc")

    monkeypatch.setattr(Peer, "deliver", deliver)
    shop.send()
    shop.work()
    assert shop.row(1)["peer_id"] == "0100-abc"
    report(shop, "bounced", peer_id="0100-abc", reason="No such user.")
    assert shop.row(1)["reported"] == "bounced"
    assert shop.states() == ["sent"]
    assert "reported: bounced" in run(shop, "show", "1").output


def test_other_processes_know_the_last_event_of_each_mailer(shop):
    queue = shop.app.extensions["mail"].selection.build("default")
    assert queue.last_events() == []
    for number, kind in enumerate(("delivered", "bounced")):
        report(shop, kind, id=str(number))
        with shop.store.begin() as connection:
            connection.execute(update(shop.store.tables.event).values(at=number * SECOND))
    event = DeliveryEvent("other", NOW, "2", mailer="news")
    email_reported.send(shop.app, event=event)
    found = {each.mailer: each for each in queue.last_events()}
    assert {name: each.kind.value for name, each in found.items()} == {
        "peer": "bounced",
        "news": "other",
    }
    assert found["news"].at.year >= 2026
    shop.store.tables.event.drop(shop.store.engine)
    with pytest.raises(ConfigurationError, match="queue create"):
        queue.last_events()


def test_the_reply_of_a_server_is_not_a_name(shop):
    shop.send()
    shop.work()
    assert shop.row(1)["peer_id"] is None


def test_a_message_id_of_several_rows_settles_none(shop):
    message = Message("Hello", ["ann@example.com"], "Hello.")
    shop.peer.script = [DeliveryUnknown("No reply."), None]
    shop.mail.send(message)
    shop.mail.send(message)
    shop.work()
    report(shop, "delivered", message_id=message.msgId)
    assert shop.states() == ["unknown", "sent"]


def test_an_event_of_no_row_changes_nothing(shop):
    unknown(shop)
    report(shop, "delivered", message_id="<other@example.com>")
    report(shop, "delivered", peer_id="x\0y")
    report(shop, "delivered")
    assert shop.states() == ["unknown"]


def test_a_row_that_was_not_sent_yet_is_not_settled(shop):
    shop.send()
    report(shop, "delivered", message_id=message_id(shop))
    assert shop.states() == ["queued"]
    assert shop.row(1)["reported"] is None


def test_an_event_ends_the_repetition_of_a_row_in_doubt(shop, monkeypatch):
    monkeypatch.setattr(Peer, "deduplicates", 86400.0)
    shop.peer.script = [DeliveryUnknown("No reply.")]
    shop.send()
    shop.work()
    assert shop.states() == ["queued"]
    report(shop, "delivered", message_id=message_id(shop))
    assert shop.states() == ["sent"]
    shop.make_due()
    shop.work()
    assert not shop.peer.taken


def test_an_event_before_the_worker_died_settles_the_row_afterwards(shop):
    shop.send()
    dead_worker(shop, State.SENDING)
    report(shop, "delivered", message_id=message_id(shop))
    assert shop.states() == ["sending"]
    shop.work()
    assert shop.states() == ["sent"]


def test_an_event_during_an_attempt_without_a_reply_settles_the_row(shop):
    shop.send()
    shop.peer.before = lambda mail: report(shop, "bounced", message_id=mail.message_id)
    shop.peer.script = [DeliveryUnknown("No reply.")]
    shop.work()
    assert shop.states() == ["sent"]


def test_a_finished_row_keeps_its_outcome(shop):
    shop.peer.script = [MessageRefused("No.")]
    shop.send()
    shop.work()
    report(shop, "delivered", message_id=message_id(shop))
    assert shop.states() == ["refused"]
    assert shop.row(1)["reported"] == "delivered"


def test_events_for_a_row_queued_again_by_a_person_do_not_settle_it(shop):
    unknown(shop)
    report(shop, "other", message_id=message_id(shop))
    table = shop.store.tables.queue
    shop.execute(table.update().values(reported="delivered"))
    assert run(shop, "retry", "1", "--may-arrive-twice").exit_code == 0
    assert shop.row(1)["reported"] is None


def test_repeats_of_an_event_are_dropped(shop):
    unknown(shop)
    event = report(shop, "delivered", message_id=message_id(shop), id="event-1")
    table = shop.store.tables.queue
    shop.execute(table.update().values(state="unknown", reported=None))
    email_reported.send(shop.app, event=event)
    assert shop.states() == ["unknown"]
    with shop.store.begin() as connection:
        rows = connection.execute(select(shop.store.tables.event)).all()
    assert [(row.mailer, row.kind) for row in rows] == [("peer", "delivered")]


def test_ids_of_events_are_kept_for_seven_days(shop):
    event = report(shop, "delivered", id="event-1")
    table, day = shop.store.tables.event, 86400 * SECOND
    for days, left in ((6, 1), (2, 0)):
        shop.execute(table.update().values(at=table.c.at - days * day))
        with shop.store.begin() as connection:
            events.forget_old(connection, shop.store.tables)
            assert len(connection.execute(select(table)).all()) == left
    email_reported.send(shop.app, event=event)
    shop.execute(table.update().values(at=1))
    shop.work()
    with shop.store.begin() as connection:
        assert connection.execute(select(table)).all() == [], "workers delete them"


def test_status_shows_the_last_event(shop):
    assert "event" not in run(shop, "status").output
    assert json.loads(run(shop, "status", "--json").output)["last_event"] is None
    report(shop, "delivered", id="1")
    table = shop.store.tables.event
    shop.execute(table.update().values(at=table.c.at - 60 * SECOND))
    report(shop, "bounced", id="2")
    assert "Last event: bounced, by peer, " in run(shop, "status").output
    last = json.loads(run(shop, "status", "--json").output)["last_event"]
    assert (last["kind"], last["mailer"]) == ("bounced", "peer")
    assert last["age"] < 60


def test_an_event_that_cannot_be_stored_is_sent_again_by_the_service(shop):
    unknown(shop)
    about = {"message_id": message_id(shop), "recipient": "ann@example.com"}
    event = DeliveryEvent("bounced", NOW, mailer="peer", permanent=True, **about)
    shop.store.tables.suppression.drop(shop.store.engine)
    with pytest.raises(BackendUnavailable, match="event cannot be stored.*queue create") as caught:
        email_reported.send(shop.app, event=event)
    assert "ann@" not in "".join(traceback.format_exception(caught.value)), "it is logged"
    assert shop.states() == ["unknown"]


def test_an_app_is_connected_when_the_queue_was_configured_late(url):
    with Shop(url) as shop:
        mailers = shop.app.config["MAIL_MAILERS"]
        for receiver in list(email_reported.receivers_for(shop.app)):
            email_reported.disconnect(receiver, shop.app)
        shop.app.extensions["mail"].selection.own_admissions.clear()
        mailers["default"]["LEASE"] = 6  # so that it is built again
        unknown(shop)
        report(shop, "delivered", message_id=message_id(shop))
        assert shop.states() == ["sent"]
