"""TLS contexts, which verify certificates unless that is turned off."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..util.locks import ForkSafeLock

_log = logging.getLogger("flask_mail")

File = str | os.PathLike[str]


class ClientTLS:
    """TLS context of the settings ``MAIL_TLS_...``, made again when its sources change.

    Certificates are renewed on disk while a worker runs, and gevent replaces
    :class:`ssl.SSLContext` with its own class, which its sockets need.

    :raises ConfigurationError: a file is not of the kind that its setting requires.
    """

    def __init__(
        self,
        *,
        verify: bool = True,
        ca_file: File | None = None,
        cert_file: File | None = None,
        key_file: File | None = None,
    ) -> None:
        self._verify = verify
        self._ca_file = ca_file
        self._cert_file = cert_file
        self._key_file = key_file
        self._lock = ForkSafeLock()
        self._made_of = self._sources()
        self._context = self._made()

    @property
    def verify_mode(self) -> ssl.VerifyMode:
        """Verification mode of certificates."""
        return self._context.verify_mode

    def context(self) -> ssl.SSLContext:
        """Return the context for a new connection."""
        with self._lock():
            sources = self._sources()
            if sources != self._made_of:
                try:
                    self._context, self._made_of = self._made(), sources
                except ConfigurationError as error:
                    if sources[0] is not self._made_of[0]:
                        raise
                    # A key is renewed after its certificate: keep sending in between.
                    _log.warning("%s Using the previous one.", error)
            return self._context

    def _sources(self) -> tuple[Any, ...]:
        """Return the state that the context depends on."""
        ca_file = self._ca_file or ssl.get_default_verify_paths().cafile
        files = (ca_file, self._cert_file, self._key_file)
        return (ssl.SSLContext, *(each and _state_of(each) for each in files))

    def _made(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
        except (OSError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"MAIL_TLS_CA_FILE cannot be read as certificates (PEM): {error}."
            ) from error
        if self._cert_file is not None:
            try:
                # With a password, even an empty one, OpenSSL does not prompt for one.
                context.load_cert_chain(self._cert_file, self._key_file, password="")
            except (OSError, TypeError, ValueError) as error:
                raise ConfigurationError(
                    "MAIL_TLS_CERT_FILE and MAIL_TLS_KEY_FILE cannot be read as a certificate and"
                    f" its key (PEM, not encrypted): {error}."
                ) from error
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _state_of(file: File) -> tuple[int, int, int] | None:
    try:
        found = Path(file).stat()
    except (OSError, TypeError, ValueError):
        return None  # reading it says why
    return found.st_mtime_ns, found.st_size, found.st_ino


def wrapped(context: ssl.SSLContext, sock: socket.socket, **how: Any) -> ssl.SSLSocket:
    """Return ``context.wrap_socket(sock, **how)``; if that fails, leave nothing open.

    In older CPythons, if the peer resets the connection at that moment, the new socket stays open
    for as long as the error is referenced.
    """
    try:
        return context.wrap_socket(sock, **how)
    except BaseException as error:
        traceback = error.__traceback__
        while traceback is not None:
            made = traceback.tb_frame.f_locals.get("self")
            if isinstance(made, ssl.SSLSocket):
                made.close()
            traceback = traceback.tb_next
        raise
