"""Selection of the backend of each mailer from the current settings of an app."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias
from weakref import WeakSet

from ..backends import Backend
from ..backends.features import check
from ..config import table as settings
from ..config.converters import to_bool
from ..delivery import guard
from ..delivery.guard import Guard
from ..delivery.outgoing import Outgoing
from ..delivery.policy import DEFAULT, Policy
from ..errors import ConfigurationError, MessageError
from ..message.defaults import fill_in
from ..message.message import Message
from ..util.locks import ForkSafeLock
from .admitting import Admission
from .building import Builder
from .definitions import Definition, is_composite, wanted_backend
from .notes import Notes

Labels: TypeAlias = frozenset[tuple[str, str]]
"""Tags and keys of metadata."""

_NO_LABELS: Labels = frozenset()
_NOT_ASSIGNED = object()
_everywhere = ForkSafeLock()
_selections: WeakSet[Selection] = WeakSet()


def everywhere() -> list[Selection]:
    """Return those of all apps of this process."""
    with _everywhere():
        return list(_selections)


class Selection(Builder):
    """Chooses the backend of each mailer of one app.

    :param testing: returns True if the app is testing.
    :param admissions: functions that get each message before it is delivered; looked at each time.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        assigned: Callable[[], Mapping[str, Any]],
        *,
        testing: Callable[[], bool],
        debug: Callable[[], bool],
        app: Callable[[], object] = lambda: None,
        admissions: list[Admission] | None = None,
    ) -> None:
        super().__init__(config, assigned, debug=debug, app=app)
        self._testing = testing
        self._notes = Notes(config)
        self._guard: tuple[list[Any], Guard | None] = [], None
        self._policies: dict[str, tuple[list[Any], Policy]] = {}
        self.admissions = [] if admissions is None else admissions
        self.own_admissions: list[Admission] = []
        """Those of plugins, for this app alone: `admissions` are of all apps of a `Mail`."""
        with _everywhere():
            _selections.add(self)

    def overridden(
        self, assigned: Callable[[], Mapping[str, Any]], *, debug: Callable[[], bool]
    ) -> Selection:
        """Return one that shares the backends of this one, with other assignments."""
        other = copy.copy(self)
        other._assigned, other._debug = assigned, debug  # noqa: SLF001 (its own class)
        return other

    def chosen(self, mailer: str = DEFAULT) -> tuple[Any, str]:
        """Return the reference of the backend that delivers, and the setting that decided it.

        Under ``TESTING`` an external backend is replaced, so that tests send no real mail, unless
        ``MAIL_SUPPRESS_SEND`` is ``False``.

        :raises MailerNotFound: the settings have no such mailer.
        """
        own, reason = self.reference(mailer)
        is_replaced = self.backend_class(own).external
        return (is_replaced and self._replacement()) or (own, reason)

    def _replacement(self) -> tuple[str, str] | None:
        """Return the backend that replaces external ones now, and the setting that decided it."""
        testing = self._testing()
        suppress = self._assigned().get("suppress", _NOT_ASSIGNED)
        by = "suppress on the mail state"
        if suppress is _NOT_ASSIGNED:
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
        return ("locmem" if testing else "null", by) if suppress else None

    def reference(self, mailer: str = DEFAULT) -> tuple[Any, str]:
        """Return the reference of a mailer's own backend, and the setting that decided it.

        :raises MailerNotFound: the settings have no such mailer.
        """
        definition = self.definitions.chosen(mailer)
        return wanted_backend(self._config) if definition is None else (mailer, definition.key)

    def wanted(self) -> type[Backend[Any]]:
        """Return the class of the default mailer, even if another one replaces it."""
        return self.backend_class(self.reference()[0])

    def backend(self, mailer: str = DEFAULT) -> Backend[Any]:
        """Return the backend that delivers now."""
        return self.target(mailer)[0]

    def target(self, mailer: str = DEFAULT) -> tuple[Backend[Any], Policy]:
        """Return the backend that delivers the mail of a mailer now, and the rules for it.

        Called for each message, so it looks at each setting once.

        :raises ConfigurationError: a setting is wrong.
        """
        definition = self.definitions.chosen(mailer)
        own = wanted_backend(self._config)[0] if definition is None else mailer
        return self._target(mailer, own, definition)

    def child_target(self, name: str) -> tuple[Backend[Any], Policy]:
        """Return :meth:`target` of the child of a queue: a mailer, or a backend.

        :raises ConfigurationError: a setting is wrong.
        """
        own, definition = self._resolved(name)
        return self._target(name, own if definition is None else name, definition)

    def _target(
        self, mailer: str, own: Any, definition: Definition | None
    ) -> tuple[Backend[Any], Policy]:
        cls = self._class_of(own, definition)
        replacement = self._replacement() if cls.external else None
        chosen = own if replacement is None else replacement[0]
        backend = None if capture is None else capture(self, chosen, own)
        if backend is None and replacement is None:
            backend = self._current(definition, cls)
        elif backend is None:
            backend = self.build(chosen)
        return backend, self._policy(mailer, own, is_external=cls.external)

    def deliverer(self, chosen: Any) -> Backend[Any]:
        """Return what gets the messages that the backend of a reference should deliver.

        That is this backend, unless a test collects its mail.
        """
        taken = None if capture is None else capture(self, chosen, chosen)
        return self.build(chosen) if taken is None else taken

    def policy(self, mailer: str = DEFAULT) -> Policy:
        """Return the current rules for the mail of a mailer.

        :raises ConfigurationError: a setting of the recipient allow-list is wrong.
        """
        own = self.reference(mailer)[0]
        return self._policy(mailer, own, is_external=self.backend_class(own).external)

    def _policy(self, mailer: str, own: Any, *, is_external: bool) -> Policy:
        allowed = self.guard()
        made_of = [own, is_external, allowed, *self.admissions, *self.own_admissions]
        known = self._policies.get(mailer)
        if known is not None and known[0] == made_of:
            return known[1]
        check_replaced = partial(self._check_for, own) if is_external else None
        policy = Policy(mailer, self._admissions(allowed), check_replaced, self._complete)
        self._policies[mailer] = made_of, policy
        return policy

    def policy_without_mailer(self) -> Policy:
        """Return the current rules for the mail of a backend that a person has chosen.

        :raises ConfigurationError: a setting of the recipient allow-list is wrong.
        """
        return Policy(admissions=self._admissions(self.guard()), complete=self._complete)

    def _admissions(self, allowed: Guard | None) -> tuple[Admission, ...]:
        guarded = () if allowed is None else (allowed.guarded,)
        given = (*self.admissions, *self.own_admissions)
        # Also after the admissions, which may add recipients.
        return (*guarded, *given, *(guarded if given else ()))

    def guard(self) -> Guard | None:
        """Return what keeps mail to the recipients that the settings allow now, if they say so.

        :raises ConfigurationError: a setting of it is wrong.
        """
        given = [self._config.get(guard.ALLOWED), self._config.get(guard.REDIRECT)]
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

    def fill_in(self, message: Message) -> None:
        """Give `message` the default headers of the settings, unless it has its own.

        :raises ConfigurationError: a default is not valid.
        """
        fill_in(message, self._config)

    def _complete(self, message: Message) -> None:
        wanted: object = getattr(message, "unsubscribe", None)
        if wanted is not None and not callable(wanted):  # a method is the program's own
            from .unsubscribe import add_headers

            add_headers(message, self._config, self._app())

    def note_settings(self, backend: Backend[Any], app: Any) -> None:
        """Warn once of misspelt settings, and if real mail is about to leave in development."""
        self._notes.note(backend, app, is_guarded=lambda: self.guard() is not None)

    def _check_for(self, reference: Any, mail: Outgoing) -> None:
        """Check that a backend which would send the mail of `reference` supports `mail`."""
        cls = self.backend_class(reference)
        if not is_composite(cls):
            check(cls, mail)
            return
        leaves = [(each, _NO_LABELS) for each in self.leaf_references(reference)]
        if mail.tags or mail.metadata:
            leaves = list(self._labelled_leaves(reference, _NO_LABELS))
        queue = self.queue_class(reference)
        if queue is not None:
            check(queue, mail.routed(_NO_LABELS.union(*(labels for _, labels in leaves))))
        errors: list[MessageError] = []
        for leaf, labels in leaves:
            try:
                check(self.backend_class(leaf), mail.routed(labels))
            except MessageError as error:
                errors.append(error)
            else:
                return
        raise errors[0]

    def _labelled_leaves(self, reference: Any, labels: Labels) -> Iterator[tuple[Any, Labels]]:
        """Yield the leaves of a reference, each with the labels by which mail may be sent to it.

        :param labels: those of the composites that `reference` is a part of.
        """
        from ..backends.composite import Composite

        cls = self.backend_class(reference)
        if issubclass(cls, Composite):
            labels |= cls.labels(self.options(reference))
        parts = self.parts(reference)
        if not parts:
            yield reference, labels
        for part in parts:
            yield from self._labelled_leaves(part, labels)


Capture: TypeAlias = Callable[[Selection, Any, Any], "Backend[Any] | None"]

# What takes the messages of tests, given the references of the backend that delivers now and of the
# mailer's own. This module knows no tests: flask_mail.testing puts a function here as soon as it is
# used.
capture: Capture | None = None
