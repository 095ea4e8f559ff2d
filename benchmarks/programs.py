"""Programs of the system, found and run."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

PATHS = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin"


def program(name: str, package: str = "postfix") -> str:
    """Return the path of a program.

    :raises SystemExit: it is not installed.
    """
    path = shutil.which(name, path=PATHS)
    if path is None:
        raise SystemExit(f"{name} is missing: install it (Debian: apt-get install {package}).")
    return path


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the end of the block."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for us, who then stop it
    )
    try:
        yield process
    finally:
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
