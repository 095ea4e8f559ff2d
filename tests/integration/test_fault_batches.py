"""Faults that come together, and what they leave of a batch; the server's record is the judge."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from fault_play import (
    AT_ONCE,
    MODES,
    NOT_SENT,
    REFUSED,
    ROOM,
    SENT,
    UNKNOWN,
    Play,
    little_room,
)
from faults import CLOSING, NONSENSE, Fault, first_of

__all__ = ["little_room"]  # a fixture

pytestmark = [pytest.mark.exhaustive, pytest.mark.usefixtures("little_room")]

every_mode = pytest.mark.parametrize("mode", MODES)
step_by_step = pytest.mark.parametrize("mode", [each for each in MODES if each not in AT_ONCE])


def replied(mode):
    """Return what may become of a message whose reply is followed by 421 at once: where all was
    under way before the first reply, each may be another command's."""
    return {SENT, UNKNOWN} if mode in AT_ONCE else SENT


@every_mode
@pytest.mark.parametrize("kind", ["4xx", "5xx", "close", "reset", *NONSENSE])
def test_a_server_that_cannot_be_reached_again_leaves_the_rest_not_sent(mode, kind):
    """It said 421 before, so that nothing behind the second message was looked at."""
    faults = Fault("replied", "421", ((1, 2),)), Fault("greeting", kind, ((2, 0),))
    with Play(mode, *faults) as play:
        play.send_many(5)
        play.expect(SENT, replied(mode), NOT_SENT, NOT_SENT, NOT_SENT)
    assert play.problems == []
    assert len(play.server.conversations) == 2


@every_mode
def test_a_server_without_room_is_asked_again_for_the_rest(mode):
    """421 at the greeting of the second connection: it may be one too many for now."""
    faults = Fault("replied", "421", ((1, 2),)), Fault("greeting", "421", ((2, 0),))
    with Play(mode, *faults) as play:
        play.send_many(5)
        play.expect(SENT, replied(mode), SENT, SENT, SENT)
    assert play.problems == []
    assert len(play.server.conversations) == 3


@every_mode
def test_a_server_that_listens_no_more_leaves_the_rest_not_sent(mode):
    with Play(mode, Fault("replied", "421", ((1, 2),)), server={"connections": 1}) as play:
        play.send_many(5)
        play.expect(SENT, replied(mode), NOT_SENT, NOT_SENT, NOT_SENT)
    assert play.problems == []


@step_by_step
@pytest.mark.parametrize("kind", CLOSING)
@pytest.mark.parametrize("stage", ["mail", "rcpt2", "rcpt3"])
def test_three_connections_in_vain_are_enough(mode, kind, stage):
    with Play(mode, Fault(stage, kind)) as play:
        play.send_many(7)
        play.expect(*[NOT_SENT] * 7)
    assert play.problems == []
    assert len(play.server.conversations) == 3


def test_three_silent_connections_are_enough():
    def problems(mode):
        with Play(mode, Fault("mail", "stall"), MAIL_TIMEOUT=1) as play:
            play.send_many(7)
            play.expect(*[{NOT_SENT, UNKNOWN} if mode in AT_ONCE else NOT_SENT] * 7)
        assert len(play.server.conversations) <= 3
        return play.problems

    with ThreadPoolExecutor(len(MODES)) as pool:  # each takes three times MAIL_TIMEOUT
        assert list(pool.map(problems, MODES)) == [[]] * len(MODES)


@step_by_step
def test_a_message_is_tried_twice_whatever_happens_to_it(mode):
    faults = Fault("rcpt2", "close", ((1, 2),)), Fault("mail", "421", ((2, 1),))
    with Play(mode, *faults) as play:
        play.send_many(4)
        play.expect(SENT, NOT_SENT, SENT, SENT)
        play.expect_attempts(1, 2)
    assert play.problems == []
    assert len(play.server.conversations) == 3


@step_by_step
def test_a_message_behind_one_that_broke_the_link_has_both_of_its_tries(mode):
    """Its own commands may have left already."""
    faults = Fault("content", "close", ((1, 2),)), Fault("mail", "close", ((2, 1),))
    with Play(mode, *faults) as play:
        play.send_many(4)
        play.expect(SENT, UNKNOWN, SENT, SENT)
    assert play.problems == []
    assert len(play.server.conversations) == 3


@every_mode
@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (("4xx", "4xx", "4xx"), NOT_SENT),
        (("5xx", "5xx", "5xx"), REFUSED),
        (("4xx", "5xx", "4xx"), REFUSED),
    ],
)
@pytest.mark.parametrize("goes_ahead", [False, True])
def test_a_message_for_nobody_leaves_the_connection_to_the_others(
    mode, replies, expected, goes_ahead
):
    """This holds even if the server answers 354 to DATA nevertheless (RFC 2920 section 3.1)."""
    faults = [Fault(f"rcpt{n}", kind, ((1, 2),)) for n, kind in enumerate(replies, 1)]
    with Play(mode, *faults, server={"goes_ahead_for_nobody": goes_ahead}) as play:
        play.send_many(4)
        play.send()
        play.expect(SENT, expected, SENT, SENT, SENT)
    assert play.problems == []
    assert len(play.receipts[1].refused) == 3
    assert len(play.server.conversations) == 1


@every_mode
@pytest.mark.parametrize(
    ("kind", "expected", "connections"), [("4xx", SENT, 2), ("5xx", REFUSED, 1)]
)
def test_354_after_a_refused_sender_gets_empty_content(mode, kind, expected, connections):
    """After 4xx, it goes over a new connection."""
    fault = Fault("mail", kind, ((1, 2),))
    with Play(mode, fault, server={"goes_ahead_for_nobody": True}) as play:
        play.send_many(4)
        play.expect(SENT, expected, SENT, SENT)
    assert play.problems == []
    assert len(play.server.conversations) == connections


