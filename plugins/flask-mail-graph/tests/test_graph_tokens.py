"""Access tokens: of MSAL, of a function, and after 401."""

from __future__ import annotations

import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask_mail_graph import GraphBackend
from flask_mail_graph.tokens import authority_of
from graph_backend import message, msal_options, new_backend, with_msal
from service import SECRET, TOKEN

from flask_mail import BackendUnavailable, Mail


def test_msal_gets_a_token_and_keeps_it(graph, entra):
    backend = with_msal(graph, entra)
    assert backend.send(message()).sent
    assert backend.send(message()).sent
    assert len(entra.given) == 1
    assert set(entra.scopes) == {"https://graph.microsoft.com/.default"}


def test_threads_share_one_token(graph, entra):
    backend = with_msal(graph, entra)
    with ThreadPoolExecutor(8) as threads:
        receipts = list(threads.map(backend.send, [message() for _ in range(16)]))
    assert all(receipts)
    assert len(entra.given) == 1


def test_rejected_token_is_renewed_once(graph, entra):
    """401 proves that nothing was accepted."""
    backend = with_msal(graph, entra)
    backend.send(message())
    graph.tokens.clear()
    receipt = backend.send(message())

    assert (receipt.sent, receipt.attempts) == (True, 2)
    assert len(entra.given) == 2
    assert len(graph.accepted) == 2


def test_second_rejection_is_final(graph, entra):
    backend = with_msal(graph, entra)
    backend.send(message())
    graph.tokens.clear()
    entra.is_trusted = False
    with pytest.raises(BackendUnavailable, match="401") as caught:
        backend.send(message())
    assert caught.value.stage == "login"
    assert len(graph.paths) == 3


def test_function_is_asked_again_after_a_rejection(graph):
    tokens = iter(["expired", TOKEN])
    receipt = new_backend(graph, token=lambda: next(tokens)).send(message())
    assert receipt.sent
    assert len(graph.paths) == 2


def test_function_whose_token_is_rejected_again_is_named(graph):
    with pytest.raises(BackendUnavailable, match="MAIL_GRAPH_TOKEN") as caught:
        new_backend(graph, token=lambda: "expired").send(message())
    assert (caught.value.stage, caught.value.attempts) == ("login", 2)
    assert len(graph.paths) == 2


def test_wrong_secret_is_not_sent_and_not_shown(graph, entra):
    """The error of Entra repeats it."""
    backend = with_msal(graph, entra, client_secret="wr0ng~s3cret")
    with pytest.raises(BackendUnavailable, match="invalid_client") as caught:
        backend.send(message())
    assert caught.value.stage == "login"
    assert "MAIL_GRAPH_CLIENT_SECRET" in str(caught.value)
    shown = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    assert "wr0ng~s3cret" not in shown
    assert graph.paths == []


def test_error_names_the_settings_of_its_mailer(graph, entra):
    app = Flask("shop")
    options = {**msal_options(graph, entra), "client_secret": "wr0ng"}
    named = {name.upper(): value for name, value in options.items()}
    app.config["MAIL_MAILERS"] = {"office": {"BACKEND": GraphBackend, **named}}
    mail = Mail(app)
    with pytest.raises(BackendUnavailable, match="invalid_client") as caught:
        mail.using("office").send(message())
    for option in ("TENANT", "CLIENT_ID", "CLIENT_SECRET"):
        assert f"MAIL_MAILERS['office']['{option}']" in str(caught.value)
    mail.close()


@pytest.mark.parametrize("url", ["https://localhost:1/tenant", "no url"])
def test_entra_that_cannot_be_reached_is_not_sent(graph, entra, url):
    backend = with_msal(graph, entra, authority=url)
    with pytest.raises(BackendUnavailable, match="No access token") as caught:
        backend.send(message())
    assert caught.value.stage == "login"
    shown = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("host", "entra"),
    [
        ("graph.microsoft.com", "login.microsoftonline.com"),
        ("graph.microsoft.us", "login.microsoftonline.us"),
        ("dod-graph.microsoft.us", "login.microsoftonline.us"),
        ("microsoftgraph.chinacloudapi.cn", "login.chinacloudapi.cn"),
    ],
)
def test_each_cloud_has_its_own_entra(host, entra):
    assert authority_of(host, "contoso.example") == f"https://{entra}/contoso.example"


def test_scope_is_that_of_the_cloud(graph, entra):
    with_msal(graph, entra, host="graph.microsoft.us").send(message())
    assert entra.scopes == ["https://graph.microsoft.us/.default"]
