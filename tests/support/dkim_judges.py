"""Keys for DKIM, and programs that verify signatures with code that is not ours."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache

import dkim
import nacl.exceptions
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from mail_programs import find, folder, needs, own_address, until
from name_server import name_server

from flask_mail.backends import DkimRecord

PERL = shutil.which("perl")
# Reads messages, each after a line with its size; writes a line for each, with its signatures.
_VERIFIER = r"""
use strict;
use warnings;
use Mail::DKIM::Verifier;
use Mail::DKIM::DNS;
use Net::DNS::Resolver;

my ($host, $port) = split /:/, $ARGV[0];
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => [$host], port => $port));
binmode STDIN;
while (my $size = <STDIN>) {
    read STDIN, my $content, $size;
    my $verifier = Mail::DKIM::Verifier->new();
    $verifier->PRINT($content);
    $verifier->CLOSE;
    print join(", ", map { $_->algorithm . " " . $_->result } $verifier->signatures), "\n";
}
"""

# openssl genrsa 768; new versions of cryptography do not make such keys.
SHORT_RSA_PEM = """-----BEGIN PRIVATE KEY-----
MIIB5AIBADANBgkqhkiG9w0BAQEFAASCAc4wggHKAgEAAmEAtKbfGGRZ3p00ZEcB
/1DDohe95kn1KnBnDwAIvojhkV4kerZfx+3LYvwaZw6T8QEBhJJgVS5YX8r2lyio
KKR3Tty1hQT1nyFeg1LKy/vibocAF1NydE03h0zlwT/2B0wxAgMBAAECYCFXq1WV
MAEmgsT/Vh8JiRIhz6rxe46ZsGvUVcjU+s0Z0yHTB1qfSSq73SOoTSXuSUoI5OJz
wfHxc/s58LAPO6PSJYU1xzoFkeutacHtLkFL4w4KSlL0Tg1dJAQs3byAAQIxANsY
WuwapIwvZ+utq+yLJelrLbCRV/hzEBwWJP6ZfFvsFwAYD9OMt8MfW0Xww0X90QIx
ANMUy5qr/YarAjYFkbHxHNhIsq3yrOS3iPV5JXpGSf/EIW5QiqTYLnYOsmlX9kgg
YQIwXSNZY41f7ggpEVNfBsuQbk4Vuj3PO9sOOiJfz6vH5fvTO0L/V1s2s0gdMPpM
yPBBAjA+yujm0lNRRH4b4/w7myahkL7W0GJuh8rOe4OSpGZPF+F6F6um7kikBis8
+1XgjwECMQCObTLSFyMhgtlJ/jZCpM6vSwL39m/KyS5jJ58bFzF03ykNjQZuKjnX
zBepkXktL20=
-----END PRIVATE KEY-----
"""


@cache
def rsa_pem(bits: int = 2048) -> str:
    return _pem(rsa.generate_private_key(65537, bits))


@cache
def ed25519_pem() -> str:
    return _pem(ed25519.Ed25519PrivateKey.generate())


def _pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def by_dkimpy(content: bytes, records: Iterable[DkimRecord]) -> list[bool]:
    """Return for each signature of a message, from the top, if dkimpy accepts it."""
    known = {f"{each.name}.".encode(): each.value.encode() for each in records}

    def ask(name: bytes, timeout: int = 5) -> bytes | None:
        return known.get(name)

    signatures = sum(name.lower() == b"dkim-signature" for name, _ in dkim.rfc822_parse(content)[0])

    def is_good(index: int) -> bool:
        try:
            return bool(dkim.DKIM(content).verify(index, dnsfunc=ask))
        except (dkim.DKIMException, nacl.exceptions.ValueError):
            return False

    return [is_good(index) for index in range(signatures)]


def has_perl_dkim() -> bool:
    """Return True if Perl and its module Mail::DKIM are installed."""
    if PERL is None:
        return False
    command = [PERL, "-MMail::DKIM::Verifier", "-e1"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


NEEDS_PERL = [
    pytest.mark.server,
    pytest.mark.skipif(
        not os.environ.get("CI") and not has_perl_dkim(),
        reason="needs Perl's Mail::DKIM (the first step of .ci/run installs it)",
    ),
]


def by_perl(contents: Iterable[bytes], records: Iterable[DkimRecord]) -> list[str]:
    """Return the verdict of Perl's Mail::DKIM on the signatures of each message, from the top.

    Such as "rsa-sha256 pass, ed25519-sha256 invalid": not every version supports Ed25519.
    """
    assert PERL, "CI has to install Perl"
    served = {(each.name, "TXT"): [quoted(each.value)] for each in records}
    framed = b"".join(b"%d\n%b" % (len(content), content) for content in contents)
    with name_server(served) as server:
        run = subprocess.run(
            [PERL, "-e", _VERIFIER, server], input=framed, capture_output=True, timeout=120
        )
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode().splitlines()


OPENDKIM = find("opendkim")
NEEDS_OPENDKIM = needs(OPENDKIM, "OpenDKIM")


@contextlib.contextmanager
def opendkim(records: Iterable[DkimRecord]) -> Iterator[str]:
    """Run OpenDKIM as a filter that verifies mail; give its address as Postfix takes it."""
    assert OPENDKIM, "CI has to install OpenDKIM"
    with folder("opendkim") as root:
        host, port = own_address(), 8891
        (root / "keys").write_text("".join(f"{each.name} {each.value}\n" for each in records))
        (root / "opendkim.conf").write_text(
            f"Mode v\nSocket inet:{port}@{host}\nTestPublicKeys {root}/keys\n"
            "AuthservID mx.test\nAlwaysAddARHeader yes\nBackground no\nSyslog no\n"
        )
        command = [OPENDKIM, "-f", "-x", str(root / "opendkim.conf")]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                until(lambda: _listens(host, port), lambda: f"OpenDKIM at {host}:{port}")
                yield f"inet:{host}:{port}"
            finally:
                process.terminate()


def _listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=10):
        return True
    return False


def quoted(text: str) -> str:
    """Return the text of a TXT record in strings of up to 255 octets, as a zone file has them."""
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))
