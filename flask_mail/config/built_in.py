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


# What composites are made of: names of mailers, or of backends with their flat settings.
_CHILDREN: Final = ("backend", "mailer", "mailers", "rules")
_FLAT: Final = (
    *("MAIL_BACKEND", "MAIL_URL", "MAIL_FAILOVER_MAILERS", "MAIL_ROUNDROBIN_MAILERS"),
    *("MAIL_ROUTES_RULES", "MAIL_THROTTLE_MAILER", "MAIL_DKIM_MAILER"),
)


def names_plugin(config: Mapping[str, Any]) -> bool:
    """Return True if a mailer in the settings has a backend that is not built in."""
    mailers = config.get("MAIL_MAILERS")
    tables = mailers if isinstance(mailers, Mapping) else {}
    known = {*BUILT_IN, *ALIASES, *map(str, tables), "default", ""}
    given = [*map(config.get, _FLAT), *tables.values()]
    return any(_is_foreign(each, known) for each in given)


def _is_foreign(value: object, known: set[str]) -> bool:
    if isinstance(value, Mapping):
        value = [each for key, each in value.items() if str(key).lower() in _CHILDREN]
    if isinstance(value, (list, tuple)):
        return any(_is_foreign(each, known) for each in value)
    if isinstance(value, str):
        names = value.partition("://")[0].split(",")  # a list, as in the environment
        return any(each.strip() not in known for each in names)
    return isinstance(value, type)
