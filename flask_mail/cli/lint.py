"""``flask mail lint``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from ..errors import MessageError
from ..message.lint import Finding, lint
from ..message.message import Message
from .output import say, say_json

_LARGEST: Final = 64 * 1024 * 1024
"""Maximum size of a file, in octets; no server accepts more."""


@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def lint_files(files: tuple[str, ...], as_json: bool) -> None:
    """Check .eml files for common mistakes.

    Use "-" to read from standard input. Exits with status 1 if it finds a mistake, and 2 if it
    cannot read a file.
    """
    report: dict[str, object] = {}
    count = 0
    problems = 0
    for name in files:
        try:
            found = _findings_in(name)
        except (OSError, MessageError) as error:
            problems += 1
            reason = getattr(error, "strerror", None) or str(error)
            report[name] = {"error": reason}
            say(f"{name}: cannot be read: {reason}", err=True)
        else:
            count += len(found)
            report[name] = {"advice": [asdict(each) for each in found]}
            if not as_json:
                for each in found:
                    say(f"{name}: {each}")
    if as_json:
        say_json({"ok": not (count or problems), "files": report})
    elif not (count or problems):
        say("No problems found.")
    click.get_current_context().exit(2 if problems else 1 if count else 0)


def _findings_in(name: str) -> list[Finding]:
    if name == "-":
        content = sys.stdin.buffer.read(_LARGEST + 1)
    else:
        with Path(name).open("rb") as file:
            content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise MessageError(f"it is larger than {_LARGEST:,} octets, which no server accepts.")
    return lint(Message.from_bytes(content), as_is=True)
