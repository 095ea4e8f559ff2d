"""Batches over several connections: when they are opened, refused, and told to slow down."""

from __future__ import annotations

import functools
import json
import os
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fault_server import PASSWORD, USERNAME, fault_server
from faults import PATIENCE, Fault, first_of
from matrices import MODES, every_mode
from servers import mail_to

from flask_mail import BackendUnavailable, Message, Outcome
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.delivery.signals import email_dispatched
from flask_mail.smtp import growth, pipeline, polling, source
from flask_mail.smtp.growth import Growth, Pace
from flask_mail.smtp.replies import reply_of
from flask_mail.smtp.sessions import ServerSessions
from flask_mail.smtp.source import Source

SECONDS_LEFT = Growth.seconds_left
SENT, NOT_SENT, UNKNOWN = Outcome.SENT, Outcome.NOT_SENT, Outcome.UNKNOWN


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """Another connection is opened as soon as a message waits, and few fill one."""
    monkeypatch.setattr(Growth, "seconds_left", lambda self, count: 0.0)
    monkeypatch.setattr(pipeline, "MESSAGES", 4)
    monkeypatch.setattr(source, "_TRUSTED", 1)
    monkeypatch.setattr(growth, "PAUSE", 0.0)


def message(number):
    return Message(f"Number {number}", ["to@example.com"], "Hi")


def messages(count):
    return (message(number) for number in range(count))


def numbers(server):
    return [
        int(line.removeprefix(b"Subject: Number "))
        for each in server.accepted
        for line in each.content.splitlines()
        if line.startswith(b"Subject: ")
    ]


def held_until_open(count, *faults):
    """Return what chooses the faults, and delays a connection until there are so many."""
    choose, opened = first_of(*faults), threading.Event()

    def choose_later(stage, connection, number):
        if connection >= count:
            opened.set()
        elif number == 3:  # the reply to the first one has left
            opened.wait(5)
        return choose(stage, connection, number)

    choose_later.release = opened.set
    return choose_later


def parallel(server, **settings):
    return mail_to(server.port, **{"MAIL_BATCH_CONNECTIONS": 3, **settings})


@pytest.mark.parametrize(
    ("mode", "count"),
    [*[(mode, count) for mode in MODES for count in (2, 3)], ("lockstep", 8), ("chunking", 8)],
)
def test_messages_that_wait_open_connections_up_to_the_limit(mode, count):
    with fault_server(choose=held_until_open(count), extensions=MODES[mode]) as server:
        mail = parallel(server, MAIL_BATCH_CONNECTIONS=count)
        batch = [message(number) for number in range(60)]
        receipts = mail.send_many(batch)
        assert [each.outcome for each in receipts] == [SENT] * 60
        assert [each.message_id for each in receipts] == [each.msgId for each in batch]
    assert sorted(numbers(server)) == list(range(60))
    assert len(server.conversations) == count
    assert server.violations == []


@every_mode
def test_one_connection_delivers_in_the_order_of_the_messages(mode):
    with fault_server(extensions=MODES[mode]) as server:
        assert all(parallel(server, MAIL_BATCH_CONNECTIONS=1).send_many(messages(30)))
    assert numbers(server) == list(range(30))
    assert len(server.conversations) == 1


@every_mode
def test_a_batch_without_waiting_messages_uses_one_connection(mode):
    """Each message is made when the one before was accepted."""
    with fault_server(extensions=MODES[mode]) as server:

        def batch():
            for number in range(6):
                with server.changed:
                    server.changed.wait_for(lambda n=number: len(server.accepted) >= n, 10)
                yield message(number)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(source, "_TRUSTED", 100)
            assert all(parallel(server).send_many(batch()))
    assert len(server.conversations) == 1


def test_a_server_that_accepts_nothing_gets_one_connection():
    with fault_server(Fault("mail", "5xx")) as server:
        receipts = parallel(server).send_many(messages(8))
    assert [each.outcome for each in receipts] == [Outcome.REFUSED] * 8
    assert len(server.conversations) == 1


