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
    :param options: the options of MSAL's client: its id, and the URL of Entra with the tenant.
    :raises ConfigurationError: MSAL is missing.
    """

    def __init__(
        self, secret: Secret, scope: str, timeout: float, settings: str, **options: str
    ) -> None:
        if find_spec("msal") is None:
            raise ConfigurationError(
                f'{secret.setting} needs the library msal: pip install "Flask-Mail-Graph[msal]".'
            )
        self._secret, self._scope, self._timeout = secret, scope, timeout
        self._settings, self._options = settings, options
        # By process: a child must not share the connection to Entra, and a thread of its parent may
        # have a lock, also one of MSAL, for ever. And by secret, which may be replaced.
        self._locks: dict[int, threading.Lock] = {}
        self._clients: dict[tuple[int, Secret], Any] = {}

    def token(self) -> str:
        """Return a valid token.

        :raises BackendUnavailable: Entra gave none, or cannot be reached.
        """
        secret, token = self._secret.current(), ""
        lock = self._locks.setdefault(os.getpid(), threading.Lock())
        # Threads that start together need one token. If Entra is silent, they wait for the first of
        # them, but not for each other.
        is_alone = lock.acquire(timeout=self._timeout)
        try:
            answer = self._client(secret).acquire_token_for_client([self._scope])
            token, fault = answer.get("access_token", ""), answer.get("error", "it sent none")
            del answer  # which may repeat the secret: tracebacks show variables
        except Exception as error:  # noqa: BLE001 (of requests, or of MSAL for a wrong tenant)
            fault = type(error).__name__
        finally:
            if is_alone:
                lock.release()
        if not token:  # raised here, where the frames of MSAL are gone: they have the secret
            raise BackendUnavailable(
                f"No access token for Microsoft Graph: {fault}. Check {self._settings}.",
                stage="login",
            )
        return str(token)

    def forget(self) -> None:
        """Let the next token be a new one."""
        self._clients.clear()

    def _client(self, secret: Secret) -> Any:
        found = self._clients.get((os.getpid(), secret))
        if found is None:
            import msal

            found = msal.ConfidentialClientApplication(
                client_credential=secret.reveal(),
                timeout=self._timeout,
                # The authority is a setting, so no other server has to confirm it.
                instance_discovery=False,
                **self._options,
            )
            self._clients = {(os.getpid(), secret): found}
        return found
