"""The Date header (RFC 5322 section 3.3)."""

from __future__ import annotations

import math
import time
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from ..errors import MessageError
from ..util.text import describe

# strftime depends on the locale.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def date_header(date: object) -> str:
    """Return the ``Date:`` value of a datetime, or of seconds since the epoch, in local time.

    A datetime without a time zone is local time.

    :raises MessageError: `date` is not a date, or is before 1900 (RFC 5322 section 3.3) or after
        9999.
    """
    try:
        if isinstance(date, datetime):
            moment = date if date.utcoffset() is not None else date.astimezone()
            written, year = format_datetime(moment), moment.year
        else:
            seconds = date.__float__()  # type: ignore[attr-defined]  # float() reads strings too
            written, year = _in_local_time(seconds)
        if not 1900 <= year <= 9999:
            raise ValueError(year)
    except (AttributeError, TypeError, ValueError, OverflowError, OSError) as error:
        raise MessageError(
            f"The date {describe(date)} cannot be used: pass a datetime or seconds since the epoch,"
            " from 1900 on."
        ) from error
    return written


def _in_local_time(seconds: float) -> tuple[str, int]:
    # The zone is part of the cache key, as a program may change it.
    return _of_second(math.floor(seconds), (time.timezone, time.altzone, time.tzname))


@lru_cache(maxsize=16)  # a batch is sent within a few seconds
def _of_second(seconds: int, zone: object) -> tuple[str, int]:
    local = time.localtime(seconds)
    minutes = abs(local.tm_gmtoff) // 60
    sign = "-" if local.tm_gmtoff < 0 else "+"
    return (
        f"{_DAYS[local.tm_wday]}, {local.tm_mday:02} {_MONTHS[local.tm_mon - 1]}"
        f" {local.tm_year:04} {local.tm_hour:02}:{local.tm_min:02}:{local.tm_sec:02}"
        f" {sign}{minutes // 60:02}{minutes % 60:02}"
    ), local.tm_year
