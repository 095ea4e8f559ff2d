"""Messages in memory survive a restart by the reloader of the development server."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress

import pytest
from inbox_support import Browser, make_mail, welcome

from flask_mail import MailError, Message
from flask_mail.extension import development
from flask_mail.inbox import reloading


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
    return tmp_path


@pytest.fixture
def ending(monkeypatch):
    """Return a function that does what the end of the process would."""
    registered = []
    monkeypatch.setattr(atexit, "register", lambda *call: registered.append(call))

    def end():
        while registered:
            function, *arguments = registered.pop()
            function(*arguments)

    return end


def start():
    return make_mail(
        "console", MAIL_CONSOLE_STREAM="stderr", MAIL_ALLOWED_RECIPIENTS="*@example.com"
    )


def fill(mail):
    mail.send(welcome(tags=["welcome"], metadata={"order": 4711}))
    with pytest.raises(MailError):
        mail.send(Message("Refused", ["eve@elsewhere.test"], "Hi"))


def test_the_next_process_shows_the_same_messages(folder, ending):
    mail = start()
    fill(mail)
    before = [Browser(mail).client.get(each["url"]).get_json() for each in Browser(mail).messages()]
    ending()
    [path] = folder.iterdir()
    assert path.stat().st_mode & 0o077 == 0

    again = start()
    browser = Browser(again)
    assert [browser.client.get(each["url"]).get_json() for each in browser.messages()] == before
    assert [each["outcome"] for each in before] == ["refused", "sent"]
    assert list(folder.iterdir()) == []

    again.send_message("Later", ["ann@example.com"], "Hi")
    ending()
    assert [each["subject"] for each in Browser(start()).messages()] == [
        "Later",
        "Refused",
        "Welcome",
    ]


def test_a_message_too_large_to_be_kept_is_listed_again(folder, ending, monkeypatch):
    mail = start()
    monkeypatch.setattr(mail.state._recent, "_octets", 100)
    mail.send(welcome())
    ending()
    [found] = Browser(start()).messages()
    assert "too many to be kept" in found["error"]


def test_nothing_is_left_without_messages_or_without_the_reloader(folder, ending, monkeypatch):
    start()
    ending()
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "false")
    fill(start())
    ending()
    monkeypatch.delenv("WERKZEUG_RUN_MAIN")
    fill(start())
    ending()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("changed", ["getpid", "getppid"])
def test_a_fork_and_a_child_of_a_killed_server_leave_nothing(folder, ending, monkeypatch, changed):
    fill(start())
    with monkeypatch.context() as patched:
        patched.setattr(os, changed, lambda: -1)  # not 1, which the real parent may be
        ending()
    assert list(folder.iterdir()) == []


def test_the_server_deletes_at_its_end_what_its_children_left(folder, monkeypatch):
    digest = "0" * 16
    own, other = (f"flask-mail-{each}-{digest}.json" for each in (os.getpid(), os.getppid()))
    for name in (own, other):
        (folder / name).write_text("[]")
    monkeypatch.delenv("WERKZEUG_SERVER_FD", raising=False)
    development._at_exit()
    assert {each.name for each in folder.iterdir()} == {own, other}
    monkeypatch.setenv("WERKZEUG_SERVER_FD", "3")
    development._at_exit()
    assert {each.name for each in folder.iterdir()} == {other}


SERVED = """
import os, signal
from flask import Flask
from flask_mail import Mail

app = Flask("shop")
app.config.update(MAIL_BACKEND="console", MAIL_DEFAULT_SENDER="shop@example.com")
if os.environ.get("WERKZEUG_RUN_MAIN"):
    app.debug = True  # the server itself learns it from run()
mail = Mail(app)
# As on a terminal: a job that a shell runs in the background ignores it, and so do its children.
signal.signal(signal.SIGINT, signal.default_int_handler)
if os.environ.get("WERKZEUG_RUN_MAIN"):
    with app.app_context():
        mail.send_message("Reset", ["ann@example.com"], "https://shop.example.com/reset")
    print("ready", flush=True)
app.run(debug=True, port=0)
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(os.name == "nt", reason="Windows has no groups of processes")
def test_no_mail_is_left_after_control_c(tmp_path):
    script, left = tmp_path / "app.py", tmp_path / "left"
    script.write_text(SERVED)
    left.mkdir()
    # Earlier tests of commands set variables with which run() would do nothing.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FLASK_", "WERKZEUG_", "MAIL_"))
    }
    server = subprocess.Popen(
        [sys.executable, script],
        env={**inherited, "TMPDIR": str(left)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with server:
        assert server.stdout
        try:
            assert b"ready\n" in iter(server.stdout.readline, b"")
            os.killpg(server.pid, signal.SIGINT)
            server.wait(60)
        finally:
            with suppress(ProcessLookupError):  # that of a group that has ended
                os.killpg(server.pid, signal.SIGKILL)
    assert list(left.iterdir()) == []


@pytest.mark.parametrize("content", ["", "{}", "[[{}]]", "[[1]]", "[1]", "[" * 100_000, "\xff"])
def test_a_file_that_is_not_understood_is_deleted(folder, ending, content):
    path = reloading.path_for(start().app)
    path.touch(0o600)
    path.write_text(content, encoding="latin-1")
    assert Browser(start()).messages() == []
    assert not path.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_file_that_others_may_have_written_is_not_read(folder, ending):
    mail = start()
    fill(mail)
    ending()
    [path] = folder.iterdir()
    path.chmod(0o666)
    assert Browser(start()).messages() == []


def test_a_link_is_neither_read_nor_written(folder, ending):
    mail = start()
    path = reloading.path_for(mail.app)
    target = folder / "target"
    target.write_text("mine")
    path.symlink_to(target)
    fill(mail)
    ending()
    start()
    assert target.read_text() == "mine"


def test_something_else_of_that_name_is_left_alone(folder, ending):
    path = reloading.path_for(start().app)
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR)  # else opening it would wait
    try:
        assert Browser(start()).messages() == []
    finally:
        os.close(descriptor)


def test_files_of_servers_that_do_not_run_any_more_are_deleted(folder, ending, monkeypatch):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    digest = "0" * 16
    names = [
        f"flask-mail-{each}-{digest}.json" for each in (process.pid, 9999999999, os.getpid(), 1)
    ]
    for name in (*names, "other.json"):
        (folder / name).write_text(json.dumps([]))
    start()
    assert {each.name for each in folder.iterdir()} == {names[2], names[3], "other.json"}


def test_processes_of_other_users_run(monkeypatch):
    def refuse(process, signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert reloading._is_running(1)


def test_on_windows_only_the_kind_of_the_file_is_looked_at(folder, ending, monkeypatch):
    mail = start()
    fill(mail)
    ending()
    [path] = folder.iterdir()
    path.chmod(0o666)
    monkeypatch.setattr(reloading, "_IS_WINDOWS", True)
    assert len(Browser(start()).messages()) == 2
