"""Batches with many messages under way: order, memory, sources that are slow or that send too."""

from __future__ import annotations

import functools
import select
import smtplib
import time

import pytest
from fault_server import fault_server
from faults import Fault
from matrices import MODE_PARAMS, MODES, every_mode
from servers import mail_to

from flask_mail import BackendUnavailable, Envelope, Message, Outcome
from flask_mail.delivery.signals import email_dispatched, email_sending
from flask_mail.errors import DeliveryError, MailError
from flask_mail.smtp import session as client
from flask_mail.smtp import source
from flask_mail.smtp.deadline import Deadline
from flask_mail.smtp.delivery import Delivery
from flask_mail.smtp.pipeline import MESSAGES

SENT, NOT_SENT = Outcome.SENT, Outcome.NOT_SENT


@pytest.fixture(params=MODE_PARAMS)
def server(request):
    with fault_server(extensions=MODES[request.param]) as running:
        yield running


@pytest.fixture
def fast():
    with fault_server(extensions=MODES["both"]) as running:
        yield running


def message(subject, **fields):
    return Message(str(subject), ["to@example.com"], **{"body": "Hi", **fields})


def subjects(server):
    return [
        line.removeprefix(b"Subject: ").decode()
        for each in server.accepted
        for line in each.content.splitlines()
        if line.startswith(b"Subject: ")
    ]


def test_receipts_are_in_the_order_of_the_messages(server):
    mail = mail_to(server.port)
    refused = {3, 4, 11}
    batch = [
        message(number, sender=None if number not in refused else "bad\nsender@example.com")
        for number in range(20)
    ]
    receipts = mail.send_many(batch)
    assert [each.sent for each in receipts] == [number not in refused for number in range(20)]
    assert subjects(server) == [str(number) for number in range(20) if number not in refused]


def test_messages_are_taken_as_there_is_room_for_them(fast):
    """A generator of ten thousand holds a window of them."""
    taken, answered = [], []

    def batch():
        for number in range(200):
            taken.append(number)
            assert len(taken) - len(answered) <= MESSAGES + 1
            yield message(number)

    def note(app, message, receipt):
        answered.append(receipt)

    with email_dispatched.connected_to(note):
        receipts = mail_to(fast.port).send_many(batch())
    assert [each.outcome for each in receipts] == [SENT] * 200
    assert subjects(fast) == [str(number) for number in range(200)]


def test_a_slow_source_delays_no_receipt(server, monkeypatch):
    """The receipt of a message is available before the source yields the next message."""
    monkeypatch.setattr(source, "_SLOW", -1.0)
    answered = []

    def batch():
        for number in range(4):
            assert len(answered) == number
            yield message(number)

    def note(app, message, receipt):
        answered.append(receipt)

    with email_dispatched.connected_to(note):
        mail_to(server.port).send_many(batch())
    assert len(answered) == 4


def test_receivers_and_generators_may_send_over_the_same_connection(server):
    """Before a message of the batch, and after one."""
    log = []

    def before(app, message):
        if message.subject in ("1", "3"):
            connection.send(globals()["message"](f"before {message.subject}"))

    def after(app, message, receipt):
        log.append(message.subject)
        if message.subject in ("0", "4"):
            connection.send(globals()["message"](f"after {message.subject}"))

    def batch():
        for number in range(6):
            if number == 2:
                connection.send(message("between"))
                connection.send(message("between"))
            yield message(number)

    with (
        mail_to(server.port).connect() as connection,
        email_sending.connected_to(before),
        email_dispatched.connected_to(after),
    ):
        receipts = connection.send_many(batch())
    assert [each.outcome for each in receipts] == [SENT] * 6
    extra = ["before 1", "before 3", "after 0", "after 4", "between", "between"]
    assert sorted(subjects(server)) == sorted([*map(str, range(6)), *extra])
    assert [each for each in subjects(server) if each.isdecimal()] == list(map(str, range(6)))
    assert len(server.conversations) == 1


def test_a_message_that_is_sent_in_between_may_lose_the_connection():
    """The batch goes on over a new one, and what was under way was waited for before."""
    fault = Fault("mail", "close", ((1, 4), (2, 1)))
    with fault_server(fault, extensions=MODES["pipelining"]) as server:

        def batch():
            yield message(0)
            yield message(1)
            yield message(2)
            with pytest.raises(BackendUnavailable):
                connection.send(message("lost"))
            yield message(3)

        with mail_to(server.port).connect() as connection:
            receipts = connection.send_many(batch())
        assert [each.outcome for each in receipts] == [SENT] * 4
        assert subjects(server) == ["0", "1", "2", "3"]


