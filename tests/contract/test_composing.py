"""The built-in backends that are made of others, and that of the documentation."""

from __future__ import annotations

import pytest

from flask_mail.backends.failover import FailoverBackend
from flask_mail.testing.contract import Composing


class TestFailoverBackend(Composing):
    size = 3

    @pytest.fixture
    def compose(self):
        return lambda children: FailoverBackend(mailers=children)


class TestFailoverAfterRefusals(Composing):
    @pytest.fixture
    def compose(self):
        return lambda children: FailoverBackend(mailers=children, refused_too=True)


class TestFailoverOfFailovers(Composing):
    size = 3

    @pytest.fixture
    def compose(self):
        def compose(children):
            inner = FailoverBackend(mailers=children[1:])
            return FailoverBackend(mailers=[children[0], inner])

        return compose
