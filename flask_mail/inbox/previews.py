"""Previews: messages with sample data, which are shown in the inbox and never sent."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .. import _context
from ..delivery.outgoing import Outgoing
from ..errors import ConfigurationError, MessageError
from ..message.message import Message
from ..receipt import Envelope
from ..util.text import describe

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .inbox import Inbox

_LOCALE = re.compile(r"[A-Za-z]{2,8}(?:[_-][A-Za-z0-9]{1,8}){0,3}")


@dataclass(frozen=True, slots=True)
class Sample:
    """A preview: a message as it would be sent now."""

    content: bytes
    envelope: Envelope | None
    moment: datetime
    problem: str = ""
    """Why it could not be sent."""


def names(inbox: Inbox) -> dict[str, str]:
    """Return the previews of an app, and what the docstring of each begins with."""
    previews = inbox.state.previews
    return {
        name: (inspect.getdoc(previews[name]) or "").partition("\n")[0] for name in sorted(previews)
    }


def make(inbox: Inbox, name: str, locale: str | None, base_url: str) -> Sample | None:
    """Return the preview of that name, or ``None`` if it does not exist. Its errors are raised.

    :param locale: the Flask-Babel locale to render it in.
    :param base_url: URL of the app, for the links of the message.
    :raises ConfigurationError: it did not return a message, or the locale does not exist.
    """
    state = inbox.state
    function = state.previews.get(name)
    if function is None:
        return None
    with (
        inbox.app.test_request_context("/", base_url=base_url),
        _context.bound(state),
        _in_locale(inbox, locale),
    ):
        message: object = function()
        if not isinstance(message, Message):
            raise ConfigurationError(
                f"The preview {name!r} must return a Message; it returned {type(message).__name__}."
            )
        envelope, problem = None, ""
        try:
            outgoing = Outgoing.of(message)
        except MessageError as error:
            content, problem = message.as_bytes(), str(error)
        else:
            content, envelope = outgoing.content, outgoing.envelope
    return Sample(content, envelope, datetime.now(timezone.utc), problem)


def locales(inbox: Inbox) -> list[str]:
    """Return the locales that the app has translations for; none without Flask-Babel."""
    if not _has_babel(inbox):
        return []
    with inbox.app.app_context():
        babel: Any = inbox.app.extensions["babel"]
        # Flask-Babel 3 keeps its configuration there, older versions themselves.
        found = getattr(babel, "instance", babel).list_translations()
    return sorted({str(each) for each in found})


def _in_locale(inbox: Inbox, locale: str | None) -> AbstractContextManager[object]:
    if not locale:
        return contextlib.nullcontext()
    if not _has_babel(inbox):
        raise ConfigurationError(
            "A preview in another locale needs Flask-Babel, and this app does not use it."
        )
    babel: Any = importlib.import_module("babel")
    try:
        # Some versions of Babel take a name for the path of a file.
        known = _LOCALE.fullmatch(locale) and babel.Locale.parse(locale, sep=_separator(locale))
    except (ValueError, babel.UnknownLocaleError):
        known = None
    if known is None:
        raise ConfigurationError(f"The locale {describe(locale)} does not exist.")
    forced: AbstractContextManager[object] = importlib.import_module("flask_babel").force_locale(
        str(known)
    )
    return forced


def _separator(locale: str) -> str:
    return "-" if "-" in locale else "_"


def _has_babel(inbox: Inbox) -> bool:
    is_installed = importlib.util.find_spec("flask_babel") is not None
    return is_installed and "babel" in inbox.app.extensions
