"""Hosts that are not smtplib's: what programs and tests put in its place.

``mock.patch("flask_mail.smtplib.SMTP")``, a `Connection` whose `configure_host` returns an object
of its own, ``mock.patch.object(connection, "host")``: each gets exactly the calls that 0.10 made.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Any

from ..errors import DeliveryError, DeliveryUnknown
from . import errors
from . import session as client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..receipt import Refusal
    from ..util.secret import Secret

# As they were imported, before anything is patched.
_SMTP, _SMTP_SSL = smtplib.SMTP, smtplib.SMTP_SSL
_CONSTRUCTORS = {_SMTP: _SMTP.__init__, _SMTP_SSL: _SMTP_SSL.__init__}
_STARTTLS = _SMTP.starttls
_TAKEN = {
    name: getattr(_SMTP, name) for name in ("sendmail", "mail", "rcpt", "data", "docmd", "quit")
}
_taken_of = attrgetter(*_TAKEN)
_STEPS = {**_TAKEN, **{name: getattr(_SMTP, name) for name in ("connect", "starttls", "login")}}
_steps_of = attrgetter(*_STEPS)


def is_replaced(server: client.Server) -> bool:
    """Whether what stands for smtplib's class takes a step in another way.

    A subclass that only makes its socket in another way, as for proxies, is no replacement.
    """
    kind: object = client.kind(server)
    original = _SMTP_SSL if server.implicit_tls else _SMTP
    return not (
        isinstance(kind, type)
        and issubclass(kind, original)
        and kind.__init__ is _CONSTRUCTORS[original]
        and all(map(is_, _steps_of(kind), _STEPS.values()))
    )


def is_genuine(host: object) -> bool:
    """Whether `host` is a session of smtplib's, whose steps can be taken one by one."""
    # Not isinstance: a mock with smtplib.SMTP as its spec claims to be one.
    kind = type(host)
    return (
        issubclass(kind, _SMTP)
        and all(map(is_, _taken_of(kind), _TAKEN.values()))
        and not vars(host).keys() & _TAKEN.keys()
    )


def connect(server: client.Server) -> Any:
    """Make a stand-in and connect it, as 0.10 did.

    :raises BackendUnavailable: it is a real one, and does not verify the server's certificate.
    """
    stage = "connect"
    host: Any = None
    try:
        kind = client.kind(server)
        host = kind(server.host, server.port, **_further_arguments(kind, server))
        if server.starttls:
            stage = "tls"
            if getattr(type(host), "starttls", None) is _STARTTLS:
                host.starttls(context=server.tls_context())
            else:
                host.starttls()
        _check_verified(host, server)
        if server.username is not None and server.password is not None:
            stage = "login"
            _log_in(host, server.username, server.password)
        elif server.token is not None:
            stage = "login"
            raise smtplib.SMTPNotSupportedError(
                "what replaces smtplib logs in with a password only: set MAIL_PASSWORD in place of"
                " MAIL_OAUTH2_TOKEN"
            )
    except BaseException as error:
        client.drop(host)
        if isinstance(error, OSError):
            raise errors.failure(error, stage, str(server)) from error
        raise
    return host


def _further_arguments(kind: Any, server: client.Server) -> dict[str, Any]:
    """Return what smtplib's own constructors take, which what replaces them need not know."""
    constructor = getattr(kind, "__init__", None)
    if constructor is _CONSTRUCTORS[_SMTP]:
        return {"timeout": server.timeout}
    if constructor is _CONSTRUCTORS[_SMTP_SSL]:
        return {"timeout": server.timeout, "context": server.tls_context()}
    return {}


def sendmail(
    host: Any,
    server: client.Server,
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
    except DeliveryError:
        raise
    except OSError as error:
        # Whether the message was complete by then, sendmail does not tell.
        made = errors.failure(error, "accept", str(server))
        if isinstance(made, DeliveryUnknown) and not isinstance(made, type(error)):
            raise  # what it is matters to programs; its outcome is UNKNOWN all the same
        raise made from error
    return errors.refusals(answer)


def end(host: Any) -> None:
    """Say goodbye, as 0.10 did. Never raises."""
    is_smtplibs = issubclass(type(host), _SMTP)
    try:
        with contextlib.suppress(Exception):
            if is_smtplibs:
                client.hurry(host)
            host.quit()
    finally:
        if is_smtplibs:
            client.drop(host)


def _log_in(host: Any, username: str, password: Secret) -> None:
    """Log in by the session's own method; what smtplib's raises would show the password."""
    failure: OSError
    try:
        host.login(username, password.reveal())
    except UnicodeError:
        failure = smtplib.SMTPNotSupportedError(
            "what replaces smtplib logs in with ASCII only, which MAIL_USERNAME or MAIL_PASSWORD"
            " is not"
        )
    except OSError as error:
        failure = error.with_traceback(None)
    else:
        return
    failure.__context__ = failure.__cause__ = None
    raise failure


def _check_verified(host: Any, server: client.Server) -> None:
    sock = getattr(host, "sock", None)
    if not isinstance(sock, ssl.SSLSocket) or server.tls is None:
        return
    if sock.context.verify_mode < server.tls.verify_mode:
        raise smtplib.SMTPNotSupportedError(
            "what replaces smtplib.SMTP_SSL does not verify certificates: make it with the context"
            " of ssl.create_default_context(), or set MAIL_TLS_VERIFY=False"
        )
