"""The settings, from :data:`flask_mail.config.table.TABLE`, so pages cannot drift from the code.

The directive ``settings`` makes the table of one group. Wherever a page names a setting as code, it
becomes a link to its row.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from flask_mail.config.setting import Setting
from flask_mail.config.table import BY_KEY, TABLE

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


class LinkSettings(SphinxTransform):
    """Links each setting to its row, except in headings and in that row."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        for literal in list(self.document.findall(nodes.literal)):
            key = literal.astext()
            if key in BY_KEY and not any(_holds(each, key) for each in _ancestors(literal)):
                link = addnodes.pending_xref(
                    "",
                    literal.deepcopy(),
                    refdomain="std",
                    reftype="confval",
                    reftarget=key,
                    refdoc=self.env.docname,
                    refwarn=True,
                )
                literal.replace_self(link)


def _holds(node: nodes.Element, key: str) -> bool:
    return isinstance(node, (nodes.title, nodes.reference)) or key in node.get("ids", ())


def _ancestors(node: nodes.Node) -> list[nodes.Element]:
    found = []
    while node.parent is not None:
        node = node.parent
        found.append(node)
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("settings", SettingsTable)
    app.add_transform(LinkSettings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
