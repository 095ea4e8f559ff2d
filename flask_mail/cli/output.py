"""Output of the commands: control characters escaped, secrets masked.

Setting values, server replies and errors of plugins are untrusted: they may contain terminal escape
sequences, or repeat a password.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import click

from ..config.masking import USERINFO
from ..config.table import BY_KEY, is_secret, is_unset
from ..util.echoes import as_word
from ..util.text import plain_text

T = TypeVar("T")

MASK = "***"
_CELL = 60  # characters, so that tables stay readable
_MARKS: Final = {
    "ok": ("✓", "green"),
    "failed": ("✗", "red"),
    "error": ("✗", "red"),
    "warning": ("!", "yellow"),
    "skipped": ("-", None),
}


def masked(key: str, value: object, declared: Collection[str] = ()) -> Any:
    """Return a value for JSON: ``***`` for a secret, ``None`` if it is unset."""
    if is_unset(value, key):
        return None
    return MASK if is_secret(key, declared) else _plain(value)


def redactor(
    values: Iterable[tuple[str, object]], username: object, declared: Collection[str] = ()
) -> Callable[[str], str]:
    """Return a function that masks every secret of these settings in a text.

    That includes the base64 forms that a server may echo: alone, or in AUTH PLAIN after `username`.
    Very short secrets are only masked as words of their own.
    """
    spellings: set[str] = set()
    short: list[re.Pattern[str]] = []
    for key, value in values:
        for secret in _secrets(key, value, declared):
            plain_auth = f"\0{username}\0{secret}"
            spellings |= {_base64(secret), _base64(plain_auth)}
            pattern = as_word([secret])
            if pattern is None:
                spellings.add(secret)
            else:
                short.append(pattern)
    longest_first = sorted(spellings, key=len, reverse=True)

    def redact(text: str) -> str:
        for spelling in longest_first:
            text = text.replace(spelling, MASK)
        for pattern in short:
            text = pattern.sub(MASK, text)
        return USERINFO.sub(MASK, text)

    return redact


def name_of(chosen: object) -> str:
    """Return a printable name for a value of ``MAIL_BACKEND``: the text, or the import path."""
    if isinstance(chosen, str):
        return USERINFO.sub(MASK, chosen)  # other frameworks take a URL here
    if isinstance(chosen, type):
        return f"{chosen.__module__}:{chosen.__qualname__}"
    return f"<{type(chosen).__name__}>"


def visible(text: str) -> str:
    """Return `text` on one line, with unprintable characters escaped."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def is_terminal(stream: Any) -> bool:
    """Return True if a stream is a terminal; it is ``None`` in a job without output."""
    return stream is not None and stream.isatty()


def say(line: str = "", *, err: bool = False, status: str = "") -> None:
    """Print one line, to standard error with `err`; escape what the terminal cannot encode.

    :param status: a status such as ``"ok"``, whose mark a terminal shows before the line, in colour
        unless ``NO_COLOR`` is set (no-color.org).
    """
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    shown = visible(line).encode(encoding, "backslashreplace").decode(encoding)
    if status and is_terminal(stream):
        mark, colour = _MARKS[status]
        mark = mark if mark.encode(encoding, "ignore") else "*"
        is_coloured = colour and not os.environ.get("NO_COLOR")
        shown = f"{click.style(mark, fg=colour) if is_coloured else mark} {shown}"
    click.echo(shown, err=err)


def progress(items: Iterable[T], label: str, *, least: int = 2) -> Iterator[T]:
    """Yield items, with a progress bar if standard error is a terminal.

    :param least: number of items from which on there is a bar.
    """
    found = list(items)
    if len(found) < least or not is_terminal(sys.stderr):
        yield from found
        return
    with click.progressbar(found, label=label, file=sys.stderr) as bar:
        yield from bar


def say_json(report: Mapping[str, object]) -> None:
    """Print one JSON object."""
    # DEL is the only control character that json does not escape.
    click.echo(json.dumps(report, indent=2).replace("\x7f", "\\u007f"))


def say_table(rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns; the first row is the heading."""
    cells = [[_shortened(visible(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        say("  ".join(map(str.ljust, row, widths)).rstrip())


def _plain(value: object) -> Any:
    if isinstance(value, str):
        return USERINFO.sub(MASK, plain_text(value) or "")
    if isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {str(key): masked(str(key), each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked("", each) for each in value]
    if isinstance(value, os.PathLike):
        return str(value)
    # Not its repr, which may contain a secret.
    return name_of(value)


def _secrets(key: str, value: object, declared: Collection[str]) -> Iterator[str]:
    is_one = is_secret(key, declared)
    if isinstance(value, Mapping):
        for inner, each in value.items():
            yield from _secrets(key if is_one else str(inner), each, declared)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _secrets(key, each, declared)
    # A number is only a secret in a known password setting: elsewhere it may be a switch, and
    # masking every 1 would make the output useless.
    elif (is_one and not is_unset(value)) and (
        isinstance(value, str) or key in BY_KEY or key in declared
    ):
        yield str(value)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")


def _shortened(text: str) -> str:
    return text if len(text) <= _CELL else f"{text[: _CELL - 3]}..."
