"""Flask-Mail's plugin for pytest: the fixtures ``outbox`` and ``mailbox``, and ``--mail-update``.

A module of its own, not one of the package: pytest imports it before anything else, and importing
the package that early would come before a program's ``gevent.monkey.patch_all()`` and before
coverage is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask_mail.testing import Outbox

updates_golden_mail = False


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--mail-update``."""
    parser.getgroup("flask-mail").addoption(
        "--mail-update",
        action="store_true",
        help="write the files that outbox.assert_matches() compares with",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Note whether golden messages are written."""
    global updates_golden_mail  # noqa: PLW0603 (unittest has no configuration to look at)
    before = updates_golden_mail
    updates_golden_mail = config.getoption("--mail-update")

    def restore() -> None:
        global updates_golden_mail  # noqa: PLW0603
        updates_golden_mail = before

    config.add_cleanup(restore)


@pytest.fixture
def outbox(request: pytest.FixtureRequest) -> Iterator[Outbox]:
    """The messages that are sent during this test; no mail leaves meanwhile."""
    from flask_mail.testing import Outbox

    with Outbox(folder=request.path.parent / "mail") as outbox:
        yield outbox


@pytest.fixture
def mailbox(outbox: Outbox) -> Outbox:
    """The fixture ``outbox`` by another name."""
    return outbox
