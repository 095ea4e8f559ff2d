"""Imports point one way: each room imports only from the floors below it."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(find_spec("flask_mail_queue").origin).parent

FLOORS = {
    "database": 1,
    "tracing": 2,
    "enqueue": 3,
    "inspection": 3,
    "backend": 4,
    "queues": 5,
    "erasure": 6,
    "feedback": 6,
    "worker": 7,
    "": 8,
    "cli": 9,
    "testing": 9,
    **dict.fromkeys(["celery", "dramatiq", "huey", "rq"], 9),
}
EXCEPTIONS = {
    # For type checkers: what the backend delegates is given the backend.
    ("enqueue", "backend"),
    ("inspection", "backend"),
    # When an app is prepared: the receivers find its queues by the class of the backend.
    ("backend", "feedback"),
}


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).with_suffix("").parts[0]
    return "" if first == "__init__" else first


def imported_rooms(path: Path) -> set[str]:
    """Return the rooms that a module imports, for type checkers too."""
    depth = len(path.relative_to(PACKAGE).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            # `from . import wake` names what the package itself defines.
            names = [node.module] if node.module else [each.name for each in node.names]
            found |= {first if (first := name.split(".")[0]) in FLOORS else "" for name in names}
    return found


def test_rooms_import_only_lower_rooms():
    wrong = {
        (room_of(path), other)
        for path in PACKAGE.rglob("*.py")
        for other in imported_rooms(path)
        if FLOORS[other] >= FLOORS[room_of(path)]
    }
    assert wrong == EXCEPTIONS


def test_modules_are_short():
    lengths = {path.name: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 300} == {}
