"""Locales of templates, and Flask-Babel for those that are translated by it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import _context
from ..errors import MessageError
from ..util.patterns import lazy_pattern
from ..util.text import describe, plain_text

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_LOCALE = lazy_pattern(r"[A-Za-z]{2,8}(?:[_-][A-Za-z0-9]{1,8}){0,3}", re.ASCII)
_UNKNOWN = 'The locale {} does not exist: use one such as "de" or "de_AT".'


def locale_name(locale: object) -> str:
    """Return a locale, such as ``"de-AT"`` or one of Babel, as ``"de_AT"``.

    :raises MessageError: it is not the name of a locale.
    """
    name = plain_text(locale)
    if name is None or not _LOCALE.fullmatch(name):
        raise MessageError(_UNKNOWN.format(describe(locale)))
    return name.replace("-", "_")


def variants(name: str, locale: str) -> list[str]:
    """Return the names of a template in `locale`: ``a.de_AT``, ``a.de``, ``a``."""
    parts = locale.split("_")
    return [*(f"{name}.{'_'.join(parts[:count])}" for count in range(len(parts), 0, -1)), name]


def has_babel(extensions: Mapping[str, Any]) -> bool:
    """Return True if the app with these extensions uses Flask-Babel."""
    return "babel" in extensions and importlib.util.find_spec("flask_babel") is not None


def current_locale(extensions: Mapping[str, Any]) -> str | None:
    """Return Flask-Babel's current locale, or ``None`` if the app does not use it.

    It is that of the request or of a surrounding ``force_locale``. Outside of a request it is also
    ``None`` if the app's selector of the locale needs one.
    """
    if not has_babel(extensions):
        return None
    try:
        locale = importlib.import_module("flask_babel").get_locale()
    except Exception:
        if _context.is_in_request():
            raise
        return None
    # Without a modifier, as in "ca_ES@valencia", which file names do not have.
    return str(locale).partition("@")[0]


def forced(extensions: Mapping[str, Any], locale: str) -> AbstractContextManager[object]:
    """Return a block in which Flask-Babel translates to `locale`, if the app uses it.

    :raises MessageError: Babel does not know the locale.
    """
    if not has_babel(extensions):
        return contextlib.nullcontext()
    babel: Any = importlib.import_module("babel")
    try:
        known = babel.Locale.parse(locale)
    except (ValueError, babel.UnknownLocaleError):
        raise MessageError(_UNKNOWN.format(describe(locale))) from None
    block: AbstractContextManager[object] = importlib.import_module("flask_babel").force_locale(
        str(known)
    )
    return block
