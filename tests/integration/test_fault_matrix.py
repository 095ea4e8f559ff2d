"""Every fault at every stage, in every mode of transfer: the outcome is exact, and the server's own
record of what it accepted agrees with each receipt.

What must become of a message follows from three questions: was its content complete when the fault
came, did the server judge it, and did the link break?
"""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest
from fault_play import (
    AT_ONCE,
    MODES,
    NOT_SENT,
    REFUSED,
    SENT,
    UNKNOWN,
    Play,
    little_room,
)
from fault_server import PASSWORD, USERNAME
from faults import (
    CLOSING,
    KINDS,
    LASTING,
    NEGATIVE,
    OPENING,
    PATIENCE,
    STAGES,
    Fault,
    first_of,
)

from flask_mail import Outcome
from flask_mail.smtp import pipeline, source, wire
from flask_mail.smtp.growth import Growth

__all__ = ["little_room"]  # a fixture

pytestmark = [pytest.mark.exhaustive, pytest.mark.usefixtures("little_room")]

UNACCEPTED = "unaccepted"
"""The stage "content" of a server that has not accepted the message."""


@dataclass(frozen=True)
class Cell:
    """One place in the matrix."""

    mode: str
    stage: str
    kind: str
    always: bool = False
    """True if the message meets the fault on the second connection too."""
    timeout: float = 0.3
    """Seconds until silence is taken for a fault; everything else may take much longer."""

    def __str__(self) -> str:
        return "-".join((self.mode, self.stage, self.kind, *(["always"] if self.always else [])))

    def fault(self, *at: tuple[int, int]) -> Fault:
        """Return the fault at these connections and messages; on one connection more if always."""
        places = (*at, (at[-1][0] + 1, min(1, at[-1][1]))) if self.always else at
        if self.stage == UNACCEPTED:
            return Fault("content", self.kind, places, accepts=False)
        return Fault(self.stage, self.kind, places)

    @property
    def is_complete(self) -> bool:
        """True if the system has the whole content when the client learns of the fault."""
        if self.mode in AT_ONCE:
            return True
        by_half = self.mode != "large" and self.stage == "half"
        at_bdat = self.mode == "chunking" and self.stage == "data"
        return by_half or at_bdat or self.stage in ("content", UNACCEPTED)

    @property
    def is_of_content(self) -> bool:
        """True if a reply at this stage is the one to the whole content."""
        if self.mode == "large":
            return self.stage == "content"
        at_bdat = self.mode in ("chunking", *AT_ONCE) and self.stage == "data"
        return at_bdat or self.stage in ("half", "content")

    @property
    def is_passed_over(self) -> bool:
        """True if the session opens another way: with HELO, which excludes TLS, or over a new
        connection after a reply too many or a 421."""
        if self.stage == "ehlo":
            return self.kind in ("5xx", "two") and self.mode != "tls"
        return (self.stage, self.kind) in (("auth", "two"), ("greeting", "421"))

    @property
    def expected(self) -> set[Outcome]:
        """Possible outcomes of the message that meets the fault."""
        return self._expected[0]

    @property
    def attempts(self) -> int:
        return self._expected[1]

    @property
    def expected_behind(self) -> tuple[set[Outcome], int]:
        """Possible outcomes and attempts of the message on a connection that was used before: after
        4xx to MAIL, it is sent again over a new one."""
        if (self.stage, self.kind) == ("mail", "4xx"):
            return {SENT}, 2
        return self._expected

    @property
    def _expected(self) -> tuple[set[Outcome], int]:
        again = {NOT_SENT if self.always else SENT}, 2
        if self.stage == "quit":
            return {SENT}, 1
        if self.stage == "replied":
            # Where all was under way before the first reply, each may be another command's.
            doubtful = ("421", "garbage", "mixed", *NEGATIVE)
            is_doubtful = self.mode in AT_ONCE and self.kind in doubtful
            return {SENT, UNKNOWN} if is_doubtful else {SENT}, 1
        if self.stage in OPENING:
            return {SENT if self.is_passed_over else NOT_SENT}, 1
        if self.kind in NEGATIVE:
            if self.stage.startswith("rcpt"):
                return {SENT}, 1  # to the others
            return {NOT_SENT if self.kind == "4xx" else REFUSED}, 1
        if self.kind == "421":
            # It may come unasked, and proves nothing where the reply to all of the content is due.
            return ({UNKNOWN}, 1) if self.is_of_content else again
        if self.kind == "two":
            if self.mode in AT_ONCE and self.stage not in ("data", "half", "content"):
                return {UNKNOWN}, 1  # what is left for the content is a reply about an address
            return {SENT if self.is_complete else NOT_SENT}, 1
        if self.is_complete:
            return {UNKNOWN}, 1
        return again if self.kind in CLOSING else ({NOT_SENT}, 1)

    @property
    def expected_next(self) -> set[Outcome]:
        """Possible outcomes of the next message in a batch."""
        if self.stage in (*OPENING, "quit") or self.mode in AT_ONCE or self.kind == "421":
            return self.expected_later
        if self.stage == "replied" and self.kind == "stall":
            return {NOT_SENT}
        if self.mode == "pipelining":
            # MAIL, RCPT and DATA left with the content of the message before.
            if self.stage == "replied" and self.kind not in CLOSING:
                return {SENT, NOT_SENT}
            if self.stage in ("half", "content") and self.kind == "two":
                return {SENT, NOT_SENT}
        return {SENT}

    @property
    def expected_later(self) -> set[Outcome]:
        """Possible outcomes of the messages after the next one."""
        if self.stage in OPENING:
            return self.expected
        if self.mode not in AT_ONCE or self.stage == "quit" or self.kind == "421":
            return {SENT}
        if self.kind in NEGATIVE and self.stage != "replied":
            return {SENT}
        # They were under way too, if the server was not too fast for that; else they may be the
        # first to meet the answer that is too many.
        return {SENT, UNKNOWN, NOT_SENT} if self.kind == "two" else {SENT, UNKNOWN}

    @property
    def expected_alone(self) -> set[Outcome]:
        """Possible outcomes of the next message if it is sent separately."""
        if (self.stage, self.kind) == ("replied", "stall"):
            return {UNKNOWN if self.mode in AT_ONCE else NOT_SENT}
        return {SENT}


