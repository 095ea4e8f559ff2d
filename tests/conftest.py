"""Fixtures shared by all tests."""

from __future__ import annotations

import sys
from pathlib import Path

# With --import-mode=importlib the tests' own helpers are found this way, in any order of tests.
sys.path.insert(0, str(Path(__file__).parent))
