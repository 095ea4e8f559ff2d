"""Selection of the backend and its options from the current settings of an app."""

from __future__ import annotations

import copy
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from weakref import WeakSet

from ..backends import Backend, loader
from ..backends.options import declared
from ..config import table as settings
from ..config.converters import is_on, to_bool
from ..config.misspelt import warn_of_misspelt
from ..delivery import guard
from ..delivery.guard import Guard
from ..errors import ConfigurationError
from ..util.locks import ForkSafeLock
from .backend_settings import BackendSettings, Snapshot

_log = logging.getLogger("flask_mail")

_everywhere = ForkSafeLock()
_selections: WeakSet[Selection] = WeakSet()


def everywhere() -> list[Selection]:
    """Return those of all apps of this process."""
    with _everywhere():
        return list(_selections)


class Selection:
    """Chooses and builds the backends of one app.

    :param config: the app's configuration; looked at each time.
    :param assigned: returns what was assigned on the mail state, which wins over `config`:
        ``suppress``, ``server``, ``port``, ...
    :param testing: returns whether the app is testing; `debug` whether its dialogues are logged.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        assigned: Callable[[], Mapping[str, Any]],
        *,
        testing: Callable[[], bool],
        debug: Callable[[], bool],
    ) -> None:
        self._config = config
        self._settings = BackendSettings(config)
        self._assigned = assigned
        self._testing = testing
        self._debug = debug
        self._lock = ForkSafeLock()
        self._classes: dict[Any, type[Backend[Any]]] = {}
        self._built: dict[type[Backend[Any]], _Built] = {}
        self._building: list[type[Backend[Any]]] = []
        self._past: Counter[str] = Counter()  # what backends counted that are not used any more
        self._notes = itertools.count()
        self._warned = itertools.count()
        self._guard: tuple[list[Any], Guard | None] = [], None
        with _everywhere():
            _selections.add(self)

    def overridden(
        self, assigned: Callable[[], Mapping[str, Any]], *, debug: Callable[[], bool]
    ) -> Selection:
        """Return one that shares the backends of this one, with other assignments."""
        other = copy.copy(self)
        other._assigned, other._debug = assigned, debug  # noqa: SLF001 (its own class)
        return other

    def chosen(self) -> tuple[Any, str]:
        """Return the value that selects the current backend, and the setting that decided it.

        Under ``TESTING`` an external backend is replaced, so that tests send no real mail, unless
        ``MAIL_SUPPRESS_SEND`` is ``False``.
        """
        chosen, reason = wanted_backend(self._config)
        if not self.backend_class(chosen).external:
            return chosen, reason
        testing = self._testing()
        if "suppress" in self._assigned():
            suppress, by = self._assigned()["suppress"], "suppress on the mail state"
        else:
            suppress = settings.lookup(self._config, "MAIL_SUPPRESS_SEND")
            by = "MAIL_SUPPRESS_SEND"
        if isinstance(suppress, str):
            suppress = settings.convert("MAIL_SUPPRESS_SEND", to_bool, suppress)
        if suppress is None:
            if not testing and self._config.get("MAIL_SUPPRESS_SEND") is not None:
                raise ConfigurationError(
                    "MAIL_SUPPRESS_SEND is set and empty, which says neither to send nor not to:"
                    " set it to true or false, or unset it."
                )
            suppress, by = testing, "TESTING"
        if suppress:
            return "locmem" if testing else "null", by
        return chosen, reason

    def wanted(self) -> type[Backend[Any]]:
        """Return the class in ``MAIL_BACKEND``, even if another one replaces it."""
        return self.backend_class(wanted_backend(self._config)[0])

    def backend(self) -> Backend[Any]:
        """Return the backend that delivers now."""
        return self.deliverer(self.chosen()[0])

    def deliverer(self, chosen: Any) -> Backend[Any]:
        """Return what gets the messages that a value of ``MAIL_BACKEND`` should deliver.

        That is the backend of this name, unless a test collects its mail.
        """
        if capture is not None:
            taken = capture(self, chosen)
            if taken is not None:
                return self._followed(taken)
        return self.build(chosen)

    def guard(self) -> Guard | None:
        """Return what keeps mail to the recipients that the settings allow now, if they say so.

        :raises ConfigurationError: a setting of it is wrong.
        """
        given = [self._config.get(key) for key in (guard.ALLOWED, guard.REDIRECT)]
        if given == [None, None]:
            return None
        # Copies: a program may change its lists.
        given = [tuple(each) if isinstance(each, (list, set)) else each for each in given]
        made_of, made = self._guard
        if made_of != given:
            made = Guard(
                settings.lookup(self._config, guard.ALLOWED),
                settings.lookup(self._config, guard.REDIRECT) or (),
            )
            self._guard = given, made
        return made

    def note_settings(self, backend: Backend[Any], app: Any) -> None:
        """Warn once of misspelt settings, and if real mail is about to leave in development."""
        if not next(self._warned):
            options = map(backend.setting_key, declared(type(backend))[0])
            warn_of_misspelt(self._config, list(options))
        if not backend.external or not is_on(getattr(app, "debug", False)):
            return
        if is_on(app.testing) or self.guard() is not None:
            return
        if next(self._notes):  # one step, so that of several threads one is the first
            return
        _log.warning(
            "app.debug is on, and the %s backend sends real mail. To look at it instead, set"
            ' MAIL_BACKEND="console": it is printed, and in the browser at /_mail unless'
            " MAIL_INBOX says otherwise. To send it to yourself alone, set %s; to those whom you"
            " name, %s.",
            *(backend.name, guard.REDIRECT, guard.ALLOWED),
        )

    def build(self, chosen: Any) -> Backend[Any]:
        """Return the backend for a value of ``MAIL_BACKEND``, built with its current options.

        It is kept until one of its options changes.

        :raises ConfigurationError: the backend does not exist, or its options are wrong.
        """
        cls = self.backend_class(chosen)
        seen = self._settings.snapshot(cls, self._assigned)
        with self._lock():
            built = self._built.get(cls)
            if built is not None and built.seen == seen and self._are_current(built.children):
                return built.backend
            options = self._settings.options(cls, self._assigned, self._debug)
            if built is None or built.options != options or not self._are_current(built.children):
                new = self._made(cls, options)
                if built is not None:
                    self._end(built.backend)
                built = self._built[cls] = new
            built.seen = seen
            return built.backend

    def close(self) -> None:
        """Close what backends keep for the next message, which then opens it again."""
        with self._lock():
            for cls, built in list(self._built.items()):
                if built.backend.external:  # others keep the messages of tests
                    del self._built[cls]
                    self._end(built.backend)

    def stats(self) -> Counter[str]:
        """Return the sum of what the backends have counted."""
        with self._lock():
            found = Counter(self._past)
            for built in self._built.values():
                found.update(built.backend.stats())
            return found

    def _end(self, backend: Backend[Any]) -> None:
        backend.shut_down()
        self._past.update(backend.stats())

    def _are_current(self, children: list[tuple[Any, Backend[Any]]]) -> bool:
        return all(self.build(chosen) is child for chosen, child in children)

    def _made(self, cls: type[Backend[Any]], options: dict[str, Any]) -> _Built:
        if cls in self._building:
            raise ConfigurationError(f"The backend {cls.name!r} is made of itself.")
        loader.check_requirements(cls)
        children: list[tuple[Any, Backend[Any]]] = []

        def build_child(chosen: Any) -> Backend[Any]:
            child = self.build(chosen)
            children.append((chosen, child))
            return child

        self._building.append(cls)
        try:
            backend: object = cls.from_options(options, build_child)
        finally:
            self._building.pop()
        if not isinstance(backend, Backend):
            raise ConfigurationError(f"{cls.__name__}.from_options() returned no backend.")
        return _Built(options, self._followed(backend), children)

    def _followed(self, backend: Backend[Any]) -> Backend[Any]:
        # Not for its author, who may have made it a frozen dataclass.
        object.__setattr__(backend, "_recipient_guard", self.guard)
        object.__setattr__(backend, "_wanted", self.wanted)
        return backend

    def backend_class(self, chosen: Any) -> type[Backend[Any]]:
        """Return the class for a value of ``MAIL_BACKEND``; finding it once is enough.

        :raises ConfigurationError: it does not exist.
        """
        try:
            return self._classes[chosen]
        except (KeyError, TypeError):  # TypeError: not even hashable
            self._classes[chosen] = loader.load(chosen)
            return self._classes[chosen]


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
    return ("smtp", "default") if settings.is_unset(value) else (value, "MAIL_BACKEND")


Capture: TypeAlias = Callable[[Selection, Any], "Backend[Any] | None"]

# What takes the messages of tests. This module knows no tests: flask_mail.testing puts a function
# here as soon as it is used.
capture: Capture | None = None


@dataclass
class _Built:
    """A backend, with what it was built from."""

    options: dict[str, Any]
    backend: Backend[Any]
    children: list[tuple[Any, Backend[Any]]]
    seen: Snapshot | None = None
