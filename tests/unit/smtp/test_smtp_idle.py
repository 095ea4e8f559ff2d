"""A session that was idle for a while hears a reply before content leaves."""

from __future__ import annotations

import time

import pytest
from fault_server import fault_server
from faults import Fault
from matrices import MODES, every_mode
from servers import mail_to

from flask_mail import DeliveryError, Message, Outcome


def message(number):
    return Message(f"Number {number}", ["a@example.com", "b@example.com"], "Hi")


def pass_time(link, seconds):
    link._clock = lambda: time.monotonic() + seconds


def kept_link(mail):
    [(_, host)] = mail.selection.backend()._pool._idle
    return host.file


def outcome_of(mail, number):
    try:
        return mail.send(message(number)).outcome
    except DeliveryError as error:
        return error.receipt.outcome


@every_mode
@pytest.mark.parametrize("stage", ["mail", "rcpt1"])
def test_host_gone_silent_while_idle_is_not_sent(mode, stage):
    silence = Fault(stage, "stall", ((1, 2),))
    with fault_server(silence, extensions=MODES[mode]) as server:
        mail = mail_to(server.port, MAIL_POOL_SIZE=4, MAIL_TIMEOUT=0.3)
        assert mail.send(message(1)).sent
        pass_time(kept_link(mail), 1.1)
        assert outcome_of(mail, 2) is Outcome.NOT_SENT
        assert mail.send(message(3)).sent
    assert len(server.accepted) == 2
    assert b"Number 2" not in server.conversations[0].wire.seen


def test_host_gone_silent_within_a_block_is_not_sent():
    with fault_server(Fault("mail", "stall", ((1, 1),)), extensions=MODES["both"]) as server:
        mail = mail_to(server.port, MAIL_TIMEOUT=0.3)
        with mail.connect() as connection:
            pass_time(connection.host.file, 60)
            receipts = connection.send_many(message(number) for number in range(3))
    assert [each.outcome for each in receipts] == [
        Outcome.NOT_SENT,
        Outcome.SENT,
        Outcome.SENT,
    ]


def test_batch_that_waited_for_its_source_hears_a_reply_first():
    def slowly():
        yield message(0)
        pass_time(connection.host.file, 1.1)
        yield message(1)

    with fault_server(Fault("mail", "stall", ((1, 2),)), extensions=MODES["both"]) as server:
        mail = mail_to(server.port, MAIL_TIMEOUT=0.3)
        with mail.connect() as connection:
            receipts = connection.send_many(slowly())
    assert [each.outcome for each in receipts] == [Outcome.SENT, Outcome.NOT_SENT]


def test_session_that_was_in_use_within_a_second_sends_in_one_round_trip():
    """All of the message has left before there is any reply."""
    with fault_server(Fault("mail", "stall", ((1, 2),)), extensions=MODES["both"]) as server:
        mail = mail_to(server.port, MAIL_POOL_SIZE=4, MAIL_TIMEOUT=0.3)
        assert mail.send(message(1)).sent
        pass_time(kept_link(mail), 0.3)
        assert outcome_of(mail, 2) is Outcome.UNKNOWN
    assert b"Number 2" in server.conversations[0].wire.seen


def test_reply_to_an_idle_session_lets_content_go_at_once_again():
    with fault_server(extensions=MODES["both"]) as server:
        mail = mail_to(server.port, MAIL_POOL_SIZE=4)
        assert mail.send(message(1)).sent
        link = kept_link(mail)
        pass_time(link, 5)
        assert link.is_quiet()
        assert mail.send(message(2)).sent
        assert not link.is_quiet()
    assert len(server.conversations) == 1
