"""Rules for the values of the settings, checked without network access."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..address.parser import parse_address
from ..backends.smtp import SmtpBackend
from ..backends.smtp_checks import is_loopback
from ..config.converters import default_port, to_bool
from ..config.table import BY_KEY, FAIL_SILENTLY, convert
from ..errors import ConfigurationError, MessageError
from ..message.fields import sender_text

if TYPE_CHECKING:
    from ..address.parser import Address
    from .context import Choice
    from .values import Entries

_OF_A_LOGIN = ("MAIL_USERNAME", "MAIL_PASSWORD")
Level = Literal["error", "warning"]

_READERS = {**{key: each.read for key, each in BY_KEY.items()}, FAIL_SILENTLY: to_bool}


@dataclass(frozen=True)
class Finding:
    """A problem, or a likely one."""

    level: Level
    code: str
    """Stable identifier, the same in every version."""
    keys: tuple[str, ...]
    advice: str
    """The problem and its solution."""


def judge_values(entries: Entries, choice: Choice, *, production: bool) -> Iterator[Finding]:
    """Yield the problems with the values, single and combined.

    :param production: neither debug nor testing is on.
    """
    yield from _kinds(entries)
    if choice.error:
        yield Finding("error", "backend", ("MAIL_BACKEND",), choice.error)
    if production:
        yield from _silence(choice)
    yield from _smtp(entries, choice)
    yield from _sender(entries)


def sender_of(entries: Entries) -> Address | None:
    """Return the default sender, or ``None`` if it is unset.

    :raises MessageError: it is not an address.
    """
    entry = entries["MAIL_DEFAULT_SENDER"]
    return None if entry.value is None else parse_address(sender_text(entry.value), entry.name)


def _kinds(entries: Entries) -> Iterator[Finding]:
    for entry in entries:
        if entry.value is not None and entry.key in _READERS:
            try:
                convert(entry.name, _READERS[entry.key], entry.value)
            except ConfigurationError as error:
                yield Finding("error", "wrong-kind", (entry.name,), str(error))


def _silence(choice: Choice) -> Iterator[Finding]:
    if choice.wanted_class is not None and not choice.wanted_class.external:
        yield Finding(
            "warning",
            "development-backend",
            ("MAIL_BACKEND",),
            f"The backend {choice.wanted_class.name} sends no mail, although neither debug nor"
            " testing is on: set MAIL_BACKEND to one that does, such as smtp.",
        )
    if choice.is_replaced:
        yield Finding(
            "warning",
            "suppressed",
            ("MAIL_SUPPRESS_SEND",),
            f"{choice.reason} suppresses all mail, although neither debug nor testing is on: unset"
            " it to send.",
        )


def _smtp(entries: Entries, choice: Choice) -> Iterator[Finding]:
    # Other backends ignore these settings.
    is_smtp = choice.wanted_class is not None and issubclass(choice.wanted_class, SmtpBackend)
    level: Level = "error" if is_smtp else "warning"
    starttls, implicit = entries.value("MAIL_USE_TLS"), entries.value("MAIL_USE_SSL")
    port = entries.value("MAIL_PORT", default_port(bool(implicit)))
    user, password = entries.has("MAIL_USERNAME"), entries.has("MAIL_PASSWORD")
    token = entries.has("MAIL_OAUTH2_TOKEN")
    far = not is_loopback(entries.value("MAIL_SERVER", "localhost"))
    rules = [
        (
            bool(starttls and implicit),
            Finding(
                level,
                "tls-and-ssl",
                ("MAIL_USE_TLS", "MAIL_USE_SSL"),
                "Unset MAIL_USE_TLS or MAIL_USE_SSL: the first means STARTTLS (port 587), the"
                " second TLS from the first byte (port 465).",
            ),
        ),
        (
            bool(port == 465 and starttls and not implicit),
            Finding(
                level,
                "port-465-with-starttls",
                ("MAIL_PORT", "MAIL_USE_TLS"),
                "Port 465 uses TLS from the first byte: set MAIL_USE_SSL instead of MAIL_USE_TLS,"
                " or port 587.",
            ),
        ),
        (
            bool(port == 587 and implicit and not starttls),
            Finding(
                "warning",
                "port-587-with-ssl",
                ("MAIL_PORT", "MAIL_USE_SSL"),
                "Port 587 usually starts unencrypted: set MAIL_USE_TLS instead of MAIL_USE_SSL, or"
                " port 465.",
            ),
        ),
        (
            user and not (password or token),
            Finding(
                level,
                "username-without-password",
                ("MAIL_USERNAME", "MAIL_PASSWORD"),
                "Set MAIL_PASSWORD or MAIL_OAUTH2_TOKEN too, or unset MAIL_USERNAME if the server"
                " requires no login.",
            ),
        ),
        (
            any(_has_blanks(entries[key].value) for key in _OF_A_LOGIN),
            Finding(
                "warning",
                "login-with-blanks",
                _OF_A_LOGIN,
                "MAIL_USERNAME or MAIL_PASSWORD begins or ends with a blank, which is sent too:"
                " remove it if the login is refused.",
            ),
        ),
        (
            password and not user,
            Finding(
                level,
                "password-without-username",
                ("MAIL_USERNAME", "MAIL_PASSWORD"),
                "Set MAIL_USERNAME too, or unset MAIL_PASSWORD if the server requires no login.",
            ),
        ),
        (
            token and not user,
            Finding(
                level,
                "token-without-username",
                ("MAIL_USERNAME", "MAIL_OAUTH2_TOKEN"),
                "Set MAIL_USERNAME to the account of MAIL_OAUTH2_TOKEN.",
            ),
        ),
        (
            token and password,
            Finding(
                level,
                "password-and-token",
                ("MAIL_PASSWORD", "MAIL_OAUTH2_TOKEN"),
                "Unset MAIL_PASSWORD or MAIL_OAUTH2_TOKEN: only one of them can be used.",
            ),
        ),
        (
            entries.has("MAIL_TLS_KEY_FILE") and not entries.has("MAIL_TLS_CERT_FILE"),
            Finding(
                level,
                "key-without-certificate",
                ("MAIL_TLS_KEY_FILE", "MAIL_TLS_CERT_FILE"),
                "Set MAIL_TLS_CERT_FILE to the certificate of the key in MAIL_TLS_KEY_FILE.",
            ),
        ),
        (
            not entries.value("MAIL_TLS_VERIFY", True),
            Finding(
                "warning",
                "tls-not-verified",
                ("MAIL_TLS_VERIFY",),
                "Unset MAIL_TLS_VERIFY, and set MAIL_TLS_CA_FILE if the server is your own: without"
                " the check, anyone in between can read and change mail and the password.",
            ),
        ),
        (
            bool(user and (password or token) and far and not (starttls or implicit)),
            Finding(
                "warning",
                "login-in-clear",
                ("MAIL_USE_TLS", "MAIL_USE_SSL"),
                "Set MAIL_USE_TLS or MAIL_USE_SSL: the password or token is sent over the network"
                " unencrypted.",
            ),
        ),
    ]
    for is_broken, finding in rules:
        if is_broken:
            yield finding


def _has_blanks(value: object) -> bool:
    return isinstance(value, str) and value != value.strip()


def _sender(entries: Entries) -> Iterator[Finding]:
    entry = entries["MAIL_DEFAULT_SENDER"]
    try:
        if sender_of(entries) is None:
            yield Finding(
                "warning",
                "no-default-sender",
                (entry.key,),
                "Set MAIL_DEFAULT_SENDER, or give every message a sender.",
            )
    except MessageError as error:
        yield Finding("error", "bad-default-sender", (entry.name,), str(error))
