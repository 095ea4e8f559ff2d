"""Conversion to JSON types, and checks of their values."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..errors import MessageError
from ..util.text import describe
from .fields import frozen

_DEEPEST: Final = 50
_LARGEST: Final = 2**64  # the limit of many JSON parsers; Python limits the number of digits


def check(value: Any, schema: Any, field: str) -> None:
    """Check that a value fits a schema.

    A tuple lists alternatives, ``[a]`` is a list of any length, ``[a, b]`` has these two items, and
    ``{...}`` has exactly these keys. A bool is not a number.

    :raises MessageError: it does not; names `field`.
    """
    for each in schema if isinstance(schema, tuple) else (schema,):
        kind = each if isinstance(each, type) else type(each)
        if issubclass(type(value), kind) and (kind is bool or not isinstance(value, bool)):
            break
    else:
        raise MessageError(f"The record's {field!r} is or contains a {type(value).__name__}.")
    if isinstance(each, list):
        schemas = each if len(each) > 1 else each * len(value)
        if len(schemas) != len(value):
            raise MessageError(f"The record's {field!r} must not contain {describe(value)}.")
        for item, its_schema in zip(value, schemas, strict=True):
            check(item, its_schema, field)
    elif isinstance(each, dict):
        if value.keys() != each.keys():
            raise MessageError(f"The record's {field!r} was not written by to_dict().")
        for name, its_schema in each.items():
            check(value[name], its_schema, field)


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


def pairs_of(table: Mapping[Any, Any], field: str) -> list[Any]:
    """Return names and values as pairs, with lazy strings evaluated."""
    return [[json_of(frozen(each), field) for each in item] for item in table.items()]


def further_of(given: Mapping[Any, Any], owner: type, known: Iterable[str]) -> dict[str, Any]:
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
