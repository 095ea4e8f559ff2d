"""``flask mail previews`` and ``flask mail render``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click
from flask import current_app

from ..config.misspelt import nearest
from ..delivery.outgoing import Outgoing
from ..errors import MailError
from ..extension.previews import in_locale, preview_message
from .context import mail_state
from .output import progress, say, say_json, say_table, visible
from .receipts import described
from .values import Entries

if TYPE_CHECKING:
    from ..extension.state import _Mail

_HEADING = ("NAME", "SUBJECT", "DESCRIPTION")


@dataclass(frozen=True)
class _Row:
    name: str
    subject: str
    description: str
    error: str | None
    """The reason why it cannot be rendered or sent."""


@click.option("--locale", metavar="LOCALE", help="Render them in this locale, with Flask-Babel.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def list_previews(locale: str | None, as_json: bool) -> None:
    """List the previews that the app has registered.

    Each is rendered. Broken ones are listed with their error; the exit status is still 0.
    """
    with mail_state() as state:
        redact = Entries(state).redact
        if locale is not None:
            _check_locale(locale)
        names = progress(sorted(state.previews), "Rendering")
        rows = [_row(state, name, locale, redact) for name in names]
    if as_json:
        say_json({"previews": [asdict(each) for each in rows]})
        return
    if not rows:
        say('This app has no previews. Register functions with @mail.preview("NAME").')
        return
    say_table([_HEADING, *((row.name, row.subject, row.description) for row in rows)])
    problems = [f"Problem with {row.name}: {row.error}" for row in rows if row.error]
    for line in ("", *problems) if problems else ():
        say(line)


@click.argument("name")
@click.option("--locale", metavar="LOCALE", help="Render it in this locale, with Flask-Babel.")
def render_preview(name: str, locale: str | None) -> None:
    """Write a preview to standard output, as .eml.

    NAME is one of those that `flask mail previews` lists. Nothing is sent.
    """
    with mail_state() as state:
        known_preview(state, name, "NAME")
        try:
            with preview_message(current_app, state, name, locale) as message:
                content = Outgoing.of(message).content
        except Exception as error:  # noqa: BLE001 (a function of the app may raise anything)
            text, trace = described(error, Entries(state).redact)
            for line in trace:
                say(line, err=True)
            raise click.ClickException(visible(text)) from None
    sys.stdout.buffer.write(content)


def known_preview(state: _Mail, name: str, option: str) -> str:
    """Return `name` if the app has such a preview.

    :raises BadParameter: it has none.
    """
    if name not in state.previews:
        problem = f"the app has no preview {name!r}{nearest(name, state.previews)}"
        raise click.BadParameter(problem, param_hint=f"'{option}'")
    return name


def _check_locale(locale: str) -> None:
    """Refuse a locale in which no preview can be rendered."""
    try:
        in_locale(current_app.extensions, locale)
    except MailError as error:
        raise click.ClickException(str(error)) from None


def _row(state: _Mail, name: str, locale: str | None, redact: Callable[[str], str]) -> _Row:
    description = (inspect.getdoc(state.previews[name]) or "").partition("\n")[0]
    subject = ""
    try:
        with preview_message(current_app, state, name, locale) as message:
            subject = str(message.subject)
            Outgoing.of(message)
    except Exception as error:  # noqa: BLE001 (a function of the app may raise anything)
        return _Row(name, subject, description, described(error, redact)[0])
    return _Row(name, subject, description, None)
