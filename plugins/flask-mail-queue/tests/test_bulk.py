"""Lists of messages, which are stored together."""

from __future__ import annotations

from contextlib import contextmanager

from flask_mail_queue import QueueBackend
from flask_mail_queue.enqueue import storing
from flask_mail_queue.feedback import suppression_list
from flask_mail_queue.feedback.suppression_list import Reason
from models import Order
from shop import Shop
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from test_transactions import made  # noqa: F401 (a fixture)

from flask_mail import Message, Outgoing


def message(subject, **fields):
    return Message(str(subject), ["ann@example.com"], "Hello, Ann.", **fields)


def outcomes(receipts):
    return [each.outcome.value for each in receipts]


@contextmanager
def statements(shop):
    """Yield the list of the statements that the block runs on the database of a queue."""
    found = []

    def note(connection, cursor, statement, *rest):
        found.append(statement)

    engine = shop.store.engine
    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def test_a_list_is_stored_in_one_statement_and_sent_in_its_order(shop):
    shop.mail.send_many([message("first")])
    with statements(shop) as found:
        receipts = shop.mail.send_many([message(number) for number in range(20)])
    assert sum("INSERT" in each for each in found) == 1
    assert sum("SELECT" in each for each in found) == 1
    assert [each.response for each in receipts] == [str(number) for number in range(2, 22)]
    for receipt in receipts:
        assert shop.row(int(receipt.response))["message_id"] == receipt.message_id
    shop.work()
    subjects = [mail.message.subject for mail in shop.peer.taken]
    assert subjects == ["first", *map(str, range(20))]
    assert [each[0] for each in shop.told].count("email-queued") == 21


def test_messages_with_the_same_key_are_stored_once(shop):
    first = shop.send(key="a")
    given = [message(number, key=key) for number, key in enumerate(["b", "a", None, "b", "c"])]
    receipts = shop.mail.send_many(given)
    numbers = [each.response for each in receipts]
    assert numbers[1] == first.response
    assert numbers[0] == numbers[3]
    assert len({*numbers}) == 4
    keys = {str(row["id"]): row["key"] for row in shop.rows()}
    assert [keys[each] for each in numbers] == ["b", "a", None, "b", "c"]
    assert shop.states() == ["queued"] * 4


def test_messages_with_the_same_id_have_rows_of_their_own(shop):
    given = [message(number, extra_headers={"Message-ID": "<1@example.com>"}) for number in "ab"]
    first, second = shop.mail.send_many(given)
    assert first.response != second.response
    assert shop.states() == ["queued"] * 2


def test_an_invalid_message_of_a_list_does_not_stop_the_others(shop):
    given = [message(0), message(1, options={"queue": {"delay": -1}}), message(2)]
    given[0].order = object()  # has no JSON type
    receipts = shop.mail.send_many(given)
    assert outcomes(receipts) == ["not sent", "not sent", "queued"]
    assert shop.states() == ["queued"]


def test_a_list_without_a_valid_message_stores_nothing(shop):
    receipts = shop.mail.send_many([message(0, options={"queue": {"delay": -1}})] * 2)
    assert outcomes(receipts) == ["not sent"] * 2
    assert shop.states() == []


def test_suppressed_messages_of_a_list_are_refused(shop):
    with shop.store.begin() as connection:
        suppression_list.add(connection, shop.store.tables, "bob@example.com", Reason.BOUNCE)
    other = Message("1", ["bob@example.com"], "Hello.")
    both = Message("2", ["bob@example.com", "ann@example.com"], "Hello.")
    receipts = shop.mail.send_many([message(0), other, both])
    assert outcomes(receipts) == ["queued", "refused", "queued"]
    assert [*receipts[2].refused] == ["bob@example.com"]
    shop.work()
    assert [mail.envelope.recipients for mail in shop.peer.taken] == [("ann@example.com",)] * 2


