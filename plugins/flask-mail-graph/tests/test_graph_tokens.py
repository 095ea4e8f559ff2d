"""Access tokens: of MSAL, of a function, and after 401."""

from __future__ import annotations

import os
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import msal
import pytest
from flask import Flask
from flask_mail_graph import GraphBackend
from graph_backend import message, msal_options, new_backend, with_msal
from service import SECRET, TOKEN

from flask_mail import BackendUnavailable, Mail


def error_of(backend):
    with pytest.raises(BackendUnavailable) as caught:
        backend.send(message())
    return caught.value


def test_msal_gets_a_token_and_keeps_it(graph, entra):
    backend = with_msal(graph, entra)
    assert backend.send(message()).sent
    assert backend.send(message()).sent
    assert len(entra.given) == 1
    assert set(entra.scopes) == {f"{graph.url}/.default"}, "that of the cloud"


def test_threads_share_the_token(graph, entra):
    backend = with_msal(graph, entra)
    backend.send(message())
    with ThreadPoolExecutor(8) as threads:
        receipts = list(threads.map(backend.send, [message() for _ in range(16)]))
    assert all(receipts)
    assert len(entra.given) == 1


def test_threads_that_start_together_get_one_token(graph, entra):
    backend = with_msal(graph, entra)
    start = threading.Barrier(8)

    def send(sent):
        start.wait(20)
        return backend.send(sent)

    with ThreadPoolExecutor(8) as threads:
        assert all(list(threads.map(send, [message() for _ in range(8)])))
    assert len(entra.given) == 1


def test_thread_waits_for_another_ones_token_only_for_a_time(graph, entra, monkeypatch):
    client = msal.ConfidentialClientApplication
    acquire = client.acquire_token_for_client
    asked, is_over = threading.Event(), threading.Event()

    def silent(self, scopes):
        monkeypatch.setattr(client, "acquire_token_for_client", acquire)
        asked.set()
        is_over.wait(20)
        raise TimeoutError("timed out")

    monkeypatch.setattr(client, "acquire_token_for_client", silent)
    backend = with_msal(graph, entra, timeout=0.2)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(error_of, backend)
        assert asked.wait(20)
        assert backend.send(message()).sent
        assert not first.done()
        is_over.set()
        assert first.result().stage == "login"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_process_does_not_wait_for_a_thread_of_its_parent(graph, entra, monkeypatch):
    backend = with_msal(graph, entra)
    client = msal.ConfidentialClientApplication
    acquire = client.acquire_token_for_client
    status = []

    def forking(self, scopes):
        monkeypatch.setattr(client, "acquire_token_for_client", acquire)
        child = os.fork()
        if not child:
            try:
                sent = []
                thread = threading.Thread(target=lambda: sent.append(backend.send(message())))
                thread.start()
                thread.join(20)
            finally:
                os._exit(0 if sent else 1)
        status.append(os.waitpid(child, 0)[1])
        return acquire(self, scopes)

    monkeypatch.setattr(client, "acquire_token_for_client", forking)
    assert backend.send(message()).sent
    assert status == [0]


def test_secret_that_is_replaced_is_used(graph, entra, monkeypatch):
    """A client secret expires, and a function may return the next one."""
    secrets = ["expired", SECRET]
    backend = with_msal(graph, entra, client_secret=lambda: secrets[0])
    assert error_of(backend).stage == "login"
    secrets.pop(0)
    assert backend.send(message()).sent
    assert backend.send(message()).sent
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
