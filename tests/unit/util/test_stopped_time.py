"""Tests that stop the time, as with freezegun: what waits goes on by a clock of its own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import freezegun
import pytest
from flask import Flask
from inbox_support import Browser, make_mail, welcome

import flask_mail
from flask_mail import Mail, MailError, Message
from flask_mail.inbox.inbox import Inbox
from flask_mail.inbox.summaries import Query
from flask_mail.testing import Outbox
from flask_mail.util.clocks import monotonic

MOMENT = "2026-01-01"


@pytest.fixture
def mail() -> Mail:
    app = Flask("shop")
    app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="shop@example.com")
    return Mail(app)


@contextlib.contextmanager
def busy() -> Iterator[threading.Thread]:
    """Run a thread of the test that never sends anything."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        yield thread
    finally:
        done.set()
        thread.join()


def test_the_clock_goes_on_while_the_time_is_stopped() -> None:
    with freezegun.freeze_time(MOMENT):
        stopped, before = time.monotonic(), monotonic()
        threading.Event().wait(0.001)
        assert time.monotonic() == stopped
        assert monotonic() > before


@pytest.mark.parametrize("within", [0.05, 0])
def test_waiting_for_a_message_ends(within: float) -> None:
    with (
        freezegun.freeze_time(MOMENT),
        Outbox() as outbox,
        pytest.raises(AssertionError, match="within|No message|Nothing|No mail"),
    ):
        outbox.assert_sent(subject="x", within=within)


@pytest.mark.parametrize(
    "assertion", ["assert_sent", "assert_not_sent", "assert_no_mail", "assert_count"]
)
def test_assertions_end_while_a_thread_is_alive(
    monkeypatch: pytest.MonkeyPatch, assertion: str
) -> None:
    monkeypatch.setattr("flask_mail.testing.assertions._PATIENCE", 0.05)
    monkeypatch.setattr("flask_mail.testing.assertions._GRACE", 0.05)
    with freezegun.freeze_time(MOMENT), Outbox() as outbox, busy():
        if assertion == "assert_sent":
            with pytest.raises(AssertionError):
                outbox.assert_sent(subject="x")
        elif assertion == "assert_count":
            with pytest.raises(AssertionError):
                outbox.assert_sent(subject="x", count=2)
        elif assertion == "assert_not_sent":
            outbox.assert_not_sent(subject="x")
        else:
            outbox.assert_no_mail()


def test_a_message_that_a_thread_sends_is_waited_for(mail: Mail) -> None:
    go = threading.Event()

    def send() -> None:
        go.wait()
        mail.send_message("Late", ["ann@example.com"], "Hi")

    with freezegun.freeze_time(MOMENT), Outbox() as outbox:
        thread = threading.Thread(target=send)
        thread.start()
        go.set()
        message = outbox.assert_sent(subject="Late")
        thread.join()
    assert b"Date: Thu, 01 Jan 2026 " in message.as_bytes()  # that is stopped, as it should be


def test_the_test_kit_may_be_imported_while_the_time_is_stopped() -> None:
    """A fixture that stops the time may come before the one of the outbox."""
    program = f"""
        import freezegun, threading
        with freezegun.freeze_time({MOMENT!r}):
            from flask_mail.testing import Outbox
            from flask_mail.inbox.inbox import Inbox
            with Outbox() as outbox:
                try:
                    outbox.assert_sent(subject="x", within=0.05)
                except AssertionError:
                    print("ended")
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ended.stdout == "ended\n"


def test_the_inbox_waits_no_longer_than_it_should() -> None:
    with freezegun.freeze_time(MOMENT):
        assert Inbox(make_mail().app).find_soon(Query(words="nothing"), 0.01) == []


def test_mail_that_is_there_is_found_at_once_in_stopped_time() -> None:
    mail = make_mail()
    with freezegun.freeze_time(MOMENT):
        mail.send(welcome())
        assert Browser(mail).messages(wait="1", subject="Welcome")


@pytest.mark.parametrize("setting", ["MAIL_TIMEOUT", "MAIL_DEADLINE"])
def test_a_server_that_is_silent_ends_in_a_time_out(setting: str) -> None:
    app = Flask("shop")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app.config.update(
            MAIL_SERVER="127.0.0.1", MAIL_PORT=silent.getsockname()[1], MAIL_POOL_SIZE=0
        )
        app.config[setting] = 0.2
        message = Message("Hi", ["ann@example.com"], "Hi", sender="shop@example.com")
        with (
            freezegun.freeze_time(MOMENT),
            pytest.raises((MailError, OSError)) as raised,
        ):
            Mail(app).send(message)
    error: Any = raised.value
    assert error.receipt.outcome.value == "not sent"


def test_nothing_in_the_package_waits_by_a_clock_that_can_be_stopped() -> None:
    package = Path(flask_mail.__file__).parent
    found = [
        path.name
        for path in package.rglob("*.py")
        if "time.monotonic" in path.read_text(encoding="utf-8")
    ]
    assert found == ["clocks.py"]
