"""Secrets that show themselves nowhere by accident."""

from __future__ import annotations

import base64
import re

_BASE64 = re.compile(r"[A-Za-z0-9+/]{4,}={0,2}")


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
        """Return `text` without this secret, also where a server echoes a line of AUTH."""
        if not self.__value:
            return text
        text = _BASE64.sub(lambda run: "***" if self.__is_in(run[0].rstrip("=")) else run[0], text)
        return text.replace(self.__value, "***")

    def __is_in(self, run: str) -> bool:
        """Whether `run` is base64 that holds this secret, or the beginning of such a line."""
        own = self.__value.encode()
        whole = run[: len(run) - (len(run) % 4 == 1)]  # one character alone is no octet
        octets = base64.b64decode(whole + "=" * (-len(whole) % 4))
        return (
            own in octets
            or base64.b64encode(own).decode().startswith(run)
            or (octets[:1] == b"\0" and b"\0" in octets[1:])  # AUTH PLAIN: NUL, name, NUL, password
        )
