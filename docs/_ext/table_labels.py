"""Repeats the heading of each column in its cells, for phones, on which a row is a list.

Style sheets hide these labels on wide screens.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


class LabelCells(SphinxPostTransform):
    """Puts a label before the content of each cell."""

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for table in self.document.findall(nodes.table):
            head = next(iter(table.findall(nodes.thead)), None)
            body = next(iter(table.findall(nodes.tbody)), None)
            if head is None or body is None:
                continue
            labels = [cell.astext().strip() for cell in head.findall(nodes.entry)]
            for row in body.findall(nodes.row):
                for label, cell in zip(labels, row.children, strict=False):
                    if label and isinstance(cell, nodes.entry) and cell.astext().strip():
                        cell.insert(0, nodes.inline("", f"{label}: ", classes=["cell-label"]))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_post_transform(LabelCells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