def test_an_exception_of_the_source_comes_after_the_receipts(server):
    def batch():
        yield message(0)
        yield message(1)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        mail_to(server.port).send_many(batch())
    assert subjects(server) == ["0", "1"]


def test_interrupted_source_closes_the_connection_in_flight():
    def batch():
        yield message(0)
        raise KeyboardInterrupt

    silent = fault_server(Fault("content", "stall"), extensions=MODES["both"])
    with silent as server, mail_to(server.port).connect() as connection:
        with pytest.raises(KeyboardInterrupt):
            connection.send_many(batch())
        assert connection.host.sock is None


def test_a_source_that_waits_does_so_after_all_before_was_written(server):
    """A queue can be the source: each message leaves immediately, and the server does not wait for
    the content after 354 while the next message is made."""

    def has_got(count):
        return len(server.accepted) >= count

    def batch():
        for number in range(6):
            with server.changed:
                server.changed.wait_for(functools.partial(has_got, number), 10)
            assert has_got(number)
            yield message(number)

    assert all(each.sent for each in mail_to(server.port).send_many(batch()))


@every_mode
def test_source_is_read_after_partial_writes_are_flushed(mode):
    with fault_server(extensions=MODES[mode], room=1 << 13) as server:

        def batch():
            for number in range(3):
                with server.changed:
                    server.changed.wait_for(lambda n=number: len(server.accepted) >= n, 10)
                assert len(server.accepted) >= number
                yield message(number, body=("x" * 70 + "\n") * 3_000)

        assert all(each.sent for each in mail_to(server.port).send_many(batch()))


def test_reply_received_before_deadline_counts(fast):
    now = [0.0]
    where = client.Server("127.0.0.1", fast.port, timeout=10)
    host = client.connect(where)
    envelope = Envelope("me@example.com", ("to@example.com",))

    def items():
        for number in range(3):
            yield envelope, b"Hi\r\n"
            with fast.changed:
                fast.changed.wait_for(lambda: fast.accepted, 10)
            if number == 0:  # the reply leaves after that
                select.select([host.sock], [], [], 10)
            now[0] += 100

    carrier = Delivery(host, where, reopen=None, seconds=lambda octets: 5, clock=lambda: now[0])
    assert [each.error for each in carrier.carry(items())] == [None] * 3
    client.drop(host)


def test_receipts_keep_no_content_alive(fast):
    """Ten thousand failures must not keep ten thousand attachments."""
    refuse = Fault("mail", "5xx")
    with fault_server(refuse, extensions=MODES["both"]) as server:
        batch = (message(number, body="x" * 500) for number in range(5))
        receipts = mail_to(server.port).send_many(batch)
    for receipt in receipts:
        assert receipt.error.__traceback__ is None
        assert receipt.error.__cause__.__traceback__ is None


def test_timeout_while_reconnecting_leaves_other_messages_their_time():
    """Each has a deadline of its own."""
    now = [0.0]
    with fault_server(Fault("mail", "421", ((1, 1),))) as server:
        where = client.Server("127.0.0.1", server.port, timeout=10)
        host = client.connect(where)
        envelope = Envelope("me@example.com", ("to@example.com",))
        openings = []

        def reopen(deadline, *, is_patient):
            openings.append(deadline)
            if len(openings) == 1:
                now[0] += 100
            client.establish(host, where, deadline)

        carrier = Delivery(
            host, where, reopen=reopen, seconds=lambda octets: 5, clock=lambda: now[0]
        )
        results = list(carrier.carry([(envelope, b"Hi\r\n")] * 3))
        client.drop(host)
    assert [each.error is None for each in results] == [False, True, True]


def test_a_line_that_nothing_asked_for_is_not_taken_for_a_refused_rset():
    """Else every reply behind it would be another command's."""
    for kind in ("4xx", "5xx"):
        with fault_server(Fault("replied", kind, ((1, 2),)), extensions=MODES["both"]) as server:
            receipts = mail_to(server.port).send_many(message(number) for number in range(9))
        sent = [str(number) for number, each in enumerate(receipts) if each.sent]
        assert set(sent) <= set(subjects(server))
        assert len(subjects(server)) == len(set(subjects(server)))
        lost = [number for number, each in enumerate(receipts) if each.outcome is NOT_SENT]
        assert not {str(number) for number in lost} & set(subjects(server))


