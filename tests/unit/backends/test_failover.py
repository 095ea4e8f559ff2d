"""Failover: each row of the table of outcomes, rests, batches, settings, real servers."""

from __future__ import annotations

import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from fault_server import fault_server
from faults import Fault
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import Recorder, smtp_server

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryUnknown,
    Mail,
    Message,
    MessageError,
    MessageRefused,
    Outcome,
    UnsupportedFeature,
)
from flask_mail.backends import Feature
from flask_mail.backends.failover import FailoverBackend
from flask_mail.testing.contract import ScriptedBackend
from flask_mail.testing.contract.composing import MODES, outcomes_of


class Clock:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def hello(subject="Hi", **given):
    return Message(subject, ["to@example.com"], "Hello", sender="from@example.com", **given)


def unreachable(seconds=None):
    return BackendUnavailable("It is down.", stage="connect", retry_after=seconds)


def made(*scripts, **given):
    children = [ScriptedBackend(f"m{n}", *script) for n, script in enumerate(scripts, 1)]
    backend = FailoverBackend(mailers=children, **given)
    backend.clock = Clock()
    return backend, children


def mail_of(**config):
    app = Flask(__name__)
    app.config.update(config)
    return Mail(app)


# Answer of the first of three children -> the mailer that decided, the outcome, the class of the
# error, and the number of messages that each child got of two.
TABLE = [
    ("sent", "m1", Outcome.SENT, None, (2, 0, 0)),
    ("unreachable", "m2", Outcome.SENT, None, (0, 2, 0)),
    (unreachable(), "m2", Outcome.SENT, None, (1, 2, 0)),
    (
        BackendUnavailable("no", stage="login", response="535 no"),
        "m2",
        Outcome.SENT,
        None,
        (1, 2, 0),
    ),
    (ConfigurationError("The key is gone."), "m2", Outcome.SENT, None, (1, 2, 0)),
    ("not sent", "m2", Outcome.SENT, None, (2, 1, 0)),
    ("closed", "m2", Outcome.SENT, None, (2, 1, 0)),
    (BackendUnavailable("429", response="429", retry_after=5), "m2", Outcome.SENT, None, (1, 2, 0)),
    (UnsupportedFeature("No files."), "m2", Outcome.SENT, None, (2, 1, 0)),
    (MessageError("A file has changed."), "m1", Outcome.NOT_SENT, MessageError, (2, 0, 0)),
    ("refused", "m1", Outcome.REFUSED, MessageRefused, (2, 0, 0)),
    ("unknown", "m1", Outcome.UNKNOWN, DeliveryUnknown, (2, 0, 0)),
    ("lost reply", "m1", Outcome.UNKNOWN, DeliveryUnknown, (2, 0, 0)),
    ("crash", "m1", Outcome.UNKNOWN, DeliveryUnknown, (2, 0, 0)),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("answer", "decided", "outcome", "error", "given"), TABLE)
def test_table_of_outcomes(answer, decided, outcome, error, given, mode):
    backend, children = made([answer], [], [])
    first, second = outcomes_of(backend, [hello(), hello()], mode)
    assert (first.mailer, first.outcome) == (decided, outcome)
    assert type(first.error) is (error or type(None))
    assert second.sent
    assert tuple(len(each.given) for each in children) == given
    assert [each.mailer for each in first.earlier] == (["m1"] if decided == "m2" else [])
    assert all(each.error is not None for each in first.earlier)
    assert first.attempts == len(first.earlier) + 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("answer", [row[0] for row in TABLE])
def test_table_of_outcomes_at_the_second_child(answer, mode):
    """The position does not matter, and the first child's failure is in `earlier`."""
    expected = next(row for row in TABLE if row[0] is answer)
    backend, _ = made(["not sent"], [answer], [])
    [receipt] = outcomes_of(backend, [hello()], mode)
    names = {"m1": "m2", "m2": "m3"}
    assert (receipt.mailer, receipt.outcome) == (names[expected[1]], expected[2])
    assert receipt.earlier[0].mailer == "m1"
    assert "m1 is busy" in receipt.earlier[0].reason


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_refused_too_tries_the_next(mode, position):
    scripts = [["refused"] if n <= position else [] for n in range(3)]
    backend, children = made(*scripts, refused_too=True)
    [receipt] = outcomes_of(backend, [hello()], mode)
    assert receipt.outcome is (Outcome.SENT if position < 2 else Outcome.REFUSED)
    assert sum(sum(each.accepted_ids.values()) for each in children) == (position < 2)


