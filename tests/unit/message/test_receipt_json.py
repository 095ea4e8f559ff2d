"""Receipts as programs of Flask and Celery hand them on: as JSON, and as true or false."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, replace
from types import MappingProxyType

import pytest
from flask import Flask, jsonify
from flask.json.provider import DefaultJSONProvider
from kombu.utils.json import dumps
from servers import mail_to, smtp_server

from flask_mail import (
    BackendUnavailable,
    MailError,
    Message,
    MessageRefused,
    Outcome,
    Receipt,
    Refusal,
)

REFUSED = {"nobody@example.com": Refusal(550, "5.1.1", "no such user")}
OUTCOMES = {
    Outcome.SENT: None,
    Outcome.REFUSED: MessageRefused("The server said no."),
    Outcome.NOT_SENT: BackendUnavailable("The server is down.", stage="connect"),
    Outcome.UNKNOWN: TimeoutError("s3cret"),
    Outcome.QUEUED: None,
}


def receipt_of(outcome, **fields):
    error = OUTCOMES[outcome]
    receipt = Receipt("<1@x>", "smtp", outcome, REFUSED, "250 ok", 2, 0.5, error)
    if isinstance(error, MailError):
        error.receipt = receipt
    return replace(receipt, **fields)


@pytest.fixture(params=["jsonify", "view", "list", "dumps", "provider", "kombu", "asdict"])
def encoded(request):
    """A receipt that was encoded and decoded as JSON, in each possible way."""
    app = Flask("shop")

    def through_a_view(receipt):
        app = Flask("shop")
        app.add_url_rule("/", view_func=lambda: {"receipt": receipt}, endpoint="view")
        return app.test_client().get("/").get_json()["receipt"]

    def by_jsonify(receipt):
        with app.app_context():
            return jsonify(receipt).get_json()

    def in_a_list(receipt):
        with app.app_context():
            return jsonify(receipts=[receipt]).get_json()["receipts"][0]

    return {
        "jsonify": by_jsonify,
        "view": through_a_view,
        "list": in_a_list,
        "dumps": lambda receipt: json.loads(app.json.dumps(receipt)),
        "provider": lambda receipt: json.loads(DefaultJSONProvider(app).dumps(receipt)),
        "kombu": lambda receipt: json.loads(dumps([receipt]))[0],
        "asdict": lambda receipt: json.loads(json.dumps(asdict(receipt))),
    }[request.param]


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.SENT, ""),
        (Outcome.REFUSED, "The server said no."),
        (Outcome.NOT_SENT, "The server is down."),
        (Outcome.UNKNOWN, "TimeoutError"),
        (Outcome.QUEUED, ""),
    ],
)
def test_a_receipt_is_json(encoded, outcome, reason):
    assert encoded(receipt_of(outcome)) == {
        "message_id": "<1@x>",
        "backend": "smtp",
        "outcome": outcome.value,
        "refused": {"nobody@example.com": [550, "5.1.1", "no such user"]},
        "response": "250 ok",
        "attempts": 2,
        "seconds": 0.5,
        "mailer": "",
        "earlier": [],
        "reason": reason,
    }


@pytest.mark.parametrize(
    "error", [ValueError("s3cret"), KeyboardInterrupt("s3cret"), OSError(5, "s3cret")]
)
def test_the_text_of_a_foreign_error_is_not_in_it(encoded, error):
    """It may hold anything, such as the URL of a service with its key."""
    receipt = Receipt("<1@x>", "smtp", Outcome.UNKNOWN, error=error)

    assert encoded(receipt)["reason"] == type(error).__name__
    assert f"reason={type(error).__name__!r}" in repr(receipt)
    assert "s3cret" not in repr(receipt)


def test_repr_has_the_reason():
    """A list of receipts that is printed shows why some of them failed."""
    receipt = Receipt("<1@x>", "smtp", Outcome.REFUSED, error=MessageRefused("550 no such user"))
    assert "outcome=<Outcome.REFUSED: 'refused'>" in repr(receipt)
    assert "reason='550 no such user'" in repr(receipt)


def test_any_mapping_of_refusals_is_json(encoded):
    receipt = Receipt("<1@x>", "smtp", Outcome.SENT, MappingProxyType(REFUSED))

    assert encoded(receipt)["refused"] == {"nobody@example.com": [550, "5.1.1", "no such user"]}


def test_a_receipt_of_a_server_is_json(encoded):
    with smtp_server() as server:
        mail = mail_to(server.port)
        sent, failed = mail.send_many(
            [Message("Hello", ["ann@example.com"], "Hi"), Message("Hello\n", ["ann@example.com"])]
        )

    assert encoded(sent)["outcome"] == "sent"
    assert encoded(failed)["outcome"] == "not sent"
    assert "control character" in encoded(failed)["reason"]


def test_a_receipt_is_no_markup():
    assert not hasattr(Receipt("<1@x>", "smtp", Outcome.SENT), "__html__")


def test_a_view_that_returns_a_bare_receipt_is_an_error_as_none_was():
    """0.10 returned None, which no view may return either."""
    app = Flask("shop")
    app.testing = True
    app.add_url_rule("/receipt", view_func=lambda: receipt_of(Outcome.SENT), endpoint="receipt")
    app.add_url_rule("/none", view_func=lambda: None, endpoint="none")
    for path in ("/receipt", "/none"):
        with pytest.raises(TypeError, match="did not return a valid response"):
            app.test_client().get(path)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_receipt_is_true_if_the_message_was_sent(outcome):
    assert bool(receipt_of(outcome)) is (outcome is Outcome.SENT)


def test_all_receipts_of_a_batch_are_true_only_if_all_were_sent():
    receipts = mail_to(1).send_many([Message("Hello", ["ann@example.com"], "Hi")])

    assert not all(receipts)


@pytest.mark.parametrize("outcome", Outcome)
def test_copies_keep_the_error(outcome):
    receipt = receipt_of(outcome)

    assert replace(receipt, attempts=3).error is receipt.error
    assert copy.copy(receipt).error is receipt.error
    for again in (copy.deepcopy(receipt), pickle.loads(pickle.dumps(receipt))):
        assert again == receipt
        assert repr(again.error) == repr(receipt.error)
        assert again.reason == receipt.reason


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_is_its_text(outcome):
    assert outcome == outcome.value
    assert json.dumps(outcome) == json.dumps(outcome.value)
    assert f"{outcome}" == str(outcome) == f"Outcome.{outcome.name}"
