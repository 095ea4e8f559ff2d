"""What a test expects of a message, and where one differs from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict

from ..address.parser import parse_address
from ..config.table import nearest
from ..errors import MessageError
from ..message.metadata import metadata_of, tags_of
from ..mime.parser import Entity, decode_text

if TYPE_CHECKING:
    from ..message.message import AddressLike, Message
    from ..mime.content import Content
    from ..receipt import Envelope, Receipt

Expected: TypeAlias = "str | re.Pattern[str] | Callable[[Any], object]"
ExpectedAddress: TypeAlias = "Expected | tuple[str, str] | Sequence[AddressLike]"


class Expectations(TypedDict, total=False):
    """What may be expected of a message; what is left out, or ``None``, is not looked at."""

    to: ExpectedAddress | None
    cc: ExpectedAddress | None
    bcc: ExpectedAddress | None
    sender: ExpectedAddress | None
    subject: Expected | None
    body: Expected | None
    html: Expected | None
    attachment: Expected | None
    tag: Expected | None
    metadata: Mapping[str, Expected] | None
    headers: Mapping[str, Expected] | None


_LONGEST: Final = 300
_LONGEST_ITEM: Final = 60


@dataclass(frozen=True)
class Sent:
    """A message that was sent, what became of it, and the message as it travelled."""

    message: Message
    receipt: Receipt
    octets: bytes | Content
    envelope: Envelope

    @property
    def entity(self) -> Entity:
        """The message as it travelled, read again."""
        return Entity.of(bytes(self.octets))

    def reached(self, field: str) -> list[str]:
        """Return the recipients that `field` names: To, Cc or Bcc.

        To also counts those that no field names, such as one that mail was redirected to.
        """
        if field != "to":
            named = keys_of(getattr(self.message, field))
            return [each for each in self.envelope.recipients if key_of(each) in named]
        elsewhere = keys_of(self.message.cc) | keys_of(self.message.bcc)
        elsewhere -= keys_of(self.message.recipients)
        return [each for each in self.envelope.recipients if key_of(each) not in elsewhere]


def key_of(address: object) -> tuple[str, str]:
    """Return what two spellings of one address have in common.

    :raises MessageError: it is none.
    """
    parsed = parse_address(address, "address")
    return parsed.local, parsed.domain.lower()


def keys_of(addresses: Iterable[object]) -> set[tuple[str, str]]:
    """Return :func:`key_of` of each."""
    return {key_of(each) for each in addresses}


class Criteria:
    """What is expected of a message.

    :raises TypeError: there is no such field, or what is expected of it is of another kind.
    :raises ValueError: every message meets it, or an address is none.
    """

    def __init__(self, expected: Expectations) -> None:
        __tracebackhide__ = True
        fields: dict[str, Any] = dict(expected)
        tables = {name: fields.pop(name, None) or {} for name in _TABLES}
        for name, table in tables.items():
            if not isinstance(table, Mapping):
                raise TypeError(f"{name} must be a dict, not {type(table).__name__}.")
        self._checks: list[_Check] = []
        for name, value in fields.items():
            if name not in _FIELDS:
                hint = nearest(name, [*_FIELDS, *_TABLES, "count", "within"])
                raise TypeError(f"A message has no {name!r} to check{hint or '.'}")
            if value is not None:
                self._checks += _FIELDS[name](name, value)
        for name, table in tables.items():
            self._checks += [_TABLES[name](key, value) for key, value in table.items()]

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield what is expected: each field, and the value as it is shown."""
        for each in self._checks:
            yield each.name, each.shown()

    def misses(self, sent: Sent) -> list[tuple[str, str]]:
        """Return the fields in which a message is not as expected, and what it has there."""
        return [
            (each.name, each.found(values))
            for each in self._checks
            if not any(map(each.matches, values := each.values(sent)))
        ]