@pytest.mark.parametrize("mode", MODES)
def test_error_of_the_first_child_is_raised_if_none_takes_it(mode):
    backend, _ = made(["not sent"], [unreachable()], [UnsupportedFeature("No files.")])
    [receipt] = outcomes_of(backend, [hello()], mode)
    assert receipt.outcome is Outcome.NOT_SENT
    assert str(receipt.error) == "Mailer 'm1': m1 is busy."
    assert [each.mailer for each in receipt.earlier] == ["m2", "m3"]
    assert receipt.attempts == 3


def test_message_that_no_child_supports_is_an_error_of_the_message():
    first, second = ScriptedBackend("m1"), ScriptedBackend("m2", tags=True)
    second.max_recipients = 1
    backend = FailoverBackend(mailers=[first, second])
    with pytest.raises(UnsupportedFeature, match="does not support tags") as caught:
        backend.send(
            Message("Hi", ["a@x.de", "b@x.de"], "", sender="me@x.de", tags=["x"]), backend.open()
        )
    assert [each.mailer for each in caught.value.receipt.earlier] == ["m2"]
    assert not first.given
    assert not second.given


class TestRests:
    def test_child_that_cannot_be_reached_rests_for_retry_after(self):
        backend, (first, _) = made(["unreachable"], [], retry_after=30.0)
        for _ in range(3):
            assert backend.send(hello(), backend.open()).mailer == "m2"
        assert first.log == ["m1"]
        backend.clock.now += 30.0
        assert backend.send(hello(), backend.open()).mailer == "m1"

    def test_child_says_how_long_it_rests(self):
        backend, _ = made([unreachable(500.0)], [])
        outcomes_of(backend, [hello()], "deliver")
        backend.clock.now += 499.0
        assert outcomes_of(backend, [hello()], "deliver")[0].mailer == "m2"
        backend.clock.now += 1.0
        assert outcomes_of(backend, [hello()], "deliver")[0].mailer == "m1"

    def test_all_at_rest_are_tried_anyway_the_soonest_awake_first(self):
        backend, (first, second) = made([unreachable(90.0)] * 2, [unreachable(10.0)] * 2)
        second.log = first.log
        assert outcomes_of(backend, [hello()], "deliver")[0].mailer == "m1"
        assert outcomes_of(backend, [hello()], "deliver")[0].mailer == "m2"
        assert first.log == ["m1", "m2", "m2", "m1"]
        assert outcomes_of(backend, [hello()], "deliver")[0].sent

    def test_rest_ends_when_a_message_is_sent(self):
        backend, _ = made([unreachable()], ["unreachable"])
        assert not outcomes_of(backend, [hello()], "deliver")[0].sent
        assert outcomes_of(backend, [hello()], "deliver")[0].mailer == "m1"
        assert outcomes_of(backend, [hello()], "deliver")[0].mailer == "m1"

    def test_child_at_rest_is_not_tried_for_a_message_that_is_not_sent(self):
        """Else, each of them would wait for the time-out of the connection."""
        backend, (first, _) = made([unreachable()], ["sent", "not sent"])
        outcomes_of(backend, [hello()], "deliver")
        [receipt] = outcomes_of(backend, [hello()], "deliver")
        assert (receipt.mailer, receipt.earlier) == ("m2", ())
        assert len(first.given) == 1

    def test_rest_is_that_of_one_instance(self):
        first, second = ScriptedBackend("m1", unreachable()), ScriptedBackend("m2")
        one, other = (FailoverBackend(mailers=[first, second]) for _ in range(2))
        assert outcomes_of(one, [hello()], "deliver")[0].mailer == "m2"
        assert outcomes_of(other, [hello()], "deliver")[0].mailer == "m1"


