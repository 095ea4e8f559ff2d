"""The certificate and the password server of Postfix, for STARTTLS and AUTH."""

from __future__ import annotations

import base64
import os
import socketserver
import ssl
import subprocess
from pathlib import Path

from .loopback import LoopbackServer

USERNAME = "bench"
PASSWORD = "only-for-benchmarks"  # guards nothing: no other machine reaches the server

_CERTIFICATE = """\
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
CN = mx.bench.test
[extensions]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = IP:{address}
"""


def make_certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """Write a certificate for an address that signs itself, and its key; return both paths."""
    request, certificate, key = (folder / name for name in ("openssl.cnf", "cert.pem", "key.pem"))
    request.write_text(_CERTIFICATE.format(address=address))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-config", str(request)]
    command += ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return certificate, key


def with_authorities(certificate: Path) -> Path:
    """Write a file with the certificate and the authorities of the system; return its path.

    Reading all of them is a part of the first send that a file with one certificate would hide.
    """
    of_system = ssl.get_default_verify_paths().cafile
    path = certificate.with_name("authorities.pem")
    parts = [certificate, *([Path(of_system)] if of_system else [])]
    path.write_bytes(b"\n".join(each.read_bytes() for each in parts))
    return path


class _Dialogue(socketserver.StreamRequestHandler):
    """One process of Postfix asks: Dovecot's authentication protocol 1, the part for PLAIN."""

    def handle(self) -> None:
        self._say("VERSION", "1", "2")
        self._say("MECH", "PLAIN", "plaintext")
        self._say("SPID", str(os.getpid()))
        self._say("CUID", "1")
        self._say("COOKIE", "0" * 32)
        self._say("DONE")
        for line in self.rfile:
            kind, *fields = line.decode().rstrip("\n").split("\t")
            if kind == "AUTH":
                number, given = fields[0], dict(each.partition("=")[::2] for each in fields)
                # Any authorization identity, NUL, name, NUL, password (RFC 4616).
                plain = base64.b64decode(given.get("resp", "")).decode().split("\0")
                right = plain[1:] == [USERNAME, PASSWORD]
                self._say("OK" if right else "FAIL", number, f"user={USERNAME}")

    def _say(self, *fields: str) -> None:
        self.wfile.write(("\t".join(fields) + "\n").encode())


class PasswordServer(LoopbackServer):
    """Answers Postfix's question whether a user name and its password are right."""

    def __init__(self) -> None:
        super().__init__(_Dialogue)
