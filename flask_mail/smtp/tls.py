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
from .setting_names import FLAT, SettingNames

_log = logging.getLogger("flask_mail")

File = str | os.PathLike[str]

# Reading the certificates of the system takes 20 ms and more, so all apps of a process with equal
# settings share a context. The oldest are dropped, because their files were renewed.
_MOST_CONTEXTS = 8
_contexts: dict[tuple[Any, ...], ssl.SSLContext] = {}
_lock = ForkSafeLock()


class ClientTLS:
    """TLS context of the settings ``MAIL_TLS_...``, made again when its sources change.

    Certificates are renewed on disk while a worker runs, and gevent replaces
    :class:`ssl.SSLContext` with its own class, which its sockets need.

    :param names: the settings, for errors.
    :param alpn: the application protocol, which a server of another one refuses (RFC 7301).
    :raises ConfigurationError: a file is not of the kind that its setting requires.
    """

    def __init__(
        self,
        *,
        verify: bool = True,
        ca_file: File | None = None,
        cert_file: File | None = None,
        key_file: File | None = None,
        alpn: str = "",
        names: SettingNames = FLAT,
    ) -> None:
        self._alpn = alpn
        self._names = names
        self._verify = verify
        self._ca_file = ca_file
        self._cert_file = cert_file
        self._key_file = key_file
        with _lock():
            self._made_of = self._sources()
            self._context = self._shared(self._made_of)

    @property
    def verify_mode(self) -> ssl.VerifyMode:
        """Verification mode of certificates."""
        return self._context.verify_mode

    def context(self) -> ssl.SSLContext:
        """Return the context for a new connection."""
        with _lock():
            sources = self._sources()
            if sources != self._made_of:
                try:
                    self._context, self._made_of = self._shared(sources), sources
                except ConfigurationError as error:
                    if sources[0] is not self._made_of[0]:
                        raise
                    # A key is renewed after its certificate: keep sending in between.
                    _log.warning("%s Using the previous one.", error)
            return self._context

    def _sources(self) -> tuple[Any, ...]:
        """Return everything that the context depends on."""
        of_system = ssl.get_default_verify_paths()
        # With a file of its own, those of the system are not read.
        ca_file, folder = self._ca_file, None
        if not ca_file:
            ca_file, folder = of_system.cafile, of_system.capath
        files = (ca_file, self._cert_file, self._key_file)
        states = (each and _state_of(each) for each in files)
        made_by = (ssl.SSLContext, ssl.create_default_context)
        return *made_by, self._verify, self._alpn, folder, *states

    def _shared(self, sources: tuple[Any, ...]) -> ssl.SSLContext:
        context = _contexts.get(sources)
        if context is None:
            context = self._made()
            if len(_contexts) >= _MOST_CONTEXTS:
                del _contexts[next(iter(_contexts))]
            _contexts[sources] = context
        return context

    def _made(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
        except (OSError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{self._names['tls_ca_file']} cannot be read as certificates (PEM): {error}."
            ) from error
        if self._cert_file is not None:
            try:
                # With a password, even an empty one, OpenSSL does not prompt for one.
                context.load_cert_chain(self._cert_file, self._key_file, password="")
            except (OSError, TypeError, ValueError) as error:
                raise ConfigurationError(
                    f"{self._names['tls_cert_file']} and {self._names['tls_key_file']} cannot be"
                    f" read as a certificate and its key (PEM, not encrypted): {error}."
                ) from error
        if self._alpn:
            context.set_alpn_protocols([self._alpn])
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _state_of(file: File) -> tuple[object, ...]:
    try:
        found = Path(file).stat()
    except (OSError, TypeError, ValueError):
        return (str(file),)  # reading it says why
    return str(file), found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


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