class TestBatches:
    def test_rest_of_the_stream_goes_to_the_next_once_a_child_rests(self):
        backend, (first, _) = made(["sent", "sent", unreachable()], [])
        receipts = outcomes_of(backend, [hello() for _ in range(6)], "deliver_many")
        assert [each.mailer for each in receipts] == ["m1", "m1", *["m2"] * 4]
        assert len(first.given) == 3

    def test_messages_that_a_child_took_ahead_keep_their_order(self):
        backend, (first, second) = made(["sent", "not sent", "sent", "refused", "sent"], [])
        first.ahead = 3
        messages = [hello() for _ in range(5)]
        receipts = outcomes_of(backend, messages, "deliver_many")
        assert [each.message_id for each in receipts] == [each.msgId for each in messages]
        assert [each.mailer for each in receipts] == ["m1", "m2", "m1", "m1", "m1"]
        assert second.opened == 1

    def test_message_taken_without_a_receipt_is_unknown(self):
        class Forgetful(ScriptedBackend):
            def deliver_many(self, mails, session):
                for number, mail in enumerate(mails):
                    receipt = self.attempt(mail, session)
                    if number == 1:
                        next(mails, None)
                        return
                    yield receipt

        first, second = Forgetful("m1"), ScriptedBackend("m2")
        backend = FailoverBackend(mailers=[first, second])
        receipts = outcomes_of(backend, [hello() for _ in range(5)], "deliver_many")
        unknown, sent = Outcome.UNKNOWN, Outcome.SENT
        assert [each.outcome for each in receipts] == [sent, unknown, unknown, sent, unknown]
        assert not second.given

    def test_child_that_raises_in_a_batch_does_not_end_it(self):
        class Broken(ScriptedBackend):
            def deliver_many(self, mails, session):
                yield self.attempt(next(mails), session)
                next(mails)
                raise BackendUnavailable("The connection is gone.")

        first, second = Broken("m1"), ScriptedBackend("m2")
        backend = FailoverBackend(mailers=[first, second])
        receipts = outcomes_of(backend, [hello() for _ in range(4)], "deliver_many")
        unknown, sent = Outcome.UNKNOWN, Outcome.SENT
        assert [each.outcome for each in receipts] == [sent, unknown, sent, unknown]
        assert "returned no receipt" in receipts[1].reason
        assert (first.opened, first.ended) == (2, 2)

    def test_child_that_takes_nothing_is_followed_by_the_next(self):
        class Idle(ScriptedBackend):
            def deliver_many(self, mails, session):
                return iter(())

        backend = FailoverBackend(mailers=[Idle("m1"), ScriptedBackend("m2")])
        receipts = outcomes_of(backend, [hello() for _ in range(3)], "deliver_many")
        assert [each.mailer for each in receipts] == ["m2"] * 3
        assert "stopped before this message" in receipts[0].earlier[0].reason

    def test_surplus_receipt_belongs_to_no_message(self):
        class Generous(ScriptedBackend):
            def deliver_many(self, mails, session):
                for mail in mails:
                    yield self.attempt(mail, session)
                    yield self.accepted(mail)

        first, second = Generous("m1"), ScriptedBackend("m2")
        backend = FailoverBackend(mailers=[first, second])
        messages = [hello() for _ in range(3)]
        receipts = outcomes_of(backend, messages, "deliver_many")
        assert [each.message_id for each in receipts] == [each.msgId for each in messages]
        assert [len(first.given), len(second.given)] == [3, 0]

    def test_receipts_out_of_order_send_no_message_again(self):
        class Backwards(ScriptedBackend):
            def deliver_many(self, mails, session):
                return reversed([self.attempt(mail, session) for mail in mails])

        first, second = Backwards("m1", "sent", "not sent"), ScriptedBackend("m2")
        backend = FailoverBackend(mailers=[first, second])
        messages = [hello() for _ in range(2)]
        receipts = outcomes_of(backend, messages, "deliver_many")
        assert receipts[0].message_id == messages[0].msgId
        assert receipts[0].outcome is Outcome.UNKNOWN
        assert [len(first.given), len(second.given)] == [2, 0]
        assert "returned the receipt of another message" in str(receipts[0].error)

    def test_messages_that_a_child_does_not_support_go_to_the_next(self):
        first, second = ScriptedBackend("m1", ahead=2), ScriptedBackend("m2", tags=True)
        backend = FailoverBackend(mailers=[first, second])
        messages = [hello(tags=["x"] if n in (0, 2, 5) else []) for n in range(6)]
        receipts = outcomes_of(backend, messages, "deliver_many")
        assert [each.message_id for each in receipts] == [each.msgId for each in messages]
        assert [each.mailer for each in receipts] == ["m2", "m1", "m2", "m1", "m1", "m2"]


