"""Mail server programs for tests: what Postfix and Exim have in common."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_mail import Mail

_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/opt/exim4/usr/sbin"))


def find(name: str) -> str | None:
    """Return the path of a program that is for root, or put where .ci/run puts it."""
    return shutil.which(name, path=_PATH)


def needs(program: str | None, name: str) -> list[pytest.MarkDecorator]:
    """Return the marks of tests that run `program`: where it is missing, CI fails."""
    return [
        pytest.mark.exhaustive,
        pytest.mark.server,
        pytest.mark.skipif(
            (program is None or os.geteuid() != 0) and not os.environ.get("CI"),
            reason=f"needs {name} (the first step of .ci/run installs it) and root",
        ),
    ]


def until(done: Callable[[], Any], what: Callable[[], str]) -> Any:
    """Return what `done` returns once that is true: another program's work, which tells nobody."""
    for _ in range(1200):
        result = done()
        if result:
            return result
        threading.Event().wait(0.05)
    raise AssertionError(f"waited a minute in vain: {what()}")


def own_address() -> str:
    """Return a loopback address that is nobody else's, so that each of its ports is free.

    A port that was free a moment ago may be the local port of another test's connection now.
    """
    return ".".join(["127", *(str(1 + secrets.randbelow(254)) for _ in range(3))])


@contextlib.contextmanager
def folder(name: str) -> Iterator[Path]:
    """Make a folder for a program and remove it."""
    # Not tmp_path: these programs run as several users, who must get through.
    root = Path(tempfile.mkdtemp(prefix=f"flask-mail-{name}-"))
    root.chmod(0o755)

    def remove() -> bool:
        shutil.rmtree(root, ignore_errors=True)  # a process may write its last line meanwhile
        return not root.exists()

    try:
        yield root
    finally:
        until(remove, lambda: f"{root} is still in use")


class Program:
    """A mail server that runs."""

    host: str
    ports: Mapping[str, int]

    def mail(self, service: str = "mx", **settings: Any) -> Mail:
        """Return a Mail of an app that sends to one of its ports."""
        app = Flask("shop")
        app.config.update(
            MAIL_SERVER=self.host,
            MAIL_PORT=self.ports[service],
            MAIL_DEFAULT_SENDER=("Käthe", "kaethe@example.org"),
        )
        app.config.update(settings)
        return Mail(app)
