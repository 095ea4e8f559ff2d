"""Previews: functions that make messages with sample data, by name. The inbox shows them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from ..errors import ConfigurationError
from ..message.message import Message
from ..util.text import describe

Preview: TypeAlias = Callable[[], Message]
P = TypeVar("P", bound=Preview)

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)  # part of an address


class Previewing:
    """What has previews."""

    @property
    def previews(self) -> dict[str, Preview]:
        """The functions that were registered."""
        # Not made by a constructor, which a subclass may have replaced.
        kept: dict[str, Preview] = self.__dict__.setdefault("_previews", {})
        return kept

    def preview(self, name: str) -> Callable[[P], P]:
        """Register a function that returns a message with sample data, for the inbox to show.

        Used as ``@mail.preview("welcome")``. The function is called in a request context of the
        app, each time its preview is looked at; nothing is sent. Of two with one name, the later
        one counts.

        :raises ConfigurationError: `name` is not made of letters, digits, ``-``, ``_`` and ``.``.
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"The preview {describe(name)} needs another name: letters, digits, '-', '_' and"
                " '.', and a letter or digit first."
            )

        def register(function: P) -> P:
            self.previews[name] = function
            return function

        return register
