"""Failures of single mailers in composites, which really run for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from ..backends.base import Backend
from ..config.misspelt import nearest
from ..extension.mailers import everywhere
from ..util.text import describe

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing
    from ..extension.mailers import Selection
    from ..receipt import Receipt, Refusal

Judge: TypeAlias = "Callable[[Outgoing], Mapping[str, Refusal]]"


class JudgedBackend(Backend[None]):
    """A mailer that a composite is made of, which accepts messages or fails on demand.

    :param judge: returns the recipients to refuse, or raises the error on demand.
    :param cls: the class that it stands for, with its features and limits.
    :param inner: what delivers, if it is a composite.
    """

    name = "locmem"
    external = False

    def __init__(self, judge: Judge, cls: type[Backend[Any]], inner: Backend[Any] | None) -> None:
        self._judge = judge
        self._inner = inner
        self.features = cls.features
        self.max_size, self.max_recipients = cls.max_size, cls.max_recipients

    def deliver(self, mail: Outgoing, session: object) -> Receipt:
        refused = self._judge(mail)
        if self._inner is None:
            return self.accepted(mail, refused=refused)
        return delivered(self._inner, mail, refused)


def delivered(inner: Backend[Any], mail: Outgoing, refused: Mapping[str, Refusal]) -> Receipt:
    """Deliver a message by a composite, and return its receipt with more refused recipients."""
    if isinstance(inner, JudgedBackend):
        mail = mail.for_mailer(inner.mailer)
    session = inner.open()
    receipt = inner.attempt(mail, session)
    inner.close(session)
    return replace(receipt, refused={**receipt.refused, **refused}, error=receipt.error)


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

    def built(self, selection: Selection, judge: Judge) -> Backend[Any] | None:
        """Return the composite with leaves that `judge` judges, or ``None`` for a leaf.

        Of one that is made of a single mailer, such as a throttle, it is that mailer: a test does
        not wait, sign, or connect to a storage.
        """
        if not self.parts or self.cls.is_queue:
            return None
        children = {part.reference: part.judged(selection, judge) for part in self.parts}
        if len(children) == 1:
            return next(iter(children.values()))
        composite = self.cls.from_options(self.options, children.__getitem__)
        key_of = getattr(self.options, "key_of", None)
        composite.bind(app=selection.app, mailer=self.name, key_of=key_of)
        return composite

    def judged(self, selection: Selection, judge: Judge) -> Backend[Any]:
        """Return it as a part of a composite."""
        child = JudgedBackend(judge, self.cls, self.built(selection, judge))
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

    :param judge: judges the messages of the mailers that they are made of.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
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
            known = self._built[selection, reference] = tree, tree.built(selection, self._judge)
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
