"""Registry of functions that decide which recipients get a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing

Admission: TypeAlias = "Callable[[Outgoing], Outgoing]"
A = TypeVar("A", bound=Admission)


class Admitting:
    """Mixin that registers admissions."""

    @property
    def _admissions(self) -> list[Admission]:
        # Not set in the constructor, which a subclass may replace.
        kept: list[Admission] = self.__dict__.setdefault("_own_admissions", [])
        return kept

    def admit(self, function: A) -> A:
        """Register a function that returns each message as it may be delivered, or raises.

        Used as ``@mail.admit`` or ``mail.admit(function)``. It gets the :class:`Outgoing` after it
        was validated and rendered, and may return it with another envelope
        (:meth:`Outgoing.with_envelope`). What it raises stops the message, such as a
        :class:`MessageRefused`, and has its receipt. Functions run in the order in which they were
        registered, after ``MAIL_ALLOWED_RECIPIENTS``, which applies to what they return too. If a
        queue delivers the message, they run again then, so a message that one has returned must
        pass it unchanged.
        """
        if not callable(function):
            raise TypeError(f"mail.admit() takes a function, not {type(function).__name__}.")
        self._admissions.append(function)
        return function
