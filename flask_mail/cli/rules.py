"""Rules for the values of the settings, checked without network access."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..address.parser import parse_address
from ..backends.smtp import SmtpBackend
from ..backends.smtp_rules import Options, problems
from ..config.converters import default_port, to_bool
from ..config.message_settings import UNSUBSCRIBE
from ..config.table import BY_KEY, FAIL_SILENTLY, convert
from ..config.telemetry_settings import TELEMETRY
from ..errors import ConfigurationError, MessageError
from ..extension.unsubscribe import add_headers
from ..message.fields import sender_text
from ..message.message import Message
from ..smtp.server import Server
from ..telemetry import check_installed
from ..util.secret import Password, Token
from .finding import Finding

if TYPE_CHECKING:
    from ..address.parser import Address
    from .context import Choice
    from .values import Entries

_OF_A_LOGIN = ("MAIL_USERNAME", "MAIL_PASSWORD")

_READERS = {**{key: each.read for key, each in BY_KEY.items()}, FAIL_SILENTLY: to_bool}


def judge_values(
    entries: Entries, default: Choice, choices: Iterable[Choice], *, production: bool
) -> Iterator[Finding]:
    """Yield the problems with the values, single and combined.

    :param default: the backend of the default mailer.
    :param choices: the backends of the mailers that are tried.
    :param production: neither debug nor testing is on.
    """
    yield from _kinds(entries)
    for choice in choices:
        if choice.error:
            yield Finding("error", "backend", (choice.wanted_by,), choice.error)
        if production:
            yield from _silence(choice)
    yield from _smtp(entries, default)
    yield from _sender(entries)


def judge_unsubscribe(entries: Entries, app: Any) -> Iterator[Finding]:
    """Yield the reason why unsubscribe links cannot be made, if ``MAIL_UNSUBSCRIBE`` is set."""
    if entries.has(UNSUBSCRIBE):
        try:
            probe = Message(recipients=["ann@example.com"], unsubscribe="list")
            add_headers(probe, entries.config, app)
        except (ConfigurationError, MessageError) as error:
            yield Finding("error", "unsubscribe", (UNSUBSCRIBE,), str(error))


def judge_telemetry(entries: Entries) -> Iterator[Finding]:
    """Yield the reason why messages cannot be traced, if ``MAIL_TELEMETRY`` is on."""
    if entries.value(TELEMETRY, False):
        try:
            check_installed()
        except ConfigurationError as error:
            yield Finding("error", "telemetry", (TELEMETRY,), str(error))


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
            (choice.wanted_by,),
            f"The backend {choice.wanted_class.name} sends no mail, although neither debug nor"
            f" testing is on: set {choice.wanted_by} to one that does, such as smtp.",
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
    # Other backends ignore these settings, and so do mailers with options of their own.
    cls = choice.wanted_class if choice.is_flat else None
    is_smtp = cls is not None and issubclass(cls, SmtpBackend)
    for problem in problems(_smtp_options(entries)):
        yield Finding(
            problem.level if is_smtp else "warning", problem.code, problem.keys, problem.advice
        )
    if any(_has_blanks(entries[key].value) for key in _OF_A_LOGIN):
        yield Finding(
            "warning",
            "login-with-blanks",
            _OF_A_LOGIN,
            "MAIL_USERNAME or MAIL_PASSWORD begins or ends with a blank, which is sent too:"
            " remove it if the login is refused.",
        )


def _smtp_options(entries: Entries) -> Options:
    implicit_tls = entries.value("MAIL_USE_SSL", False)

    def login(key: str) -> Any:
        # Even if it is not valid, it is set.
        return entries.value(key, "") if entries.has(key) else None

    password, token = login("MAIL_PASSWORD"), login("MAIL_OAUTH2_TOKEN")
    server = Server(
        host=entries.value("MAIL_SERVER", "localhost"),
        port=entries.value("MAIL_PORT", default_port(implicit_tls)),
        timeout=0,
        implicit_tls=implicit_tls,
        starttls=entries.value("MAIL_USE_TLS", False),
        local_hostname=entries.value("MAIL_LOCAL_HOSTNAME"),
        username=login("MAIL_USERNAME"),
        password=None if password is None else Password(password),
        token=None if token is None else Token(token),
    )
    return Options(
        server,
        verify=entries.value("MAIL_TLS_VERIFY", True),
        has_certificate=entries.has("MAIL_TLS_CERT_FILE"),
        has_key=entries.has("MAIL_TLS_KEY_FILE"),
    )


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
