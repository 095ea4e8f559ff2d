"""The test kit for :mod:`unittest`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import TestCase

from .outbox import Outbox

if TYPE_CHECKING:
    from unittest import TestResult

    _Base = TestCase
else:
    _Base = object


class MailTestMixin(_Base):
    """Mixin that gives each test of a :class:`unittest.TestCase` its own ``self.outbox``.

    Put it before ``TestCase``: ``class ShopTest(MailTestMixin, TestCase)``. Golden messages are in
    the folder ``mail`` next to the file of the class.
    """

    outbox: Outbox
    """The messages sent since the test began, including ``setUp``."""

    # Not setUp(), which subclasses override without calling super().
    def run(self, result: TestResult | None = None) -> TestResult | None:
        with self._new_outbox() as self.outbox:
            return super().run(result)

    def debug(self) -> None:
        with self._new_outbox() as self.outbox:
            super().debug()

    def _new_outbox(self) -> Outbox:
        file = getattr(sys.modules.get(type(self).__module__), "__file__", None)
        return Outbox(None if file is None else Path(file).parent / "mail")
