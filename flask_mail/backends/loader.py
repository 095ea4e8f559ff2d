"""What ``MAIL_BACKEND`` names -> a backend class that was checked."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..config.table import FAIL_SILENTLY, TABLE, nearest
from ..errors import BackendNotFound, ConfigurationError
from .base import API_VERSION, Backend
from .features import declared_well, is_limit

_log = logging.getLogger("flask_mail")

GROUP = "flask_mail.backends"
_SHARED_PREFIX = "MAIL_"
_METADATA = (".dist-info", ".egg-info")
_UNNAMED = "an unknown distribution"
_NAME = re.compile(r"[a-z][a-z0-9]*")
# What may be shown of a MAIL_BACKEND that is none: a URL would hold a password.
_REFERENCE = re.compile(r"[A-Za-z_][\w.-]{0,99}(?::[\w.]{0,99})?")


@dataclass(frozen=True)
class Installed:
    """One backend that a distribution declares."""

    name: str
    target: str
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        """The distribution and its version."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def built_in(self) -> bool:
        """Whether it is one of Flask-Mail's own, whose names no plugin takes over."""
        return self.target.startswith(f"{GROUP}.")

    def load(self) -> type[Backend[Any]]:
        """Import and check the class.

        :raises ConfigurationError: where that fails; names the distribution and the reason.
        """
        return check_class(
            _imported(self.target, f"The backend {self.name!r} of {self.origin}"),
            f"The backend {self.name!r} of {self.origin}",
        )


def installed() -> list[Installed]:
    """Return every backend that is declared in the entry point group ``flask_mail.backends``.

    They are read once, and again after a distribution was installed in a folder of ``sys.path`` or
    removed from it.
    """
    # The backport behaves alike on all older versions, whose own differ from each other.
    name = "importlib.metadata" if sys.version_info >= (3, 12) else "importlib_metadata"
    metadata: Any = importlib.import_module(name)
    return list(_installed(metadata, metadata.entry_points, tuple(map(_state, sys.path))))


def _state(path: str) -> tuple[str, tuple[str, ...]]:
    try:
        return path, _distributions_in(path, Path(path).stat().st_mtime_ns)
    except (OSError, ValueError):  # an archive, or no folder at all
        return path, ()


@lru_cache(maxsize=64)  # any file of a program, such as its database, may change its folder
def _distributions_in(path: str, changed: int) -> tuple[str, ...]:
    return tuple(sorted(each.name for each in Path(path).iterdir() if each.suffix in _METADATA))


@lru_cache(maxsize=1)  # an app for each test would read all of them for its first message
def _installed(
    metadata: Any, read: Callable[..., Any], paths: tuple[tuple[str, tuple[str, ...]], ...]
) -> list[Installed]:
    points = _entry_points(metadata, read)
    origins = {id(each.dist): _origin(each.dist) for each in points}
    return sorted(
        {Installed(each.name, each.value, *origins[id(each.dist)]) for each in points},
        key=lambda each: (each.name, each.distribution),
    )


def _entry_points(metadata: Any, read: Callable[..., Any]) -> list[Any]:
    try:
        return list(read(group=GROUP))
    except ValueError:
        # Some versions of the backport read nothing at all where one distribution's are malformed.
        points: list[Any] = []
        for distribution in metadata.distributions():
            with contextlib.suppress(ValueError):
                points += distribution.entry_points.select(group=GROUP)
        return points


def _origin(distribution: Any) -> tuple[str, str]:
    """Return a distribution's name and version; an interrupted uninstall leaves none."""
    try:
        return distribution.name or _UNNAMED, distribution.version or ""
    except Exception:  # noqa: BLE001 (which one depends on the version of importlib.metadata)
        return _UNNAMED, ""


def load(chosen: object) -> type[Backend[Any]]:
    """Return the class for a value of ``MAIL_BACKEND``: a name, an import path or a class.

    :raises BackendNotFound: where no installed backend has that name.
    :raises ConfigurationError: where it is ambiguous, cannot be imported or is no backend.
    """
    if isinstance(chosen, str):
        if not _REFERENCE.fullmatch(chosen):
            raise BackendNotFound(
                "MAIL_BACKEND is neither the name of a backend nor an import path"
                f' "package.module:Class". Installed: {_names(installed())}.'
            )
        if ":" in chosen:
            label = f"MAIL_BACKEND {chosen!r}"
            return check_class(_imported(chosen, label), label)
        return _by_name(chosen).load()
    return check_class(chosen, "MAIL_BACKEND")


