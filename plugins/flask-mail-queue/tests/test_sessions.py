"""Sessions and engines of a program without Flask-SQLAlchemy."""

from __future__ import annotations

import pytest
from flask_mail_queue import define_tables
from flask_mail_queue.enqueue import sessions
from models import Base, Order
from shop import Shop
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    text,
)
from sqlalchemy.orm import (
    Session,
    scoped_session,
    sessionmaker,
)

from flask_mail import BackendUnavailable


def test_a_plain_session_of_a_program_is_joined(url):
    factory = scoped_session(sessionmaker())
    with Shop(url, SESSION=factory) as shop:
        Base.metadata.create_all(shop.store.engine)
        factory.configure(bind=shop.store.engine)
        factory.add(Order())
        shop.send()
        factory.rollback()
        assert shop.states() == []
        factory.add(Order())
        shop.send()
        factory.commit()
        factory.remove()
        assert shop.states() == ["queued"]


def test_a_session_on_a_connection_names_its_database(url):
    engine = create_engine(url)
    with engine.connect() as connection:
        session = sessionmaker(bind=connection)()
        with Shop(url, SESSION=session, URL=None) as shop:
            assert shop.send().response == "1"
            assert shop.states() == ["queued"]
        session.close()
    engine.dispose()


def test_a_database_that_fails_is_an_error_without_the_content(url):
    shop = Shop(url)
    with pytest.raises(BackendUnavailable, match="queue create") as caught:
        shop.send("confidential")
    assert "confidential" not in str(caught.value)
    assert caught.value.__cause__ is None
    shop.__exit__()


def test_migrations_see_the_tables():
    metadata = MetaData()
    Table("orders", metadata, Column("id", Integer), Column("email", String))
    define_tables(metadata)
    define_tables(metadata)
    names = {"mail_queue", "mail_queue_worker", "mail_queue_try", "mail_queue_pause"}
    names |= {"mail_queue_event", "mail_suppression"}
    assert names < set(metadata.tables)


def test_a_connection_that_fails_its_ping_is_replaced(url):
    engine = create_engine(url, pool_pre_ping=True)
    with Session(engine) as session:
        sessions.join(session, lambda reason, in_doubt: None, lambda: None)
        session.commit()
        stale = session.connection().connection.dbapi_connection
    stale.close()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()
