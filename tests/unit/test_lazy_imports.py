"""Modules are imported when they are first used, because imports slow down every process start."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = {"html.parser", "http.client", "importlib.metadata", "smtplib", "ssl"}
UNUSED = {
    *("address", "backends", "cli", "inbox", "mime", "receipt", "smtp", "telemetry", "testing"),
    *("delivery.outgoing", "extension.mailers", "util.files", "util.secret"),
    *("message.css", "message.lint", "message.parse", "message.serialize", "message.templates"),
    *("message.uploads", "message.validation"),
}


def imported_by(program: str) -> set[str]:
    """Return the modules that `program` imports besides those of Flask."""
    code = (
        "import sys, flask\n"
        "before = set(sys.modules)\n"
        f"{program}\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_package_imports_its_table_of_names_alone():
    assert imported_by("import flask_mail") == {
        "flask_mail",
        "flask_mail.extension",
        "flask_mail.extension.names",
    }


@pytest.mark.parametrize(
    "program",
    [
        "from flask_mail import Mail; Mail(flask.Flask('app'))",
        "from flask_mail import Attachment, Connection, MailError, Message, email_dispatched",
    ],
)
def test_mail_and_message_import_nothing_that_is_not_used_yet(program):
    imported = imported_by(program)
    assert imported & SLOW == set()
    assert imported & {f"flask_mail.{name}" for name in UNUSED} == set()


def test_first_message_imports_nothing_for_batches_secrets_and_failures():
    """It is sent by a program that has only just started."""
    imported = imported_by(
        "import socket, threading\n"
        "from flask_mail import Mail, Message\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "def serve():\n"
        "    peer = server.accept()[0]\n"
        "    lines = peer.makefile('rwb', buffering=0)\n"
        "    lines.write(b'220 hi\\r\\n')\n"
        "    for line in lines:\n"
        "        command = line[:4].upper()\n"
        "        if command in (b'EHLO', b'MAIL', b'RCPT', b'.\\r\\n'):\n"
        "            lines.write(b'250 ok\\r\\n')\n"
        "        elif command == b'DATA':\n"
        "            lines.write(b'354 go on\\r\\n')\n"
        "    lines.close(), peer.close()\n"
        "threading.Thread(target=serve, daemon=True).start()\n"
        "app = flask.Flask('app')\n"
        "app.config['MAIL_PORT'] = server.getsockname()[1]\n"
        "mail = Mail(app)\n"
        "message = Message('Hi', ['bob@example.com'], 'Hi', sender='ann@example.com')\n"
        "assert mail.send(message).sent\n"
        "mail.close()"
    )
    unused = {"delivery.batches", "smtp.parallel", "util.echoes", "message.parse", "mime.parser"}
    assert imported & {f"flask_mail.{name}" for name in unused} == set()
    assert "flask_mail.smtp.pipeline" in imported
