"""Base class of the built-in backends that are made of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..config.converters import Unshown
from ..config.table import convert
from .base import Backend
from .features import Feature
from .options import key_of_option
from .sessions import Sessions

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing
    from ..events import DeliveryEvent
    from .values import DkimRecord, Kept, ProbeStep, QueuedMessage


class Composite(Backend[Sessions]):
    """Delivers by its children, each of which is the backend of a mailer.

    Its statistics are empty: the app counts those of the children itself.
    """

    # A class has no children; under TESTING, those of its parts apply.
    features = frozenset(Feature)

    def __init__(self, children: Iterable[Backend[Any]]) -> None:
        self.children = tuple({id(each): each for each in children}.values())
        self.features = frozenset[Feature]().union(*(each.features for each in self.children))
        # A signature is of no use if only some children keep it.
        if not all(Feature.VERBATIM in each.features for each in self.children):
            self.features -= {Feature.VERBATIM}
        self.max_size = _largest(each.max_size for each in self.children)
        self.max_recipients = _largest(each.max_recipients for each in self.children)

    @classmethod
    def labels(cls, options: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
        """Return the tags and keys of metadata by which it chooses, without building it."""
        return frozenset()

    def open(self) -> Sessions:
        """Open no session yet: the message decides which one is needed, and when."""
        return Sessions()

    def close(self, session: Sessions) -> None:
        session.close()

    def retire(self, session: Sessions) -> None:
        session.retire()

    def abort(self, session: Sessions) -> None:
        session.abort()

    def kept(self) -> Iterable[Kept] | None:
        keepers = [kept for each in self.children if (kept := each.kept()) is not None]
        found = [kept for keeper in keepers for kept in keeper]
        return sorted(found, key=lambda kept: kept.date) if keepers else None

    def backlog(self) -> list[QueuedMessage] | None:
        queues = [found for each in self.children if (found := each.backlog()) is not None]
        return [each for queue in queues for each in queue] if queues else None

    def last_events(self) -> list[DeliveryEvent]:
        return [event for each in self.children for event in each.last_events()]

    def own_steps(self, sender: str | None) -> Iterable[ProbeStep]:
        """Return the steps of :meth:`probe` that are not those of its children."""
        return ()

    def probe(self, sender: str | None = None) -> Iterator[ProbeStep]:
        yield from self.own_steps(sender)
        for each in self.children:
            yield from each.probe(sender)

    def time_limit(self, mail: Outgoing) -> float | None:
        limits = (each.time_limit(mail) for each in self.children)
        return min((each for each in limits if each is not None), default=None)

    def dkim_records(self) -> list[DkimRecord]:
        return [record for each in self.children for record in each.dkim_records()]


def _largest(limits: Iterable[int | None]) -> int | None:
    found = list(limits)
    known = [each for each in found if each is not None]
    return max(known) if len(known) == len(found) else None


def listed(value: object) -> list[Any]:
    """Read a list, which is comma-separated text in an environment variable."""
    if isinstance(value, str):
        return [each.strip() for each in value.split(",") if each.strip()]
    if isinstance(value, (list, tuple)):
        return list(value)
    raise ValueError("a list")


def to_names(value: object) -> list[Any]:
    """Read a list of mailers, each of which is a name or a class.

    Errors do not show it: instead of names, it may have options or URLs, with passwords.
    """
    try:
        names = listed(value)
    except ValueError:
        names = []
    if not names or not all(isinstance(each, (str, type)) for each in names):
        raise Unshown("a list of mailers by name")
    return names


def part_of(cls: Any, options: Mapping[str, Any]) -> list[Any]:
    """Return the option ``mailer`` of a backend, as a list, which is empty if it is not set."""
    if not options.get("mailer"):
        return []
    return [convert(key_of_option(cls, options)("mailer"), to_name, options["mailer"])]


def to_name(value: object) -> Any:
    """Read the name of a mailer, or a class."""
    if value and isinstance(value, (str, type)):
        return value
    raise Unshown("the name of a mailer")
