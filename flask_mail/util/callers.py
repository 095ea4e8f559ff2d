"""Warnings that point at the line of the program that caused them."""

from __future__ import annotations

import sys
import warnings

_NOT_THE_PROGRAM = ("flask_mail", "contextlib")


def warn_program(text: str, category: type[Warning]) -> None:
    """Issue a warning at the nearest line outside of this package.

    Python shows a DeprecationWarning of a program's main module only, and never a library's.
    """
    level, frame = 2, sys._getframe(1)  # noqa: SLF001 (documented, if not everywhere)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_NOT_THE_PROGRAM):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)
