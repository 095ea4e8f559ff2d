"""The smtp backend."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..config.converters import default_port
from ..delivery.sending import failure_of
from ..errors import BackendUnavailable
from ..receipt import Outcome, Receipt
from ..smtp import legacy
from ..smtp.borrowed import is_busy, was_used
from ..smtp.deadline import Deadline
from ..smtp.delivery import Delivery
from ..smtp.pool import Pool
from ..smtp.session import Server, drop, end
from ..smtp.sessions import ServerSessions, spent
from ..smtp.setting_names import SettingNames
from ..smtp.source import Item
from ..smtp.tls import ClientTLS
from ..util.clocks import waited
from ..util.secret import Password, Secret, Token
from .base import Backend
from .features import ORDINARY, Feature
from .smtp_legacy import send_by_legacy
from .smtp_rules import Options, check, implied_by_url, reader
from .time_limits import seconds_to_transfer, shortest_deadline

if TYPE_CHECKING:
    import smtplib

    from ..delivery.outgoing import Outgoing
    from ..smtp.parallel import Others
    from ..smtp.results import Result
    from .values import ProbeStep


NO_HOST = object()
"""Session of a connection whose host is None, or whose `configure_host` returned None, as 0.10
suppressed mail."""


class SmtpBackend(Backend["smtplib.SMTP"]):
    """Delivers over SMTP. A session is an :class:`smtplib.SMTP`, and is reconnected if it broke,
    provided that `open` made it."""

    name = "smtp"
    features = ORDINARY | {Feature.DELIVERY_OPTIONS, Feature.VERBATIM}
    option_prefix = "MAIL_"  # its settings are older than the other backends
    session_is_host = True  # programs assign another one, or None, to Connection.host
    url_parts = {"host": "server", "port": "port", "username": "username", "password": "password"}  # noqa: RUF012 (read, never changed)

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
        pool_size: int = 2,
        keepalive: float = 5.0,
        max_age: float = 300.0,
        max_emails: int | None = None,
        batch_connections: int = 1,
        max_connections: int | None = None,
        debug: bool = False,
    ) -> None:
        if password is not None:
            password = Password(password)
        if oauth2_token is not None and not isinstance(oauth2_token, Token):
            oauth2_token = Token(oauth2_token)
        names = SettingNames(self._key_of or self.setting_key)  # not `setting`: no cycle
        read = reader(names)
        tls = None
        if use_tls or use_ssl:
            tls = ClientTLS(
                verify=tls_verify,
                ca_file=tls_ca_file,
                cert_file=tls_cert_file,
                key_file=tls_key_file,
                names=names,
            )
        self._server = Server(
            host=read("server", server),
            port=read("port", port) if port else default_port(use_ssl),
            timeout=read("timeout", timeout),
            implicit_tls=use_ssl,
            starttls=use_tls,
            tls=tls,
            local_hostname=local_hostname,
            username=username,
            password=password,
            token=oauth2_token,
            pipelining=pipelining,
            chunking=chunking,
            max_age=read("max_age", max_age),
            debug=debug,
            names=names,
        )
        check(
            Options(
                self._server,
                verify=tls_verify,
                has_certificate=tls_cert_file is not None,
                has_key=tls_key_file is not None,
            )
        )
        self._deadline = deadline and read("deadline", deadline)
        self._shortest_deadline = shortest_deadline(self._server.timeout)
        self._max_emails = max_emails and read("max_emails", max_emails)
        self._batch_connections = read("batch_connections", batch_connections)
        self._pool = Pool(
            read("pool_size", pool_size),
            read("keepalive", keepalive),
            max_age=self._server.max_age,
            place=(server, self._server.port, username),
        )
        limit = max_connections and read("max_connections", max_connections)
        self._sessions = ServerSessions(self._server, self._pool, self._max_emails, limit)

    @classmethod
    def url_defaults(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        return implied_by_url(options)

    def __repr__(self) -> str:
        # A traceback may call it before the constructor is done.
        return f"<SmtpBackend {getattr(self, '_server', 'without a server')}>"

    @property
    def server(self) -> Server:
        """The server and how to connect to it, without the password."""
        return self._server

    @property
    def server_address(self) -> tuple[str, int]:
        return self._server.host, self._server.port

    def open(self) -> smtplib.SMTP:
        if legacy.is_replaced(self._server):
            return legacy.connect(self._server)  # type: ignore[no-any-return]
        return self._sessions.take(Deadline(self._seconds(0) - waited.get()))

    def share(self, session: Any, *, is_hidden: bool) -> None:
        """Let the program use the socket of a session or, if no program sees it, let a batch use
        other sessions beside it."""
        if legacy.is_genuine(session):
            self._sessions.share(session, is_hidden=is_hidden)

    def close(self, session: Any) -> None:
        try:
            is_fit = legacy.is_genuine(session) and self._sessions.is_fit(session)
            if not (is_fit and self._pool.give(session)):
                self.retire(session)
        except BaseException:  # from a signal handler
            drop(session)
            raise
        finally:
            self._sessions.notify()

    def retire(self, session: Any) -> None:
        if not legacy.is_genuine(session):
            legacy.end(session)
        else:
            end(session)
        self._sessions.notify()

    def abort(self, session: Any) -> None:
        drop(session)
        self._sessions.notify()

    def shut_down(self) -> None:
        self._pool.close()

    def stats(self) -> dict[str, int]:
        """Return the numbers of opened, reused, closed and idle connections."""
        return self._pool.counts()

    def time_limit(self, mail: Outgoing) -> float:
        return self._seconds(mail.size)

    def probe(self, sender: str | None = None) -> Iterator[ProbeStep]:
        from .smtp_probe import probe

        return probe(self, sender)

    def deliver(self, mail: Outgoing, session: Any) -> Receipt:
        if session is NO_HOST:
            return Receipt(mail.message_id, "null", Outcome.SENT)
        if session is None:
            raise BackendUnavailable(
                "The smtp backend needs a session: pass the one that open() returns."
            )
        if not legacy.is_genuine(session):
            return self.accepted(mail, refused=send_by_legacy(session, self._server, mail))
        if is_busy(session):
            with self._beside(session) as own:
                return self.deliver(mail, own)
        before = spent(session) + waited.get()
        courier = self._courier(session, lambda octets: self._seconds(octets) - before)
        (result,) = courier.carry([(mail.envelope, mail.octets)])
        if result.error is not None:
            raise result.error
        return self._receipt(mail, result)

    def deliver_many(self, mails: Iterable[Outgoing], session: Any) -> Iterator[Receipt]:
        if not legacy.is_genuine(session):
            yield from super().deliver_many(mails, session)
            return
        if is_busy(session):
            with self._beside(session) as own:
                yield from self.deliver_many(mails, own)
            return
        given: deque[Outgoing] = deque()

        def items() -> Iterator[Item]:
            for mail in mails:
                given.append(mail)
                yield mail.envelope, mail.octets

        spent(session)  # a batch has no deadline as a whole
        others = self._sessions.beside(session, self._batch_connections, self.close)
        courier = self._courier(session, lambda octets: self._deadline, others)
        for result in courier.carry(items()):
            mail = given.popleft()
            if result.error is None:
                yield self._receipt(mail, result)
            else:
                yield failure_of(self.name, result.error, mail, handed_over=True)

    @contextmanager
    def _beside(self, busy: Any) -> Iterator[Any]:
        """Open a second session while another one is in use, such as in a signal handler.

        :raises BackendUnavailable: the program opened the other one, maybe for another server or
            login.
        """
        if not self._sessions.owns(busy) or was_used(busy):
            raise BackendUnavailable(
                "The connection is in the middle of a message that a signal handler, a finalizer or"
                " a log handler has interrupted: open another connection there."
            )
        session = self.open()
        end = self.abort
        try:
            yield session
            end = self.close
        except Exception:
            end = self.close
            raise
        finally:
            end(session)

    def _courier(
        self,
        session: Any,
        seconds: Callable[[int], float | None],
        others: Others | None = None,
    ) -> Delivery:
        reopen = self._sessions.reopen(session) if self._sessions.owns(session) else None
        limits: Any = {"max_emails": self._max_emails, "seconds": seconds}
        if others is None:
            return Delivery(session, self._server, reopen=reopen, **limits)
        from ..smtp.parallel import ParallelDelivery

        return ParallelDelivery(session, self._server, reopen=reopen, others=others, **limits)

    def _receipt(self, mail: Outgoing, result: Result) -> Receipt:
        return self.accepted(
            mail, response=str(result.reply), refused=result.refused, attempts=result.attempts
        )

    def _seconds(self, octets: int) -> float:
        """Return the seconds that a single message may take, including the connection."""
        return self._deadline or self._shortest_deadline + seconds_to_transfer(octets)