class _Check:
    """One expectation about one field: some value of the field has to meet it."""

    kinds = "a str, a compiled regular expression or a function"

    def __init__(self, name: str, expected: Any) -> None:
        __tracebackhide__ = True
        self.name = name
        self.expected = expected
        if not isinstance(expected, (str, re.Pattern)) and not callable(expected):
            raise TypeError(f"{name} must be {self.kinds}, not {type(expected).__name__}.")

    def values(self, sent: Sent) -> list[Any]:
        """Return the values that the field has."""
        return [getattr(sent.message, self.name)]

    def matches(self, value: Any) -> bool:
        if isinstance(self.expected, re.Pattern):
            return value is not None and self.expected.search(self.text(value)) is not None
        if isinstance(self.expected, str):
            return value is not None and self.equals(self.text(value))
        return bool(self.expected(value))

    def text(self, value: Any) -> str:
        return str(value)

    def equals(self, text: str) -> bool:
        return bool(text == self.expected)

    def shown(self) -> str:
        """Return the expectation as a failure shows it."""
        if isinstance(self.expected, re.Pattern):
            return f"matches {plain(repr(self.expected.pattern), _LONGEST)}"
        if isinstance(self.expected, str):
            return plain(repr(self.expected), _LONGEST)
        return f"satisfies {getattr(self.expected, '__name__', type(self.expected).__name__)}()"

    def found(self, values: list[Any]) -> str:
        """Return what the message has as a failure shows it."""
        return (
            ", ".join(plain(repr(self.text(each)), _LONGEST) for each in values if each is not None)
            or "none"
        )


class _Text(_Check):
    """The body or the HTML, which has to contain a str."""

    def __init__(self, name: str, expected: Any) -> None:
        __tracebackhide__ = True
        super().__init__(name, expected)
        if expected == "":
            raise ValueError(f'{name}="" is met by every message: leave it out.')

    def text(self, value: Any) -> str:
        return str(value).replace("\r\n", "\n")

    def equals(self, text: str) -> bool:
        return str(self.expected) in text

    def shown(self) -> str:
        return f"contains {super().shown()}" if isinstance(self.expected, str) else super().shown()


class _Address(_Check):
    """An address; also one that is written in another way, or with a name."""

    kinds = "an address, a compiled regular expression or a function, or a list of them"

    def __init__(self, name: str, expected: Any) -> None:
        __tracebackhide__ = True
        super().__init__(name, expected)
        try:
            self._key = key_of(expected) if isinstance(expected, str) else None
        except MessageError as error:
            raise ValueError(f"{name} is no address: {error}") from None

    @classmethod
    def each(cls, name: str, expected: Any) -> list[_Check]:
        """Return a check for each address of a list."""
        __tracebackhide__ = True
        if isinstance(expected, list) and expected:
            return [check for each in expected for check in cls.each(name, each)]
        if isinstance(expected, tuple):  # a name and an address
            expected = ".".join(map(str, expected)) if len(expected) != 2 else str(expected[1])
        return [cls(name, expected)]

    def values(self, sent: Sent) -> list[str]:
        if self.name == "sender":
            return [parse_address(sent.message.sender, "sender").addr_spec]
        return sent.reached(self.name)

    def equals(self, text: str) -> bool:
        return key_of(text) == self._key

    def found(self, values: list[str]) -> str:
        return listed(values) or "none"


class _Attachment(_Check):
    """An attachment: by its name, or by a function that gets the :class:`Attachment`."""

    def values(self, sent: Sent) -> list[Any]:
        return sent.message.attachments

    def text(self, value: Any) -> str:
        return str(value.filename)


class _Tag(_Check):
    """One of the tags."""

    def values(self, sent: Sent) -> list[Any]:
        return list(tags_of(sent.message))


class _Metadata(_Check):
    """One of the metadata, as text."""

    def values(self, sent: Sent) -> list[str]:
        found = metadata_of(sent.message)
        return [found[self.name]] if self.name in found else []


class _Header(_Check):
    """A header of the message as it travelled, decoded."""

    def values(self, sent: Sent) -> list[str]:
        wanted = self.name.lower()
        return [decode_text(text) for name, text in sent.entity.fields if name.lower() == wanted]


def _one(kind: type[_Check]) -> Callable[[str, Any], list[_Check]]:
    def each(name: str, expected: Any) -> list[_Check]:
        __tracebackhide__ = True
        return [kind(name, expected)]

    return each


_FIELDS: Final[Mapping[str, Callable[[str, Any], list[_Check]]]] = {
    "to": _Address.each,
    "cc": _Address.each,
    "bcc": _Address.each,
    "sender": _Address.each,
    "subject": _one(_Check),
    "body": _one(_Text),
    "html": _one(_Text),
    "attachment": _one(_Attachment),
    "tag": _one(_Tag),
}
_TABLES: Final[Mapping[str, type[_Check]]] = {"metadata": _Metadata, "headers": _Header}


def listed(items: Iterable[str], most: int = 3) -> str:
    """Return the first few items on one line, and how many there are besides."""
    shown = list(items)
    more = f", and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(plain(each, _LONGEST_ITEM) for each in shown[:most]) + more


def plain(text: str, longest: int) -> str:
    """Return `text` on one line and not longer, with what is not printable as an escape."""
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:longest])
    return shown if len(text) <= longest else f"{shown}..."
