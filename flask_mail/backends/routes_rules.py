"""The rules of the backend routes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from ..config.converters import Unshown, to_patterns
from ..config.misspelt import nearest
from ..config.table import convert
from ..errors import ConfigurationError
from ..util.patterns import lazy_pattern
from .composite import listed, to_name

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing


class Facts:
    """A message as rules look at it; each fact is found once."""

    def __init__(self, mail: Outgoing) -> None:
        self.mail = mail
        self.recipients = mail.envelope.recipients

    @cached_property
    def sender(self) -> str:
        return self.mail.sender

    @cached_property
    def tags(self) -> tuple[str, ...]:
        return self.mail.tags

    @cached_property
    def metadata(self) -> Mapping[str, str]:
        return self.mail.metadata

    @cached_property
    def size(self) -> int:
        return self.mail.size


Condition = Callable[[Facts], object]


@dataclass(frozen=True)
class Rule:
    """A mailer, and the conditions for a message to be sent by it, all of which must be true."""

    mailer: Any
    conditions: tuple[Condition, ...]
    text: str
    """The conditions as they were written."""
    labels: frozenset[tuple[str, str]] = frozenset()
    """The tags and keys of metadata that it names, as :attr:`Outgoing.routed_by`."""

    def applies_to(self, facts: Facts) -> bool:
        """Return True if all conditions are true."""
        for matches in self.conditions:  # noqa: SIM110 (all() takes twice as long)
            if not matches(facts):
                return False
        return True


def read_rules(value: object, key: str) -> list[Rule]:
    """Read the rules of a setting.

    :param key: the setting.
    :raises ConfigurationError: a rule is wrong, or the last one has conditions.
    """
    if not isinstance(value, (list, tuple)) or not value:
        raise ConfigurationError(
            f'{key} must be a list of rules such as {{"tag": "news", "mailer": "bulk"}}.'
        )
    rules = [_read_rule(each, f"{key}[{index}]") for index, each in enumerate(value)]
    if rules[-1].conditions:
        raise ConfigurationError(
            f"The last rule of {key} must have no conditions, so that each message has a mailer:"
            ' add a rule such as {"mailer": "smtp"}.'
        )
    return rules


def _read_rule(value: object, key: str) -> Rule:
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f'{key} must be a dict such as {{"tag": "news", "mailer": "bulk"}}.'
        )
    given = {str(name).lower(): each for name, each in value.items()}
    if len(given) < len(value):
        raise ConfigurationError(f"{key} has a condition twice, in upper and lower case.")
    if "mailer" not in given:
        raise ConfigurationError(f"{key} needs a mailer: add one.")
    mailer = convert(f"{key}['mailer']", to_name, given.pop("mailer"))
    for name in given:
        if name not in _CONDITIONS:
            hint = nearest(name, _CONDITIONS) or "."
            raise ConfigurationError(
                f"{key} has the unknown condition {name!r}{hint} Conditions:"
                f" {', '.join(_CONDITIONS)}."
            )
    return Rule(
        mailer,
        tuple(convert(f"{key}[{name!r}]", _CONDITIONS[name], each) for name, each in given.items()),
        ", ".join(f"{name} {_text_of(each)}" for name, each in given.items()),
        frozenset(
            (name, str(each))
            for name, names in (("tag", listed), ("metadata", list))
            for each in names(given.get(name, ()))
        ),
    )


def _text_of(value: object) -> str:
    if callable(value):
        return str(getattr(value, "__qualname__", type(value).__name__))
    if isinstance(value, Mapping):
        return " and ".join(f"{key}={each}" for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return " or ".join(map(_text_of, value))
    return value.pattern if isinstance(value, re.Pattern) else str(value)


def _to(value: object) -> Condition:
    matches = _matcher(value)
    return lambda facts: all(map(matches, facts.recipients))


def _to_any(value: object) -> Condition:
    matches = _matcher(value)
    return lambda facts: any(map(matches, facts.recipients))


def _sender(value: object) -> Condition:
    matches = _matcher(value)
    return lambda facts: matches(facts.sender)


def _matcher(value: object) -> Callable[[str], object]:
    """Return a function that returns a true value for addresses that match one of the patterns."""
    patterns = to_patterns(value)
    if not patterns:
        raise ValueError("one or more addresses or patterns")
    if len(patterns) == 1:
        return patterns[0].fullmatch
    return lambda address: any(pattern.fullmatch(address) for pattern in patterns)


def _tag(value: object) -> Condition:
    try:
        tags = frozenset(listed(value))
    except (TypeError, ValueError):
        tags = frozenset()
    if not tags or not all(isinstance(each, str) for each in tags):
        raise ValueError("a tag, or a list of tags")
    return lambda facts: not tags.isdisjoint(facts.tags)


def _metadata(value: object) -> Condition:
    if not isinstance(value, Mapping) or not value:
        raise ValueError('a dict such as {"shop": "de"}')
    wanted = {
        str(name): str(each).lower() if isinstance(each, bool) else str(each)
        for name, each in value.items()
    }
    return lambda facts: wanted.items() <= facts.metadata.items()


_SIZE: Final = lazy_pattern(
    r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([kmg]i?)?b?\s*", re.ASCII | re.IGNORECASE
)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3}


def to_octets(value: object) -> int:
    """Read a size: octets, or text such as ``"10 MB"`` or ``"512 KiB"``."""
    text = value if isinstance(value, str) else str(value) if type(value) is int else ""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError('a size in octets, such as 500000 or "10 MB"')
    unit = (found[2] or "").lower()
    factor = 1024 if unit.endswith("i") else 1000
    return int(float(found[1]) * factor ** _POWERS[unit.rstrip("i")])


def _larger_than(value: object) -> Condition:
    limit = to_octets(value)
    return lambda facts: facts.size > limit


def _when(value: object) -> Condition:
    if not callable(value):
        raise Unshown("a function of the outgoing message")
    return lambda facts: value(facts.mail)


_CONDITIONS: Final[Mapping[str, Callable[[object], Condition]]] = {
    "to": _to,
    "to_any": _to_any,
    "sender": _sender,
    "tag": _tag,
    "metadata": _metadata,
    "larger_than": _larger_than,
    "when": _when,
}
