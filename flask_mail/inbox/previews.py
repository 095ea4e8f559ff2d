"""Previews: messages with sample data, which are shown in the inbox and never sent."""

from __future__ import annotations

import inspect
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ..backends.values import StoredMessage
from ..delivery.outgoing import Outgoing
from ..errors import ConfigurationError, MessageError
from ..extension.previews import preview_message
from ..message.locales import has_babel
from ..message.metadata import metadata_of, tags_of
from ..mime.parts import tolerated
from ..util.text import clean_text
from .parameters import values_for
from .rendered import ParsedContent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..extension.previews import Preview
    from .inbox import Inbox


@dataclass(frozen=True, slots=True)
class Sample:
    """A preview: a message as it would be sent now."""

    stored: StoredMessage
    moment: datetime
    problem: str = ""
    """Why it could not be sent."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A preview in the list."""

    name: str
    meaning: str
    """The first line of the docstring."""
    subject: str
    problem: str
    """Why it cannot be shown or sent."""


def names(inbox: Inbox) -> dict[str, str]:
    """Return the previews of an app, and what the docstring of each begins with."""
    previews = inbox.state.previews
    return {
        name: (inspect.getdoc(previews[name]) or "").partition("\n")[0] for name in sorted(previews)
    }


def listed(inbox: Inbox, locale: str | None, base_url: str) -> dict[str, list[Listed]]:
    """Return the previews by group, in order; the group of those without one is empty.

    Each is made for its subject, so that broken ones are seen.
    """
    groups: dict[str, list[Listed]] = {}
    functions = inbox.state.previews
    for name, meaning in names(inbox).items():
        subject, problem = "", ""
        try:
            sample = _made(inbox, name, functions[name], locale, base_url, {})
        except Exception as error:  # noqa: BLE001 (of the program, and the others are listed)
            text = clean_text(str(error))
            problem = text if isinstance(error, ConfigurationError) else _described(error, text)
        else:
            subject = ParsedContent.of(sample.stored.content).subject
            problem = sample.problem
        group = name.rpartition("/")[0]
        groups.setdefault(group, []).append(Listed(name, meaning, subject, problem))
    return dict(sorted(groups.items()))


def _described(error: Exception, text: str) -> str:
    kind = type(error).__name__
    return f"{kind}: {text[:200]}" if text else kind


def make(
    inbox: Inbox,
    name: str,
    locale: str | None,
    base_url: str,
    arguments: Mapping[str, str] | None = None,
) -> Sample | None:
    """Return the preview of that name, or ``None`` if it does not exist. Its errors are raised.

    :param locale: the Flask-Babel locale to render it in.
    :param base_url: URL of the app, for the links of the message.
    :param arguments: of its function, as text.
    :raises ConfigurationError: it did not return a message, the locale does not exist, or an
        argument has the wrong type.
    """
    function = inbox.state.previews.get(name)
    if function is None:
        return None
    return _made(inbox, name, function, locale, base_url, arguments or {})


def _made(
    inbox: Inbox,
    name: str,
    function: Preview,
    locale: str | None,
    base_url: str,
    arguments: Mapping[str, str],
) -> Sample:
    values = values_for(name, function, arguments)
    with preview_message(
        inbox.app, inbox.state, name, locale, base_url=base_url, arguments=values
    ) as message:
        envelope, problem = None, ""
        try:
            outgoing = Outgoing.of(message)
        except MessageError as error:
            content, problem = message.as_bytes(), str(error)
        else:
            content, envelope = outgoing.content, outgoing.envelope
        tags, metadata = tolerated(tags_of, message), tolerated(metadata_of, message)
    stored = StoredMessage(content, envelope, tags or (), metadata or {})
    return Sample(stored, datetime.now(timezone.utc), problem)


def locales(inbox: Inbox) -> list[str]:
    """Return the locales of the app; none without Flask-Babel, or if there is only one."""
    if not has_babel(inbox.app.extensions):
        return []
    # Flask-Babel fails for all if a folder of translations has an odd name.
    with inbox.app.app_context(), suppress(Exception):
        babel: Any = inbox.app.extensions["babel"]
        # Flask-Babel 3 keeps its configuration there, older versions themselves.
        babel = getattr(babel, "instance", babel)
        # Older versions do not list the default, which is the language of the templates.
        names = sorted({str(each) for each in (babel.default_locale, *babel.list_translations())})
        return names if len(names) > 1 else []
    return []
