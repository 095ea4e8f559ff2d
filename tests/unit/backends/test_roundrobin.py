"""Round robin: turns, weights, settings; the rest is as failover."""

from __future__ import annotations

from collections import Counter

import pytest
from flask import Flask

from flask_mail import ConfigurationError, Mail, Message
from flask_mail.backends.roundrobin import RoundRobinBackend
from flask_mail.testing.contract import ScriptedBackend
from flask_mail.testing.contract.composing import outcomes_of


def hello():
    return Message("Hi", ["to@example.com"], "Hello", sender="from@example.com")


def mail_of(**options):
    app = Flask(__name__)
    default = {"BACKEND": "roundrobin", **options}
    app.config["MAIL_MAILERS"] = {"default": default, "m1": "null", "m2": "null"}
    return Mail(app)


@pytest.mark.parametrize(("weights", "shares"), [(None, [4, 4]), ([3, 1], [6, 2])])
def test_each_message_goes_to_the_next_mailer_by_weight(weights, shares):
    children = [ScriptedBackend("m1"), ScriptedBackend("m2")]
    backend = RoundRobinBackend(mailers=children, weights=weights)
    outcomes_of(backend, [hello() for _ in range(8)], "deliver")
    assert [len(each.given) for each in children] == shares
    assert [each.opened for each in children] == shares


def test_batch_is_spread_in_runs():
    children = [ScriptedBackend("m1"), ScriptedBackend("m2")]
    backend = RoundRobinBackend(mailers=children)
    receipts = outcomes_of(backend, [hello() for _ in range(50)], "deliver_many")
    first, second = receipts[0].mailer, receipts[20].mailer
    assert [each.mailer for each in receipts] == [first] * 20 + [second] * 20 + [first] * 10
    assert {first, second} == {"m1", "m2"}


def test_other_mailers_take_over():
    children = [ScriptedBackend("m1", *["not sent"] * 9), ScriptedBackend("m2")]
    backend = RoundRobinBackend(mailers=children)
    receipts = outcomes_of(backend, [hello() for _ in range(6)], "deliver")
    assert {each.mailer for each in receipts} == {"m2"}
    assert len(children[0].given) == 3


def test_first_mailer_differs_between_processes(monkeypatch):
    starts = set()
    for number in range(2):
        monkeypatch.setattr("random.randrange", lambda stop, number=number: number % stop)
        backend = RoundRobinBackend(mailers=[ScriptedBackend("m1"), ScriptedBackend("m2")])
        starts.add(outcomes_of(backend, [hello()], "deliver")[0].mailer)
    assert starts == {"m1", "m2"}


@pytest.mark.parametrize("weights", ["3, 1", [3, 1], (3, "1")])
def test_weights_are_a_list_or_text(weights):
    mail = mail_of(MAILERS="m1,m2", WEIGHTS=weights)
    found = Counter(mail.send(hello()).mailer for _ in range(8))
    assert found == {"m1": 6, "m2": 2}


@pytest.mark.parametrize("weights", [[1], [0, 1], [1, -1], "x", 5, "1,2,3", [1, 1001]])
def test_wrong_weights_are_errors(weights):
    problem = r"MAIL_MAILERS\['default'\]\['WEIGHTS'\] must (be a list of whole|have one) number"
    with pytest.raises(ConfigurationError, match=problem):
        mail_of(MAILERS=["m1", "m2"], WEIGHTS=weights).send(hello())


def test_repeated_mailer_is_tried_once():
    child = ScriptedBackend("m1", "not sent")
    backend = RoundRobinBackend(mailers=[child, child])
    assert not outcomes_of(backend, [hello()], "deliver")[0].sent
    assert len(child.given) == 1


def test_weights_are_equal_by_default():
    mail = mail_of(MAILERS="m1,m2")
    assert Counter(mail.send(hello()).mailer for _ in range(8)) == {"m1": 4, "m2": 4}
