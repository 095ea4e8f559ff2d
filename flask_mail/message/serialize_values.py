"""Conversion to JSON types, and checks of their values."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import MessageError
from ..util.text import describe
from .fields import frozen

_DEEPEST = 50
_LARGEST = 2**64  # the limit of many JSON parsers; Python limits the number of digits


def json_of(value: Any, field: str, depth: int = 0) -> Any:
    """Return a copy of `value` as JSON types.

    :raises MessageError: it has no JSON type, or is too large or too deeply nested; names `field`.
    """
    if value is None or type(value) in (str, bool):
        return value
    if type(value) is int:
        if abs(value) > _LARGEST:
            raise MessageError(f"{field} contains a number of more than 64 bits.")
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if depth > _DEEPEST:
        raise MessageError(f"{field} is nested more than {_DEEPEST} levels deep.")
    if isinstance(value, (list, tuple)):
        return [json_of(each, field, depth + 1) for each in value]
    if isinstance(value, dict) and all(type(name) is str for name in value):
        return {name: json_of(each, field, depth + 1) for name, each in value.items()}
    raise MessageError(
        f"{field} contains {describe(value)}, of type {type(value).__name__}, which JSON cannot"
        " express: pickle the message instead, or remove the value."
    )


def pairs_of(table: Mapping[Any, Any], field: str) -> list[list[Any]]:
    """Return names and values as pairs, with lazy strings evaluated.

    Their order matters, and not every database keeps that of a JSON object.
    """
    return [
        [json_of(frozen(name), field), json_of(frozen(value), field)]
        for name, value in table.items()
    ]


def table_of(given: Mapping[Any, Any], owner: type, known: Iterable[str]) -> dict[str, Any]:
    """Return a copy of further attributes for an `owner` whose own fields are `known`.

    :raises MessageError: an attribute would replace a field or a method.
    """
    for name in given:
        # A value from JSON cannot be called, so it must not replace a method.
        there = inspect.getattr_static(owner, name, None) if isinstance(name, str) else None
        is_taken = callable(there) or isinstance(there, (classmethod, staticmethod))
        if (
            not isinstance(name, str)
            or name.startswith("__")
            or name in known
            or is_taken
            or hasattr(there, "__set__")
        ):
            raise MessageError(f"The record's 'further' must not contain {describe(name)}.")
    return {name: json_of(each, name) for name, each in given.items()}


def check_kind(value: object, kinds: tuple[type, ...], field: str) -> None:
    """Check that `value` is one of `kinds`; a bool is not a number.

    :raises MessageError: it is not; names `field`.
    """
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise MessageError(f"The record's {field!r} is or contains a {type(value).__name__}.")


def check_list(value: object, field: str, *kinds: tuple[type, ...]) -> None:
    """Check that `value` is a list with one item of each of `kinds`.

    :raises MessageError: it is not; names `field`.
    """
    if not isinstance(value, list) or len(value) != len(kinds):
        raise MessageError(f"The record's {field!r} must not contain {describe(value)}.")
    for each, allowed in zip(value, kinds, strict=True):
        check_kind(each, allowed, field)