def check_class(candidate: object, label: str) -> type[Backend[Any]]:
    """Return `candidate` if it is a complete backend class.

    :param label: what it is called in the error.
    :raises ConfigurationError: where it is not; says what is missing.
    """
    if not (inspect.isclass(candidate) and issubclass(candidate, Backend)):
        raise ConfigurationError(
            f"{label} is no backend: give a subclass of flask_mail.backends.Backend, an import path"
            ' "package.module:Class" or the name of an installed one.'
        )
    _check_version(candidate, label)
    missing = sorted(getattr(candidate, "__abstractmethods__", ()))
    if missing:
        raise ConfigurationError(
            f"{label} is incomplete: {candidate.__name__} does not define {', '.join(missing)}."
        )
    name: object = getattr(candidate, "name", None)
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ConfigurationError(
            f"{label} has no name: {candidate.__name__} must set `name` to one lowercase word."
        )
    taken = keys_of_others(candidate.setting_key(""), name)
    if taken:
        raise ConfigurationError(
            f"{label} cannot be used: the settings of {candidate.__name__} begin with"
            f" {candidate.setting_key('')}, and {', '.join(taken)} would be among them, which"
            f" {'is' if len(taken) == 1 else 'are'} Flask-Mail's own. It needs another `name`, or"
            " an `option_prefix`."
        )
    if not declared_well(candidate.features):
        raise ConfigurationError(
            f"{label} is broken: `features` of {candidate.__name__} must be a set of members of"
            " flask_mail.backends.Feature."
        )
    for limit in ("max_size", "max_recipients"):
        if not is_limit(getattr(candidate, limit)):
            raise ConfigurationError(
                f"{label} is broken: `{limit}` of {candidate.__name__} must be a whole number above"
                " 0, or None."
            )
    return candidate


def keys_of_others(prefix: str, name: str) -> list[str]:
    """Return the settings of Flask-Mail that a backend would take for its options.

    :param name: of the backend; the settings of a built-in one of this name are its own.
    """
    if prefix == _SHARED_PREFIX:  # only what the constructor names is an option then
        return []
    own = f"MAIL_{name.upper()}_"
    keys = [
        each.key for each in TABLE if not (each.group.lower() == name and each.key.startswith(own))
    ]
    return [each for each in (*keys, FAIL_SILENTLY) if each.startswith(prefix)]


def _check_version(cls: type[Backend[Any]], label: str) -> None:
    version: object = cls.api_version
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ConfigurationError(
            f"{label} is broken: the api_version of {cls.__name__} must be a whole number, 1 or"
            " more."
        )
    if version > API_VERSION:
        raise ConfigurationError(
            f"{label} needs a newer Flask-Mail: it was written for version {version} of the"
            f" interface of backends, and this one has version {API_VERSION}."
        )


def check_requirements(cls: type[Backend[Any]]) -> None:
    """See that the libraries are there which a backend imports when it is built.

    :raises ConfigurationError: one is missing; names the pip command.
    """
    for module, project in cls.requires.items():
        if not _is_there(module):
            raise ConfigurationError(
                f"The backend {cls.name!r} needs the library {module}: pip install {project}"
            )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # of a package that is missing; what was blocked on purpose
        return False


def _by_name(name: str) -> Installed:
    backends = installed()
    matching = [each for each in backends if each.name == name]
    if not matching:
        hint = nearest(name.lower(), [each.name for each in backends]) or "."
        if "." in name:
            hint = '; write an import path as "package.module:Class", with a colon.'
        raise BackendNotFound(
            f"MAIL_BACKEND {name!r} is not installed{hint} Installed: {_names(backends)}."
        )
    built_in = [each for each in matching if each.built_in]
    if built_in:
        # An installed distribution that nobody chose must neither get the mail nor stop it.
        for each in matching:
            if not each.built_in:
                _log.warning("%s", not_taken_over(each))
        return built_in[0]
    if len(matching) > 1:
        claims = " and ".join(f"{each.origin} ({each.target})" for each in matching)
        raise ConfigurationError(
            f"MAIL_BACKEND {name!r} is claimed by {claims}: uninstall one, or set MAIL_BACKEND to"
            ' the import path of the one you mean, "package.module:Class".'
        )
    return matching[0]


def not_taken_over(claim: Installed) -> str:
    """Return what is to be said of a plugin that claims the name of a built-in backend."""
    return (
        f"{claim.origin} claims the name {claim.name!r}, which is Flask-Mail's own: uninstall it,"
        f" or set MAIL_BACKEND to the import path {claim.target!r} to use it."
    )


def _names(backends: list[Installed]) -> str:
    return ", ".join(sorted({each.name for each in backends})) or "none"


def _imported(target: str, label: str) -> object:
    module_name, _, attribute = target.partition(":")
    try:
        found: object = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise ConfigurationError(
            f"{label} could not be imported from {target!r}: {type(error).__name__}: {error}"
        ) from error
    return found
