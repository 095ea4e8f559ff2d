"""The command ``flask mail work``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from ..backend import QueueBackend
from ..database.schema import FINISHED, State
from ..queues import replaced
from ..worker.stopping import Interrupted, Stop
from ..worker.supervisor import Supervisor
from ..worker.worker import Worker
from .options import errors, of_queue, queues_in, read_seconds


@click.command("work")
@click.option("--mailer", "mailers", multiple=True, help="Only the mail of this mailer.")
@click.option("--batch", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--once", is_flag=True, help="End when nothing is due.")
@click.option("--for", "seconds", callback=read_seconds, help="End after this time, such as 55s.")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1, 1000))
@of_queue
@with_appcontext
def work(
    mailers: tuple[str, ...],
    batch: int,
    once: bool,
    seconds: float | None,
    processes: int,
    mailer: str | None,
) -> None:
    """Send the mail of the queue until SIGTERM."""
    app: Any = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with errors():
        queues = queues_in(mailer)
        names = {each.target for each in queues if not mailers or each.target in mailers}
        if not names:
            known = ", ".join(each.target for each in queues)
            raise click.ClickException(
                f"No queue has the mailer {', '.join(mailers)}; they have {known}."
            )
        for each in queues:
            if each.target in names:
                _announce(app, each)
    with Stop() as stop:

        def run() -> None:
            worker = Worker(
                app, queues, mailers=names, stop=stop, batch=batch, once=once, seconds=seconds
            )
            with errors():
                worker.run()
            click.echo(_summary(worker))

        try:
            if processes == 1:
                run()
            else:
                _run_several(queues, run, stop, processes, replace=not once and seconds is None)
        except Interrupted:
            raise click.ClickException("Interrupted while mail was being sent.") from None


def _summary(worker: Worker) -> str:
    counts = [
        f"{count} {'later' if state is State.QUEUED else state}"
        for state in (*FINISHED, State.QUEUED)
        if (count := worker.outcomes[state])
    ]
    listed = f" ({', '.join(counts)})" if counts else ""
    return f"Messages: {worker.count}{listed}"


def _run_several(
    queues: Sequence[QueueBackend],
    run: Callable[[], None],
    stop: Stop,
    count: int,
    *,
    replace: bool,
) -> None:
    if not hasattr(os, "fork"):
        raise click.ClickException("This system has no processes for --processes: start several.")
    store = queues[0].store
    if store.is_in_memory:
        raise click.ClickException("Processes cannot share a database in memory: use a file.")

    def run_in_fork() -> int:
        store.after_fork()
        click.echo(f"Worker: {os.getpid()}")
        try:
            run()
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except Interrupted:
            return 1
        return 0

    if not Supervisor(run_in_fork, stop, replace=replace).run(count):
        raise click.ClickException("A worker has failed.")


def _announce(app: Any, queue: QueueBackend) -> None:
    backend = app.extensions["mail"].selection.child_target(queue.target)[0]
    click.echo(f"{queue.target}: {backend.name}")
    if warning := replaced(app, queue):
        click.secho(f"Warning: {warning}", fg="yellow", err=True)
