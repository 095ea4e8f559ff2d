"""Failover from Microsoft Graph to a server of SMTP, and back."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_mail_graph import GraphBackend
from service import HANG_UP, TOKEN, Answer
from smtp_peer import smtp_peer

from flask_mail import DeliveryUnknown, Mail, Message, MessageRefused, Outcome


@pytest.fixture
def peer():
    with smtp_peer() as peer:
        yield peer


@pytest.fixture
def mail(graph, peer):
    app = Flask("shop")
    app.config.update(
        MAIL_DEFAULT_SENDER="shop@example.com",
        MAIL_MAILERS={
            "default": {"BACKEND": "failover", "MAILERS": ["graph", "own"]},
            "reverse": {"BACKEND": "failover", "MAILERS": ["own", "graph"]},
            "own": peer.url,
            "graph": {"BACKEND": GraphBackend, "TOKEN": lambda: TOKEN, "URL": graph.url},
        },
    )
    mail = Mail(app)
    yield mail
    mail.close()


def hello(number=0, **fields):
    return Message(f"Number {number}", ["ann@example.org"], "Hello, Ann.", **fields)


def test_server_gets_what_graph_throttles(mail, graph, peer):
    graph.decide = lambda _: Answer(429, "ApplicationThrottled", "Slow down", retry_after="150")
    receipts = mail.send_many([hello(number) for number in range(3)])
    assert [each.mailer for each in receipts] == ["own"] * 3
    assert receipts[0].earlier[0].error.retry_after == 150.0
    assert (len(graph.requests), len(peer.accepted)) == (1, 3)  # it rests


def test_server_gets_what_graph_cannot_express(mail, graph, peer):
    receipt = mail.send(hello(extra_headers={"List-Id": "<news.example.com>"}))
    assert (receipt.mailer, len(peer.accepted)) == ("own", 1)
    assert graph.requests == []


def test_server_gets_what_graph_does_not_let_in(mail, graph, peer):
    graph.tokens.clear()
    receipt = mail.send(hello())
    assert (receipt.mailer, len(peer.accepted)) == ("own", 1)
    assert receipt.earlier[0].outcome is Outcome.NOT_SENT


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (HANG_UP, DeliveryUnknown),
        (Answer(500, "UnknownError"), DeliveryUnknown),
        (Answer(400, "ErrorInvalidRecipients"), MessageRefused),
    ],
    ids=["no answer", "500", "400"],
)
def test_server_gets_nothing_that_graph_may_have_accepted(mail, graph, peer, answer, error):
    graph.decide = lambda _: answer
    with pytest.raises(error):
        mail.send(hello())
    assert peer.accepted == []


def test_graph_gets_what_the_server_has_rejected_for_now(mail, graph, peer):
    peer.reply = b"451 4.3.0 Later"
    receipt = mail.using("reverse").send(hello())
    assert (receipt.mailer, len(graph.accepted)) == ("graph", 1)
    peer.reply = b""
    with pytest.raises(DeliveryUnknown):
        mail.using("reverse").send(hello())
    assert len(graph.accepted) == 1
