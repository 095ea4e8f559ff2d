"""The values of mailers without secrets, and the removal of their secrets from texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..backends.options import secrets_of
from ..config.masking import sounds_secret
from ..config.urls import read_url
from ..errors import ConfigurationError
from ..extension.definitions import is_odd
from ..util.secret import Secret
from .output import MASK, masked, redactor

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..extension.building import Builder


def class_of(builder: Builder, mailer: str) -> type[Backend[Any]] | None:
    """Return the class of a mailer of the settings, or ``None`` if it cannot be loaded."""
    with suppress(ConfigurationError):  # reported by the commands
        return builder.backend_class(mailer)
    return None


def shown_mailer(value: object, cls: type[Backend[Any]] | None) -> Any:
    """Return the value of a mailer for people and JSON.

    :param cls: its backend, which declares what is secret; ``None`` if it is unknown.
    """
    if isinstance(value, str) and "://" in value:
        return shown_url(value, cls)
    if not isinstance(value, Mapping):
        return MASK if is_odd(value) else masked("", value)
    secrets = {} if cls is None else secrets_of(cls)
    key_of = str if cls is None else cls.setting_key
    shown = {
        str(key): masked(key_of(str(key)), each, {key_of(name) for name in secrets})
        for key, each in value.items()
    }
    odd = [key for key in shown if key.lower() == "backend" and is_odd(shown[key])]
    return {**shown, **dict.fromkeys(odd, MASK)}


def shown_url(value: str, cls: type[Backend[Any]] | None) -> str:
    """Return the URL of a mailer without secrets, or ``***`` if it cannot be read."""
    url = read_url(value)
    if isinstance(url, str) or cls is None:  # its parts may be anything
        return MASK
    secrets = secrets_of(cls)
    shown = {
        part: MASK if cls.url_parts.get(part) in secrets else text
        for part, text in url.parts.items()
    }
    has_login = "username" in shown or "password" in shown
    host = shown.get("host", "")
    query = "&".join(
        f"{name}={MASK if name in secrets or sounds_secret(name) else text}"
        for name, text in url.options.items()
    )
    return "".join(
        (
            f"{value.partition('://')[0]}://",
            f"{MASK}@" if has_login else "",
            f"[{host}]" if ":" in host else host,
            f":{shown['port']}" if "port" in shown else "",
            shown.get("path", ""),
            f"?{query}" if query else "",
        )
    )


def redactors(builder: Builder, names: list[str]) -> Iterator[Callable[[str], str]]:
    """Yield functions that mask the secrets of mailers of the settings in a text."""
    for name in names:
        with suppress(ConfigurationError):
            options = builder.options(name)
            declared = secrets_of(builder.backend_class(name))
            yield redactor(options.items(), options.get("username"), declared)
            yield from (each.redact for each in options.values() if isinstance(each, Secret))
