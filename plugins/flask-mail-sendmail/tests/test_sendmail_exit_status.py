"""Outcomes by the exit status of the program."""

from __future__ import annotations

import os
import signal

import pytest
from sendmail_program import SAVE, large, read

from flask_mail import (
    BackendUnavailable,
    DeliveryError,
    DeliveryUnknown,
    MessageRefused,
)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((65, MessageRefused), (67, MessageRefused), (68, MessageRefused), (77, MessageRefused)),
        *((75, DeliveryUnknown), (64, BackendUnavailable), (69, BackendUnavailable)),
        *((71, BackendUnavailable), (73, BackendUnavailable), (1, BackendUnavailable)),
        *((127, BackendUnavailable), (255, BackendUnavailable)),
    ],
)
def test_exit_status_decides_the_outcome(send, status, error):
    with pytest.raises(DeliveryError, match="no: such user") as caught:
        send(f"cat > /dev/null; printf 'no:\\n\\033such user' >&2; exit {status}")

    assert type(caught.value) is error
    assert caught.value.response == "no: such user"


TWO = ["ann@example.com", "bob@example.com"]


@pytest.mark.parametrize("status", [64, 65, 67, 68, 69, 70, 71, 73, 75, 77, 78])
def test_status_of_one_of_several_recipients_is_unknown(send, status):
    """Sendmail returns the status of the last recipient that failed; the others get the message."""
    with pytest.raises(DeliveryUnknown, match="that of one recipient while.*_ALL_OR_NOTHING"):
        send(f"cat > /dev/null; exit {status}", recipients=TWO)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (67, MessageRefused),
        (77, MessageRefused),
        (75, BackendUnavailable),
        (70, BackendUnavailable),
    ],
)
@pytest.mark.parametrize("recipients", [TWO[:1], TWO])
def test_all_or_nothing_makes_a_status_final(send, status, error, recipients):
    with pytest.raises(DeliveryError) as caught:
        send(f"cat > /dev/null; exit {status}", recipients=recipients, all_or_nothing=True)
    assert type(caught.value) is error


@pytest.mark.parametrize("status", [1, 126, 127, 255])
def test_shell_status_means_nothing_was_accepted(send, status):
    with pytest.raises(BackendUnavailable, match=f"accepted nothing: exit status {status}"):
        send(f"cat > /dev/null; exit {status}", recipients=TWO)


@pytest.mark.parametrize(("status", "error"), [(75, BackendUnavailable), (67, MessageRefused)])
def test_failure_before_end_of_input_is_not_unknown(send, status, error):
    message = large()
    message.recipients = TWO
    with pytest.raises(error):
        send(f"exit {status}", mail=message)


def test_receipt_contains_standard_error(send):
    assert send("cat > /dev/null; echo queued as 4711 >&2").response == "queued as 4711"


def test_long_standard_error_is_cut(send):
    receipt = send("cat > /dev/null; head -c 3000000 /dev/zero | tr '\\0' x >&2")

    assert receipt.response == "x" * 4096


def test_program_killed_after_end_of_input_is_unknown(send):
    with pytest.raises(DeliveryUnknown, match="was killed by signal 9 after it had received all"):
        send("cat > /dev/null; kill -9 $$")


def test_program_killed_before_end_of_input_is_not_sent(send):
    with pytest.raises(BackendUnavailable, match="was killed by signal 9"):
        send("kill -9 $$", mail=large())


def test_script_whose_command_was_killed_is_unknown(send):
    with pytest.raises(DeliveryUnknown, match="was killed by signal 9 after it had received all"):
        send("cat > /dev/null; exit 137")


def test_success_before_end_of_input_is_unknown(send):
    with pytest.raises(DeliveryUnknown, match="exited with status 0 before it had read all"):
        send("exit 0", mail=large())


def test_refusal_before_end_of_input_is_a_refusal(send):
    with pytest.raises(MessageRefused, match="EX_NOPERM.: not you"):
        send("echo not you >&2; exit 77", mail=large())


def test_program_is_not_run_while_sigchld_is_ignored(send, tmp_path):
    """The system keeps no exit status then, and a refusal would look like success."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(BackendUnavailable, match="this process ignores SIGCHLD"):
            send(f"{SAVE}exit 67")
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert read(tmp_path) == []


@pytest.mark.parametrize("status", [0, 67])
def test_exit_status_collected_elsewhere_is_unknown(send, monkeypatch, status):
    """A handler of SIGCHLD that waits for all children collects it."""
    wait = os.waitpid

    def taken(pid, options):
        if wait(pid, options)[0]:
            raise ChildProcessError
        return 0, 0

    monkeypatch.setattr(os, "waitpid", taken)
    with pytest.raises(DeliveryUnknown, match="another part of this process collected"):
        send(f"{SAVE}exit {status}")


@pytest.mark.parametrize("status", [0, 67])
def test_exit_status_collected_between_two_looks_is_unknown(send, monkeypatch, status):
    """subprocess would report success."""
    wait = os.waitpid

    def taken(pid, options):
        monkeypatch.setattr(os, "waitpid", wait)
        wait(pid, 0)
        return 0, 0

    monkeypatch.setattr(os, "waitpid", taken)
    with pytest.raises(DeliveryUnknown, match="another part of this process collected"):
        send(f"{SAVE}exit {status}")
