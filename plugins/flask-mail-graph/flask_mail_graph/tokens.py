"""Access tokens of Entra, for a client and its secret, by MSAL."""

from __future__ import annotations

import os
import threading
from importlib.util import find_spec
from typing import Any

from flask_mail.backends import BackendUnavailable, ConfigurationError, Secret


class Tokens:
    """Tokens of one client, which MSAL keeps until they expire.

    :param scope: what they are for, such as ``https://graph.microsoft.com/.default``.
    :param timeout: seconds for a request to Entra, and to wait for that of another thread.
    :param settings: the settings to check, for errors.
    :param client: the options of the client: its id, and the URL of Entra with the tenant.
    :raises ConfigurationError: MSAL is missing.
    """

    def __init__(
        self, secret: Secret, scope: str, timeout: float, settings: str, **client: Any
    ) -> None:
        if find_spec("msal") is None:
            raise ConfigurationError(
                f'{secret.setting} needs the library msal: pip install "Flask-Mail-Graph[msal]".'
            )
        self._secret, self._scope, self._timeout = secret, scope, timeout
        self._settings, self._options = settings, client
        # By process: a child must not share the connection to Entra, and a thread of its parent may
        # have a lock, also one of MSAL, for ever.
        self._locks: dict[int, threading.Lock] = {}
        self._clients: dict[int, tuple[Secret, Any]] = {}

    def token(self) -> str:
        """Return a valid token.

        :raises BackendUnavailable: Entra gave none, or cannot be reached.
        """
        # The frames of MSAL are gone when the error is raised: they have the secret.
        token, fault = self._acquire(self._secret.current())
        if fault:
            raise BackendUnavailable(
                f"No access token for Microsoft Graph: {fault}. Check {self._settings}.",
                stage="login",
            )
        return token

    def forget(self) -> None:
        """Let the next token be a new one."""
        self._clients.pop(os.getpid(), None)

    def _acquire(self, secret: Secret) -> tuple[str, str]:
        """Return a token and an empty string, or an empty string and the fault."""
        lock = self._locks.setdefault(os.getpid(), threading.Lock())
        # Threads that start together need one token. If Entra is silent, they wait for the first of
        # them, but not for each other.
        is_alone = lock.acquire(timeout=self._timeout)
        try:
            answer = self._client(secret).acquire_token_for_client([self._scope])
        except Exception as error:  # noqa: BLE001 (of requests, or of MSAL for a wrong tenant)
            return "", type(error).__name__
        finally:
            if is_alone:
                lock.release()
        token = str(answer.get("access_token", ""))
        return token, "" if token else str(answer.get("error", "an answer without one"))

    def _client(self, secret: Secret) -> Any:
        """Return the client of this process: another one if the secret has been replaced."""
        used, client = self._clients.get(os.getpid(), (None, None))
        if used != secret:
            import msal

            client = msal.ConfidentialClientApplication(
                client_credential=secret.reveal(),
                timeout=self._timeout,
                # The authority is a setting, so no other server has to confirm it.
                instance_discovery=False,
                **self._options,
            )
            self._clients[os.getpid()] = secret, client
        return client
