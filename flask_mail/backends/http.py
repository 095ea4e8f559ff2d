"""Base class of backends that send with the HTTP interface of a service."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, final

from ..errors import BackendUnavailable, DeliveryError, DeliveryUnknown, MailError
from ..receipt import Refusal
from ..smtp.deadline import Deadline
from ..smtp.dialing import is_interruption
from ..smtp.tls import ClientTLS
from ..util.clocks import waited
from ..util.secret import Secret, Secrets
from .base import Backend
from .http_json import Base64
from .http_options import check_limits, read_url, signature_of
from .http_outcomes import broken, kind_of, reason_in
from .http_pool import HttpPool
from .http_values import Answer, Request
from .http_wire import CannotConnect, Place, connect
from .options import secrets_of
from .time_limits import seconds_to_transfer, shortest_deadline

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing
    from ..receipt import Receipt
    from .values import ProbeStep

__all__ = ["Answer", "Base64", "HttpBackend", "Request"]


class HttpBackend(Backend[None]):
    """Sends each message as one request by HTTP/1.1.

    Subclasses implement :meth:`request` and :meth:`outcome`. Connections are kept for further
    messages, by process. Redirects are not followed, proxies of the environment not used, and
    certificates always verified. No request is repeated, except as :meth:`renew_login` says.

    A constructor with ``**options`` as its last parameter, which it passes on, has the options of
    its base class too.

    :param url: URL of the service. ``https://``; ``http://`` only on this machine.
    :param timeout: seconds to connect, for the TLS handshake, for progress in writing, and for the
        answer.
    :param deadline: seconds for a message as a whole; by default 20, or `timeout` if it is longer,
        and more for large messages.
    :param pool_size: maximum number of idle connections of a process.
    :raises ConfigurationError: an option is not valid.
    """

    def __init__(
        self,
        *,
        url: str,
        timeout: float = 20.0,
        deadline: float | None = None,
        pool_size: int = 2,
    ) -> None:
        self._host, port, is_encrypted, self._path = read_url(self.setting("url"), url)
        check_limits(self.setting, timeout, deadline, pool_size)
        usual = 443 if is_encrypted else 80
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self._authority = shown if port in (None, usual) else f"{shown}:{port}"
        tls = ClientTLS(alpn="http/1.1") if is_encrypted else None
        self._place = Place(self._host, port or usual, tls, timeout)
        self._deadline = deadline
        self._pool = HttpPool(pool_size)

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        own = vars(cls).get("__init__")
        if own is not None:
            cls.__signature__ = signature_of(cls, own)  # type: ignore[attr-defined]

    @abstractmethod
    def request(self, mail: Outgoing) -> Request:
        """Return the request that sends `mail`. Subclasses implement this.

        Nothing was sent yet, so it may refuse the message: ``raise self.unsupported(...)``.
        """

    @abstractmethod
    def outcome(self, mail: Outgoing, answer: Answer) -> Receipt:
        """Return the receipt for an answer with a status of 2xx. Subclasses implement this.

        Usually ``self.accepted(mail, response=answer.json()["id"])``. Any exception other than a
        :class:`.DeliveryError` means that the answer is not the one that was expected, so that the
        outcome is unknown.
        """

    def failure(self, mail: Outgoing, answer: Answer) -> DeliveryError:
        """Return the error for an answer with any other status.

        401 and 403: the login was rejected; 400, 413, 415 and 422: the message was refused; 404,
        405, 429, and 503 with Retry-After: nothing was accepted; otherwise it is unknown. Override
        this for a service whose answers say more, and call :meth:`error` or ``super()``.
        """
        return self.error(*kind_of(answer), answer=answer)

    def renew_login(self) -> bool:
        """Forget the access token that the service answered with 401, and return True.

        The message is then tried once more, in what is left of its deadline; :meth:`request` gets a
        new token. By default, nothing is forgotten, and False returned: it is not tried again.
        """
        return False

    @final
    def error(
        self,
        kind: type[DeliveryError],
        stage: str = "accept",
        *,
        answer: Answer,
        advice: str = "",
        refused: Mapping[str, Refusal] | None = None,
    ) -> DeliveryError:
        """Return an error for an answer, with what the service says.

        :param kind: its class, such as :class:`.BackendUnavailable`.
        :param stage: ``"login"`` if the account is at fault, so that a ``failover`` lets it rest.
        :param advice: what to do, as a sentence.
        :param refused: the recipients that were refused, if they are known.
        """
        reason = reason_in(answer)
        said = f"{answer.status} {reason}".rstrip(" .")
        if not advice and (stage == "login" or not reason):
            advice = self._advice(answer, stage)
        if kind is DeliveryUnknown:
            did = "did not say if it accepted the message"
        elif stage == "login":
            did = "rejected the login"
        elif kind is BackendUnavailable:
            did = "did not accept the message"
        else:
            did = "refused the message"
        return kind(
            f"{self._host} {did}: {said}. {advice}".rstrip(),
            stage=stage,
            response=said,
            refused=refused,
            retry_after=answer.retry_after() if issubclass(kind, BackendUnavailable) else None,
        )

    @property
    def place(self) -> str:
        """The service and the setting of its URL, for errors of a connection."""
        return f"{self._host} ({self.setting('url')})"

    @property
    def server_address(self) -> tuple[str, int]:
        return self._place.host, self._place.port

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        deadline = Deadline(self.time_limit(mail) - waited.get())
        request = self._request_for(mail)
        answer = self.exchange(request, deadline)
        if answer.status != 401 or not self._is_renewed(request, answer):
            return self._receipt(mail, request, answer)
        try:
            request = self._request_for(mail)
            receipt = self._receipt(mail, request, self.exchange(request, deadline))
            return replace(receipt, attempts=2)
        except DeliveryError as error:
            error.attempts = 2
            raise

    def _is_renewed(self, request: Request, answer: Answer) -> bool:
        try:
            return self.renew_login()
        except Exception as error:  # noqa: BLE001 (401 proves that nothing was accepted)
            why = self._redacted(f"{type(error).__name__}: {error}".rstrip(": ."), request)
        advice = f"renew_login() raised {why}."
        problem = self.error(BackendUnavailable, "login", answer=answer, advice=advice)
        raise self._outcome_of(problem, request, answer)

    @final
    def exchange(self, request: Request, deadline: Deadline) -> Answer:
        """Send one request, and return the answer of whatever status.

        :raises BackendUnavailable: there was no connection, or the request was not completed.
        :raises DeliveryUnknown: there was no valid answer.
        """
        try:
            wire = self._pool.take() or self._connected(deadline)
        except CannotConnect as failed:
            stage, problem = failed.stage, failed.error
        else:
            stage = "data"
            head = request.head(self._path, self._authority)
            try:
                answer = wire.exchange(head, request.body, request.method, deadline)  # type: ignore[arg-type]
                return answer.without(request.secrets())
            except (OSError, HTTPException) as error:
                if is_interruption(error):
                    raise
                problem = error
                stage = "accept" if wire.is_complete else "data"
            finally:
                # Also if a signal handler raised.
                self._pool.give(wire)
        raise broken(self._host if stage in ("data", "accept") else self.place, stage, problem)

    def time_limit(self, mail: Outgoing) -> float:
        default = shortest_deadline(self._place.timeout) + seconds_to_transfer(mail.size)
        return self._deadline or default

    def probe(self, sender: str | None = None) -> Iterator[ProbeStep]:
        from .http_probe import probe

        return probe(self._place)

    def shut_down(self) -> None:
        self._pool.close()

    def stats(self) -> dict[str, int]:
        """Return the numbers of opened, reused, closed and idle connections."""
        return self._pool.counts()

    def _connected(self, deadline: Deadline) -> Any:
        wire = connect(self._place, deadline)
        self._pool.count("opened")
        return wire

    def _request_for(self, mail: Outgoing) -> Request:
        is_login = False
        try:
            request = self.request(mail).current()
            fault, is_login = request.fault()
            if not fault:
                return request
        except MailError:
            raise
        except Exception as error:  # noqa: BLE001 (nothing was sent)
            fault = f"{type(error).__name__}: {self._redacted(str(error))}"
        raise BackendUnavailable(
            f"The {self.name} backend could not make the request: {fault.rstrip('.')}.",
            stage="login" if is_login else "data",
        )

    def _receipt(self, mail: Outgoing, request: Request, answer: Answer) -> Receipt:
        problem: Exception
        try:
            if 200 <= answer.status < 300 and not answer.is_early:
                return self.outcome(mail, answer)
            problem = self.failure(mail, answer)
        except Exception as error:  # noqa: BLE001 (see its outcome)
            problem = error
        problem = self._outcome_of(problem, request, answer)  # its frame would show the other one
        raise problem

    def _outcome_of(self, problem: Exception, request: Request, answer: Answer) -> DeliveryError:
        if not isinstance(problem, DeliveryError):
            # Also one of Flask-Mail, such as MessageError, which would mean that nothing was sent.
            problem = DeliveryUnknown(
                f"{self._host} answered {answer.status}, but not as expected"
                f" ({type(problem).__name__}: {problem}), so it is unknown if the message was"
                " accepted.",
                stage="accept",
                response=f"{answer.status} {reason_in(answer)}".rstrip(),
            )
        if answer.is_early and isinstance(problem, DeliveryUnknown):
            problem = BackendUnavailable(
                f"{self._host} answered {answer.status} before it got the whole request, so nothing"
                " was sent.",
                stage="data",
                response=problem.response,
                retry_after=answer.retry_after(),
            )
        problem.args = (self._redacted(str(problem), request), *problem.args[1:])
        problem.response = self._redacted(problem.response, request)
        problem.refused = {
            address: each._replace(text=self._redacted(each.text, request))
            for address, each in problem.refused.items()
        }
        return problem

    def _redacted(self, text: str, request: Request | None = None) -> str:
        secrets = Secrets()
        for each in self._secrets(request):
            secrets.add(each)
        return secrets.redact(text)

    def _secrets(self, request: Request | None) -> Iterator[Secret]:
        yield from (each for each in vars(self).values() if isinstance(each, Secret))
        if request is not None:
            yield from request.secrets()

    def _advice(self, answer: Answer, stage: str) -> str:
        if stage != "login":
            return f"Check {self.setting('url')}." if answer.status in (404, 405) else ""
        keys = [each for each in secrets_of(type(self)) if each != self.events_option]
        settings = " and ".join(map(self.setting, keys))
        return f"Check {settings}." if settings else "Check the key."
