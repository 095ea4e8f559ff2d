"""The adapters for RQ, Dramatiq and Huey."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from shop import Shop


@pytest.fixture
def shop(tmp_path, request):
    wake = f"flask_mail_queue.{request.param}:wake_up"
    with Shop(f"sqlite:///{tmp_path}/mail.db", WAKE=wake) as shop, shop.app.app_context():
        yield shop


@pytest.mark.parametrize("shop", ["rq"], indirect=True)
class TestRQ:
    @pytest.fixture(autouse=True)
    def rq(self, shop):
        flask_rq = pytest.importorskip("flask_rq")
        fakeredis = pytest.importorskip("fakeredis")
        shop.app.config["RQ_CONNECTION_CLASS"] = fakeredis.FakeRedis
        return flask_rq.RQ(shop.app)

    def test_a_job_sends_the_message_after_the_commit(self, shop, rq):
        shop.send("confidential")
        [job] = rq.queue.jobs
        assert job.func_name == "flask_mail_queue.rq.work"
        assert (job.args, job.kwargs, job.retries_left) == ((), {}, None)
        assert shop.states() == ["queued"]
        job.perform()
        job.perform()
        assert shop.states() == ["sent"]
        assert len(shop.peer.taken) == 1

    def test_it_runs_each_minute(self, shop, rq):
        from flask_mail_queue.rq import work

        rq.cron_register(work, interval=60)
        [job] = rq.make_cron_scheduler().get_jobs()
        shop.send()
        job.func()
        assert shop.states() == ["sent"]


@pytest.mark.parametrize("shop", ["dramatiq"], indirect=True)
class TestDramatiq:
    @pytest.fixture
    def broker(self, shop):
        stub = pytest.importorskip("dramatiq.brokers.stub")
        from flask_mail_queue.dramatiq import register

        broker = stub.StubBroker()
        broker.emit_after("process_boot")
        register(shop.app, broker)
        yield broker
        broker.close()

    def test_an_actor_sends_the_message_after_the_commit(self, shop, broker):
        import dramatiq

        shop.send("confidential")
        [queued] = list(broker.queues["default"].queue)
        assert b"confidential" not in queued
        broker.enqueue(dramatiq.Message.decode(queued))  # delivered twice
        worker = dramatiq.Worker(broker, worker_timeout=10, worker_threads=1)
        worker.start()
        try:
            broker.join("default", timeout=30_000)
            worker.join()
        finally:
            worker.stop()
        assert shop.states() == ["sent"]
        assert len(shop.peer.taken) == 1

    def test_it_is_not_retried(self, shop, broker):
        [actor] = broker.actors.values()
        assert actor.options["max_retries"] == 0


@pytest.mark.parametrize("shop", ["huey"], indirect=True)
class TestHuey:
    @pytest.fixture
    def huey(self, shop):
        huey = pytest.importorskip("huey").MemoryHuey()
        from flask_mail_queue.huey import register

        register(shop.app, huey)
        return huey

    def test_a_task_sends_the_message_after_the_commit(self, shop, huey):
        shop.send("confidential")
        [stored] = huey.storage.enqueued_items()
        assert b"confidential" not in stored
        task = huey.dequeue()
        assert task.retries == 0
        huey.execute(task)
        huey.execute(task)
        assert shop.states() == ["sent"]
        assert len(shop.peer.taken) == 1

    def test_it_runs_each_minute(self, shop, huey):
        [task] = huey.read_periodic(datetime(2026, 1, 1, 12, 7, tzinfo=timezone.utc))
        shop.send()
        huey.execute(task)
        assert shop.states() == ["sent"]


@pytest.mark.parametrize("shop", ["rq", "dramatiq", "huey"], indirect=True)
def test_an_engine_that_is_not_registered_is_logged_and_the_message_stays(shop, request, caplog):
    engine = request.node.callspec.params["shop"]
    pytest.importorskip(engine if engine != "rq" else "flask_rq")
    assert shop.send().outcome.value == "queued"
    assert shop.states() == ["queued"]
    assert "WAKE'] raised KeyError" in caplog.text
