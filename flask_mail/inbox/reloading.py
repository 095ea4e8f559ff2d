"""Messages in memory that survive a restart by the reloader of the development server.

The server runs the app in a child process, and starts another one after each change of a file. The
child that ends leaves its messages in a private file for the next one, which deletes the file. A
child cannot know if it ends for a restart, so the server deletes the file too when it ends.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import _context
from ..delivery.recent import Delivered
from ..receipt import Envelope
from .failures import failures_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from ..delivery.recent import Recent

_NAME: Final = re.compile(r"flask-mail-([0-9]{1,10})-[0-9a-f]{16}\.json")
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_IS_WINDOWS: Final = os.name == "nt"
_PLAIN: Final = ("id", "backend", "outcome", "reason", "size", "mailer")
_LISTS: Final = ("recipients", "mail_options", "rcpt_options")


def survive(app: Flask) -> None:
    """Take over the messages of the process before, and leave those of `app` for the next.

    Does nothing in a process that the reloader did not start.
    """
    if os.environ.get("WERKZEUG_RUN_MAIN") != "true":
        return
    path = path_for(app)
    if not _IS_WINDOWS:  # there, asking for a process may end it
        _remove(path.parent, lambda server: not _is_running(server))
    stores = _stores(app)
    for store, records in zip(stores, _taken(path), strict=False):
        with contextlib.suppress(KeyError, TypeError, ValueError):  # of another version
            store.restore([_delivered(each) for each in records])
    atexit.register(leave, stores, path, _processes())


def clean_up() -> None:
    """Delete what the children of this process have left."""
    _remove(Path(tempfile.gettempdir()), lambda server: server == os.getpid())


def path_for(app: Flask) -> Path:
    """Return the file for the messages of `app`, the same for all children of one server."""
    identity = f"{app.root_path}\0{app.name}".encode("utf-8", "surrogateescape")
    digest = hashlib.sha256(identity).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"flask-mail-{os.getppid()}-{digest}.json")


def leave(stores: list[Recent], path: Path, processes: tuple[int, int]) -> None:
    """Write the messages of `stores` for the next process, if there are some.

    :param processes: the child and the server that will start the next one.
    """
    if _processes() != processes:  # a fork of the child, or the server was killed
        return
    found = [[_record(each) for each in store.all()] for store in stores]
    if any(found):
        # O_EXCL: another user may have made a file or link of that name.
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW
            descriptor = os.open(path, flags, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 (a descriptor)
                json.dump(found, file)


def _processes() -> tuple[int, int]:
    return os.getpid(), os.getppid()


def _stores(app: Flask) -> list[Recent]:
    state, failures = _context.resolved(app.extensions["mail"]), failures_of(app)
    found = [getattr(state, "recent", None), failures.recent if failures else None]
    return [each for each in found if each is not None]


def _taken(path: Path) -> list[Any]:
    """Return what the process before has left, and delete it."""
    try:
        # O_NONBLOCK: opening a pipe would wait.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _NO_FOLLOW)
        with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor)
            content = file.read() if _is_private(os.fstat(descriptor)) else b""
        path.unlink()
        found: Any = json.loads(content)
    except (OSError, ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _is_private(status: os.stat_result) -> bool:
    if not stat.S_ISREG(status.st_mode):
        return False
    if _IS_WINDOWS:  # each user has a folder for temporary files
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _remove(folder: Path, is_abandoned: Callable[[int], bool]) -> None:
    """Delete what was left by children of the servers that `is_abandoned` selects by process id."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            named = _NAME.fullmatch(entry.name)
            if named and is_abandoned(int(named[1])):
                with contextlib.suppress(OSError):  # of another user
                    Path(entry.path).unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _record(delivered: Delivered) -> dict[str, Any]:
    content, envelope = delivered.content, delivered.envelope
    return {
        **{name: getattr(delivered, name) for name in _PLAIN},
        "moment": delivered.moment.isoformat(),
        "content": None if content is None else base64.b64encode(content).decode(),
        "sender": envelope.sender,
        **{name: list(getattr(envelope, name)) for name in _LISTS},
        "tags": list(delivered.tags),
        "metadata": dict(delivered.metadata),
    }


def _delivered(record: dict[str, Any]) -> Delivered:
    delivered = Delivered.__new__(Delivered)
    for name in _PLAIN:
        setattr(delivered, name, record[name])
    delivered.moment = datetime.fromisoformat(record["moment"])
    content = record["content"]
    delivered.content = None if content is None else base64.b64decode(content)
    delivered.envelope = Envelope(record["sender"], *(tuple(record[name]) for name in _LISTS))
    delivered.tags, delivered.metadata = tuple(record["tags"]), record["metadata"]
    return delivered
