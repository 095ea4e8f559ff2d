"""Keys for DKIM, and programs that verify signatures with code that is not ours."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from functools import cache

import dkim
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from name_server import name_server

from flask_mail.backends import DnsRecord

PERL = shutil.which("perl")
_VERIFIER = r"""
use strict;
use warnings;
use Mail::DKIM::Verifier;
use Mail::DKIM::DNS;
use Net::DNS::Resolver;

my ($host, $port) = split /:/, $ARGV[0];
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => [$host], port => $port));
my $verifier = Mail::DKIM::Verifier->new();
binmode STDIN;
while (read STDIN, my $block, 65536) { $verifier->PRINT($block); }
$verifier->CLOSE;
print $_->algorithm, " ", $_->result_detail, "\n" for $verifier->signatures;
"""


@cache
def rsa_pem(bits: int = 2048) -> str:
    return _pem(rsa.generate_private_key(65537, bits))


@cache
def ed25519_pem() -> str:
    return _pem(ed25519.Ed25519PrivateKey.generate())


def _pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def by_dkimpy(content: bytes, records: Iterable[DnsRecord]) -> list[bool]:
    """Return for each signature of a message, from the top, if dkimpy accepts it."""
    known = {f"{each.name}.".encode(): each.value.encode() for each in records}

    def ask(name: bytes, timeout: int = 5) -> bytes | None:
        return known.get(name)

    signatures = sum(name.lower() == b"dkim-signature" for name, _ in dkim.rfc822_parse(content)[0])
    return [dkim.DKIM(content).verify(index, dnsfunc=ask) for index in range(signatures)]


def has_perl_dkim() -> bool:
    """Return True if Perl and its modules Mail::DKIM and CryptX are installed."""
    if PERL is None:
        return False
    command = [PERL, "-MMail::DKIM::Verifier", "-MCrypt::PK::Ed25519", "-e1"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def by_perl(content: bytes, records: Iterable[DnsRecord]) -> list[str]:
    """Return the algorithm and the verdict of Perl's Mail::DKIM for each signature."""
    assert PERL, "CI has to install Perl"
    served = {(each.name, "TXT"): [quoted(each.value)] for each in records}
    with name_server(served) as server:
        run = subprocess.run(
            [PERL, "-e", _VERIFIER, server], input=content, capture_output=True, timeout=60
        )
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode().splitlines()


def quoted(text: str) -> str:
    """Return the text of a TXT record in strings of up to 255 octets, as a zone file has them."""
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))
