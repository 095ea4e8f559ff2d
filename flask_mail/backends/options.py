"""Options of a backend, declared by its constructor."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import types
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Union

from ..config.converters import (
    to_anything,
    to_bool,
    to_int,
    to_path,
    to_secret,
    to_secrets,
    to_str,
)
from ..config.masking import sounds_secret
from ..config.misspelt import meant_option, nearest
from ..config.table import convert, is_unset
from ..errors import ConfigurationError
from ..util.secret import EventsSecret, Secret


def to_float(value: object) -> float:
    """Convert a number or string to float."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise ValueError("a number")


_READERS: Mapping[Any, Callable[[object], Any]] = {
    bool: to_bool,
    int: to_int,
    float: to_float,
    str: to_str,
    Path: lambda value: Path(to_path(value)),
    os.PathLike: to_path,
}


# Since Python 3.14 signature() evaluates annotations, which may only exist for type checkers.
UNEVALUATED: dict[str, Any] = (
    {"annotation_format": importlib.import_module("annotationlib").Format.FORWARDREF}
    if sys.version_info >= (3, 14)
    else {}
)


def read_options(
    cls: type, key_of: Callable[[str], str], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the keyword arguments for ``cls(...)``: `options`, converted as annotated.

    Strings are converted to bool, int, float or path if annotated so, and wrapped in
    :class:`Secret`; unset options are omitted.

    :param key_of: returns the setting of an option, for errors.
    :raises ConfigurationError: an option is unknown, missing or of the wrong type.
    """
    parameters, takes_any = declared(cls)
    given = {name: value for name, value in options.items() if not is_unset(value)}
    for name in given:
        if name not in parameters and not takes_any:
            short_key_of = _short_key_of(key_of, options)
            known = ", ".join(map(short_key_of, parameters)) or "none"
            # Not of the keys, which begin or end alike.
            hint = nearest(meant_option(name, parameters) or name, parameters, short_key_of)
            raise ConfigurationError(
                f"{key_of(name)} is not an option of {cls.__name__}{hint} (its options: {known})."
            )
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in given:
            raise ConfigurationError(f"{cls.__name__} needs {key_of(name)}: set it.")
    secrets, readers = secrets_of(cls), _readers_of(cls)
    found = {}
    for name, value in given.items():
        key, kind = key_of(name), secrets.get(name)
        if kind is not None and not isinstance(value, kind):
            found[name] = kind(convert(key, reader_of(kind), value, secret=True), key)
        else:
            # The name of a mailer, which is in its keys, does not decide what is secret.
            is_secret = sounds_secret(name) if isinstance(options, Options) else None
            found[name] = convert(key, readers.get(name, to_anything), value, secret=is_secret)
    return found


class Options(dict[str, Any]):
    """Options of one mailer, by lowercase name, that know their settings.

    :ivar key_of: returns the setting of an option, for errors.
    :ivar url: the setting that contains them as a URL, or an empty string.
    """

    def __init__(
        self, options: Mapping[str, Any], key_of: Callable[[str], str], url: str = ""
    ) -> None:
        super().__init__(options)
        self.key_of = key_of
        self.url = url


def key_of_option(cls: Any, options: Mapping[str, Any]) -> Callable[[str], str]:
    """Return the function that returns the setting of an option of `cls`."""
    return options.key_of if isinstance(options, Options) else cls.setting_key


def _short_key_of(key_of: Callable[[str], str], options: Mapping[str, Any]) -> Callable[[str], str]:
    """Return the function that names an option where its mailer is known."""
    if not isinstance(options, Options):
        return key_of
    return str if options.url else str.upper


@lru_cache(maxsize=64)  # called for every message
def declared(cls: type) -> tuple[dict[str, inspect.Parameter], bool]:
    """Return the options of a constructor, and True if it takes any others."""
    parameters = list(inspect.signature(cls, **UNEVALUATED).parameters.values())
    named = {
        each.name: each
        for each in parameters
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    }
    return named, any(each.kind is each.VAR_KEYWORD for each in parameters)


@lru_cache(maxsize=64)
def secrets_of(cls: type) -> Mapping[str, type[Secret]]:
    """Return the options of a constructor that are annotated as secrets, with their types."""
    found = {}
    for name, annotation in _annotations_of(cls).items():
        # A list or dict of secrets is not a secret.
        for kind in typing.get_args(annotation) if _is_union(annotation) else (annotation,):
            if isinstance(kind, type) and issubclass(kind, Secret):
                found[name] = kind
    return found


def reader_of(kind: type[Secret]) -> Callable[[object], Any]:
    """Return the converter of values for a kind of secret."""
    return to_secrets if issubclass(kind, EventsSecret) else to_secret


def hidden(cls: type, value: Any, key: str) -> Any:
    """Return the value of an option with the secrets in its tables wrapped.

    These have the names of secret options, such as ``KEY`` in ``MAIL_DKIM_DOMAINS``. Tracebacks
    show the variables of each frame.

    :param key: the setting of the option.
    """
    secrets = secrets_of(cls)
    if not secrets or type(value) not in (dict, list, tuple):
        return value
    if type(value) is not dict:
        return type(value)(hidden(cls, each, f"{key}[{at}]") for at, each in enumerate(value))
    found = {}
    for name, each in value.items():
        place, kind = f"{key}[{name!r}]", secrets.get(str(name).lower())
        if kind is not None and isinstance(each, str):
            found[name] = kind(each, place)
        else:
            found[name] = hidden(cls, each, place)
    return found


@lru_cache(maxsize=64)
def _readers_of(cls: type) -> dict[str, Callable[[object], Any]]:
    return {name: _reader(annotation) for name, annotation in _annotations_of(cls).items()}


@lru_cache(maxsize=64)  # each app would evaluate them
def _annotations_of(cls: type) -> dict[str, Any]:
    return {name: annotation_of(cls, each) for name, each in declared(cls)[0].items()}


def annotation_of(cls: type, parameter: inspect.Parameter | None) -> Any:
    """Return the annotation of a constructor's parameter, or ``Any`` if it is unknown."""
    if parameter is None or parameter.annotation is parameter.empty:
        return Any

    def holder() -> None: ...

    holder.__annotations__ = {"option": parameter.annotation}
    # Resolved in the module of the constructor, which a subclass elsewhere may inherit.
    constructor = inspect.unwrap(cls.__init__)  # type: ignore[misc]
    try:
        found = typing.get_type_hints(holder, getattr(constructor, "__globals__", {}))["option"]
        hash(found)  # fails for invalid annotations such as [int]
    except Exception:  # noqa: BLE001 (names imported only for type checkers)
        return Any
    return found


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (Union, types.UnionType)


def _reader(annotation: Any) -> Callable[[object], Any]:
    origin = typing.get_origin(annotation)
    if _is_union(annotation):
        kinds = [each for each in typing.get_args(annotation) if each is not type(None)]
        # Of several types, the constructor decides.
        return _reader(kinds[0]) if len(kinds) == 1 else to_anything
    if origin is Literal:
        choices = typing.get_args(annotation)

        def choose(value: object) -> Any:
            if value in choices:
                return value
            raise ValueError("one of " + ", ".join(map(repr, choices)))

        return choose
    return _READERS.get(annotation, to_anything)
