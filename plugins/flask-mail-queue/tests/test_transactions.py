"""Transactions that a message joins, and its outcome when they end."""

from __future__ import annotations

import pytest
from flask import abort
from flask_sqlalchemy import SQLAlchemy
from models import Base, Order
from shop import Shop
from sqlalchemy import (
    create_engine,
    insert,
    select,
    text,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import (
    sessionmaker,
)

from flask_mail import BackendUnavailable, ConfigurationError

WRITES = {
    "pending": lambda session: session.add(Order(email="ann@example.com")),
    "flushed": lambda session: (session.add(Order()), session.flush()),
    "DML of the ORM": lambda session: session.execute(insert(Order).values(email="x")),
    "DML of Core": lambda session: session.execute(Order.__table__.insert().values(email="x")),
    "text": lambda session: session.execute(text("INSERT INTO orders (email) VALUES ('x')")),
    "deleted": lambda session: session.delete(session.scalars(select(Order)).first()),
    "changed": lambda session: setattr(session.scalars(select(Order)).first(), "email", "new"),
}
READS = {
    "nothing": lambda session: None,
    "a query": lambda session: session.scalars(select(Order)).all(),
    "after a commit": lambda session: (session.add(Order()), session.commit()),
    "after a rollback": lambda session: (session.add(Order()), session.flush(), session.rollback()),
}


@pytest.fixture
def made(url):
    """A function that returns an app on Flask-SQLAlchemy, and its database."""
    shops = []

    def make(**options):
        db = SQLAlchemy(model_class=Base, disable_autonaming=True)
        shop = Shop(url, extensions=[db.init_app], **{"URL": None, **options})
        shops.append((shop, db))
        with shop.app.app_context():
            Base.metadata.create_all(db.engine)
            shop.store.create()
            with db.engine.begin() as connection:
                connection.execute(Order.__table__.insert().values(email="old"))
        return shop, db

    yield make
    for shop, db in shops:
        shop.__exit__()
        with shop.app.app_context():
            db.session.remove()
            db.engine.dispose()


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_auto_joins_a_session_that_has_written(made, write):
    shop, db = made()
    with shop.app.app_context():
        write(db.session)
        assert shop.send("rolled back").response.endswith("with your transaction")
        db.session.rollback()
    assert shop.states() == []
    assert shop.told[-1] == ("email-failed", "rolled back", "not sent")
    with shop.app.app_context():
        write(db.session)
        shop.send("committed")
        db.session.commit()
    assert shop.states() == ["queued"]
    shop.work()
    assert shop.told[-1] == ("email-dispatched", "committed", "sent")


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_auto_stores_at_once_for_a_session_that_has_only_read(made, read):
    """Otherwise the mail of a view that never commits would be lost."""
    shop, db = made()
    with shop.app.app_context():
        read(db.session)
        assert "transaction" not in shop.send().response
        db.session.rollback()
    assert shop.states() == ["queued"]


def test_auto_sees_what_bypasses_the_session_on_postgresql(made):
    shop, db = made()
    with shop.app.app_context():
        if db.engine.dialect.name != "postgresql":
            pytest.skip("no other database can say what was written")
        db.session.connection().exec_driver_sql("INSERT INTO orders (email) VALUES ('x')")
        assert shop.send().response.endswith("with your transaction")
        db.session.rollback()
    assert shop.states() == []


def test_a_transaction_that_has_failed_is_an_error_and_nothing_is_sent(made):
    shop, db = made()
    with shop.app.app_context():
        with pytest.raises(SQLAlchemyError):
            db.session.execute(text("INSERT INTO nowhere VALUES (1)"))
        db.session.add(Order(id=1))
        with pytest.raises(SQLAlchemyError):
            db.session.flush()
        with pytest.raises(BackendUnavailable) as caught:
            shop.send()
        assert caught.value.receipt.outcome.value == "not sent"


def test_a_transaction_older_than_the_plugin_is_judged_by_the_driver(made):
    shop, db = made()
    for write in (True, False):
        with shop.app.app_context():
            db.session.scalars(select(Order)).all()
            if write:
                db.session.execute(text("INSERT INTO orders (email) VALUES ('x')"))
            db.session.info.clear()
            # PyMySQL cannot say, and joining is safe.
            joins = write or db.engine.dialect.name == "mariadb"
            assert ("your transaction" in shop.send().response) is joins
            db.session.rollback()


def test_session_joins_always(made):
    shop, db = made(TRANSACTION="session")
    with shop.app.app_context():
        shop.send()
        db.session.rollback()
    assert shop.states() == []


def test_own_never_joins(made):
    shop, db = made(TRANSACTION="own")
    with shop.app.app_context():
        db.session.add(Order())
        if db.engine.dialect.name == "sqlite":
            with pytest.raises(ConfigurationError, match="same SQLite file"):
                shop.send()
            return
        shop.send()
        db.session.rollback()
    assert shop.states() == ["queued"]


def test_own_recognizes_its_file_by_another_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Shop(f"sqlite:///{tmp_path}/mail.db") as shop:
        session = sessionmaker(bind=create_engine("sqlite:///mail.db"))()
        shop.app.config["MAIL_MAILERS"]["default"] |= {"SESSION": session, "TRANSACTION": "own"}
        session.execute(shop.store.tables.worker.delete())
        with pytest.raises(ConfigurationError, match="same SQLite file"):
            shop.send()
        session.close()
        session.get_bind().dispose()


def test_a_session_that_is_closed_without_commit_is_an_error(made, caplog):
    shop, db = made()
    with shop.app.app_context():
        db.session.add(Order())
        shop.send()
    assert shop.states() == []
    assert shop.told[-1] == ("email-failed", "Hello", "not sent")
    assert "closed without a commit" in caplog.text


@pytest.mark.parametrize("status", [200, 302, 400, 500])
def test_a_request_that_forgets_its_commit_is_an_error_unless_it_fails(made, caplog, status):
    shop, db = made()

    @shop.app.get("/order")
    def order():
        db.session.add(Order())
        shop.send()
        if status == 500:
            raise LookupError("no such teapot")
        if status == 400:
            abort(400)
        return "Thank you.", status

    assert shop.app.test_client().get("/order").status_code == status
    assert shop.states() == []
    assert shop.told[-1] == ("email-failed", "Hello", "not sent")
    assert ("closed without a commit, and 1 messages" in caplog.text) is (status < 400)
    levels = [each.levelname for each in caplog.records if each.name == "flask_mail.queue"]
    assert levels == (["ERROR", "WARNING"] if status < 400 else ["WARNING"])


@pytest.mark.parametrize("is_in_request", [False, True])
def test_a_session_that_an_exception_closes_is_no_error(made, caplog, is_in_request):
    shop, db = made()
    context = shop.app.test_request_context if is_in_request else shop.app.app_context
    with pytest.raises(LookupError), context():  # noqa: PT012
        db.session.add(Order())
        shop.send()
        shop.send()
        raise LookupError("no such teapot")
    assert shop.told[-2:] == [("email-failed", "Hello", "not sent")] * 2
    assert "A session was closed" not in caplog.text


def test_a_commit_that_is_forgotten_in_an_exception_handler_is_an_error(made, caplog):
    shop, db = made()
    try:
        raise LookupError("no such teapot")
    except LookupError:
        with shop.app.app_context():
            db.session.add(Order())
            shop.send()
    assert "A session was closed without a commit, and 1 messages" in caplog.text


@pytest.mark.parametrize("ending", ["rollback", "remove"])
@pytest.mark.parametrize("is_lost", [True, False])
def test_a_commit_whose_connection_is_lost_is_unknown(made, monkeypatch, ending, is_lost):
    shop, db = made()
    with shop.app.app_context():
        dialect = db.engine.dialect
        if dialect.name == "sqlite":
            pytest.skip("SQLite has no connections that can be lost")
        db.session.add(Order())
        shop.send()
        commit = dialect.do_commit

        def fail(connection):
            if is_lost:
                commit(connection)
                connection.dbapi_connection.close()
            else:
                dialect.do_rollback(connection)  # as the server does if it rejects the commit
            # MariaDB is judged by the number: of a lost connection, or a deadlock.
            raise dialect.dbapi.OperationalError(2013 if is_lost else 1213, "failed")

        with monkeypatch.context() as patch:
            patch.setattr(dialect, "do_commit", fail)
            with pytest.raises(SQLAlchemyError):
                db.session.commit()
        getattr(db.session, ending)()
    assert shop.told[-1] == ("email-failed", "Hello", "unknown" if is_lost else "not sent")
    assert shop.states() == ["queued"] * is_lost


def test_a_savepoint_takes_its_mail_along(made):
    shop, db = made()
    with shop.app.app_context():
        if db.engine.dialect.name == "sqlite":
            pytest.skip("sqlite3 begins no transaction before a savepoint")
        db.session.add(Order())
        shop.send("before")
        inner = db.session.begin_nested()
        shop.send("inner")
        inner.rollback()
        with db.session.begin_nested():
            shop.send("kept")
        db.session.commit()
    assert [row["state"] for row in shop.rows()] == ["queued", "queued"]
    assert ("email-failed", "inner", "not sent") in shop.told
    shop.work()
    sent = [each[1] for each in shop.told if each[0] == "email-dispatched"]
    assert sent == ["before", "kept"]


def test_a_key_in_a_transaction_leaves_the_transaction_alone(made):
    shop, db = made()
    with shop.app.app_context():
        db.session.add(Order())
        first, second = shop.send(key="order"), shop.send(key="order")
        assert first.response == second.response
        db.session.rollback()
    assert shop.states() == []


def test_wake_is_called_after_the_commit(made, monkeypatch):
    calls = []
    monkeypatch.setattr("shop.wake_up", lambda: calls.append(shop.states()), raising=False)
    shop, db = made(WAKE="shop:wake_up")
    with shop.app.app_context():
        db.session.add(Order())
        shop.send()
        assert calls == []
        db.session.commit()
    shop.send()
    assert calls == [["queued"], ["queued", "queued"]]
