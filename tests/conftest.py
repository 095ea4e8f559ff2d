"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from flask_mail import _context, signals
from flask_mail.smtp import dialing, idling

# With --import-mode=importlib the tests' own helpers are found this way, in any order of tests.
sys.path.insert(0, str(Path(__file__).parent / "support"))

settings.register_profile("quick", deadline=None, max_examples=10)


def leaves_out_exhaustive(config: pytest.Config) -> bool:
    return config.option.markexpr == "not exhaustive"


def pytest_configure(config: pytest.Config) -> None:
    """CI, and who asks for exhaustive tests, get the number of examples that is usual."""
    if leaves_out_exhaustive(config) and "CI" not in os.environ:
        settings.load_profile("quick")


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> list | None:
    """Leave out what is exhaustive here: deselecting thousands of items takes seconds."""
    if not name.startswith(("test", "Test")) or not leaves_out_exhaustive(collector.config):
        return None
    marks = [*collector.iter_markers(), *getattr(obj, "pytestmark", ())]
    return [] if any(mark.name == "exhaustive" for mark in marks) else None


def pytest_collection() -> None:
    """Collect the tests without garbage collection, which would traverse them again and again."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()
    gc.freeze()


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
