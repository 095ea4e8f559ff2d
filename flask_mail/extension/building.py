"""Building of backends, which are kept until one of their options changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..backends import Backend, loader
from ..backends.options import declared
from ..config.misspelt import nearest
from ..delivery.policy import DEFAULT
from ..errors import ConfigurationError, MailerNotFound, name_mailer
from ..util.locks import ForkSafeLock
from .backend_settings import BackendSettings
from .definitions import Definition, Definitions, is_composite, wanted_backend

if TYPE_CHECKING:
    from ..backends.locmem import Memory

_OF_DEBUG: Final = ("MAIL_DEBUG", "DEBUG")


class Builder:
    """Builds the backends of one app.

    A *reference* is the name of a mailer, or a value of ``MAIL_BACKEND``.

    :param config: the app's configuration; looked at each time.
    :param assigned: returns what was assigned on the mail state, which takes precedence over
        `config`: ``suppress``, ``server``, ``port``, ...
    :param debug: returns True if the dialogues with servers are logged.
    :param app: returns the app, for backends that need it.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        assigned: Callable[[], Mapping[str, Any]],
        *,
        debug: Callable[[], bool],
        app: Callable[[], object],
    ) -> None:
        self.definitions = Definitions(config)
        self._config = config
        self._settings = BackendSettings(config)
        self._assigned = assigned
        self._debug = debug
        self._app = app
        self._lock = ForkSafeLock()
        self._classes: dict[Any, type[Backend[Any]]] = {}
        self._built: dict[Hashable, _Built] = {}
        self._building: list[Hashable] = []
        self._past: dict[str, int] = {}  # what backends counted that are not used any more
        self._memories: dict[str, Memory] = {}  # one: copies of this object have the same dict

    @property
    def app(self) -> Any:
        """The app, or ``None``."""
        return self._app()

    def build(self, reference: Any) -> Backend[Any]:
        """Return the backend of a reference, built with its current options.

        It is kept until one of its options changes, or a mailer that it is made of.

        :raises ConfigurationError: the backend does not exist, or its options are wrong.
        """
        chosen, definition = self._resolved(reference)
        return self._current(definition, self._class_of(chosen, definition))

    def _current(self, definition: Definition | None, cls: type[Backend[Any]]) -> Backend[Any]:
        # Two mailers of one class are two backends; the flat settings make one of each class.
        key: Hashable = cls if definition is None else definition.name
        seen: object = (
            self._settings.snapshot(cls, self._assigned)
            if definition is None
            else (definition, *map(self._config.get, _OF_DEBUG))
        )
        with self._lock():
            built = self._built.get(key)
            is_current = built is not None and (
                not built.children or self._are_current(built.children)
            )
            if built is not None and is_current and built.seen == seen:
                return built.backend
            options = self._options(definition, cls)
            if built is None or not is_current or built.cls is not cls or built.options != options:
                new = self._made(key, cls, options)
                if built is not None:
                    self._end(built.backend)
                built = self._built[key] = new
            built.seen = seen
            return built.backend

    def close(self) -> None:
        """Close what backends keep for the next message, which then opens it again."""
        with self._lock():
            for key, built in list(self._built.items()):
                if built.backend.external:  # others keep the messages of tests
                    del self._built[key]
                    self._end(built.backend)

    def stats(self) -> Counter[str]:
        """Return the sum of what the backends have counted."""
        with self._lock():
            found = Counter(self._past)
            for built in self._built.values():
                found.update(built.backend.stats())
            return found

    def built(self, mailer: str, backend: str) -> Backend[Any] | None:
        """Return the backend that has sent mail of a mailer, or ``None``; nothing is built.

        :param backend: its name, as in a receipt.
        """
        found = self._built.get(mailer)
        if found is None:  # the flat settings made it
            flat = [each for key, each in self._built.copy().items() if not isinstance(key, str)]
            found = next((each for each in flat if each.backend.name == backend), None)
        return found.backend if found is not None and found.backend.name == backend else None

    def backend_class(self, reference: Any) -> type[Backend[Any]]:
        """Return the class of a reference; finding it once is enough.

        :raises ConfigurationError: it does not exist.
        """
        return self._class_of(*self._resolved(reference))

    def _class_of(self, reference: Any, definition: Definition | None) -> type[Backend[Any]]:
        chosen = reference if definition is None else definition.backend
        try:
            return self._classes[chosen]
        except (KeyError, TypeError):  # TypeError: not even hashable
            setting = "MAIL_BACKEND" if definition is None else definition.backend_key
            self._classes[chosen] = loader.load(chosen, setting)
            return self._classes[chosen]

    def leaf_references(self, reference: Any, above: tuple[Any, ...] = ()) -> list[Any]:
        """Return the references of the backends that would send the mail of a reference.

        Nothing is built: of a backend made of others, these are its parts, or theirs.

        :param above: the references that it is a part of.
        :raises ConfigurationError: it is made of itself, or of one that does not exist.
        """
        if reference in above:
            raise ConfigurationError(f"The mailer {reference!r} is made of itself.")
        parts = self.parts(reference)
        if not parts:
            return [reference]
        return [leaf for part in parts for leaf in self.leaf_references(part, (*above, reference))]

    def queue_class(self, reference: Any, above: tuple[Any, ...] = ()) -> Any:
        """Return the class of the queue that stores all mail of a reference, or ``None``.

        Nothing is built. Of several children, each must be a queue, as any may get a message.

        :param above: the references that it is a part of.
        """
        cls = self.backend_class(reference)
        if cls.is_queue or reference in above:
            return cls if cls.is_queue else None
        found = {self.queue_class(part, (*above, reference)) for part in self.parts(reference)}
        return found.pop() if len(found) == 1 else None

    def parts(self, reference: Any) -> list[Any]:
        """Return the references of what a backend is made of, without building it."""
        chosen, definition = self._resolved(reference)
        cls = self._class_of(chosen, definition)
        return list(cls.parts(self._options(definition, cls))) if is_composite(cls) else []

    def options(self, reference: Any) -> dict[str, Any]:
        """Return the options of a reference that are set, by lowercase name."""
        chosen, definition = self._resolved(reference)
        return self._options(definition, self._class_of(chosen, definition))

    def _resolved(self, reference: Any) -> tuple[Any, Definition | None]:
        """Return the definition of a reference, or the backend that it stands for."""
        definition = self.definitions.get(reference) if isinstance(reference, str) else None
        if definition is None and reference == DEFAULT:  # the flat settings make it
            reference = wanted_backend(self._config)[0]
        return reference, definition

    def _options(self, definition: Definition | None, cls: type[Backend[Any]]) -> dict[str, Any]:
        options = self._given(definition, cls)
        problem = self._problem_with_parts(definition, cls, options) if is_composite(cls) else None
        if problem is not None:
            del options  # tracebacks show it
            raise problem
        return options

    def _problem_with_parts(
        self, definition: Definition | None, cls: type[Backend[Any]], options: dict[str, Any]
    ) -> ConfigurationError | None:
        """Return the error of options that name a child which does not exist, or ``None``.

        It is not raised here: a part may be a URL or a dict with a password.
        """
        try:
            unknown = [each for each in cls.parts(options) if not self._exists(each)]
        except ConfigurationError as error:
            return error.with_traceback(None)
        except Exception:  # noqa: BLE001 (of a plugin, which may not need its parts to be built)
            return None
        if not unknown:
            return None
        place = f"The {cls.name} backend" if definition is None else definition.key
        return MailerNotFound(f"{place} delivers by {self._unknown(unknown[0])}")

    def _exists(self, part: Any) -> bool:
        if not isinstance(part, str) or part == DEFAULT or part in self._classes:
            return True
        return self.definitions.key(part) is not None or loader.is_installed(part)

    def _unknown(self, part: str) -> str:
        if not loader.is_reference(part):
            return (
                "a mailer that MAIL_MAILERS does not have, whose name is not shown: it may be a URL"
                " with a password. Give the URL a name in MAIL_MAILERS, and use this name."
            )
        mailers, backends = self.definitions.names(), loader.names()
        hint = nearest(part, [*mailers, *backends]) or "."
        return (
            f"{part!r}, which is neither a mailer nor a backend{hint} Mailers:"
            f" {', '.join(mailers)}. Backends: {', '.join(backends)}."
        )

    def _given(self, definition: Definition | None, cls: type[Backend[Any]]) -> dict[str, Any]:
        if definition is None:
            return self._settings.options(cls, self._assigned, self._debug)
        options = definition.options(cls)
        # It is a setting of all mailers, unless one says otherwise.
        if cls.setting_key("debug") in _OF_DEBUG and "debug" in declared(cls)[0]:
            options.setdefault("debug", self._debug())
        return options

    def _end(self, backend: Backend[Any]) -> None:
        backend.shut_down()
        past = Counter(self._past)
        past.update(backend.stats())
        self._past = past

    def _are_current(self, children: list[tuple[Any, Backend[Any]]]) -> bool:
        try:
            return all(self.build(each) is child for each, child in children)
        except ConfigurationError:
            return False  # one was renamed or is wrong now: an error if it is still needed

    def _made(self, key: Hashable, cls: type[Backend[Any]], options: dict[str, Any]) -> _Built:
        name = key if isinstance(key, str) else cls.name
        if key in self._building:
            kind = "mailer" if isinstance(key, str) else "backend"
            raise ConfigurationError(f"The {kind} {name!r} is made of itself.")
        loader.check_requirements(cls)
        if isinstance(key, str):
            loader.check_mailer_name(key, cls)
        children: list[tuple[Any, Backend[Any]]] = []

        def build_child(reference: Any) -> Backend[Any]:
            child = self.build(reference)
            children.append((reference, child))
            return child

        self._building.append(key)
        try:
            backend: object = cls.from_options(options, build_child)
        except ConfigurationError as error:
            name_mailer(error, key if isinstance(key, str) else "")
            raise
        finally:
            self._building.pop()
        if not isinstance(backend, Backend):
            raise ConfigurationError(f"{cls.__name__}.from_options() returned no backend.")
        backend.bind(app=self._app(), mailer=name, key_of=getattr(options, "key_of", None))
        if not cls.external:
            self._share_memory(backend)
        return _Built(cls, options, backend, children)

    def _share_memory(self, backend: Backend[Any]) -> None:
        from ..backends.locmem import LocmemBackend  # not in production

        if isinstance(backend, LocmemBackend):  # mail.outbox has the messages of all mailers
            backend.memory = self._memories.setdefault("locmem", backend.memory)


@dataclass
class _Built:
    """A backend, with what it was built from."""

    cls: type[Backend[Any]]
    options: dict[str, Any]
    backend: Backend[Any]
    children: list[tuple[Any, Backend[Any]]]
    seen: object = None
