"""Warnings about the settings of an app, once for each app."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any

from ..backends import Backend
from ..backends.options import declared
from ..config.converters import is_on
from ..config.misspelt import warn_of_misspelt
from ..delivery import guard

_log = logging.getLogger("flask_mail")


class Notes:
    """Warns of misspelt settings, and of real mail that is about to leave in development."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        # A count is one step, so that of several threads one is the first.
        self._development = itertools.count()
        self._misspelt = itertools.count()

    def note(self, backend: Backend[Any], app: Any, *, is_guarded: Callable[[], bool]) -> None:
        """Log the warnings that apply before `backend` sends.

        :param is_guarded: returns True if the settings restrict the recipients.
        """
        if not next(self._misspelt):
            warn_of_misspelt(
                self._config, lambda: map(backend.setting_key, declared(type(backend))[0])
            )
        if not backend.external or not is_on(getattr(app, "debug", False)):
            return
        if is_on(app.testing) or is_guarded() or next(self._development):
            return
        _log.warning(
            "app.debug is on, and the %s backend sends real mail. To look at it instead, set"
            ' MAIL_BACKEND="console": it is printed, and in the browser at /_mail unless'
            " MAIL_INBOX says otherwise. To send it to yourself alone, set %s; to those whom you"
            " name, %s.",
            *(backend.name, guard.REDIRECT, guard.ALLOWED),
        )
