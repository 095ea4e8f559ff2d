"""Erasure of an address."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from flask.cli import ScriptInfo
from flask_mail_queue import erasure
from flask_mail_queue.cli.queue import queue
from flask_mail_queue.database import changes
from flask_mail_queue.database.schema import State
from flask_mail_queue.worker.claims import Result
from shop import Shop
from test_recovery import dead_worker

from flask_mail import Message
from flask_mail.backends import DeliveryUnknown, MessageRefused


@pytest.fixture(params=[None, Fernet.generate_key().decode()], ids=["plain", "sealed"])
def shop(url, request):
    with Shop(url, KEY=request.param) as shop:
        yield shop


def run(shop, *arguments):
    runner = shop.app.test_cli_runner()
    return runner.invoke(queue, arguments, obj=ScriptInfo(create_app=lambda: shop.app))


@pytest.fixture
def forget(shop):
    return lambda *arguments: run(shop, "forget", *arguments)


def send(shop, *recipients, body="Hello.", **options):
    shop.mail.send(Message("Hello", recipients, body, options={"queue": options}))


def test_content_with_the_address_is_deleted_and_no_other(shop, forget):
    shop.peer.script = [
        *(MessageRefused("No."), DeliveryUnknown("Lost."), MessageRefused("No.")),
        *(MessageRefused("No."), MessageRefused("No.")),
    ]
    send(shop, "ann@example.com")
    send(shop, "bob@example.com", "Ann@Example.com")
    send(shop, "joann@example.com")
    send(shop, "bob@example.com", body="An order of <ann@example.com>.")
    send(shop, "ann@example.com.au")
    shop.work()
    send(shop, "bob@example.com")
    done = forget("ann@example.com")
    assert done.exit_code == 0, done.output
    assert done.output == "Content deleted: 3\nCancelled: 0\nKeys deleted: 0\n"
    assert [row["state"] for row in shop.rows()] == [
        *("refused", "unknown", "refused", "refused", "refused", "queued"),
    ]
    left = [shop.row(row["id"])["record"] is not None for row in shop.rows()]
    assert left == [False, False, True, False, True, True]


def test_what_is_queued_is_left_unless_it_is_cancelled(shop, forget):
    send(shop, "ann@example.com")
    done = forget("ann@example.com")
    assert done.exit_code == 1
    assert "Not finished: 1." in done.output
    assert shop.states() == ["queued"]
    done = forget("ann@example.com", "--cancel")
    assert done.output == "Content deleted: 1\nCancelled: 1\nKeys deleted: 0\n"
    assert shop.states() == ["cancelled"]
    assert shop.row(1)["record"] is None
    shop.work()
    assert not shop.peer.taken


def test_what_a_worker_sends_is_left(shop, forget):
    send(shop, "ann@example.com")
    outputs = []
    shop.peer.before = lambda mail: outputs.append(forget("ann@example.com", "--cancel").output)
    shop.work()
    assert "Not finished: 1." in outputs[0]
    assert shop.states() == ["sent"]
    assert forget("ann@example.com").exit_code == 0


def test_a_late_outcome_does_not_store_the_address_again(shop, forget):
    shop.app.config["MAIL_MAILERS"]["default"]["KEEP"] = "recipients"
    send(shop, "ann@example.com")
    protocol, rows = dead_worker(shop, State.SENDING)
    shop.work()
    assert shop.states() == ["unknown"]
    contents = shop.queue.contents
    remains = contents.remains(contents.mail_of(rows[0].record))
    assert "Content deleted: 1" in forget("ann@example.com").output
    with shop.store.begin() as connection:
        assert protocol.record(connection, [Result(rows[0], State.SENT, remains=remains)]) == {1}
    assert shop.states() == ["sent"]
    assert shop.row(1)["record"] is None


@pytest.mark.parametrize("keep", ["recipients", "everything"])
def test_a_row_settled_while_it_is_forgotten_does_not_keep_the_address(shop, forget, keep):
    shop.app.config["MAIL_MAILERS"]["default"]["KEEP"] = keep
    shop.peer.script = [DeliveryUnknown("Lost.")]
    send(shop, "ann@example.com")
    shop.work()
    contents, tables = shop.queue.contents, shop.store.tables
    remains = contents.remains_of(shop.row(1)["record"], State.SENT)
    assert remains is not None
    assert "Content deleted: 1" in forget("ann@example.com").output
    with shop.store.begin() as connection:
        assert changes.settle(connection, tables, 1, State.SENT, remains)
    assert shop.states() == ["sent"]
    assert shop.row(1)["record"] is None


def test_a_row_forgotten_while_it_is_settled_does_not_keep_the_address(shop, forget, monkeypatch):
    shop.app.config["MAIL_MAILERS"]["default"]["KEEP"] = "recipients"
    shop.peer.script = [DeliveryUnknown("Lost.")]
    send(shop, "ann@example.com")
    shop.work()
    remains = shop.queue.contents.remains_of(shop.row(1)["record"], State.SENT)

    def contents_of(queues, mailer):
        with shop.store.begin() as connection:
            assert changes.settle(connection, shop.store.tables, 1, State.SENT, remains)
        return shop.queue.contents

    monkeypatch.setattr(erasure, "contents_of", contents_of)
    assert "Content deleted: 1" in forget("ann@example.com").output
    assert shop.states() == ["sent"]
    assert shop.row(1)["record"] is None


def test_a_row_retried_while_it_is_forgotten_is_left(shop, forget, monkeypatch):
    shop.peer.script = [MessageRefused("No.")]
    send(shop, "ann@example.com")
    shop.work()

    def contents_of(queues, mailer):
        with shop.store.begin() as connection:
            assert changes.retry(connection, shop.store.tables, [1]) == {1}
        return shop.queue.contents

    monkeypatch.setattr(erasure, "contents_of", contents_of)
    assert "Not finished: 1." in forget("ann@example.com").output
    assert shop.row(1)["record"] is not None


def test_keys_with_the_address_are_deleted(shop, forget):
    for key in ("bye-ann@example.com-1", "joann@example.com", "order-1"):
        send(shop, "bob@example.com", key=key)
    shop.work()
    assert "Keys deleted: 1" in forget("ann@example.com").output
    assert [row["key"] for row in shop.rows()] == [None, "joann@example.com", "order-1"]


def test_domains_are_found_in_both_spellings(shop, forget):
    shop.peer.script = [MessageRefused("No.")] * 2
    send(shop, "ann@bücher.example")
    shop.work()
    assert "Content deleted: 1" in forget("ann@xn--bcher-kva.example").output
    send(shop, "ann@bücher.example")
    shop.peer.script = [MessageRefused("No.")]
    shop.work()
    assert "Content deleted: 1" in forget("ann@bücher.example").output


def test_rows_that_cannot_be_read_are_named(shop, forget):
    send(shop, "ann@example.com")
    shop.execute(shop.store.tables.queue.update().values(record=b"not JSON"))
    done = forget("ann@example.com")
    assert done.exit_code == 1
    assert "Cannot be read: 1." in done.output


def test_more_rows_than_a_page_are_searched(shop, forget):
    shop.peer.script = [MessageRefused("No.")] * 25
    for _ in range(25):
        send(shop, "ann@example.com")
    shop.work()
    assert "Content deleted: 25" in forget("ann@example.com").output


def test_what_is_no_address_is_an_error(forget):
    assert "is not one address such as" in forget("ann").output
