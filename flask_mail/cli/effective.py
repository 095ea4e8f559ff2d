"""The values that apply to settings that are not set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from flask import current_app

from ..backends.time_limits import shortest_deadline
from ..config.converters import default_port, is_on
from ..config.table import BY_KEY
from ..smtp.session import full_name_of_host

if TYPE_CHECKING:
    from .values import Entries, Entry


def _debug(entries: Entries) -> bool:
    return is_on(current_app.debug)


# Settings whose default depends on something else.
_COMPUTED: Final[Mapping[str, Callable[[Entries], Any]]] = {
    "MAIL_INLINE_CSS": lambda entries: find_spec("css_inline") is not None,
    "MAIL_SUPPRESS_SEND": lambda entries: is_on(current_app.testing),
    "MAIL_DEBUG": _debug,
    "MAIL_INBOX": _debug,
    "MAIL_PORT": lambda entries: default_port(entries.value("MAIL_USE_SSL", False)),
    "MAIL_DEADLINE": lambda entries: f"{shortest_deadline(entries.value('MAIL_TIMEOUT', 20)):g}",
    "MAIL_LOCAL_HOSTNAME": lambda entries: full_name_of_host() or "the address of this host",
}


def effective(entries: Entries, entry: Entry) -> str:
    """Return the value that applies to a setting that is not set."""
    computed = _COMPUTED.get(entry.key)
    value = entries.default(entry) if computed is None else str(computed(entries))
    setting = BY_KEY.get(entry.key)
    unit = " seconds" if setting is not None and setting.kind == "seconds" else ""
    return f"{value or ''}{unit}"
