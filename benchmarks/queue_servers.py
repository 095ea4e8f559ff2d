"""PostgreSQL and Redis, in which queues are stored, each in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .environments import Missing
from .programs import running

_PLACES = [str(each) for each in Path("/usr/lib/postgresql").glob("*/bin")]


def _program(name: str, package: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(_PLACES))
    if found is None:
        raise Missing(f"{name} is not installed (Debian: apt-get install {package})")
    return found


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Run PostgreSQL, which makes each commit durable as it does by default; yield the folder of
    its socket.

    :raises Missing: it is not installed.
    """
    initdb, control = (_program(name, "postgresql") for name in ("initdb", "pg_ctl"))
    # It refuses to run as root, and another user gets through no folder of root.
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="flask-mail-bench-") as name:
        root, data = Path(name), str(Path(name, "data"))
        if user is not None:
            os.chown(root, pwd.getpwnam(user).pw_uid, -1)

        def run(*command: str) -> None:
            subprocess.run(
                command,
                check=True,
                cwd=root,
                user=user,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                stdout=subprocess.DEVNULL,
                timeout=60,
            )

        run(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={root}"
        log = str(root / "log")
        run(control, "-D", data, "-l", log, "-w", "-o", options, "start")
        try:
            yield str(root)
        finally:
            run(control, "-D", data, "-w", "-m", "immediate", "stop")


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Run Redis, which writes nothing to the disk; yield the path of its socket.

    :raises Missing: it is not installed.
    """
    command = [_program("redis-server", "redis-server"), "--port", "0", "--save", ""]
    with tempfile.TemporaryDirectory(prefix="flask-mail-bench-") as name:
        socket = Path(name, "redis")
        with running([*command, "--unixsocket", str(socket), "--dir", name]):
            until = time.monotonic() + 20
            while not socket.exists():
                if time.monotonic() > until:
                    raise TimeoutError("Redis does not start.")
                time.sleep(0.05)
            yield str(socket)


SERVERS = {"postgresql": postgresql, "redis": redis}
