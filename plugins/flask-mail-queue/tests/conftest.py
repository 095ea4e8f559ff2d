"""Fixtures: a database of each kind, and an app with a queue in it."""

import os
from contextlib import ExitStack

import pytest
from databases import SERVERS, program, running
from shop import Shop

DATABASES = ["sqlite", *SERVERS]
DRIVERS = {"postgresql": "psycopg", "mariadb": "pymysql"}


@pytest.fixture(scope="session")
def servers():
    """A function that returns the server of a kind, which is started once."""
    found = {}
    with ExitStack() as stack:

        def server(kind):
            if kind not in found:
                if not all(map(program, SERVERS[kind].programs)):
                    # CI installs it.
                    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {kind} server")
                pytest.importorskip(DRIVERS[kind])
                found[kind] = stack.enter_context(running(kind))
            found[kind].empty()
            return found[kind]

        yield server


@pytest.fixture(params=SERVERS)
def server(request, servers):
    """A server with an empty database."""
    return servers(request.param)


class File:
    """A database of SQLite."""

    def __init__(self, path):
        self.url = f"sqlite:///{path}"


@pytest.fixture(params=DATABASES)
def database(request, tmp_path, servers):
    """An empty database."""
    if request.param == "sqlite":
        return File(tmp_path / "mail.db")
    return servers(request.param)


@pytest.fixture
def url(database):
    return database.url


@pytest.fixture
def shop(url):
    with Shop(url) as shop:
        yield shop
