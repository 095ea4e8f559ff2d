"""The option ``-v``: the dialogue with SMTP servers on standard error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import click

from ..smtp.wire import Wire, log
from .output import say


class _Printing(logging.Handler):
    """Handler that prints the dialogue, with the secrets of all settings masked."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def emit(self, record: logging.LogRecord) -> None:
        # A closed pipe must not look like a broken connection.
        with suppress(OSError, ValueError):
            say(self._redact(record.getMessage()), err=True)


verbose_option = click.option(
    "-v", "--verbose", is_flag=True, help="Print the SMTP dialogue, without passwords."
)


@contextmanager
def shown_dialogue(redact: Callable[[str], str]) -> Iterator[None]:
    """Print the dialogues of new connections, whatever the settings of logging are."""
    handler = _Printing(redact)
    level, propagates, is_disabled = log.level, log.propagate, log.disabled
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    # Handlers of the app would print it once more.
    log.propagate = log.disabled = False
    Wire.traces_all = True
    try:
        yield
    finally:
        Wire.traces_all = False
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate, log.disabled = propagates, is_disabled
