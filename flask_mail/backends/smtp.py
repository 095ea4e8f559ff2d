"""The smtp backend: settings -> sessions of :mod:`flask_mail.smtp`."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ..addresses import parse_address, parse_addresses
from ..clocks import monotonic
from ..errors import BackendUnavailable, ConfigurationError
from ..headers import mailbox
from ..outgoing import Outcome, Receipt
from ..secret import Secret, Token
from ..settings import BY_KEY, convert
from ..smtp import client, lending, stand_in
from ..smtp.courier import Courier, Item
from ..smtp.deadline import Deadline
from ..smtp.link import Link
from ..smtp.pool import Pool
from ..smtp.tls import ClientTLS
from .base import Backend
from .features import ORDINARY, Feature
from .sending import failure_of

if TYPE_CHECKING:
    import smtplib

    from ..outgoing import Outgoing
    from ..smtp.transaction import Result

_log = logging.getLogger("flask_mail")
# In AUTH PLAIN a NUL ends the name (RFC 4616), in OAUTHBEARER U+0001 does (RFC 7628); the
# environment gives surrogates for what is not UTF-8.
_NOT_IN_A_NAME = re.compile("[\0\1\ud800-\udfff]")
_EHLO_NAME = re.compile("[!-~]{1,255}")

_DEADLINE = 20.0
"""Seconds for a message of its own, with the connection: web servers end a request that takes 30,
and the request has other work to do as well."""

_SLOWEST = 128 * 1024
"""Octets a second: how slow a line may be that is given the time which large content takes."""


NO_HOST = object()
"""The session of a connection whose host a program has taken away, or whose `configure_host` gave
none: that was how mail was suppressed before there were backends."""


class SmtpBackend(Backend["smtplib.SMTP"]):
    """Delivers over SMTP. A session is an :class:`smtplib.SMTP`; one that `open` made is
    connected again where it broke."""

    name = "smtp"
    features = ORDINARY | {Feature.DELIVERY_OPTIONS}
    option_prefix = "MAIL_"  # its settings are older than backends

    def __init__(
        self,
        *,
        server: str = "localhost",
        port: int | None = None,
        use_tls: bool = False,
        use_ssl: bool = False,
        username: str | None = None,
        password: Secret | str | Callable[[], object] | None = None,
        oauth2_token: Token | str | Callable[[], object] | None = None,
        timeout: float = 20.0,
        local_hostname: str | None = None,
        tls_verify: bool = True,
        tls_ca_file: str | os.PathLike[str] | None = None,
        tls_cert_file: str | os.PathLike[str] | None = None,
        tls_key_file: str | os.PathLike[str] | None = None,
        deadline: float | None = None,
        pipelining: bool = True,
        chunking: bool = True,
        pool_size: int = 4,
        keepalive: float = 30.0,
        max_emails: int | None = None,
        debug: bool = False,
    ) -> None:
        if password is not None and not isinstance(password, Secret):
            password = Secret(password)
        if oauth2_token is not None and not isinstance(oauth2_token, Token):
            oauth2_token = Token(oauth2_token)
        if use_tls and use_ssl:
            raise ConfigurationError(
                "MAIL_USE_TLS and MAIL_USE_SSL are both set: keep MAIL_USE_SSL for a port that"
                " speaks TLS at once (465), MAIL_USE_TLS for STARTTLS (587)."
            )
        _check_login(username, password, oauth2_token)
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
            port=_read("MAIL_PORT", port) if port else default_port(use_ssl),
            timeout=_read("MAIL_TIMEOUT", timeout),
            implicit_tls=use_ssl,
            starttls=use_tls,
            tls=(
                ClientTLS(
                    verify=tls_verify,
                    ca_file=tls_ca_file,
                    cert_file=tls_cert_file,
                    key_file=tls_key_file,
                )
                if encrypted
                else None
            ),
            local_hostname=local_hostname,
            username=username,
            password=password,
            token=oauth2_token,
            pipelining=pipelining,
            chunking=chunking,
            debug=debug,
        )
        self._deadline = deadline and _read("MAIL_DEADLINE", deadline)
        self._max_emails = max_emails and _read("MAIL_MAX_EMAILS", max_emails)
        self._pool = Pool(_read("MAIL_POOL_SIZE", pool_size), _read("MAIL_KEEPALIVE", keepalive))
        self._own: WeakSet[smtplib.SMTP] = WeakSet()  # the sessions that it may connect again
        if encrypted and not tls_verify:
            _log.warning(
                "MAIL_TLS_VERIFY is False: whoever is between this host and %s can read and change"
                " mail and the password.",
                self._server,
            )
        secret = self._server.secret
        if secret is not None and not encrypted and not is_loopback(server):
            _log.warning(
                "%s may go to %s in clear: set MAIL_USE_TLS or MAIL_USE_SSL.",
                secret.setting,
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
        kept = self._pool.take(client.kind(self._server))
        if kept is not None:
            return kept
        started = monotonic()
        host = client.connect(self._server, Deadline(self._seconds(0)))
        # What is opened for a message is part of what that may take.
        client.link_of(host, self._server).spent = monotonic() - started
        self._own.add(host)
        return host

    def close(self, session: Any) -> None:
        try:
            is_fit = stand_in.is_genuine(session) and self._is_fit(session)
            if not (is_fit and self._pool.give(session)):
                self.retire(session)
        except BaseException:  # from a signal handler
            client.drop(session)
            raise

    def retire(self, session: Any) -> None:
        if not stand_in.is_genuine(session):
            stand_in.end(session)
        else:
            client.end(session)

    def abort(self, session: Any) -> None:
        client.drop(session)

    def shut_down(self) -> None:
        self._pool.close()

    def deliver(self, mail: Outgoing, session: Any) -> Receipt:
        if session is NO_HOST:
            return Receipt(mail.message_id, "null", Outcome.SENT)
        if session is None:
            raise BackendUnavailable("The smtp backend needs a session: the one that open() gives.")
        if not stand_in.is_genuine(session):
            return self._deliver_by_stand_in(mail, session)
        spent = _spent(session)
        courier = self._courier(session, lambda octets: self._seconds(octets) - spent)
        (result,) = courier.carry([(mail.envelope, mail.octets)])
        if result.error is not None:
            raise result.error
        return self._receipt(mail, result)

    def deliver_many(self, mails: Iterable[Outgoing], session: Any) -> Iterator[Receipt]:
        if not stand_in.is_genuine(session):
            yield from super().deliver_many(mails, session)
            return
        given: deque[Outgoing] = deque()

        def items() -> Iterator[Item]:
            for mail in mails:
                given.append(mail)
                yield mail.envelope, mail.octets

        _spent(session)  # a batch has no limit that it would be part of
        courier = self._courier(session, lambda octets: self._deadline)
        for result in courier.carry(items()):
            mail = given.popleft()
            if result.error is None:
                yield self._receipt(mail, result)
            else:
                yield failure_of(self.name, result.error, mail, handed_over=True)

    def _courier(self, session: Any, seconds: Callable[[int], float | None]) -> Courier:
        def reopen(deadline: Deadline) -> None:
            client.establish(session, self._server, deadline)

        return Courier(
            session,
            self._server,
            reopen=reopen if session in self._own else None,
            max_emails=self._max_emails,
            seconds=seconds,
        )

    def _receipt(self, mail: Outgoing, result: Result) -> Receipt:
        return self.accepted(
            mail, response=str(result.reply), refused=result.refused, attempts=result.attempts
        )

    def _seconds(self, octets: int) -> float:
        """Return how long one message of its own may take, with the connection."""
        return self._deadline or max(_DEADLINE, self._server.timeout) + octets // _SLOWEST

    def _is_fit(self, session: Any) -> bool:
        """Whether a session can carry messages of others."""
        link = session.file
        if session not in self._own or lending.was_used(session) or not isinstance(link, Link):
            return False
        is_full = self._max_emails is not None and link.messages >= self._max_emails
        return not is_full and link.settle is None and not link.is_stale()

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


def _spent(session: Any) -> float:
    """Return how many seconds it took to open a session, once."""
    link, spent = session.file, 0.0
    if isinstance(link, Link):
        spent, link.spent = link.spent, 0.0
    return spent


def _read(key: str, value: object) -> Any:
    return convert(key, BY_KEY[key].read, value)


def default_port(use_ssl: bool) -> int:
    """Return the port where none is set."""
    return 465 if use_ssl else 25


def _check_login(username: str | None, password: Secret | None, token: Token | None) -> None:
    if password is not None and token is not None:
        raise ConfigurationError("MAIL_PASSWORD and MAIL_OAUTH2_TOKEN are both set: keep one.")
    secret = token or password
    if username is None and secret is not None:
        raise ConfigurationError(
            f"{secret.setting} is set and MAIL_USERNAME is not: set both to log in, or neither."
        )
    if username is not None and secret is None:
        raise ConfigurationError(
            "MAIL_USERNAME is set and MAIL_PASSWORD is not, nor is MAIL_OAUTH2_TOKEN: set one of"
            " these two to log in, or unset MAIL_USERNAME."
        )
    if username is None or secret is None:
        return
    if _NOT_IN_A_NAME.search(username) or secret.is_impossible:
        both = (
            "MAIL_USERNAME and MAIL_PASSWORD must be Unicode text without NUL"
            if token is None
            else "MAIL_USERNAME must be Unicode text without NUL and U+0001, and MAIL_OAUTH2_TOKEN"
            f" {token.must_be}"
        )
        raise ConfigurationError(f"{both}; one of them is not, and may have been decoded wrongly.")


def is_loopback(server: str) -> bool:
    try:
        return ipaddress.ip_address(server).is_loopback
    except ValueError:
        return server.lower() == "localhost"
