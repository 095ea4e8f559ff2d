"""Registry of previews: functions that return messages with sample data for the inbox."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, overload

from .. import _context
from ..errors import ConfigurationError, MessageError
from ..message.message import Message
from ..util.patterns import lazy_pattern
from ..util.text import describe

if TYPE_CHECKING:
    from flask import Flask

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

    @overload
    def preview(self, name: P, /) -> P: ...

    @overload
    def preview(self, name: str | None = None) -> Callable[[P], P]: ...

    def preview(self, name: str | Preview | None = None) -> Any:
        """Register a function that returns a message with sample data, for the inbox to show.

        Used as ``@mail.preview("welcome")``, or as ``@mail.preview``. The function is called in a
        request context of the app each time its preview is shown; nothing is sent. Its parameters
        with defaults can be set in the URL, as ``?name=Ann``. A later function with the same name
        replaces the earlier one.

        :param name: slashes make groups, as in ``"user/welcome"``; default: the function's name.
        :raises ConfigurationError: `name` has characters other than letters, digits, ``-``, ``_``,
            ``.`` and ``/``, or a part after a slash is ``html``, ``eml``, ``parts`` or ``resend``.
        """
        if callable(name):
            return self._register(None, name)
        if name is not None:
            _check_name(name)
        return partial(self._register, name)

    def _register(self, name: str | None, function: P) -> P:
        if not callable(function):
            raise TypeError(
                f"mail.preview() registers a function, not {type(function).__name__}: write"
                ' @mail.preview("name") above it.'
            )
        if name is None:
            name = getattr(function, "__name__", "")
            _check_name(name)
        self.previews[name] = function
        return function


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise ConfigurationError(
            f"The preview {describe(name)} needs another name: use letters, digits, '-', '_'"
            " and '.', with a letter or digit first, and slashes for groups."
        )
    if taken := _TAKEN.intersection(name.split("/")[1:]):
        raise ConfigurationError(
            f"The preview {describe(name)} needs another name: the inbox uses /{min(taken)}."
        )


class _HasPreviews(Protocol):
    @property
    def previews(self) -> Mapping[str, Preview]: ...


@contextmanager
def preview_message(
    app: Flask,
    state: _HasPreviews,
    name: str,
    locale: str | None = None,
    *,
    base_url: str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Iterator[Message]:
    """Yield the message of a preview, in the request context and locale in which it was made.

    :param locale: the Flask-Babel locale to render it in.
    :param base_url: URL of the app, for the links of the message.
    :param arguments: of its function.
    :raises ConfigurationError: it did not return a message, the locale does not exist, or the app
        does not use Flask-Babel.
    """
    block = in_locale(app.extensions, locale) if locale else nullcontext()
    with app.test_request_context(base_url=base_url), _context.bound(state), block:
        message: object = state.previews[name](**(arguments or {}))
        if not isinstance(message, Message):
            raise ConfigurationError(
                f"The preview {name!r} must return a Message; it returned {type(message).__name__}."
            )
        yield message


def in_locale(extensions: Mapping[str, Any], locale: str) -> AbstractContextManager[object]:
    """Return a block in which previews are rendered in a locale of Flask-Babel.

    :raises ConfigurationError: the locale does not exist, or the app does not use Flask-Babel.
    """
    from ..message.locales import forced, has_babel, locale_name

    if not has_babel(extensions):
        raise ConfigurationError(
            "A preview in another locale needs Flask-Babel, and this app does not use it."
        )
    try:
        return forced(extensions, locale_name(locale))
    except MessageError as error:
        raise ConfigurationError(str(error)) from None
