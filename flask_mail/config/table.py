"""Every ``MAIL_*`` setting: key, kind, default, meaning, in one table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..errors import ConfigurationError
from ..util.callers import warn_program
from . import message_settings, smtp_settings, telemetry_settings
from .converters import (
    Unshown,
    to_addresses,
    to_anything,
    to_bool,
    to_limit,
    to_path,
    to_patterns,
    to_prefix,
    to_str,
)
from .masking import kind_of, shown, sounds_secret
from .setting import BadItem, Setting

TABLE: tuple[Setting, ...] = (
    Setting(
        "MAIL_BACKEND", "name, import path or class", to_anything, "smtp",
        "The backend: the name of an installed one (`flask mail backends` lists them),"
        ' `"package.module:Class"`, or a class.',
        "General",
    ),
    Setting(
        "MAIL_URL", "URL", to_str, "None",
        "The backend and its account as one URL: `smtp://user:password@smtp.example.com:587`. Not"
        " read if `MAIL_BACKEND` is set.",
        "General",
        secret=True,
    ),
    Setting(
        "MAIL_MAILERS", "dict of names and mailers", to_anything, "None",
        "Mailers by name, for `mail.using(name)`: each a dict of `BACKEND` and its options, a URL,"
        " or the name of a backend. The one named `default` takes precedence over `MAIL_BACKEND`.",
        "General",
    ),
    *message_settings.ROWS,
    Setting(
        "MAIL_SUPPRESS_SEND", "bool", to_bool, "`TESTING`",
        "`True`: do not send mail. `False`: use the configured backend, even in tests. Local"
        " backends (console, file, locmem, null) always stay in use.",
        "General",
    ),
    Setting(
        "MAIL_ALLOWED_RECIPIENTS", "list of addresses and patterns", to_patterns, "None",
        "Allow-list of recipients: addresses, patterns such as `*@example.com`, and regular"
        " expressions, compiled or as `/.../`. Mail to anyone else is redirected to"
        " `MAIL_REDIRECT_TO`, or refused if that is unset. Default: everyone.",
        "General",
    ),
    Setting(
        "MAIL_REDIRECT_TO", "address or list of addresses", to_addresses, "None",
        "Send mail here instead of to recipients outside of `MAIL_ALLOWED_RECIPIENTS`, or instead"
        " of to *all* recipients if there is no allow-list.",
        "General",
    ),
    Setting(
        "MAIL_MAX_EMAILS", "whole number", to_limit, "None",
        "Maximum number of messages per connection, across several sends. Default: no limit.",
        "General",
    ),
    Setting(
        "MAIL_DEBUG", "bool", to_bool, "`app.debug`",
        "Log the SMTP dialogue, without passwords, to the logger `flask_mail.smtp` at level DEBUG."
        " If it is set in debug mode, the dialogue is printed too.",
        "General",
    ),
    Setting(
        "MAIL_INBOX", "bool or URL prefix", to_prefix, "`app.debug`",
        "Show the mail of this app in the browser, at `/_mail` or the given prefix. By default only"
        " with debug and to this machine; if set, to every machine that reaches the server. Never"
        " available without debug or testing.",
        "General",
    ),
    *telemetry_settings.ROWS,
    *smtp_settings.ROWS,
    Setting(
        "MAIL_CONSOLE_STREAM", '"stdout", "stderr" or a text stream', to_anything, "stdout",
        "The output of the console backend.",
        "Console",
    ),
    Setting(
        "MAIL_CONSOLE_FORMAT", '"readable" or "source"', to_str, "readable",
        "Print messages as readers see them, or their raw source.",
        "Console",
    ),
    Setting(
        "MAIL_FILE_PATH", "path", to_path, "none; required by the file backend",
        "The folder for messages, created if it is missing.",
        "File",
    ),
)  # fmt: skip

BY_KEY: Mapping[str, Setting] = {setting.key: setting for setting in TABLE}

# Names before 0.8.
OLD_NAMES: Mapping[str, str] = {
    "MAIL_DEFAULT_SENDER": "DEFAULT_MAIL_SENDER",
    "MAIL_MAX_EMAILS": "DEFAULT_MAX_EMAILS",
}
FAIL_SILENTLY = "MAIL_FAIL_SILENTLY"
# If an empty value of these meant "not set", it would let mail out to everyone.
_GUARDS = frozenset({"MAIL_ALLOWED_RECIPIENTS", "MAIL_REDIRECT_TO"})


def is_unset(value: object, key: str = "") -> bool:
    """Return True if a value of `key` means "not set": ``None``, or usually an empty string."""
    return value is None or (isinstance(value, str) and not value and key not in _GUARDS)


def raw(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of `key`, or of its name before 0.8; ``None`` if it is unset."""
    value = config.get(key)
    if value is not None and not is_unset(value, key):
        return value
    old = OLD_NAMES.get(key)
    if old is None:
        return None
    value = config.get(old)
    if value is None or is_unset(value):
        return None
    _warn_old(old, f"set {key} instead")
    return value


def lookup(config: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """Return the converted value of `key`, or `default` if it is unset.

    :raises ConfigurationError: the value is not of the setting's kind.
    """
    value = raw(config, key)
    del config  # tracebacks that show local variables must not show all settings
    return default if value is None else convert(key, BY_KEY[key].read, value)


def is_secret(key: str, declared: Collection[str] = ()) -> bool:
    """Return True if a setting is secret: by the table, in `declared`, or by its name."""
    return BY_KEY[key].secret if key in BY_KEY else key in declared or sounds_secret(key)


def convert(
    key: str, read: Callable[[object], Any], value: object, *, secret: bool | None = None
) -> Any:
    """Return ``read(value)``.

    :param secret: True if errors must not show the value; by default, this depends on `key`.
    :raises ConfigurationError: raised by ``read``, or ``read`` raised a ValueError, whose text is
        the expected kind of value; the error names `key` and shows the value unless it is secret.
    """
    try:
        return read(value)
    except ConfigurationError:  # names the part of the value that is wrong
        raise
    except ValueError as error:
        expected, advice = str(error), getattr(error, "advice", "")
        hidden = isinstance(error, Unshown) or (is_secret(key) if secret is None else secret)
        is_item = isinstance(error, BadItem)
    found = "" if is_item else f", not {kind_of(value) if hidden else shown(value)}"
    del value  # tracebacks show it too
    raise ConfigurationError(f"{key} must be {expected}{found}.{advice}")


def fails_silently(config: Mapping[str, Any]) -> bool:
    """Return True if failed connections raise nothing (``MAIL_FAIL_SILENTLY``, before 0.8)."""
    value = config.get(FAIL_SILENTLY)
    del config
    if value is None or is_unset(value):
        return False
    _warn_old(FAIL_SILENTLY, "catch flask_mail.BackendUnavailable instead, or use send_many()")
    return bool(convert(FAIL_SILENTLY, to_bool, value))


def _warn_old(key: str, advice: str) -> None:
    warn_program(f"{key} is a name from before 0.8: {advice}.", DeprecationWarning)
