"""TLS contexts, which verify certificates unless somebody says no."""

from __future__ import annotations

import os
import socket
import ssl
from typing import Any

from ..errors import ConfigurationError


def client_context(
    *,
    verify: bool,
    ca_file: str | os.PathLike[str] | None,
    cert_file: str | os.PathLike[str] | None,
    key_file: str | os.PathLike[str] | None,
) -> ssl.SSLContext:
    """Return the context of the settings ``MAIL_TLS_...``.

    :raises ConfigurationError: a file is none of the kind that its setting wants.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"MAIL_TLS_CA_FILE cannot be read as certificates (PEM): {error}"
        ) from error
    if cert_file is not None:
        try:
            # With a password, even an empty one, OpenSSL asks no terminal for that of the key.
            context.load_cert_chain(cert_file, key_file, password="")
        except (OSError, TypeError, ValueError) as error:
            raise ConfigurationError(
                "MAIL_TLS_CERT_FILE and MAIL_TLS_KEY_FILE cannot be read as a certificate and its"
                f" key (PEM, not encrypted): {error}"
            ) from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def wrapped(context: ssl.SSLContext, sock: socket.socket, **how: Any) -> ssl.SSLSocket:
    """Return ``context.wrap_socket(sock, **how)``; where that fails, nothing is left open.

    In older CPythons a peer that resets the connection at that moment leaves the new socket open
    for as long as anybody holds the error.
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
