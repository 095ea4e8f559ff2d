"""Expectations about a message, and how a message differs from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict

from ..address.parser import parse_address
from ..config.misspelt import nearest
from ..errors import MessageError
from ..message.metadata import metadata_of, tags_of
from ..mime.parser import decode_text
from .report import listed, plain
from .sent import key_of

if TYPE_CHECKING:
    from ..message.message import AddressLike
    from .sent import Sent

Expected: TypeAlias = "str | re.Pattern[str] | Callable[[Any], object]"
ExpectedAddress: TypeAlias = "Expected | tuple[str, str] | Sequence[AddressLike]"


class Expectations(TypedDict, total=False):
    """Expected values of a message; missing ones and ``None`` are not checked."""

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
    mailer: Expected | None


_LONGEST: Final = 300


class Criteria:
    """The expectations about a message.

    :raises TypeError: a field does not exist, or its expected value has the wrong type.
    :raises ValueError: every message matches, or an address is not valid.
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
                raise TypeError(f"{name!r} is not a field to check{hint or '.'}")
            if value is not None:
                self._checks += _FIELDS[name](name, value)
        for name, table in tables.items():
            self._checks += [_TABLES[name](key, value) for key, value in table.items()]

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield each field and its expected value, for display."""
        for each in self._checks:
            yield each.name, each.shown()

    def misses(self, sent: Sent) -> list[tuple[str, str]]:
        """Return the fields of a message that do not match, and their values."""
        return [
            (each.name, each.found(values))
            for each in self._checks
            if not any(map(each.matches, values := each.values(sent)))
        ]


class _Check:
    """One expectation, which at least one value of the field must match."""

    kinds = "a str, a compiled regular expression or a function"

    def __init__(self, name: str, expected: Any) -> None:
        __tracebackhide__ = True
        self.name = name
        self.expected = expected
        if not isinstance(expected, (str, re.Pattern)) and not callable(expected):
            raise TypeError(f"{name} must be {self.kinds}, not {type(expected).__name__}.")

    def values(self, sent: Sent) -> list[Any]:
        """Return the values of the field."""
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
        """Return the expectation for display."""
        if isinstance(self.expected, re.Pattern):
            return f"matches {plain(repr(self.expected.pattern), _LONGEST)}"
        if isinstance(self.expected, str):
            return plain(repr(self.expected), _LONGEST)
        return f"satisfies {getattr(self.expected, '__name__', type(self.expected).__name__)}()"

    def found(self, values: list[Any]) -> str:
        """Return the values of the message for display."""
        return (
            ", ".join(plain(repr(self.text(each)), _LONGEST) for each in values if each is not None)
            or "none"
        )


class _Text(_Check):
    """The body or the HTML; a str must be contained."""

    def __init__(self, name: str, expected: Any) -> None:
        __tracebackhide__ = True
        super().__init__(name, expected)
        if expected == "":
            raise ValueError(f'{name}="" matches every message: leave it out.')

    def text(self, value: Any) -> str:
        return str(value).replace("\r\n", "\n")

    def equals(self, text: str) -> bool:
        return str(self.expected) in text

    def shown(self) -> str:
        return f"contains {super().shown()}" if isinstance(self.expected, str) else super().shown()


class _Address(_Check):
    """An address, regardless of its spelling and name."""

    kinds = "an address, a compiled regular expression or a function, or a list of them"

    def __init__(self, name: str, expected: Any) -> None:
        __tracebackhide__ = True
        super().__init__(name, expected)
        try:
            self._key = key_of(expected) if isinstance(expected, str) else None
        except MessageError as error:
            raise ValueError(f"{name} is not an address: {error}") from None

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
    """An attachment, matched by name or by a function of the :class:`Attachment`."""

    def values(self, sent: Sent) -> list[Any]:
        return sent.message.attachments

    def text(self, value: Any) -> str:
        return str(value.filename)


class _Tag(_Check):
    """A tag."""

    def values(self, sent: Sent) -> list[Any]:
        return list(tags_of(sent.message))


class _Mailer(_Check):
    """The name of the mailer."""

    def values(self, sent: Sent) -> list[str]:
        return sent.mailers


class _Metadata(_Check):
    """A metadata value, as text."""

    def values(self, sent: Sent) -> list[str]:
        found = metadata_of(sent.message)
        return [found[self.name]] if self.name in found else []


class _Header(_Check):
    """A header of the rendered message, decoded."""

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
    "mailer": _one(_Mailer),
}
_TABLES: Final[Mapping[str, type[_Check]]] = {"metadata": _Metadata, "headers": _Header}
