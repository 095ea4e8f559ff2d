"""Names that are probably misspelt, or those of other mail libraries."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .table import BY_KEY, FAIL_SILENTLY, is_unset

_log = logging.getLogger("flask_mail")
_PREFIX = "MAIL_"
_ALIKE = 0.8  # strict, as other programs use this prefix too
_SENDER = "MAIL_DEFAULT_SENDER"
_ELSEWHERE = {
    "EMAIL_BACKEND": "MAIL_BACKEND",
    "EMAIL_HOST": "MAIL_SERVER",
    "EMAIL_PORT": "MAIL_PORT",
    "EMAIL_HOST_USER": "MAIL_USERNAME",
    "EMAIL_HOST_PASSWORD": "MAIL_PASSWORD",
    "EMAIL_USE_TLS": "MAIL_USE_TLS",
    "EMAIL_USE_SSL": "MAIL_USE_SSL",
    "EMAIL_TIMEOUT": "MAIL_TIMEOUT",
    "EMAIL_SSL_CERTFILE": "MAIL_TLS_CERT_FILE",
    "EMAIL_SSL_KEYFILE": "MAIL_TLS_KEY_FILE",
    "EMAIL_FILE_PATH": "MAIL_FILE_PATH",
    "DEFAULT_FROM_EMAIL": _SENDER,
    "MAIL_HOST": "MAIL_SERVER",
    "MAIL_USER": "MAIL_USERNAME",
    "MAIL_ENCRYPTION": "MAIL_USE_TLS",
    "MAIL_STARTTLS": "MAIL_USE_TLS",
    "MAIL_SSL_TLS": "MAIL_USE_SSL",
    "MAIL_FROM": _SENDER,
    "MAIL_FROM_ADDRESS": _SENDER,
}
"""Settings of Django, Laravel and FastAPI-Mail, and ours."""
_NO_SERVICES = ("smtp", "console", "file", "locmem", "null")


def known_elsewhere(names: Iterable[str], config: Mapping[str, Any]) -> dict[str, str]:
    """Return those of `names` that another library knows, with our name, if that is unset.

    A program may have a MAIL_HOST of its own, from which it sets MAIL_SERVER, or sets that of a
    mailer.
    """
    is_flat = all(is_unset(config.get(each)) for each in ("MAIL_MAILERS", "MAIL_URL"))
    is_smtp = is_flat and (config.get("MAIL_BACKEND") or "smtp") in _NO_SERVICES
    return {
        name: meant
        for name in names
        if (meant := _ELSEWHERE.get(name, ""))
        and (is_smtp or meant in (_SENDER, "MAIL_FILE_PATH"))
        and is_unset(config.get(meant))
    }


def warn_of_misspelt(
    config: Mapping[str, Any], options_of_backend: Callable[[], Iterable[str]]
) -> None:
    """Log a warning for each setting that is probably misspelt.

    :param options_of_backend: returns the settings of the backend.
    """
    # A copy: other threads may set keys.
    keys = [str(key) for key in list(config) if not is_unset(config.get(key))]
    # Programs that name the sender in each message may keep it anywhere; a missing one is an error.
    found = {key: ours for key, ours in known_elsewhere(keys, config).items() if ours != _SENDER}
    unknown = {key for key in keys if key.startswith(_PREFIX) and key not in BY_KEY}
    if not (unknown or found):
        return
    options = list(options_of_backend())
    names = {key.removeprefix(_PREFIX): key for key in (*BY_KEY, *options)}
    for key in sorted({*unknown, *found}.difference((FAIL_SILENTLY, *options))):
        near = difflib.get_close_matches(key.removeprefix(_PREFIX), names, n=1, cutoff=_ALIKE)
        meant = names[near[0]] if near else found.get(key)
        if meant is not None:
            _log.warning("%s is not a setting; did you mean %s?", key, meant)


def meant_option(name: str, known: Iterable[str]) -> str | None:
    """Return the option for which `name`, in lowercase, is known elsewhere, or with a prefix."""
    meant = name.removeprefix(_PREFIX.lower())
    meant = _ELSEWHERE.get(f"{_PREFIX}{meant.upper()}", meant).removeprefix(_PREFIX).lower()
    return meant if meant in known else None


def nearest(name: str, known: Iterable[str], shown: Callable[[str], str] = str) -> str:
    """Return ``"; did you mean 'x'?"`` for the best match, or an empty string.

    :param shown: returns what is shown for a name.
    """
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {shown(matches[0])!r}?" if matches else ""
