"""Checks for conflicting or unsafe options of the smtp backend."""

from __future__ import annotations

import ipaddress
import logging
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..util.patterns import lazy_pattern

if TYPE_CHECKING:
    from ..smtp.server import Server
    from ..util.secret import Secret, Token

_log = logging.getLogger("flask_mail")
# NUL ends the name in AUTH PLAIN (RFC 4616), U+0001 in OAUTHBEARER (RFC 7628). Line ends come from
# files, surrogates from environment variables that are not UTF-8.
_NOT_IN_A_NAME = lazy_pattern("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
_EHLO_NAME = lazy_pattern("[!-~]{1,255}")


def check_together(
    *,
    use_tls: bool,
    use_ssl: bool,
    local_hostname: str | None,
    has_certificate: bool,
    has_key: bool,
) -> None:
    """Check options that depend on each other.

    :raises ConfigurationError: they conflict.
    """
    if use_tls and use_ssl:
        raise ConfigurationError(
            "MAIL_USE_TLS and MAIL_USE_SSL are both set: keep MAIL_USE_SSL for a port"
            " with TLS from the first byte (465), or MAIL_USE_TLS for STARTTLS (587)."
        )
    if local_hostname is not None and not _EHLO_NAME.fullmatch(local_hostname):
        raise ConfigurationError(
            "MAIL_LOCAL_HOSTNAME must be a host name, or an address literal such as"
            " [192.0.2.1], in ASCII (RFC 5321 section 4.1.4)."
        )
    if has_key and not has_certificate:
        raise ConfigurationError("MAIL_TLS_KEY_FILE needs MAIL_TLS_CERT_FILE: set both.")


def check_login(username: str | None, password: Secret | None, token: Token | None) -> None:
    if password is not None and token is not None:
        raise ConfigurationError("MAIL_PASSWORD and MAIL_OAUTH2_TOKEN are both set: keep one.")
    secret = token or password
    if username is None and secret is not None:
        raise ConfigurationError(
            f"{secret.setting} is set, but MAIL_USERNAME is not: set both to log in, or neither."
        )
    if username is not None and secret is None:
        raise ConfigurationError(
            "MAIL_USERNAME is set, but neither MAIL_PASSWORD nor MAIL_OAUTH2_TOKEN: set one of them"
            " to log in, or unset MAIL_USERNAME."
        )
    if username is None or secret is None:
        return
    is_name_wrong = _NOT_IN_A_NAME.search(username) is not None
    if is_name_wrong or secret.is_impossible:
        text = "Unicode text without line ends and other control characters"
        both = (
            f"MAIL_USERNAME and MAIL_PASSWORD must be {text}"
            if token is None
            else f"MAIL_USERNAME must be {text}, and MAIL_OAUTH2_TOKEN {token.must_be}"
        )
        raise ConfigurationError(
            f"{both}; {'MAIL_USERNAME' if is_name_wrong else secret.setting} is not. Was it"
            " read with the line end of a file, or decoded wrongly?"
        )


def is_loopback(server: str) -> bool:
    try:
        return ipaddress.ip_address(server).is_loopback
    except ValueError:
        return server.lower() == "localhost"


def warn_of_dangers(server: Server, *, verify: bool) -> None:
    """Log a warning for settings that let others read mail or a password."""
    if server.is_encrypted and not verify:
        _log.warning(
            "MAIL_TLS_VERIFY is False: anyone between this host and %s can read and change mail"
            " and the password.",
            server,
        )
    secret = server.secret
    if secret is not None and not server.is_encrypted and not is_loopback(server.host):
        _log.warning(
            "%s may be sent to %s unencrypted: set MAIL_USE_TLS or MAIL_USE_SSL.",
            secret.setting,
            server,
        )
