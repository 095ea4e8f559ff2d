"""Checks for unknown and renamed settings."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..backends.base import Backend
from ..backends.options import declared
from ..config.misspelt import known_elsewhere
from ..config.table import BY_KEY, FAIL_SILENTLY, OLD_NAMES, is_unset
from .finding import Finding

if TYPE_CHECKING:
    from .context import Choice
    from .plugins import Plugin
    from .values import Entries

_PREFIX = "FLASK_"
_READS_THEM = getattr(Backend.from_options, "__func__", None)


def judge_names(entries: Entries, choice: Choice, plugins: list[Plugin]) -> Iterator[Finding]:
    """Yield the settings that neither the table nor a backend declares, and old names."""
    candidates = {*(plugin.backend for plugin in plugins), choice.wanted_class}
    classes = {each for each in candidates if each is not None}
    backends = {each.setting_key(""): each for each in classes if each.option_prefix is None}
    # Other settings share the prefix: only declared options belong to the backend.
    known = {
        each.setting_key(option)
        for each in classes
        if each.option_prefix is not None
        for option in declared(each)[0]
    }
    known |= {*BY_KEY, FAIL_SILENTLY}
    # The options of a broken plugin are unknown.
    broken = {
        f"MAIL_{plugin.declared.name.upper()}_" for plugin in plugins if plugin.backend is None
    }
    prefixes = sorted({*backends, *broken}, key=len, reverse=True)
    config = entries.config
    given = [key for key in map(str, list(config)) if not is_unset(config.get(key))]
    elsewhere = known_elsewhere(given, config)
    for key in dict.fromkeys([*(entry.key for entry in entries), *elsewhere]):
        if key in known:
            continue
        prefix = next((each for each in prefixes if key.startswith(each)), None)
        if prefix is None:
            hint = f"; did you mean {elsewhere[key]}?" if key in elsewhere else _hint(key, known)
            problem = f"{key} is not a setting of Flask-Mail{hint}"
            yield Finding("warning", "unknown-key", (key,), problem)
        elif prefix in backends:
            yield from _option(key, prefix, backends[prefix], choice)
    yield from _old_names(entries)


def judge_environment(entries: Entries) -> Iterator[Finding]:
    """Yield the variables of the environment that are named like settings, and that nothing reads.

    Flask's ``from_prefixed_env()`` writes nested options after two underscores.
    """
    yield from _elsewhere(entries.config)
    known = {entry.key for entry in entries if entry.is_default}
    unread = {
        name: key
        for name in sorted(os.environ)
        if os.environ[name] and (key := name.removeprefix(_PREFIX).partition("__")[0]) in known
    }
    if unread:
        are, them = ("is", "it") if len(unread) == 1 else ("are", "them")
        bare = [name for name in unread if not name.startswith(_PREFIX)]
        advice = (
            f"{', '.join(unread)} {are} in the environment, but not in app.config, so nothing reads"
            f" {them}: "
        )
        if bare:
            advice += f"rename {bare[0]} to {_PREFIX}{bare[0]}, and "
        yield Finding(
            "warning",
            "unread-environment",
            tuple(unread.values()),
            f"{advice}call app.config.from_prefixed_env().",
        )


def _elsewhere(config: Mapping[str, Any]) -> Iterator[Finding]:
    names = {name.removeprefix(_PREFIX): name for name in sorted(os.environ) if os.environ[name]}
    found = known_elsewhere([each for each in names if each not in config], config)
    if found:
        renamed = [f"{names[each]} to {_PREFIX}{found[each]}" for each in found]
        yield Finding(
            "warning",
            "unread-environment",
            tuple(found.values()),
            f"The environment has names that Flask-Mail does not read: rename {', '.join(renamed)},"
            " and call app.config.from_prefixed_env().",
        )


def _option(
    key: str, prefix: str, backend: type[Backend[Any]], choice: Choice
) -> Iterator[Finding]:
    parameters, takes_any = declared(backend)
    reads_options_itself = getattr(backend.from_options, "__func__", None) is not _READS_THEM
    if takes_any or reads_options_itself or key.removeprefix(prefix).lower() in parameters:
        return
    yield Finding(
        "error" if backend is choice.wanted_class and choice.is_flat else "warning",
        "unknown-option",
        (key,),
        f"The backend {backend.name} has no option"
        f" {key}{_hint(key, set(map(backend.setting_key, parameters)))}",
    )


def _old_names(entries: Entries) -> Iterator[Finding]:
    for key, old in OLD_NAMES.items():
        if not is_unset(entries.config.get(old)):
            advice = f"Rename {old} to {key}, its name since 0.8."
            yield Finding("warning", "old-name", (old,), advice)
    if entries.has(FAIL_SILENTLY):
        yield Finding(
            "warning",
            "old-name",
            (FAIL_SILENTLY,),
            f"Unset {FAIL_SILENTLY}, from before 0.8, and catch flask_mail.BackendUnavailable or"
            " use mail.send_many(), which does not raise.",
        )


def _hint(key: str, known: set[str]) -> str:
    # Without the common prefix, which makes any two of them similar.
    bare = {each.removeprefix("MAIL_"): each for each in sorted(known)}
    matches = difflib.get_close_matches(key.removeprefix("MAIL_"), bare, n=1)
    if matches:
        return f"; did you mean {bare[matches[0]]}?"
    return ": remove it, unless your app uses it."
