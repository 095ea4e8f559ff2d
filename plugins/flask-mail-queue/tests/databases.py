"""A PostgreSQL server of tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

_PLACES = ("/usr/local/bin", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin"))))


def program(name):
    """Return the path of a program of PostgreSQL, or ``None``."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_PLACES))


def is_installed():
    return all(map(program, ("initdb", "pg_ctl", "postgres")))


class Postgres:
    """A server on a socket in a folder of its own."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.getuid() == 0 else None
        if self._user:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._run(
            "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"
        )

    def _run(self, name, *arguments):
        subprocess.run(
            [program(name), *map(str, arguments)],
            check=True,
            user=self._user,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )

    def start(self):
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        options += " -c max_prepared_transactions=4"
        self._run("pg_ctl", "-D", self.data, "-l", self.log, "-w", "-o", options, "start")

    def stop(self, mode="immediate"):
        self._run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def restart(self):
        self.stop()
        self.start()

    def end_connections(self):
        """End the connections of all clients."""
        engine = create_engine(self.url)
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        with engine.begin() as connection:
            connection.execute(
                text(f"{others} WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
            )
        engine.dispose()

    def empty(self):
        """Make the database anew."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()

    @property
    def url(self):
        return f"postgresql+psycopg://postgres@/postgres?host={self.folder}"


@contextmanager
def postgres():
    folder = tempfile.mkdtemp(prefix="mail-queue-")
    server = Postgres(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
