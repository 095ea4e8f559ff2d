"""Parameters of a preview function, which its URL can set."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..config.converters import to_flag
from ..errors import ConfigurationError
from ..util.text import describe

# Arguments of the pages themselves.
RESERVED: Final = frozenset(
    {"view", "width", "scheme", "images", "inline", "locale", "measure", "q"}
)
_KINDS: Final[dict[str, Callable[[str], Any]]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: bool(to_flag(text)),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that takes text, a number or a boolean."""

    name: str
    kind: str
    """``str``, ``int``, ``float`` or ``bool``."""
    default: str | None
    """``None`` if it has none."""


def parameters_of(function: Callable[..., object]) -> list[Parameter]:
    """Return the parameters of a preview function that a URL can set."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of an extension module
        return []
    found = []
    for name, each in signature.parameters.items():
        kind = _kind_of(each)
        if kind and name not in RESERVED:
            is_given = each.default is not each.empty and each.default is not None
            found.append(Parameter(name, kind, str(each.default) if is_given else None))
    return found


def values_for(
    name: str, function: Callable[..., object], given: Mapping[str, str]
) -> dict[str, Any]:
    """Return the arguments for a preview function; those that it does not have are left out.

    :param name: the name of the preview.
    :raises ConfigurationError: one has the wrong type.
    """
    values = {}
    for each in parameters_of(function):
        if each.name in given:
            try:
                values[each.name] = _KINDS[each.kind](given[each.name])
            except ValueError:
                raise ConfigurationError(
                    f"{each.name} of the preview {name!r} must be of type {each.kind}, not"
                    f" {describe(given[each.name])}."
                ) from None
    return values


def _kind_of(parameter: inspect.Parameter) -> str:
    """Return the type of a parameter; empty if no text can express it."""
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        return ""
    default, annotation = parameter.default, parameter.annotation
    if default is not None and default is not parameter.empty:
        name = type(default).__name__
    elif annotation is parameter.empty:
        name = "str"
    else:  # a str if the module postpones annotations
        name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        name = name.removesuffix("| None").strip()
    return name if name in _KINDS else ""
