"""``python -m benchmarks.signing``: DKIM signatures of Flask-Mail against those of dkimpy.

Both sign the same rendered message with the same RSA key of 2048 bits, header and body in relaxed
form. Needs the libraries of the group ``tests``.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from flask_mail import Message, Outgoing
from flask_mail.backends import Secret
from flask_mail.backends.dkim import DkimBackend
from flask_mail.backends.null import NullBackend

MIB = 1024 * 1024
DOMAIN, SELECTOR = "example.com", "s1"


def median(call: Callable[[], object], seconds: float) -> float:
    """Return the seconds that a call takes, measured for about `seconds`, at least three times."""
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while len(samples) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def peak(call: Callable[[], object]) -> int:
    """Return the octets that a call allocates at most."""
    tracemalloc.start()
    call()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def letter(attachment: Path | None = None) -> Outgoing:
    """Return a rendered message, with or without a large file."""
    message = Message("Hello", ["ann@example.org"], "Hello, Ann.", "<p>Hello, <b>Ann</b>.</p>")
    message.sender = ("Shop", f"shop@{DOMAIN}")
    message.list_unsubscribe("https://example.com/u/1", one_click=True)
    if attachment is not None:
        message.attach_file(attachment)
    return Outgoing.of(message)


def main() -> None:
    """Measure and print."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    backend = DkimBackend(
        mailer=NullBackend(), domain=DOMAIN, selector=SELECTOR, key=Secret(pem.decode())
    )
    records = {f"{each.name}.".encode(): each.value.encode() for each in backend.dkim_records()}

    def by_dkimpy(content: bytes) -> bytes:
        signed: bytes = dkim.sign(
            content,
            SELECTOR.encode(),
            DOMAIN.encode(),
            pem,
            canonicalize=(b"relaxed", b"relaxed"),
        )
        return signed

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.bin")
        path.write_bytes(os.urandom(25 * MIB))
        for name, mail in (("a small message", letter()), ("25 MiB by path", letter(path))):
            content = mail.content
            assert dkim.verify(
                backend.signed(mail).content, dnsfunc=lambda at, timeout=5: records[at]
            )
            ours = median(lambda mail=mail: backend.signed(mail), 1.0)
            theirs = median(lambda content=content: by_dkimpy(content), 1.0)
            most = peak(lambda mail=mail: backend.signed(mail))
            print(
                f"{name}: {ours * 1000:.2f} ms, dkimpy {theirs * 1000:.2f} ms,"
                f" ratio {theirs / ours:.1f}; {most / MIB:.2f} MiB of memory"
            )


if __name__ == "__main__":
    main()
