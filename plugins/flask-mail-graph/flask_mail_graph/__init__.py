"""A Flask-Mail backend that sends from mailboxes of Microsoft 365, by Microsoft Graph."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from flask_mail.backends import (
    IN_FIELDS,
    BackendUnavailable,
    ConfigurationError,
    DeliveryError,
    Outgoing,
    Receipt,
    Secret,
)
from flask_mail.backends.http import Answer, HttpBackend, Request

from .payload import payload_of
from .tokens import Tokens

__all__ = ["GraphBackend"]

_MAILBOX: Final = re.compile(r"[^@\s]+@[^@\s]+|[0-9a-fA-F-]{36}")
_OF_MAILBOX: Final = re.compile(
    "Error(AccountSuspend|Exceeded(Hourly)?MessageLimit|ExceededMaxRecipientLimit|QuotaExceeded"
    "|SubmissionQuotaExceeded|MessageSubmissionBlocked|MessageThrottled|MessageTransientError"
    "|MailboxMoveInProgress|MailboxStoreUnavailable|SendAsDenied)(ShowTierUpgrade)?"
)
"""Codes of Exchange for a mailbox that may not send at all, for now, or as this sender."""


class GraphBackend(HttpBackend):
    """Send messages in fields from a mailbox of Microsoft 365.

    :param tenant: the tenant: its id, or a domain such as ``contoso.onmicrosoft.com``.
    :param client_id: the id of the app that is registered in Entra.
    :param client_secret: a client secret of that app.
    :param token: a function that returns a valid access token, in place of the three.
    :param mailbox: the mailbox to send from: its address or id; that of the sender by default.
    :param save_to_sent_items: put a copy into the folder of sent mail.
    :param url: the address of Graph, such as ``https://graph.microsoft.us`` in a national cloud.
    :param authority: the address of Entra in a national cloud, with the tenant.
    """

    name = "graph"
    api_version = 1
    features = IN_FIELDS
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
        url: str = "https://graph.microsoft.com",
        authority: str | None = None,
        **options: Any,
    ) -> None:
        # It becomes a part of a path.
        if mailbox is not None and not _MAILBOX.fullmatch(mailbox):
            raise ConfigurationError(
                f"{self.setting('mailbox')} must be the address or the id of a mailbox."
            )
        super().__init__(url=url, **options)
        self._mailbox, self._save = mailbox, save_to_sent_items
        self._token, self._client_secret = token, client_secret  # hidden in errors
        needed = ("tenant", "client_id", "client_secret")
        settings = "{}, {} and {}".format(*map(self.setting, needed))
        if token is None and tenant and client_id and client_secret:
            tokens = Tokens(
                client_secret,
                scope=f"{url.rstrip('/')}/.default",
                timeout=options.get("timeout", 20.0),
                settings=settings,
                client_id=client_id,
                authority=authority or f"https://login.microsoftonline.com/{tenant}",
            )
            self._bearer, self._forget = tokens.token, tokens.forget
        elif token is not None and (tenant, client_id, client_secret) == (None, None, None):
            self._bearer, self._forget = token.reveal, lambda: None
        else:
            raise ConfigurationError(
                f"The graph backend needs {settings}, or {self.setting('token')} in place of them."
            )

    def request(self, mail: Outgoing) -> Request:
        # An address may have characters with a meaning in a URL, such as "/", "?" and "#": it must
        # not reach another resource of the tenant.
        mailbox = quote(self._mailbox or mail.sender, safe="")
        request = Request(
            f"/v1.0/users/{mailbox}/sendMail",
            payload_of(mail, self.unsupported, save=self._save),
            {"Authorization": f"Bearer {self._bearer()}"},
        )
        if len(request.body) > self.max_size:
            raise self.unsupported(f"messages of more than {self.max_size} octets in JSON")
        return request

    def renew_login(self) -> bool:
        self._forget()
        return True

    def outcome(self, mail: Outgoing, answer: Answer) -> Receipt:
        if answer.status != 202:
            raise ValueError("it is not 202")
        return self.accepted(mail, response=f"request {answer.headers.get('request-id', '')}")

    def failure(self, mail: Outgoing, answer: Answer) -> DeliveryError:
        if answer.status < 500 and _OF_MAILBOX.fullmatch(answer.find("error", "code")):
            # Another mailbox may send the message, so it is not of the login.
            return self.error(BackendUnavailable, answer=answer)
        return super().failure(mail, answer)
