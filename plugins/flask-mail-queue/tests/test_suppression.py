"""The suppression list: who is on it, and who gets mail nevertheless."""

from __future__ import annotations

import traceback

import pytest
from flask import Flask
from flask.cli import ScriptInfo
from flask_mail_queue.cli.suppressed import suppressed
from flask_mail_queue.feedback import suppression_list as table_of
from flask_mail_queue.feedback.suppression_list import Reason, find, key_of
from shop import Peer, Shop
from sqlalchemy import event
from test_events import report

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    Mail,
    Message,
    email_dispatched,
    email_failed,
    email_unsubscribed,
)
from flask_mail.backends import MessageRefused, Outcome
from flask_mail.extension.unsubscribe import add_page
from flask_mail.testing import Outbox


def run(shop, *arguments, **options):
    runner = shop.app.test_cli_runner()
    info = ScriptInfo(create_app=lambda: shop.app)
    return runner.invoke(suppressed, arguments, obj=info, **options)


def add(shop, address, reason=Reason.BOUNCE, **options):
    with shop.store.begin() as connection:
        table_of.add(connection, shop.store.tables, address, reason, **options)


def entries(shop):
    with shop.store.begin() as connection:
        found = table_of.listed(connection, shop.store.tables, most=100)
    return sorted((each.address, each.scope, each.reason.value) for each in found)


def send(shop, *recipients, mailer="default", **fields):
    return shop.mail.using(mailer).send(Message("Hello", recipients, "Hello.", **fields))


def refused(shop, *recipients, **fields):
    with pytest.raises(MessageRefused) as caught:
        send(shop, *recipients, **fields)
    return caught.value


def test_a_message_to_suppressed_addresses_alone_is_refused(shop):
    add(shop, "ann@example.com")
    error = refused(shop, "Ann@Example.com")
    assert error.attempts == 0
    assert error.receipt.outcome is Outcome.REFUSED
    ((address, refusal),) = error.receipt.refused.items()
    assert address == "Ann@Example.com"
    assert (refusal.code, refusal.enhanced) == (550, "5.7.1")
    assert refusal.text.startswith("suppressed: hard bounce on 20")
    assert shop.states() == []


def test_the_other_recipients_of_a_message_get_it(shop):
    add(shop, "bob@example.com", Reason.COMPLAINT)
    receipt = send(shop, "ann@example.com", "bob@example.com")
    assert receipt.refused["bob@example.com"].text.startswith("suppressed: complaint on")
    shop.work()
    assert shop.peer.taken[0].envelope.recipients == ("ann@example.com",)


def test_addresses_suppressed_after_they_were_queued_get_no_mail(shop):
    receipts = []

    def note(app, receipt):
        receipts.append(receipt)

    send(shop, "ann@example.com", "bob@example.com")
    send(shop, "bob@example.com")
    add(shop, "bob@example.com")
    with email_failed.connected_to(note, shop.app), email_dispatched.connected_to(note, shop.app):
        shop.work()
    assert shop.states() == ["sent", "refused"]
    assert [mail.envelope.recipients for mail in shop.peer.taken] == [("ann@example.com",)]
    assert [list(each.refused) for each in receipts] == [["bob@example.com"]] * 2
    assert "bob@" not in shop.row(2)["response"]


def test_a_worker_reads_the_list_once_for_a_window(shop):
    for number in range(5):
        send(shop, f"ann{number}@example.com")
    queries = []

    def note(connection, cursor, statement, *rest):
        if statement.startswith("SELECT") and "FROM mail_suppression" in statement:
            queries.append(statement)

    event.listen(shop.store.engine, "before_cursor_execute", note)
    shop.work()
    event.remove(shop.store.engine, "before_cursor_execute", note)
    assert len(queries) == 2, "the first one is the rehearsal"
    assert len(shop.peer.taken) == 5


def test_a_list_is_left_without_the_others(shop):
    add(shop, "ann@example.com", Reason.UNSUBSCRIBED, scope="newsletter")
    assert send(shop, "ann@example.com").outcome is Outcome.QUEUED
    shop.app.config.update(SECRET_KEY="k", SERVER_NAME="localhost", MAIL_UNSUBSCRIBE="/unsubscribe")
    add_page(shop.app)
    assert send(shop, "ann@example.com", unsubscribe="offers").outcome is Outcome.QUEUED
    refused(shop, "ann@example.com", unsubscribe="newsletter")
    essential = {"queue": {"essential": True}}
    send(shop, "ann@example.com", unsubscribe="newsletter", options=essential)
    shop.work()
    assert shop.states() == ["sent"] * 3


@pytest.mark.parametrize(
    ("reason", "is_sent"),
    [(Reason.UNSUBSCRIBED, True), (Reason.BOUNCE, False), (Reason.COMPLAINT, False)],
)
def test_essential_mail_is_sent_to_those_who_have_unsubscribed(shop, reason, is_sent):
    add(shop, "ann@example.com", reason)
    essential = {"queue": {"essential": True}}
    if not is_sent:
        refused(shop, "ann@example.com", options=essential)
        return
    send(shop, "ann@example.com", options=essential)
    shop.work()
    assert shop.states() == ["sent"]
    refused(shop, "ann@example.com")


def test_entries_end(shop):
    add(shop, "ann@example.com", lifetime=3600)
    refused(shop, "ann@example.com")
    table = shop.store.tables.suppression
    shop.execute(table.update().values(until=1, since=1))
    send(shop, "ann@example.com")
    assert entries(shop) == []
    add(shop, "ann@example.com")
    with shop.store.begin() as connection:
        (entry,) = find(connection, shop.store.tables, ["ann@example.com"])
    assert entry.since > 1e9, "it begins again"


