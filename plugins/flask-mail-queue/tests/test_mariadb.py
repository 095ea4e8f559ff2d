"""What MariaDB does otherwise: deadlocks, lenient comparisons, its two names in URLs."""

from __future__ import annotations

import threading

import pytest
from models import Base, Order
from shop import Shop
from sqlalchemy import create_engine, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from flask_mail import BackendUnavailable, ConfigurationError, Message


@pytest.fixture
def mariadb(servers):
    return servers("mariadb")


@pytest.fixture
def deadlock(mariadb):
    """An app, its session, which has stored a message, and a statement that ends in a deadlock."""
    engine = create_engine(mariadb.url)
    Base.metadata.create_all(engine)
    with Session(engine) as filling:
        filling.add_all([Order(id=number) for number in range(1, 51)])
        filling.commit()
    session = Session(engine)
    with Shop(mariadb.url, SESSION=lambda: session) as shop, engine.connect() as other:
        # The database ends the transaction that has changed fewer rows.
        other.execute(update(Order).where(Order.id > 1).values(email="other"))
        session.execute(update(Order).where(Order.id == 1).values(email="mine"))
        shop.send()
        waiting = threading.Thread(
            target=other.execute, args=[update(Order).where(Order.id == 1).values(email="other")]
        )
        waiting.start()

        def collide():
            with pytest.raises(OperationalError, match="1213"):
                session.execute(update(Order).where(Order.id == 2).values(email="mine"))
            waiting.join(30)
            other.rollback()

        yield shop, session, collide
        session.close()
    engine.dispose()


def test_a_message_is_lost_with_a_transaction_that_ends_in_a_deadlock(deadlock):
    shop, session, collide = deadlock
    collide()
    # The next statement would begin another transaction, without the data and without the mail.
    with pytest.raises(SQLAlchemyError):
        session.commit()
    session.rollback()
    assert [each[::2] for each in shop.told] == [
        ("email-queued", "queued"),
        ("email-failed", "not sent"),
    ]
    assert shop.states() == []
    session.add(Order(id=99))
    shop.send("Again")
    session.commit()
    assert shop.states() == ["queued"]


@pytest.mark.parametrize("times", [3, 4])
def test_a_deadlock_while_a_message_is_stored_alone_is_tried_again(shop, monkeypatch, times):
    insert, failures = shop.store.insertion.one, [None] * times

    def fail(connection, row):
        stored = insert(connection, row)
        if failures:
            failures.pop()
            raise OperationalError("INSERT", {}, Exception(1213, "Deadlock found"))
        return stored

    monkeypatch.setattr(shop.store.insertion, "one", fail)
    if times > 3:
        with pytest.raises(BackendUnavailable):
            shop.send()
        assert shop.states() == []
    else:
        assert shop.send().outcome.value == "queued"
        assert shop.states() == ["queued"]


def test_keys_differ_in_case_accents_and_spaces(shop):
    keys = ["order", "Order", "örder", "order ", "ordér", "🙂", "🙃"]
    options = [{"queue": {"key": key}} for key in keys]
    messages = [Message("Hello", ["ann@example.com"], "Hi", options=each) for each in options]
    numbers = [shop.mail.send(each).response for each in messages]
    assert len(set(numbers)) == len(keys)
    again = [Message("Hello", ["ann@example.com"], "Hi", options=each) for each in options]
    assert [each.response for each in shop.mail.send_many([*again, *again])] == numbers * 2
    assert len(shop.rows()) == len(keys)


def test_large_content_stays_whole(shop):
    body = "Grüße 🙂 " * 30_000
    shop.mail.send(Message("Hello", ["ann@example.com"], body))
    shop.work()
    (mail,) = shop.peer.taken
    assert mail.message.body == body


def test_a_url_of_mysql_may_lead_to_mariadb(mariadb):
    with Shop(mariadb.url.replace("mariadb+", "mysql+")) as shop:
        shop.send(key="order")
        assert shop.send(key="order").response == "1"
        shop.work()
        assert shop.states() == ["sent"]


@pytest.mark.parametrize(
    ("is_mariadb", "version", "problem"),
    [(True, (10, 5, 9), "MariaDB 10.5.9"), (False, (8, 4), "MySQL 8.4")],
)
def test_other_servers_are_refused(mariadb, monkeypatch, is_mariadb, version, problem):
    with Shop(mariadb.url) as shop:
        dialect = shop.store.engine.dialect
        monkeypatch.setattr(dialect, "is_mariadb", is_mariadb)
        monkeypatch.setattr(dialect, "server_version_info", version)
        for look in (shop.store.create, shop.store.missing):
            with pytest.raises(ConfigurationError, match=problem):
                look()
