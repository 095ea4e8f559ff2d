"""The mailers that the settings define: ``MAIL_MAILERS`` and ``MAIL_URL``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ..backends import Backend, loader
from ..backends.options import Options, declared, hidden, reader_of, secrets_of
from ..config import table as settings
from ..config.masking import kind_of, sounds_secret
from ..config.misspelt import nearest
from ..config.urls import MailURL, form_of, read_url
from ..delivery.policy import DEFAULT
from ..errors import ConfigurationError, MailerNotFound
from ..util.secret import Secret
from ..util.text import describe

_MAILERS: Final = "MAIL_MAILERS"
_URL: Final = "MAIL_URL"
_ODD: Final = (
    "is neither the name nor the import path of a backend, and not a URL such as"
    ' "smtp://user:password@smtp.example.com:587" either.'
)


@dataclass(frozen=True)
class Definition:
    """One mailer as the settings define it."""

    name: str
    key: str
    """Its setting, such as ``MAIL_MAILERS['bulk']``."""
    backend: Any
    """The name, import path or class of its backend."""
    _source: Mapping[str, Any] | MailURL

    def __repr__(self) -> str:
        return f"Definition({self.name!r})"  # the rest may contain secrets

    @property
    def backend_key(self) -> str:
        """The setting that names its backend, for errors."""
        is_table = isinstance(self._source, Mapping) and self._source
        return f"{self.key}['BACKEND']" if is_table else self.key

    def options(self, cls: type[Backend[Any]]) -> Options:
        """Return its options for the backend `cls`, by lowercase name.

        :raises ConfigurationError: the URL has a part that the backend does not take, or a secret
            is not a string.
        """
        options = self._options(cls)
        if isinstance(options, str):
            raise ConfigurationError(options)
        return options

    def _options(self, cls: type[Backend[Any]]) -> Options | str:
        """Return the options, or what is wrong with them: a frame of an error would show them."""
        if isinstance(self._source, MailURL):
            given = self._of_url(cls, self._source)
            if isinstance(given, str):
                return f"{self.key} {given}"
        else:
            given = {
                name: value
                for key, value in self._source.items()
                if (name := key.lower()) != "backend" and not settings.is_unset(value)
            }
        key_of = partial(self._key_of, cls)
        found = _secret(cls, given, key_of)
        url = self.key if isinstance(self._source, MailURL) else ""
        return found if isinstance(found, str) else Options(found, key_of, url)

    def _key_of(self, cls: type[Backend[Any]], option: str) -> str:
        if option == "backend":
            return "MAIL_BACKEND" if self.key == _URL else self.backend_key
        if isinstance(self._source, MailURL):
            return f"{self._source.part_of(option, cls.url_parts)} in {self.key}"
        return f"{self.key}[{option.upper()!r}]"

    def _of_url(self, cls: type[Backend[Any]], url: MailURL) -> dict[str, Any] | str:
        """Return the options in a URL, or what is wrong with it."""
        if is_composite(cls):
            return (
                f"cannot be a URL: the {cls.name} backend is made of other mailers. Define it by a"
                f" table in {_MAILERS}."
            )
        if unknown := [part for part in url.parts if part not in cls.url_parts]:
            form = form_of(cls.name, cls.url_parts)
            return f"has a {unknown[0]}, but URLs of the {cls.name} backend have the form {form}."
        parts = {cls.url_parts[part]: value for part, value in url.parts.items()}
        if twice := (parts.keys() | url.implied.keys()) & url.options.keys():
            return f"gives the option {min(twice)!r} twice."
        if "host" in cls.url_parts and "host" not in url.parts:
            return "names no host."
        found = {**parts, **url.implied, **url.options}
        return {**cls.url_defaults(found), **found}


class Definitions:
    """Reads the definitions of mailers from the configuration of one app."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        # Name -> the value of the setting as it was read, and what was read from it.
        self._known: dict[str, tuple[object, Definition]] = {}

    def get(self, name: str) -> Definition | None:
        """Return the definition of a mailer, or ``None`` if the settings have none of that name.

        For ``"default"`` that is usual: the flat settings make it.

        :raises ConfigurationError: its value is not a table, URL or backend.
        """
        key = self.key(name)
        return None if key is None else self._read(name, key)

    def chosen(self, name: str) -> Definition | None:
        """Return the definition of a mailer that must exist; ``"default"`` always does.

        :raises MailerNotFound: the settings have none of that name.
        """
        return self.get(name) if name == DEFAULT else self.find(name)

    def key(self, name: object) -> str | None:
        """Return the setting that defines a mailer, or ``None`` if no setting does.

        :raises ConfigurationError: ``MAIL_MAILERS`` is not a dict.
        """
        is_given = self._config.get(_MAILERS) is not None and isinstance(name, str)
        if is_given and name in self._tables():
            return f"{_MAILERS}[{name!r}]"
        if (
            name == DEFAULT
            and self._config.get(_URL)
            and self._config.get("MAIL_BACKEND", "") == ""
        ):
            return _URL
        return None

    def find(self, name: str) -> Definition:
        """Return the definition of a mailer.

        :raises MailerNotFound: the settings have none of that name.
        """
        found = self.get(name)
        if found is None:
            hint = nearest(str(name), self.names()) or "."
            raise MailerNotFound(
                f"{_MAILERS} has no mailer {describe(name)}{hint} It has:"
                f" {', '.join(self.names())}."
            )
        return found

    def names(self) -> list[str]:
        """Return the names of all mailers, ``"default"`` first."""
        return [DEFAULT, *(each for each in list(self._tables()) if each != DEFAULT)]

    # None of these has a value of a setting in a variable when it raises: tracebacks may show the
    # variables of each frame, and tables and URLs contain passwords.

    def _tables(self) -> Mapping[str, Any]:
        tables = self._config.get(_MAILERS)
        if settings.is_unset(tables):
            return {}
        # An empty name is that of no mailer in receipts.
        if isinstance(tables, Mapping) and all(each and isinstance(each, str) for each in tables):
            return tables
        del tables
        raise ConfigurationError(
            f"{_MAILERS} must be a dict of mailers by name, such as"
            ' {"bulk": {"BACKEND": "smtp", "SERVER": "smtp.example.com"}}.'
        )

    def _value(self, name: str, key: str) -> Any:
        return self._config[_URL] if key == _URL else self._config[_MAILERS][name]

    def _read(self, name: str, key: str) -> Definition:
        known = self._known.get(name)
        if known is not None and known[1].key == key and known[0] == self._value(name, key):
            return known[1]
        del known
        read = _definition(name, key, self._value(name, key))
        if isinstance(read, str):
            raise ConfigurationError(read)
        # A copy, as a program may change its tables.
        self._known[name] = _copied(self._value(name, key)), read
        return read


