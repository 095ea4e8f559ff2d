"""The time limit, and programs that cannot be killed."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import freezegun
import pytest
from flask_mail_sendmail import process
from sendmail_program import changing, large

from flask_mail import (
    BackendUnavailable,
    DeliveryError,
    DeliveryUnknown,
    MessageError,
    MessageRefused,
)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def interrupt(blocks):
    raise KeyboardInterrupt


def test_timeout_kills_the_program_and_its_children(send, tmp_path):
    with pytest.raises(DeliveryUnknown, match="within 0.3 seconds .* after it had received all"):
        send(f"cat > /dev/null; sleep 1000 & echo $! > {tmp_path}/child; wait", timeout=0.3)

    child = int((tmp_path / "child").read_text())
    for _ in range(1000):
        if not is_running(child):
            break
        threading.Event().wait(0.01)
    assert not is_running(child)


def test_timeout_kills_a_program_that_does_not_read(send):
    with pytest.raises(BackendUnavailable, match=r"not exit within 0.3 seconds \(MAIL_SENDMAIL"):
        send("sleep 1000", timeout=0.3, mail=large())


@pytest.fixture
def immortal(monkeypatch):
    """Make killing fail until the test ends, as for a program that runs as another user."""
    monkeypatch.setattr(process, "_KILL_TIMEOUT", 0.0)
    start, kill = subprocess.Popen, os.killpg
    started = []

    def keep(*args, **kwargs):
        started.append(start(*args, **kwargs))
        return started[-1]

    def refuse(group, number):
        raise PermissionError

    monkeypatch.setattr(subprocess, "Popen", keep)
    monkeypatch.setattr(os, "killpg", refuse)
    yield
    for each in started:
        kill(each.pid, 9)
        each.wait(60)


def test_timeout_works_while_time_is_frozen(send):
    with freezegun.freeze_time("2026-01-01"), pytest.raises(DeliveryError):
        send("sleep 1000", timeout=0.1)


@pytest.mark.usefixtures("immortal")
def test_program_that_cannot_be_killed_is_unknown(send):
    with pytest.raises(DeliveryUnknown, match="cannot be killed"):
        send("sleep 1000", timeout=0.1, mail=large())


@pytest.mark.usefixtures("immortal")
def test_failing_message_and_unkillable_program_is_unknown(send, tmp_path):
    with pytest.raises(DeliveryUnknown, match="cannot be killed") as caught:
        send("sleep 1000", mail=changing(tmp_path))
    assert isinstance(caught.value.__cause__.__cause__, MessageError)


@pytest.mark.usefixtures("immortal")
def test_keyboard_interrupt_propagates(send, monkeypatch):
    monkeypatch.setattr(process, "_with_lf", interrupt)
    with pytest.raises(KeyboardInterrupt):
        send("sleep 1000")


def test_child_in_the_background_is_not_waited_for(send, tmp_path):
    """Exim delivers in the background."""
    assert send(f"cat > /dev/null; sleep 30 & echo $! > {tmp_path}/child").sent
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_no_file_descriptor_leaks(send):
    before = len(os.listdir("/proc/self/fd"))
    send("cat > /dev/null")
    with pytest.raises(MessageRefused):
        send("exit 67")
    with pytest.raises(BackendUnavailable):
        send("sleep 1000", timeout=0.1, mail=large())

    assert len(os.listdir("/proc/self/fd")) == before
