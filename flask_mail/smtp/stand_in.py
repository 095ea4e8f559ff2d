"""Hosts that are not smtplib's: what programs and tests put in its place.

``mock.patch("flask_mail.smtplib.SMTP")``, a `Connection` whose `configure_host` returns an object
of its own, ``mock.patch.object(connection, "host")``: each gets exactly the calls that 0.10 made.
"""

from __future__ import annotations

import contextlib
import inspect
import smtplib
from typing import TYPE_CHECKING, Any

from ..errors import DeliveryError
from . import errors
from .client import Server
from .replies import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..outgoing import Refusal

_SMTP = smtplib.SMTP  # as it was imported


def is_replaced(server: Server) -> bool:
    """Whether smtplib's class for this server was replaced by something that is none of it."""
    kind: object = smtplib.SMTP_SSL if server.implicit_tls else smtplib.SMTP
    return not (inspect.isclass(kind) and issubclass(kind, _SMTP))


def is_genuine(host: object) -> bool:
    """Whether `host` is a session of smtplib's, whose steps can be taken one by one."""
    return (
        isinstance(host, _SMTP)
        and type(host).sendmail is _SMTP.sendmail
        and "sendmail" not in vars(host)
    )


def connect(server: Server) -> Any:
    """Make a stand-in and connect it, as 0.10 did."""
    kind: Any = smtplib.SMTP_SSL if server.implicit_tls else smtplib.SMTP
    try:
        host = kind(server.host, server.port)
        if server.starttls:
            host.starttls()
        if server.username is not None and server.password is not None:
            host.login(server.username, server.password.reveal())
    except OSError as error:
        raise errors.failure(error, "connect", str(server)) from error
    return host


def sendmail(
    host: Any,
    server: Server,
    sender: str,
    recipients: Sequence[str],
    content: bytes,
    mail_options: Sequence[str],
    rcpt_options: Sequence[str],
) -> dict[str, Refusal]:
    """Hand a message to a stand-in's `sendmail` and return the recipients that it refused.

    :param sender: as 0.10 gave it, which is with the display name; `recipients` too.
    """
    try:
        answer = host.sendmail(
            sender, list(recipients), content, list(mail_options), list(rcpt_options)
        )
    except smtplib.SMTPRecipientsRefused as error:
        raise errors.recipients_refused(str(server), _refusals(error.recipients)) from error
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        reply = Reply(error.smtp_code, errors.words(error.smtp_error))
        kind = errors.class_for(error)
        raise errors.refusal(kind, f"{server} refused the message", "data", reply) from error
    except smtplib.SMTPServerDisconnected as error:
        # Whether the message was complete by then, sendmail does not tell.
        raise errors.AcceptanceUnknown(
            f"The connection to {server} broke while the message was sent ({error}): it may have"
            " been delivered. Look before you send it again.",
            stage="data",
        ) from error
    except DeliveryError:
        raise
    except OSError as error:
        raise errors.failure(error, "data", str(server)) from error
    return _refusals(answer)


def end(host: Any) -> None:
    """Say goodbye, as 0.10 did. Never raises."""
    with contextlib.suppress(Exception):
        host.quit()


def _refusals(answer: object) -> dict[str, Refusal]:
    if not isinstance(answer, dict):  # a mock's
        return {}
    return {
        address: Reply(code, errors.words(text)).refusal for address, (code, text) in answer.items()
    }
