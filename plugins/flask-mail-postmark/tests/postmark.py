"""Postmark on this machine, made from its published documentation, and a backend for it.

It knows the endpoint for one email, server tokens, the limits of fields, message streams, and
recipients that are inactive.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from typing import Any

from flask_mail_postmark import PostmarkBackend

from flask_mail import Message
from flask_mail.backends import Envelope
from flask_mail.testing.contract import ScriptedService, answer, scripted_service

TOKEN = "5b0c8f1e-s3cret-4a6b-9d21-7f3e"
FIELDS = {
    *("From", "To", "Cc", "Bcc", "Subject", "Tag", "HtmlBody", "TextBody", "ReplyTo", "Headers"),
    *("Metadata", "Attachments", "MessageStream", "TrackOpens", "TrackLinks"),
}
POLICY = default.clone(max_line_length=900, linesep="\r\n")
MANY_LINES = re.compile(r"[\r\n]")


class Postmark:
    """Answers requests as Postmark does; remembers what it has accepted.

    :ivar inactive: addresses to which mail has bounced.
    :ivar service: the server.
    """

    def __init__(self, service: ScriptedService) -> None:
        self.service = service
        self.inactive: set[str] = set()
        self.streams = {"outbound", "broadcast"}
        self.senders = {"ann@example.com"}
        self.accepted: list[dict[str, Any]] = []
        self.contents: list[tuple[Envelope, bytes]] = []
        service.answers = self.answer

    @property
    def url(self) -> str:
        return self.service.url

    def answer(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = head.decode("ascii").split("\r\n")
        if f"X-Postmark-Server-Token: {TOKEN}" not in lines:
            return error(401, 10, "No Account or Server API tokens were supplied.")
        if lines[0] != "POST /email HTTP/1.1":
            return answer(404, "Not found")
        email = json.loads(body)
        listed = [address for name in ("To", "Cc", "Bcc") for address in addresses(email, name)]
        wrong = invalid(email, listed)
        if wrong:
            return error(422, 300, wrong)
        if email.get("MessageStream", "outbound") not in self.streams:
            return error(422, 1235, "The stream provided does not exist on this server.")
        if addresses(email, "From")[0].addr_spec not in self.senders:
            return error(422, 400, "The 'From' address is not a Sender Signature on your account.")
        inactive = [each.addr_spec for each in listed if each.addr_spec in self.inactive]
        named = ", ".join(inactive)
        if len(inactive) == len(listed):
            return error(422, 406, f"Inactive. Found inactive addresses: {named}. Inactive are ...")
        self.accepted.append(email)
        self.contents.append((envelope_of(email), content_of(email)))
        said = f"Message OK, but will not deliver to these inactive addresses: {named}."
        return answer(
            200,
            {
                "To": email["To"],
                "SubmittedAt": "2026-11-30T12:00:00.1234567-05:00",
                "MessageID": str(uuid.uuid4()),
                "ErrorCode": 0,
                "Message": said if inactive else "OK",
            },
        )

    def delivered(self) -> list[tuple[Envelope, bytes]]:
        return list(self.contents)


def error(status: int, code: int, said: str) -> bytes:
    return answer(status, {"ErrorCode": code, "Message": said})


def addresses(email: dict[str, Any], name: str) -> list[Address]:
    parsed = EmailMessage(policy=POLICY)
    if name in email:
        parsed["To"] = email[name]
    return [
        Address(each.display_name, addr_spec=each.addr_spec)
        for each in (parsed["To"].addresses if name in email else ())
    ]


def invalid(email: dict[str, Any], listed: list[Address]) -> str:
    """Return the error for a request that breaks the documented limits."""
    metadata = email.get("Metadata", {})
    if unknown := email.keys() - FIELDS:
        return f"Unknown fields: {unknown}"
    if not (email.get("From") and email.get("To")):
        return "Zero recipients specified, or no sender"
    if not (email.get("TextBody") or email.get("HtmlBody")):
        return "Provide either email TextBody or HtmlBody or both."
    if len(listed) > 50:
        return "Maximum of 50 recipients allowed per email message."
    if any(len(name) > 20 or len(value) > 80 for name, value in metadata.items()):
        return "Metadata is too long."
    if len(metadata) > 10 or len(email.get("Tag", "")) > 1000:
        return "Too much metadata, or the tag is too long."
    if any(MANY_LINES.search(each["Value"]) for each in email["Headers"]):
        return "A header has several lines."
    return ""


def envelope_of(email: dict[str, Any]) -> Envelope:
    listed = [each for name in ("To", "Cc", "Bcc") for each in addresses(email, name)]
    sender = addresses(email, "From")[0].addr_spec
    return Envelope(sender, tuple(each.addr_spec for each in listed))


def content_of(email: dict[str, Any]) -> bytes:
    """Return the mail that a request makes, as Postmark would write it."""
    mail = EmailMessage(policy=POLICY)
    for field, name in (("From", "From"), ("To", "To"), ("Cc", "Cc"), ("ReplyTo", "Reply-To")):
        if field in email:
            mail[name] = addresses(email, field)
    mail["Subject"] = email["Subject"]
    headers = {each["Name"]: each["Value"] for each in email["Headers"]}
    assert headers.pop("X-PM-KeepID") == "true"
    for name, value in headers.items():
        mail[name] = value
    mail.set_content(email.get("TextBody", ""))
    if "HtmlBody" in email:
        mail.add_alternative(email["HtmlBody"], subtype="html")
    for each in email.get("Attachments", ()):
        kind, _, parameters = each["ContentType"].partition("; ")
        main, _, subtype = kind.partition("/")
        cid = each.get("ContentID", "").removeprefix("cid:")
        mail.add_attachment(
            base64.b64decode(each["Content"], validate=True),
            *(main, subtype),
            filename=each["Name"],
            params=dict(pair.split("=") for pair in parameters.split("; ") if pair),
            disposition="inline" if cid else "attachment",
            cid=f"<{cid}>" if cid else None,
        )
    return mail.as_bytes()


@contextmanager
def running() -> Iterator[Postmark]:
    with scripted_service() as service:
        yield Postmark(service)


def options_of(url: str, **options: Any) -> dict[str, Any]:
    return {"token": TOKEN, "url": url, **options}


def backend_at(url: str, **options: Any) -> PostmarkBackend:
    return PostmarkBackend.from_options(options_of(url, **options), None)  # type: ignore[arg-type]


def message(**fields: Any) -> Message:
    given = {"recipients": ["bob@example.com"], "body": "Hi", "sender": "ann@example.com"}
    return Message("Hello", **{**given, **fields})
