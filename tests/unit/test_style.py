"""Words that a reader stumbles over stay out of docstrings, errors and test names."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(find_spec("flask_mail").origin).parent  # type: ignore[union-attr,arg-type]
TESTS = Path(__file__).parents[1]
LONGEST_NAME = 70

# A docstring says what something does or is: "Return ...", "Recipient allow-list ...".
STUMBLING_OPENING = re.compile(r"(What|Whether|How|That|Who|One that|Take it|See that)\b")
STUMBLING_ERROR = re.compile(r" is none\b|(?<!here) is no | are no ")


@cache
def strings() -> list[tuple[str, str, bool]]:
    """Return place and text of each string of the package, and if it stands alone.

    What stands alone is a docstring: attributes have them too. The others are texts of errors and
    of findings.
    """
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        alone = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Expr):
                alone.add(id(node.value))  # which comes after it
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                place = f"{path.relative_to(PACKAGE)}:{node.lineno}"
                found.append((place, node.value, id(node) in alone))
    return found


def test_package_is_read() -> None:
    assert {alone for _, _, alone in strings()} == {True, False}


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    found = [(place, text) for place, text, alone in strings() if alone]
    assert [each for each in found if STUMBLING_OPENING.match(each[1])] == []


def test_errors_use_no_inverted_negation() -> None:
    found = [(place, text) for place, text, alone in strings() if not alone]
    assert [each for each in found if STUMBLING_ERROR.search(each[1])] == []


def test_names_of_tests_are_short() -> None:
    names = [
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert len(names) > 1000
    assert [name for name in names if len(name) > LONGEST_NAME] == []


def test_modules_keep_their_names_when_they_are_imported() -> None:
    renamed = {
        (node.module, alias.name, alias.asname)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
        if alias.asname and alias.name.islower() and is_module(path, node, alias.name)
    }
    assert renamed == {("config", "table", "settings")}


def is_module(path: Path, node: ast.ImportFrom, name: str) -> bool:
    """Return True if what a statement imports is a module of the package."""
    folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
    return (folder / f"{name}.py").exists()