def _definition(name: str, key: str, value: Any) -> Definition | str:
    """Return the definition of a mailer, or what is wrong with its value."""
    if isinstance(value, str) and "://" in value:
        url = read_url(value)
        return f"{key} {url}" if isinstance(url, str) else Definition(name, key, url.backend, url)
    if key == _URL:
        return f'{key} is not a URL such as "smtp://localhost:1025".'
    if isinstance(value, Mapping):
        names = [str(each).lower() for each in value]
        if twice := [each for each in names if names.count(each) > 1]:
            return f"{key} has the option {twice[0]!r} twice."
        table = {str(option): _copied(each) for option, each in value.items()}
        backend = {option.lower(): each for option, each in table.items()}.get("backend", "smtp")
        if backend is None:
            return f"{key}['BACKEND'] is None: write \"null\", with its quotes."
        if is_odd(backend):
            return f"{key}['BACKEND'] {_ODD}"
        return Definition(name, key, backend or "smtp", table)
    if is_odd(value):
        return f"{key} {_ODD}"
    if isinstance(value, (str, type)) and value:
        return Definition(name, key, value, {})
    return (
        f"{key} must be a dict of options, a URL, or the name, import path or class of a backend,"
        f" not {kind_of(value)}."
    )


def wanted_backend(config: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the value of ``MAIL_BACKEND``, or ``"smtp"``, and the setting that decided it.

    :raises ConfigurationError: it is ``None``, which JSON's ``null`` is read as. Who writes that
        may well want the backend of this name, and no mail may leave then.
    """
    value = config.get("MAIL_BACKEND", "")
    del config
    if value is None:
        raise ConfigurationError(
            "MAIL_BACKEND is None, as null is read in JSON and by from_prefixed_env(). Write"
            ' "null" with its quotes for the backend that sends nothing, such as'
            " FLASK_MAIL_BACKEND='\"null\"'; leave MAIL_BACKEND out for smtp."
        )
    return ("smtp", "default") if value == "" else (value, "MAIL_BACKEND")


def is_odd(backend: object) -> bool:
    """Return True for a string that is not a backend; it may be a damaged URL with a password."""
    return isinstance(backend, str) and backend != "" and not loader.is_reference(backend)


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_copied, value)) if type(value) in (list, tuple) else value
    return value


def _secret(
    cls: type[Backend[Any]], given: dict[str, Any], key_of: Callable[[str], str]
) -> dict[str, Any] | str:
    """Return `given` with its secrets wrapped, or what is wrong with one of them."""
    for name, kind in secrets_of(cls).items():
        if name in given and not isinstance(given[name], Secret):
            key = key_of(name)
            try:
                given[name] = kind(
                    settings.convert(key, reader_of(kind), given[name], secret=True), key
                )
            except ConfigurationError as error:
                return str(error)
    parameters, takes_any = declared(cls)
    for name in () if takes_any or is_composite(cls) else given.keys() - parameters.keys():
        if sounds_secret(name):  # it is misspelt, and the error of the backend must not show it
            given[name] = Secret(given[name], key_of(name))
    return {name: hidden(cls, value, key_of(name)) for name, value in given.items()}


def is_composite(cls: type[Backend[Any]]) -> bool:
    """Return True if backends of this class are made of others."""
    return getattr(cls.parts, "__func__", None) is not getattr(Backend.parts, "__func__", None)
