"""``pytest --mail-backend=NAME``: the contract for an installed backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from ...backends import Backend, loader
from ...backends.options import secrets_of
from ...config.table import is_secret
from ...errors import ConfigurationError
from . import BackendContract
from .helpers import build


class TestInstalledBackend(BackendContract):
    """The backend of the command line, built from the ``--mail-option`` values."""

    @pytest.fixture
    def options(self, pytestconfig: pytest.Config) -> Mapping[str, Any]:
        """The options as strings, as in environment variables."""
        found = {}
        for each in pytestconfig.getoption("--mail-option"):
            name, equals, value = each.partition("=")
            if not (name and equals):
                pytest.exit(f"--mail-option {each!r} is not valid: write KEY=VALUE.", 4)
            found[name.lower()] = value
        return found

    @pytest.fixture
    def backend(self, pytestconfig: pytest.Config, options: Mapping[str, Any]) -> Backend[Any]:
        """A new backend for each test."""
        name = pytestconfig.getoption("--mail-backend")
        try:
            return loader.load(name).from_options(options, build)
        except ConfigurationError as error:
            pytest.exit(f"--mail-backend {name}: {error}", 4)

    @pytest.fixture
    def secrets(self, backend: Backend[Any], options: Mapping[str, Any]) -> Iterable[str]:
        """The values of secret options."""
        cls = type(backend)
        declared = {cls.setting_key(name) for name in secrets_of(cls)}
        return [
            value for name, value in options.items() if is_secret(cls.setting_key(name), declared)
        ]
