"""The errors of Flask-Mail.

::

    MailError
    ├─ ConfigurationError             (ValueError)
    │   ├─ BackendNotFound            (LookupError)
    │   └─ MailerNotFound             (LookupError)
    ├─ MessageError                   (ValueError) nothing was sent
    │   ├─ BadHeaderError
    │   ├─ UnsupportedFeature
    │   └─ NoRecipients, NoSender     (AssertionError)
    ├─ EventsRefused                  .status
    └─ DeliveryError                  .receipt .stage .response .refused
        ├─ BackendUnavailable         NOT_SENT: may be retried
        ├─ MessageRefused             REFUSED: never retry
        └─ DeliveryUnknown            UNKNOWN: only a person may retry
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .receipt import Receipt, Refusal


OPENING = ("connect", "greeting", "tls", "login")
"""The stages of a :class:`DeliveryError` at which no message was involved yet."""


class MailError(Exception):
    """Base class of the errors that Flask-Mail raises."""

    _is_public = True
    """True if the text contains no secret, so a receipt may repeat it."""


class ConfigurationError(MailError, ValueError):
    """A setting is missing, unknown, contradictory or of the wrong kind.

    Names the setting, never its value.
    """


class BackendNotFound(ConfigurationError, LookupError):
    """No installed backend has the requested name; lists those that are installed."""


class MailerNotFound(ConfigurationError, LookupError):
    """``MAIL_MAILERS`` has no mailer of the requested name; lists those that it has."""


class MessageError(MailError, ValueError):
    """The message is invalid; nothing was sent."""


class BadHeaderError(MessageError):
    """A header, address, file name or option contains a newline or another control character."""


class UnsupportedFeature(MessageError):
    """The backend does not support a feature of the message; it is never dropped silently."""


class NoRecipients(MessageError, AssertionError):
    """The message has no recipient. An AssertionError too, as 0.10 raised."""


class NoSender(MessageError, AssertionError):
    """Neither the message nor the configuration names a sender. An AssertionError too."""


class EventsRefused(MailError):
    """A request with events was not sent by the service, or is not valid. No receiver gets it.

    :param message: one sentence with the reason, without a secret.
    :param status: the status code of the answer. 401: it is not signed; 400: it cannot be read;
        5xx: a valid signature cannot be verified now, so that the service sends it again.
    """

    def __init__(self, message: str = "", *, status: int = 401) -> None:
        super().__init__(message)
        self.status = status


class DeliveryError(MailError):
    """A valid message was not delivered, or may not have been.

    :param message: one sentence: what happened and what to do.
    :param receipt: the outcome; set by :meth:`Backend.send` if the backend leaves it out.
        ``None`` only if no message was involved, as when a connection is opened beforehand.
    :param stage: connect, greeting, tls, login, sender, recipient, data or accept.
    :param response: the peer's reply, such as ``"550 5.1.1 no such user"``.
    :param refused: address -> :class:`Refusal`, for each recipient that was refused.
    :param attempts: number of attempts; 0 if it was refused before a server was contacted.
    :param retry_after: seconds after which the peer asked to try again; ``None`` if it did not.
    """

    receipt: Receipt | None
    stage: str
    response: str
    refused: dict[str, Refusal]
    attempts: int
    retry_after: float | None = None

    def __init__(
        self,
        message: str = "",
        *,
        receipt: Receipt | None = None,
        stage: str = "",
        response: str = "",
        refused: Mapping[str, Refusal] | None = None,
        attempts: int = 1,
        retry_after: float | None = None,
    ) -> None:
        # Not super(): smtplib's constructors take a reply code, an address, a dict of refusals.
        Exception.__init__(self, message)
        self.receipt = receipt
        self.stage = stage
        self.response = response
        self.refused = dict(refused or {})
        self.attempts = attempts
        self.retry_after = retry_after

    def __str__(self) -> str:
        # Several subclasses are OSErrors too, whose own __str__ prefers "[Errno n] text".
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # smtplib's and the OS's exceptions take other arguments than ours, so none of theirs
        # would rebuild an error that is both; queues (Celery, multiprocessing) pickle errors.
        # The state comes last because a receipt and its error refer to each other.
        return _bare, (type(self), self.args), self.__dict__


class BackendUnavailable(DeliveryError):
    """Nothing was accepted and a later attempt may succeed: connection, TLS, login, a 4xx reply."""


class MessageRefused(DeliveryError):
    """The peer rejected this message permanently: sending it again will not help."""


class DeliveryUnknown(DeliveryError):
    """No valid reply came after the last byte: the message may have been accepted."""


def attach(error: BaseException, name: str, value: object) -> None:
    """Set an attribute on an error of any class, so that receipts reach the caller."""
    try:
        object.__setattr__(error, name, value)  # bypasses a __setattr__ that refuses
    except Exception:  # noqa: BLE001 (whatever a read-only attribute of this name raises)
        vars(error)[name] = value


def name_mailer(error: BaseException, mailer: str) -> None:
    """Begin the text of an error of Flask-Mail with the name of a mailer, unless it names one.

    Backends name the flat settings, such as MAIL_SERVER, which are those of ``"default"``. A URL of
    several parts is named once: "the host in MAIL_URL and the port".
    """
    if not isinstance(error, (ConfigurationError, DeliveryError)):
        return
    text = before = str(error)
    for url in (" in MAIL_URL", f" in MAIL_MAILERS[{mailer!r}]"):
        first, _, rest = text.partition(url)
        if url in rest:
            text = first + url + rest.replace(url, "")
    is_named = text.startswith("Mailer '") or "MAIL_MAILERS[" in text
    if mailer not in ("", "default") and not is_named:
        text = f"Mailer {mailer!r}: {text}"
    if text != before:
        error.args = (text, *error.args[1:])


def _bare(cls: type[DeliveryError], args: tuple[object, ...]) -> DeliveryError:
    error: DeliveryError = cls.__new__(cls, *args)
    error.args = args
    return error
