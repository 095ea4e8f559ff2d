"""Fixtures: a database of each kind, and an app with a queue in it."""

import os

import pytest
from databases import is_installed, postgres
from shop import Shop

DATABASES = ["sqlite", "postgresql"]


@pytest.fixture(scope="session")
def server():
    if not is_installed():
        # CI installs it.
        (pytest.fail if os.environ.get("CI") else pytest.skip)("PostgreSQL is not installed")
    pytest.importorskip("psycopg")
    with postgres() as server:
        yield server


@pytest.fixture(params=DATABASES)
def url(request, tmp_path):
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/mail.db"
        return
    server = request.getfixturevalue("server")
    server.empty()
    yield server.url


@pytest.fixture
def shop(url):
    with Shop(url) as shop:
        yield shop
