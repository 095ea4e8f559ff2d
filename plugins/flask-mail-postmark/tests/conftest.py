"""Postmark on this machine."""

from __future__ import annotations

import pytest
from postmark import running


@pytest.fixture
def postmark():
    with running() as postmark:
        yield postmark
