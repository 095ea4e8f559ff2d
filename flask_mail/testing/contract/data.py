"""Messages for the contract: ordinary ones, and ones that must be refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ... import (
    Attachment,
    BackendUnavailable,
    DeliveryError,
    DeliveryUnknown,
    Message,
    MessageRefused,
)
from ...backends import Envelope, Outcome

Delivered = Callable[[], "list[tuple[Envelope, bytes]]"]

SENDER = "ann@example.com"
RECIPIENT = "bob@example.com"
NOBODY = "nobody@example.com"

THREADS = 8
SENDS = 25
PATIENCE = 120.0  # seconds until threads are considered deadlocked

# Line ends of any mail program, the end of a C string, and half a surrogate pair.
BREAKS: Mapping[str, str] = {
    "CR": "\r",
    "LF": "\n",
    "CRLF": "\r\n",
    "VT": "\x0b",
    "FF": "\x0c",
    "NUL": "\0",
    "U+2028": "\u2028",
    "a lone surrogate": "\udc80",
}
LINE_ENDS = ("CR", "LF", "CRLF")

LEFT_ALONE = (
    "subject",
    "sender",
    "recipients",
    "cc",
    "bcc",
    "reply_to",
    "body",
    "alts",
    "date",
    "charset",
    "extra_headers",
    "mail_options",
    "rcpt_options",
    "tags",
    "metadata",
    "options",
    "msgId",
)

OUTCOMES: tuple[tuple[type[DeliveryError], Outcome], ...] = (
    (MessageRefused, Outcome.REFUSED),
    (BackendUnavailable, Outcome.NOT_SENT),
    (DeliveryUnknown, Outcome.UNKNOWN),
)


def hello(subject: str = "Hello", **fields: Any) -> Message:
    return Message(
        **{"subject": subject, "recipients": [RECIPIENT], "sender": SENDER, "body": "Hi", **fields}
    )


def bad_message() -> Message:
    return hello("Hello\nBcc: everybody@example.com")


def attached(**fields: Any) -> Message:
    return hello(
        attachments=[
            Attachment(
                **{"filename": "a.txt", "content_type": "text/plain", "data": "data", **fields}
            )
        ]
    )


# A field -> a function that makes a message with the text in it.
FIELDS: Mapping[str, Callable[[str], Message]] = {
    "subject": hello,
    "sender": lambda text: hello(sender=f"{text}@example.com"),
    "sender name": lambda text: hello(sender=(text, SENDER)),
    "recipient": lambda text: hello(recipients=[RECIPIENT, f"{text}@example.com"]),
    "recipient name": lambda text: hello(recipients=[RECIPIENT, (text, "eve@example.com")]),
    "cc": lambda text: hello(cc=[f"{text}@example.com"]),
    "bcc": lambda text: hello(bcc=[f"{text}@example.com"]),
    "reply_to": lambda text: hello(reply_to=f"{text}@example.com"),
    "extra header name": lambda text: hello(extra_headers={f"X-{text}": "value"}),
    "extra header value": lambda text: hello(extra_headers={"X-Note": text}),
    "attachment name": lambda text: attached(filename=f"{text}.txt"),
    "attachment type": lambda text: attached(content_type=f"text/{text}"),
    "attachment disposition": lambda text: attached(disposition=text),
    "attachment header name": lambda text: attached(headers={f"X-{text}": "value"}),
    "attachment header value": lambda text: attached(headers={"Content-ID": text}),
    "mail option": lambda text: hello(mail_options=[f"ENVID={text}"]),
    "tag": lambda text: hello(tags=[text]),
    "metadata key": lambda text: hello(metadata={text: "value"}),
    "metadata value": lambda text: hello(metadata={"order": text}),
    "rcpt option": lambda text: hello(rcpt_options=[f"ORCPT={text}"]),
}
