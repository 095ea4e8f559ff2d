"""The group ``flask mail``; an app's own group of that name takes precedence."""

from __future__ import annotations

import copy
from typing import Any, Final

import click
from flask import Flask, current_app, has_app_context
from flask.cli import AppGroup, FlaskGroup, ScriptInfo

from ..errors import ConfigurationError
from .commands import plugin_commands
from .output import visible

_WITHOUT_APP: Final = frozenset({"lint", "new-backend"})


class MailGroup(AppGroup):
    """Flask-Mail's commands, merged with those of the app's own ``flask mail``.

    Flask looks up commands of extensions first, which would hide those of the app. The commands of
    plugins come last.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *plugin_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        added = plugin_commands().get(cmd_name)
        return None if added is None else added.command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise click.ClickException(visible(str(error))) from None

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        command = None
        if parent is not None and isinstance(parent.command, FlaskGroup) and info_name == self.name:
            command = self._command_of_the_app(parent, args)
        if command is None:
            return super().make_context(info_name, args, parent, **extra)
        return command.make_context(info_name, args, parent, **extra)

    def _command_of_the_app(self, parent: click.Context, args: list[str]) -> click.Command | None:
        app = self._app(parent, args)
        command = None if app is None else app.cli.get_command(parent, str(self.name))
        if app is None or command is None or command is self:
            return None
        # As Flask does for the app's own commands: parameters may need the context.
        if not has_app_context() or current_app._get_current_object() is not app:  # type: ignore[attr-defined]  # noqa: SLF001
            parent.with_resource(app.app_context())
        if isinstance(command, click.Group):
            command = copy.copy(command)
            added = {name: each.command for name, each in plugin_commands().items()}
            command.commands = {**added, **self.commands, **command.commands}
        return command

    def _app(self, parent: click.Context, args: list[str]) -> Flask | None:
        try:
            return parent.ensure_object(ScriptInfo).load_app()
        except Exception:
            wanted = args[0] if args else ""
            if wanted in self.commands.keys() - _WITHOUT_APP and "--help" not in args:
                raise
            return None
