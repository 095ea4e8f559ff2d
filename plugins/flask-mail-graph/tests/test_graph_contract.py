"""The contract of backends, and the settings."""

from __future__ import annotations

import sys

import pytest
from flask import Flask
from flask_mail_graph import GraphBackend
from graph_backend import new_backend, options_of
from service import HANG_UP, SECRET, TOKEN, Answer, serving

from flask_mail import ConfigurationError, Mail
from flask_mail.backends import Feature, Secret
from flask_mail.testing import BackendContract
from flask_mail.testing.contract import OverHttp, Streaming, answer
from flask_mail.testing.contract.data import hello

THROTTLED = Answer(429, "ApplicationThrottled", "Slow down", Retry_After="10")
INVALID = Answer(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")


class TestGraphBackend(BackendContract, Streaming, OverHttp):
    """The contract of backends, in pieces and over HTTP."""

    accepts = answer(202)
    reads_id = False  # Graph gives none

    @pytest.fixture
    def backend_at(self):
        return lambda url, **options: GraphBackend(url=url, token=Secret(TOKEN), **options)

    @pytest.fixture
    def options(self, graph):
        return options_of(graph)

    @pytest.fixture
    def backend(self, options):
        return GraphBackend.from_options(options, None)

    @pytest.fixture
    def delivered(self, graph):
        return graph.delivered

    @pytest.fixture
    def secrets(self):
        return [TOKEN]

    @pytest.fixture(
        params=[THROTTLED, INVALID, Answer(500), HANG_UP], ids=["429", "400", "500", "-"]
    )
    def failing(self, request):
        with serving() as graph:
            graph.decide = lambda _: request.param
            yield new_backend(graph)

    @pytest.mark.parametrize("html", [None, "<p>Zwölf Boxkämpfer</p>"])
    def test_text_of_every_script_arrives(self, backend, delivered, html):
        """Graph takes one body, so that of the contract, with text and HTML, is sent as HTML."""
        self._must_send(
            backend,
            hello(
                "Grüße 🫖 こんにちは",
                recipients=[("Jürgen, der Große", "j@bücher.example")],
                html=html,
            ),
        )
        ((envelope, content),) = delivered()
        assert envelope.recipients == ("j@xn--bcher-kva.example",)
        from flask_mail.testing.contract.helpers import display_name, lines_of, parsed

        letter = parsed(content)
        assert letter["Subject"] == "Grüße 🫖 こんにちは"
        assert display_name(letter, "To") == "Jürgen, der Große"
        assert lines_of(letter.get_body().get_content()) == (html or "Hi")

    def test_a_large_file_is_asked_for_in_pieces(self, backend, delivered, tmp_path, monkeypatch):
        """The file of the contract is larger than Graph takes: this one is not."""
        from flask_mail.backends import Outgoing

        asked = []
        monkeypatch.setattr(
            type(vars(Outgoing)["content"]), "__get__", lambda *given: asked.append(given)
        )
        (tmp_path / "large.bin").write_bytes(bytes(2_500_000))
        message = hello()
        message.attach_file(tmp_path / "large.bin")
        self._must_send(backend, message)
        assert asked == []
        assert len(delivered()) == 1


def test_mail_uses_the_settings_of_the_backend(graph):
    app = Flask("shop")
    app.config.update(
        MAIL_BACKEND=GraphBackend,
        MAIL_GRAPH_TOKEN=lambda: TOKEN,
        MAIL_GRAPH_URL=graph.url,
        MAIL_GRAPH_SAVE_TO_SENT_ITEMS="false",
        MAIL_DEFAULT_SENDER="ann@example.com",
    )
    receipt = Mail(app).send_message("Hello", ["bob@example.com"], "Hi")
    assert (receipt.backend, receipt.response) == ("graph", "request 4a5c7f9e")
    assert graph.requests[0]["saveToSentItems"] is False


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"token": None}, "MAIL_GRAPH_TENANT"),
        ({"token": None, "tenant": "t", "client_id": "c"}, "MAIL_GRAPH_CLIENT_SECRET"),
        ({"client_secret": SECRET}, "MAIL_GRAPH_TOKEN in place"),
        ({"mailbox": ".."}, "MAIL_GRAPH_MAILBOX"),
        ({"mailbox": "two words@example.com"}, "MAIL_GRAPH_MAILBOX"),
        ({"url": "http://graph.example.com"}, "MAIL_GRAPH_URL"),
        ({"url": "https://evil.test#"}, "MAIL_GRAPH_URL"),
        ({"save_to_sent_items": "sometimes"}, "MAIL_GRAPH_SAVE_TO_SENT_ITEMS"),
        ({"timeout": -1}, "MAIL_GRAPH_TIMEOUT"),
        ({"mailbx": "x"}, "MAIL_GRAPH_MAILBX"),
    ],
)
def test_invalid_option_is_named(graph, options, setting):
    given = {k: v for k, v in options_of(graph, **options).items() if v is not None}
    with pytest.raises(ConfigurationError, match=setting) as caught:
        GraphBackend.from_options(given, None)
    assert SECRET not in str(caught.value)


def test_missing_msal_names_the_extra(graph, monkeypatch):
    monkeypatch.setitem(sys.modules, "msal", None)
    given = {"tenant": "t", "client_id": "c", "client_secret": SECRET, "url": graph.url}
    with pytest.raises(ConfigurationError, match=r"Flask-Mail-Graph\[msal\]"):
        GraphBackend.from_options(given, None)


def test_content_is_not_verbatim():
    """A signer must not pass its mail to it."""
    assert Feature.VERBATIM not in GraphBackend.features
