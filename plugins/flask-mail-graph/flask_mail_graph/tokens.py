"""Access tokens of Entra, for a client and its secret, by MSAL."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from flask_mail.backends import BackendUnavailable, ConfigurationError, Secret


class Tokens:
    """Tokens of one client, which MSAL keeps until they expire.

    :param authority: the URL of Entra, with the tenant.
    :param scope: what they are for, such as ``https://graph.microsoft.com/.default``.
    :raises ConfigurationError: MSAL is missing.
    """

    def __init__(
        self, authority: str, client_id: str, secret: Secret, scope: str, timeout: float
    ) -> None:
        if find_spec("msal") is None:
            raise ConfigurationError(
                f'{secret.setting} needs the library msal: pip install "Flask-Mail-Graph[msal]".'
            )
        self._authority, self._client_id, self._secret = authority, client_id, secret
        self._scope, self._timeout = scope, timeout
        # By process: a child must not share the connection to Entra, and a thread of its parent may
        # have a lock of MSAL for ever.
        self._clients: dict[int, tuple[Secret, Any]] = {}

    def token(self, settings: Callable[[], str]) -> str:
        """Return a valid token.

        :param settings: returns the settings to check, for errors.
        :raises BackendUnavailable: Entra gave none, or cannot be reached.
        """
        # The frames of MSAL are gone when the error is raised: they have the secret.
        token, fault = self._acquire(self._secret.current())
        if fault:
            raise BackendUnavailable(
                f"No access token for Microsoft Graph: {fault}. Check {settings()}.", stage="login"
            )
        return token

    def forget(self) -> None:
        """Let the next token be a new one."""
        self._clients.pop(os.getpid(), None)

    def _acquire(self, secret: Secret) -> tuple[str, str]:
        """Return a token and an empty string, or an empty string and the fault."""
        try:
            answer = self._client(secret).acquire_token_for_client([self._scope])
        except Exception as error:  # noqa: BLE001 (of requests, or of MSAL for a wrong tenant)
            return "", type(error).__name__
        token = str(answer.get("access_token", ""))
        return token, "" if token else str(answer.get("error", "an answer without one"))

    def _client(self, secret: Secret) -> Any:
        """Return the client of this process: another one if the secret has been replaced."""
        used, client = self._clients.get(os.getpid(), (None, None))
        if used != secret:
            import msal

            client = msal.ConfidentialClientApplication(
                self._client_id,
                authority=self._authority,
                client_credential=secret.reveal(),
                timeout=self._timeout,
                # The authority is a setting, so no other server has to confirm it.
                instance_discovery=False,
            )
            self._clients[os.getpid()] = secret, client
        return client
