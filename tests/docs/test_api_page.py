"""The API reference names everything that is public, and everything it names has a docstring."""

from __future__ import annotations

import inspect
import re
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import flask_mail
import flask_mail.backends
import flask_mail.inbox
import flask_mail.telemetry
import flask_mail.testing

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
MODULES: tuple[ModuleType, ...] = (
    flask_mail,
    flask_mail.backends,
    flask_mail.testing,
    flask_mail.inbox,
    flask_mail.telemetry,
)
PUBLIC = {name: getattr(module, name) for module in MODULES for name in module.__all__}
CLASSES = {name: each for name, each in PUBLIC.items() if inspect.isclass(each)}

# What one module of the package needs of another, and no program.
INTERNAL = {
    "Connection": {"defer"},
    "Mail": {"previews"},
    "_Mail": {
        "app_debug",
        "bind",
        "fails_silently",
        "follow",
        "previews",
        "recent",
        "selection",
        "unsubscribe_url",
    },
    "EventsSecret": {"current", "is_impossible", "must_be", "setting"},
    "Message": {"content_to_send", "is_bad_headers"},
    "Outgoing": {"octets"},
    "Secret": {"current", "is_impossible", "must_be", "setting"},
    "MailTestMixin": {"debug", "run"},  # of unittest
}


def own_attributes(cls: type) -> list[str]:
    """Return the public attributes that a class of ours has from a class of ours."""
    found = []
    for name in dir(cls):
        origin = next((each for each in cls.__mro__ if name in vars(each)), object)
        is_ours = origin.__module__.startswith("flask_mail")
        if is_ours and not name.startswith(("_", "test_")):
            found.append(name)
    return found


def is_documentable(attribute: object) -> bool:
    """Return True if an attribute can have a docstring: a plain value has that of its type."""
    wrapped = (property, cached_property, classmethod, staticmethod)
    return callable(attribute) or isinstance(attribute, wrapped)


def listed(name: str) -> set[str] | None:
    """Return the members that the page lists for a class; ``None`` where it lists them all."""
    entry = re.search(
        rf"^\.\. auto(?:class|exception):: {name}\b(.*?)(?=^\.\. |^```)", PAGE, re.M | re.S
    )
    members = re.search(r":members:((?:[^:]|\n {6,})*)", entry[1]) if entry else None
    if members is None:
        return set()
    return {each.strip() for each in members[1].split(",") if each.strip()} or None


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_public_name_is_on_the_page(name: str) -> None:
    assert re.search(rf"\b{name}\b", PAGE), f"docs/api.md does not tell of {name}."


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_each_public_attribute_of_a_class_is_on_the_page(name: str) -> None:
    members = listed(name)
    missing = [
        each
        for each in own_attributes(CLASSES[name])
        if members is not None
        and each not in members | INTERNAL.get(name, set())
        and not re.search(rf"\b{each}\b", PAGE)
    ]
    assert missing == []


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_what_is_on_the_page_has_a_docstring(name: str) -> None:
    found: Any = PUBLIC[name]
    undocumented = [name] if callable(found) and not inspect.getdoc(found) else []
    if name in CLASSES:
        undocumented += [
            f"{name}.{each}"
            for each in own_attributes(found)
            if is_documentable(inspect.getattr_static(found, each))
            and each not in INTERNAL.get(name, ())
            and not inspect.getdoc(getattr(found, each))
        ]
    assert undocumented == []


def test_what_is_said_to_be_internal_is_there() -> None:
    """A name that was removed leaves no exception behind."""
    gone = {
        f"{name}.{each}"
        for name, attributes in INTERNAL.items()
        for each in attributes
        if not hasattr({**CLASSES, "_Mail": flask_mail._Mail}[name], each)
    }
    assert gone <= {f"_Mail.{each}" for each in ("previews", "recent", "selection")}