def cells(kinds):
    """Yield the whole matrix, for these kinds of faults."""
    for mode, stage, kind in itertools.product(MODES, (*STAGES, UNACCEPTED), kinds):
        if stage == "accept" and kind not in ("close", "reset", "stall"):
            continue  # a server that has not greeted yet says nothing
        if stage == UNACCEPTED and kind in ("421", "two", *NEGATIVE):
            continue  # as "content" or, twice a yes that is none, not of this world
        cell = Cell(mode, stage, kind)
        yield cell
        if cell.attempts == 2:  # tried again
            yield Cell(mode, stage, kind, always=True)


FAST = list(cells([each for each in KINDS if each not in LASTING]))
SLOW = list(cells(LASTING))


def play(cell, *faults, **settings):
    server = {"login": cell.stage == "auth", **settings.pop("server", {})}
    if cell.stage == "auth":
        settings |= {"MAIL_USERNAME": USERNAME, "MAIL_PASSWORD": PASSWORD}
    if cell.kind in LASTING:
        settings["MAIL_TIMEOUT"] = cell.timeout
    tls = cell.stage in ("starttls", "handshake")
    return Play(cell.mode, *faults, server=server, tls=tls, **settings)


def single(cell):
    """A message on a new connection meets the fault; then another is sent."""
    at = (1, 0) if cell.stage in (*OPENING, "quit") else (1, 1)
    settings = {"MAIL_POOL_SIZE": 0} if cell.stage == "quit" else {}
    with play(cell, cell.fault(at), **settings) as played:
        played.send()
        played.send()
        played.expect(cell.expected, cell.expected_alone)
        played.expect_attempts(0, cell.attempts)
    return played.problems


def warm(cell):
    """The second message on a connection from the pool meets the fault; then another is sent.

    A fault of the opening comes when the server has hung up on the first connection meanwhile.
    """
    settings, before = {}, ()
    if cell.stage in OPENING:
        fault = cell.fault((2, 0))
        before = [Fault("replied", "close", ((1, 1),))]
    elif cell.stage == "quit":
        fault = cell.fault((1, 0))
        settings = {"MAIL_MAX_EMAILS": 2}
    else:
        fault = cell.fault((1, 2))
    with play(cell, *before, fault, **settings) as played:
        played.send()
        played.send()
        played.send()
        outcomes, attempts = cell.expected_behind
        played.expect(SENT, outcomes, cell.expected_alone)
        played.expect_attempts(1, attempts)
    return played.problems


