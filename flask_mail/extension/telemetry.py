"""Telemetry that the settings ask for. Its room is above this one."""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING

from ..config.table import lookup
from ..config.telemetry_settings import TELEMETRY
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from flask import Flask

_log = logging.getLogger("flask_mail")


def switch_on(app: Flask) -> None:
    """Instrument `app` if ``MAIL_TELEMETRY`` says so and the program has not done it itself.

    An error is only logged: mail is more important than its traces.
    """
    try:
        if lookup(app.config, TELEMETRY):
            importlib.import_module("flask_mail.telemetry").instrument_once(app)
    except ConfigurationError as error:
        _log.error("Messages are neither traced nor measured: %s", error)