answers = st.sampled_from(
    ["sent", "refused", "not sent", "closed", "unreachable", "lost reply", "crash"]
)
scripts = st.lists(st.lists(answers, max_size=8), min_size=1, max_size=4)


@settings(deadline=None)
@given(scripts, st.sampled_from(MODES), st.integers(1, 4), st.booleans(), st.integers(1, 6))
def test_message_is_accepted_at_most_once(scripts, mode, ahead, refused_too, count):
    """Exactly once if its outcome is SENT, and only SENT and UNKNOWN may have been accepted."""
    children = [ScriptedBackend(f"m{n}", *each, ahead=ahead) for n, each in enumerate(scripts)]
    backend = FailoverBackend(mailers=children, refused_too=refused_too)
    backend.clock = Clock()
    messages = [hello() for _ in range(count)]
    receipts = outcomes_of(backend, messages, mode)
    assert [each.message_id for each in receipts] == [each.msgId for each in messages]
    for message, receipt in zip(messages, receipts, strict=True):
        accepted = sum(each.accepted_ids[message.msgId] for each in children)
        expected = {Outcome.SENT: [1], Outcome.UNKNOWN: [0, 1]}.get(receipt.outcome, [0])
        assert accepted in expected
    assert all(each.opened == each.ended for each in children)


def test_composite_does_not_rest_while_one_of_its_children_is_awake():
    inner, (first, second) = made([unreachable()], ["not sent"])
    inner.mailer, other = "inner", ScriptedBackend("other")
    outer = FailoverBackend(mailers=[inner, other])
    outer.clock = inner.clock
    receipts = outcomes_of(outer, [hello() for _ in range(3)], "deliver_many")
    assert [each.mailer for each in receipts] == ["other", "m2", "m2"]
    first.answers.append(unreachable())
    second.answers.append(unreachable(5.0))
    inner.clock.now += 60.0
    receipts = outcomes_of(outer, [hello() for _ in range(2)], "deliver_many")
    assert [each.mailer for each in receipts] == ["other", "other"]
    inner.clock.now += 5.0
    assert outcomes_of(outer, [hello()], "deliver")[0].mailer == "m2"


@pytest.mark.parametrize("each_sends", [20, pytest.param(500, marks=pytest.mark.exhaustive)])
def test_threads_send_each_message_once_while_the_first_child_flaps(each_sends):
    flapping = ["sent", unreachable(0.0), "not sent", "closed", "unreachable", "sent"]
    backend, children = made(flapping * 1000, [])
    backend.clock = count().__next__  # rests end after some messages
    receipts = []

    def send_messages():
        for _ in range(each_sends):
            session = backend.open()
            receipts.append(backend.send(hello(), session))
            backend.close(session)

    with ThreadPoolExecutor(16) as pool:
        for sending in [pool.submit(send_messages) for _ in range(16)]:
            sending.result()
    accepted = children[0].accepted_ids + children[1].accepted_ids
    assert accepted == Counter(each.message_id for each in receipts)
    assert len(accepted) == 16 * each_sends
    assert min(sum(each.accepted_ids.values()) for each in children) > 0
    assert all(each.sent for each in receipts)
    assert all(each.opened == each.ended for each in children)