@every_mode
def test_a_connection_block_uses_its_connection_alone(mode):
    with fault_server(extensions=MODES[mode]) as server:
        mail = parallel(server, MAIL_POOL_SIZE=2)
        with mail.connect() as connection:
            assert all(connection.send_many(messages(30)))
            assert all(connection.send_many(messages(30)))
        mail.close()
    assert numbers(server) == [*range(30), *range(30)]
    assert len(server.conversations) == 1


def test_further_connections_are_pooled_and_reused():
    with fault_server(choose=held_until_open(3)) as server:
        mail = parallel(server, MAIL_POOL_SIZE=3, MAIL_KEEPALIVE=600)
        assert all(mail.send_many(messages(30)))
        assert mail.stats()["idle"] == 3
        assert all(mail.send_many(messages(30)))
        mail.close()
    assert len(server.conversations) == 3


REFUSALS = [
    Fault("greeting", "421", ((2, 0),)),
    Fault("greeting", "close", ((2, 0),)),
    Fault("ehlo", "4xx", ((2, 0),)),
    Fault("auth", "4xx", ((2, 0),)),
    Fault("mail", "421", ((2, 1),)),
    Fault("mail", "busy", ((2, 1),), accepts=False),
    Fault("rcpt1", "busy", ((2, 1),), accepts=False),
    Fault("content", "busy", ((2, 1),), accepts=False),
]


@every_mode
@pytest.mark.parametrize("fault", REFUSALS, ids=lambda each: f"{each.stage}-{each.kind}")
def test_a_refused_further_connection_costs_no_message(mode, fault, monkeypatch):
    if fault.kind == "busy" and fault.stage != "content":
        monkeypatch.setattr("fault_server.NEGATIVE", ("busy", "4xx", "5xx"))
        monkeypatch.setattr("faults.NEGATIVE", ("busy", "4xx", "5xx"))
    choose = held_until_open(2, fault)
    with fault_server(choose=choose, extensions=MODES[mode], login=True) as server:
        login = {"MAIL_USERNAME": USERNAME, "MAIL_PASSWORD": PASSWORD}
        mail = parallel(server, MAIL_BATCH_CONNECTIONS=2, **login)
        receipts = mail.send_many(messages(30))
    assert [each.outcome for each in receipts] == [SENT] * 30
    assert sorted(numbers(server)) == list(range(30))
    assert len(server.conversations) == 2
    assert [each for each, _, _ in server.fired] == [fault]


@every_mode
def test_a_broken_further_connection_is_not_opened_again(mode):
    choose = held_until_open(2, Fault("mail", "reset", ((2, 1),)))
    with fault_server(choose=choose, extensions=MODES[mode]) as server:
        receipts = parallel(server, MAIL_BATCH_CONNECTIONS=2).send_many(messages(30))
    lost = [each for each in receipts if not each.sent]
    assert {each.outcome for each in lost} <= {UNKNOWN}
    assert len(lost) <= (4 if mode == "both" else 0)
    assert len(server.conversations) == 2


@every_mode
def test_a_connection_that_was_served_is_opened_again(mode):
    choose = held_until_open(2, Fault("mail", "421", ((2, 2),)))
    with fault_server(choose=choose, extensions=MODES[mode]) as server:
        receipts = parallel(server, MAIL_BATCH_CONNECTIONS=2).send_many(messages(40))
    assert [each.outcome for each in receipts] == [SENT] * 40
    assert len(server.conversations) == 3


@every_mode
def test_a_batch_survives_the_loss_of_its_first_connection(mode):
    faults = [Fault("mail", "421", ((1, 4),)), Fault("greeting", "421", ((3, 0),))]
    with fault_server(choose=held_until_open(2, *faults), extensions=MODES[mode]) as server:
        mail = parallel(server, MAIL_BATCH_CONNECTIONS=2)
        assert all(mail.send_many(messages(40)))
        assert all(mail.send_many(messages(2)))
    assert len(server.accepted) == 42


@every_mode
def test_a_throttled_message_is_tried_once_more(mode):
    fault = Fault("content", "throttled", ((1, 2),), accepts=False)
    with fault_server(fault, extensions=MODES[mode]) as server:
        receipts = parallel(server).send_many(messages(12))
    assert [each.outcome for each in receipts] == [SENT] * 12
    assert receipts[1].attempts == 2
    assert sorted(numbers(server)) == list(range(12))


