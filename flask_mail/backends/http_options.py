"""Options of backends that send over HTTP: their URL, and those that a base class declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..util.hosts import is_own_machine
from ..util.text import is_plain
from .options import UNEVALUATED

_LONGEST_TIMEOUT: Final = 3600.0


def read_url(setting: str, url: str) -> tuple[str, int | None, bool, str]:
    """Return host, port, True if it is encrypted, and path.

    :raises ConfigurationError: the URL is not valid; it is not shown, as it may contain a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not (is_plain(url) and " " not in url and host and port != 0):
        raise ConfigurationError(
            f"{setting} must be a URL such as https://api.example.com, in ASCII and with a numeric"
            " port if it has one."
        )
    if "@" in parts.netloc:
        raise ConfigurationError(f"{setting} must not contain a user name or password.")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ConfigurationError(f"{setting} must not contain ? or #.")
    is_encrypted = parts.scheme == "https"
    if not is_encrypted and not (parts.scheme == "http" and is_own_machine(url)):
        raise ConfigurationError(
            f"{setting} must begin with https://: others could read mail and the key."
        )
    return host, port, is_encrypted, parts.path


def check_limits(
    setting: Callable[[str], str], timeout: float, deadline: float | None, pool_size: int
) -> None:
    """Check the options that limit time and connections.

    :param setting: returns the setting of an option.
    :raises ConfigurationError: one is out of range.
    """
    for name, value in (("timeout", timeout), ("deadline", deadline)):
        if value is not None and not 0 < value <= _LONGEST_TIMEOUT:
            raise ConfigurationError(
                f"{setting(name)} must be above 0 and at most {_LONGEST_TIMEOUT:g} seconds."
            )
    if pool_size < 0:
        raise ConfigurationError(f"{setting('pool_size')} must not be negative.")


def signature_of(cls: type, constructor: Any) -> inspect.Signature:
    """Return the signature of a class, with the options of its base in place of ``**options``."""
    _, *own = inspect.signature(constructor, **UNEVALUATED).parameters.values()
    if own and own[-1].kind is inspect.Parameter.VAR_KEYWORD:
        own.pop()
        base = inspect.signature(cls.__mro__[1], **UNEVALUATED)
        names = {each.name for each in own}
        own += [each for each in base.parameters.values() if each.name not in names]
    return inspect.Signature(own)
