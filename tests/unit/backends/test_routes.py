"""Routes: conditions, order, batches, settings."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask

from flask_mail import ConfigurationError, Mail, Message, Outcome, Outgoing, UnsupportedFeature
from flask_mail.backends import Backend
from flask_mail.backends.features import ORDINARY, Feature
from flask_mail.backends.routes import RoutesBackend
from flask_mail.testing.contract import ScriptedBackend
from flask_mail.testing.contract.composing import outcomes_of


def hello(*recipients, **given):
    given = {"sender": "from@example.com", "body": "Hello", **given}
    return Message("Hi", list(recipients or ["to@example.com"]), **given)


def made(*rules, **given):
    children: dict[str, Any] = {}

    def build(name):
        return children.setdefault(name, ScriptedBackend(name, tags=True, **given))

    return RoutesBackend.from_options({"rules": rules}, build), children


def mail_of(rules, **config):
    app = Flask(__name__)
    default = {"BACKEND": "routes", "RULES": rules}
    mailers = {"default": default, "bulk": "null", "safe": "locmem"}
    app.config.update(MAIL_MAILERS=mailers, **config)
    return Mail(app)


def matches(conditions, message):
    backend, _ = made({**conditions, "mailer": "match"}, {"mailer": "other"})
    return backend.route(Outgoing.of(message)) == 0


@pytest.mark.parametrize(
    ("conditions", "message", "expected"),
    [
        ({"to": "*@example.com"}, hello("a@example.com", "b@example.com"), True),
        ({"to": "*@example.com"}, hello("a@example.com", bcc=["b@example.org"]), False),
        ({"to": "a@example.com, /b@.*/"}, hello("a@example.com", "b@example.org"), True),
        ({"to": re.compile(".*@example.com")}, hello("a@example.com"), True),
        ({"to_any": ["*@example.org"]}, hello("a@example.com", cc=["b@example.org"]), True),
        ({"to_any": ["*@example.org"]}, hello("a@example.com"), False),
        ({"sender": "from@*"}, hello(), True),
        ({"sender": "from@*"}, hello(sender=("From", "shop@example.com")), False),
        ({"tag": "news"}, hello(tags=["a", "news"]), True),
        ({"tag": "news"}, hello(tags=["newsletter"]), False),
        ({"tag": ["a", "b"]}, hello(tags=["b"]), True),
        ({"tag": "a, b"}, hello(tags=["b"]), True),
        ({"tag": "news"}, hello(), False),
        (
            {"metadata": {"shop": "de", "vip": True}},
            hello(metadata={"shop": "de", "vip": True}),
            True,
        ),
        ({"metadata": {"shop": "de", "no": 5}}, hello(metadata={"shop": "de", "no": 5}), True),
        ({"metadata": {"shop": "de", "no": 5}}, hello(metadata={"shop": "de"}), False),
        ({"larger_than": 100}, hello(), True),
        ({"larger_than": "1 KB"}, hello(), False),
        ({"larger_than": "1 KB"}, hello(body="x" * 1000), True),
        ({"larger_than": "0.5 KiB"}, hello(body="x" * 1000), True),
        ({"when": lambda mail: mail.message.subject == "Hi"}, hello(), True),
        ({"when": lambda mail: None}, hello(), False),
        ({"TAG": "a", "To": "*@example.com"}, hello(tags=["a"]), True),
        ({"tag": "a", "to": "*@example.org"}, hello(tags=["a"]), False),
    ],
)
def test_conditions(conditions, message, expected):
    assert matches(conditions, message) is expected


def test_first_matching_rule_decides():
    rules = [{"tag": "a", "mailer": "m1"}, {"tag": "b", "mailer": "m2"}, {"mailer": "m3"}]
    backend, children = made(*rules)
    for tags, mailer in ((["a", "b"], "m1"), (["b"], "m2"), ([], "m3")):
        [receipt] = outcomes_of(backend, [hello(tags=tags)], "deliver")
        assert receipt.mailer == mailer
    assert [each.opened for each in children.values()] == [1, 1, 1]


def test_message_is_judged_after_receivers_have_changed_it():
    from flask_mail import email_sending

    mail = mail_of([{"tag": "news", "mailer": "bulk"}, {"mailer": "safe"}])

    def tag(app, message):
        message.tags = ["news"]

    with email_sending.connected_to(tag):
        assert mail.send(hello()).mailer == "bulk"
    assert mail.send(hello()).mailer == "safe"


def test_batch_is_streamed_in_runs_of_the_same_child():
    backend, children = made({"tag": "a", "mailer": "m1"}, {"mailer": "m2"}, ahead=3)
    messages = [hello(tags=["a"] if n in (0, 1, 2, 5) else []) for n in range(8)]
    batches = []
    for child in (children["m1"], children["m2"]):
        original = child.deliver_many

        def counted(mails, session, child=child, original=original):
            batches.append(child.mailer)
            return original(mails, session)

        child.deliver_many = counted
    receipts = outcomes_of(backend, messages, "deliver_many")
    assert [each.message_id for each in receipts] == [each.msgId for each in messages]
    assert [each.mailer for each in receipts] == [*["m1"] * 3, *["m2"] * 2, "m1", *["m2"] * 2]
    assert batches == ["m1", "m2", "m1", "m2"]
    assert [each.opened for each in children.values()] == [1, 1]


def test_children_that_are_equal_are_two():
    @dataclass(frozen=True)
    class EqualBackend(Backend[None]):
        name = "equal"
        place: str = "here"

        def deliver(self, mail, session):
            return self.accepted(mail)

    def build(name):
        child = EqualBackend()
        child.bind(app=None, mailer=name, key_of=None)
        return child

    rules = [{"sender": "a@x.de", "mailer": "m1"}, {"mailer": "m2"}]
    backend = RoutesBackend.from_options({"rules": rules}, build)
    messages = [hello(sender=each) for each in ("a@x.de", "b@x.de", "a@x.de")]
    receipts = outcomes_of(backend, messages, "deliver_many")
    assert [each.mailer for each in receipts] == ["m1", "m2", "m1"]


@pytest.mark.parametrize("mode", ["deliver", "deliver_many", "connect block"])
def test_error_of_a_function_is_that_of_its_message(mode):
    def fails(mail):
        return 1 / (mail.message.subject != "Hi")

    backend, children = made({"when": fails, "mailer": "m1"}, {"mailer": "m2"})
    messages = [hello(), hello(), Message("Yes", ["a@x.de"], "", sender="b@x.de"), hello()]
    receipts = outcomes_of(backend, messages, mode)
    not_sent, sent = Outcome.NOT_SENT, Outcome.SENT
    assert [each.outcome for each in receipts] == [not_sent, not_sent, sent, not_sent]
    assert isinstance(receipts[0].error, ZeroDivisionError)
    assert [len(each.given) for each in children.values()] == [1, 0]


def test_other_rules_do_not_take_over():
    backend, children = made({"tag": "a", "mailer": "m1"}, {"mailer": "m2"})
    children["m1"].answers.append("not sent")
    [receipt] = outcomes_of(backend, [hello(tags=["a"])], "deliver")
    assert receipt.mailer == "m1"
    assert not children["m2"].given


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ([], r"needs .*\['RULES'\]|\['RULES'\] must be a list of rules"),
        ("x", r"\['RULES'\] must be a list of rules"),
        ([5], r"\['RULES'\]\[0\] must be a dict"),
        ([{"tag": "a"}], r"\['RULES'\]\[0\] needs a mailer"),
        ([{"mailer": 5}], r"\['RULES'\]\[0\]\['mailer'\] must be the name of a mailer"),
        (
            [{"tag": "a", "mailer": "bulk"}],
            r"The last rule of .*\['RULES'\] must have no conditions",
        ),
        (
            [{"tga": "a", "mailer": "bulk"}],
            r"\[0\] has the unknown condition 'tga'; did you mean 'tag'",
        ),
        ([{"x": "a", "mailer": "bulk"}], r"unknown condition 'x'\. Conditions: to, to_any, sender"),
        ([{"to": [], "mailer": "bulk"}], r"\['to'\] must be one or more addresses"),
        ([{"to": "x@", "mailer": "bulk"}], r"\['to'\] must be a list of addresses"),
        ([{"tag": 5, "mailer": "bulk"}], r"\['tag'\] must be a tag"),
        ([{"tag": [[]], "mailer": "bulk"}], r"\['tag'\] must be a tag"),
        ([{"metadata": "x", "mailer": "bulk"}], r"\['metadata'\] must be a dict"),
        ([{"larger_than": "big", "mailer": "bulk"}], r"\['larger_than'\] must be a size in octets"),
        ([{"larger_than": True, "mailer": "bulk"}], r"\['larger_than'\] must be a size in octets"),
        ([{"when": "always", "mailer": "bulk"}], r"\['when'\] must be a function"),
        ([{"tag": "a", "TAG": "b", "mailer": "bulk"}], r"RULES'\]\[0\] has a condition twice"),
        ([{"mailer": "bulc"}], "delivers by 'bulc', which is neither .* did you mean 'bulk'"),
    ],
)
def test_wrong_rules_are_errors(rules, says):
    with pytest.raises(ConfigurationError, match=says):
        mail_of(rules).send(hello())


def test_flat_setting_is_named_in_errors():
    app = Flask(__name__)
    app.config.update(MAIL_BACKEND="routes", MAIL_ROUTES_RULES=[{"tga": 1, "mailer": "null"}])
    with pytest.raises(ConfigurationError, match=r"MAIL_ROUTES_RULES\[0\] has the unknown"):
        Mail(app).send(hello())
    app.config["MAIL_ROUTES_RULES"] = [{"mailer": "null"}]
    assert Mail(app).send(hello()).mailer == "null"


def test_under_testing_a_message_must_suit_one_child():
    rules = [{"tag": "a", "mailer": "bulk"}, {"mailer": "smtp"}]
    mail = mail_of(rules, TESTING=True)
    assert mail.send(hello()).sent
    assert RoutesBackend.parts({}) == ()
    assert RoutesBackend.parts({"rules": [*rules, {"mailer": "bulk"}]}) == ["bulk", "smtp"]
    with pytest.raises(UnsupportedFeature, match="smtp backend does not support tags"):
        mail_of([{"mailer": "smtp"}], TESTING=True).send(hello(tags=["a"]))


ROUTED = [
    ({"tag": "news"}, {"tags": ["news"]}),
    ({"tag": ["news", "offers"]}, {"tags": ["offers", "news"]}),
    ({"metadata": {"shop": "de"}}, {"metadata": {"shop": "de"}}),
    ({"tag": "news", "metadata": {"shop": "de"}}, {"tags": ["news"], "metadata": {"shop": "de"}}),
]


@pytest.mark.parametrize(("conditions", "given"), ROUTED)
@pytest.mark.parametrize("testing", [False, True])
def test_what_chose_a_mailer_need_not_be_supported(conditions, given, testing):
    children: dict[str, Any] = {}
    rules = [{**conditions, "mailer": "plain"}, {"mailer": "other"}]
    backend = RoutesBackend.from_options(
        {"rules": rules},
        lambda name: children.setdefault(name, ScriptedBackend(name, tags=False)),
    )
    for way in ("deliver", "deliver_many"):
        [receipt] = outcomes_of(backend, [hello(**given)], way)
        assert receipt.outcome is Outcome.SENT
    rules = [{**conditions, "mailer": "plain"}, {"mailer": "plain"}]
    mailers = {"default": {"BACKEND": "routes", "RULES": rules}, "plain": _PlainBackend}
    app = Flask(__name__)
    app.config.update(MAIL_MAILERS=mailers, TESTING=testing)
    assert Mail(app).send(hello(**given)).sent


class _PlainBackend(Backend[None]):
    name = "plain"
    api_version = 1

    def deliver(self, mail, session):
        return self.accepted(mail)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"tags": ["news", "other"]}, "tags"),
        ({"tags": ["news"], "metadata": {"shop": "de"}}, "metadata"),
        ({"tags": ["news"], "metadata": {"news": "de"}}, "metadata"),
    ],
)
@pytest.mark.parametrize("testing", [False, True])
def test_tags_that_no_rule_names_must_be_supported(given, missing, testing):
    rules = [{"tag": "news", "mailer": "plain"}, {"mailer": "plain"}]
    app = Flask(__name__)
    mailers = {"default": {"BACKEND": "routes", "RULES": rules}, "plain": _PlainBackend}
    app.config.update(MAIL_MAILERS=mailers, TESTING=testing)
    with pytest.raises(UnsupportedFeature, match=f"does not support {missing}"):
        Mail(app).send(hello(**given))


def test_parts_of_composites_get_what_chose_them():
    rules = [{"tag": "news", "mailer": "safe"}, {"mailer": "safe"}]
    app = Flask(__name__)
    app.config["MAIL_MAILERS"] = {
        "default": {"BACKEND": "failover", "MAILERS": ["chosen", "null"]},
        "chosen": {"BACKEND": "routes", "RULES": rules},
        "safe": {"BACKEND": "roundrobin", "MAILERS": ["plain"]},
        "plain": _PlainBackend,
    }
    assert Mail(app).send(hello(tags=["news"])).backend == "plain"
    app.config["TESTING"] = True
    assert Mail(app).send(hello(tags=["news"])).sent


class _MetadataBackend(_PlainBackend):
    name = "metadata"
    features = ORDINARY | {Feature.METADATA}


def test_under_testing_a_mailer_beside_the_rules_must_support_the_tags():
    rules = [{"tag": "news", "mailer": "plain"}, {"mailer": "plain"}]
    app = Flask(__name__)
    app.config["TESTING"] = True
    app.config["MAIL_MAILERS"] = {
        "default": {"BACKEND": "failover", "MAILERS": ["beside", "chosen"]},
        "chosen": {"BACKEND": "routes", "RULES": rules},
        "plain": _PlainBackend,
        "beside": _MetadataBackend,
    }
    mail = Mail(app)
    assert mail.send(hello(tags=["news"])).sent
    assert mail.send(hello(metadata={"shop": "de"})).sent
    with pytest.raises(UnsupportedFeature, match="The metadata backend does not support tags"):
        mail.send(hello(tags=["news"], metadata={"shop": "de"}))


def test_serialized_message_keeps_what_chose_its_mailer():
    mail = Outgoing.of(hello(tags=["news"])).routed(frozenset({("tag", "news")}))
    record = json.loads(json.dumps(mail.to_dict()))
    assert Outgoing.from_dict(record).routed_by == {("tag", "news")}
    assert "routed_by" not in Outgoing.of(hello()).to_dict()


def test_rules_show_their_conditions():
    def vip(mail):
        return False

    pattern = re.compile("a@.*")
    rules = [
        {"to": ["*@x.de", pattern], "metadata": {"a": 1, "b": 2}, "when": vip, "mailer": "m1"},
        {"larger_than": "2 MB", "mailer": "m2"},
        {"mailer": "m3"},
    ]
    backend, _ = made(*rules)
    assert [rule.text for rule, _ in backend.rules] == [
        "to *@x.de or a@.*, metadata a=1 and b=2,"
        " when test_rules_show_their_conditions.<locals>.vip",
        "larger_than 2 MB",
        "",
    ]
