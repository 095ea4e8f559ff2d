"""The table of findings of ``flask mail check`` in the documentation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_mail.cli.dns import _ADVICE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"
SOURCES = sorted({*(ROOT / "flask_mail" / "cli").glob("*.py")} - {ROOT / "flask_mail/cli/lint.py"})
RULES = ROOT / "flask_mail" / "backends" / "smtp_rules.py"
# The position of the code among the arguments.
MAKERS = {"Finding": 1, "Rule": 1, "_warning": 0, "_unused": 0, "not_checked": 0}
# Codes that are made of the purpose of a record.
MADE = {f"no-{purpose.lower()}" for purpose in _ADVICE}


def codes_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place = MAKERS.get(node.func.id)
            given = node.args[place] if place is not None and len(node.args) > place else None
            if isinstance(given, ast.Constant):
                yield given.value
            elif isinstance(given, ast.JoinedStr):
                assert ast.unparse(given) == "f'no-{purpose.lower()}'"
                yield from MADE


def rows() -> dict[str, list[str]]:
    """Return the other cells of each row by its code."""
    text = PAGE.read_text(encoding="utf-8")
    table = text[text.index("### Findings") :]
    found: dict[str, list[str]] = {}
    for line in re.findall(r"^\| (`.*) \|$", table[: table.index("\n## ")], re.MULTILINE):
        first, *others = line.split(" | ")
        for code in re.findall(r"`([a-z0-9-]+)`", first):
            assert code not in found
            found[code] = others
    return found


def test_each_finding_of_check_has_a_row_and_each_row_a_finding() -> None:
    codes = {code for path in (*SOURCES, RULES) for code in codes_in(path)}

    assert len(codes) > 40
    assert set(rows()) == codes


@pytest.mark.parametrize("code", rows())
def test_each_finding_has_a_meaning_and_a_solution(code: str) -> None:
    meaning, solution = rows()[code]

    assert len(meaning) > 10
    assert len(solution) >= 5