def batch(cell):
    """The second message of several meets the fault; then another is sent by itself."""
    count = 4 if cell.mode == "large" else 5
    is_opening = cell.stage in OPENING
    settings = {"MAIL_POOL_SIZE": 0} if cell.stage == "quit" else {}
    at = (1, 0) if is_opening or settings else (1, 2)
    with play(cell, cell.fault(at), **settings) as played:
        played.send_many(count)
        played.send()
        outcomes, attempts = cell.expected_behind
        begin = [outcomes] if is_opening else [SENT, outcomes]
        later = [cell.expected_later] * (count - len(begin) - 1)
        played.expect(*begin, cell.expected_next, *later, SENT)
        played.expect_attempts(len(begin) - 1, attempts)
    return played.problems


IN_FLIGHT = 2
"""Messages in flight on each of several connections."""


def held_until_there_are_two(fault):
    """Return what chooses the fault, and delays the first connection until there is another."""
    choose, opened = first_of(fault), threading.Event()

    def choose_later(stage, connection, message):
        if connection > 1:
            opened.set()
        elif message == 3:  # the reply to the first one has left
            opened.wait(PATIENCE)
        return choose(stage, connection, message)

    return choose_later


def spread(cell, connections):
    """A message on the second connection of a batch meets the fault, or its opening does."""
    is_opening = cell.stage in (*OPENING, "quit")
    settings = {"MAIL_POOL_SIZE": 0} if cell.stage == "quit" else {}
    settings["MAIL_BATCH_CONNECTIONS"] = connections
    count = 8 if cell.mode == "large" else 12
    fault = cell.fault((2, 0) if is_opening else (2, 1))
    settings["server"] = {"choose": held_until_there_are_two(fault)}
    with play(cell, fault, **settings) as played:
        played.send_many(count)
        played.send()
        possible = {SENT}
        if not is_opening:
            possible |= cell.expected | cell.expected_next | cell.expected_later
        played.expect(*[possible] * count, SENT)
        # At most those in flight on the connection, and the one behind.
        lost = sum(each.outcome is not SENT for each in played.receipts)
        limit = IN_FLIGHT + 1 if cell.mode in AT_ONCE else 2
        if lost > limit:
            played.problems.append(f"{cell}: {lost} messages were not sent")
    return played.problems


def spread_over_3(cell):
    return spread(cell, 3)


def spread_over_8(cell):
    return spread(cell, 8)


SPREAD = [spread_over_3, spread_over_8]


@pytest.fixture(autouse=True)
def eager(request, monkeypatch):
    """Few messages fill a connection, and another one is opened soon."""
    if request.node.callspec.params["way"] in SPREAD:
        monkeypatch.setattr(wire, "FIRST_MESSAGES", IN_FLIGHT)
        monkeypatch.setattr(pipeline, "MESSAGES", IN_FLIGHT)
        monkeypatch.setattr(Growth, "seconds_left", lambda self, count: 0.0)
        monkeypatch.setattr(source, "_TRUSTED", 1)


@pytest.mark.parametrize("cell", FAST, ids=str)
@pytest.mark.parametrize("way", [single, warm, batch, *SPREAD])
def test_a_fault_leaves_each_message_with_the_outcome_that_is_true_of_it(way, cell):
    assert way(cell) == []


@pytest.mark.parametrize("kind", LASTING)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", [single, warm, batch, *SPREAD])
def test_silence_at_any_stage_gives_true_outcomes(way, mode, kind):
    """All stages of a mode at the same time, because each takes until MAIL_TIMEOUT."""
    chosen = [each for each in SLOW if (each.mode, each.kind) == (mode, kind)]
    with ThreadPoolExecutor(len(chosen)) as pool:
        problems = pool.map(way, chosen)
    # On a busy machine what is only slow may look silent: those that failed get another chance,
    # alone and with more time.
    failed = [cell for cell, found in zip(chosen, problems, strict=True) if found]
    assert [way(replace(cell, timeout=3)) for cell in failed] == [[] for _ in failed]
