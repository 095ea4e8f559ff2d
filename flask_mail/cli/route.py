"""``flask mail route``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ..backends.composite import Composite
from ..backends.failover import FailoverBackend
from ..backends.routes import RoutesBackend
from ..backends.routes_rules import to_octets
from ..backends.throttle import ThrottleBackend
from ..config.table import convert
from ..delivery.outgoing import Outgoing
from ..delivery.policy import DEFAULT
from ..errors import ConfigurationError, MessageError
from ..message.message import Message
from .composing import bad_option, pair
from .context import known_mailer, mail_state
from .output import say, say_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..backends import Backend

_SENDER = "sender@example.com"


@dataclass(frozen=True, repr=False)
class _Planned(Outgoing):
    """A message of a size that is only planned."""

    planned: int = 0

    @property
    def size(self) -> int:
        return self.planned or super().size


def _read_size(context: Any, parameter: Any, value: str | None) -> int:
    try:
        return convert("--size", to_octets, value) if value else 0
    except ConfigurationError as error:
        raise bad_option("--size", str(error).removeprefix("--size ")) from None


@click.option(
    "--to", metavar="ADDRESS", multiple=True, required=True, help="Recipient; may be repeated."
)
@click.option(
    "--from", "sender", metavar="ADDRESS", help="Address in From. Default: MAIL_DEFAULT_SENDER."
)
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Tag; may be repeated.")
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="Metadata; may be repeated.")
@click.option(
    "--size",
    "octets",
    metavar="SIZE",
    callback=_read_size,
    help='Size, such as "2MB". Default: that of a message without text.',
)
@click.option(
    "--mailer", metavar="NAME", default=DEFAULT, help="Mailer instead of the default one."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def show_route(
    to: tuple[str, ...],
    sender: str | None,
    tags: tuple[str, ...],
    metadata: tuple[str, ...],
    octets: int,
    mailer: str,
    as_json: bool,
) -> None:
    """Print the mailer that a message would take.

    Also prints the rule of `routes` that chooses it. Nothing is sent, and no connection is opened.
    The exit status is 1 if the message would not be sent.
    """
    pairs = dict(pair(each, "=", "--metadata", "KEY=VALUE") for each in metadata)
    with mail_state() as state:
        known_mailer(state, mailer)
        try:
            message = Message(
                "",
                list(to),
                sender=sender or state.default_sender or _SENDER,
                tags=list(tags),
                metadata=pairs,
            )
            mail = _Planned.of(message, mailer=mailer)
            object.__setattr__(mail, "planned", octets)
            reference = state.selection.reference(mailer)[0]
            steps = list(_steps(state.selection.build(reference), mail))
        except (ConfigurationError, MessageError) as error:
            raise click.ClickException(str(error)) from None
    if as_json:
        say_json({"steps": steps})
    else:
        for step in steps:
            say(_line(step))
    click.get_current_context().exit(1 if "problem" in steps[-1] else 0)


def _steps(backend: Backend[Any], mail: Outgoing) -> Iterator[dict[str, Any]]:
    """Yield the mailers that a message passes through, to the one that delivers it."""
    step: dict[str, Any] = {"mailer": backend.mailer, "backend": backend.name}
    problem = _problem(backend, mail)
    if problem:
        yield step | {"problem": problem}
        return
    child: Backend[Any] | None = None
    if isinstance(backend, RoutesBackend):
        index = backend.route(mail)
        rule, child = backend.rules[index]
        mail = backend.routed(mail)
        step |= {"rule": index + 1, "rules": len(backend.rules), "conditions": rule.text}
    elif isinstance(backend, FailoverBackend):
        # One that does not support the message is passed over.
        able = [each for each in backend.children if not _problem(each, mail)]
        child, *others = able or backend.children
        step |= {"then": [each.mailer for each in others]}
    elif isinstance(backend, Composite):
        child, *_ = backend.children
        if isinstance(backend, ThrottleBackend):
            step |= {"rate": str(backend.rate)}
    yield step
    if child is not None:
        yield from _steps(child, mail)


def _problem(backend: Backend[Any], mail: Outgoing) -> str:
    """Return why a backend does not get a message, or an empty string."""
    try:
        backend.check(mail)
    except MessageError as error:
        return str(error)
    return ""


def _line(step: dict[str, Any]) -> str:
    line = f"{step['mailer']} ({step['backend']})"
    if "problem" in step:
        line += f": not sent. {step['problem']}"
    elif "rule" in step:
        conditions = step["conditions"] or "no conditions"
        line += f": rule {step['rule']} of {step['rules']}: {conditions}"
    elif step.get("then"):
        line += f": {', '.join(step['then'])} would take over"
    elif "rate" in step:
        line += f": {step['rate']}"
    return line
