"""Previews: messages with sample data, which are shown in the inbox and never sent."""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .. import _context
from ..delivery.outgoing import Outgoing
from ..errors import ConfigurationError, MessageError
from ..message import locales as locale_blocks
from ..message.message import Message
from ..receipt import Envelope

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .inbox import Inbox


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
    if not locale_blocks.has_babel(inbox.app.extensions):
        return []
    with inbox.app.app_context():
        babel: Any = inbox.app.extensions["babel"]
        # Flask-Babel 3 keeps its configuration there, older versions themselves.
        found = getattr(babel, "instance", babel).list_translations()
    return sorted({str(each) for each in found})


def _in_locale(inbox: Inbox, locale: str | None) -> AbstractContextManager[object]:
    if not locale:
        return contextlib.nullcontext()
    if not locale_blocks.has_babel(inbox.app.extensions):
        raise ConfigurationError(
            "A preview in another locale needs Flask-Babel, and this app does not use it."
        )
    try:
        return locale_blocks.forced(inbox.app.extensions, locale_blocks.locale_name(locale))
    except MessageError as error:
        raise ConfigurationError(str(error)) from None
