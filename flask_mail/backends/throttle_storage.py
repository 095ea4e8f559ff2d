"""A rate that processes share, by the library limits."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any, Final

from ..errors import ConfigurationError
from ..util.clocks import monotonic
from ..util.secret import Secret

_log = logging.getLogger("flask_mail")

_PAUSE: Final = 10.0
"""Seconds after which a storage that did not answer is asked again."""
_SOONEST: Final = 0.01


def check_storage(storage: Secret, setting: str) -> None:
    """Check that a storage can be used, without asking it.

    :raises ConfigurationError: the library limits is missing, or does not know the storage.
    """
    try:
        import limits  # noqa: F401
    except ImportError:
        raise ConfigurationError(
            f'{setting} needs the library limits: pip install "path/to/flask-mail[limits]"'
        ) from None
    problem = ""
    try:
        _limiter(storage)
    except Exception as error:  # noqa: BLE001 (the text may show the URL)
        problem = type(error).__name__
    if problem:
        raise ConfigurationError(
            f"{setting} cannot be used ({problem}): it must be the URL of a storage of the library"
            " limits that has moving windows, such as redis, and its own library be installed."
        )


class SharedBucket:
    """Permits that a storage counts for all processes; while it is down, those of this process.

    :param interval: seconds from one message to the next.
    :param burst: the number of messages in a window, which is as long as the rate needs for them.
    :param key: returns the name of the rate in the storage.
    :param take_locally: takes a permit of this process, while the storage is down.
    """

    def __init__(
        self,
        storage: Secret,
        interval: float,
        burst: int,
        key: Callable[[], str],
        take_locally: Callable[[float], tuple[bool, float]],
    ) -> None:
        from limits import RateLimitItemPerSecond

        # Windows last whole seconds; a longer one never exceeds the rate.
        window = math.ceil(burst * interval)
        self._item = RateLimitItemPerSecond(burst, window, namespace="flask-mail")
        self._limiter = _limiter(storage)
        self._key = key
        self._take_locally = take_locally
        self.clock: Callable[[], float] = monotonic
        self._down_until = -math.inf
        self._is_down = False

    def take(self, most: float) -> tuple[bool, float]:
        if self.clock() < self._down_until:
            return self._take_locally(most)
        try:
            if self._limiter.hit(self._item, self._key()):
                answer = True, 0.0
            else:
                window = self._limiter.get_window_stats(self._item, self._key())
                answer = False, max(_SOONEST, window.reset_time - time.time())
        except Exception as error:  # noqa: BLE001 (each storage has errors of its own)
            if not self._is_down:
                # Not its text, which may show the URL with a password.
                _log.warning(
                    "The storage of a throttle is down (%s): until it is back, each process limits"
                    " the rate by itself.",
                    type(error).__name__,
                )
            self._is_down = True
            self._down_until = self.clock() + _PAUSE
            return self._take_locally(most)
        self._is_down = False
        return answer


def _limiter(storage: Secret) -> Any:
    from limits.storage import storage_from_string
    from limits.strategies import MovingWindowRateLimiter

    return MovingWindowRateLimiter(storage_from_string(storage.reveal()))
