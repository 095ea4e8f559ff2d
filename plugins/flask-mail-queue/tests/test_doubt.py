"""Commits that are interrupted, so that a message may be in the queue."""

from __future__ import annotations

import pytest
from models import Base, Order
from shop import Shop
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import sessionmaker


@pytest.fixture
def made(url):
    """A function that returns an app and a session on its database."""
    factory = sessionmaker()
    with Shop(url, SESSION=lambda: session) as shop:
        Base.metadata.create_all(shop.store.engine)
        session = factory(bind=create_engine(url))
        yield shop, session
        session.close()
        with session.get_bind().connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            if other.dialect.name == "postgresql":
                for name in other.scalars(text("SELECT gid FROM pg_prepared_xacts")).all():
                    other.exec_driver_sql(f"ROLLBACK PREPARED '{name}'")
            elif other.dialect.name == "mariadb":
                for row in other.execute(text("XA RECOVER")).all():
                    other.exec_driver_sql(f"XA ROLLBACK '{row.data.decode()}'")
        session.get_bind().dispose()


@pytest.fixture
def in_two_phases(made):
    shop, session = made
    if shop.store.is_sqlite:
        pytest.skip("SQLite has no two-phase commit")
    session.twophase = True
    session.add(Order())
    shop.send()
    return made


def fail(monkeypatch, session, name, *, disconnect, first=False):
    """Let a method of the dialect fail.

    :param first: it does its work before it fails.
    """
    dialect = session.get_bind().dialect
    original = getattr(dialect, name)

    def failing(*arguments, **named):
        if first:
            original(*arguments, **named)
        raise dialect.loaded_dbapi.OperationalError("gone")

    monkeypatch.setattr(dialect, name, failing)
    monkeypatch.setattr(dialect, "is_disconnect", lambda *arguments: disconnect)


def commit(session):
    with pytest.raises(DBAPIError):
        session.commit()
    session.rollback()


def outcomes(shop):
    return [each[2] for each in shop.told if each[0] == "email-failed"]


@pytest.mark.parametrize("first", [True, False])
def test_a_connection_lost_in_the_commit_leaves_it_unknown(made, monkeypatch, first):
    shop, session = made
    session.add(Order())
    shop.send()
    fail(monkeypatch, session, "do_commit", disconnect=True, first=first)
    commit(session)
    assert outcomes(shop) == ["unknown"]
    assert shop.states() == (["queued"] if first else [])


@pytest.mark.parametrize("first", [True, False])
def test_an_exception_of_a_signal_in_the_commit_leaves_it_unknown(made, monkeypatch, first):
    """Such as the soft time limit of Celery; the driver may be unable to roll back then."""
    shop, session = made
    session.add(Order())
    shop.send()
    dialect = session.get_bind().dialect
    original = dialect.do_commit

    def interrupted(connection):
        if first:
            original(connection)
        raise RuntimeError("soft time limit")

    monkeypatch.setattr(dialect, "do_commit", interrupted)
    with pytest.raises(RuntimeError):
        session.commit()
    session.rollback()
    assert outcomes(shop) == ["unknown"]
    assert shop.states() == (["queued"] if first else [])


@pytest.mark.filterwarnings("ignore:transaction already deassociated")
def test_a_rollback_that_fails_after_an_interrupted_commit_proves_nothing(made, monkeypatch):
    shop, session = made
    session.add(Order())
    shop.send()
    dialect = session.get_bind().dialect
    original = dialect.do_commit

    def interrupted(connection):
        original(connection)
        raise RuntimeError("soft time limit")

    monkeypatch.setattr(dialect, "do_commit", interrupted)
    fail(monkeypatch, session, "do_rollback", disconnect=False)
    with pytest.raises((RuntimeError, DBAPIError)):
        session.commit()
    monkeypatch.undo()
    session.close()
    assert outcomes(shop) == ["unknown"]
    assert shop.states() == ["queued"]


def test_a_commit_that_the_database_rejects_is_not_sent(made, monkeypatch):
    shop, session = made
    session.add(Order())
    shop.send()
    fail(monkeypatch, session, "do_commit", disconnect=False)
    commit(session)
    assert outcomes(shop) == ["not sent"]
    assert shop.states() == []


@pytest.mark.filterwarnings("ignore:transaction already deassociated")
def test_a_commit_followed_by_another_that_fails_is_told_as_it_is(made, monkeypatch, tmp_path):
    """A session commits its connections one after the other, in no order."""
    shop, session = made
    other = create_engine(f"sqlite:///{tmp_path}/orders.db")
    Base.metadata.create_all(other)
    session.bind_mapper(Order, other)
    session.add(Order())
    session.flush()
    shop.send()
    monkeypatch.setattr(other.dialect, "do_commit", lambda connection: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        session.commit()
    session.rollback()
    other.dispose()
    assert outcomes(shop) == (["unknown"] if shop.states() else ["not sent"])


def test_two_phases_that_succeed_queue_the_message(in_two_phases):
    shop, session = in_two_phases
    session.prepare()
    session.commit()
    assert shop.states() == ["queued"]
    assert outcomes(shop) == []


def test_a_prepared_transaction_that_is_rolled_back_is_not_sent(in_two_phases):
    shop, session = in_two_phases
    session.prepare()
    session.rollback()
    assert outcomes(shop) == ["not sent"]
    assert shop.states() == []


def test_two_phases_that_the_database_rejects_are_not_sent(in_two_phases, monkeypatch):
    shop, session = in_two_phases
    fail(monkeypatch, session, "do_prepare_twophase", disconnect=False)
    commit(session)
    assert outcomes(shop) == ["not sent"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", ["do_prepare_twophase", "do_commit_twophase"])
def test_a_connection_lost_in_either_phase_leaves_it_unknown(
    in_two_phases, monkeypatch, name, first
):
    shop, session = in_two_phases
    fail(monkeypatch, session, name, disconnect=True, first=first)
    commit(session)
    assert outcomes(shop) == ["unknown"]


def test_an_exception_of_a_signal_in_the_first_phase_leaves_it_unknown(in_two_phases, monkeypatch):
    shop, session = in_two_phases
    dialect = session.get_bind().dialect
    original = dialect.do_prepare_twophase

    def interrupted(*arguments):
        original(*arguments)
        raise RuntimeError("soft time limit")

    monkeypatch.setattr(dialect, "do_prepare_twophase", interrupted)
    # MariaDB refuses to roll back what SQLAlchemy does not know to be prepared.
    with pytest.raises((RuntimeError, DBAPIError)):
        session.commit()
    session.rollback()
    assert outcomes(shop) == ["unknown"]


@pytest.mark.parametrize("disconnect", [True, False])
def test_a_prepared_transaction_that_cannot_be_rolled_back_is_unknown(
    in_two_phases, monkeypatch, disconnect
):
    shop, session = in_two_phases
    session.prepare()
    fail(monkeypatch, session, "do_rollback_twophase", disconnect=disconnect)
    with pytest.raises(DBAPIError):
        session.rollback()
    session.close()
    assert outcomes(shop) == ["unknown"]


def test_a_session_invalidated_after_it_was_prepared_leaves_it_unknown(in_two_phases):
    shop, session = in_two_phases
    session.prepare()
    session.invalidate()
    assert outcomes(shop) == ["unknown"]
