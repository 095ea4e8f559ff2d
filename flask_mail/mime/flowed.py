"""Unwrapping of ``format=flowed`` text (RFC 3676). Pure."""

from __future__ import annotations

_SIGNATURE = "-- "


def unwrap(text: str, *, delete_spaces: bool = False) -> str:
    r"""Join the lines of each paragraph.

    :param text: the flowed text, with lines that end in ``\n``.
    :param delete_spaces: drop the space that ends a flowed line (``delsp=yes``), as in languages
        without spaces.
    """
    written: list[str] = []
    paragraph: list[str] = []
    depth = 0

    def end() -> None:
        if paragraph:
            # A flowed line without a successor still ends with its space.
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
