"""Text of the format "flowed" -> its paragraphs (RFC 3676). Pure."""

from __future__ import annotations

_SIGNATURE = "-- "


def unwrap(text: str, *, delete_spaces: bool = False) -> str:
    r"""Return a text whose paragraphs are one line each, as its writer typed them.

    :param text: as it travelled, with lines that end in ``\n``.
    :param delete_spaces: the space that ends a line is part of its mark (``delsp=yes``), as in
        languages that are written without.
    """
    written: list[str] = []
    paragraph: list[str] = []
    depth = 0

    def end() -> None:
        if paragraph:
            # Without the mark of a line that none follows.
            paragraph[-1] = paragraph[-1].rstrip(" ")
            written.append(_quoted("".join(paragraph), depth))
            paragraph.clear()

    for line in text.split("\n"):
        bare = line.lstrip(">")
        if depth != len(line) - len(bare):
            end()  # a paragraph has one author (section 4.5)
            depth = len(line) - len(bare)
        bare = bare.removeprefix(" ")  # section 4.4
        if bare in ("", _SIGNATURE):  # section 4.3
            end()
            written.append(_quoted(bare, depth))
        elif bare.endswith(" "):
            paragraph.append(bare[:-1] if delete_spaces else bare)
        else:
            paragraph.append(bare)
            end()
    end()
    return "\n".join(written)


def _quoted(text: str, depth: int) -> str:
    return f"{'>' * depth}{' ' if text and depth else ''}{text}"
