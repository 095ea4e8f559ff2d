"""Words that a reader stumbles over stay out of docstrings, errors and test names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = Path(find_spec("flask_mail").origin).parent  # type: ignore[union-attr,arg-type]
TESTS = Path(__file__).parents[1]
LONGEST_NAME = 70

# A docstring says what something does or is: "Return ...", "Recipient allow-list ...".
STUMBLING_OPENING = re.compile(r"(What|Whether|How|That|Who|One that|Take it|See that)\b")
STUMBLING_ERROR = re.compile(r" is none\b|(?<!here) is no | are no ")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield what stands as a string of its own: attributes have docstrings too."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the text of errors and of findings: all strings but docstrings."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.lineno, node.value


MODULES = [str(path.relative_to(PACKAGE)) for path in sorted(PACKAGE.rglob("*.py"))]


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_begin_with_a_verb_or_a_noun(module: str) -> None:
    found = docstrings(tree_of(PACKAGE / module))
    assert [f"{line}: {text}" for line, text in found if STUMBLING_OPENING.match(text)] == []


@pytest.mark.parametrize("module", MODULES)
def test_errors_use_no_inverted_negation(module: str) -> None:
    found = messages(tree_of(PACKAGE / module))
    assert [f"{line}: {text}" for line, text in found if STUMBLING_ERROR.search(text)] == []


@pytest.mark.parametrize(
    "path", [str(path.relative_to(TESTS)) for path in sorted(TESTS.rglob("test_*.py"))]
)
def test_names_of_tests_are_short(path: str) -> None:
    names = [
        node.name
        for node in ast.walk(tree_of(TESTS / path))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert [name for name in names if len(name) > LONGEST_NAME] == []
