"""Imports point one way: each module imports only from the layers below it."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = Path(find_spec("flask_mail").origin).parent  # type: ignore[union-attr,arg-type]

# Each module may import those above it at run time. What a module imports for type checkers only
# is no dependency.
LAYERS = (
    "errors",
    "callers",
    "echoes",
    "secret",
    "clocks",
    "forks",
    "alternatives",
    "hosts",
    "texts",
    "arguments",
    "charsets",
    "entities",
    "flowed",
    "files",
    "content",
    "markup.prose",
    "markup.styles",
    "markup.tables",
    "markup.tags",
    "markup.sheets",
    "markup.frames",
    "markup.elements",
    "markup",
    "idn",
    "words",
    "data_headers",
    "addresses",
    "headers",
    "dates",
    "parts",
    "uploads",
    "mime",
    "seven_bit",
    "checks",
    "lint",
    "extras",
    "outgoing",
    "readers",
    "signals",
    "guard",
    "masking",
    "settings",
    "misspelt",
    "stylesheets",
    "cascade",
    "inlining",
    "templates",
    "smtp",
    "smtp.deadline",
    "smtp.alarms",
    "smtp.replies",
    "smtp.errors",
    "smtp.incoming",
    "smtp.unsent",
    "smtp.polling",
    "smtp.link",
    "smtp.tls",
    "smtp.dialing",
    "smtp.server",
    "smtp.reaching",
    "smtp.lending",
    "smtp.mechanisms",
    "smtp.login",
    "smtp.client",
    "smtp.extensions",
    "smtp.results",
    "smtp.smuggling",
    "smtp.commands",
    "smtp.transaction",
    "smtp.flight",
    "smtp.lessons",
    "smtp.courier",
    "smtp.idling",
    "smtp.pool",
    "smtp.stand_in",
    "_context",
    "attachment",
    "copies",
    "conventions",
    "values",
    "enclosures",
    "records",
    "parsing",
    "forms",
    "message",
    "foreign",
    "backends.options",
    "backends.features",
    "backends.reporting",
    "backends.sending",
    "backends.base",
    "backends",
    "backends.declared",
    "backends.loader",
    "backends.recent",
    "backends.console",
    "backends.file",
    "backends.locmem",
    "backends.null",
    "backends.smtp_checks",
    "backends.smtp",
    "selection",
    "live",
    "keeping",
    "connection",
    "mounting",
    "previews",
    "mixin",
    "state",
    "extension",
    "_compat",
    "",
)
ABOVE_ALL = ("cli", "testing", "preview")
MAY_IMPORT_FLASK = {"_context", "extension", "mixin", "mounting", "state"}  # all that is Flask


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports_of(module: str, path: Path) -> set[str]:
    """Return what `module` imports when it is imported or run; own modules begin with a dot."""
    tree = ast.parse(path.read_text("utf-8"))
    guarded = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for child in branch.body
        for node in ast.walk(child)
    }
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    package = [part for part in package if part]
    found = set()
    for node in ast.walk(tree):
        if node in guarded:
            continue
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


def test_every_module_has_its_layer():
    below = {name for name in modules() if name.split(".")[0] not in ABOVE_ALL}
    assert below == set(LAYERS)


@pytest.mark.parametrize("module", [name for name in modules() if name in LAYERS])
def test_a_module_imports_only_from_layers_below_it(module):
    own = {each[1:] for each in imports_of(module, modules()[module]) if each.startswith(".")}
    assert own <= set(LAYERS[: LAYERS.index(module)])


@pytest.mark.parametrize("module", [name for name in modules() if name in LAYERS])
def test_only_what_is_flask_imports_it(module):
    foreign = {each.split(".")[0] for each in imports_of(module, modules()[module])}
    assert ("flask" in foreign) <= (module in MAY_IMPORT_FLASK)


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("smtp")])
def test_the_smtp_package_knows_no_message(module):
    assert not {".message", ".mime", ".checks"} & imports_of(module, modules()[module])


def test_importing_the_package_imports_only_flask_and_blinker_besides_the_standard_library():
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
