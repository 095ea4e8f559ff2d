"""The built-in backends that are made of others, and that of the documentation."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from dkim_judges import ed25519_pem

from flask_mail.backends import Backend, BackendUnavailable, Secret
from flask_mail.backends.dkim import DkimBackend
from flask_mail.backends.failover import FailoverBackend
from flask_mail.backends.locmem import LocmemBackend
from flask_mail.backends.roundrobin import RoundRobinBackend
from flask_mail.backends.routes import RoutesBackend
from flask_mail.backends.throttle import ThrottleBackend
from flask_mail.testing import BackendContract
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


@pytest.mark.exhaustive
class TestDkimBackendOverFailover(Composing):
    @pytest.fixture
    def compose(self):
        return lambda children: DkimBackend(
            mailer=FailoverBackend(mailers=children),
            domain="example.com",
            selector="s1",
            key=Secret(ed25519_pem()),
        )


@pytest.mark.exhaustive
class TestFailoverAfterRefusals(Composing):
    @pytest.fixture
    def compose(self):
        return lambda children: FailoverBackend(mailers=children, refused_too=True)


@pytest.mark.exhaustive
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


class DownBackend(Backend[None]):
    """Accepts nothing."""

    name = "down"

    def deliver(self, mail, session):
        raise BackendUnavailable("It is down.")


class OfLocmem(BackendContract):
    """The contract of all backends, for a composite of the backend locmem."""

    children = ("locmem", "down", "null")
    options_of: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def options(self):
        return self.options_of

    @pytest.fixture
    def backend(self):
        return self.make([DownBackend(), LocmemBackend()])

    @pytest.fixture
    def failing(self):
        return self.make([DownBackend(), DownBackend()])


class TestFailoverOfLocmem(OfLocmem):
    options_of: ClassVar = {"mailers": "null,locmem"}

    def make(self, children):
        return FailoverBackend(mailers=children)


@pytest.mark.exhaustive
class TestRoundRobinOfLocmem(TestFailoverOfLocmem):
    def make(self, children):
        return RoundRobinBackend(mailers=children)


@pytest.mark.exhaustive
class TestRoutesOfLocmem(OfLocmem):
    options_of: ClassVar = {"rules": [{"mailer": "locmem"}]}

    def make(self, children):
        rules = {"rules": [{"mailer": "last"}]}
        return RoutesBackend.from_options(rules, lambda _: children[-1])


@pytest.mark.exhaustive
class TestThrottleOfLocmem(OfLocmem):
    options_of: ClassVar = {"mailer": "locmem", "rate": "1000000/second"}

    def make(self, children):
        return ThrottleBackend.from_options(self.options_of, lambda _: children[-1])
