"""The settings, from :data:`flask_mail.config.table.TABLE`, so pages cannot drift from the code.

The directive ``settings`` defines those of one group. Wherever a page names a setting as code, it
becomes a link to its definition.
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


def definitions(settings: list[Setting]) -> list[str]:
    """Return the lines of a definition list in Markdown."""
    lines = []
    for each in settings:
        facts = f"Default: {each.default}" if each.default else ""
        kind = f"Takes: {each.kind}" if each.kind else ""
        lines += [f"`{each.key}`", f": {each.meaning}", ""]
        lines += [f"  {'. '.join(filter(None, (kind, facts)))}.", ""]
    return lines


class Settings(SphinxDirective):
    """Takes the name of a group, as in the table of the code."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        settings = [each for each in TABLE if each.group == self.arguments[0]]
        if not settings:
            groups = ", ".join(dict.fromkeys(each.group for each in TABLE))
            raise self.error(f"no group {self.arguments[0]!r}; the groups are {groups}")
        holder = nodes.Element()
        self.state.nested_parse(StringList(definitions(settings), "settings.TABLE"), 0, holder)
        terms = list(holder.findall(nodes.term))
        for term, setting in zip(terms, settings, strict=True):
            term["ids"] = [setting.key]
            link = nodes.reference("", "¶", refuri=f"#{setting.key}", classes=["headerlink"])
            term.append(link)
            self.env.get_domain("std").note_object(
                "confval", setting.key, setting.key, location=term
            )
        for each in holder.findall(nodes.definition_list):
            each["classes"].append("settings")
        for each in holder.findall(nodes.definition):
            each.children[-1]["classes"].append("facts")
        return holder.children


class LinkSettings(SphinxTransform):
    """Links each setting to its definition, except in headings and in that definition."""

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
    if isinstance(node, nodes.definition_list_item):
        return key in node.children[0].get("ids", ())
    return isinstance(node, (nodes.title, nodes.reference))


def _ancestors(node: nodes.Node) -> list[nodes.Element]:
    found = []
    while node.parent is not None:
        node = node.parent
        found.append(node)
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("settings", Settings)
    app.add_transform(LinkSettings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
