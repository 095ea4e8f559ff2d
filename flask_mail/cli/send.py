"""``flask mail send``."""

from __future__ import annotations

import sys
from contextlib import ExitStack, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..backends import loader
from ..delivery.policy import DEFAULT
from ..delivery.reporting import level_of_failures
from ..delivery.signals import email_dispatched, email_failed, email_queued
from ..errors import BackendNotFound, ConfigurationError
from ..message.message import Message
from .composing import Draft, bad_option
from .context import known_mailer, mail_state
from .dialogue import shown_dialogue, verbose_option
from .output import say_json
from .receipts import Result
from .values import Entries

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..extension.state import _Mail
    from ..receipt import Receipt

_FILE = click.Path(path_type=Path)


@click.argument("to", nargs=-1, required=True, metavar="TO...")
@click.option("--subject", help='Subject (default: "Test message of APP").')
@click.option(
    "--body", help="Text; - reads standard input. Default without --html: a test sentence."
)
@click.option("--html", type=_FILE, metavar="FILE", help="HTML file, in UTF-8.")
@click.option("--template", metavar="NAME", help="Render the templates NAME.txt and NAME.html.")
@click.option(
    "--set", "variables", metavar="NAME=VALUE", multiple=True, help="Variable of the template."
)
@click.option("--preview", metavar="NAME", help="Send a preview to TO, not to its recipients.")
@click.option("--locale", metavar="LOCALE", help="Render the template or preview in this locale.")
@click.option("--attach", type=_FILE, metavar="FILE", multiple=True, help="Attach a file.")
@click.option("--sender", metavar="ADDRESS", help="Sender (default: MAIL_DEFAULT_SENDER).")
@click.option("--cc", metavar="ADDRESS", multiple=True, help="Copy.")
@click.option("--bcc", metavar="ADDRESS", multiple=True, help="Blind copy.")
@click.option("--reply-to", metavar="ADDRESS", multiple=True, help="Reply-To address.")
@click.option("--header", metavar='"NAME: VALUE"', multiple=True, help="Further header.")
@click.option(
    "--backend",
    metavar="NAME",
    help="Backend to use, a name or import path, even under TESTING.",
)
@click.option("--mailer", metavar="NAME", help="Mailer of MAIL_MAILERS to send with.")
@click.option("--strict", is_flag=True, help="Exit with status 1 if any recipient is refused.")
@verbose_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def send_message(
    backend: str | None,
    mailer: str | None,
    strict: bool,
    verbose: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Send one message and print its receipt.

    --set, --attach, --cc, --bcc, --reply-to and --header may be repeated. The exit status is 0 if
    the message was sent or queued, else 1.
    """
    draft = Draft(**options)
    draft.check()
    if backend is not None and mailer is not None:
        raise click.UsageError("--backend and --mailer cannot be combined.")
    if backend is not None:
        _check_name(backend)
    # Output of a plugin, or of the console backend, would corrupt the JSON.
    with mail_state() as state, redirect_stdout(sys.stderr) if as_json else nullcontext():
        chosen = known_mailer(state, mailer or DEFAULT)
        redact = Entries(state).redact
        receipt = None
        try:
            message = draft.message(state)
        except click.UsageError:
            raise
        except Exception as error:  # noqa: BLE001 (a template or preview may raise anything)
            result = Result.of_error(error, redact)
        else:
            # Without logging, Python would print the failure once more.
            with shown_dialogue(redact) if verbose else nullcontext(), level_of_failures():
                receipt, problem = _attempt(state, message, backend, chosen)
            result = Result.of_error(problem, redact)
        if receipt is not None:
            result = result.with_receipt(
                receipt, message, state, redact, backend=backend, mailer=chosen
            )
    if as_json:
        say_json(result.as_json())
    else:
        result.say()
    is_done = result.taken and not (strict and result.refused)
    click.get_current_context().exit(0 if is_done else 1)


def _attempt(
    state: _Mail, message: Message, name: str | None, mailer: str
) -> tuple[Receipt | None, BaseException | None]:
    """Send a message; return its receipt, if there is one, and the error."""
    receipts: list[Receipt] = []

    # An error of a receiver, or of a plugin, carries no receipt.
    def keep(app: object, message: Message, receipt: Receipt) -> None:
        if message is wanted:
            receipts.append(receipt)

    wanted = message
    with ExitStack() as connected:
        for signal in (email_dispatched, email_queued, email_failed):
            connected.enter_context(signal.connected_to(keep))
        try:
            if name is None:
                receipt = (state if mailer == DEFAULT else state.using(mailer)).send(message)
            else:
                receipt = _send_by(state, name, message)
        except Exception as error:  # noqa: BLE001 (a plugin may raise anything)
            return (receipts[-1] if receipts else None), error
    return receipt, receipt.error  # MAIL_FAIL_SILENTLY raises nothing


def _send_by(state: _Mail, name: str, message: Message) -> Receipt:
    backend: Backend[Any] = state.selection.deliverer(name)
    with ExitStack() as sessions:

        def open_session() -> Any:
            session = backend.open()
            sessions.callback(backend.close, session)
            return session

        policy = state.selection.policy_without_mailer()
        return backend.send(message, app=state.app, open_session=open_session, policy=policy)


def _check_name(name: str) -> None:
    try:
        loader.load(name)
    except BackendNotFound as error:
        raise bad_option("--backend", str(error).removeprefix("MAIL_BACKEND ")) from None
    except ConfigurationError:
        pass  # not a mistake in the option: reported as the reason why nothing was sent
