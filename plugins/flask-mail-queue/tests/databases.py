"""Servers of databases for tests."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

_PLACES = (
    *("/usr/local/bin", "/usr/sbin"),
    *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin"))),
)


def program(name):
    """Return the path of a program, or ``None``."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_PLACES))


class Postgres:
    """A server on a socket in a folder of its own."""

    programs = ("initdb", "pg_ctl", "postgres")

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


class MariaDB:
    """A server on a port of this machine, with a folder of its own."""

    programs = ("mariadbd", "mariadb-install-db")

    def __init__(self, folder):
        self.folder = Path(folder)
        self._server = None
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self._port = free.getsockname()[1]
        # MariaDB refuses to run as root.
        user = "nobody" if os.getuid() == 0 else None
        self._options = {"cwd": self.folder, "user": user, "stdin": subprocess.DEVNULL}
        if user:
            os.chown(self.folder, pwd.getpwnam(user).pw_uid, -1)
        self._data = [f"--datadir={self.folder}/data", f"--tmpdir={self.folder}"]
        command = [program("mariadb-install-db"), "--no-defaults", *self._data]
        command += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(command, check=True, capture_output=True, timeout=120, **self._options)

    def start(self):
        command = [program("mariadbd"), "--no-defaults", *self._data, f"--port={self._port}"]
        command += ["--bind-address=127.0.0.1", f"--socket={self.folder}/socket"]
        command += ["--innodb-flush-log-at-trx-commit=2"]
        command += [f"--pid-file={self.folder}/pid", "--innodb-buffer-pool-size=64M"]
        with (self.folder / "log").open("a") as log:
            self._server = subprocess.Popen(command, stdout=log, stderr=log, **self._options)
        engine = create_engine(self._url("mysql"))
        for _ in range(600):
            if self._server.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())
            try:
                with engine.connect():
                    break
            except OperationalError:
                time.sleep(0.05)  # it has no command that waits until it is ready
        engine.dispose()

    def stop(self):
        self._server.kill()
        self._server.wait()

    def restart(self):
        self.stop()
        self.start()

    def end_connections(self):
        """End the connections of all clients."""
        with self._connected() as connection:
            others = "SELECT id FROM information_schema.processlist WHERE id <> connection_id()"
            for number in connection.scalars(text(f"{others} AND user = 'root'")).all():
                with suppress(OperationalError):  # it has ended meanwhile
                    connection.execute(text(f"KILL {number}"))

    def empty(self):
        """Make the database anew."""
        self.end_connections()  # their transactions lock the tables
        with self._connected() as connection:
            connection.execute(text("DROP DATABASE IF EXISTS mail"))
            connection.execute(text("CREATE DATABASE mail CHARACTER SET latin1"))

    @contextmanager
    def _connected(self):
        engine = create_engine(self._url("mysql"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def _url(self, database):
        return f"mariadb+pymysql://root@127.0.0.1:{self._port}/{database}"

    @property
    def url(self):
        return self._url("mail")


SERVERS = {"postgresql": Postgres, "mariadb": MariaDB}


@contextmanager
def running(kind):
    """Start a server of a kind of `SERVERS`, and stop it after the block."""
    folder = tempfile.mkdtemp(prefix="mail-queue-")
    server = SERVERS[kind](folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