def test_throttling_closes_a_connection_and_opens_no_others():
    fault = Fault("content", "throttled", ((2, 2),), accepts=False)
    with fault_server(choose=held_until_open(3, fault)) as server:
        assert all(parallel(server, MAIL_BATCH_CONNECTIONS=3).send_many(messages(60)))
    assert len(server.conversations) == 3
    second = [each for each in server.accepted if each.connection == 2]
    assert len(second) == 1
    assert server.conversations[1].commands[-1] == "QUIT"


def test_a_message_throttled_twice_is_not_sent():
    """After three messages in vain, none is tried once more."""
    with fault_server(Fault("content", "throttled", accepts=False)) as server:
        receipts = parallel(server).send_many(messages(6))
    assert [each.outcome for each in receipts] == [NOT_SENT] * 6
    assert receipts[0].attempts == 2
    assert receipts[-1].attempts == 1
    assert "Maximum sending rate exceeded" in str(receipts[0].error)
    assert server.accepted == []


def test_one_connection_reports_a_throttled_message():
    fault = Fault("content", "throttled", ((1, 2),), accepts=False)
    with fault_server(fault) as server:
        receipts = parallel(server, MAIL_BATCH_CONNECTIONS=1).send_many(messages(4))
    assert [each.outcome for each in receipts] == [SENT, NOT_SENT, SENT, SENT]


def test_a_throttled_message_is_not_tried_after_its_deadline(monkeypatch):
    monkeypatch.setattr(growth, "PAUSE", 0.3)
    fault = Fault("content", "throttled", ((1, 2),), accepts=False)
    with fault_server(fault) as server:
        receipts = parallel(server, MAIL_DEADLINE=0.2).send_many(messages(2))
    assert [each.outcome for each in receipts] == [SENT, NOT_SENT]
    assert "Throttling" in str(receipts[1].error)


@every_mode
def test_a_deadline_ends_one_message_and_not_the_others(mode):
    choose = held_until_open(2, Fault("content", "stall", ((2, 1),)))
    with fault_server(choose=choose, extensions=MODES[mode]) as server:
        receipts = parallel(server, MAIL_DEADLINE=2).send_many(messages(20))
    outcomes = [each.outcome for each in receipts]
    assert outcomes.count(UNKNOWN) in range(1, 6)
    # One that was started behind the stalled one may have no time left to be started again.
    assert outcomes.count(NOT_SENT) <= 4
    assert set(outcomes) <= {SENT, UNKNOWN, NOT_SENT}
    assert outcomes.count(SENT) >= 12


@pytest.mark.exhaustive
@every_mode
def test_a_slow_message_holds_back_a_window_of_others(mode):
    """Receipts are in order, and a generator of ten thousand holds a window of messages."""
    released = threading.Event()
    taken, answered = [], []
    at_most = 3 * 4 + 1

    def choose(stage, connection, number):
        if (stage, connection, number) == ("content", 1, 3):
            released.wait(PATIENCE)

    def batch():
        for number in range(40):
            taken.append(number)
            if len(taken) - len(answered) == at_most:
                released.set()
            assert len(taken) - len(answered) <= at_most
            yield message(number)

    def note(app, message, receipt):
        answered.append(receipt)

    with (
        fault_server(choose=choose, extensions=MODES[mode]) as server,
        email_dispatched.connected_to(note),
    ):
        receipts = parallel(server).send_many(batch())
    assert [each.outcome for each in receipts] == [SENT] * 40


@every_mode
def test_max_emails_holds_on_each_of_several_connections(mode):
    with fault_server(extensions=MODES[mode], connections=100) as server:
        mail = parallel(server, MAIL_MAX_EMAILS=3, MAIL_POOL_SIZE=3)
        assert all(mail.send_many(messages(40)))
        mail.close()
    carried = [each.connection for each in server.accepted]
    assert max(carried.count(each) for each in set(carried)) <= 3


