"""The service, moto, and a machine without any AWS configuration."""

from __future__ import annotations

import pytest
from service import moto_server, serving


@pytest.fixture(scope="session")
def moto():
    with moto_server() as address:
        yield address


@pytest.fixture
def service():
    with serving() as service:
        yield service


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """Remove the AWS configuration and the proxy of the machine."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
