"""The shop, tested with Flask-Mail's kit alone: no worker and no server runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_mail_queue.testing import work_off
from orders import create_app, db, mail

from flask_mail.testing import Outbox


def opened(**config: object) -> Iterator[Flask]:
    app = create_app(TESTING=True, SQLALCHEMY_DATABASE_URI="sqlite://", **config)
    with app.app_context():
        yield app
        mail.close()
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def app() -> Iterator[Flask]:
    yield from opened()


@pytest.fixture
def app_with_queue() -> Iterator[Flask]:
    """The app as in production, but the mailer behind the queue keeps messages in memory."""
    mailers = {"default": {"BACKEND": "queue", "MAILER": "delivery"}, "delivery": "locmem"}
    yield from opened(MAIL_SUPPRESS_SEND=False, MAIL_MAILERS=mailers)


def buy(client: FlaskClient, item: str, address: str = "ann@example.com") -> int:
    return client.post("/", data={"item": item, "address": address}).status_code


def test_an_order_is_confirmed(app: Flask, outbox: Outbox) -> None:
    assert buy(app.test_client(), "Blue teapot") == 302
    outbox.assert_sent(to="ann@example.com", subject="Your order", body="Blue teapot is on its way")
    [(message, options)] = outbox.queued
    assert (message.subject, options.delay) == ("Your order", 0)


def test_an_address_that_is_not_valid_is_no_order(app: Flask, outbox: Outbox) -> None:
    client = app.test_client()
    assert buy(client, "Blue teapot", "ann") == 422
    assert "<td>" not in client.get("/").text
    assert len(outbox) == 0


def test_the_page_shows_that_the_confirmation_was_sent(app_with_queue: Flask) -> None:
    client = app_with_queue.test_client()
    buy(client, "Blue teapot")
    assert "<td>queued</td>" in client.get("/").text
    with mail.record_messages() as outbox:
        assert work_off(app_with_queue) == 1
    assert [message.recipients for message in outbox] == [["ann@example.com"]]
    assert "<td>sent</td>" in client.get("/").text


def test_what_is_sold_out_is_neither_ordered_nor_confirmed(app_with_queue: Flask) -> None:
    client = app_with_queue.test_client()
    assert [buy(client, "Red teapot"), buy(client, "Red teapot")] == [302, 409]
    assert work_off(app_with_queue) == 1
    assert client.get("/").text.count("<tr><td>") == 1
