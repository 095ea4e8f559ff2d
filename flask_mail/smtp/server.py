"""Address and options of a mail server."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import failures
from .setting_names import FLAT, SettingNames
from .wire import Wire

if TYPE_CHECKING:
    from ..errors import DeliveryError
    from ..util.secret import Secret, Token
    from .tls import ClientTLS


# smtplib's own classes, also if a test has replaced their names before the first message.
OWN_SMTP: Any = smtplib.LMTP.__base__
OWN_SMTP_SSL: Any = next(
    each
    for each in OWN_SMTP.__subclasses__()
    if (each.__module__, each.__name__) == ("smtplib", "SMTP_SSL")
)


@dataclass(frozen=True)
class Server:
    """Address and options of a mail server."""

    host: str
    port: int
    timeout: float
    implicit_tls: bool = False
    starttls: bool = False
    tls: ClientTLS | None = field(default=None, repr=False)
    local_hostname: str | None = None
    username: str | None = None
    password: Secret | None = None
    token: Token | None = None
    pipelining: bool = True
    chunking: bool = True
    max_age: float | None = None
    debug: bool = False
    names: SettingNames = field(default=FLAT, repr=False, compare=False)
    """The names of the settings, for errors."""
    lacks: set[str] = field(default_factory=set, repr=False, compare=False)
    """Extensions that it offers but does not support."""
    proven: set[str] = field(default_factory=set, repr=False, compare=False)
    """Extensions with which it has accepted a message."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def secret(self) -> Secret | None:
        """Token or password to log in with."""
        return self.token or self.password

    @property
    def is_encrypted(self) -> bool:
        """True if the connection uses TLS, implicit or by STARTTLS."""
        return self.implicit_tls or self.starttls

    def failure(self, error: Exception, stage: str, *, knows_tls: bool = False) -> DeliveryError:
        """Return our error for a foreign one, as :func:`flask_mail.smtp.failures.failure`."""
        return failures.failure(error, stage, str(self), self.names, knows_tls=knows_tls)

    def tls_context(self) -> ssl.SSLContext:
        """Return the TLS context, which verifies certificates unless another one was given."""
        return self.tls.context() if self.tls is not None else ssl.create_default_context()


def smtp_class(server: Server) -> Any:
    """Return smtplib's class of sessions, or a program's replacement."""
    return smtplib.SMTP_SSL if server.implicit_tls else smtplib.SMTP


def wire_of(host: Any, server: Server) -> Wire:
    """Return the wire of a session; one that a program has opened gets its own here."""
    wire = host.file
    if not isinstance(wire, Wire):
        wire = host.file = Wire(host.sock, server.timeout, str(server), debug=server.debug)
    return wire
