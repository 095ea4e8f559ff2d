"""The example with a queue: as its README shows, in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "orders"
if not EXAMPLE.is_dir():
    pytest.skip("the examples are only in a clone", allow_module_level=True)
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
# Orders a teapot and prints the page, as a visitor.
VISIT = """
import sys
from orders import create_app

client = create_app().test_client()
for address in sys.argv[1:]:
    assert client.post("/", data={"item": "Blue teapot", "address": address}).status_code == 302
print(client.get("/").text)
"""


class Copy:
    """The example in a folder of its own, with a database of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if "MAIL_" not in name},
            "PYTHONUTF8": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, *arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, command, *options):
        assert command in README
        program, *arguments = command.split()
        module = ["-m", "flask"] if program == "flask" else []
        return self.run(*module, *arguments, *options)

    def states(self, *addresses):
        """Order a teapot for each address, and return the states of all, newest first."""
        page = self.run("-c", VISIT, *addresses)
        return re.findall(r"<td>(\w+)</td></tr>", page)


@pytest.fixture
def copied(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache", "instance")
    return Copy(shutil.copytree(EXAMPLE, tmp_path / "orders", ignore=ignored))


def test_its_tests_pass_as_its_readme_says(copied):
    assert "4 passed" in copied.shell("python -m pytest", "-q", "-W", "error")


@pytest.fixture
def server(copied):
    """A slow server, and its output; the worker is told to deliver to it."""
    pytest.importorskip("aiosmtpd")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = copied.folder / "slow_server.py"
    path.write_text(path.read_text("utf-8").replace("PORT = 2525", f"PORT = {port}"), "utf-8")
    with subprocess.Popen(
        [sys.executable, "slow_server.py"], cwd=copied.folder, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == f"smtp://127.0.0.1:{port}\n"
            copied.environment["FLASK_MAIL_MAILERS__delivery"] = f"smtp://127.0.0.1:{port}"
            yield process.stdout
        finally:
            process.terminate()  # SIGINT is ignored in jobs that a shell runs in the background


def test_a_killed_worker_leaves_an_unknown_confirmation(copied, server):
    copied.states("ann@example.com")
    with subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "orders", "mail", "work"],
        cwd=copied.folder,
        env=copied.environment,
    ) as worker:
        assert server.readline() == "a message to ann@example.com ...\n"
        worker.kill()
    assert copied.states("bob@example.com") == ["queued", "sending"]
    database = copied.folder / "instance" / "orders.sqlite"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE mail_queue_worker SET until = 0")  # its lease ends
    del copied.environment["FLASK_MAIL_MAILERS__delivery"]
    printed = copied.shell("flask --app orders mail work", "--once")
    assert "bob@example.com" in printed
    assert "ann@example.com" not in printed
    assert copied.states() == ["sent", "unknown"]
    listed = copied.shell("flask --app orders mail queue list --state unknown")
    assert listed.startswith("1  unknown")
    copied.shell("flask --app orders mail queue", "settle", "1", "sent")


def test_its_readme_shows_its_code():
    code = "".join((EXAMPLE / name).read_text("utf-8") for name in ("orders.py", "test_orders.py"))
    shown = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len(shown) == 2
    assert [each for each in shown if each not in code] == []
