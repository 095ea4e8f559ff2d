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