TOO_MANY = [
    (mode, stage, kind)
    for mode in MODES
    for stage in ("mail", "rcpt1", "rcpt3", *(["data", "half"] if mode == "large" else []))
    for kind in ("4xx", "5xx", "421", "close")
    # Then all replies are as good as those of a server that hangs up once it has accepted.
    if mode not in AT_ONCE or kind not in CLOSING
]


@pytest.mark.parametrize(("mode", "stage", "kind"), TOO_MANY)
def test_extra_reply_does_not_turn_refused_into_sent(mode, stage, kind):
    """An extra 250 makes each reply look like the one to the command before."""
    extra = Fault(stage, "two", ((1, 1),))
    refusal = Fault("content", kind, ((1, 1),), accepts=False)
    with Play(mode, extra, server={"choose": first_of(extra, refusal)}) as play:
        play.send()
        play.expect({NOT_SENT, REFUSED, UNKNOWN})
    assert play.problems == []


@pytest.mark.parametrize(
    ("mode", "stage", "kind"), [each for each in TOO_MANY if each[0] not in AT_ONCE]
)
def test_an_answer_too_many_in_a_batch_passes_no_refused_message_for_sent(mode, stage, kind):
    extra = Fault(stage, "two", ((1, 2),))
    refusal = Fault("content", kind, ((1, 2),), accepts=False)
    with Play(mode, extra, server={"choose": first_of(extra, refusal)}) as play:
        play.send_many(4)
        play.expect(SENT, NOT_SENT, SENT, SENT)
    assert play.problems == []


@pytest.mark.parametrize("kind", CLOSING)
def test_replies_lost_with_the_connection_are_unknown(kind):
    """A server may have accepted more than it got round to telling."""
    fault = Fault("mail", kind, ((1, 4),))
    with Play("both", fault, server={"keeps_replies": True}) as play:
        play.send_many(6)
        play.send()
        play.expect(*[{SENT, UNKNOWN}] * 7)
    assert play.problems == []


@every_mode
def test_a_limit_of_messages_holds_on_each_connection_also_after_a_break(mode):
    fault = Fault("rcpt1", "421", ((2, 2),))
    with Play(mode, fault, MAIL_MAX_EMAILS=2) as play:
        play.send_many(8)
        play.send()
        play.expect(*[SENT] * 9)
    assert play.problems == []
    carried = Counter(each.connection for each in play.server.accepted)
    assert max(carried.values()) == 2


@every_mode
def test_a_refusal_that_is_never_ended_does_not_pass_for_sent(mode):
    """It goes on with the reply to the next command, which is a yes."""
    unended = Fault("content", "unended", ((1, 2),), accepts=False)
    with Play(mode, unended, MAIL_TIMEOUT=1) as play:
        play.send_many(5)
        play.send()
        later = {SENT, UNKNOWN} if mode in AT_ONCE else SENT
        play.expect(SENT, UNKNOWN, *[later] * 3, SENT)
    assert play.problems == []


def lines(count):
    """Return a body: of messages like these more are under way than the system takes at once."""
    return ("x" * 70 + "\n") * count


@pytest.mark.parametrize("mode", AT_ONCE)
@pytest.mark.parametrize("kind", CLOSING)
@pytest.mark.parametrize("keeps", [False, True], ids=["told", "untold"])
@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize("count", [100, 300, 700])
def test_what_a_server_has_read_of_a_blocked_write_is_not_sent_again(
    mode, kind, keeps, number, count
):
    """A TLS socket does not tell how much of a write has left, if not all of it."""
    fault = Fault("mail", kind, ((1, number),))
    server = {"keeps_replies": keeps, "room": ROOM}
    with Play(mode, fault, server=server, body=lines(count)) as play:
        play.send_many(8)
        play.expect(*[{SENT, UNKNOWN}] * 8)
    assert play.problems == []


@every_mode
def test_answers_that_come_while_a_write_is_blocked_are_not_too_early(mode):
    body = None if mode == "large" else lines(700)
    with Play(mode, server={"room": ROOM}, body=body, tls=mode == "large") as play:
        play.send()
        play.send_many(12)
        play.expect(*[SENT] * 13)
    assert play.problems == []
    assert len(play.server.conversations) == 1


@pytest.mark.parametrize("mode", ["pipelining", *AT_ONCE])
def test_neither_side_waits_for_the_other_for_ever_when_much_is_under_way(mode):
    """More than the system holds in either direction."""
    with Play(mode, server={"room": ROOM}, body=lines(1200)) as play:
        play.send_many(8)
        play.expect(*[SENT] * 8)
    assert play.problems == []


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail", "rcpt2", "content"])
def test_a_server_that_drips_cannot_hold_a_message_beyond_its_deadline(stage):
    """However long MAIL_TIMEOUT is."""

    def problems(mode):
        is_complete = stage == "content" or (mode in AT_ONCE and stage in ("mail", "rcpt2"))
        with Play(mode, Fault(stage, "drip"), MAIL_TIMEOUT=600, MAIL_DEADLINE=1.5) as play:
            play.send()
            play.expect(UNKNOWN if is_complete else NOT_SENT)
        return play.problems

    with ThreadPoolExecutor(len(MODES)) as pool:  # each takes until MAIL_DEADLINE
        assert list(pool.map(problems, MODES)) == [[]] * len(MODES)
