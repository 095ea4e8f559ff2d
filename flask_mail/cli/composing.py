"""The message of ``flask mail send``, made of its options."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask import current_app

from ..extension.previews import preview_message
from ..message.message import Message
from .previews import known_preview

if TYPE_CHECKING:
    from ..extension.state import _Mail


@dataclass(frozen=True)
class Draft:
    """The options of a message, as they were given."""

    to: tuple[str, ...]
    subject: str | None
    body: str | None
    html: Path | None
    template: str | None
    variables: tuple[str, ...]
    preview: str | None
    locale: str | None
    attach: tuple[Path, ...]
    sender: str | None
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    reply_to: tuple[str, ...]
    header: tuple[str, ...]

    def check(self) -> None:
        """Refuse options that cannot be combined.

        :raises UsageError: they cannot.
        """
        texts = {
            "--preview": self.preview,
            "--template": self.template,
            "--body": self.body,
            "--html": self.html,
        }
        given = [option for option, value in texts.items() if value is not None]
        if len(given) > 1 and given != ["--body", "--html"]:
            raise click.UsageError(f"{' and '.join(given)} cannot be combined.")
        if self.variables and self.template is None:
            raise click.UsageError("--set needs --template.")
        if self.locale is not None and self.preview is None and self.template is None:
            raise click.UsageError("--locale needs --preview or --template.")

    def message(self, state: _Mail) -> Message:
        """Return the message.

        :raises UsageError: an option is wrong, or a file cannot be read.
        """
        headers = dict(pair(each, ":", "--header", '"NAME: VALUE"') for each in self.header)
        # Read before a template or preview is rendered, which may take long.
        files = [(path.name, _content(path, "--attach")) for path in self.attach]
        message = self._written(state)
        self._address(message)
        if headers:
            message.extra_headers = {**(message.extra_headers or {}), **headers}
        for name, content in files:
            message.attach(name, None, content)
        return message

    def _written(self, state: _Mail) -> Message:
        if self.preview is not None:
            name = known_preview(state, self.preview, "--preview")
            with preview_message(current_app, state, name, self.locale) as made:
                # Such as the key of an order in a queue, which a copy must not take.
                made.options = {}
                return made
        if self.template is not None:
            variables = dict(pair(each, "=", "--set", "NAME=VALUE") for each in self.variables)
            return state.render(self.template, variables=variables, locale=self.locale)
        page, body = None, self.body
        if self.html is not None:
            page = _text(_content(self.html, "--html"), repr(str(self.html)), "--html")
        elif body is None:
            body = f"This is a test message of the app {current_app.name}."
        if body == "-":
            body = _text(sys.stdin.buffer.read(), "standard input", "--body")
        return Message(f"Test message of {current_app.name}", body=body, html=page)

    def _address(self, message: Message) -> None:
        """Replace the addresses: those of a preview are examples, and must get nothing."""
        message.recipients, message.cc, message.bcc = list(self.to), list(self.cc), list(self.bcc)
        if self.subject is not None:
            message.subject = self.subject
        if self.sender is not None:
            message.sender = self.sender
        if self.reply_to:
            message.reply_to = list(self.reply_to)


def pair(text: str, separator: str, option: str, form: str) -> tuple[str, str]:
    """Return the name and the value in an option.

    :raises BadParameter: it has not this form.
    """
    name, found, value = text.partition(separator)
    if not (name and found):
        raise bad_option(option, f"write {form}.")
    return name, value.strip()


def _content(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise bad_option(option, f"{str(path)!r} cannot be read: {error.strerror}.") from None


def _text(content: bytes, origin: str, option: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise bad_option(option, f"{origin} is not UTF-8 at byte {error.start}.") from None


def bad_option(option: str, problem: str) -> click.BadParameter:
    """Return the error for the value of an option."""
    return click.BadParameter(problem, param_hint=f"'{option}'")
