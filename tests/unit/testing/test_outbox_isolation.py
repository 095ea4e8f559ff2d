"""Whose outbox a message comes into, where several tests and threads run at the same time."""

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
            ran(lambda: send(f"{number}"))
            with ThreadPoolExecutor(1) as pool:
                pool.submit(send, f"{number}").result()
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


def test_a_pool_that_several_tests_share_keeps_them_apart(send):
    """Its threads were started by one of them, and work for all."""
    with ThreadPoolExecutor(1) as pool:
        with Outbox() as first:
            pool.submit(send, "first").result()
            with Outbox() as second:
                pool.submit(send, "second").result()
            pool.submit(send, "first again").result()
        with Outbox() as third:
            pool.submit(ran, lambda: send("third")).result()
    assert subjects(first) == ["first", "first again"]
    assert subjects(second) == ["second"]
    assert subjects(third) == ["third"]


def test_early_thread_in_the_pool_of_a_test_is_not_that_test(early_worker, send):
    with ThreadPoolExecutor(1) as pool:
        with Outbox() as first:
            pool.submit(send, "first").result()
        with Outbox() as second:
            early_worker.run(lambda: pool.submit(send, "second").result())
    assert subjects(first) == ["first"]
    assert subjects(second) == ["second"]


def test_a_request_that_names_an_outbox_goes_there(app, send):
    """Tests in threads share one server, which none of them has started."""
    app.add_url_rule("/<name>", view_func=lambda name: send(name).outcome.value)
    in_thread = lambda name: ran(lambda: send(name)) or "sent"  # noqa: E731
    app.add_url_rule("/thread/<name>", "in_thread", in_thread)
    together = threading.Barrier(4)
    seen = {}

    def test(number, url):
        with Outbox() as outbox:
            together.wait(PATIENCE)
            assert fetch(f"{url}{number}", outbox.headers) == "sent"
            assert fetch(f"{url}thread/{number}", outbox.headers) == "sent"
            together.wait(PATIENCE)
            seen[number] = subjects(outbox)

    with served(app) as url:
        ran(*(lambda number=number: test(number, url) for number in range(4)))
    assert seen == {number: [f"{number}"] * 2 for number in range(4)}


def test_the_header_wins_over_the_test_that_started_the_server(app, send):
    app.add_url_rule("/", view_func=lambda: send().outcome.value)
    with Outbox() as first, served(app) as url:
        with Outbox() as second:
            fetch(url, second.headers)
        fetch(url)
    assert subjects(second) == ["Hello"]
    assert subjects(first) == ["Hello"]


def test_the_headers_of_a_test_client_name_an_outbox(app, send):
    app.add_url_rule("/", view_func=lambda: send().outcome.value)
    with Outbox() as first, Outbox() as second:
        app.test_client().get("/", headers=first.headers)
    assert subjects(first) == ["Hello"]
    assert subjects(second) == []


def test_what_cannot_be_told_is_an_error_and_no_guess(early_worker, send):
    with (
        Outbox() as first,
        Outbox() as second,
        pytest.raises(AmbiguousOutbox, match="2 tests have an outbox") as caught,
    ):
        early_worker.run(send)
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


def test_late_mail_is_no_mail_of_the_next_test(send, caplog):
    with Outbox() as first:
        finish = late(send)
    with Outbox() as second:
        assert finish().sent
        assert subjects(second) == []
        with pytest.raises(AssertionError, match="a thread, task or request of a test that"):
            second.assert_sent()
    assert subjects(first) == []
    assert "was discarded because its test has ended (recipients: 1)" in caplog.text
    assert "ann@example.com" not in caplog.text


def test_what_a_context_of_an_ended_test_sends_in_another_thread_is_late(early_worker, send):
    """Such as a task of a loop that goes on."""
    with Outbox() as first:
        kept = copy_context()
    with Outbox() as second:
        assert early_worker.run(lambda: kept.run(send)).backend == "late"
    assert subjects(first) == subjects(second) == []


def test_late_mail_leaves_nowhere_where_no_test_runs(send):
    """The app's own backend would have connected to a server."""
    with Outbox():
        finish = late(send)
    assert finish().backend == "late"


def test_late_mail_goes_to_a_local_backend_as_ever(app, mail, send):
    app.config["TESTING"] = True
    with Outbox():
        finish = late(send)
    assert finish().backend == "locmem"
    assert subjects(mail.outbox) == ["late"]


def test_a_request_that_names_an_ended_outbox_is_late(app, send):
    app.add_url_rule("/", view_func=lambda: send().outcome.value)
    with Outbox() as first:
        pass
    with Outbox() as second:
        app.test_client().get("/", headers=first.headers)
    assert subjects(first) == subjects(second) == []


def test_notes_are_bounded():
    outbox = Outbox()
    for number in range(100):
        outbox._scope.note(f"{number}")
        outbox._scope.note("the same")
    assert len(outbox._scope.notes) == 10
    assert outbox._scope.notes.count("the same") == 1


def test_without_outbox_mail_goes_its_way_again(app, send, early_worker):
    app.config["MAIL_BACKEND"] = "null"
    with Outbox():
        pass
    assert selection.capture is not None  # a thread may outlive its test
    assert send().backend == "null"
    assert early_worker.run(send).backend == "null"


# ---------------------------------------------------------------------- threads are watched


def test_nothing_of_the_standard_library_stays_changed():
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    with Outbox():
        assert threading.Thread.start is not start
        with Outbox():
            pass
        assert threading.Thread.start is not start
    assert threading.Thread.start is start
    assert ThreadPoolExecutor.submit is submit


def test_a_patch_over_ours_stays_and_goes_on(monkeypatch, send):
    # What is put back at the end.
    monkeypatch.setattr(threading.Thread, "start", threading.Thread.start)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", ThreadPoolExecutor.submit)
    started = []
    with Outbox():
        start, submit = threading.Thread.start, ThreadPoolExecutor.submit

        def patched_start(thread):
            started.append("thread")
            start(thread)

        def patched_submit(pool, *args):
            started.append("work")
            return submit(pool, *args)

        monkeypatch.setattr(threading.Thread, "start", patched_start)
        monkeypatch.setattr(ThreadPoolExecutor, "submit", patched_submit)
    assert threading.Thread.start is patched_start
    assert ThreadPoolExecutor.submit is patched_submit
    with Outbox() as outbox:
        ran(send)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(send).result()
    assert subjects(outbox) == ["Hello"] * 2
    assert started == ["thread", "work", "thread"]


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
    """Such as a server that a browser talks to."""
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


def test_assert_sent_in_thread_does_not_deadlock(outbox, send):
    def check():
        send()
        outbox.assert_not_sent(subject="Other")
        outbox.assert_sent(subject="Hello")

    ran(check)


def test_the_request_of_another_program_is_read_only_while_the_kit_is_used(app, outbox):
    """A header that is empty names nothing."""
    with app.test_request_context(headers={scopes.HEADER: ""}):
        assert not request.headers[scopes.HEADER]
        assert scopes.evident() is outbox._scope
