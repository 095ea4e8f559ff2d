"""Signals that stop a worker."""

from __future__ import annotations

import pytest
from flask_mail_queue.worker.stopping import Interrupted, Stop
from sqlalchemy import select


def test_the_first_signal_gives_back_what_was_not_marked(shop):
    stop = Stop()
    for number in range(12):
        shop.send(f"Mail {number}")
    shop.peer.before = lambda mail: stop.request()
    shop.work(stop=stop, once=False)
    assert shop.states() == ["sent"] + ["queued"] * 11
    with shop.store.begin() as connection:
        assert connection.execute(select(shop.store.tables.worker)).all() == []


def test_a_second_signal_at_the_end_loses_no_outcome(shop, monkeypatch):
    shop.send()

    def interrupt(self, session):
        raise Interrupted

    monkeypatch.setattr(type(shop.peer), "close", interrupt)
    with pytest.raises(Interrupted):
        shop.work()
    assert shop.states() == ["sent"]
    assert shop.told[-1] == ("email-dispatched", "Hello", "sent")


def test_the_second_signal_leaves_what_is_being_sent_unknown(shop):
    for number in range(3):
        shop.send(f"Mail {number}")

    def interrupt(mail):
        raise Interrupted

    shop.peer.before = interrupt
    with pytest.raises(Interrupted):
        shop.work()
    assert shop.states() == ["unknown", "queued", "queued"]
