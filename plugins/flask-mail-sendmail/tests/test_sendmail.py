"""A program in the place of sendmail, that does what it is told to."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import threading
from pathlib import Path

import freezegun
import pytest
from flask import Flask
from flask_mail_sendmail import SendmailBackend, running

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryError,
    DeliveryUnknown,
    Mail,
    Message,
    MessageError,
    MessageRefused,
    UnsupportedFeature,
)
from flask_mail.backends import Envelope
from flask_mail.testing import BackendContract
from flask_mail.testing.contract import Streaming

KEEPS = """
    folder=$(mktemp -d "$(dirname "$0")/$(date +%s%N).XXXXXX")
    printf '%s\\n' "$@" > "$folder/arguments"
    cat > "$folder/content"
    touch "$folder/done"
"""


def program(folder, script):
    path = folder / "sendmail"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(stat.S_IRWXU)
    return path


def read(folder):
    """Return what the program was given each time."""
    found = []
    for each in sorted(folder.glob("*/done")):
        arguments = (each.parent / "arguments").read_text("utf-8").splitlines()
        sender = arguments[arguments.index("-f") + 1].replace("<>", "")
        recipients = tuple(arguments[arguments.index("--") + 1 :])
        content = (each.parent / "content").read_bytes().replace(b"\n", b"\r\n")
        found.append((Envelope(sender, recipients), content))
    return found


class TestSendmailBackend(Streaming, BackendContract):
    @pytest.fixture
    def options(self, tmp_path):
        return {"path": program(tmp_path, KEEPS)}

    @pytest.fixture
    def backend(self, options):
        return SendmailBackend(**options)

    @pytest.fixture
    def delivered(self, tmp_path):
        return lambda: read(tmp_path)

    @pytest.fixture(params=["exit 75", "cat > /dev/null; exit 67"])
    def failing(self, request, tmp_path):
        folder = tmp_path / "failing"
        folder.mkdir()
        return SendmailBackend(path=program(folder, request.param))


@pytest.fixture
def send(tmp_path):
    """Send a message by a program that does what a script says."""

    def send(script, *, timeout=20.0, dsn=False, all_or_nothing=False, mail=None, **fields):
        backend = SendmailBackend(
            path=program(tmp_path, script),
            timeout=timeout,
            dsn=dsn,
            all_or_nothing=all_or_nothing,
        )
        fields = {"recipients": ["bob@example.com"], "sender": "ann@example.com", **fields}
        return backend.send(mail or Message("Hello", body="Hi", **fields))

    return send


# --- Its exit status -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((65, MessageRefused), (67, MessageRefused), (68, MessageRefused), (77, MessageRefused)),
        *((75, DeliveryUnknown), (64, BackendUnavailable), (69, BackendUnavailable)),
        *((71, BackendUnavailable), (73, BackendUnavailable), (1, BackendUnavailable)),
        *((127, BackendUnavailable), (255, BackendUnavailable)),
    ],
)
def test_its_exit_status_says_what_became_of_the_message(send, status, error):
    with pytest.raises(DeliveryError, match="no: such user") as caught:
        send(f"cat > /dev/null; printf 'no:\\n\\033such user' >&2; exit {status}")

    assert type(caught.value) is error
    assert caught.value.response == "no: such user"


TWO = ["ann@example.com", "bob@example.com"]


@pytest.mark.parametrize("status", [64, 65, 67, 68, 69, 70, 71, 73, 75, 77, 78])
def test_of_several_recipients_a_status_may_be_that_of_one(send, status):
    """Sendmail's is that of the last recipient that failed: the others get the message."""
    with pytest.raises(DeliveryUnknown, match="may be that of one recipient.*_ALL_OR_NOTHING"):
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
def test_a_program_that_takes_all_or_nothing_is_believed(send, status, error, recipients):
    with pytest.raises(DeliveryError) as caught:
        send(f"cat > /dev/null; exit {status}", recipients=recipients, all_or_nothing=True)
    assert type(caught.value) is error


@pytest.mark.parametrize("status", [1, 126, 127, 255])
def test_a_status_of_a_shell_is_that_of_no_recipient(send, status):
    with pytest.raises(BackendUnavailable, match=f"took nothing, with exit status {status}"):
        send(f"cat > /dev/null; exit {status}", recipients=TWO)


@pytest.mark.parametrize(("status", "error"), [(75, BackendUnavailable), (67, MessageRefused)])
def test_what_was_not_read_to_its_end_was_taken_for_nobody(send, status, error):
    message = large()
    message.recipients = TWO
    with pytest.raises(error):
        send(f"exit {status}", mail=message)


