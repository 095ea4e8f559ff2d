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
        near = difflib.get_close_matches(key.removeprefix(_PREFIX), names, n=1, cutoff=_ALIKE)
        if near:
            _log.warning("%s is not a setting; did you mean %s?", key, names[near[0]])


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the best match, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else ""
