"""The service, and a machine without a proxy."""

from __future__ import annotations

import pytest
from service import serving


@pytest.fixture
def service():
    with serving() as service:
        yield service
