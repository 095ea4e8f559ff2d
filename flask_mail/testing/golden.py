"""Golden messages: comparison of a message with a reviewed text file."""

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
    from .sent import Sent

# A Mapping is invariant in its keys, so a union of keys would accept neither.
Replacements: TypeAlias = "Mapping[str, str] | Mapping[re.Pattern[str], str]"

__unittest = True  # unittest ends tracebacks before this module, as __tracebackhide__ does

UPDATE: Final = "UPDATE_GOLDEN_MAIL"
_PLUGIN: Final = "_flask_mail_pytestplugin"

# Names separated by slashes, which cannot lead out of the folder.
_NAME: Final = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)*")
# Values that change, or describe the encoding, which the lines about the parts show.
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
# When an invitation was made (RFC 5545 section 3.8.7.2).
_MADE: Final = re.compile(rb"^(DTSTAMP[^:\r\n]*:)\d{8}T\d{6}Z?", re.MULTILINE)
_DEEPEST: Final = 20


def should_update() -> bool:
    """Return True with ``pytest --mail-update`` or ``UPDATE_GOLDEN_MAIL=1``.

    :raises ConfigurationError: the variable is not a boolean.
    """
    plugin = sys.modules.get(_PLUGIN)
    # "0" must mean no: tests that write the files always pass.
    return bool(
        getattr(plugin, "updates_golden_mail", False)
        or convert(UPDATE, to_bool, os.environ.get(UPDATE) or False)
    )


def check(sent: Sent, name: str, folder: Path | None, replace: Replacements | None) -> None:
    """Compare a message with the file `name`, or write the file in update mode.

    :raises AssertionError: the message differs, or the file does not exist.
    :raises ValueError: `name` is not a valid file name.
    """
    __tracebackhide__ = True
    path = _path(name, folder)
    actual = _replaced(rendering(sent), replace or {})
    if should_update():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(actual, encoding="utf-8", newline="\n")
        return
    how = f"`pytest --mail-update` (without pytest: {UPDATE}=1)"
    try:
        # Editors on Windows may add CRLF and a byte order mark.
        expected = path.read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        raise AssertionError(
            f"{path} does not exist. Create it with {how} and review it. It would be:\n\n{actual}"
        ) from None
    if actual != expected:
        difference = difflib.unified_diff(
            expected.splitlines(), actual.splitlines(), str(path), "the message", lineterm=""
        )
        raise AssertionError(
            f"The message differs from {path}. If the change is intended, update it with {how}.\n\n"
            + "\n".join(difference)
        )


def rendering(sent: Sent) -> str:
    """Return a readable text of a message, without values that change each time."""
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
            f"{describe(name)} is not a valid name of a golden message: use letters, digits, _, -"
            " and dots, with / for subfolders."
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
    if kind in {"text/calendar", "application/ics"}:  # the second is that of attachments
        octets = _MADE.sub(rb"\1...", octets)
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
