"""Warnings of messages of which only some templates are translated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import jinja2
import jinja2.meta

from ..util.callers import warn_program

_GETTEXT = frozenset({"_", "gettext", "ngettext", "npgettext", "pgettext"})

# Jinja makes another template when the source changes.
_parsed: WeakKeyDictionary[jinja2.Template, tuple[bool, list[str]]] = WeakKeyDictionary()


def warn_of_untranslated(
    used: Iterable[tuple[jinja2.Template | None, int]], names: Sequence[str]
) -> None:
    """Warn if some templates of a message are in its language, and others are not.

    One that calls gettext is in any language, and so may be one that cannot be read.

    :param used: each template, and the place of its name in `names`.
    :param names: the names that were looked for; the last one is that without a locale.
    """
    found = [(template, rank) for template, rank in used if template is not None]
    translated = [(template, rank) for template, rank in found if rank < len(names) - 1]
    if not translated:
        return
    other, rank = translated[0]
    for template, its_rank in found:
        if its_rank == len(names) - 1 and not _may_call_gettext(template, set()):
            wanted = f"{names[rank]}{(template.name or '').removeprefix(names[-1])}"
            warn_program(
                f"{other.name!r} exists, but {wanted!r} does not, so the message is made of"
                f" {template.name!r} too, and may be in two languages. Add {wanted!r}; if"
                f" {template.name!r} suits, it only needs {{% extends {template.name!r} %}}.",
                UserWarning,
            )


def _may_call_gettext(template: jinja2.Template, searched: set[jinja2.Template]) -> bool:
    """Return True if a template, or one it refers to, calls gettext or cannot be read.

    :param searched: the templates that were searched before, since they may include each other.
    """
    searched.add(template)
    try:
        calls_gettext, references = _parsed.get(template) or _parse(template)
        others = [template.environment.get_template(each, template.name) for each in references]
    except Exception:  # noqa: BLE001 (of any loader: a warning must not cost the message)
        return True
    return calls_gettext or any(
        _may_call_gettext(other, searched) for other in others if other not in searched
    )


def _parse(template: jinja2.Template) -> tuple[bool, list[str]]:
    """Return True if a template calls gettext or computes a name, and the names it refers to."""
    environment, name = template.environment, template.name or ""
    loader: Any = environment.loader
    source, _, _ = loader.get_source(environment, name)
    tree = environment.parse(source, name)
    references = list(jinja2.meta.find_referenced_templates(tree))
    variables = {each.name for each in tree.find_all(jinja2.nodes.Name)}
    is_in_any_language = None in references or not _GETTEXT.isdisjoint(variables)
    parsed = is_in_any_language, [each for each in references if each is not None]
    _parsed[template] = parsed
    return parsed
