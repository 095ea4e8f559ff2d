"""Every ``MAIL_*`` setting: key, kind, default, meaning, in one table."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError
from ..util.callers import warn_program
from .converters import (
    Unshown,
    to_anything,
    to_bool,
    to_count,
    to_host,
    to_limit,
    to_path,
    to_port,
    to_prefix,
    to_seconds,
    to_secret,
    to_str,
)
from .masking import kind_of, shown, sounds_secret
from .recipients import to_addresses, to_patterns


@dataclass(frozen=True)
class Setting:
    """One setting."""

    key: str
    kind: str
    """The accepted values, in words."""
    read: Callable[[object], Any]
    default: str
    """The default, in words."""
    meaning: str
    group: str
    secret: bool = False


TABLE: tuple[Setting, ...] = (
    Setting(
        "MAIL_BACKEND", "name, import path or class", to_anything, "smtp",
        "Which backend delivers: the name of an installed one (`flask mail backends` lists them),"
        ' `"package.module:Class"`, or a class.',
        "General",
    ),
    Setting(
        "MAIL_DEFAULT_SENDER", "address or (name, address)", to_anything, "None",
        "The sender of messages that name none.",
        "General",
    ),
    Setting(
        "MAIL_SUPPRESS_SEND", "bool", to_bool, "`TESTING`",
        "`True`: nothing leaves this machine. `False`: the chosen backend delivers, even in tests."
        " A local backend (console, file, locmem, null) is never replaced.",
        "General",
    ),
    Setting(
        "MAIL_ALLOWED_RECIPIENTS", "list of addresses and patterns", to_patterns, "None",
        "The only recipients that mail may go to: addresses, patterns such as `*@example.com`, and"
        " regular expressions, compiled or as `/.../`. What is for others goes to"
        " `MAIL_REDIRECT_TO`, else is refused. Everybody by default.",
        "General",
    ),
    Setting(
        "MAIL_REDIRECT_TO", "address or list of addresses", to_addresses, "None",
        "Who gets the mail that is for recipients which are not allowed: everybody, unless"
        " `MAIL_ALLOWED_RECIPIENTS` names some.",
        "General",
    ),
    Setting(
        "MAIL_MAX_EMAILS", "whole number", to_limit, "None",
        "How many messages one connection carries before it is renewed, also over several sends;"
        " no limit by default.",
        "General",
    ),
    Setting(
        "MAIL_ASCII_ATTACHMENTS", "bool", to_bool, "False",
        "Write attachment names in ASCII, dropping what has no equivalent.",
        "General",
    ),
    Setting(
        "MAIL_INLINE_CSS", "bool", to_bool, "True with the extra `css`",
        "Write the `<style>` of HTML templates into the elements that it styles.",
        "General",
    ),
    Setting(
        "MAIL_DEBUG", "bool", to_bool, "`app.debug`",
        "Log the SMTP dialogue on the logger `flask_mail.smtp` at level DEBUG; never a password.",
        "General",
    ),
    Setting(
        "MAIL_INBOX", "bool or URL prefix", to_prefix, "`app.debug`",
        "Show the mail of this app in the browser, at `/_mail` or below the prefix. By default with"
        " debug, and to this machine alone; set by hand, to every machine that reaches the server."
        " Never available without debug or testing.",
        "General",
    ),
    Setting(
        "MAIL_SERVER", "host name or address", to_host, "localhost",
        "The SMTP server.",
        "SMTP",
    ),
    Setting(
        "MAIL_PORT", "port", to_port, "25; 465 with `MAIL_USE_SSL`",
        "Its port; 587 is usual with `MAIL_USE_TLS`.",
        "SMTP",
    ),
    Setting(
        "MAIL_USE_TLS", "bool", to_bool, "False",
        "Demand STARTTLS on a plain connection. Not together with `MAIL_USE_SSL`.",
        "SMTP",
    ),
    Setting(
        "MAIL_USE_SSL", "bool", to_bool, "False",
        "Use TLS from the first byte (port 465).",
        "SMTP",
    ),
    Setting(
        "MAIL_USERNAME", "str", to_str, "None",
        "Log in with this name; needs `MAIL_PASSWORD` or `MAIL_OAUTH2_TOKEN`.",
        "SMTP",
    ),
    Setting(
        "MAIL_PASSWORD", "str or callable", to_secret, "None",
        "The password of `MAIL_USERNAME`, or a callable that returns it, called at each login.",
        "SMTP",
        secret=True,
    ),
    Setting(
        "MAIL_OAUTH2_TOKEN", "str or callable", to_secret, "None",
        "An OAuth 2.0 access token in place of a password, or a callable that returns a fresh one,"
        " called at each login, and once more where the server refuses it.",
        "SMTP",
        secret=True,
    ),
    Setting(
        "MAIL_TIMEOUT", "seconds", to_seconds, "20",
        "How long to wait for a connection, and for each reply. The reply to the content may take"
        " thirty times as long, ten minutes at most.",
        "SMTP",
    ),
    Setting(
        "MAIL_DEADLINE", "seconds", to_seconds, "20, or `MAIL_TIMEOUT` if that is longer",
        "How long one message may take in all, with the connection, TLS and the login. By default a"
        " second more for each 128 KiB, and no limit for the messages of a batch.",
        "SMTP",
    ),
    Setting(
        "MAIL_POOL_SIZE", "whole number", to_count, "2",
        "How many idle connections each process keeps for the next message; 0: none.",
        "SMTP",
    ),
    Setting(
        "MAIL_KEEPALIVE", "seconds", to_seconds, "5",
        "After how long an idle connection is closed.", "SMTP",
    ),
    Setting(
        "MAIL_MAX_AGE", "seconds", to_seconds, "300",
        "After how long a busy connection is renewed, and the server's name looked up again.",
        "SMTP",
    ),
    Setting(
        "MAIL_PIPELINING", "bool", to_bool, "True",
        "Write several commands at once where the server offers PIPELINING (RFC 2920).",
        "SMTP",
    ),
    Setting(
        "MAIL_CHUNKING", "bool", to_bool, "True",
        "Send content without asking first where the server offers CHUNKING (RFC 3030).",
        "SMTP",
    ),
    Setting(
        "MAIL_LOCAL_HOSTNAME", "host name", to_str, "this host's name, or its address",
        "The name to give in EHLO.",
        "SMTP",
    ),
    Setting(
        "MAIL_TLS_VERIFY", "bool", to_bool, "True",
        "Check the server's certificate and name. `False` lets anyone in between read and change"
        " mail; it is warned about.",
        "SMTP",
    ),
    Setting(
        "MAIL_TLS_CA_FILE", "path", to_path, "the system's authorities",
        "Certificates of authorities to trust (PEM), such as your own.",
        "SMTP",
    ),
    Setting(
        "MAIL_TLS_CERT_FILE", "path", to_path, "None",
        "A client certificate to show to the server (PEM).",
        "SMTP",
    ),
    Setting(
        "MAIL_TLS_KEY_FILE", "path", to_path, "in `MAIL_TLS_CERT_FILE`",
        "The key of the client certificate (PEM).",
        "SMTP",
    ),
    Setting(
        "MAIL_CONSOLE_STREAM", '"stdout", "stderr" or a text stream', to_anything, "stdout",
        "Where the console backend writes.",
        "Console",
    ),
    Setting(
        "MAIL_CONSOLE_FORMAT", '"readable" or "source"', to_str, "readable",
        "What the console backend shows: the message as a reader sees it, or its raw source.",
        "Console",
    ),
    Setting(
        "MAIL_FILE_PATH", "path", to_path, "none; required by the file backend",
        "The folder of the file backend; created if it is missing.",
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
    if is_unset(value, key) and key in OLD_NAMES:
        value = config.get(OLD_NAMES[key])
        if not is_unset(value):
            _warn_old(OLD_NAMES[key], f"set {key} instead")
    return None if is_unset(value, key) else value


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
    key: str, read: Callable[[object], Any], value: object, declared: Collection[str] = ()
) -> Any:
    """Return ``read(value)``.

    :param declared: further settings that are secret.
    :raises ConfigurationError: ``read`` raised a ValueError, whose text is the expected kind of
        value; the error names `key` and shows the value unless it is secret.
    """
    try:
        return read(value)
    except ValueError as error:
        expected = str(error)
        hidden = isinstance(error, Unshown) or is_secret(key, declared)
    found = kind_of(value) if hidden else shown(value)
    del value  # tracebacks show it too
    raise ConfigurationError(f"{key} must be {expected}, not {found}.")


def fails_silently(config: Mapping[str, Any]) -> bool:
    """Return True if failed connections raise nothing (``MAIL_FAIL_SILENTLY``, before 0.8)."""
    value = config.get(FAIL_SILENTLY)
    del config
    if is_unset(value):
        return False
    _warn_old(FAIL_SILENTLY, "catch flask_mail.BackendUnavailable instead, or use send_many()")
    return bool(convert(FAIL_SILENTLY, to_bool, value))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the best match, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def _warn_old(key: str, advice: str) -> None:
    warn_program(f"{key} is a name from before 0.8: {advice}.", DeprecationWarning)
