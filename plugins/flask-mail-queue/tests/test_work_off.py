"""The helper for the tests of an app."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_mail_queue.queues import queues_of
from flask_mail_queue.testing import work_off
from flask_sqlalchemy import SQLAlchemy

from flask_mail import ConfigurationError, Mail, Message


@pytest.fixture(params=["file", "memory"])
def app(request, tmp_path):
    app = Flask("shop")
    path = f"/{tmp_path}/shop.db" if request.param == "file" else ""
    app.config.update(
        TESTING=True,
        MAIL_SUPPRESS_SEND=False,
        MAIL_DEFAULT_SENDER="shop@example.com",
        MAIL_MAILERS={"default": {"BACKEND": "queue", "MAILER": "shop"}, "shop": "locmem"},
        SQLALCHEMY_DATABASE_URI=f"sqlite://{path}",
    )
    db = SQLAlchemy(app)
    app.mail = Mail(app)
    app.db = db
    with app.app_context():
        store = queues_of(app)[0].store
        store.create()
        yield app
        store.dispose()
        db.session.remove()
        db.engine.dispose()


def test_all_messages_reach_the_outbox(app):
    app.mail.send(Message("now", ["ann@example.com"], "Hello."))
    later = {"queue": {"delay": 3600}}
    app.mail.send(Message("later", ["ann@example.com"], "Hello.", options=later))
    with app.mail.using("shop").record_messages() as outbox:
        assert work_off(app) == 2
        assert [each.subject for each in outbox] == ["now", "later"]
        assert work_off(app) == 0


def test_mailer_behind_the_queue_may_be_a_backend(app):
    app.config["MAIL_MAILERS"] = {"default": {"BACKEND": "queue", "MAILER": "locmem"}}
    assert app.mail.send(Message("now", ["ann@example.com"], "Hello.")).taken
    assert work_off(app) == 1
    assert [each.mailer for each in app.mail.outbox] == ["locmem"]


def test_external_backend_behind_the_queue_is_replaced_in_tests(app):
    app.config["MAIL_MAILERS"] = {"default": {"BACKEND": "queue", "MAILER": "smtp"}}
    app.mail.send(Message("now", ["ann@example.com"], "Hello."))
    with pytest.raises(ConfigurationError, match="the mailer 'smtp' has the smtp backend"):
        work_off(app)
    app.config["MAIL_SUPPRESS_SEND"] = None
    assert work_off(app) == 1
    assert [each.mailer for each in app.mail.outbox] == ["smtp"]


def test_mail_of_a_composite_reaches_the_outbox_by_its_child(app):
    made_of = {"BACKEND": "failover", "MAILERS": ["first", "second"]}
    app.config["MAIL_MAILERS"].update(shop=made_of, first="locmem", second="smtp://localhost:1")
    app.mail.send(Message("now", ["ann@example.com"], "Hello."))
    with pytest.raises(ConfigurationError, match="the mailer 'second' has the smtp backend"):
        work_off(app)
    app.config["MAIL_MAILERS"]["second"] = "locmem"
    assert work_off(app) == 1
    assert [each.mailer for each in app.mail.outbox] == ["first"]


def test_it_sends_no_real_mail(app):
    app.mail.send(Message("now", ["ann@example.com"], "Hello."))
    app.config["MAIL_MAILERS"]["shop"] = "smtp"
    with pytest.raises(ConfigurationError, match="no real mail"):
        work_off(app)
    app.config["MAIL_MAILERS"]["shop"] = "locmem"
