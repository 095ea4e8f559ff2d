"""Secrets that show themselves nowhere by accident."""

from __future__ import annotations

import base64


class Secret:
    """A password: every view of it but :meth:`reveal` is ``***``.

    Tracebacks that show the variables of each frame (Sentry, pytest) show this object.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        return self.__value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__value == other.__value

    def __hash__(self) -> int:
        return hash(self.__value)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError("A secret is not pickled: build the backend where it is used.")

    def redact(self, text: str) -> str:
        """Return `text` without this secret, also where a server echoes it in base64."""
        value = self.__value
        for spelling in (value, base64.b64encode(value.encode("utf-8")).decode("ascii")):
            if spelling:
                text = text.replace(spelling, "***")
        return text
