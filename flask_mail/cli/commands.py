"""Commands that plugins add to ``flask mail``: the entry points ``flask_mail.commands``."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass

import click

from ..backends import entry_points
from .finding import Finding
from .output import visible

GROUP = "flask_mail.commands"


@dataclass(frozen=True)
class PluginCommand:
    """A command declared by a distribution."""

    declared: entry_points.Installed
    rivals: tuple[str, ...]
    """All distributions that declare its name, if there are several."""

    def load(self) -> tuple[click.Command | None, str]:
        """Return the command, or the reason why it does not work."""
        name, target = self.declared.name, self.declared.target
        if self.rivals:
            return None, f"{' and '.join(self.rivals)} claim the command {name!r}: uninstall one."
        label = f"The command {name!r} of {self.declared.origin}"
        module, _, attribute = target.partition(":")
        try:
            found: object = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except Exception as error:  # noqa: BLE001 (importing a plugin may raise anything)
            problem = f"{type(error).__name__}: {error}"
            return None, f"{label} could not be imported from {target!r}: {problem}"
        if isinstance(found, click.Command):
            return found, ""
        return (
            None,
            f"{label} is not a click.Command: {target!r} has the type {type(found).__name__}.",
        )

    @property
    def command(self) -> click.Command:
        """The command, or one that fails with the reason why it does not work."""
        found, problem = self.load()
        return found or _Broken(self.declared.name, problem)


class _Broken(click.Command):
    """Command in the place of one that does not work."""

    def __init__(self, name: str, problem: str) -> None:
        self._problem = visible(problem)
        super().__init__(name, short_help="Broken: run it to see why.", add_help_option=False)
        self.ignore_unknown_options = self.allow_extra_args = True

    def invoke(self, ctx: click.Context) -> None:
        raise click.ClickException(self._problem)


def plugin_commands() -> dict[str, PluginCommand]:
    """Return the commands that distributions declare, by name; nothing is imported."""
    declared = entry_points.installed(GROUP)
    found = {}
    for each in declared:
        same = [other.origin for other in declared if other.name == each.name]
        found[each.name] = PluginCommand(each, tuple(same) if len(same) > 1 else ())
    return found


def judge_commands() -> Iterator[Finding]:
    """Yield the commands of plugins that do not work, or have the name of a built-in command."""
    from . import mail_cli

    for name, each in plugin_commands().items():
        problem = each.load()[1]
        if name in mail_cli.commands:
            problem = (
                f"The command {name!r} of {each.declared.origin} has the name of a built-in one,"
                " which runs instead."
            )
        if problem:
            yield Finding("warning", "command", (), problem)
