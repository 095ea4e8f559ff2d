"""Names of the settings in advice of the smtp backend, which its mailer may have elsewhere.

The texts of :mod:`flask_mail.smtp` name the flat settings, such as ``MAIL_USE_TLS``. A mailer of
``MAIL_URL`` or ``MAIL_MAILERS`` does not read those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ..config.table import TABLE
from ..errors import ConfigurationError, MailError
from ..util.patterns import lazy_pattern
from .base import Backend
from .options import Options
from .sending import S

if TYPE_CHECKING:
    from typing_extensions import Self

E = TypeVar("E", bound=BaseException)
Naming: TypeAlias = Callable[[str], str]

# Any mailer has the setting of debugging.
_NAMES = "|".join(sorted(each.key[5:] for each in TABLE if each.group == "SMTP"))
_NAME = lazy_pattern(rf"\bMAIL_({_NAMES})\b(=\w+)?")
_LIST = lazy_pattern(
    rf"{_NAME.pattern}(?:(?:, or | or | and |, ){_NAME.pattern.replace('(', '(?:', 1)})*"
)
_IN_A_URL = {
    "USERNAME": "the user name",
    "PASSWORD": "the password",
    "SERVER": "the host",
    "PORT": "the port",
    "USE_SSL": "smtps://",
    "USE_TLS": "?use_tls=true",
    "TIMEOUT": "the timeout",
    "DEADLINE": "the deadline",
}

naming: ContextVar[Naming] = ContextVar("flask_mail_smtp_naming", default=str)
"""The names in use while a backend is being built."""


def naming_of(options: Mapping[str, Any]) -> Naming:
    """Return a function that names the settings in a text as the mailer of `options` has them."""
    if not isinstance(options, Options):
        return str
    return _naming_of_url(options.url) if options.url else _naming_of_table(options.key_of)


class NamesSettings(Backend[S]):
    """Base of a backend whose errors and warnings name the settings that its mailer has."""

    names: Naming = staticmethod(str)

    @classmethod
    def from_options(cls, options: Mapping[str, Any], build: Callable[[str], Any]) -> Self:
        names = naming_of(options)
        token = naming.set(names)
        try:
            made = super().from_options(options, build)
        except ConfigurationError as error:
            _rename(error, names)
            raise
        finally:
            naming.reset(token)
        made.names = names
        return made

    def rename(self, error: E) -> E:
        """Return an error, in whose text the settings have the names that the mailer has."""
        return _rename(error, self.names)


def _rename(error: E, names: Naming) -> E:
    if isinstance(error, MailError):
        # The server's own words are left alone.
        reply = getattr(error, "response", "").rstrip(".")
        parts = str(error).split(reply) if reply else [str(error)]
        error.args = (reply.join(map(names, parts)), *error.args[1:])
    return error


def _naming_of_table(key_of: Callable[[str], str]) -> Naming:
    def named(text: str) -> str:
        text = text.replace("MAIL_BACKEND", key_of("backend"))
        return _NAME.sub(lambda found: f"{key_of(found[1].lower())}{found[2] or ''}", text)

    return named


def _naming_of_url(url: str) -> Naming:
    def of_list(found: re.Match[str]) -> str:
        names = _NAME.sub(_in_a_url, found[0])
        if found.string[: found.start()].endswith(". ") or not found.start():
            names = names[0].upper() + names[1:]
        return f"{names} in {url}"

    def named(text: str) -> str:
        if url != "MAIL_URL":  # which MAIL_BACKEND overrides
            text = text.replace("MAIL_BACKEND", url)
        # A URL with a password implies it.
        text = text.replace("unset MAIL_USE_TLS", "set MAIL_USE_TLS=false")
        return _LIST.sub(of_list, text)

    return named


def _in_a_url(found: re.Match[str]) -> str:
    name, value = found.groups()
    return f"?{name.lower()}{value}" if value else _IN_A_URL.get(name, f"?{name.lower()}=")
