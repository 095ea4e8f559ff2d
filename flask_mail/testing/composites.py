"""Failures of single mailers in composites, which really run for them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..backends.base import Backend
from ..config.misspelt import nearest
from ..delivery.policy import DEFAULT
from ..extension.mailers import everywhere
from ..util.text import describe

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing
    from ..extension.mailers import Selection
    from ..receipt import Receipt
    from .failures import Faults


class JudgedBackend(Backend[None]):
    """A mailer that a composite is made of, which accepts messages or fails on demand.

    :param faults: the failures that the test has requested.
    :param names: its name after those of the composites that it is a part of.
    :param cls: the class that it stands for, with its features and limits.
    :param inner: what delivers, if it is a composite.
    """

    name = "locmem"
    external = False

    def __init__(
        self,
        faults: Faults,
        names: tuple[str, ...],
        cls: type[Backend[Any]],
        inner: Backend[Any] | None,
    ) -> None:
        self._faults = faults
        self._names = names
        self._inner = inner
        self.features = cls.features
        self.max_size, self.max_recipients = cls.max_size, cls.max_recipients

    def deliver(self, mail: Outgoing, session: object) -> Receipt:
        self._faults.raise_due(self._names[-1])
        if self._inner is not None:
            return delivered(self._inner, mail)
        # Only here, and not for a composite as a whole: it may go on to the next mailer then.
        return self.accepted(mail, refused=self._faults.refused(mail, self._names))


def delivered(inner: Backend[Any], mail: Outgoing) -> Receipt:
    """Deliver a message by a composite, and return its receipt."""
    if isinstance(inner, JudgedBackend):
        mail = mail.for_mailer(inner.mailer)
    session = inner.open()
    receipt = inner.attempt(mail, session)
    inner.close(session)
    return receipt


@dataclass(frozen=True)
class Tree:
    """A mailer and those that it is made of, as the settings define them."""

    reference: Any
    cls: type[Backend[Any]]
    options: Mapping[str, Any]
    parts: tuple[Tree, ...]

    def names(self) -> set[str]:
        """Return the names of all mailers that it is made of, also behind a queue."""
        return {name for part in self.parts for name in (part.name, *part.names())}

    def before_queues(self) -> set[str]:
        """Return the names of those that get messages immediately, not from a queue."""
        parts = () if self.cls.is_queue else self.parts
        return {name for part in parts for name in (part.name, *part.before_queues())}

    @property
    def name(self) -> str:
        """The name in receipts."""
        return self.reference if isinstance(self.reference, str) else self.cls.name

    def built(
        self, selection: Selection, faults: Faults, names: tuple[str, ...]
    ) -> Backend[Any] | None:
        """Return the composite with leaves that fail as `faults` says, or ``None`` for a leaf.

        Of one that is made of a single mailer, such as a throttle, it is that mailer: a test does
        not wait, sign, or connect to a storage.

        :param names: its name after those of the composites that it is a part of.
        """
        if not self.parts or self.cls.is_queue:
            return None
        children = {part.reference: part.judged(selection, faults, names) for part in self.parts}
        if len(children) == 1:
            return next(iter(children.values()))
        composite = self.cls.from_options(self.options, children.__getitem__)
        key_of = getattr(self.options, "key_of", None)
        composite.bind(app=selection.app, mailer=self.name, key_of=key_of)
        return composite

    def judged(self, selection: Selection, faults: Faults, above: tuple[str, ...]) -> Backend[Any]:
        """Return it as a part of the composites `above`."""
        names = (*above, self.name)
        child = JudgedBackend(faults, names, self.cls, self.built(selection, faults, names))
        child.bind(app=None, mailer=self.name, key_of=None)
        return child


def tree_of(selection: Selection, reference: Any, above: tuple[Any, ...] = ()) -> Tree:
    """Return a mailer and those that it is made of; nothing is built.

    :param above: the references that it is a part of.
    """
    parts = [] if reference in above else selection.parts(reference)
    return Tree(
        reference,
        selection.backend_class(reference),
        selection.options(reference) if parts else {},
        tuple(tree_of(selection, part, (*above, reference)) for part in parts),
    )


class Composites:
    """The composites that really run, since the test makes one of their mailers fail.

    :param faults: the failures that the test has requested.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._built: dict[tuple[Selection, Any], tuple[Tree, Backend[Any] | None]] = {}

    def clear(self) -> None:
        """Forget them, also which mailers rest."""
        self._built.clear()

    def find(self, selection: Selection, reference: Any, failing: set[str]) -> Backend[Any] | None:
        """Return the composite that delivers, or ``None`` if none of its mailers fails.

        :param failing: the names of the mailers that fail.
        :raises ValueError: a name is unknown, or its failure cannot happen.
        """
        if not failing:
            return None
        _check_names(selection, failing)
        tree = tree_of(selection, reference)
        if hidden := (failing & tree.names()) - tree.before_queues():
            raise ValueError(
                f"The failure requested for the mailer {min(hidden)!r} cannot happen when a message"
                f" is given to {tree.name!r}: a queue stores it first. Send by mail.using() of the"
                " mailer behind the queue, or work the queue off in an outbox."
            )
        if not failing & tree.names():
            return None
        known = self._built.get((selection, reference))
        if known is None or known[0] != tree:
            # With flat settings, the reference of the default mailer is the name of a backend.
            name = DEFAULT if reference == selection.reference()[0] else tree.name
            built = tree.built(selection, self._faults, (name,))
            known = self._built[selection, reference] = tree, built
        return known[1]


def _check_names(selection: Selection, names: set[str]) -> None:
    own = selection.definitions.names()
    if names <= set(own):
        return
    # In any app: a test may have several, and they send one after another.
    unknown = names.difference(*map(_names, everywhere()))
    for name in sorted(unknown):
        raise ValueError(
            f"A failure was requested for the mailer {describe(name)}, which does not"
            f" exist{nearest(name, own) or '.'} The app has: {', '.join(own)}."
        )


def _names(selection: Selection) -> set[str]:
    """Return the names of all mailers of an app, and of what they are made of."""
    found: set[str] = set()
    with suppress(Exception):  # an app whose settings are wrong, maybe of another test
        for name in selection.definitions.names():
            found.add(name)
            found |= tree_of(selection, selection.reference(name)[0]).names()
    return found
