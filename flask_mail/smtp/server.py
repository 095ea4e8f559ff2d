"""Where to connect, and how."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .wire import Link

if TYPE_CHECKING:
    from ..util.secret import Secret, Token
    from .tls import ClientTLS


@dataclass(frozen=True)
class Server:
    """Where to connect, and how."""

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
    lacks: set[str] = field(default_factory=set, repr=False, compare=False)
    """The extensions that it offers and turned out not to have."""
    proven: set[str] = field(default_factory=set, repr=False, compare=False)
    """Those by which it has accepted a message."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def secret(self) -> Secret | None:
        """What it logs in with."""
        return self.token or self.password

    @property
    def is_encrypted(self) -> bool:
        """Whether it speaks TLS, from the first byte on or after STARTTLS."""
        return self.implicit_tls or self.starttls

    def tls_context(self) -> ssl.SSLContext:
        """Return the TLS context, which verifies certificates unless another one was given."""
        return self.tls.context() if self.tls is not None else ssl.create_default_context()


def kind(server: Server) -> Any:
    """Return the class of smtplib's that makes the sessions, or what a program has put there."""
    return smtplib.SMTP_SSL if server.implicit_tls else smtplib.SMTP


def link_of(host: Any, server: Server) -> Link:
    """Return the link of a session; one that a program has opened gets its own here."""
    link = host.file
    if not isinstance(link, Link):
        link = host.file = Link(host.sock, server.timeout, str(server), debug=server.debug)
    return link