@every_mode
def test_an_interrupted_batch_drops_all_connections(mode):
    def batch():
        for number in range(100):
            if len(server.conversations) == 3:
                raise KeyboardInterrupt
            yield message(number)

    choose = held_until_open(4)
    with fault_server(choose=choose, extensions=MODES[mode]) as server:
        mail = parallel(server, MAIL_POOL_SIZE=3)
        with pytest.raises(KeyboardInterrupt) as caught:
            mail.send_many(batch())
        choose.release()
        assert mail.stats()["idle"] == 0
        told = [each.outcome for each in caught.value.receipts]
        assert set(told) == {SENT, UNKNOWN}
    assert not any("QUIT" in each.commands for each in server.conversations)


@pytest.mark.parametrize("count", [1, 3])
def test_three_connections_in_a_row_without_an_answer_end_a_batch(count):
    with fault_server(Fault("mail", "close")) as server:
        receipts = parallel(server, MAIL_BATCH_CONNECTIONS=count).send_many(messages(7))
    assert [each.outcome for each in receipts] == [NOT_SENT] * 7
    assert len(server.conversations) == 3


def test_rest_of_a_parallel_batch_is_not_sent_if_the_server_is_gone():
    choose = held_until_open(2, *[Fault("mail", "421", ((n, 4),)) for n in (1, 2)])
    with fault_server(choose=choose, connections=2) as server:
        receipts = parallel(server, MAIL_TIMEOUT=1).send_many(messages(20))
    assert [each.outcome for each in receipts].count(SENT) == len(server.accepted) == 6
    assert {each.outcome for each in receipts} == {SENT, NOT_SENT}


def test_another_connection_is_opened_after_waiting_for_as_long(monkeypatch):
    monkeypatch.setattr(Growth, "seconds_left", SECONDS_LEFT)
    with fault_server(choose=held_until_open(2)) as server:
        assert all(parallel(server, MAIL_BATCH_CONNECTIONS=2).send_many(messages(20)))
    assert len(server.conversations) == 2


def test_a_slow_source_delays_no_receipt_of_several_connections(monkeypatch):
    monkeypatch.setattr(source, "_SLOW", -1.0)
    answered = []

    def batch():
        for number in range(4):
            assert len(answered) == number
            yield message(number)

    def note(app, message, receipt):
        answered.append(receipt)

    with fault_server() as server, email_dispatched.connected_to(note):
        assert all(parallel(server).send_many(batch()))


def test_replies_read_after_their_time_limit_are_all_processed(monkeypatch):
    """They arrive together while the program makes a message, which takes longer than that."""
    ready = polling.ready
    held, waited, late = threading.Event(), threading.Event(), threading.Event()
    in_vain = []

    def note_wait(waits, seconds):
        if len(waits) == 2 and held.is_set() and not ready(waits, 0):
            waited.set()
        found = ready(waits, seconds)
        if late.is_set() and not found:
            in_vain.append(seconds)
        return found

    def choose(stage, connection, number):
        if (stage, connection, number) == ("mail", 1, 3):
            held.set()
            late.wait(PATIENCE)
        elif (stage, connection) == ("mail", 2):
            waited.wait(PATIENCE)

    def batch():
        yield from messages(9)
        late.set()
        threading.Event().wait(0.6)

    def extensions(connection):
        return MODES["both" if connection == 1 else "lockstep"]

    monkeypatch.setattr(polling, "ready", note_wait)
    with fault_server(choose=choose, extensions=extensions) as server:
        receipts = parallel(server, MAIL_TIMEOUT=0.5, MAIL_BATCH_CONNECTIONS=2).send_many(batch())
    assert [each.outcome for each in receipts] == [SENT] * 9
    assert waited.is_set()
    assert in_vain == []  # each would last until the time limit of a reply to content


def test_a_time_limit_while_opening_a_further_connection_ends_the_batch(monkeypatch):
    """An error of a signal handler is no refusal of the server."""
    connect = ServerSessions._connect

    def interrupted(self, deadline, *, is_patient):
        if is_patient:
            return connect(self, deadline, is_patient=True)
        raise BackendUnavailable("no connection") from TimeoutError("time is up")

    monkeypatch.setattr(ServerSessions, "_connect", interrupted)
    with fault_server(choose=held_until_open(2)) as server:
        receipts = parallel(server).send_many(messages(20))
    told = [each.outcome for each in receipts]
    assert set(told) == {SENT, UNKNOWN, NOT_SENT}
    assert "time is up" in str(receipts[-1].error)


