"""The outbox that a message goes to if several tests and threads run at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context

import pytest
from flask import Flask, request
from werkzeug.serving import make_server

from flask_mail import Mail, MailError
from flask_mail.extension import mailers as selection
from flask_mail.testing import AmbiguousOutbox, Outbox
from flask_mail.testing import scope as scopes

PATIENCE = 30.0  # seconds until threads that wait for each other are a failure


@pytest.fixture
def app():
    app = Flask("shop")
    app.config.update(MAIL_SERVER="smtp.invalid", MAIL_DEFAULT_SENDER="shop@example.com")
    return app


@pytest.fixture
def mail(app):
    return Mail(app)


@pytest.fixture
def send(mail):
    return lambda subject="Hello": mail.send_message(subject, ["ann@example.com"])


def subjects(outbox):
    return [message.subject for message in outbox]


def ran(*functions, daemon=False):
    """Run each in a thread of its own, and raise what one of them raises."""
    errors = []

    def run(function):
        try:
            function()
        except Exception as error:  # noqa: BLE001 (raised in the test's own thread)
            errors.append(error)

    threads = [threading.Thread(target=run, args=(each,), daemon=daemon) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


class Worker:
    """A thread that runs what it is given, started now."""

    def __init__(self):
        self._jobs = queue.Queue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self):
        while (job := self._jobs.get()) is not None:
            function, done = job
            try:
                done.append((function(), None))
            except Exception as error:  # noqa: BLE001 (raised where it was given)
                done.append((None, error))
            finally:
                self._jobs.task_done()

    def give(self, function):
        done = []
        self._jobs.put((function, done))
        return done

    def run(self, function):
        done = self.give(function)
        self._jobs.join()
        result, error = done[0]
        if error is not None:
            raise error
        return result

    def stop(self):
        self._jobs.put(None)
        self._thread.join(PATIENCE)


@pytest.fixture
def early_worker():
    """A thread that no test has started."""
    worker = Worker()
    yield worker
    worker.stop()


@contextlib.contextmanager
def served(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


def fetch(url, headers=None):
    with urllib.request.urlopen(
        urllib.request.Request(url, headers=headers or {}), timeout=PATIENCE
    ) as response:
        return response.read().decode()


# ---------------------------------------------------------------------- one test


def test_mail_of_a_thread_that_the_app_starts_comes(outbox, send):
    threading.Thread(target=send).start()
    assert outbox.assert_sent(subject="Hello") is outbox.last


def test_mail_of_a_thread_that_such_a_thread_starts_comes(outbox, send):
    ran(lambda: ran(send))
    assert subjects(outbox) == ["Hello"]


def test_mail_of_a_pool_comes(outbox, send):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(send, "by pool").result().sent
        assert next(pool.map(send, ["by map"])).sent
    assert subjects(outbox) == ["by pool", "by map"]


def test_mail_of_a_thread_that_runs_since_before_the_test_comes(early_worker, outbox, send):
    early_worker.run(send)
    assert subjects(outbox) == ["Hello"]


def test_mail_of_a_server_in_a_thread_comes(outbox, app, send):
    app.add_url_rule("/", view_func=lambda: send().outcome.value)
    with served(app) as url:
        assert fetch(url) == "sent"
    assert subjects(outbox) == ["Hello"]


def test_mail_of_tasks_and_of_their_threads_comes(outbox, send):
    async def main():
        await asyncio.gather(asyncio.to_thread(send, "by thread"), task())
        await asyncio.get_running_loop().run_in_executor(None, send, "by executor")

    async def task():
        send("by task")

    asyncio.run(main())
    assert sorted(subjects(outbox)) == ["by executor", "by task", "by thread"]


def test_a_context_of_an_earlier_test_does_not_hide_the_test_that_runs(send):
    """Plugins for asyncio keep a context over several tests."""
    with Outbox() as first:
        kept = copy_context()
    with Outbox() as second:
        kept.run(send)
    assert subjects(first) == []
    assert subjects(second) == ["Hello"]


def test_a_test_may_end_in_another_context_than_it_began_in(send):
    outbox = Outbox()
    Context().run(outbox.__enter__)
    send()
    Context().run(outbox.__exit__, None, None, None)
    assert subjects(outbox) == ["Hello"]


# ---------------------------------------------------------------------- several at once


def test_tests_in_threads_do_not_see_each_others_mail(send):
    together = threading.Barrier(8)
    seen = {}

    def test(number):
        with Outbox() as outbox:
            together.wait(PATIENCE)
            for _ in range(20):
                send(f"{number}")
            context = copy_context()
            ran(lambda: context.run(send, f"{number}"))
            with ThreadPoolExecutor(1) as pool:
                pool.submit(context.run, send, f"{number}").result()
            together.wait(PATIENCE)
            seen[number] = subjects(outbox)

    ran(*(lambda number=number: test(number) for number in range(8)))
    assert seen == {number: [f"{number}"] * 22 for number in range(8)}


def test_tests_in_tasks_do_not_see_each_others_mail(send):
    async def test(number, together):
        with Outbox() as outbox:
            await together()
            send(f"{number}")
            await asyncio.to_thread(send, f"{number}")
            await asyncio.gather(inner(number))
            await together()
            return subjects(outbox)

    async def inner(number):
        await asyncio.sleep(0)
        send(f"{number}")

    async def main():
        arrived, everybody = [], asyncio.Event()

        async def together():
            arrived.append(1)
            if len(arrived) == 4:
                everybody.set()
            await everybody.wait()

        return await asyncio.gather(*(test(number, together) for number in range(4)))

    assert asyncio.run(main()) == [[f"{number}"] * 3 for number in range(4)]


def test_pool_shared_by_consecutive_tests_keeps_their_mail_apart(send):
    """The first test starts the worker, which serves all of them."""
    with ThreadPoolExecutor(1) as pool:
        with Outbox() as first:
            pool.submit(send, "first").result()
        with Outbox() as second:
            pool.submit(send, "second").result()
        with Outbox() as third:
            pool.submit(ran, lambda: send("third")).result()
    assert subjects(first) == ["first"]
    assert subjects(second) == ["second"]
    assert subjects(third) == ["third"]


def test_inner_outbox_gets_the_mail_until_it_closes(send):
    with Outbox() as outer:
        with Outbox() as inner:
            send("inner")
        send("outer")
        ran(lambda: send("thread"))
    assert subjects(inner) == ["inner"]
    assert subjects(outer) == ["outer", "thread"]


def test_a_request_that_names_an_outbox_goes_there(app, send):
    """Tests in threads share one server, which none of them has started."""
    app.add_url_rule("/<name>", view_func=lambda name: send(name).outcome.value)
    together = threading.Barrier(4)
    seen = {}

    def test(number, url):
        with Outbox() as outbox:
            together.wait(PATIENCE)
            assert fetch(f"{url}{number}", outbox.headers) == "sent"
            together.wait(PATIENCE)
            seen[number] = subjects(outbox)

    with served(app) as url:
        ran(*(lambda number=number: test(number, url) for number in range(4)))
    assert seen == {number: [f"{number}"] for number in range(4)}


def test_header_wins_over_the_context(app, send):
    with Outbox() as first, Outbox() as second, app.test_request_context(headers=first.headers):
        send()
    assert subjects(first) == ["Hello"]
    assert subjects(second) == []


def test_the_headers_of_a_test_client_name_an_outbox(app, send):
    app.add_url_rule("/", view_func=lambda: send().outcome.value)
    with Outbox() as first, Outbox() as second:
        app.test_client().get("/", headers=first.headers)
    assert subjects(first) == ["Hello"]
    assert subjects(second) == []


@pytest.mark.parametrize("is_new", [True, False], ids=["own thread", "earlier thread"])
def test_mail_without_context_is_ambiguous_with_two_outboxes(early_worker, send, is_new):
    with (
        Outbox() as first,
        Outbox() as second,
        pytest.raises(AmbiguousOutbox, match="2 tests have an outbox") as caught,
    ):
        # Threads of free-threaded Pythons inherit the context.
        ran(lambda: Context().run(send)) if is_new else early_worker.run(send)
    assert isinstance(caught.value, (MailError, RuntimeError))
    assert subjects(first) == subjects(second) == []
    for outbox in (first, second):  # the app may have hidden the error
        with pytest.raises(AssertionError, match="Nothing was sent.\n\n2 tests have an outbox"):
            outbox.assert_sent()


# ---------------------------------------------------------------------- what ends late


def late(send):
    """Return what lets a thread of a test that has ended send, and what that gives."""
    go, results = threading.Event(), []

    def wait_and_send():
        assert go.wait(PATIENCE)
        results.append(send("late"))

    thread = threading.Thread(target=wait_and_send)
    thread.start()

    def finish():
        go.set()
        thread.join(PATIENCE)
        return results[0]

    return finish


def test_late_mail_is_discarded(send, caplog):
    """The app's own backend would have connected to a server."""
    with Outbox() as first:
        finish = late(send)
    assert finish().backend == "late"
    assert subjects(first) == []
    assert "was discarded because its test has ended (recipients: 1)" in caplog.text
    assert "ann@example.com" not in caplog.text