class TestSettings:
    @pytest.mark.parametrize("mailers", [["m1", "m2"], ("m1", "m2"), "m1, m2,"])
    def test_mailers_are_a_list_or_text(self, mailers):
        mailers = {"BACKEND": "failover", "MAILERS": mailers}
        mail = mail_of(MAIL_MAILERS={"default": mailers, "m1": "null", "m2": "locmem"})
        assert mail.send(hello()).mailer == "m1"

    def test_flat_settings(self):
        mail = mail_of(MAIL_BACKEND="failover", MAIL_FAILOVER_MAILERS="null,locmem")
        assert mail.send(hello()).mailer == "null"

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({}, r"FailoverBackend needs MAIL_MAILERS\['default'\]\['MAILERS'\]: set it"),
            ({"MAILERS": []}, r"MAIL_MAILERS\['default'\]\['MAILERS'\] must be a list of mailers"),
            ({"MAILERS": 5}, r"\['MAILERS'\] must be a list of mailers"),
            ({"MAILERS": ["smtp", 5]}, r"\['MAILERS'\] must be a list of mailers"),
            ({"MAILERS": ["nul"]}, r"\['default'\] delivers by 'nul', .* did you mean 'null'"),
            ({"MAILERS": ["null"], "RETRY_AFTER": 0}, r"\['RETRY_AFTER'\] must be a number of s"),
            ({"MAILERS": ["null"], "REFUSED_TOO": "maybe"}, r"\['REFUSED_TOO'\] must be true or"),
            ({"MAILERS": ["null"], "RETRY": 5}, r"\['RETRY'\] is not an option"),
            ({"MAILERS": ["default"]}, "The mailer 'default' is made of itself"),
        ],
    )
    def test_wrong_options_are_errors(self, options, says):
        mail = mail_of(MAIL_MAILERS={"default": {"BACKEND": "failover", **options}})
        with pytest.raises(ConfigurationError, match=says):
            mail.send(hello())

    def test_mailers_may_be_renamed_while_the_app_runs(self):
        def mailers(name):
            default = {"BACKEND": "failover", "MAILERS": [name]}
            return {"default": default, name: {"BACKEND": "null"}}

        mail = mail_of(MAIL_MAILERS=mailers("m1"))
        assert mail.send(hello()).mailer == "m1"
        mail.app.config["MAIL_MAILERS"] = mailers("m2")
        assert mail.send(hello()).mailer == "m2"
        del mail.app.config["MAIL_MAILERS"]["m2"]
        with pytest.raises(
            ConfigurationError, match="'m2', which is neither a mailer nor a backend"
        ):
            mail.send(hello())

    def test_under_testing_a_message_must_suit_one_child(self):
        class Narrow(ScriptedBackend):
            features = frozenset()

        default = {"BACKEND": "failover", "MAILERS": ["m1", "m2"]}
        mail = mail_of(TESTING=True, MAIL_MAILERS={"default": default, "m1": Narrow, "m2": Narrow})
        assert mail.send(hello()).sent
        with pytest.raises(UnsupportedFeature, match="scripted backend does not support custom"):
            mail.send(hello(extra_headers={"X-A": "b"}))

    def test_under_testing_missing_mailers_are_an_error(self):
        assert FailoverBackend.parts({}) == ()
        assert FailoverBackend.parts({"mailers": "a, b"}) == ["a", "b"]


def test_features_and_limits_are_those_of_any_child():
    first, second = ScriptedBackend("m1", tags=True), ScriptedBackend("m2")
    first.max_size, second.max_size = 10, 20
    first.max_recipients = 5
    backend = FailoverBackend(mailers=[first, second])
    assert Feature.TAGS in backend.features
    assert (backend.max_size, backend.max_recipients) == (20, None)


@pytest.mark.parametrize(("count", "expected"), [(1, False), (2, True)])
def test_content_is_verbatim_only_if_each_child_keeps_it(count, expected):
    """A signature is checked by no message, so one child that breaks it would go unnoticed."""
    children = [ScriptedBackend(f"m{n}") for n in range(2)]
    for each in children[count:]:
        each.features = each.features - {Feature.VERBATIM}
    assert (Feature.VERBATIM in FailoverBackend(mailers=children).features) is expected


