"""Names that are probably misspelt."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .table import BY_KEY, FAIL_SILENTLY, is_unset

_log = logging.getLogger("flask_mail")
_PREFIX = "MAIL_"
_ALIKE = 0.8  # strict, as other programs use this prefix too
_ELSEWHERE = {"HOST": "SERVER", "USER": "USERNAME"}
"""Names of options in other mail libraries, and ours."""


def warn_of_misspelt(
    config: Mapping[str, Any], options_of_backend: Callable[[], Iterable[str]]
) -> None:
    """Log a warning for each setting that is probably misspelt.

    :param options_of_backend: returns the settings of the backend.
    """
    keys = map(str, list(config))  # a copy: other threads may set keys
    unknown = {key for key in keys if key.startswith(_PREFIX) and key not in BY_KEY}
    if not unknown:
        return
    options = list(options_of_backend())
    unknown -= {FAIL_SILENTLY, *options}
    names = {key.removeprefix(_PREFIX): key for key in (*BY_KEY, *options)}
    for key in sorted(unknown):
        if is_unset(config.get(key)):
            continue
        short = key.removeprefix(_PREFIX)
        near = difflib.get_close_matches(short, names, n=1, cutoff=_ALIKE)
        meant = names.get(near[0] if near else _ELSEWHERE.get(short, ""))
        # A program may have a MAIL_HOST of its own, from which it sets MAIL_SERVER.
        if meant is not None and (near or is_unset(config.get(meant))):
            _log.warning("%s is not a setting; did you mean %s?", key, meant)


def meant_option(name: str, known: Iterable[str]) -> str | None:
    """Return the option for which `name`, in lowercase, is known elsewhere, or with a prefix."""
    meant = name.removeprefix(_PREFIX.lower())
    meant = _ELSEWHERE.get(meant.upper(), meant).lower()
    return meant if meant in known else None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the best match, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else ""
