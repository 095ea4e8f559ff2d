"""Signatures of requests with events. Nothing of a request is read before its signature is valid.

The values that are compared are in functions that only return a bool: tracebacks show the variables
of each frame.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Final

from ..errors import EventsRefused
from ..util.secret import Secret

TOLERANCE: Final = 300
"""Seconds that the clocks of a service and of this machine may differ, with the way between."""

_PREFIXES: Final = ("webhook", "svix")
_MARK: Final = "whsec_"
_LONGEST_NUMBER: Final = 12  # digits of a timestamp


def verify_webhook(
    secret: Secret,
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance: float = TOLERANCE,
    clock: Callable[[], float] = time.time,
) -> str:
    """Verify a request signed as Standard Webhooks and Svix do; return the id of its message.

    Repeats of a message have the same id.

    :param secret: ``whsec_`` and base64, as the service shows it; one of several is enough.
    :param headers: ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``, or the same
        with ``svix``, in any case.
    :param body: the octets as they were received.
    :param tolerance: seconds that the time of the signature may differ from now.
    :raises EventsRefused: the signature is missing, wrong or too old.
    """
    given = {name.lower(): value for name, value in headers.items()}
    for prefix in _PREFIXES:
        names = [f"{prefix}-{part}" for part in ("id", "timestamp", "signature")]
        if all(given.get(name) for name in names):
            break
    else:
        raise EventsRefused("It is not signed: it has no header webhook-signature.")
    number, timestamp, signatures = (given[name] for name in names)
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_NUMBER):
        raise EventsRefused("The time of its signature is not a number.")
    signed = f"{number}.{timestamp}.".encode("utf-8", "surrogateescape") + body
    if not _is_signed(secret, signed, signatures):
        raise EventsRefused("Its signature is wrong: check the secret.")
    if abs(clock() - int(timestamp)) > tolerance:
        raise EventsRefused(
            f"Its signature is more than {tolerance:g} seconds away from the time of this machine."
            " It is a copy of an old request, or the clock is wrong."
        )
    return number


def verify_basic_auth(secret: Secret, headers: Mapping[str, str]) -> None:
    """Verify the user name and password of a request (RFC 7617).

    A service takes them from its URL: ``https://user:password@shop.example.com/mail-events/...``.

    :param secret: ``user:password``; one of several is enough.
    :raises EventsRefused: they are missing or wrong.
    """
    if not _is_login(secret, headers):
        raise EventsRefused("It has no valid user name and password: check the secret.")


def _is_signed(secret: Secret, signed: bytes, signatures: str) -> bool:
    given = [
        each.partition(",")[2].encode("utf-8", "surrogateescape")
        for each in signatures.split()
        if each.startswith("v1,")
    ]
    found = False
    for text in secret.reveal_all():
        key = _key_of(text)
        expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) if key else b""
        for each in given:  # all of them, so that the time does not depend on which one is right
            found |= bool(expected) and hmac.compare_digest(expected, each)
    return found


def _key_of(text: str) -> bytes:
    """Return the octets of a secret; empty if it is not valid, so that nothing matches."""
    try:
        return base64.b64decode(text.removeprefix(_MARK), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is_login(secret: Secret, headers: Mapping[str, str]) -> bool:
    expected = [each.encode("utf-8") for each in secret.reveal_all()]  # first, as it may raise
    given = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    kind, _, text = given.partition(" ")
    try:
        login = base64.b64decode(text.strip(), validate=True) if kind.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        login = b""
    found = False
    for each in expected:
        found |= bool(login) and hmac.compare_digest(each, login)
    return found
