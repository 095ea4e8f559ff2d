"""Rules for conflicting or unsafe options of the smtp backend, in one table.

The constructor raises an error or logs a warning; ``flask mail check`` reports both as findings.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..config.converters import to_bool
from ..config.table import BY_KEY, convert
from ..errors import ConfigurationError
from ..smtp.setting_names import SettingNames
from ..util.patterns import lazy_pattern
from ..util.secret import Password, Secret, Token
from ..util.text import sentence

if TYPE_CHECKING:
    from ..smtp.server import Server

_log = logging.getLogger("flask_mail")
# NUL ends the name in AUTH PLAIN (RFC 4616), U+0001 in OAUTHBEARER (RFC 7628). Line ends come from
# files, surrogates from environment variables that are not UTF-8.
_NOT_IN_A_NAME = lazy_pattern("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
_EHLO_NAME = lazy_pattern("[!-~]{1,255}")
_ORIGIN = "Was it read with the line end of a file, or decoded wrongly?"


class Options(NamedTuple):
    """The options that the rules are about."""

    server: Server
    verify: bool
    has_certificate: bool
    has_key: bool


class Rule(NamedTuple):
    """A problem with the options, and the solution."""

    level: Literal["error", "warning"]
    """``"error"`` if the backend cannot be built."""
    code: str
    """Stable identifier, the same in every version."""
    keys: tuple[str, ...]
    applies: Callable[[Options], bool]
    advice: str
    """In the table, with options in place of their settings."""


def _is_loopback(server: str) -> bool:
    try:
        return ipaddress.ip_address(server).is_loopback
    except ValueError:
        return server.lower() == "localhost"


def _is_impossible(secret: Secret | None) -> bool:
    return secret is not None and secret.is_impossible


def _sends_in_clear(server: Server) -> bool:
    has_login = server.username is not None and server.secret is not None
    return has_login and not server.is_encrypted and not _is_loopback(server.host)


_RULES = (
    Rule(
        "error", "tls-and-ssl", ("MAIL_USE_TLS", "MAIL_USE_SSL"),
        lambda options: options.server.starttls and options.server.implicit_tls,
        "{use_tls} and {use_ssl} are both set: keep {use_ssl} for a port with TLS from the"
        " first byte (465), or {use_tls} for STARTTLS (587).",
    ),
    Rule(
        "error", "bad-local-hostname", ("MAIL_LOCAL_HOSTNAME",),
        lambda options: options.server.local_hostname is not None
        and not _EHLO_NAME.fullmatch(options.server.local_hostname),
        "{local_hostname} must be a host name, or an address literal such as [192.0.2.1], in"
        " ASCII (RFC 5321 section 4.1.4).",
    ),
    Rule(
        "error", "key-without-certificate", ("MAIL_TLS_KEY_FILE", "MAIL_TLS_CERT_FILE"),
        lambda options: options.has_key and not options.has_certificate,
        "{tls_key_file} needs {tls_cert_file}: set both.",
    ),
    Rule(
        "error", "password-and-token", ("MAIL_PASSWORD", "MAIL_OAUTH2_TOKEN"),
        lambda options: None not in (options.server.password, options.server.token),
        "{password} and {oauth2_token} are both set: keep one.",
    ),
    Rule(
        "error", "password-without-username", ("MAIL_USERNAME", "MAIL_PASSWORD"),
        lambda options: options.server.username is None and options.server.password is not None,
        "{password} is set, but {username} is not: set both to log in, or neither.",
    ),
    Rule(
        "error", "token-without-username", ("MAIL_USERNAME", "MAIL_OAUTH2_TOKEN"),
        lambda options: options.server.username is None and options.server.token is not None,
        "{oauth2_token} is set, but {username} is not: set both to log in, or neither.",
    ),
    Rule(
        "error", "username-without-password", ("MAIL_USERNAME", "MAIL_PASSWORD"),
        lambda options: options.server.username is not None and options.server.secret is None,
        "{username} is set, but neither {password} nor {oauth2_token}: set one of them to"
        " log in, or unset {username}.",
    ),
    Rule(
        "error", "bad-username", ("MAIL_USERNAME",),
        lambda options: options.server.username is not None
        and _NOT_IN_A_NAME.search(options.server.username) is not None,
        "{username} must be Unicode text without line ends and other control characters."
        f" {_ORIGIN}",
    ),
    Rule(
        "error", "bad-password", ("MAIL_PASSWORD",),
        lambda options: _is_impossible(options.server.password),
        "{password} must be "
        f"{Password.must_be}. {_ORIGIN}",
    ),
    Rule(
        "error", "bad-token", ("MAIL_OAUTH2_TOKEN",),
        lambda options: _is_impossible(options.server.token),
        "{oauth2_token} must be "
        f"{Token.must_be}. {_ORIGIN}",
    ),
    Rule(
        "warning", "port-465-with-starttls", ("MAIL_PORT", "MAIL_USE_TLS"),
        lambda options: options.server.port == 465 and not options.server.implicit_tls
        and options.server.starttls,
        "Port 465 uses TLS from the first byte: set {use_ssl} instead of {use_tls}, or port"
        " 587.",
    ),
    Rule(
        "warning", "port-587-with-ssl", ("MAIL_PORT", "MAIL_USE_SSL"),
        lambda options: options.server.port == 587 and not options.server.starttls
        and options.server.implicit_tls,
        "Port 587 usually starts unencrypted: set {use_tls} instead of {use_ssl}, or port"
        " 465.",
    ),
    Rule(
        "warning", "tls-not-verified", ("MAIL_TLS_VERIFY",),
        lambda options: options.server.is_encrypted and not options.verify,
        "{tls_verify} is False: anyone between this host and {address} can read and change mail"
        " and the password. Set {tls_ca_file} instead if the server is your own.",
    ),
    Rule(
        "warning", "login-in-clear", ("MAIL_USE_TLS", "MAIL_USE_SSL"),
        lambda options: _sends_in_clear(options.server),
        "{secret} may be sent to {address} unencrypted: set {use_tls} or {use_ssl}.",
    ),
)  # fmt: skip


def problems(options: Options) -> Iterator[Rule]:
    """Yield the rules that apply, errors first."""
    server, secret = options.server, options.server.secret
    words = {"address": str(server), "secret": "" if secret is None else secret.setting}
    names = SettingNames(lambda each: words.get(each) or server.names[each])
    for rule in _RULES:
        if rule.applies(options):
            yield rule._replace(advice=sentence(rule.advice.format_map(names)))


def check(options: Options) -> None:
    """Log a warning for each unsafe option.

    :raises ConfigurationError: options conflict, or one is not valid.
    """
    for problem in problems(options):
        if problem.level == "error":
            raise ConfigurationError(problem.advice)
        _log.warning("%s", problem.advice)


def implied_by_url(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return STARTTLS if a URL has a password that would travel to another host in clear."""
    try:
        is_encrypted = to_bool(options.get("use_ssl", False))
    except ValueError:  # reported when the option is read
        is_encrypted = False
    logs_in = "password" in options or "oauth2_token" in options
    is_local = _is_loopback(str(options.get("server", "localhost")))
    return {"use_tls": True} if logs_in and not is_encrypted and not is_local else {}


def reader(names: SettingNames) -> Callable[[str, object], Any]:
    """Return a function that reads the value of an option, which code may have passed.

    It raises `ConfigurationError` if the value is not of the setting's kind.
    """

    def read(option: str, value: object) -> Any:
        setting = BY_KEY[f"MAIL_{option.upper()}"]
        return convert(sentence(names[option]), setting.read, value, secret=setting.secret)

    return read
