"""Messages of Amazon SNS, signed with a key of this test run."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:eu-central-1:123456789012:bounces"
HOST = "https://sns.eu-central-1.amazonaws.com"
CERTIFICATE = f"{HOST}/SimpleNotificationService-0123456789abcdef.pem"
CONFIRM = f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc"
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=timezone.utc)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
HASHES = {"1": hashes.SHA1, "2": hashes.SHA256}


def certificate(key=KEY, *, start=NOW - timedelta(days=1), days=2):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def elliptic():
    return certificate(ec.generate_private_key(ec.SECP256R1()))


def stamp(at=NOW):
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def notice(message="", *, kind="Notification", version="2", key=KEY, **changed):
    """Return the fields of a message, signed by what the documentation of Amazon SNS says."""
    fields = {
        "Type": kind,
        "MessageId": "0b1c",
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": stamp(),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
    }
    if kind == "Notification":
        fields["UnsubscribeURL"] = f"{HOST}/?Action=Unsubscribe"
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    else:
        fields |= {"SubscribeURL": CONFIRM, "Token": "abc"}
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    fields |= changed
    text = "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields)
    signature = key.sign(text.encode(), PKCS1v15(), HASHES[version]())
    return {**fields, "Signature": base64.b64encode(signature).decode()}


def body(*args, **fields):
    return json.dumps(notice(*args, **fields)).encode()


class Web:
    """The certificates and answers of Amazon SNS; counts what is fetched."""

    def __init__(self, answer=None):
        self.answer = certificate() if answer is None else answer
        self.asked = []

    def fetch(self, url):
        self.asked.append(url)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer
