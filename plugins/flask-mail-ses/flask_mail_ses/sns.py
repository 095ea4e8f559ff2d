"""Messages of Amazon SNS: the topics they may come from, and their signatures.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from flask_mail.backends import ConfigurationError, EventsRefused

_TOPIC: Final = re.compile(
    r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]{1,40}):\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?"
)
_CERTIFICATE: Final = re.compile(r"/SimpleNotificationService-[0-9A-Za-z]{1,64}\.pem")
_SIGNED: Final = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    ),
}
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]
# Amazon SNS repeats a message for up to an hour, with the signature of the first attempt.
_TOLERANCE: Final = 3900.0
_PAUSE: Final = 10.0  # seconds
_TIMEOUT: Final = 10.0  # seconds
_LARGEST: Final = 64 * 1024  # octets of an answer
_MOST_KEYS: Final = 8


def fetch(url: str) -> bytes:
    """Return what is at an https URL; redirects are not followed."""
    opener = urllib.request.build_opener(
        _NoRedirect, urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    with opener.open(url, timeout=_TIMEOUT) as answer:
        return bytes(answer.read(_LARGEST))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None  # which makes it an error


class Topics:
    """The topics from which messages are accepted.

    :param names: their ARNs.
    :param setting: the name of the setting, for errors.
    :raises ConfigurationError: one is not an ARN of a topic.
    """

    def __init__(
        self,
        names: list[str],
        setting: str,
        *,
        fetch: Callable[[str], bytes] = fetch,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.hosts = {name: _host_of(name, setting) for name in names}
        self._fetch = fetch
        self._clock = clock
        self.keys: dict[str, Any] = {}
        self._failed_at: float | None = None

    def verified(self, body: bytes) -> Mapping[str, str]:
        """Return the fields of a message.

        :raises EventsRefused: it is not from one of the topics, or was changed or repeated.
        """
        fields = _fields(body)
        host = self.hosts.get(fields["TopicArn"])
        if host is None:
            raise EventsRefused("It is from another topic than those of the settings.")
        at = moment_of(fields["Timestamp"])
        if at is None or abs(at.timestamp() - self._clock()) > _TOLERANCE:
            raise EventsRefused("It is too old, or the clock of this machine is wrong.")
        # The host before anything is fetched: others could sign with certificates of their own.
        url = fields["SigningCertURL"]
        # The whole rest: with a query, each URL would be another certificate to fetch and keep.
        if not _is_at(url, host) or not _CERTIFICATE.fullmatch(url, len(f"https://{host}")):
            raise EventsRefused(f"Its certificate is not one of {host}.")
        if not _is_signed(self._key(url), fields):
            raise EventsRefused("Its signature is wrong.")
        return fields

    def confirm(self, url: str) -> None:
        """Confirm a subscription by the URL in a message of Amazon SNS.

        :raises ConfigurationError: it is not for one of the topics, or it failed.
        """
        query = parse_qs(urlsplit(url).query)
        # Of several, Amazon might take another one.
        host = self.hosts.get(", ".join(query.get("TopicArn", ())))
        if host is None or query.get("Action") != ["ConfirmSubscription"]:
            raise ConfigurationError("The URL confirms no subscription to a topic of the settings.")
        if not _is_at(url, host):
            raise ConfigurationError(f"The URL must begin with https://{host}/.")
        try:
            self._fetch(url)
        except (OSError, HTTPException, ValueError) as error:
            raise ConfigurationError(
                f"{host} did not confirm the subscription: {error}. A URL is valid for three days."
            ) from None

    def _key(self, url: str) -> Any:
        found = self.keys.get(url)
        if found is not None:
            return found
        now = self._clock()
        # Anyone can ask for certificates that do not exist.
        if self._failed_at is not None and now - self._failed_at < _PAUSE:
            raise _unverified("the last attempt to get a certificate failed")
        try:
            key = _key_in(self._fetch(url), now)
        except (OSError, HTTPException, ValueError) as error:
            self._failed_at, kind = now, type(error).__name__
        else:
            if len(self.keys) >= _MOST_KEYS:
                self.keys.clear()
            self.keys[url] = key
            return key
        raise _unverified(f"its certificate cannot be read ({kind})")


def moment_of(text: str) -> datetime | None:
    """Return the time in a text as Amazon writes it, or ``None``."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _host_of(topic: str, setting: str) -> str:
    match = _TOPIC.fullmatch(topic)
    if match is None:
        raise ConfigurationError(
            f"{setting} must be the ARN of a topic of Amazon SNS, such as"
            " arn:aws:sns:eu-central-1:123456789012:bounces, or a list of them."
        )
    return f"sns.{match[2]}.amazonaws.com{'.cn' if match[1] == 'aws-cn' else ''}"


def _is_at(url: str, host: str) -> bool:
    # All before the path, so that it has no other port and no user name either.
    return url.startswith(f"https://{host}/") and url.isascii() and url.isprintable()


def _fields(body: bytes) -> dict[str, str]:
    """Return the fields that are strings; those that each message needs are among them."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise EventsRefused("It is not a message of Amazon SNS in JSON.", status=400)
    fields = {name: value for name, value in given.items() if isinstance(value, str)}
    kind = fields.get("Type", "")
    needed = {*_SIGNED.get(kind, ()), "Signature", "SigningCertURL", "Type"} - {"Subject"}
    if kind not in _SIGNED or not needed <= fields.keys():
        raise EventsRefused(
            "It is not a signed message of Amazon SNS. Turn off raw message delivery for the"
            " subscription."
        )
    return fields


def _key_in(certificate: bytes, now: float) -> Any:
    """Return the key in a certificate.

    :raises ValueError: it is not valid now, or not in PEM.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    found = x509.load_pem_x509_certificate(certificate)
    if not found.not_valid_before_utc.timestamp() <= now <= found.not_valid_after_utc.timestamp():
        raise ValueError("expired")
    key = found.public_key()
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not RSA")  # noqa: TRY004 (as for other certificates)
    return key


def _is_signed(key: Any, fields: Mapping[str, str]) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    kinds = {"1": hashes.SHA1, "2": hashes.SHA256}
    kind = kinds.get(fields.get("SignatureVersion", ""))
    if kind is None:
        return False
    names = [name for name in _SIGNED[fields["Type"]] if name in fields]
    text = "".join(f"{name}\n{fields[name]}\n" for name in names)
    try:
        signature = base64.b64decode(fields["Signature"], validate=True)
        key.verify(signature, text.encode("utf-8", "surrogatepass"), PKCS1v15(), kind())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _unverified(why: str) -> EventsRefused:
    # Amazon SNS does not repeat a message after a status from 400 to 499.
    return EventsRefused(f"It cannot be verified now: {why}.", status=503)