def test_replies_to_messages_before_a_pause_lower_the_pace_once(monkeypatch):
    monkeypatch.setattr(Pace, "slow_down", lambda self: False)
    fault = Fault("content", "throttled", ((2, 2),), accepts=False)
    with fault_server(choose=held_until_open(2, fault)) as server:
        receipts = parallel(server, MAIL_BATCH_CONNECTIONS=2).send_many(messages(40))
    assert all(receipts)
    assert len([each for each in server.accepted if each.connection == 2]) > 1


def test_an_interrupt_while_closing_drops_the_other_connections(monkeypatch):
    close = SmtpBackend.close
    hosts = []

    def interrupted(self, session):
        hosts.append(session)
        if len(hosts) == 1:
            raise KeyboardInterrupt
        close(self, session)

    monkeypatch.setattr(SmtpBackend, "close", interrupted)
    with fault_server(choose=held_until_open(3)) as server:
        mail = parallel(server, MAIL_POOL_SIZE=3)
        with pytest.raises(KeyboardInterrupt) as caught:
            mail.send_many(messages(30))
        assert [each.outcome for each in caught.value.receipts] == [SENT] * 30
        assert mail.stats()["idle"] == 0
        server.wait_for_open(0)


@pytest.mark.exhaustive
@every_mode
def test_a_child_drops_the_sockets_of_all_connections(mode, monkeypatch):
    """A process id that changes in the middle, as in a child of a fork."""
    own, is_child = os.getpid(), []
    monkeypatch.setattr(os, "getpid", lambda: -1 if is_child else own)

    def batch():
        for number in range(100):
            if len(server.conversations) == 3:
                is_child.append(True)
            yield message(number)

    choose = held_until_open(4)
    with fault_server(choose=choose, extensions=MODES[mode]) as server:
        receipts = parallel(server).send_many(batch())
        choose.release()
        server.wait_for_open(0)
    assert {each.outcome for each in receipts} == {SENT, UNKNOWN}
    assert receipts[-1].outcome is UNKNOWN


