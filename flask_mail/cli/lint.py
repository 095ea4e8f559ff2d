"""``flask mail lint``."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from ..errors import MessageError
from ..message.lint import lint
from ..message.message import Message
from ..message.programs import Program, programs_for
from .output import progress, say, say_json

_LARGEST: Final = 64 * 1024 * 1024
"""Maximum size of a file, in octets; no server accepts more."""
_HEAD: Final = 256 * 1024
_NAME: Final = re.compile(rb"[!-9;-~]+")
_USUAL: Final = frozenset(
    b"from to cc bcc subject date message-id sender reply-to mime-version content-type received"
    b" return-path".split()
)
"""Header fields, of which each message has at least one."""


@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--programs",
    "has_programs",
    is_flag=True,
    help="Also print how much of the HTML each mail program supports.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def lint_files(files: tuple[str, ...], has_programs: bool, as_json: bool) -> None:
    """Check .eml files for common mistakes.

    Use "-" to read from standard input. Exits with status 1 if it finds a mistake, and 2 if it
    cannot read a file. What mail programs do not support is not a mistake.
    """
    report: dict[str, object] = {}
    count = 0
    problems = 0
    lines: list[str] = []
    support: list[str] = []
    for name in progress(files, "Checking"):
        try:
            message = _message_in(name)
        except (OSError, MessageError) as error:
            problems += 1
            reason = getattr(error, "strerror", None) or str(error)
            report[name] = {"error": reason}
            say(f"{name}: cannot be read: {reason}", err=True)
        else:
            found = lint(message, as_is=True)
            count += len(found)
            own: dict[str, object] = {"advice": [asdict(each) for each in found]}
            lines += [f"{name}: {each}" for each in found]
            if has_programs:
                programs = programs_for(message.html or "")
                own["programs"] = [asdict(each) for each in programs]
                support += [f"{name}: {_described(each)}" for each in programs]
            report[name] = own
    if as_json:
        say_json({"ok": not (count or problems), "files": report})
    else:
        for line in lines or ([] if problems else ["No problems found."]):
            say(line)
        for line in support:
            say(line)
    click.get_current_context().exit(2 if problems else 1 if count else 0)


def _described(program: Program) -> str:
    """Return the score of a mail program, and what it does not support."""
    gaps = [
        f"{word} {', '.join(f'{each.feature} ({each.where})' for each in those)}"
        for word, support in (("not", "no"), ("only partly", "partly"))
        if (those := [each for each in program.gaps if each.support == support])
    ]
    return f"{program.name} supports {program.score} %{': ' if gaps else ''}{'; '.join(gaps)}"


def _message_in(name: str) -> Message:
    if name == "-":
        content = sys.stdin.buffer.read(_LARGEST + 1)
    else:
        with Path(name).open("rb") as file:
            content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise MessageError(f"it is larger than {_LARGEST:,} octets, which no server accepts.")
    if not _is_message(content):
        raise MessageError("it is not a message: it does not begin with header fields.")
    return Message.from_bytes(content)


def _is_message(content: bytes) -> bool:
    """Return True if header fields come first, one of which a message usually has."""
    for number, line in enumerate(content[:_HEAD].splitlines()):
        name, colon, _ = line.partition(b":")
        is_folded = number > 0 and line[:1] in (b" ", b"\t")
        is_of_mbox = number == 0 and line.startswith(b"From ")
        if is_folded or is_of_mbox:
            continue
        if not (colon and _NAME.fullmatch(name.rstrip(b" \t"))):
            return False
        if name.rstrip(b" \t").lower() in _USUAL:
            return True
    return False
