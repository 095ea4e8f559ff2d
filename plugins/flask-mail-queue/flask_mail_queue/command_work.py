"""The command ``flask mail work``."""

from __future__ import annotations

from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from .backend import QueueBackend
from .command_options import errors, of_queue, queues_in, read_seconds
from .stopping import Interrupted, Stop
from .worker import Worker


@click.command("work")
@click.option("--mailer", "mailers", multiple=True, help="Only the mail of this mailer.")
@click.option("--batch", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--once", is_flag=True, help="End when nothing is due.")
@click.option("--for", "seconds", callback=read_seconds, help="End after this time, such as 55s.")
@of_queue
@with_appcontext
def work(
    mailers: tuple[str, ...], batch: int, once: bool, seconds: float | None, mailer: str | None
) -> None:
    """Send the mail of the queue until SIGTERM."""
    app: Any = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with errors():
        queues = [each for each in queues_in(mailer) if not mailers or each.target in mailers]
        if not queues:
            raise click.ClickException(f"No queue has the mailer {', '.join(mailers)}.")
        for each in queues:
            _announce(app, each)
        with Stop() as stop:
            worker = Worker(app, queues, stop=stop, batch=batch, once=once, seconds=seconds)
            try:
                worker.run()
            except Interrupted:
                raise click.ClickException("Interrupted while mail was being sent.") from None
    click.echo(f"Messages: {worker.count}")


def _announce(app: Any, queue: QueueBackend) -> None:
    selection = app.extensions["mail"].selection
    backend = selection.target(queue.target)[0]
    wanted = selection.backend_class(selection.reference(queue.target)[0])
    click.echo(f"{queue.target}: {backend.name}")
    if wanted is not type(backend):
        click.secho(
            f"Warning: mail of {queue.target} goes to {backend.name}, not to {wanted.name}, because"
            " of TESTING or MAIL_SUPPRESS_SEND: it is marked as sent, and never leaves.",
            fg="yellow",
            err=True,
        )
