"""Support for mocked or replaced smtplib classes.

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
from . import failures
from .server import OWN_SMTP, OWN_SMTP_SSL
from .session import Server, drop, hurry, smtp_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..receipt import Refusal
    from ..util.secret import Secret
    from .setting_names import SettingNames

# As they were imported, before anything is patched.
_SMTP: type[smtplib.SMTP] = OWN_SMTP
_SMTP_SSL: type[smtplib.SMTP] = OWN_SMTP_SSL
_CONSTRUCTORS = {_SMTP: _SMTP.__init__, _SMTP_SSL: _SMTP_SSL.__init__}
_STARTTLS = _SMTP.starttls
_TAKEN = {
    name: getattr(_SMTP, name) for name in ("sendmail", "mail", "rcpt", "data", "docmd", "quit")
}
_taken_of = attrgetter(*_TAKEN)
_STEPS = {**_TAKEN, **{name: getattr(_SMTP, name) for name in ("connect", "starttls", "login")}}
_steps_of = attrgetter(*_STEPS)


def is_replaced(server: Server) -> bool:
    """Return True if smtplib's class was replaced by one that overrides a step.

    A subclass that only makes its socket differently, as for proxies, is not a replacement.
    """
    kind: object = smtp_class(server)
    original = _SMTP_SSL if server.implicit_tls else _SMTP
    return not (
        isinstance(kind, type)
        and issubclass(kind, original)
        and kind.__init__ is _CONSTRUCTORS[original]
        and all(map(is_, _steps_of(kind), _STEPS.values()))
    )


def is_genuine(host: object) -> bool:
    """Return True if `host` is a session of smtplib's, which can be driven step by step."""
    # Not isinstance: a mock with smtplib.SMTP as its spec claims to be one.
    kind = type(host)
    return (
        issubclass(kind, _SMTP)
        and all(map(is_, _taken_of(kind), _TAKEN.values()))
        and not vars(host).keys() & _TAKEN.keys()
    )


def connect(server: Server) -> Any:
    """Make a replacement and connect it, as 0.10 did.

    :raises BackendUnavailable: it failed, or does not verify the server's certificate.
    """
    stage = "connect"
    host: Any = None
    try:
        kind = smtp_class(server)
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
            _log_in(host, server.username, server.password, server.names)
        elif server.token is not None:
            stage = "login"
            raise smtplib.SMTPNotSupportedError(
                "the replacement of smtplib only supports passwords: set"
                f" {server.names['password']} instead of {server.names['oauth2_token']}"
            )
    except BaseException as error:
        drop(host)
        if isinstance(error, OSError):
            raise server.failure(error, stage) from error
        raise
    return host


def _further_arguments(kind: Any, server: Server) -> dict[str, Any]:
    """Return arguments that only smtplib's own constructors take."""
    constructor = getattr(kind, "__init__", None)
    if constructor is _CONSTRUCTORS[_SMTP]:
        return {"timeout": server.timeout}
    if constructor is _CONSTRUCTORS[_SMTP_SSL]:
        return {"timeout": server.timeout, "context": server.tls_context()}
    return {}


def sendmail(
    host: Any,
    server: Server,
    sender: str,
    recipients: Sequence[str],
    content: bytes,
    mail_options: Sequence[str],
    rcpt_options: Sequence[str],
) -> dict[str, Refusal]:
    """Call a replacement's `sendmail` and return the recipients that it refused.

    :param sender: with the display name, as 0.10 gave it; `recipients` too.
    """
    try:
        answer = host.sendmail(
            sender, list(recipients), content, list(mail_options), list(rcpt_options)
        )
    except DeliveryError:
        raise
    except OSError as error:
        # sendmail() does not report whether the message was complete.
        made = server.failure(error, "accept")
        if isinstance(made, DeliveryUnknown) and not isinstance(made, type(error)):
            raise  # programs depend on its class; its outcome is UNKNOWN all the same
        raise made from error
    return failures.refusals(answer)


def end(host: Any) -> None:
    """Send QUIT, as 0.10 did. Never raises."""
    is_smtplibs = issubclass(type(host), _SMTP)
    try:
        with contextlib.suppress(Exception):
            if is_smtplibs:
                hurry(host)
            host.quit()
    finally:
        if is_smtplibs:
            drop(host)


def _log_in(host: Any, username: str, password: Secret, names: SettingNames) -> None:
    """Log in by the session's own method, without a traceback that shows the password."""
    failure: OSError
    try:
        host.login(username, password.reveal())
    except UnicodeError:
        failure = smtplib.SMTPNotSupportedError(
            f"the replacement of smtplib only supports ASCII, and {names['username']} or"
            f" {names['password']} is not ASCII"
        )
    except OSError as error:
        failure = error.with_traceback(None)
    else:
        return
    failure.__context__ = failure.__cause__ = None
    raise failure


def _check_verified(host: Any, server: Server) -> None:
    sock = getattr(host, "sock", None)
    if not isinstance(sock, ssl.SSLSocket) or server.tls is None:
        return
    if sock.context.verify_mode < server.tls.verify_mode:
        raise smtplib.SMTPNotSupportedError(
            "the replacement of smtplib.SMTP_SSL does not verify certificates: make it with the"
            f" context of ssl.create_default_context(), or set {server.names['tls_verify']}"
            " to false"
        )
