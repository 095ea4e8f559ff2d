"""Values of records: JSON types that fit a schema."""

from __future__ import annotations

import base64
import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..errors import MessageError
from ..util.text import describe

VERSION: Final = 1
NONE: Final = type(None)
TEXT: Final[Any] = (str, int, float, bool, NONE)  # numbers are sent as their digits
NAME: Final[Any] = (str, NONE)
PAIRS: Final[Any] = [[str, TEXT]]  # not every database keeps the order of a JSON object

_DEEPEST: Final = 50
_LARGEST: Final = 2**64  # the limit of many JSON parsers; Python limits the number of digits


def values_of(record: object, schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record, which fit their schemas.

    :raises MessageError: the record is invalid or of another version.
    """
    version = record.get("version") if isinstance(record, Mapping) else None
    if not isinstance(record, Mapping) or type(version) is not int or version != VERSION:
        raise MessageError(
            f"This is not a record of version {VERSION}, the one that this Flask-Mail reads: its"
            f" version is {describe(version)}."
        )
    if unknown := record.keys() - schemas.keys() - {"version"}:
        shown = describe(min(unknown, key=str))
        raise MessageError(f"The record contains an unknown field, {shown}.")
    return {
        name: checked(value, schemas[name], name)
        for name, value in record.items()
        if name != "version"
    }


def checked(value: Any, schema: Any, field: str) -> Any:
    """Return a copy of `value` as JSON types; that of an object of any keys comes later.

    :raises MessageError: it has no JSON type, or does not fit the schema; names `field`.
    """
    plain = value if schema is dict else _json_of(value, field)
    if not fits(plain, schema):
        raise MessageError(f"The record's {field!r} must not contain {describe(plain)}.")
    return plain


def octets_of(text: str) -> bytes:
    """Decode the base64 in a record.

    :raises MessageError: it is invalid.
    """
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise MessageError(f"The base64 in the record cannot be read: {error}.") from None


def _json_of(value: Any, field: str, depth: int = 0) -> Any:
    if value is None or type(value) in (str, bool):
        return value
    if type(value) is int and abs(value) <= _LARGEST:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, (list, tuple)) and depth <= _DEEPEST:
        return [_json_of(each, field, depth + 1) for each in value]
    if isinstance(value, dict) and depth <= _DEEPEST and all(type(name) is str for name in value):
        return {name: _json_of(each, field, depth + 1) for name, each in value.items()}
    raise MessageError(
        f"The record's {field!r} contains {describe(value)}, of type {type(value).__name__}: pickle"
        " the message instead, or remove what is not JSON, a number of more than 64 bits, or nested"
        f" more than {_DEEPEST} levels deep."
    )


def fits(plain: Any, schema: Any) -> bool:
    """Return True if JSON fits a schema.

    A tuple lists alternatives, ``[a]`` is a list of any length, ``[a, b]`` has these two items,
    ``{...}`` has exactly these keys, and ``{str: a}`` any keys.
    """
    if isinstance(schema, tuple):  # mostly of types, one of which it has
        return type(plain) in schema or any(fits(plain, each) for each in schema)
    if isinstance(schema, type) or type(plain) is not type(schema):
        return type(plain) is schema
    if isinstance(schema, list):
        schemas = schema if len(schema) > 1 else schema * len(plain)
        return len(plain) == len(schemas) and all(map(fits, plain, schemas))
    if str in schema:
        return all(fits(each, schema[str]) for each in plain.values())
    return plain.keys() == schema.keys() and all(fits(plain[each], schema[each]) for each in schema)


def further_of(given: Mapping[Any, Any], owner: type, known: Iterable[str]) -> dict[str, Any]:
    """Return the JSON of further attributes for an `owner` whose own fields are `known`.

    :raises MessageError: an attribute would replace a field or a method.
    """
    for name in given:
        is_own = not isinstance(name, str) or name.startswith("__") or name in known
        there = None if is_own else inspect.getattr_static(owner, name, None)
        # A value from JSON cannot be called, so it must not replace a method.
        is_method = callable(there) or isinstance(there, classmethod)
        if is_own or is_method or hasattr(there, "__set__"):
            raise MessageError(f"The record's 'further' must not contain {describe(name)}.")
    return {name: _json_of(each, name) for name, each in given.items()}
