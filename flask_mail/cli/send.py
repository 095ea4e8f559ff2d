"""``flask mail send``."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask import current_app

from ..backends import loader
from ..config.converters import is_on
from ..delivery.envelope import envelope_of
from ..delivery.policy import DEFAULT
from ..delivery.signals import email_dispatched, email_failed
from ..errors import BackendNotFound, ConfigurationError, MailError, MessageError
from ..message.message import Message
from ..receipt import Outcome
from .context import choice_of, known_mailer, mail_state
from .output import name_of, say
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
@click.option("--attach", type=_FILE, metavar="FILE", multiple=True, help="Attach a file.")
@click.option("--sender", metavar="ADDRESS", help="Sender (default: MAIL_DEFAULT_SENDER).")
@click.option("--cc", metavar="ADDRESS", multiple=True, help="Copy.")
@click.option("--bcc", metavar="ADDRESS", multiple=True, help="Blind copy.")
@click.option("--reply-to", metavar="ADDRESS", multiple=True, help="Reply-To address.")
@click.option(
    "--backend",
    metavar="NAME",
    help="Backend to use, a name or import path, even under TESTING.",
)
@click.option("--mailer", metavar="NAME", help="Mailer of MAIL_MAILERS to send with.")
def send_message(
    to: tuple[str, ...],
    subject: str | None,
    body: str | None,
    html: Path | None,
    attach: tuple[Path, ...],
    sender: str | None,
    cc: tuple[str, ...],
    bcc: tuple[str, ...],
    reply_to: tuple[str, ...],
    backend: str | None,
    mailer: str | None,
) -> None:
    """Send one message and print its receipt.

    --attach, --cc, --bcc and --reply-to may be repeated. The exit status is 0 if the message was
    sent, else 1.
    """
    if backend is not None and mailer is not None:
        raise click.UsageError("--backend and --mailer cannot be combined.")
    if backend is not None:
        _check_name(backend)
    page = None
    if html is not None:
        page = _text(_content(html, "--html"), repr(str(html)), "--html")
    if body is None and html is None:
        body = f"This is a test message of the app {current_app.name}."
    elif body == "-":
        body = _text(sys.stdin.buffer.read(), "standard input", "--body")
    with mail_state() as state:
        chosen = known_mailer(state, mailer or DEFAULT)
        message = Message(
            f"Test message of {current_app.name}" if subject is None else subject,
            to,
            body,
            page,
            sender=sender,
            cc=cc,
            bcc=bcc,
            reply_to=list(reply_to),
        )
        for path in attach:
            message.attach(path.name, None, _content(path, "--attach"))
        status = _send(state, message, backend, chosen)
    click.get_current_context().exit(status)


def _send(state: _Mail, message: Message, name: str | None, mailer: str) -> int:
    """Send a message, print the outcome, and return the exit status."""
    receipt, problem = _attempt(state, message, name, mailer)
    redact = Entries(state).redact
    taken = receipt is not None and receipt.taken
    verdict = "Not sent"
    if receipt is not None:
        verdict = _VERDICTS[receipt.outcome]
        for label, value in _rows(state, message, receipt, redact):
            say(f"{label:<12}{value}")
    if taken and (note := _note(state, name, mailer)):
        say(f"{'note':<12}{note}")
    if problem is not None:
        known = isinstance(problem, MailError)
        reason = str(problem) if known else f"{type(problem).__name__}: {problem}"
        say(f"{verdict}: {redact(reason)}", err=True)
        if is_on(current_app.debug) and not known:  # a bug in a backend or signal receiver
            for line in "".join(traceback.format_exception(problem)).splitlines():
                say(redact(line), err=True)
    return 0 if taken else 1


_VERDICTS = {
    Outcome.SENT: "Sent, but something failed after that",
    Outcome.QUEUED: "Queued, but something failed after that",
    Outcome.REFUSED: "Refused",
    Outcome.NOT_SENT: "Not sent",
    Outcome.UNKNOWN: "The message may have been sent",
}


def _attempt(
    state: _Mail, message: Message, name: str | None, mailer: str
) -> tuple[Receipt | None, BaseException | None]:
    """Send a message; return its receipt, if there is one, and the error."""
    receipts: list[Receipt] = []

    # An error of a receiver of email_dispatched, or of a plugin, carries no receipt.
    def keep(app: object, message: Message, receipt: Receipt) -> None:
        if message is wanted:
            receipts.append(receipt)

    wanted = message
    with email_dispatched.connected_to(keep), email_failed.connected_to(keep):
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


def _rows(
    state: _Mail, message: Message, receipt: Receipt, redact: Callable[[str], str]
) -> Iterator[tuple[str, str]]:
    yield "outcome", receipt.outcome.value
    yield "backend", receipt.backend
    if receipt.mailer not in ("", DEFAULT, receipt.backend):
        yield "mailer", receipt.mailer
    if receipt.message_id:
        yield "message id", receipt.message_id
    # Its addresses may be what is wrong with it, or the settings that say whom it may reach.
    with suppress(MessageError, ConfigurationError):
        recipients = envelope_of(message).recipients
        guard = state.selection.guard()
        for recipient in guard.destinations(recipients) if guard else recipients:
            if recipient not in receipt.refused:
                yield "recipient", recipient
        for recipient in recipients:
            if guard and not guard.allows(recipient) and recipient not in receipt.refused:
                yield "redirected", recipient
    for recipient, refusal in receipt.refused.items():
        reply = " ".join(filter(None, (str(refusal.code), refusal.enhanced, refusal.text)))
        yield "refused", f"{recipient}: {redact(reply)}"
    if receipt.response:
        yield "response", redact(receipt.response)
    yield "seconds", f"{receipt.seconds:.3f}"


def _note(state: _Mail, name: str | None, mailer: str) -> str:
    chosen: Any = name
    if name is None:
        choice = choice_of(state, mailer)
        chosen = choice.delivering
        if choice.is_replaced:
            return (
                f"Nothing left this machine: {choice.reason} replaces {name_of(choice.wanted)} with"
                f" {name_of(choice.selected)}."
            )
    backend = state.selection.backend_class(chosen)
    if backend.external:
        return ""
    return f"Nothing left this machine: {backend.name} is a local backend."


def _check_name(name: str) -> None:
    try:
        loader.load(name)
    except BackendNotFound as error:
        raise _bad_option("--backend", str(error).removeprefix("MAIL_BACKEND ")) from None
    except ConfigurationError:
        pass  # not a mistake in the option: reported as the reason why nothing was sent


def _content(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _bad_option(option, f"{str(path)!r} cannot be read: {error.strerror}.") from None


def _text(content: bytes, origin: str, option: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad_option(option, f"{origin} is not UTF-8 at byte {error.start}.") from None


def _bad_option(option: str, problem: str) -> click.BadParameter:
    return click.BadParameter(problem, param_hint=f"'{option}'")