def test_large_and_small_messages_follow_each_other(server):
    body = "0123456789" * 40_000
    batch = [message(number, body=body if number % 3 == 0 else "Hi") for number in range(7)]
    assert all(each.sent for each in mail_to(server.port).send_many(batch))
    assert subjects(server) == list(map(str, range(7)))


def test_after_a_refusal_content_waits_until_recipients_are_accepted():
    """A server may close after too many errors, and with one under way little is unknown."""
    refuse = Fault("mail", "5xx", ((1, 2), (1, 3)))
    with fault_server(refuse, extensions=MODES["both"]) as server:
        receipts = mail_to(server.port).send_many(message(number) for number in range(6))
        assert [each.sent for each in receipts] == [True, False, False, True, True, True]
        assert server.violations == []


@pytest.mark.parametrize("error", [OSError("boom"), LookupError("boom"), BackendUnavailable("no")])
def test_whatever_opening_raises_leaves_the_messages_not_sent(server, error):
    where = client.Server("127.0.0.1", server.port, timeout=10)
    host = client.connect(where)
    client.drop(host)

    def reopen(deadline, *, is_patient):
        raise error

    envelope = Envelope("me@example.com", ("to@example.com",))
    results = list(Delivery(host, where, reopen=reopen).carry([(envelope, b"Hi\r\n")] * 3))
    assert all(isinstance(each.error, BackendUnavailable) for each in results)
    assert len({id(each.error) for each in results}) == 3


def test_settings_that_are_wrong_when_it_reconnects_stay_what_they_are(server):
    where = client.Server("127.0.0.1", server.port, timeout=10)
    host = client.connect(where)
    client.drop(host)

    class Wrong(MailError):
        pass

    def reopen(deadline, *, is_patient):
        raise Wrong

    envelope = Envelope("me@example.com", ("to@example.com",))
    [result] = Delivery(host, where, reopen=reopen).carry([(envelope, b"Hi\r\n")])
    assert isinstance(result.error, Wrong)


def test_a_session_of_a_program_that_broke_is_not_opened_again():
    fault = Fault("mail", "close", ((1, 2),))
    with fault_server(fault, extensions=MODES["both"]) as server:
        where = client.Server("127.0.0.1", server.port, timeout=10)
        host = smtplib.SMTP("127.0.0.1", server.port, timeout=10)
        envelope = Envelope("me@example.com", ("to@example.com",))
        items = [(envelope, b"x" * 300_000 + b"\r\n")] * 4
        results = list(Delivery(host, where, reopen=None).carry(items))
    assert [each.error is None for each in results] == [True, False, False, False]
    assert all(isinstance(each.error, DeliveryError) for each in results[1:])


def test_settling_without_anything_under_way_does_nothing():
    where = client.Server("127.0.0.1", 1, timeout=10)
    Delivery(smtplib.SMTP(), where, reopen=None).settle()


def test_an_explicit_deadline_holds_for_each_message_of_a_batch():
    """The clock of a message starts when it is taken, not with the batch."""
    stall = Fault("content", "stall", ((1, 2),))
    with fault_server(stall) as server:
        mail = mail_to(server.port, MAIL_DEADLINE=2)
        receipts = mail.send_many(message(number) for number in range(4))
    assert [each.outcome for each in receipts] == [SENT, Outcome.UNKNOWN, SENT, SENT]


def test_deadline_of_a_single_message_includes_connecting():
    with fault_server(Fault("content", "drip")) as server:
        started = time.monotonic()
        with pytest.raises(DeliveryError) as caught:
            mail_to(server.port, MAIL_DEADLINE=0.3, MAIL_TIMEOUT=20).send(message(0))
    assert caught.value.receipt.outcome is Outcome.UNKNOWN
    assert time.monotonic() - started < 20


def test_a_deadline_has_seconds_left_until_it_is_over():
    now = [10.0]
    deadline = Deadline(5, clock=lambda: now[0])
    assert deadline.left(30) == 5
    assert deadline.left(2) == 2
    now[0] = 15.0
    with pytest.raises(TimeoutError):
        deadline.left(30)
    assert Deadline().left(30) == 30