def test_what_it_says_is_in_the_receipt(send):
    assert send("cat > /dev/null; echo queued as 4711 >&2").response == "queued as 4711"


def test_of_much_that_it_says_the_beginning_is_kept(send):
    receipt = send("cat > /dev/null; head -c 3000000 /dev/zero | tr '\\0' x >&2")

    assert receipt.response == "x" * 4096


def test_a_program_that_is_killed_after_it_had_everything_leaves_that_open(send):
    with pytest.raises(DeliveryUnknown, match="was killed by signal 9, after it had all"):
        send("cat > /dev/null; kill -9 $$")


def test_a_program_that_is_killed_before_that_has_sent_nothing(send):
    with pytest.raises(BackendUnavailable, match="was killed by signal 9"):
        send("kill -9 $$", mail=large())


def test_a_script_whose_program_was_killed_leaves_that_open_too(send):
    with pytest.raises(DeliveryUnknown, match="was killed by signal 9, after it had all"):
        send("cat > /dev/null; exit 137")


def test_success_before_all_content_was_read_is_unknown(send):
    with pytest.raises(DeliveryUnknown, match="ended before it had read all .* exit status 0"):
        send("exit 0", mail=large())


def test_a_program_that_refuses_what_it_did_not_read_has_judged_it(send):
    with pytest.raises(MessageRefused, match="EX_NOPERM.: not you"):
        send("echo not you >&2; exit 77", mail=large())


