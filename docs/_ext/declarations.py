"""What backends declare, as tables, so that the pages cannot drift from the code.

The directive ``capabilities`` compares the backends that it names; ``options`` lists the options of
one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from flask_mail.backends import Backend, Feature, loader
from flask_mail.backends.declared import options_declared_by
from flask_mail.inbox.filters import size_text

Class = type[Backend[Any]]

_TEXTS: dict[Feature, str] = {
    Feature.ATTACHMENTS: "attachments",
    Feature.ATTACHMENT_HEADERS: "headers of attachments",
    Feature.ALTERNATIVES: "invitations, and other alternatives than HTML",
    Feature.HEADERS: "`extra_headers`",
    Feature.ENVELOPE_SENDER: "`envelope_from`",
    Feature.NO_BOUNCES: '`envelope_from="<>"`',
    Feature.UNICODE_ADDRESSES: "local parts that are not ASCII",
    Feature.DELIVERY_OPTIONS: "`mail_options`, `rcpt_options`",
    Feature.TAGS: "`tags`",
    Feature.METADATA: "`metadata`",
    Feature.VERBATIM: "content unchanged, as [signatures](dkim.md) need it",
}


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _overrides(name: str) -> Callable[[Class], str]:
    return lambda each: _yes(getattr(each, name) is not getattr(Backend, name))


_OTHERS: dict[str, Callable[[Class], str]] = {
    "options of a message": lambda each: _yes(each.message_options),
    "largest message": lambda each: size_text(each.max_size) if each.max_size else "any",
    "most recipients": lambda each: str(each.max_recipients or "any"),
    "keeps a session": _overrides("open"),
    "has its own way with batches": _overrides("deliver_many"),
    "leaves this machine": lambda each: _yes(each.external),
}


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown; the first row is its heading."""
    lines = [rows[0], ("---",) * len(rows[0]), *rows[1:]]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in lines]


def capabilities(classes: Sequence[Class]) -> list[str]:
    """Return the table of what these backends declare."""
    rows = [("", *(f"`{each.name}`" for each in classes))]
    rows += [
        (_TEXTS[feature], *(_yes(feature in each.features) for each in classes))
        for feature in Feature
    ]
    rows += [(text, *map(tell, classes)) for text, tell in _OTHERS.items()]
    return table(rows)


def options(cls: Class) -> list[str]:
    """Return the table of the options of a backend."""
    rows = [("Setting", "Takes", "Default", "Meaning")]
    rows += [
        (
            f"`{each.key}`",
            each.kind or "an object",
            "required" if each.required else each.default,
            each.meaning.replace("``", "`"),
        )
        for each in options_declared_by(cls)
    ]
    return table(rows)


class _Table(SphinxDirective):
    has_content = False
    required_arguments = 1
    final_argument_whitespace = True

    def lines(self, classes: list[Class]) -> list[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        classes = [loader.load(each) for each in self.arguments[0].split()]
        holder = nodes.Element()
        self.state.nested_parse(StringList(self.lines(classes), "declarations"), 0, holder)
        for found in holder.findall(nodes.table):
            found["classes"].append("settings" if len(classes) == 1 else "capabilities")
        return holder.children


class Capabilities(_Table):
    """Takes names of backends, or their import paths."""

    def lines(self, classes: list[Class]) -> list[str]:
        return capabilities(classes)


class Options(_Table):
    """Takes one such name."""

    def lines(self, classes: list[Class]) -> list[str]:
        return options(classes[0])


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("capabilities", Capabilities)
    app.add_directive("options", Options)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
