"""Outcomes if a signal handler raises while a message is sent."""

from __future__ import annotations

import subprocess

import pytest
from flask_mail_sendmail import process
from sendmail_program import SAVE, read

from flask_mail import (
    BackendUnavailable,
    DeliveryUnknown,
)

PROCESS = process._Process  # noqa: SLF001 (the steps of a run)


def alarm_in(monkeypatch, method, error, *, after=False):
    """Raise once, as a signal handler would, as a step begins or ends."""
    step = getattr(PROCESS, method)
    raised = []

    def interrupted(self, *arguments):
        if not raised and not after:
            raised.append(error)
            raise error
        result = step(self, *arguments)
        if not raised:
            raised.append(error)
            raise error
        return result

    monkeypatch.setattr(PROCESS, method, interrupted)


ALARMS = [TimeoutError("the time limit"), OSError("of a handler"), TimeoutError(110, "both")]


@pytest.mark.parametrize("error", ALARMS)
def test_alarm_after_end_of_input_is_unknown(send, monkeypatch, error):
    alarm_in(monkeypatch, "_wait_for_exit", error, after=True)
    with pytest.raises(DeliveryUnknown, match="may have received all of the message") as caught:
        send(SAVE)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", ALARMS)
def test_alarm_while_input_is_closed_is_unknown(send, monkeypatch, error, tmp_path):
    start = subprocess.Popen

    def watched(*args, **kwargs):
        process = start(*args, **kwargs)
        close = process.stdin.close

        def closed():
            close()
            process.stdin.close = close
            raise error

        process.stdin = ClosedLate(process.stdin, closed)
        return process

    monkeypatch.setattr(subprocess, "Popen", watched)
    with pytest.raises(DeliveryUnknown, match="may have received all of the message"):
        send(SAVE)


class ClosedLate:
    """A pipe whose close() is interrupted just after it was closed."""

    def __init__(self, pipe, close):
        self._pipe = pipe
        self.close = close

    def fileno(self):
        return self._pipe.fileno()


@pytest.mark.parametrize("error", ALARMS)
@pytest.mark.parametrize("after", [False, True])
def test_alarm_before_end_of_input_is_not_sent(send, monkeypatch, error, after, tmp_path):
    """The program is killed, so it never treats partial content as complete."""
    alarm_in(monkeypatch, "_write", error, after=after)
    with pytest.raises(BackendUnavailable, match="killed before it had received all") as caught:
        send(SAVE)
    assert caught.value.__cause__ is error
    assert read(tmp_path) == []


def test_alarm_before_end_of_input_with_exit_status_0_is_unknown(send, monkeypatch):
    alarm_in(monkeypatch, "_write", TimeoutError("the time limit"))
    start, stop, started = subprocess.Popen, PROCESS.stop, []

    def watched(*args, **kwargs):
        started.append(start(*args, **kwargs))
        return started[0]

    def wait_first(running):
        started[0].wait(60)
        return stop(running)

    monkeypatch.setattr(subprocess, "Popen", watched)
    monkeypatch.setattr(PROCESS, "stop", wait_first)
    with pytest.raises(DeliveryUnknown, match="may have received all"):
        send("exit 0")


def test_alarm_while_program_is_started_is_unknown(send, monkeypatch):
    """The program may be running: errors of the system have a number."""

    def start(*args, **kwargs):
        raise TimeoutError("the time limit")

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(DeliveryUnknown, match="was interrupted"):
        send(SAVE)


def test_alarm_is_not_reported_as_the_timeout_setting(send, monkeypatch):
    alarm_in(monkeypatch, "_wait", TimeoutError("the time limit"))
    with pytest.raises(DeliveryUnknown) as caught:
        send("cat > /dev/null; sleep 1000")
    assert "MAIL_SENDMAIL_TIMEOUT" not in str(caught.value)
