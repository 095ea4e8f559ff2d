"""A signal handler may raise between any two steps, also an ``OSError``: each outcome stays true,
and what it raised reaches the caller."""

from __future__ import annotations

import contextlib
import gc
import random
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from fault_play import MODES, NOT_SENT, SENT, UNKNOWN
from fault_server import fault_server
from servers import mail_to

import flask_mail.smtp
from flask_mail import DeliveryError, Message
from flask_mail.smtp import session as client
from flask_mail.smtp.alarms import TOLERANT, is_of_link

ROOM = str(Path(flask_mail.smtp.__file__).parent)
WAYS = [mode for mode in MODES if mode not in ("tls", "large")]

# A socket that no variable holds yet is closed by the interpreter; and it calls finalizers, which
# are no place to raise.
pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.filterwarnings(
        "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]


@pytest.fixture(autouse=True)
def collected():
    """Nothing that was interrupted is left to be collected in another test, or at exit."""
    yield
    gc.collect()


class Alarm:
    """Raises `error` at one of the calls and returns of :mod:`flask_mail.smtp`, as a signal handler
    does; also at those of what is written in C.

    :ivar count: how many of them came to pass.
    """

    def __init__(self, moment=None, error=None):
        self.count = 0
        self._moment = moment
        self._error = error

    def __enter__(self):
        gc.disable()  # what is collected now is of other tests, and no place to raise
        self._others = sys.getprofile()
        sys.setprofile(self._step)
        return self

    def __exit__(self, *exc_info):
        sys.setprofile(self._others)
        gc.enable()

    def _step(self, frame, event, argument):
        # No handler runs between the end of a block and the release of its lock, which is in C.
        is_release = event == "c_call" and argument.__name__ in ("__exit__", "release")
        if frame.f_code.co_filename.startswith(ROOM) and not is_release:
            if self.count == self._moment:
                self._moment = None
                raise self._error
            self.count += 1


def has(found, error):
    """Return whether an exception is `error`, or has come of it."""
    return found is not None and (
        found is error or has(found.__cause__, error) or has(found.__context__, error)
    )


class Trial:
    """Messages that were interrupted, and what was told of them."""

    def __init__(self, server, **settings):
        self.told = {}
        self.mail = mail_to(server.port, MAIL_POOL_SIZE=4, **settings)
        self._server = server
        self._number = 0

    def messages(self, count):
        for _ in range(count):
            self._number += 1
            yield Message(f"Number {self._number}.", ["to@example.com"], "Hello\n")

    def send(self):
        """Send one message; return what was raised."""
        [message] = self.messages(1)
        raised, outcome = None, SENT
        try:
            self.mail.send(message)
        except DeliveryError as error:
            raised, outcome = error, error.receipt.outcome
        except Exception as error:  # noqa: BLE001 (a signal handler may raise any)
            raised, outcome = error, UNKNOWN
        self.told[message.subject] = outcome
        return raised

    def send_many(self):
        """Send three messages; return the errors of their receipts."""
        batch = list(self.messages(3))
        self.told |= {each.subject: UNKNOWN for each in batch}
        try:
            receipts = self.mail.send_many(batch)
        except Exception as error:  # noqa: BLE001 (a signal handler may raise any)
            return [error]
        for message, receipt in zip(batch, receipts, strict=True):
            self.told[message.subject] = receipt.outcome
        return [each.error for each in receipts]

    def judge(self):
        """Compare what was told with what the server has accepted, when it has ended."""
        accepted = Counter(
            line.removeprefix(b"Subject: ").decode()
            for each in self._server.accepted
            for line in each.content.splitlines()
            if line.startswith(b"Subject: ")
        )
        self.mail.selection.backend().shut_down()
        allowed = {SENT: (1,), UNKNOWN: (0, 1), NOT_SENT: (0,)}
        wrong = {
            subject: (outcome.name, accepted[subject])
            for subject, outcome in self.told.items()
            if accepted[subject] not in allowed[outcome]
        }
        assert wrong == {}
        assert self._server.violations == []


@pytest.fixture(params=WAYS)
def mode(request):
    return request.param


@pytest.mark.parametrize("first", [0, 4])
def test_an_alarm_at_any_moment_of_a_message_leaves_its_outcome_true(mode, first):
    with fault_server(extensions=MODES[mode], connections=10_000) as server:
        trial = Trial(server)
        trial.send()
        with Alarm() as counted:
            trial.send()
        assert counted.count > 50
        for moment in range(first, counted.count, 9):
            alarm = TimeoutError() if moment % 2 else OSError("alarm")
            with Alarm(moment, alarm):
                raised = trial.send()
            # How often it waits differs, so that the moment may not come.
            assert has(raised, alarm) or alarm.__traceback__ is None
            assert trial.send() is None
    trial.judge()


def test_an_alarm_at_any_moment_of_a_batch_leaves_each_outcome_true(mode):
    with fault_server(extensions=MODES[mode], connections=10_000) as server:
        trial = Trial(server)
        trial.send_many()
        with Alarm() as counted:
            trial.send_many()
        for moment in range(0, counted.count, 23):
            alarm = OSError("alarm") if moment % 2 else TimeoutError()
            with Alarm(moment, alarm):
                errors = trial.send_many()
            # The last ones come when each message has its receipt.
            assert any(has(each, alarm) for each in errors) or errors == [None] * 3
            assert trial.send() is None
    trial.judge()


class Waking:
    """A socket on which a signal arrives as the call number `when` of that name returns."""

    def __init__(self, sock, name, when, alarm):
        self._sock = sock
        self._name = name
        self._when = when
        self._alarm = alarm

    def __getattr__(self, name):
        return getattr(self._sock, name)

    def __repr__(self):
        return repr(self._sock)

    def _call(self, name, argument):
        result = getattr(self._sock, name)(argument)
        if name == self._name:
            self._when -= 1
            if self._when == 0:
                raise self._alarm
        return result

    def send(self, data):
        return self._call("send", data)

    def recv(self, size):
        return self._call("recv", size)


ALARMS = [
    OSError("alarm"),
    TimeoutError(),
    ConnectionResetError(104, "alarm"),
    LookupError("alarm"),
]


@pytest.mark.parametrize("alarm", ALARMS, ids=repr)
@pytest.mark.parametrize("name", ["send", "recv"])
@pytest.mark.parametrize("when", range(1, 9))
def test_an_alarm_as_a_call_returns_proves_nothing(mode, name, when, alarm, monkeypatch):
    with fault_server(extensions=MODES[mode]) as server:
        trial = Trial(server)
        trial.send()
        [(_, host)] = trial.mail.selection.backend()._pool._idle
        link = host.file
        waking = link._sock = link.output._sock = Waking(link._sock, name, when, alarm)
        trial.send()
        waking._when = 0
        trial.send()
    trial.judge()


def test_what_a_handler_raises_is_not_taken_for_an_error_of_the_connection():
    for error in ALARMS:
        assert is_of_link(error) == isinstance(error, ConnectionResetError)
    for error in ALARMS:
        if not is_of_link(error):
            with pytest.raises(type(error)), TOLERANT:
                raise error
    with TOLERANT:
        raise ValueError("a closed socket")


class Goodbye:
    """A session that a signal interrupts as it says goodbye."""

    sock = file = None

    def close(self):
        raise TimeoutError


@pytest.mark.parametrize("way", [client.drop, client.end, client.leave])
def test_an_alarm_at_the_goodbye_is_not_swallowed(way):
    with pytest.raises(TimeoutError):
        way(Goodbye())


def test_real_signals_at_random_moments_leave_each_outcome_true():
    """The handler raises an OSError, as the one in the documentation of `signal` does."""
    chance = random.Random(7)

    def handler(number, frame):
        raise TimeoutError("alarm")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with fault_server(extensions=MODES["both"], connections=1000) as server:
            trial = Trial(server)
            trial.send()
            for _ in range(150):
                with contextlib.suppress(TimeoutError):
                    signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, 4e-3))
                    trial.send()
                    signal.setitimer(signal.ITIMER_REAL, 0)
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    trial.judge()
