"""Registry of previews: functions that return messages with sample data for the inbox."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from ..errors import ConfigurationError
from ..message.message import Message
from ..util.patterns import lazy_pattern
from ..util.text import describe

Preview: TypeAlias = Callable[..., Message]
P = TypeVar("P", bound=Preview)

_NAME = lazy_pattern(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)*", re.ASCII)  # part of a URL
_LONGEST = 100
# Each follows the name in the URL of a page about the preview.
_TAKEN = frozenset({"html", "eml", "parts", "resend"})


class Previewing:
    """Mixin that registers previews."""

    @property
    def previews(self) -> dict[str, Preview]:
        """The registered functions, by name."""
        # Not set in the constructor, which a subclass may replace.
        kept: dict[str, Preview] = self.__dict__.setdefault("_previews", {})
        return kept

    def preview(self, name: str) -> Callable[[P], P]:
        """Register a function that returns a message with sample data, for the inbox to show.

        Used as ``@mail.preview("welcome")``. The function is called in a request context of the
        app each time its preview is shown; nothing is sent. Its parameters with defaults can be set
        in the URL, as ``?name=Ann``. A later function with the same name replaces the earlier one.

        :param name: slashes make groups, as in ``"user/welcome"``.
        :raises ConfigurationError: `name` has characters other than letters, digits, ``-``, ``_``,
            ``.`` and ``/``, or a part after a slash is ``html``, ``eml``, ``parts`` or ``resend``.
        """
        if not _NAME.fullmatch(name) or len(name) > _LONGEST:
            raise ConfigurationError(
                f"The preview {describe(name)} needs another name: use letters, digits, '-', '_'"
                " and '.', with a letter or digit first, and slashes for groups."
            )
        if taken := _TAKEN.intersection(name.split("/")[1:]):
            raise ConfigurationError(
                f"The preview {describe(name)} needs another name: the inbox uses /{min(taken)}."
            )

        def register(function: P) -> P:
            self.previews[name] = function
            return function

        return register
