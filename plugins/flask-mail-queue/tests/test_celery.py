"""The task of Celery."""

from __future__ import annotations

import pytest
from shop import Shop

celery = pytest.importorskip("celery")


@pytest.fixture
def shop(tmp_path):
    with Shop(f"sqlite:///{tmp_path}/mail.db", WAKE="flask_mail_queue.celery:wake_up") as shop:
        yield shop


@pytest.fixture
def engine(shop):
    class FlaskTask(celery.Task):
        def __call__(self, *args, **kwargs):
            with shop.app.app_context():
                return self.run(*args, **kwargs)

    engine = celery.Celery("shop", broker="memory://", task_cls=FlaskTask)
    engine.set_default()
    yield engine
    engine.close()


def test_a_task_sends_the_message_after_the_commit(shop, engine):
    engine.conf.task_always_eager = True
    shop.send()
    assert shop.states() == ["sent"]


def test_a_task_that_is_delivered_twice_sends_nothing_twice(shop, engine):
    from flask_mail_queue.celery import work

    engine.conf.task_always_eager = True
    shop.send()
    work.delay()
    work.delay()
    assert len(shop.peer.taken) == 1


def test_the_broker_carries_no_content(shop, engine):
    shop.send("confidential")
    with engine.connection_for_read() as connection:
        task = connection.SimpleQueue("celery").get(block=False)
        assert "confidential" not in str(task.body)
        assert "ann@" not in str(task.body) + str(task.headers)
        task.ack()
    assert shop.states() == ["queued"]


def test_a_broker_that_is_away_is_logged_and_the_message_stays(shop, engine, caplog):
    engine.conf.update(broker_url="redis://localhost:1/0", broker_connection_timeout=1)
    assert shop.send().outcome.value == "queued"
    assert shop.states() == ["queued"]
    assert "WAKE" in caplog.text