def test_nothing_is_run_where_nobody_could_tell_how_it_ended(send, tmp_path):
    """Otherwise a refusal would look like success: the system keeps no exit status."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(BackendUnavailable, match="this process ignores SIGCHLD"):
            send(f"{KEEPS}; exit 67")
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert read(tmp_path) == []


@pytest.mark.parametrize("status", [0, 67])
def test_an_exit_status_that_others_have_taken_is_no_success(send, monkeypatch, status):
    """As a handler of SIGCHLD does it that waits for all children."""
    wait = os.waitpid

    def taken(pid, options):
        if wait(pid, options)[0]:
            raise ChildProcessError
        return 0, 0

    monkeypatch.setattr(os, "waitpid", taken)
    with pytest.raises(DeliveryUnknown, match="its exit status was taken by another part"):
        send(f"{KEEPS}; exit {status}")


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def changing(folder):
    """Return a message with a file that changes while it is read."""
    path = folder / "large.bin"
    path.write_bytes(os.urandom(2_000_000))

    class Changing(Message):
        def content_to_send(self):
            content = super().content_to_send()
            content.check = lambda: os.truncate(path, 1_000_000)
            return content

    message = Changing("Large", ["bob@example.com"], "Hi", sender="ann@example.com")
    message.attach_file(path)
    return message


def interrupt(blocks):
    raise KeyboardInterrupt


def large():
    message = Message("Large", ["bob@example.com"], "Hi", sender="ann@example.com")
    message.attach("large.bin", data=os.urandom(2_000_000))
    return message


# --- Signals -------------------------------------------------------------------------------------


CONVERSATION = running._Conversation  # noqa: SLF001 (no other place knows its steps)


def alarm_in(monkeypatch, method, error, *, after=False):
    """Let a handler of signals raise as a step begins or ends, at the first time."""
    step = getattr(CONVERSATION, method)
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

    monkeypatch.setattr(CONVERSATION, method, interrupted)


ALARMS = [TimeoutError("the time limit"), OSError("of a handler"), TimeoutError(110, "both")]


@pytest.mark.parametrize("error", ALARMS)
def test_an_alarm_after_the_input_was_closed_leaves_the_message_open(send, monkeypatch, error):
    alarm_in(monkeypatch, "_listen", error, after=True)
    with pytest.raises(DeliveryUnknown, match="may have had all of the message") as caught:
        send(KEEPS)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", ALARMS)
def test_an_alarm_as_the_input_is_closed_leaves_the_message_open(
    send, monkeypatch, error, tmp_path
):
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
    with pytest.raises(DeliveryUnknown, match="may have had all of the message"):
        send(KEEPS)


class ClosedLate:
    """A pipe whose close() is interrupted just after it was closed."""

    def __init__(self, pipe, close):
        self._pipe = pipe
        self.close = close

    def fileno(self):
        return self._pipe.fileno()


@pytest.mark.parametrize("error", ALARMS)
@pytest.mark.parametrize("after", [False, True])
def test_an_alarm_before_that_has_sent_nothing(send, monkeypatch, error, after, tmp_path):
    """The program is killed, and so it never takes a part for the whole."""
    alarm_in(monkeypatch, "_write", error, after=after)
    with pytest.raises(BackendUnavailable, match="killed before it had all") as caught:
        send(KEEPS)
    assert caught.value.__cause__ is error
    assert read(tmp_path) == []


def test_an_alarm_before_that_leaves_open_what_ended_well(send, monkeypatch):
    alarm_in(monkeypatch, "_write", TimeoutError("the time limit"))
    start, stop, started = subprocess.Popen, CONVERSATION.stop, []

    def watched(*args, **kwargs):
        started.append(start(*args, **kwargs))
        return started[0]

    def wait_first(conversation):
        started[0].wait(60)
        return stop(conversation)

    monkeypatch.setattr(subprocess, "Popen", watched)
    monkeypatch.setattr(CONVERSATION, "stop", wait_first)
    with pytest.raises(DeliveryUnknown, match="may have had all"):
        send("exit 0")


def test_an_alarm_while_it_is_started_leaves_open_whether_it_was(send, monkeypatch):
    """It may run already: what the system raises has a number."""

    def start(*args, **kwargs):
        raise TimeoutError("the time limit")

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(DeliveryUnknown, match="was interrupted"):
        send(KEEPS)


def test_an_alarm_is_not_taken_for_the_limit_of_the_setting(send, monkeypatch):
    alarm_in(monkeypatch, "_wait", TimeoutError("the time limit"))
    with pytest.raises(DeliveryUnknown) as caught:
        send("cat > /dev/null; sleep 1000")
    assert "MAIL_SENDMAIL_TIMEOUT" not in str(caught.value)


# --- Time ----------------------------------------------------------------------------------------


def test_a_program_that_takes_too_long_is_killed_with_its_children(send, tmp_path):
    with pytest.raises(DeliveryUnknown, match="within 0.3 seconds .* after it had all"):
        send(f"cat > /dev/null; sleep 1000 & echo $! > {tmp_path}/child; wait", timeout=0.3)

    child = int((tmp_path / "child").read_text())
    for _ in range(1000):
        if not is_running(child):
            break
        threading.Event().wait(0.01)
    assert not is_running(child)


def test_one_that_does_not_read_is_killed_before_its_input_ends(send):
    with pytest.raises(BackendUnavailable, match=r"did not end within 0.3 seconds \(MAIL_SENDMAIL"):
        send("sleep 1000", timeout=0.3, mail=large())


@pytest.fixture
def immortal(monkeypatch):
    """A program that runs as another user cannot be killed: here none can, until the test ends."""
    monkeypatch.setattr(running, "_PATIENCE", 0.0)
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
    for process in started:
        kill(process.pid, 9)
        process.wait(60)


def test_the_time_out_comes_while_a_test_stops_the_time(send):
    with freezegun.freeze_time("2026-01-01"), pytest.raises(DeliveryError):
        send("sleep 1000", timeout=0.1)


@pytest.mark.usefixtures("immortal")
def test_one_that_cannot_be_killed_may_take_a_part_for_the_whole(send):
    with pytest.raises(DeliveryUnknown, match="cannot be killed"):
        send("sleep 1000", timeout=0.1, mail=large())


@pytest.mark.usefixtures("immortal")
def test_nor_is_it_forgotten_where_the_message_fails(send, tmp_path):
    with pytest.raises(DeliveryUnknown, match="cannot be killed") as caught:
        send("sleep 1000", mail=changing(tmp_path))
    assert isinstance(caught.value.__cause__.__cause__, MessageError)


@pytest.mark.usefixtures("immortal")
def test_an_interrupt_stays_one(send, monkeypatch):
    monkeypatch.setattr(running, "_with_lf", interrupt)
    with pytest.raises(KeyboardInterrupt):
        send("sleep 1000")


def test_a_child_that_it_leaves_behind_is_not_waited_for(send, tmp_path):
    """Exim delivers in the background."""
    assert send(f"cat > /dev/null; sleep 30 & echo $! > {tmp_path}/child").sent
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_nothing_is_left_open(send):
    before = len(os.listdir("/proc/self/fd"))
    send("cat > /dev/null")
    with pytest.raises(MessageRefused):
        send("exit 67")
    with pytest.raises(BackendUnavailable):
        send("sleep 1000", timeout=0.1, mail=large())

    assert len(os.listdir("/proc/self/fd")) == before


# --- What it is given ----------------------------------------------------------------------------


def test_no_address_is_an_option(send, tmp_path):
    send(KEEPS, recipients=["-t@example.com", "-C/etc/passwd@example.com"], sender="-v@example.com")

    ((envelope, _),) = read(tmp_path)
    assert envelope.sender == "-v@example.com"
    assert envelope.recipients == ("-t@example.com", "-C/etc/passwd@example.com")


def test_no_shell_sees_an_address(send, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = '"$(id>owned)"@example.com'
    send(KEEPS, recipients=[evil, "a`id`@example.com", "jörg@example.com"])

    ((envelope, _),) = read(tmp_path)
    assert envelope.recipients == (evil, "a`id`@example.com", "jörg@example.com")
    assert not (tmp_path / "owned").exists()


def test_a_large_message_arrives_as_it_is(send, tmp_path):
    message = large()
    send(KEEPS, mail=message)

    ((_, content),) = read(tmp_path)
    assert content == message.as_bytes()


def test_options_are_handed_over(send, tmp_path):
    send(
        KEEPS,
        dsn=True,
        mail_options=["BODY=8BITMIME", "RET=HDRS", "ENVID=x"],
        rcpt_options=["NOTIFY=NEVER"],
    )

    (path,) = tmp_path.glob("*/arguments")
    given = path.read_text().split("\n-f\n")[0].split()
    assert given == ["-i", "-B", "8BITMIME", "-R", "HDRS", "-V", "x", "-N", "NEVER"]


@pytest.mark.parametrize(
    "options",
    [
        {"mail_options": ["RET=HDRS"]},
        {"mail_options": ["envid=x"]},
        {"rcpt_options": ["NOTIFY=NEVER"]},
    ],
)
def test_notifications_are_asked_of_no_program_that_may_not_know_them(send, options, tmp_path):
    """With Exim, -N throws the message away."""
    with pytest.raises(UnsupportedFeature, match="unless MAIL_SENDMAIL_DSN"):
        send(KEEPS, **options)
    assert read(tmp_path) == []


@pytest.mark.parametrize("options", [{"mail_options": ["SIZE=1"]}, {"mail_options": ["SMTPUTF8"]}])
def test_an_option_that_it_does_not_know_is_not_left_out(send, options, tmp_path):
    with pytest.raises(UnsupportedFeature, match="the option S"):
        send(KEEPS, **options)
    assert read(tmp_path) == []


def test_more_recipients_than_a_command_takes_are_refused(send):
    with pytest.raises(UnsupportedFeature, match="60000 recipients in one message"):
        send(KEEPS, recipients=[f"{'x' * 50}{number}@example.com" for number in range(60_000)])


def test_a_file_that_changes_meanwhile_reaches_nobody(tmp_path, send):
    """The program is killed before its input ends: it never takes a part for the whole."""
    with pytest.raises(MessageError, match="has changed"):
        send(KEEPS, mail=changing(tmp_path))

    assert read(tmp_path) == []


# --- Settings ------------------------------------------------------------------------------------


def test_it_is_chosen_by_its_settings(tmp_path):
    app = Flask("shop")
    app.config.update(
        MAIL_BACKEND=SendmailBackend,
        MAIL_SENDMAIL_PATH=str(program(tmp_path, KEEPS)),
        MAIL_SENDMAIL_TIMEOUT="5",
        MAIL_DEFAULT_SENDER="ann@example.com",
    )

    assert Mail(app).send_message("Hello", ["bob@example.com"], "Hi").backend == "sendmail"
    assert len(read(tmp_path)) == 1


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"path": Path("sendmail")}, "MAIL_SENDMAIL_PATH"),
        ({"timeout": 0.0}, "MAIL_SENDMAIL_TIMEOUT"),
        ({"timeout": float("nan")}, "MAIL_SENDMAIL_TIMEOUT"),
        ({"timeout": float("inf")}, "MAIL_SENDMAIL_TIMEOUT"),
        ({"path": Path("/bin/sh\0")}, "MAIL_SENDMAIL_PATH"),
        ({"path": Path("/no/such/program")}, "MAIL_SENDMAIL_PATH"),
        ({"path": Path("/usr")}, "MAIL_SENDMAIL_PATH"),
        ({"path": Path(__file__)}, "MAIL_SENDMAIL_PATH"),
    ],
)
def test_a_value_that_is_wrong_is_named(options, setting):
    with pytest.raises(ConfigurationError, match=setting):
        SendmailBackend(**{"path": Path("/bin/sh"), **options})


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.chmod(stat.S_IRUSR)])
def test_a_program_that_cannot_be_run_any_more_has_sent_nothing(tmp_path, change):
    path = program(tmp_path, KEEPS)
    backend = SendmailBackend(path=path)
    change(path)
    with pytest.raises(BackendUnavailable, match=r"\(MAIL_SENDMAIL_PATH\) cannot be run"):
        backend.send(Message("Hello", ["bob@example.com"], "Hi", sender="ann@example.com"))
