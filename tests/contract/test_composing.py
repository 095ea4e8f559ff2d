"""The built-in backends that are made of others, and that of the documentation."""

from __future__ import annotations

import pytest
from dkim_judges import ed25519_pem

from flask_mail.backends import Secret
from flask_mail.backends.dkim import DkimBackend
from flask_mail.backends.failover import FailoverBackend
from flask_mail.backends.roundrobin import RoundRobinBackend
from flask_mail.backends.routes import RoutesBackend
from flask_mail.backends.throttle import ThrottleBackend
from flask_mail.testing.contract import Composing


class TestFailoverBackend(Composing):
    size = 3

    @pytest.fixture
    def compose(self):
        return lambda children: FailoverBackend(mailers=children)


class TestDkimBackend(Composing):
    size = 1
    tries_next = False

    @pytest.fixture
    def compose(self):
        return lambda children: DkimBackend(
            mailer=children[0], domain="example.com", selector="s1", key=Secret(ed25519_pem())
        )


class TestDkimBackendOverFailover(Composing):
    @pytest.fixture
    def compose(self):
        return lambda children: DkimBackend(
            mailer=FailoverBackend(mailers=children),
            domain="example.com",
            selector="s1",
            key=Secret(ed25519_pem()),
        )


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


class TestRoundRobinBackend(Composing):
    size = 3

    @pytest.fixture
    def compose(self):
        return lambda children: RoundRobinBackend(mailers=children, weights=[1, 3, 2])


class TestRoutesBackend(Composing):
    tries_next = False

    @pytest.fixture
    def compose(self):
        def compose(children):
            names = [each.mailer for each in children]
            rules = [{"tag": "never", "mailer": names[1]}, {"mailer": names[0]}]
            build = dict(zip(names, children, strict=True)).get
            return RoutesBackend.from_options({"rules": rules}, build)

        return compose

    def test_steps_of_the_children_are_passed_on(self, compose):
        backend, _ = self._made(compose)
        assert [each.detail for each in backend.probe()] == ["child2", "child1"]


class TestThrottleBackend(Composing):
    size = 1
    tries_next = False

    @pytest.fixture
    def compose(self):
        options = {"mailer": "child", "rate": "1000000/second"}
        return lambda children: ThrottleBackend.from_options(options, lambda _: children[0])
