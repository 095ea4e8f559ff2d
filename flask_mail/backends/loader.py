"""Loading and checking of backend classes by name, import path or class."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..config.table import FAIL_SILENTLY, TABLE, nearest
from ..errors import BackendNotFound, ConfigurationError
from ..util.patterns import lazy_pattern
from .base import API_VERSION, Backend
from .features import declared_well, is_limit

_log = logging.getLogger("flask_mail")

GROUP = "flask_mail.backends"
_SHARED_PREFIX = "MAIL_"
_METADATA = (".dist-info", ".egg-info")
_UNNAMED = "an unknown distribution"
_NAME = lazy_pattern(r"[a-z][a-z0-9]*")
# Values of MAIL_BACKEND that errors may show: a URL could contain a password.
_REFERENCE = lazy_pattern(r"[A-Za-z_][\w.-]{0,99}(?::[\w.]{0,99})?")


@dataclass(frozen=True)
class Installed:
    """A backend declared by a distribution."""

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
        """True if it is built in; plugins cannot take over its name."""
        return self.target.startswith(f"{GROUP}.")

    def load(self) -> type[Backend[Any]]:
        """Import and check the class.

        :raises ConfigurationError: that fails; names the distribution and the reason.
        """
        return check_class(
            _imported(self.target, f"The backend {self.name!r} of {self.origin}"),
            f"The backend {self.name!r} of {self.origin}",
        )


def installed() -> list[Installed]:
    """Return every backend declared in the entry point group ``flask_mail.backends``.

    Cached until a distribution is installed in a folder of ``sys.path`` or removed from it.
    """
    # The backport behaves the same on all older versions, unlike the standard library.
    name = "importlib.metadata" if sys.version_info >= (3, 12) else "importlib_metadata"
    metadata: Any = importlib.import_module(name)
    return list(_installed(metadata, metadata.entry_points, tuple(map(_state, sys.path))))


def _state(path: str) -> tuple[str, tuple[str, ...]]:
    try:
        return path, _distributions_in(path, Path(path).stat().st_mtime_ns)
    except (OSError, ValueError):  # an archive, or a missing folder
        return path, ()


@lru_cache(maxsize=64)  # any file of a program, such as its database, may change the mtime
def _distributions_in(path: str, changed: int) -> tuple[str, ...]:
    return tuple(sorted(each.name for each in Path(path).iterdir() if each.suffix in _METADATA))


@lru_cache(maxsize=1)  # otherwise each app in a test suite would read them
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
        # Some versions of the backport fail if one distribution's entry points are malformed.
        points: list[Any] = []
        for distribution in metadata.distributions():
            with contextlib.suppress(ValueError):
                points += distribution.entry_points.select(group=GROUP)
        return points


def _origin(distribution: Any) -> tuple[str, str]:
    """Return the name and version of a distribution, even after an interrupted uninstall."""
    try:
        return distribution.name or _UNNAMED, distribution.version or ""
    except Exception:  # noqa: BLE001 (the class depends on the version of importlib.metadata)
        return _UNNAMED, ""


def load(chosen: object) -> type[Backend[Any]]:
    """Return the class for a value of ``MAIL_BACKEND``: a name, an import path or a class.

    :raises BackendNotFound: no installed backend has that name.
    :raises ConfigurationError: it is ambiguous, cannot be imported or is not a backend.
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

    :param label: its name in errors.
    :raises ConfigurationError: it is not; says what is missing.
    """
    if not (inspect.isclass(candidate) and issubclass(candidate, Backend)):
        raise ConfigurationError(
            f"{label} is not a backend: use a subclass of flask_mail.backends.Backend, an import"
            ' path "package.module:Class" or the name of an installed one.'
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
            f"{label} cannot be used: the option prefix {candidate.setting_key('')} of"
            f" {candidate.__name__} clashes with {', '.join(taken)} of Flask-Mail. Give it another"
            " `name` or an `option_prefix`."
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
    """Return the settings of Flask-Mail that clash with a backend's option prefix.

    :param name: the name of the backend; a built-in one of this name may have these settings.
    """
    if prefix == _SHARED_PREFIX:  # then only parameters of the constructor are options
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
            f"{label} needs a newer Flask-Mail: it uses version {version} of the backend"
            f" interface, but this one has version {API_VERSION}."
        )


def check_requirements(cls: type[Backend[Any]]) -> None:
    """Check that the libraries in ``requires`` are installed.

    :raises ConfigurationError: one is missing; gives the pip command.
    """
    for module, project in cls.requires.items():
        if not _is_there(module):
            raise ConfigurationError(
                f"The backend {cls.name!r} needs the library {module}: pip install {project}"
            )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # a missing parent package, or a blocked import
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
        # An installed distribution must not get or stop the mail unless it was selected.
        for each in matching:
            if not each.built_in:
                _log.warning("%s", not_taken_over(each))
        return built_in[0]
    if len(matching) > 1:
        claims = " and ".join(f"{each.origin} ({each.target})" for each in matching)
        raise ConfigurationError(
            f"MAIL_BACKEND {name!r} is claimed by {claims}: uninstall one, or set MAIL_BACKEND to"
            ' the import path of one of them, "package.module:Class".'
        )
    return matching[0]


def not_taken_over(claim: Installed) -> str:
    """Return the warning for a plugin that uses the name of a built-in backend."""
    return (
        f"{claim.origin} claims the name {claim.name!r} of a built-in backend: uninstall it,"
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
