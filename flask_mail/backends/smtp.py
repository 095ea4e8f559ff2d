"""The smtp backend: settings -> sessions of :mod:`flask_mail.smtp`."""

from __future__ import annotations

import copy
import ipaddress
import logging
import os
import re
import ssl
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ..addresses import parse_address, parse_addresses
from ..errors import OPENING, BackendUnavailable, ConfigurationError
from ..headers import mailbox
from ..outgoing import Outcome, Receipt
from ..settings import BY_KEY, convert
from ..smtp import client, stand_in
from ..smtp.secret import Secret
from ..smtp.transaction import transact
from .base import Backend

if TYPE_CHECKING:
    import smtplib

    from ..outgoing import Outgoing

_log = logging.getLogger("flask_mail")
_NOT_IN_A_LOGIN = re.compile("[\0\ud800-\udfff]")
_EHLO_NAME = re.compile("[!-~]{1,255}")


NO_HOST = object()
"""The session of a connection whose host a program has taken away, or whose `configure_host` gave
none: that was how mail was suppressed before there were backends."""


class SmtpBackend(Backend["smtplib.SMTP"]):
    """Delivers over SMTP. A session is an :class:`smtplib.SMTP`, which reconnects when it broke."""

    name = "smtp"
    option_prefix = "MAIL_"  # its settings are older than backends

    def __init__(
        self,
        *,
        server: str = "localhost",
        port: int | None = None,
        use_tls: bool = False,
        use_ssl: bool = False,
        username: str | None = None,
        password: Secret | str | None = None,
        timeout: float = 30.0,
        local_hostname: str | None = None,
        tls_verify: bool = True,
        tls_ca_file: str | os.PathLike[str] | None = None,
        tls_cert_file: str | os.PathLike[str] | None = None,
        tls_key_file: str | os.PathLike[str] | None = None,
        debug: bool = False,
    ) -> None:
        if isinstance(password, str):
            password = Secret(password)
        if use_tls and use_ssl:
            raise ConfigurationError(
                "MAIL_USE_TLS and MAIL_USE_SSL are both set: keep MAIL_USE_SSL for a port that"
                " speaks TLS at once (465), MAIL_USE_TLS for STARTTLS (587)."
            )
        _check_login(username, password)
        if local_hostname is not None and not _EHLO_NAME.fullmatch(local_hostname):
            raise ConfigurationError(
                "MAIL_LOCAL_HOSTNAME must be a host name, or an address literal such as"
                " [192.0.2.1], in ASCII (RFC 5321 section 4.1.4)."
            )
        if tls_key_file is not None and tls_cert_file is None:
            raise ConfigurationError("MAIL_TLS_KEY_FILE needs MAIL_TLS_CERT_FILE: set both.")
        encrypted = use_tls or use_ssl
        self._server = client.Server(
            host=server,
            port=(
                convert("MAIL_PORT", BY_KEY["MAIL_PORT"].read, port)
                if port
                else default_port(use_ssl)
            ),
            timeout=convert("MAIL_TIMEOUT", BY_KEY["MAIL_TIMEOUT"].read, timeout),
            implicit_tls=use_ssl,
            starttls=use_tls,
            context=(
                _tls_context(tls_verify, tls_ca_file, tls_cert_file, tls_key_file)
                if encrypted
                else None
            ),
            local_hostname=local_hostname,
            username=username,
            password=password,
            debug=debug,
        )
        # The sessions that were opened here, which can be again, and in which process.
        self._own: WeakSet[smtplib.SMTP] = WeakSet()  # those that it may connect again
        if encrypted and not tls_verify:
            _log.warning(
                "MAIL_TLS_VERIFY is False: whoever is between this host and %s can read and change"
                " mail and the password.",
                self._server,
            )
        if username is not None and not encrypted and not is_loopback(server):
            _log.warning(
                "MAIL_PASSWORD may go to %s in clear: set MAIL_USE_TLS or MAIL_USE_SSL.",
                self._server,
            )

    def __repr__(self) -> str:
        # Also while it is built: a traceback may show it.
        return f"<SmtpBackend {getattr(self, '_server', 'without a server')}>"

    @property
    def server(self) -> client.Server:
        """Where it connects, and how; the password is hidden."""
        return self._server

    def open(self) -> smtplib.SMTP:
        if stand_in.is_replaced(self._server):
            return stand_in.connect(self._server)  # type: ignore[no-any-return]
        host = client.connect(self._server)
        self._own.add(host)
        return host

    def close(self, session: Any) -> None:
        if not stand_in.is_genuine(session):
            stand_in.end(session)
        else:
            client.end(session)

    def abort(self, session: Any) -> None:
        client.drop(session)

    def deliver(self, mail: Outgoing, session: Any) -> Receipt:
        if session is NO_HOST:
            return Receipt(mail.message_id, "null", Outcome.SENT)
        if session is None:
            raise BackendUnavailable("The smtp backend needs a session: the one that open() gives.")
        if not stand_in.is_genuine(session):
            return self._deliver_by_stand_in(mail, session)
        if session.sock is None and session in self._own:
            # The server hung up after an earlier message.
            client.establish(session, self._server)
        reply, refused = transact(session, self._server, mail.envelope, mail.content)
        return self.accepted(mail, response=str(reply), refused=refused)

    def deliver_many(self, mails: Iterable[Outgoing], session: Any) -> Iterator[Receipt]:
        unreachable: Exception | None = None
        for mail in mails:
            if unreachable is None:
                receipt = self.attempt(mail, session)
                error = receipt.error
                if isinstance(error, BackendUnavailable) and error.stage in OPENING:
                    unreachable = error
            else:  # do not wait MAIL_TIMEOUT for each of the others
                error = copy.copy(unreachable)  # each has its own, which gets its own receipt
                receipt = Receipt(mail.message_id, self.name, Outcome.NOT_SENT, error=error)
            yield receipt

    def _deliver_by_stand_in(self, mail: Outgoing, session: Any) -> Receipt:
        message = mail.message
        named = {
            each.addr_spec: mailbox(each)
            for field in (message.recipients, message.cc, message.bcc)
            for each in parse_addresses(field, "recipient")
        }
        sender = parse_address(message.sender, "sender")
        named_sender = {sender.addr_spec: mailbox(sender)}
        envelope = mail.envelope
        refused = stand_in.sendmail(
            session,
            self._server,
            named_sender.get(envelope.sender, envelope.sender),
            [named.get(each, each) for each in envelope.recipients],
            mail.content,
            envelope.mail_options,
            envelope.rcpt_options,
        )
        specs = {shown: spec for spec, shown in named.items()}
        return self.accepted(
            mail, refused={specs.get(shown, shown): why for shown, why in refused.items()}
        )