FORKING = r"""
import json, os, sys
sys.path.insert(0, sys.argv[2])
from flask_mail import Message
from flask_mail.smtp import source
from flask_mail.smtp.growth import Growth
from servers import mail_to

Growth.seconds_left = lambda self, count: 0.0
source._TRUSTED = 1
child = None

def batch():
    global child
    for number in range(40):
        if number == 20:
            child = os.fork()
        yield Message(f"Number {number}", ["to@example.com"], "Hi")

mail = mail_to(int(sys.argv[1]), MAIL_BATCH_CONNECTIONS=3, MAIL_POOL_SIZE=3)
told = [each.outcome.value for each in mail.send_many(batch())]
extra = mail.send(Message("Number 99", ["to@example.com"], "Hi")).sent
if not child:
    print(json.dumps(["child", told, extra]), flush=True)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(json.dumps(["parent", told, extra]), flush=True)
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@every_mode
def test_a_forked_child_leaves_all_connections_to_its_parent(mode):
    support = str(Path(__file__).parents[2] / "support")
    with fault_server(extensions=MODES[mode]) as server:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FORKING, str(server.port), support],
            check=True, timeout=60, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    told = {who: rest for who, *rest in map(json.loads, done.stdout.splitlines())}
    assert told["parent"] == [["sent"] * 40, True]
    outcomes, sent = told["child"]
    assert set(outcomes) <= {"sent", "unknown"}
    assert outcomes[20:] == ["unknown"] * 20
    assert sent
    assert sorted(numbers(server)) == [*range(40), 99, 99]
    assert server.violations == []


@every_mode
def test_messages_of_different_sizes_arrive_complete(mode):
    bodies = ["x" * 300_000 + "\n", "Hi\n", "Hi\n", "y" * 300_000 + "\n"]
    fields = {"recipients": ["to@example.com"], "sender": "me@example.com"}
    batch = [Message(f"Number {n}", body=bodies[n % 4], **fields) for n in range(16)]
    with fault_server(extensions=MODES[mode], room=1 << 13) as server:
        assert all(parallel(server).send_many(batch))
    contents = sorted(each.as_bytes() for each in batch)
    assert sorted(each.content for each in server.accepted) == contents
    assert server.violations == []


@pytest.mark.parametrize(
    ("code", "text", "is_busy"),
    [
        (454, "Throttling failure: Maximum sending rate exceeded.", True),
        (454, "Throttling failure: Daily message quota exceeded.", False),
        (432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", True),
        (421, "4.7.0 Too many connections from your address", True),
        (450, "4.7.1 Error: too much mail from 192.0.2.1", True),
        (454, "4.7.0 Too many login attempts, please try again later", False),
        (451, "4.7.0 Too many concurrent SMTP connections; slow down", True),
        (451, "4.3.0 try later", False),
        (452, "4.5.3 Too many recipients", False),
        (550, "5.7.1 Sending rate exceeded", False),
        (451, "4.2.2 The rate of mail exceeded the limit for 24 hours", False),
        (250, "2.0.0 ok at a good rate", False),
    ],
)
def test_replies_that_ask_to_slow_down(code, text, is_busy):
    assert reply_of((code, text)).is_busy is is_busy


def test_growth_is_worth_it_after_waiting_as_long_as_opening():
    watched = Growth(3)
    watched.opened(2.0)
    assert SECONDS_LEFT(watched, 1) == 2.0
    watched.waited(1.5)
    assert SECONDS_LEFT(watched, 1) == 0.5
    watched.waited(1.5)
    assert SECONDS_LEFT(watched, 1) == 0.0
    watched.opened(1.0)
    assert SECONDS_LEFT(watched, 2) == 1.0
    assert SECONDS_LEFT(watched, 3) == float("inf")


def test_pace_is_halved_after_a_pause_and_recovers(monkeypatch):
    monkeypatch.setattr(growth, "PAUSE", 1.0)
    now = [0.0]
    pace = Pace(lambda: now[0])
    for _ in range(10):
        pace.note_start()
        now[0] += 0.1
    assert pace.seconds_left() == 0
    assert pace.slow_down()
    assert pace.seconds_left() == pytest.approx(1.0)
    now[0] += 0.9
    assert not pace.slow_down()  # the reply to a message that was sent before
    now[0] += 0.1
    assert pace.seconds_left() == pytest.approx(0.0)
    pace.note_start()
    assert pace.seconds_left() == pytest.approx(0.2)
    now[0] += 0.2
    pace.note_start()
    assert 0.19 < pace.seconds_left() < 0.2
    assert pace.slow_down()
    now[0] += 1.0
    pace.note_start()
    assert 0.38 < pace.seconds_left() < 0.4


def test_a_source_is_trusted_while_its_messages_are_made_in_no_time(monkeypatch):
    monkeypatch.setattr(source, "_TRUSTED", 4)
    now = [0.0]
    seconds = iter([0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 2.0, *[0.0] * 10])

    def items():
        for each in seconds:
            now[0] += each
            yield None, b""

    watched = Source(items(), lambda: now[0])
    trusted = []
    for _ in range(18):
        watched.take()
        trusted.append(watched.is_trusted)
    assert trusted == [*[False] * 3, True, *[False] * 4, True, *[False] * 9]


@pytest.mark.parametrize("has_poll", [True, False])
def test_the_first_of_several_sockets_is_ready(monkeypatch, has_poll):
    if not has_poll:
        monkeypatch.delattr(select, "poll")
    elif not hasattr(select, "poll"):
        pytest.skip("there is no poll here")
    pairs = [socket.socketpair() for _ in range(3)]
    try:
        waits = functools.partial(polling.ready, [(ours, False) for ours, _ in pairs])
        assert waits(0.0) == set()
        pairs[1][1].sendall(b"x")
        assert waits(5.0) == {pairs[1][0].fileno()}
        assert polling.ready([(pairs[0][0], True)], 5.0) == {pairs[0][0].fileno()}
    finally:
        for each in [each for pair in pairs for each in pair]:
            each.close()
