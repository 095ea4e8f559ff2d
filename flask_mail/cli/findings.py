"""What is wrong with the settings, judged without contacting anybody."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..addresses import parse_address
from ..backends.base import Backend
from ..backends.options import declared
from ..backends.smtp import SmtpBackend, _is_loopback, default_port
from ..errors import ConfigurationError, MessageError
from ..message import sender_text
from ..settings import BY_KEY, FAIL_SILENTLY, OLD_NAMES, convert, is_unset, to_bool
from .state import Choice, Entry, config_of, entries_of

if TYPE_CHECKING:
    from ..addresses import Address
    from ..extension import _Mail
    from .plugins import Plugin

Level = Literal["error", "warning"]

_READERS = {**{key: each.read for key, each in BY_KEY.items()}, FAIL_SILENTLY: to_bool}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that may be."""

    level: Level
    code: str
    """What it is, for programs: the same in every version."""
    keys: tuple[str, ...]
    advice: str
    """What to do."""


class Examination:
    """The settings of an app, read once and judged.

    :param production: neither debug nor testing is on.
    """

    def __init__(
        self, state: _Mail, choice: Choice, plugins: list[Plugin], *, production: bool
    ) -> None:
        self.entries = entries_of(state)
        self._by_key = {entry.key: entry for entry in self.entries}
        self._config = config_of(state)
        self._choice = choice
        self._plugins = plugins
        self._production = production

    def findings(self) -> list[Finding]:
        """Return what is wrong, errors first."""
        found = [
            *self._kinds(),
            *self._backend(),
            *self._smtp(),
            *self._sender(),
            *self._other_keys(),
            *self._old_names(),
        ]
        # The same sentence may come from a value and from what could not be chosen because of it.
        unique = {finding.advice: finding for finding in reversed(found)}
        return sorted(reversed(unique.values()), key=lambda finding: finding.level)

    def sender(self) -> Address | None:
        """Return the default sender, if there is a valid one."""
        entry = self._by_key["MAIL_DEFAULT_SENDER"]
        try:
            return None if entry.value is None else _address(entry)
        except MessageError:
            return None

    def _has(self, key: str) -> bool:
        return self._by_key[key].value is not None

    def _value(self, key: str, default: Any = None) -> Any:
        """Return a value read as its kind; the default where it is unset or of another kind."""
        entry = self._by_key[key]
        try:
            return default if entry.value is None else BY_KEY[key].read(entry.value)
        except ValueError:
            return default

    def _kinds(self) -> Iterator[Finding]:
        for entry in self.entries:
            if entry.value is not None and entry.key in _READERS:
                try:
                    convert(entry.name, _READERS[entry.key], entry.value)
                except ConfigurationError as error:
                    yield Finding("error", "wrong-kind", (entry.name,), str(error))

    def _backend(self) -> Iterator[Finding]:
        choice = self._choice
        if choice.error:
            yield Finding("error", "backend", ("MAIL_BACKEND",), choice.error)
        if not self._production:
            return
        if choice.wanted_class is not None and not choice.wanted_class.external:
            yield Finding(
                "warning",
                "development-backend",
                ("MAIL_BACKEND",),
                f"The backend {choice.wanted_class.name} sends nothing to anybody, though neither"
                " debug nor testing is on: set MAIL_BACKEND to one that does, such as smtp.",
            )
        if choice.is_replaced:
            yield Finding(
                "warning",
                "suppressed",
                ("MAIL_SUPPRESS_SEND",),
                "No mail leaves this machine, though neither debug nor testing is on: unset"
                " MAIL_SUPPRESS_SEND to send.",
            )

    def _smtp(self) -> Iterator[Finding]:
        wanted = self._choice.wanted_class
        # Another backend may not care about these.
        level: Level = "error" if wanted and issubclass(wanted, SmtpBackend) else "warning"
        starttls, implicit = self._value("MAIL_USE_TLS"), self._value("MAIL_USE_SSL")
        port = self._value("MAIL_PORT", default_port(bool(implicit)))
        user, password = self._has("MAIL_USERNAME"), self._has("MAIL_PASSWORD")
        encrypted = starttls or implicit
        far = not _is_loopback(self._value("MAIL_SERVER", "localhost"))
        rules: list[tuple[bool, Level, str, tuple[str, ...], str]] = [
            (
                bool(starttls and implicit),
                level,
                "tls-and-ssl",
                ("MAIL_USE_TLS", "MAIL_USE_SSL"),
                "Unset one of MAIL_USE_TLS and MAIL_USE_SSL: the first is STARTTLS (port 587), the"
                " second TLS from the first byte (port 465).",
            ),
            (
                bool(port == 465 and starttls and not implicit),
                level,
                "port-465-with-starttls",
                ("MAIL_PORT", "MAIL_USE_TLS"),
                "Port 465 speaks TLS from the first byte: set MAIL_USE_SSL instead of MAIL_USE_TLS,"
                " or port 587.",
            ),
            (
                bool(port == 587 and implicit and not starttls),
                "warning",
                "port-587-with-ssl",
                ("MAIL_PORT", "MAIL_USE_SSL"),
                "Port 587 usually starts in clear: set MAIL_USE_TLS instead of MAIL_USE_SSL, or"
                " port 465.",
            ),
            (
                user and not password,
                level,
                "username-without-password",
                ("MAIL_USERNAME", "MAIL_PASSWORD"),
                "Set MAIL_PASSWORD too, or unset MAIL_USERNAME if the server wants no login.",
            ),
            (
                password and not user,
                level,
                "password-without-username",
                ("MAIL_USERNAME", "MAIL_PASSWORD"),
                "Set MAIL_USERNAME too, or unset MAIL_PASSWORD if the server wants no login.",
            ),
            (
                self._has("MAIL_TLS_KEY_FILE") and not self._has("MAIL_TLS_CERT_FILE"),
                level,
                "key-without-certificate",
                ("MAIL_TLS_KEY_FILE", "MAIL_TLS_CERT_FILE"),
                "Set MAIL_TLS_CERT_FILE to the certificate of the key in MAIL_TLS_KEY_FILE.",
            ),
            (
                not self._value("MAIL_TLS_VERIFY", True),
                "warning",
                "tls-not-verified",
                ("MAIL_TLS_VERIFY",),
                "Unset MAIL_TLS_VERIFY, and set MAIL_TLS_CA_FILE if the server is your own: without"
                " the check, anyone in between can read and change mail and the password.",
            ),
            (
                bool(user and password and far and not encrypted),
                "warning",
                "login-in-clear",
                ("MAIL_USE_TLS", "MAIL_USE_SSL"),
                "Set MAIL_USE_TLS or MAIL_USE_SSL: the password crosses the network in clear.",
            ),
        ]
        for is_broken, *finding in rules:
            if is_broken:
                yield Finding(*finding)

    def _sender(self) -> Iterator[Finding]:
        entry = self._by_key["MAIL_DEFAULT_SENDER"]
        if entry.value is None:
            yield Finding(
                "warning",
                "no-default-sender",
                (entry.key,),
                "Set MAIL_DEFAULT_SENDER, or name a sender in every message.",
            )
            return
        try:
            _address(entry)
        except MessageError as error:
            yield Finding("error", "bad-default-sender", (entry.name,), str(error))

    def _other_keys(self) -> Iterator[Finding]:
        classes = [plugin.backend for plugin in self._plugins] + [self._choice.wanted_class]
        backends = {each.setting_key(""): each for each in classes if each is not None}
        # What a broken plugin knows cannot be told.
        unknown = {
            f"MAIL_{plugin.declared.name.upper()}_"
            for plugin in self._plugins
            if plugin.backend is None
        }
        bare = {
            SmtpBackend.setting_key(option)
            for each in classes
            if each is not None and each.setting_key("") == "MAIL_"
            for option in declared(each)[0]
        }
        known = bare | set(BY_KEY)
        prefixes = sorted(backends.keys() - {"MAIL_"} | unknown, key=len, reverse=True)
        for key in (entry.key for entry in self.entries):
            if key in known or key == FAIL_SILENTLY:
                continue
            prefix = next((each for each in prefixes if key.startswith(each)), "")
            if not prefix:
                yield Finding(
                    "warning",
                    "unknown-key",
                    (key,),
                    f"Flask-Mail knows no {key}{_nearest(key, known)}",
                )
            elif prefix not in unknown:
                yield from self._option(key, prefix, backends[prefix])

    def _option(self, key: str, prefix: str, backend: type[Backend[Any]]) -> Iterator[Finding]:
        parameters, takes_any = declared(backend)
        reads_them_itself = backend.from_options.__func__ is not Backend.from_options.__func__
        if takes_any or reads_them_itself or key[len(prefix) :].lower() in parameters:
            return
        options = {backend.setting_key(each) for each in parameters}
        yield Finding(
            "error" if backend is self._choice.wanted_class else "warning",
            "unknown-option",
            (key,),
            f"The backend {backend.name} has no option {key}{_nearest(key, options)}",
        )

    def _old_names(self) -> Iterator[Finding]:
        for key, old in OLD_NAMES.items():
            if not is_unset(self._config.get(old)):
                yield Finding(
                    "warning", "old-name", (old,), f"Rename {old} to {key}, its name since 0.8."
                )
        if FAIL_SILENTLY in self._by_key:
            yield Finding(
                "warning",
                "old-name",
                (FAIL_SILENTLY,),
                f"Unset {FAIL_SILENTLY}, from before 0.8, and catch flask_mail.BackendUnavailable or"
                " use mail.send_many(), which raises nothing.",
            )


def _address(entry: Entry) -> Address:
    return parse_address(sender_text(entry.value), entry.name)


def _nearest(key: str, known: set[str]) -> str:
    # Without what they all begin with, which makes any two of them look alike.
    bare = {each.removeprefix("MAIL_"): each for each in sorted(known)}
    matches = difflib.get_close_matches(key.removeprefix("MAIL_"), bare, n=1)
    if matches:
        return f"; did you mean {bare[matches[0]]}?"
    return ": if it is not your app's own, remove it."
