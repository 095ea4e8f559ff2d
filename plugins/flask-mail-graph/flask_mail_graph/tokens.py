"""Access tokens of Entra, for a client and its secret, by MSAL."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Final

from flask_mail.backends import BackendUnavailable, Secret

_AUTHORITIES: Final = {
    "graph.microsoft.us": "https://login.microsoftonline.us",
    "dod-graph.microsoft.us": "https://login.microsoftonline.us",
    "microsoftgraph.chinacloudapi.cn": "https://login.chinacloudapi.cn",
}


def authority_of(host: str, tenant: str) -> str:
    """Return the URL of Entra for a tenant in the cloud of a host of Graph."""
    return f"{_AUTHORITIES.get(host, 'https://login.microsoftonline.com')}/{tenant}"


class Tokens:
    """Tokens of one client, kept until they expire.

    :param authority: the URL of Entra, with the tenant.
    :param scope: what they are for, such as ``https://graph.microsoft.com/.default``.
    """

    def __init__(
        self, authority: str, client_id: str, secret: Secret, scope: str, timeout: float
    ) -> None:
        self._authority, self._client_id, self._secret = authority, client_id, secret
        self._scope, self._timeout = scope, timeout
        # By process: a thread of its parent may have the lock for ever, and must not share the
        # connection to Entra.
        self._locks: dict[int, threading.Lock] = {}
        self._clients: dict[int, tuple[Secret, Any]] = {}
        self._given = ""
        self.number = 0
        """The number of tokens that it has got."""

    def token(self, setting: Callable[[str], str]) -> str:
        """Return a valid token.

        :param setting: returns the setting of an option, for errors.
        :raises BackendUnavailable: Entra gave none, or cannot be reached.
        """
        secret = self._secret.current()
        # Its frames are gone when the error is raised: they have the secret and the token.
        fault = self._acquire(secret)
        if fault:
            raise BackendUnavailable(
                f"No access token for Microsoft Graph: {fault}. Check {setting('tenant')},"
                f" {setting('client_id')} and {setting('client_secret')}.",
                stage="login",
            )
        return self._given

    def forget(self, number: int) -> None:
        """Let the next token be a new one, unless another thread has got one since `number`."""
        if number == self.number:
            self._clients.pop(os.getpid(), None)

    def _acquire(self, secret: Secret) -> str:
        """Get a token, or return what is wrong."""
        lock = self._locks.setdefault(os.getpid(), threading.Lock())
        # One request, not one of each thread; but they do not wait for each other's in turn.
        if not lock.acquire(timeout=self._timeout):
            return "another thread waits for one"
        try:
            answer = self._client(secret).acquire_token_for_client([self._scope])
        except Exception as error:  # noqa: BLE001 (of requests, or of MSAL for a wrong tenant)
            return type(error).__name__
        else:
            return self._taken(answer)
        finally:
            lock.release()

    def _taken(self, answer: Any) -> str:
        """Keep the token in an answer, or return what is wrong."""
        if "access_token" not in answer:
            return str(answer.get("error", "an answer without one"))
        if answer["access_token"] != self._given:
            self._given = str(answer["access_token"])
            self.number += 1
        return ""

    def _client(self, secret: Secret) -> Any:
        """Return the client of this process: another one if the secret has been replaced."""
        used, client = self._clients.get(os.getpid(), (None, None))
        if used != secret:
            client = self._new_client(secret)
            self._clients[os.getpid()] = secret, client
        return client

    def _new_client(self, secret: Secret) -> Any:
        import msal

        return msal.ConfidentialClientApplication(
            self._client_id,
            authority=self._authority,
            client_credential=secret.reveal(),
            timeout=self._timeout,
            # The authority is a setting, so no other server has to confirm it.
            instance_discovery=False,
        )
