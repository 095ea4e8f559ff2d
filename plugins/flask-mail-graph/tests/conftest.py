"""Graph, Entra, and a machine that trusts the certificate of Entra."""

from __future__ import annotations

import ssl

import pytest
import trustme
from service import Entra, running, serving


@pytest.fixture
def graph():
    with serving() as graph:
        yield graph


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def entra(graph, authority, tmp_path, monkeypatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    entra = Entra(graph, tls)
    with running(entra):
        yield entra


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