def test_late_mail_is_discarded_if_outboxes_overlap(send):
    """The later outbox takes the thread for one that was there before."""
    second, context = Outbox(), copy_context()
    with Outbox():
        finish = late(send)
        context.run(second.__enter__)
    context.run(second.__exit__, None, None, None)
    assert finish().backend == "late"


def test_late_mail_of_a_task_is_discarded(early_worker, send):
    """The loop of an ended test may still run."""
    with Outbox() as first:
        kept = copy_context()
    assert early_worker.run(lambda: kept.run(send)).backend == "late"
    assert subjects(first) == []


def test_late_mail_goes_to_a_local_backend(app, mail, send):
    app.config["TESTING"] = True
    with Outbox():
        finish = late(send)
    assert finish().backend == "locmem"
    assert subjects(mail.outbox) == ["late"]


def test_mail_of_a_request_that_names_an_ended_outbox_is_discarded(app, send):
    app.add_url_rule("/", view_func=lambda: send().backend)
    with Outbox() as first:
        pass
    with Outbox() as second:
        assert app.test_client().get("/", headers=first.headers).text == "late"
        with pytest.raises(AssertionError, match="outbox of an ended test: its mail was discarded"):
            second.assert_sent()
    assert subjects(first) == subjects(second) == []


def test_without_outbox_mail_goes_its_way_again(app, send, early_worker):
    app.config["MAIL_BACKEND"] = "null"
    with Outbox():
        pass
    assert selection.capture is not None  # a thread may outlive its test
    assert send().backend == "null"
    assert early_worker.run(send).backend == "null"


