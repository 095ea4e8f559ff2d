"""Every ``MAIL_*`` setting: key, kind, default, meaning, in one table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..errors import ConfigurationError
from ..util.callers import warn_program
from . import message_settings, telemetry_settings
from .converters import (
    Unshown,
    to_addresses,
    to_anything,
    to_bool,
    to_count,
    to_host,
    to_limit,
    to_path,
    to_patterns,
    to_port,
    to_positive,
    to_prefix,
    to_seconds,
    to_secret,
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
    Setting(
        "MAIL_SERVER", "host name or address", to_host, "localhost",
        "The SMTP server.",
        "SMTP",
    ),
    Setting(
        "MAIL_PORT", "port", to_port, "25; 465 with `MAIL_USE_SSL`",
        "The port of the server; usually 587 with `MAIL_USE_TLS`.",
        "SMTP",
    ),
    Setting(
        "MAIL_USE_TLS", "bool", to_bool, "False",
        "Require STARTTLS. Cannot be combined with `MAIL_USE_SSL`.",
        "SMTP",
    ),
    Setting(
        "MAIL_USE_SSL", "bool", to_bool, "False",
        "Use TLS from the first byte (port 465).",
        "SMTP",
    ),
    Setting(
        "MAIL_USERNAME", "str", to_str, "None",
        "User name for the login; requires `MAIL_PASSWORD` or `MAIL_OAUTH2_TOKEN`.",
        "SMTP",
    ),
    Setting(
        "MAIL_PASSWORD", "str or callable", to_secret, "None",
        "The password, or a callable that returns it, called at each login.",
        "SMTP",
        secret=True,
    ),
    Setting(
        "MAIL_OAUTH2_TOKEN", "str or callable", to_secret, "None",
        "An OAuth 2.0 access token instead of a password, or a callable that returns a fresh one,"
        " called at each login, and once more if the server rejects the token.",
        "SMTP",
        secret=True,
    ),
    Setting(
        "MAIL_TIMEOUT", "seconds", to_seconds, "20",
        "Maximum wait for a connection, and for each reply. The reply to the content may take"
        " thirty times as long, up to ten minutes.",
        "SMTP",
    ),
    Setting(
        "MAIL_DEADLINE", "seconds", to_seconds, "20, or `MAIL_TIMEOUT` if that is longer",
        "Maximum time for one message, including connection, TLS and login. By default, each 128"
        " KiB adds a second, and the messages of a batch have no limit.",
        "SMTP",
    ),
    Setting(
        "MAIL_POOL_SIZE", "whole number", to_count, "2",
        "Maximum number of idle connections that each process keeps open (0 disables pooling).",
        "SMTP",
    ),
    Setting(
        "MAIL_BATCH_CONNECTIONS", "whole number", to_positive, "1",
        "Maximum number of connections that `send_many` uses at the same time.",
        "SMTP",
    ),
    Setting(
        "MAIL_MAX_CONNECTIONS", "whole number", to_limit, "no limit",
        "Maximum number of connections of this process at the same time. Threads wait for one to"
        " become free, until their deadline.",
        "SMTP",
    ),
    Setting(
        "MAIL_KEEPALIVE", "seconds", to_seconds, "5",
        "Close idle connections after this time.", "SMTP",
    ),
    Setting(
        "MAIL_MAX_AGE", "seconds", to_seconds, "300",
        "Renew busy connections after this time, which also resolves the server's name again.",
        "SMTP",
    ),
    Setting(
        "MAIL_PIPELINING", "bool", to_bool, "True",
        "Pipeline commands if the server offers PIPELINING (RFC 2920).",
        "SMTP",
    ),
    Setting(
        "MAIL_CHUNKING", "bool", to_bool, "True",
        "Send content with BDAT if the server offers CHUNKING (RFC 3030).",
        "SMTP",
    ),
    Setting(
        "MAIL_LOCAL_HOSTNAME", "host name", to_str, "this host's name, or its address",
        "The host name to send in EHLO.",
        "SMTP",
    ),
    Setting(
        "MAIL_TLS_VERIFY", "bool", to_bool, "True",
        "Verify the server's certificate and host name. `False` lets attackers on the network read"
        " and change mail, and logs a warning.",
        "SMTP",
    ),
    Setting(
        "MAIL_TLS_CA_FILE", "path", to_path, "the system's authorities",
        "Certificates of trusted authorities (PEM), such as your own.",
        "SMTP",
    ),
    Setting(
        "MAIL_TLS_CERT_FILE", "path", to_path, "None",
        "Client certificate (PEM).",
        "SMTP",
    ),
    Setting(
        "MAIL_TLS_KEY_FILE", "path", to_path, "in `MAIL_TLS_CERT_FILE`",
        "Private key of the client certificate (PEM).",
        "SMTP",
    ),
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
