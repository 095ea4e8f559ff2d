"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from flask_mail import signals

# Tests run pytest too: what is asked of this run is not asked of theirs.
os.environ.pop("PYTEST_ADDOPTS", None)

# With --import-mode=importlib the tests' own helpers are found this way, in any order of tests.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def no_receivers_of_other_tests():
    """Receivers are held weakly: those of a test may outlive it until the next collection."""
    yield
    for signal in signals.values():
        signal._clear_state()
