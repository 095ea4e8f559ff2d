"""Secrets that are not shown by accident."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import BackendUnavailable
from .patterns import lazy_pattern

if TYPE_CHECKING:
    from .echoes import Echoes  # imported when there is something to hide


class Secret:
    """A password, or a callable that returns it, shown as ``***`` except by :meth:`reveal`.

    Tracebacks that show variables (Sentry, pytest) show this object. A backend option annotated
    with this class is passed as one, and the commands of ``flask mail`` mask it.

    :param value: the password or key, or a callable that returns it.
    :param setting: the name of its setting, for errors.
    """

    __slots__ = ("__echoes", "__value", "setting")

    _usual_setting: ClassVar[str] = "MAIL_PASSWORD"
    must_be: ClassVar[str] = "Unicode text without NUL"
    # In AUTH PLAIN a NUL ends the name (RFC 4616). The environment gives surrogates for what is
    # not UTF-8, and the error of encoding them would show the password.
    _unfit: ClassVar[re.Pattern[str]] = lazy_pattern("[\0\ud800-\udfff]")

    def __init__(
        self, value: str | int | Callable[[], object] | Secret, setting: str | None = None
    ) -> None:
        self.setting = setting or self._usual_setting
        self.__echoes: Echoes | None = None
        self.__value: Any = value
        self.__make_text()

    def reveal(self) -> str:
        """Return it in clear; a callable is called.

        :raises BackendUnavailable: the callable raised, or returned something else.
        """
        return str(self.current().__value)  # noqa: SLF001 (of this class)

    def reveal_all(self) -> list[str]:
        """Return it, or all of several, in clear.

        :raises BackendUnavailable: as :meth:`.Secret.reveal`.
        """
        return [self.reveal()]

    def current(self) -> Secret:
        """Return the one to use now: itself, or what its callable returns.

        :raises BackendUnavailable: the callable raised, or returned something else.
        """
        if isinstance(self.__value, str):
            return self
        fresh = type(self)("", self.setting)
        try:
            # Not in a variable or an argument, because tracebacks may show both.
            fresh.__value = self.__value()  # noqa: SLF001 (of this class)
            fresh.__make_text()  # noqa: SLF001
        except Exception as error:
            # The error's text is left out, because it may contain what was sent for the secret.
            raise BackendUnavailable(
                f"Could not log in: the callable in {self.setting} raised {type(error).__name__}.",
                stage="login",
            ) from error
        if fault := fresh.__fault():  # noqa: SLF001
            raise BackendUnavailable(
                f"Could not log in: the callable in {self.setting} must return {self.must_be}, but"
                f" returned {fault}.",
                stage="login",
            )
        return fresh

    @property
    def is_impossible(self) -> bool:
        """True if it contains characters that cannot be sent; False for a callable."""
        return isinstance(self.__value, str) and self._unfit.search(self.__value) is not None

    def redact(self, text: str) -> str:
        """Return `text` without this secret, however a server that echoes it spells it.

        Pieces of four characters are hidden too. A shorter secret is hidden as a word of its own.
        """
        hidden = bytearray(len(text))
        self._mark(text, hidden)
        return _masked(text, hidden)

    def _cover(self, octets: bytes) -> bytes:
        """Return `octets` with ``***`` for each copy of this secret as a whole.

        Unlike :meth:`redact`, it leaves pieces and other spellings, which an id may contain by
        chance.
        """
        if not self.__value or not isinstance(self.__value, str):
            return octets
        from .echoes import as_word

        secret = self.__value.encode("utf-8", "surrogatepass")
        pattern = as_word([secret.decode("latin-1")])
        if pattern is None:
            return octets.replace(secret, b"***")
        return pattern.sub("***", octets.decode("latin-1")).encode("latin-1")

    def _mark(self, text: str, hidden: bytearray) -> None:
        """Mark what :meth:`redact` hides in `hidden`, which has an item for each character."""
        if not self.__value or not isinstance(self.__value, str):
            return
        if self.__echoes is None:
            from .echoes import Echoes

            self.__echoes = Echoes(self.__value)
        self.__echoes.mark(text, hidden)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret) or type(self) is not type(other):
            return False
        if isinstance(self.__value, str):
            return isinstance(other.__value, str) and self.__value == other.__value
        return self.__value is other.__value

    def __hash__(self) -> int:
        return hash(self.__value) if isinstance(self.__value, str) else id(self.__value)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError("Secrets cannot be pickled: build the backend in the process that uses it.")

    def __make_text(self) -> None:
        if isinstance(self.__value, Secret):
            self.__value = self.__value.__value  # noqa: SLF001 (of this class)
        if isinstance(self.__value, (str, int)) and not isinstance(self.__value, bool):
            self.__value = str(self.__value)

    def __fault(self) -> str:
        """Return what is wrong with a callable's result, without showing it."""
        if not isinstance(self.__value, str):
            return f"a value of type {type(self.__value).__name__}"
        if not self.__value:
            return "an empty string"
        return "something else" if self.is_impossible else ""


class Secrets:
    """Secrets that were sent on a connection, to be redacted from what is received on it."""

    __slots__ = ("__each",)

    def __init__(self) -> None:
        self.__each: list[Secret] = []

    def add(self, secret: Secret) -> None:
        self.__each.append(secret)

    def redact(self, text: str) -> str:
        hidden = bytearray(len(text))
        for each in self.__each:
            each._mark(text, hidden)  # noqa: SLF001 (one of these)
        return _masked(text, hidden)


def _masked(text: str, hidden: bytearray) -> str:
    if not any(hidden):
        return text
    from .echoes import masked

    return masked(text, hidden)


class Password(Secret):
    """A password to log in with, or a callable that returns it."""

    __slots__ = ()

    must_be = "Unicode text without line ends and other control characters"
    # A line end comes from the file that it was read from. A tab inside may be intended.
    _unfit = lazy_pattern("[\0-\x08\n-\x1f\x7f-\x9f\ud800-\udfff]|\\A\t|\t\\Z")


class Token(Secret):
    """An access token, or a callable that returns a fresh one (RFC 6750)."""

    __slots__ = ()

    _usual_setting = "MAIL_OAUTH2_TOKEN"
    must_be = "a token of visible ASCII characters, without blanks and newlines (RFC 6750)"
    # U+0001 would end it (RFC 7628 section 3.1).
    _unfit = lazy_pattern("[^!-~]")


class EventsSecret(Secret):
    """A secret by which a service proves that events are from it, or a list of several.

    Each of several is valid, so that one can be replaced without a gap.
    """

    __slots__ = ("__each",)

    _usual_setting = "EVENTS_SECRET"

    def __init__(self, value: Any, setting: str | None = None) -> None:
        values = value if isinstance(value, (list, tuple)) else [value]
        self.__each: tuple[Secret, ...] = (
            value.__each  # noqa: SLF001 (of this class)
            if isinstance(value, EventsSecret)
            else tuple(Secret(each, setting or self._usual_setting) for each in values)
        )
        super().__init__(self.__each[0], setting)

    def reveal_all(self) -> list[str]:
        return [each.reveal() for each in self.__each]

    def _mark(self, text: str, hidden: bytearray) -> None:
        for each in self.__each:
            each._mark(text, hidden)  # noqa: SLF001 (of its base class)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EventsSecret) and self.__each == other.__each

    def __hash__(self) -> int:
        return hash(self.__each)
