"""A Flask-Mail backend that sends from mailboxes of Microsoft 365, by Microsoft Graph."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Final

from flask_mail.backends import (
    Backend,
    BackendUnavailable,
    ConfigurationError,
    DeliveryError,
    Feature,
    MessageRefused,
    Outgoing,
    Receipt,
    Secret,
)
from flask_mail.backends.http import Answer, HttpBackend, Request

from .payload import path_of, payload_of
from .tokens import Tokens, authority_of

__all__ = ["GraphBackend"]

_HOST: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_MAILBOX: Final = re.compile(r"[^@\s]+@[^@\s]+|[0-9a-fA-F-]{36}")


class GraphBackend(HttpBackend):
    """Send messages in fields from a mailbox of Microsoft 365.

    :param tenant: the tenant: its id, or a domain such as ``contoso.onmicrosoft.com``.
    :param client_id: the id of the app that is registered in Entra.
    :param client_secret: a client secret of that app.
    :param token: a function that returns a valid access token, in place of the three.
    :param mailbox: the mailbox to send from: its address or id; that of the sender by default.
    :param save_to_sent_items: put a copy into the folder of sent mail.
    :param host: the host of Graph, such as ``graph.microsoft.us`` in a national cloud.
    :param url: another address of Graph; by default that of `host`.
    :param authority: another address of Entra, with the tenant; by default that of the cloud.
    """

    name = "graph"
    api_version = 1
    features = Backend.features - {
        *(Feature.ENVELOPE_SENDER, Feature.NO_BOUNCES, Feature.UNICODE_ADDRESSES)
    }
    max_size = 4_000_000
    """Octets per message, and per request: files of about 2.9 MB."""
    max_recipients = 500

    def __init__(
        self,
        *,
        tenant: str | None = None,
        client_id: str | None = None,
        client_secret: Secret | None = None,
        token: Secret | None = None,
        mailbox: str | None = None,
        save_to_sent_items: bool = True,
        host: str = "graph.microsoft.com",
        url: str | None = None,
        authority: str | None = None,
        **options: Any,
    ) -> None:
        if not _HOST.fullmatch(host):
            raise ConfigurationError(
                f"{self.setting('host')} must be the name of a host, such as graph.microsoft.us."
            )
        if mailbox is not None and not _MAILBOX.fullmatch(mailbox):
            raise ConfigurationError(
                f"{self.setting('mailbox')} must be the address or the id of a mailbox."
            )
        super().__init__(url=url or f"https://{host}", **options)
        self._mailbox, self._save = mailbox, save_to_sent_items
        self._token, self._client_secret = token, client_secret
        self._tokens: Tokens | None = None
        if token is not None:
            if (tenant, client_id, client_secret) != (None, None, None):
                raise ConfigurationError(
                    f"{self.setting('token')} replaces {self.setting('tenant')},"
                    f" {self.setting('client_id')} and {self.setting('client_secret')}: set it, or"
                    " the three."
                )
        elif tenant is None or client_id is None or client_secret is None:
            raise ConfigurationError(
                f"The graph backend needs {self.setting('tenant')}, {self.setting('client_id')} and"
                f" {self.setting('client_secret')}, or {self.setting('token')}."
            )
        elif find_spec("msal") is None:
            raise ConfigurationError(
                f"{self.setting('client_secret')} needs the library msal: pip install"
                f' "Flask-Mail-Graph[msal]". Or set {self.setting("token")}.'
            )
        else:
            self._tokens = Tokens(
                *(authority or authority_of(host, tenant), client_id, client_secret),
                scope=f"https://{host}/.default",
                timeout=options.get("timeout", 20.0),
            )

    def request(self, mail: Outgoing) -> Request:
        request = Request(
            path_of(self._mailbox or mail.sender),
            payload_of(mail, self.unsupported, save=self._save),
            {"Authorization": f"Bearer {self._bearer()}"},
        )
        if len(request.body) > self.max_size:
            raise self.unsupported(f"messages of more than {self.max_size} octets in JSON")
        return request

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        number = 0 if self._tokens is None else self._tokens.number
        try:
            return super().deliver(mail, session)
        except BackendUnavailable as error:
            if not error.response.startswith("401"):
                raise
        # The token was rejected, so nothing was accepted: once more, with a new one.
        if self._tokens is not None:
            self._tokens.forget(number)
        try:
            return replace(super().deliver(mail, session), attempts=2)
        except DeliveryError as error:
            error.attempts = 2
            raise

    def outcome(self, mail: Outgoing, answer: Answer) -> Receipt:
        if answer.status != 202:
            raise ValueError("it is not 202")
        return self.accepted(mail, response=f"request {answer.headers.get('request-id', '')}")

    def failure(self, mail: Outgoing, answer: Answer) -> DeliveryError:
        if answer.find("error", "code") == "ErrorSendAsDenied":  # a mistake in From, not a login
            return self.error(MessageRefused, answer=answer)
        return super().failure(mail, answer)

    def _bearer(self) -> str:
        if self._tokens is not None:
            return self._tokens.token(self.setting)
        assert self._token is not None  # noqa: S101 (one of the two is set)
        return self._token.reveal()
