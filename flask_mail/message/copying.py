"""Copies of a message."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar

from .fields import IMMUTABLE, deep_copy, frozen

if TYPE_CHECKING:
    from .message import Message


class Copying:
    """Mixin: copies of a message, and its state in a pickle."""

    _own_fields: ClassVar[frozenset[str]]  # of Message itself, without those of subclasses

    def snapshot(self) -> Message:
        """Return a deep copy with lazy strings evaluated."""
        clone: Any = object.__new__(type(self))
        for name, value in self.__dict__.items():
            if type(value) not in IMMUTABLE:
                value = frozen(value) if name in self._own_fields else deep_copy(value)  # noqa: PLW2901
            clone.__dict__[name] = value
        return clone  # type: ignore[no-any-return]

    def __copy__(self) -> Message:
        clone: Any = object.__new__(type(self))
        for name, value in self.__dict__.items():
            own = name in self._own_fields and isinstance(value, (list, dict))
            # Options are nested by backend.
            copy_of = frozen if name == "options" else copy.copy
            clone.__dict__[name] = copy_of(value) if own else value
        return clone  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        # Lazy strings depend on the request, so queues and caches store their text.
        return self.snapshot().__dict__