def test_a_list_that_cannot_be_stored_together_is_stored_one_by_one(shop, monkeypatch):
    def fail(connection, rows):
        connection.execute(shop.store.tables.queue.delete())
        raise OperationalError("INSERT", {}, Exception("too large"))

    shop.send("first")
    monkeypatch.setattr(shop.store.insertion, "many", fail)
    receipts = shop.mail.send_many([message(number) for number in range(3)])
    assert outcomes(receipts) == ["queued"] * 3
    assert shop.states() == ["queued"] * 4, "the transaction that failed was rolled back"


def test_a_list_is_unknown_if_its_commit_is_interrupted(shop, monkeypatch):
    shop.send("first")
    dialect = shop.store.engine.dialect
    commit = dialect.do_commit

    def fail(connection):
        commit(connection)
        raise dialect.dbapi.OperationalError(2013, "lost")

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", fail)
        receipts = shop.mail.send_many([message(number) for number in range(3)])
    assert outcomes(receipts) == ["unknown"] * 3
    assert len({id(each.error) for each in receipts}) == 3
    assert shop.states() == ["queued"] * 4, "none was stored twice"


def test_large_messages_are_stored_in_several_statements(shop, monkeypatch):
    monkeypatch.setattr(storing, "_LARGEST", 100_000)
    with statements(shop) as found:
        shop.mail.send_many([message(number, html="x" * 40_000) for number in range(5)])
    assert sum("INSERT" in each for each in found) == 3
    assert shop.states() == ["queued"] * 5


def test_a_longer_list_of_another_backend_is_stored_in_several_statements(shop, monkeypatch):
    monkeypatch.setattr(QueueBackend, "batch_size", 3)
    mails = [Outgoing.of(message(number, sender="shop@example.com")) for number in range(7)]
    with shop.app.app_context(), statements(shop) as found:
        receipts = list(shop.queue.deliver_many(mails, None))
    assert sum("INSERT" in each for each in found) == 3
    assert [each.message_id for each in receipts] == [each.message_id for each in mails]


def test_a_list_joins_a_transaction_and_is_lost_with_it(made, monkeypatch):  # noqa: F811
    calls = []
    monkeypatch.setattr("shop.wake_up", lambda: calls.append(shop.states()), raising=False)
    shop, db = made(WAKE="shop:wake_up")
    with shop.app.app_context():
        db.session.add(Order())
        db.session.flush()
        receipts = shop.mail.send_many([message(number) for number in range(3)])
        assert all(each.response.endswith(", with your transaction") for each in receipts)
        db.session.rollback()
    assert shop.states() == []
    assert shop.told[3:] == [("email-failed", each, "not sent") for each in "012"]
    with shop.app.app_context():
        db.session.add(Order())
        shop.mail.send_many([message(number) for number in range(3)])
        db.session.commit()
    assert calls == [["queued"] * 3]


def test_messages_of_a_list_in_a_session_that_is_closed_are_counted(made, caplog):  # noqa: F811
    shop, db = made()
    with shop.app.app_context():
        db.session.add(Order())
        shop.mail.send_many([message(number) for number in range(3)])
    assert "and 3 messages in its transaction" in caplog.text


def test_a_generator_may_commit_after_each_message(made):  # noqa: F811
    shop, db = made()
    stored = []

    def messages():
        for number in range(3):
            db.session.add(Order(email=str(number)))
            yield message(number)
            db.session.commit()
            stored.append(len(shop.states()))

    with shop.app.app_context():
        receipts = shop.mail.send_many(messages())
    assert all(each.response.endswith(", with your transaction") for each in receipts)
    assert stored == [1, 2, 3]


def test_an_option_that_is_wrong_fails_the_messages_of_a_list(tmp_path):
    with Shop(f"sqlite:///{tmp_path}/mail.db", SESSION="nowhere:session") as shop:
        receipts = shop.mail.send_many([message(0), message(1)])
    assert [type(each.error).__name__ for each in receipts] == ["ConfigurationError"] * 2
