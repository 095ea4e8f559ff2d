"""Warnings of messages of which only some templates are translated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import jinja2

from ..util.callers import warn_program

_GETTEXT = frozenset({"_", "gettext", "ngettext", "npgettext", "pgettext"})


def warn_of_untranslated(
    used: Iterable[tuple[jinja2.Template | None, int]], names: Sequence[str]
) -> None:
    """Warn if some templates of a message are in its language, and others are not.

    One that calls gettext is in any language.

    :param used: each template, and the place of its name in `names`.
    :param names: the names that were looked for; the last one is that without a locale.
    """
    found = [(template, rank) for template, rank in used if template is not None]
    translated = [(template, rank) for template, rank in found if rank < len(names) - 1]
    if not translated:
        return
    other, rank = translated[0]
    for template, its_rank in found:
        if its_rank == len(names) - 1 and not _uses_gettext(template):
            wanted = f"{names[rank]}{(template.name or '').removeprefix(names[-1])}"
            warn_program(
                f"{other.name!r} exists, but {wanted!r} does not, so the message is made of"
                f" {template.name!r} too, and may be in two languages. Add {wanted!r}; if"
                f" {template.name!r} suits, it only needs {{% extends {template.name!r} %}}.",
                UserWarning,
            )


def _uses_gettext(template: jinja2.Template) -> bool:
    """Return True if a template calls gettext, or its source cannot be read."""
    environment, name = template.environment, template.name or ""
    if environment.loader is None or not environment.loader.has_source_access:
        return True
    source, _, _ = environment.loader.get_source(environment, name)
    named = {each.name for each in environment.parse(source).find_all(jinja2.nodes.Name)}
    return not _GETTEXT.isdisjoint(named)
