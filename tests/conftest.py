"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from flask_mail import _context, signals
from flask_mail.smtp import dialing, idling

# With --import-mode=importlib the tests' own helpers are found this way, in any order of tests.
sys.path.insert(0, str(Path(__file__).parent / "support"))


@pytest.fixture(autouse=True, scope="session")
def own_options():
    """Tests run pytest too, without the options of this run.

    Not earlier: the workers of pytest-xdist get these options from the environment.
    """
    os.environ.pop("PYTEST_ADDOPTS", None)


@pytest.fixture(autouse=True)
def no_receivers_of_other_tests():
    """Receivers are held weakly: those of a test may outlive it until the next collection."""
    yield
    for signal in signals.values():
        signal._clear_state()


@pytest.fixture(autouse=True)
def no_idle_connections_of_other_tests():
    """The thread that closes them would run through what a later test patches, or counts."""
    yield
    with idling.lock():
        pools = idling.pools()
    for pool in pools:
        pool.close()


@pytest.fixture(autouse=True)
def nothing_learned_in_other_tests():
    """Ports are used again by other servers; and an alarm may strike where a state is unbound."""
    yield
    dialing.memory.__init__()
    _context._bound.set(None)