def default_port(use_ssl: bool) -> int:
    """Return the port where none is set."""
    return 465 if use_ssl else 25


def _check_login(username: str | None, password: Secret | None) -> None:
    if (username is None) != (password is None):
        missing = "MAIL_PASSWORD" if password is None else "MAIL_USERNAME"
        given = "MAIL_USERNAME" if password is None else "MAIL_PASSWORD"
        raise ConfigurationError(
            f"{given} is set and {missing} is not: set both to log in, or neither."
        )
    if username is None or password is None:
        return
    # In AUTH PLAIN a NUL ends the name (RFC 4616). The environment gives surrogates for what is
    # not UTF-8, and the error of encoding them would show the password.
    if _NOT_IN_A_LOGIN.search(username) or _NOT_IN_A_LOGIN.search(password.reveal()):
        raise ConfigurationError(
            "MAIL_USERNAME and MAIL_PASSWORD must be Unicode text without NUL; one of them is not,"
            " and may have been decoded wrongly."
        )


def _tls_context(
    verify: bool,
    ca_file: str | os.PathLike[str] | None,
    cert_file: str | os.PathLike[str] | None,
    key_file: str | os.PathLike[str] | None,
) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"MAIL_TLS_CA_FILE cannot be read as certificates (PEM): {error}"
        ) from error
    if cert_file is not None:
        try:
            # With a password, even an empty one, OpenSSL asks no terminal for that of the key.
            context.load_cert_chain(cert_file, key_file, password="")
        except (OSError, TypeError, ValueError) as error:
            raise ConfigurationError(
                "MAIL_TLS_CERT_FILE and MAIL_TLS_KEY_FILE cannot be read as a certificate and its"
                f" key (PEM, not encrypted): {error}"
            ) from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def is_loopback(server: str) -> bool:
    try:
        return ipaddress.ip_address(server).is_loopback
    except ValueError:
        return server.lower() == "localhost"