def test_addresses_are_found_in_any_spelling(shop):
    assert key_of("Ann <ANN@Bücher.Example>") == "ann@xn--bcher-kva.example"
    assert key_of("ann@straße.de") == "ann@xn--strae-oqa.de"
    assert key_of("no-address") == "no-address"
    add(shop, "Ann@bücher.example")
    refused(shop, "ann@BÜCHER.example")


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("bounced", {"permanent": True}, "bounce"),
        ("bounced", {}, None),
        ("complained", {}, "complaint"),
        ("unsubscribed", {}, "unsubscribed"),
        ("delivered", {}, None),
        ("refused", {"permanent": True}, None),
        ("complained", {"recipient": "a\0b@example.com"}, None),
        ("complained", {"recipient": ""}, None),
    ],
)
def test_events_fill_the_list(shop, kind, fields, reason):
    report(shop, kind, **{"recipient": "Ann@example.com", **fields})
    assert entries(shop) == ([("ann@example.com", "*", reason)] if reason else [])


def test_unsubscriptions_fill_the_list(shop):
    for _ in range(2):
        email_unsubscribed.send(shop.app, address="Ann@example.com", list_name="newsletter")
    assert entries(shop) == [("ann@example.com", "newsletter", "unsubscribed")]


def test_nothing_is_suppressed_if_it_is_switched_off(url):
    with Shop(url, SUPPRESSION="off") as shop:
        assert not email_unsubscribed.has_receivers_for(shop.app)
        report(shop, "complained", recipient="ann@example.com")
        assert entries(shop) == []
        add(shop, "ann@example.com")
        send(shop, "ann@example.com")
        shop.work()
        assert shop.states() == ["sent"]


def test_an_unsubscription_that_nobody_notes_is_an_error(shop):
    shop.app.config["MAIL_MAILERS"]["default"]["SUPPRESSION"] = "off"
    with pytest.raises(ConfigurationError, match="not unsubscribed"):
        email_unsubscribed.send(shop.app, address="ann@example.com", list_name="newsletter")


def test_an_unsubscription_that_cannot_be_stored_is_an_error_without_address(shop):
    address = "ann@example.com"  # the traceback shows the line of the call
    shop.store.tables.suppression.drop(shop.store.engine)
    with pytest.raises(BackendUnavailable, match="unsubscription cannot be stored") as caught:
        email_unsubscribed.send(shop.app, address=address, list_name="newsletter")
    assert "ann@" not in "".join(traceback.format_exception(caught.value)), "it is logged"


@pytest.mark.parametrize("wanted", ["queue", "all"])
def test_mail_of_other_mailers_is_checked_if_the_option_says_so(url, wanted):
    with Shop(url, SUPPRESSION=wanted) as shop:
        shop.app.config["MAIL_MAILERS"]["direct"] = {"BACKEND": Peer}
        add(shop, "ann@example.com")
        refused(shop, "ann@example.com")
        refused(shop, "ann@example.com", mailer="peer")
        if wanted == "all":
            refused(shop, "ann@example.com", mailer="direct")
        else:
            assert send(shop, "ann@example.com", mailer="direct").sent
        assert send(shop, "bob@example.com", mailer="direct").sent


def test_a_queue_with_flat_settings_in_a_composite_is_one_of_the_app(url):
    mailers = {"default": {"BACKEND": "failover", "MAILERS": "queue,peer"}, "peer": Peer}
    options = {"MAIL_QUEUE_MAILER": "peer", "MAIL_QUEUE_URL": url, "MAIL_QUEUE_LEASE": 5}
    app = Flask("shop")
    app.config.update(MAIL_DEFAULT_SENDER="shop@example.com", MAIL_MAILERS=mailers, **options)
    shop = Shop.__new__(Shop)
    shop.app, shop.mail = app, Mail(app)
    assert email_unsubscribed.has_receivers_for(app), "before the queue is used"
    shop.store.create()
    send(shop, "ann@example.com")
    report(shop, "bounced", permanent=True, recipient="ann@example.com", message_id="<other>")
    email_unsubscribed.send(app, address="bob@example.com", list_name="offers")
    assert len(entries(shop)) == 2
    shop.work()
    assert shop.states() == ["refused"]
    assert not shop.peer.taken
    shop.store.dispose()


def test_a_list_that_cannot_be_read_is_an_error_and_nothing_is_sent(shop):
    shop.store.tables.suppression.drop(shop.store.engine)
    with pytest.raises(BackendUnavailable, match="queue create"):
        send(shop, "ann@example.com")
    assert shop.states() == []


def test_in_tests_no_database_is_asked(url):
    shop = Shop(url, SUPPRESSION="all")  # without tables
    shop.app.config["TESTING"] = True
    with Outbox() as outbox:
        assert send(shop, "ann@example.com").sent
        outbox.report(outbox.last, "bounced", permanent=True)
    email_unsubscribed.send(shop.app, address="ann@example.com", list_name="offers")
    shop.__exit__()


def test_a_broken_mailer_does_not_stop_the_others(url):
    with Shop(url, SUPPRESSION="all") as shop:
        shop.app.config["MAIL_MAILERS"]["broken"] = "nosuchbackend"
        assert send(shop, "ann@example.com").outcome is Outcome.QUEUED
        del shop.app.config["MAIL_MAILERS"]["broken"]
