"""The built-in backends. Nothing is imported, as an app that sends no mail needs none of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .urls import ALIASES

# The entry points of pyproject.toml. Reading those of all distributions, for each app of a test
# suite, takes longer than its tests.
BUILT_IN: Final = {
    "console": "flask_mail.backends.console:ConsoleBackend",
    "dkim": "flask_mail.backends.dkim:DkimBackend",
    "failover": "flask_mail.backends.failover:FailoverBackend",
    "file": "flask_mail.backends.file:FileBackend",
    "locmem": "flask_mail.backends.locmem:LocmemBackend",
    "null": "flask_mail.backends.null:NullBackend",
    "roundrobin": "flask_mail.backends.roundrobin:RoundRobinBackend",
    "routes": "flask_mail.backends.routes:RoutesBackend",
    "smtp": "flask_mail.backends.smtp:SmtpBackend",
    "throttle": "flask_mail.backends.throttle:ThrottleBackend",
}


def names_plugin(config: Mapping[str, Any]) -> bool:
    """Return True if a mailer in the settings has a backend that is not built in."""
    mailers = config.get("MAIL_MAILERS")
    given = [config.get("MAIL_BACKEND"), config.get("MAIL_URL")]
    given += mailers.values() if isinstance(mailers, Mapping) else ()
    return any(map(_is_foreign, given))


def _is_foreign(value: object) -> bool:
    if isinstance(value, Mapping):
        backends = [each for key, each in value.items() if str(key).lower() == "backend"]
        return any(map(_is_foreign, backends))
    if isinstance(value, str):
        name = value.partition("://")[0]
        return bool(name) and name not in BUILT_IN and name not in ALIASES
    return isinstance(value, type)
