"""The ``settings`` directive: the settings of one group, as a table.

The rows come from :data:`flask_mail.settings.TABLE`, so the page cannot drift from the code. Each
key becomes a target of the ``confval`` role: ``{confval}`MAIL_SERVER```.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from flask_mail.settings import TABLE, Setting

HEADING = ("Setting", "Takes", "Default", "Meaning")


def rows(settings: list[Setting]) -> list[str]:
    """Return the lines of a table in Markdown."""
    cells = [(f"`{each.key}`", each.kind, each.default, each.meaning) for each in settings]
    table = [HEADING, ("---",) * len(HEADING), *cells]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in table]


class SettingsTable(SphinxDirective):
    """Takes the name of a group, as in the table of the code."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        settings = [each for each in TABLE if each.group == self.arguments[0]]
        if not settings:
            groups = ", ".join(dict.fromkeys(each.group for each in TABLE))
            raise self.error(f"no group {self.arguments[0]!r}; the groups are {groups}")
        holder = nodes.Element()
        self.state.nested_parse(StringList(rows(settings), "settings.TABLE"), 0, holder)
        body = next(iter(holder.findall(nodes.tbody)))
        for row, setting in zip(body.children, settings, strict=True):
            row["ids"].append(setting.key)
            self.env.get_domain("std").note_object(
                "confval", setting.key, setting.key, location=row
            )
        for table in holder.findall(nodes.table):
            table["classes"].append("settings")
        return holder.children


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("settings", SettingsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
