"""Delivery by the mailer that rules choose for each message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, Final

from ..receipt import Receipt
from .base import Backend
from .composite import Composite
from .features import Feature
from .options import key_of_option, read_options
from .routes_rules import Facts, Rule, read_rules
from .sessions import Sessions

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..delivery.outgoing import Outgoing


_FEATURES: Final = {"tag": Feature.TAGS, "metadata": Feature.METADATA}


class RoutesBackend(Composite):
    """Delivers each message by the mailer of the first rule that it matches.

    :param rules: dicts of conditions, all of which must be true, and of the `mailer`; the last one
        has no conditions.
    """

    name = "routes"

    def __init__(self, *, rules: Sequence[tuple[Rule, Backend[Any]]]) -> None:
        super().__init__(child for _, child in rules)
        self.rules = tuple(rules)
        self._labels = labels_of(rule for rule, _ in rules)
        # The mailers need not support the tags and metadata that choose between them.
        self.features |= {_FEATURES[kind] for kind, _ in self._labels}

    @classmethod
    def labels(cls, options: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
        key = key_of_option(cls, options)("rules")
        return labels_of(read_rules(options["rules"], key)) if options.get("rules") else frozenset()

    @classmethod
    def parts(cls, options: Mapping[str, Any]) -> Sequence[Any]:
        if not options.get("rules"):
            return ()
        key = key_of_option(cls, options)("rules")
        return list(dict.fromkeys(each.mailer for each in read_rules(options["rules"], key)))

    @classmethod
    def from_options(cls, options: Mapping[str, Any], build: Callable[[str], Backend[Any]]) -> Self:
        key_of = key_of_option(cls, options)
        given = read_options(cls, key_of, options)
        rules = read_rules(given["rules"], key_of("rules"))
        return cls(rules=[(each, build(each.mailer)) for each in rules])

    def route(self, mail: Outgoing) -> int:
        """Return the index of the rule for a message."""
        facts = Facts(mail)
        index = 0
        while not self.rules[index][0].applies_to(facts):  # the last one always does
            index += 1
        return index

    def deliver(self, mail: Outgoing, session: Sessions) -> Receipt:
        child = self._child_for(mail)
        return child if isinstance(child, Receipt) else session.attempt(child, self.routed(mail))

    def routed(self, mail: Outgoing) -> Outgoing:
        """Return a message as the mailer of its rule gets it."""
        return mail.routed(self._labels)

    def deliver_many(self, mails: Iterable[Outgoing], session: Sessions) -> Iterator[Receipt]:
        # Messages in a row for one child are one batch.
        routed = ((self._child_for(mail), self.routed(mail)) for mail in mails)
        for _, batch in groupby(routed, key=lambda each: _key_of(each[0])):
            child, first = next(batch)
            if isinstance(child, Receipt):
                yield child
                yield from (receipt for receipt, _ in batch)  # type: ignore[misc]
            else:
                rest = (mail for _, mail in batch)
                yield from session.deliver_many(child, chain((first,), rest))

    def _child_for(self, mail: Outgoing) -> Backend[Any] | Receipt:
        """Return the child for a message, or the receipt if a function of a rule has failed."""
        try:
            return self.rules[self.route(mail)][1]
        except Exception as error:  # noqa: BLE001 (reported by the receipt)
            return self.receipt_of(error, mail, handed_over=False)


def labels_of(rules: Iterable[Rule]) -> frozenset[tuple[str, str]]:
    """Return the tags and keys of metadata that rules name."""
    return frozenset[tuple[str, str]]().union(*(each.labels for each in rules))


def _key_of(child: Backend[Any] | Receipt) -> int | None:
    # Not the child itself: a backend may be a dataclass, which equals others.
    return None if isinstance(child, Receipt) else id(child)