# ---------------------------------------------------------------------- waiting


@pytest.fixture
def waits(outbox, monkeypatch):
    """Is set as soon as an assertion waits."""
    waits = threading.Event()
    wait = outbox._changed.wait

    def tell(timeout):
        waits.set()
        return wait(timeout)

    monkeypatch.setattr(outbox._changed, "wait", tell)
    return waits


def test_an_assertion_waits_for_threads_that_the_test_has_started(outbox, send, waits):
    threading.Thread(target=lambda: waits.wait(PATIENCE) and send()).start()
    outbox.assert_sent(subject="Hello")


def test_an_assertion_waits_for_work_of_a_pool(outbox, send, waits):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: waits.wait(PATIENCE) and send())
        outbox.assert_sent(subject="Hello", count=1)


def test_none_of_a_kind_is_asserted_once_the_threads_have_ended(outbox, send, waits):
    threading.Thread(target=lambda: waits.wait(PATIENCE) and send()).start()
    with pytest.raises(AssertionError, match="1 message was sent, but none was expected"):
        outbox.assert_sent(subject="Hello", count=0)


def test_no_mail_is_asserted_once_the_threads_have_ended(outbox, send, waits):
    threading.Thread(target=lambda: waits.wait(PATIENCE) and send()).start()
    with pytest.raises(AssertionError, match="No mail was expected"):
        outbox.assert_no_mail()


def test_within_waits_for_what_the_test_has_not_started(early_worker, outbox, send, waits):
    """An example is a server that a browser uses."""
    early_worker.give(lambda: waits.wait(PATIENCE) and send())
    outbox.assert_sent(subject="Hello", within=PATIENCE)


def test_no_mail_does_not_wait_for_threads_that_may_never_end(outbox, monkeypatch):
    monkeypatch.setattr("flask_mail.testing.assertions._GRACE", PATIENCE)
    go = threading.Event()
    thread = threading.Thread(target=go.wait, args=(PATIENCE,), daemon=True)
    thread.start()
    outbox.assert_no_mail()
    outbox.assert_not_sent(subject="Hello")
    assert thread.is_alive()  # else it would have been waited for
    go.set()
    thread.join(PATIENCE)


def test_waiting_ends(outbox, monkeypatch):
    monkeypatch.setattr("flask_mail.testing.assertions._PATIENCE", 0.02)
    monkeypatch.setattr("flask_mail.testing.assertions._GRACE", 0.02)
    go = threading.Event()
    thread = threading.Thread(target=go.wait, args=(PATIENCE,))
    thread.start()
    with pytest.raises(AssertionError, match="Nothing was sent"):
        outbox.assert_sent(subject="Hello")
    outbox.assert_no_mail()
    go.set()
    thread.join(PATIENCE)


def test_a_failure_does_not_wait_where_nothing_runs(outbox, waits):
    with pytest.raises(AssertionError, match="Nothing was sent"):
        outbox.assert_sent(subject="Hello")
    assert not waits.is_set()


def test_failure_does_not_wait_with_two_outboxes(outbox, waits):
    go = threading.Event()
    thread = threading.Thread(target=go.wait, args=(PATIENCE,))
    with Outbox():
        thread.start()
        with pytest.raises(AssertionError, match="Nothing was sent"):
            outbox.assert_sent(subject="Hello")
    go.set()
    thread.join(PATIENCE)
    assert not waits.is_set()


def test_assert_sent_in_thread_does_not_deadlock(outbox, send):
    def check():
        send()
        outbox.assert_not_sent(subject="Other")
        outbox.assert_sent(subject="Hello")

    ran(check)


def test_empty_header_names_no_outbox(app, outbox):
    with app.test_request_context(headers={scopes.HEADER: ""}):
        assert not request.headers[scopes.HEADER]
        assert scopes.find_scope() is outbox._scope
