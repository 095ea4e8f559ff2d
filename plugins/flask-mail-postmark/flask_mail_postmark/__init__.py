"""A Flask-Mail backend that sends through the API of Postmark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_mail.backends import (
    IN_FIELDS,
    BackendUnavailable,
    DeliveryError,
    DeliveryEvent,
    EventsRefused,
    EventsSecret,
    Feature,
    MessageRefused,
    Outgoing,
    Receipt,
    Secret,
    verify_basic_auth,
)
from flask_mail.backends.http import Answer, HttpBackend, Request

from .events import events_in
from .outcomes import ADVICE, INACTIVE, OF_ACCOUNT, OF_SENDER, inactive_in
from .payload import payload_of

__all__ = ["PostmarkBackend", "PostmarkOptions"]


@dataclass(frozen=True)
class PostmarkOptions:
    """The options of a message in ``message.options["postmark"]``.

    :param message_stream: the message stream for this message, such as ``"broadcast"``.
    """

    message_stream: str | None = None


class PostmarkBackend(HttpBackend):
    """Send messages in fields through the API of Postmark.

    :param token: the API token of a Postmark server.
    :param message_stream: the default message stream; Postmark's is ``outbound``.
    :param events_secret: ``user:password`` of the URL of a webhook, or a list of several; without
        it, no events are received.
    :param url: another address of the service.
    """

    name = "postmark"
    api_version = 1
    features = IN_FIELDS | {Feature.TAGS, Feature.METADATA}
    max_size = 10_000_000
    """Octets per message, with attachments."""
    max_recipients = 50
    message_options = PostmarkOptions
    url_parts = {"username": "token"}  # noqa: RUF012 (read, never changed)

    def __init__(
        self,
        *,
        token: Secret,
        message_stream: str | None = None,
        events_secret: EventsSecret | None = None,
        url: str = "https://api.postmarkapp.com",
        **options: Any,
    ) -> None:
        super().__init__(url=url, **options)
        self._token = token
        self._stream = message_stream
        self._events_secret = events_secret

    def request(self, mail: Outgoing) -> Request:
        payload = payload_of(mail, self.unsupported)
        stream = self.options_of(mail).message_stream or self._stream
        if stream is not None:
            payload["MessageStream"] = stream
        return Request("/email", payload, {"X-Postmark-Server-Token": self._token})

    def outcome(self, mail: Outgoing, answer: Answer) -> Receipt:
        code = answer.find("ErrorCode")
        if code not in ("", "0"):
            raise ValueError(f"its ErrorCode is {code}")
        refused = inactive_in(answer.find("Message"), mail.envelope.recipients)
        return self.accepted(mail, response=answer.require("MessageID"), refused=refused)

    def failure(self, mail: Outgoing, answer: Answer) -> DeliveryError:
        code = answer.find("ErrorCode")
        advice = ADVICE.get(code, "").format(stream=self.setting("message_stream"))
        if code == INACTIVE:
            recipients = mail.envelope.recipients
            # Without a name, it applies to all: the message was not sent to any of them.
            refused = inactive_in(answer.find("Message"), recipients) or inactive_in(
                ", ".join(recipients), recipients
            )
            return self.error(MessageRefused, answer=answer, refused=refused)
        if code in OF_ACCOUNT:
            return self.error(BackendUnavailable, "login", answer=answer, advice=advice)
        if code in OF_SENDER:
            # Other senders of the same account may send, so it is not of the login.
            return self.error(BackendUnavailable, answer=answer, advice=advice)
        return super().failure(mail, answer)

    def read_events(self, headers: Mapping[str, str], body: bytes) -> Iterable[DeliveryEvent]:
        if self._events_secret is None:
            raise EventsRefused(f"{self.setting('events_secret')} is not set.")
        verify_basic_auth(self._events_secret, headers)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise EventsRefused("It is not an event of Postmark.", status=400)
        return events_in(found)
