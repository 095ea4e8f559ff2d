"""Descriptions of a backend's options, for ``flask mail check`` and the documentation."""

from __future__ import annotations

import inspect
import re
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from ..util.secret import Secret
from .options import annotation_of, declared, secrets_of

if TYPE_CHECKING:
    from .base import Backend

_KINDS = {
    bool: "bool",
    int: "whole number",
    float: "number",
    str: "str",
    Path: "path",
}
# A field of the docstring, and the lines that continue it.
_MEANING = re.compile(r"^:param (\w+):[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Option:
    """One option of a backend."""

    name: str
    key: str
    """The setting."""
    kind: str
    """Description of its type, or empty if it is unknown."""
    default: str
    """Description of the default, or empty if there is no default."""
    required: bool
    secret: bool
    meaning: str
    """Description from the docstring of the class."""


def options_declared_by(cls: type[Backend[Any]]) -> list[Option]:
    """Return the options of `cls`, in the order of its constructor."""
    meanings = {
        name: " ".join(text.split())
        for base in reversed(cls.__mro__)
        for name, text in _MEANING.findall(inspect.cleandoc(vars(base).get("__doc__") or ""))
    }
    secrets = secrets_of(cls)
    return [
        Option(
            name,
            cls.setting_key(name),
            _kind(annotation_of(cls, parameter)),
            ""
            if parameter.default is parameter.empty
            else _default(parameter.default, name in secrets),
            parameter.default is parameter.empty,
            name in secrets,
            meanings.get(name, ""),
        )
        for name, parameter in declared(cls)[0].items()
    ]


def _kind(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        kinds = [_kind(each) for each in typing.get_args(annotation) if each is not type(None)]
        return " or ".join(dict.fromkeys(kinds)) if all(kinds) else ""
    if origin is typing.Literal:
        return " or ".join(map(repr, typing.get_args(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, Secret):
        return "secret"
    return _KINDS.get(annotation, "")


def _default(value: object, is_secret: bool) -> str:
    if is_secret and value:
        return "***"
    return str(value) if isinstance(value, (str, int, float, Path)) or value is None else "its own"
