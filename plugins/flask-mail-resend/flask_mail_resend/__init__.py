"""A Flask-Mail backend that sends through the API of Resend."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from flask_mail.backends import (
    IN_FIELDS,
    BackendUnavailable,
    DeliveryError,
    DeliveryEvent,
    DeliveryUnknown,
    EventsRefused,
    EventsSecret,
    Feature,
    MessageRefused,
    Outgoing,
    Receipt,
    Secret,
    verify_webhook,
)
from flask_mail.backends.http import Answer, HttpBackend, Request

from .events import event_of
from .payload import key_of, payload_of

__all__ = ["ResendBackend"]

_INVALID_KEY: Final = "API key is invalid"
"""The text of an answer of 400, which otherwise means that the message is invalid."""


class ResendBackend(HttpBackend):
    """Send messages in fields through the API of Resend.

    :param key: an API key that may send, such as ``re_...``.
    :param events_secret: the signing secret of a webhook, such as ``whsec_...``, or a list of
        several; without it, no events are received.
    :param url: another address of the service.
    """

    name = "resend"
    api_version = 1
    features = IN_FIELDS | {Feature.TAGS, Feature.METADATA}
    max_size = 40_000_000
    """Octets per message; the limit of Resend is for attachments in base64."""
    max_recipients = 50
    deduplicates = 86400.0
    url_parts = {"username": "key"}  # noqa: RUF012 (read, never changed)

    def __init__(
        self,
        *,
        key: Secret,
        events_secret: EventsSecret | None = None,
        url: str = "https://api.resend.com",
        **options: Any,
    ) -> None:
        super().__init__(url=url, **options)
        self._key = key
        self._events_secret = events_secret

    def request(self, mail: Outgoing) -> Request:
        payload = payload_of(mail, self.unsupported)
        return Request(
            "/emails",
            payload,
            {
                "Authorization": f"Bearer {self._key.reveal()}",
                "Idempotency-Key": key_of(mail, payload),
            },
        )

    def outcome(self, mail: Outgoing, answer: Answer) -> Receipt:
        return self.accepted(mail, response=answer.require("id"))

    def failure(self, mail: Outgoing, answer: Answer) -> DeliveryError:
        name = answer.find("name")
        if answer.status == 400 and answer.find("message") == _INVALID_KEY:
            return self.error(BackendUnavailable, "login", answer=answer)
        if answer.status == 403 and name == "validation_error":
            # The domain of the sender is not verified, or an account without one may only write to
            # itself. Other messages of the same account may be sent, so it is not of the login.
            return self.error(BackendUnavailable, answer=answer)
        if name == "concurrent_idempotent_requests":
            # The request that is under way decides: only with the same key, which a queue uses, may
            # the message be sent again, and not by another mailer of a failover.
            return self.error(DeliveryUnknown, answer=answer)
        if name == "invalid_idempotent_request":
            advice = "A message with the same key and another content was sent within 24 hours."
            return self.error(DeliveryUnknown, answer=answer, advice=advice)
        if name == "security_error":  # with the status 451: Resend objects to the content
            return self.error(MessageRefused, answer=answer)
        return super().failure(mail, answer)

    def read_events(self, headers: Mapping[str, str], body: bytes) -> Iterable[DeliveryEvent]:
        if self._events_secret is None:
            raise EventsRefused(f"{self.setting('events_secret')} is not set.")
        number = verify_webhook(self._events_secret, headers, body)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise EventsRefused("It is not an event of Resend.", status=400)
        return [event_of(number, found, mailer=self.mailer, backend=self.name)]
