"""Imports point one way: each module imports only from the layers below it."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(find_spec("flask_mail").origin).parent  # type: ignore[union-attr,arg-type]

# A room imports only rooms on lower floors. Imports for type checkers count: they are how a circle
# of 75 files once grew under a green test.
FLOORS = {
    "_context": 1,
    "errors": 1,
    "receipt": 1,
    "util": 2,
    "address": 3,
    "events": 3,
    "config": 4,
    "mime": 4,
    "message": 5,
    "smtp": 5,
    "delivery": 6,
    "backends": 7,
    "extension": 8,
    "": 9,
    "inbox": 10,
    "telemetry": 10,
    "cli": 11,
    "testing": 11,
}
EXCEPTIONS = {
    # Values and the errors that carry them: one room in two files.
    ("errors", "receipt"),
}
# Inside a room, a class and the functions that its methods call name each other, for type checkers
# or at the first call. Nothing else may be a circle, and none crosses a wall.
CIRCLES = [
    {
        *("message.message", "message.attachment", "message.attachment_records"),
        *("message.copying", "message.fields"),
        *("message.formats", "message.header_fields", "message.invitations", "message.inviting"),
        *("message.parse", "message.rendering", "message.serialize", "message.validation"),
    },
    {"delivery.outgoing", "delivery.fields", "delivery.serialize"},
    {"backends.base", "backends.features"},
    {"backends.locmem", "backends.locmem_reading"},
    {"backends.smtp", "backends.smtp_probe"},
    {"smtp.pool", "smtp.idling"},
    {"extension.mail", "extension.connection", "extension.mixin", "extension.state"},
    {"cli", "cli.check", "cli.commands", "cli.group"},
    {"testing.matching", "testing.report"},
]
MAY_IMPORT_FLASK = {"_context", "extension", "inbox", "telemetry", "cli", "testing"}


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


@cache
def imports_of(module: str, path: Path) -> set[str]:
    """Return what `module` imports, for type checkers too; own modules begin with a dot."""
    tree = ast.parse(path.read_text("utf-8"))
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    package = [part for part in package if part]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            base += (node.module or "").split(".") if node.module else []
            for alias in node.names:
                inner = ".".join([*base, alias.name])
                found.add(f".{inner}" if inner in modules() else f".{'.'.join(base)}")
    return found


def room_of(module: str) -> str:
    return module.split(".")[0]


def test_every_module_is_in_a_room():
    assert {room_of(name) for name in modules()} == set(FLOORS)


def test_few_modules_are_outside_of_rooms():
    flat = [name for name in modules() if "." not in name and modules()[name].parent == PACKAGE]
    assert len(flat) <= 6


def test_modules_import_only_lower_rooms():
    wrong = [
        (module, other)
        for module, path in modules().items()
        for other in (each[1:] for each in imports_of(module, path) if each.startswith("."))
        if room_of(other) != room_of(module)
        and FLOORS[room_of(other)] >= FLOORS[room_of(module)]
        and (module, other) not in EXCEPTIONS
    ]
    assert wrong == []


def test_only_known_modules_import_each_other_in_a_circle():
    below = {
        module: {each[1:] for each in imports_of(module, path) if each[1:] in modules()} - {module}
        for module, path in modules().items()
    }
    reached = {module: reachable(module, below) for module in below}
    circles = {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in below
        if module in reached[module]
    }
    assert [set(each) for each in circles if set(each) not in CIRCLES] == []


def reachable(start: str, below: dict[str, set[str]]) -> set[str]:
    """Return all modules that `start` imports, directly or by others."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        ahead += (new := below[ahead.pop()] - found)
        found |= new
    return found


def test_modules_are_short():
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in modules().items()}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_only_some_rooms_import_flask():
    importing = {
        room_of(module)
        for module, path in modules().items()
        if "flask" in {each.split(".")[0] for each in imports_of(module, path)}
    }
    assert importing <= MAY_IMPORT_FLASK


def test_import_loads_only_flask_and_blinker():
    program = (
        "import sys, flask, blinker\n"
        "before = set(sys.modules)\n"
        "import flask_mail\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "new -= set(sys.stdlib_module_names)\n"
        "print(' '.join(sorted(new)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["flask_mail"]


def test_idna_is_imported_only_for_a_domain_that_is_not_ascii():
    program = (
        "import sys\n"
        "from flask_mail.address.parser import parse_address\n"
        "parse_address('a@example.com', 'recipient')\n"
        "assert 'idna' not in sys.modules\n"
        "parse_address('a@bücher.example', 'recipient')\n"
        "assert 'idna' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-X", "utf8", "-c", program], check=True)