def test_kept_messages_of_the_children_are_those_of_the_composite():
    assert FailoverBackend(mailers=[ScriptedBackend()]).kept() is None
    mail = mail_of(
        MAIL_MAILERS={
            "default": {"BACKEND": "failover", "MAILERS": ["m1", "locmem"]},
            "m1": type("Down", (ScriptedBackend,), {"deliver": lambda *_: 1 / 0, "open": down}),
        }
    )
    mail.send(hello("First"))
    mail.send(hello("Second"))
    kept = mail.app.extensions["mail"].selection.backend().kept()
    assert [b"First" in each.read().content for each in kept] == [True, False]


def down(self):
    raise unreachable()


@pytest.mark.parametrize("end", ["close", "retire", "abort"])
def test_sessions_of_the_children_end_with_that_of_the_composite(end):
    backend, (first, _) = made([], [])
    session = backend.open()
    getattr(backend, end)(session)
    assert (first.opened, first.ended) == (1, 1)


class TestServers:
    def test_second_server_gets_the_mail_of_one_that_is_down(self):
        recorder = Recorder()
        with socket.socket() as unused, smtp_server(recorder) as server:
            unused.bind(("127.0.0.1", 0))
            mail = self.mail(unused.getsockname()[1], server.port)
            receipts = mail.send_many([hello() for _ in range(5)])
            with mail.connect() as connection:
                receipts.append(connection.send(hello()))
            assert [each.mailer for each in receipts] == ["second"] * 6
            assert receipts[0].earlier[0].error.stage == "connect"
            assert [each.earlier for each in receipts[1:]] == [()] * 5
            assert len(recorder.accepted) == 6
            assert mail.stats()["opened"] == mail.stats().get("closed", 0) + 1
            mail.close()

    @pytest.mark.parametrize("reply", ["MAIL 451 later", "DATA 451 later"])
    def test_second_server_gets_what_the_first_puts_off(self, reply):
        command, _, answer = reply.partition(" ")
        first, second = Recorder(answers={command: answer}), Recorder()
        with smtp_server(first) as one, smtp_server(second) as two:
            mail = self.mail(one.port, two.port)
            receipts = mail.send_many([hello() for _ in range(4)])
            assert [each.mailer for each in receipts] == ["second"] * 4
            assert len(second.accepted) == 4
            assert not first.accepted
            mail.close()

    @pytest.mark.parametrize("kind", ["close", "reset", "4xx", "5xx"])
    @pytest.mark.parametrize(
        "stage", ["greeting", "ehlo", "mail", "rcpt1", "data", "half", "content"]
    )
    def test_server_that_cuts_at_any_step_leads_to_no_second_copy(self, stage, kind):
        recorder = Recorder()
        with fault_server(Fault(stage, kind)) as first, smtp_server(recorder) as second:
            mail = self.mail(first.port, second.port)
            receipts = mail.send_many([hello() for _ in range(4)])
            mail.close()
        outcomes = Counter(each.outcome for each in receipts)
        accepted = Counter(
            [each.content.split(b"Message-ID")[1][:60] for each in first.accepted]
            + [each.content.split(b"Message-ID")[1][:60] for each in recorder.accepted]
        )
        assert max(accepted.values(), default=1) == 1
        # Without pipelined data, half of the content means that all of it has been sent.
        may_be_accepted = stage in ("half", "content") and kind in ("close", "reset")
        is_refused = kind == "5xx" and stage not in ("greeting", "ehlo")
        expected = Outcome.UNKNOWN if may_be_accepted else Outcome.SENT
        if is_refused:
            expected = Outcome.REFUSED
        assert outcomes == {expected: 4}
        assert len(accepted) == (0 if is_refused else 4) or may_be_accepted

    def mail(self, first, second):
        servers = {
            name: {"SERVER": "127.0.0.1", "PORT": port, "TIMEOUT": 10}
            for name, port in (("first", first), ("second", second))
        }
        failover = {"BACKEND": "failover", "MAILERS": ["first", "second"]}
        return mail_of(MAIL_MAILERS={"default": failover, **servers})
