"""Loading and checking of backend classes by name, import path or class."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

from ..config.built_in import BUILT_IN
from ..config.misspelt import nearest
from ..config.table import FAIL_SILENTLY, TABLE
from ..errors import BackendNotFound, ConfigurationError
from ..util.patterns import lazy_pattern
from .base import API_VERSION, Backend
from .features import declared_well, is_limit

if TYPE_CHECKING:
    from .entry_points import Installed

_SHARED_PREFIX = "MAIL_"
_NAME = lazy_pattern(r"[a-z][a-z0-9]*")
# Values of MAIL_BACKEND that errors may show: a URL could contain a password.
_REFERENCE = lazy_pattern(r"[A-Za-z_][\w.-]{0,99}(?::[\w.]{0,99})?")


def is_reference(text: str) -> bool:
    """Return True if a text can be the name or the import path of a backend."""
    return _REFERENCE.fullmatch(text) is not None


def load(chosen: object, setting: str = "MAIL_BACKEND") -> type[Backend[Any]]:
    """Return the class for a value of ``MAIL_BACKEND``: a name, an import path or a class.

    :param setting: the setting that has this value, for errors.
    :raises BackendNotFound: no installed backend has that name.
    :raises ConfigurationError: it is ambiguous, cannot be imported or is not a backend.
    """
    if not isinstance(chosen, str):
        return check_class(chosen, setting)
    # Plugins are not asked: an installed distribution must neither get nor stop the mail unless it
    # was selected.
    if chosen in BUILT_IN:
        return _built_in(BUILT_IN[chosen], chosen)
    if not is_reference(chosen):
        raise BackendNotFound(
            f"{setting} is neither the name of a backend nor an import path"
            f' "package.module:Class". Installed: {", ".join(names())}.'
        )
    if ":" in chosen:
        label = f"{setting} {chosen!r}"
        return check_class(_imported(chosen, label), label)
    return load_installed(_plugin(chosen, setting))


@cache  # each app of a test suite would look it up
def _built_in(target: str, name: str) -> type[Backend[Any]]:
    found: Any = _imported(target, f"The built-in backend {name!r}")
    return found  # type: ignore[no-any-return]


def load_installed(declared: Installed) -> type[Backend[Any]]:
    """Return the class that a distribution declares.

    :raises ConfigurationError: it cannot be imported or is not a backend; names the distribution.
    """
    label = f"The backend {declared.name!r} of {declared.origin}"
    return check_class(_imported(declared.target, label), label)


def check_mailer_name(name: str, cls: type[Backend[Any]]) -> None:
    """Check that a mailer is not named like a backend of another class.

    References to it in the settings would mean the mailer or the backend, depending on the app.

    :raises ConfigurationError: it is.
    """
    if name != cls.name and name in names():
        raise ConfigurationError(
            f"MAIL_MAILERS[{name!r}] has the name of the backend {name!r}, but its backend is"
            f" {cls.name!r}: give the mailer another name."
        )


def _plugin(name: str, setting: str) -> Installed:
    from .entry_points import installed

    matching = [each for each in installed() if each.name == name]
    if not matching:
        hint = nearest(name.lower(), names()) or "."
        if "." in name:
            hint = '; write an import path as "package.module:Class", with a colon.'
        raise BackendNotFound(
            f"{setting} {name!r} is not installed{hint} Installed: {', '.join(names())}."
        )
    if len(matching) > 1:
        claims = " and ".join(f"{each.origin} ({each.target})" for each in matching)
        raise ConfigurationError(
            f"{setting} {name!r} is claimed by {claims}: uninstall one, or set {setting} to"
            ' the import path of one of them, "package.module:Class".'
        )
    return matching[0]


def is_installed(chosen: str) -> bool:
    """Return True if a text is the name of an installed backend, or an import path."""
    return chosen in BUILT_IN or (":" in chosen and is_reference(chosen)) or chosen in names()


def names() -> list[str]:
    """Return the names of the installed backends."""
    from .entry_points import installed

    return sorted({*BUILT_IN, *(each.name for each in installed())})


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
