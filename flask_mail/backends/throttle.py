"""Delivery by another mailer at a limited rate."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ..config.converters import to_count, to_seconds
from ..config.table import convert
from ..errors import BackendUnavailable
from ..receipt import Receipt
from ..util.clocks import monotonic, waited
from ..util.locks import ForkSafeLock
from ..util.secret import Secret
from .base import Backend
from .composite import Composite, part_of, to_name
from .options import key_of_option, read_options
from .sessions import Sessions

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..delivery.outgoing import Outgoing

_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_RATE: Final = re.compile(r"\s*(\d{1,9})\s*/\s*(second|minute|hour|day)\s*", re.ASCII)


class Rate(NamedTuple):
    """A number of messages in a period."""

    messages: int
    seconds: int

    def __str__(self) -> str:
        unit = next(name for name, seconds in _UNITS.items() if seconds == self.seconds)
        return f"{self.messages}/{unit}"

    @property
    def interval(self) -> float:
        """Seconds from one message to the next."""
        return self.seconds / self.messages


class Bucket(Protocol):
    """Permits for messages at a limited rate."""

    def take(self, most: float) -> tuple[bool, float]:
        """Take a permit that is valid in at most `most` seconds.

        Return True and the seconds until it is valid; or False and the seconds after which to ask
        again.
        """


class LocalBucket:
    """A token bucket of this process, which serves threads in the order in which they ask.

    :param burst: the number of messages that it permits immediately when it is full.
    """

    def __init__(self, rate: Rate, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self._interval = rate.interval
        self._depth = (burst - 1) * rate.interval
        self._clock = clock
        self._lock = ForkSafeLock()
        self._full_at = -math.inf

    def take(self, most: float) -> tuple[bool, float]:
        with self._lock():
            now = self._clock()
            full_at = max(self._full_at, now)
            wait = max(0.0, full_at - self._depth - now)
            if wait > most:
                return False, wait
            self._full_at = full_at + self._interval
            return True, wait


class ThrottleBackend(Composite):
    """Delivers by another mailer, at most at a given rate.

    A message that would have to wait for longer than `max_wait` is not sent; its error says when to
    try again.

    :param mailer: name of the mailer.
    :param rate: number of messages per second, minute, hour or day, such as ``"14/second"``.
    :param burst: number of messages that need not wait after a pause; default: those of a second.
    :param max_wait: seconds for which a message waits at most; a single one waits for at most half
        of its deadline, of which the wait is a part.
    :param storage: URL of a storage of the library limits, such as ``"redis://localhost"``, by
        which processes share the rate; default: each process has its own.
    """

    name = "throttle"

    def __init__(
        self,
        *,
        mailer: Backend[Any],
        rate: Rate,
        burst: int | None = None,
        max_wait: float = 5.0,
        storage: Secret | None = None,
    ) -> None:
        super().__init__([mailer])
        self.rate = rate
        self.max_wait = max_wait
        burst = burst or max(1, rate.messages // rate.seconds)
        self.bucket: Bucket = LocalBucket(rate, burst)
        self.sleep: Callable[[float], object] = time.sleep
        if storage is not None:
            from .throttle_storage import SharedBucket

            self.bucket = SharedBucket(
                storage, rate.interval, burst, lambda: self.mailer or self.name, self.bucket.take
            )

    @classmethod
    def parts(cls, options: Mapping[str, Any]) -> Sequence[Any]:
        return part_of(cls, options)

    @classmethod
    def from_options(cls, options: Mapping[str, Any], build: Callable[[str], Backend[Any]]) -> Self:
        key_of = key_of_option(cls, options)
        given = read_options(cls, key_of, options)
        for name, read in _READERS.items():
            if name in given:
                given[name] = convert(key_of(name), read, given[name], secret=False)
        if "storage" in given:
            from .throttle_storage import check_storage

            check_storage(given["storage"], key_of("storage"))
        return cls(**{**given, "mailer": build(given["mailer"])})

    def deliver(self, mail: Outgoing, session: Sessions) -> Receipt:
        [child] = self.children
        limit, before = child.time_limit(mail), waited.get()
        # Half, so that enough time to deliver is left.
        most = self.max_wait if limit is None else min(self.max_wait, (limit - before) / 2)
        given, seconds = self._on_time(mail, most)
        if isinstance(given, Receipt):
            return given
        outside = waited.set(before + seconds)
        try:
            return session.attempt(child, given)
        finally:
            waited.reset(outside)

    def deliver_many(self, mails: Iterable[Outgoing], session: Sessions) -> Iterator[Receipt]:
        given = (self._on_time(mail, self.max_wait)[0] for mail in mails)
        return session.deliver_many(self.children[0], given)

    def _on_time(self, mail: Outgoing, most: float) -> tuple[Outgoing | Receipt, float]:
        """Return a message when it may be sent, or the receipt of one that would wait too long.

        :param most: seconds for which it waits at most.
        :return: also the seconds for which it has waited.
        """
        left = most
        while True:
            is_granted, wait = self.bucket.take(left)
            if not is_granted and wait > left:
                break
            if wait:
                self.sleep(wait)
                left -= wait
            if is_granted:
                return mail, most - left
        error = BackendUnavailable(
            f"The message was not sent, as {self.setting('rate')} allows {self.rate}: try again in"
            f" {math.ceil(wait)} seconds.",
            attempts=0,
            retry_after=wait,
        )
        return self.receipt_of(error, mail, handed_over=False), most - left


def _to_rate(value: object) -> Rate:
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None or not int(found[1]):
        raise ValueError('a number of messages per second, minute, hour or day, like "14/second"')
    return Rate(int(found[1]), _UNITS[found[2]])


def _to_burst(value: object) -> int:
    count = to_count(value)
    if not count:
        raise ValueError("a whole number above 0")
    return count


def _to_wait(value: object) -> float:
    if value in (0, "0"):
        return 0.0
    try:
        return to_seconds(value)
    except ValueError:
        raise ValueError("a number of seconds, 0 or more, at most a million") from None


_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "mailer": to_name,
    "rate": _to_rate,
    "burst": _to_burst,
    "max_wait": _to_wait,
}
