"""Which backend delivers, and with which options: the settings of one app, as they are now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from . import settings
from .backends import loader
from .backends.options import declared
from .smtp.secret import Secret

if TYPE_CHECKING:
    from .backends.base import Backend


class Selection:
    """Chooses and builds the backends of one app.

    :param config: the app's configuration; looked at each time.
    :param assigned: returns what was assigned on the mail state, which wins over `config`:
        ``suppress``, ``server``, ``port``, ...
    :param testing: returns whether the app is testing; `debug` whether its dialogues are logged.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        assigned: Callable[[], Mapping[str, Any]],
        *,
        testing: Callable[[], bool],
        debug: Callable[[], bool],
    ) -> None:
        self._config = config
        self._assigned = assigned
        self._testing = testing
        self._debug = debug
        self._lock = threading.RLock()
        self._classes: dict[Any, type[Backend[Any]]] = {}
        self._built: dict[type[Backend[Any]], tuple[dict[str, Any], Backend[Any]]] = {}

    def chosen(self) -> tuple[Any, str]:
        """Return what names the backend that delivers now, and the setting that decided it.

        Tests reach nobody by accident: under ``TESTING`` a backend through which mail would leave
        this machine is replaced, unless ``MAIL_SUPPRESS_SEND`` is ``False``.
        """
        chosen = settings.raw(self._config, "MAIL_BACKEND")
        reason = "MAIL_BACKEND"
        if chosen is None:
            chosen, reason = "smtp", "default"
        if not self.backend_class(chosen).external:
            return chosen, reason
        testing = self._testing()
        assigned = self._assigned()
        if "suppress" in assigned:
            suppress, by = assigned["suppress"], "suppress on the mail state"
        else:
            suppress = settings.lookup(self._config, "MAIL_SUPPRESS_SEND")
            by = "MAIL_SUPPRESS_SEND"
        if suppress is None:
            suppress, by = testing, "TESTING"
        if suppress:
            return "locmem" if testing else "null", by
        return chosen, reason

    def backend(self) -> Backend[Any]:
        """Return the backend that delivers now."""
        return self.build(self.chosen()[0])

    def build(self, chosen: Any) -> Backend[Any]:
        """Return the backend for a value of ``MAIL_BACKEND``, built with its current options.

        It is kept until one of its options changes.

        :raises ConfigurationError: where there is no such backend or its options are wrong.
        """
        cls = self.backend_class(chosen)
        options = self._options(cls)
        with self._lock:
            built = self._built.get(cls)
            if built is None or built[0] != options:
                built = self._built[cls] = options, cls.from_options(options, self.build)
            return built[1]

    def backend_class(self, chosen: Any) -> type[Backend[Any]]:
        """Return the class for a value of ``MAIL_BACKEND``; finding it once is enough.

        :raises ConfigurationError: where there is none.
        """
        try:
            return self._classes[chosen]
        except (KeyError, TypeError):  # TypeError: not even hashable
            self._classes[chosen] = loader.load(chosen)
            return self._classes[chosen]

    def _options(self, cls: type[Backend[Any]]) -> dict[str, Any]:
        prefix = cls.setting_key("")
        if cls.option_prefix is None:
            found = {
                key[len(prefix) :].lower(): value
                for key, value in self._config.items()
                if key.startswith(prefix)
            }
        else:  # shared with other settings, so only what is declared can be an option
            assigned = self._assigned()
            found = {
                name: assigned[name]
                if name in assigned
                else settings.raw(self._config, cls.setting_key(name))
                for name in declared(cls)[0]
            }
            if "debug" in found:
                found["debug"] = self._debug()
        return {
            name: Secret(str(value)) if _is_secret(cls.setting_key(name)) else value
            for name, value in found.items()
            if not settings.is_unset(value)
        }


def _is_secret(key: str) -> bool:
    return key in settings.BY_KEY and settings.BY_KEY[key].secret
