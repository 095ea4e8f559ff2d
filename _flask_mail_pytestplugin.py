"""Flask-Mail's plugin for pytest: the fixture ``outbox``, and ``--mail-update``.

A module of its own, not one of the package: pytest imports it before anything else, and importing
the package that early would come before a program's ``gevent.monkey.patch_all()`` and before
coverage is measured.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask_mail.testing import Outbox

# Its promises are asserts: those of a module that pytest does not rewrite are gone under python -O,
# and every backend would keep them all.
pytest.register_assert_rewrite("flask_mail.testing.contract")

updates_golden_mail = False


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--mail-update``, ``--mail-backend`` and ``--mail-option``."""
    group = parser.getgroup("flask-mail")
    group.addoption(
        "--mail-update",
        action="store_true",
        help="write the files that outbox.assert_matches() compares with",
    )
    group.addoption(
        "--mail-backend",
        metavar="NAME",
        help="test that an installed mail backend keeps its promises; it sends to example.com",
    )
    group.addoption(
        "--mail-option",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="an option of that backend, such as path=/tmp/mail; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Note whether golden messages are written, and which backend is tested."""
    if config.getoption("--mail-backend"):
        _test_backend(config)
    global updates_golden_mail  # noqa: PLW0603 (unittest has no configuration to look at)
    before = updates_golden_mail
    updates_golden_mail = config.getoption("--mail-update")

    def restore() -> None:
        global updates_golden_mail  # noqa: PLW0603
        updates_golden_mail = before

    config.add_cleanup(restore)


def _test_backend(config: pytest.Config) -> None:
    package = importlib.util.find_spec("flask_mail")
    for folder in package.submodule_search_locations or () if package else ():
        path = str(Path(folder, "testing", "contract", "installed.py"))
        if not config.getoption("file_or_dir"):
            config.args = [path]
        elif path not in config.args:
            config.args.append(path)


@pytest.fixture
def outbox(request: pytest.FixtureRequest) -> Iterator[Outbox]:
    """The messages that are sent during this test; no mail leaves meanwhile."""
    from flask_mail.testing import Outbox

    with Outbox(folder=request.path.parent / "mail") as outbox:
        yield outbox
