"""The shop, tested with Flask-Mail's kit alone: no server runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from newsletter import SUBSCRIBERS, confirm_order, create_app, mail, send_newsletter

from flask_mail.testing import Outbox


@pytest.fixture(autouse=True)
def app() -> Iterator[Flask]:
    app = create_app(TESTING=True)
    with app.app_context():
        yield app


def test_an_order_is_confirmed(outbox: Outbox) -> None:
    confirm_order("ann@example.com", 4711)
    outbox.assert_sent(to="ann@example.com", subject="Your order 4711", mailer="default")


def test_the_newsletter_goes_to_each_subscriber_alone(outbox: Outbox) -> None:
    receipts = send_newsletter(SUBSCRIBERS)
    assert all(receipts)
    assert [message.recipients for message in mail.outbox] == [[each] for each in SUBSCRIBERS]
