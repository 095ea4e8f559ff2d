"""Golden messages: a readable form of a message, compared with a file that was looked at once."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from ..config.converters import to_bool
from ..config.table import convert
from ..mime.charsets import decode_best
from ..mime.parser import Entity, decode_text
from ..util.text import describe

if TYPE_CHECKING:
    from ..receipt import Envelope
    from .matching import Sent

# Not one Mapping of both: its keys would be neither str nor regular expressions alone.
Replacements: TypeAlias = "Mapping[str, str] | Mapping[re.Pattern[str], str]"

__unittest = True  # unittest ends tracebacks before this module, as __tracebackhide__ does

UPDATE: Final = "UPDATE_GOLDEN_MAIL"
_PLUGIN: Final = "_flask_mail_pytestplugin"

# One name or several with slashes between them: no path that leads out of the folder.
_NAME: Final = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)*")
# They differ each time, or say how the message is written, which the lines about its parts say.
_LEFT_OUT: Final = frozenset(
    {
        "date",
        "message-id",
        "dkim-signature",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "content-disposition",
    }
)
_CHANCE: Final = re.compile(r"(part\d+)\.[0-9a-f]{16}(@embedded)")  # by Message.embed()
_DEEPEST: Final = 20


def should_update() -> bool:
    """Whether files are to be written: ``pytest --mail-update``, or ``UPDATE_GOLDEN_MAIL=1``.

    :raises ConfigurationError: the variable is neither true nor false.
    """
    plugin = sys.modules.get(_PLUGIN)
    # "0" is no yes: tests that write the files pass, whatever was sent.
    return bool(
        getattr(plugin, "updates_golden_mail", False)
        or convert(UPDATE, to_bool, os.environ.get(UPDATE) or False)
    )


def check(sent: Sent, name: str, folder: Path | None, replace: Replacements | None) -> None:
    """Compare a message with the file `name`; write the file where that was asked for.

    :raises AssertionError: the message is another one, or there is no such file.
    :raises ValueError: `name` is none that a file in the folder can have.
    """
    __tracebackhide__ = True
    path = _path(name, folder)
    actual = _replaced(rendering(sent), replace or {})
    if should_update():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(actual, encoding="utf-8", newline="\n")
        return
    how = f"`pytest --mail-update` (without pytest: {UPDATE}=1) writes it"
    try:
        # As editors on Windows save it: CRLF and a byte order mark are no difference.
        expected = path.read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        raise AssertionError(
            f"There is no {path} to compare with. {how}; read it before you keep it. It would be:"
            f"\n\n{actual}"
        ) from None
    if actual != expected:
        difference = difflib.unified_diff(
            expected.splitlines(), actual.splitlines(), str(path), "the message", lineterm=""
        )
        raise AssertionError(
            f"The message is not what {path} holds. If it should be, {how} anew.\n\n"
            + "\n".join(difference)
        )


def rendering(sent: Sent) -> str:
    """Return a message as a person reads it: the same text each time that it is made."""
    entity = sent.entity
    lines = [*_envelope(sent.envelope), ""]
    for name, value in entity.fields:
        if name.lower() not in _LEFT_OUT:
            lines.append(f"{name}: {decode_text(value)}")
    for part in _leaves(entity):
        lines += ["", *_part(part)]
    return _CHANCE.sub(r"\1\2", "\n".join(map(_visible, lines))) + "\n"


def _path(name: str, folder: Path | None) -> Path:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{describe(name)} is no name of a golden message: give letters, digits, _, - and dots,"
            " with / for folders inside of the folder."
        )
    if folder is None:
        raise ValueError("Give the folder of golden messages: Outbox(folder=...).")
    return folder / f"{name}.txt"


def _replaced(text: str, replace: Replacements) -> str:
    for what, by in replace.items():
        text = what.sub(by, text) if isinstance(what, re.Pattern) else text.replace(what, by)
    return text


def _envelope(envelope: Envelope) -> Iterator[str]:
    yield " ".join((f"MAIL FROM:<{envelope.sender}>", *envelope.mail_options))
    for recipient in envelope.recipients:
        yield " ".join((f"RCPT TO:<{recipient}>", *envelope.rcpt_options))


def _leaves(entity: Entity, depth: int = 0) -> Iterator[Entity]:
    parts = list(entity.parts()) if depth < _DEEPEST else []
    for part in parts:
        yield from _leaves(part, depth + 1)
    if not parts:
        yield entity


def _part(part: Entity) -> Iterator[str]:
    kind = part.content_type.main
    name = part.disposition.parameters.get("filename") or part.content_type.parameters.get("name")
    octets = part.octets()
    if kind.startswith("text/") and not name and part.disposition.main != "attachment":
        yield f"--- {kind}"
        yield from _text(part, octets).split("\n")
    else:
        label = part.disposition.main or "part"
        content_id = part.get("content-id")
        yield " ".join(
            filter(
                None,
                (
                    f"--- {label} {name or 'without a name'}: {kind}, {len(octets)} bytes,",
                    f"sha256 {hashlib.sha256(octets).hexdigest()[:16]}",
                    f"Content-ID {content_id}" if content_id else "",
                ),
            )
        )


def _text(part: Entity, octets: bytes) -> str:
    text = decode_best(octets, part.content_type.parameters.get("charset", ""))
    return text.replace("\r\n", "\n").removesuffix("\n")


def _visible(line: str) -> str:
    return "".join(each if each.isprintable() or each == "\t" else _escape(each) for each in line)


def _escape(character: str) -> str:
    return ascii(character)[1:-1]
