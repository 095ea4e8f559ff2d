"""A message in the fields of Postmark. Pure.

https://postmarkapp.com/developer/api/email-api
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from flask_mail.backends import File, Outgoing, UnsupportedFeature

ID_FIELD: Final = "flask_mail_id"
"""The metadata with the Message-ID: events return it, but not the Message-ID itself."""
_LONGEST_TAG: Final = 1000
_MOST_METADATA: Final = 10
_LONGEST_KEY: Final = 20
_LONGEST_VALUE: Final = 80
_LARGEST_TEXT: Final = 5 * 1024 * 1024  # octets of each, text and HTML

Unsupported = Callable[[str], UnsupportedFeature]


def payload_of(mail: Outgoing, unsupported: Unsupported) -> dict[str, Any]:
    """Return the body of the request.

    :param unsupported: returns the error for something that Postmark cannot express.
    :raises UnsupportedFeature: the message has something of the kind.
    """
    fields, roles = mail.fields, mail.roles
    if not roles.to:
        raise unsupported("messages without a recipient in To")
    if not (fields.text or fields.html):
        raise unsupported("messages without text")
    for text in (fields.text, fields.html or ""):
        if len(text.encode("utf-8", "replace")) > _LARGEST_TEXT:
            raise unsupported("text or HTML of more than 5 MB")
    return {
        "From": _mailbox(fields.sender),
        "To": _mailboxes(roles.to),
        "Subject": fields.subject,
        "Headers": _headers(mail),
        **{
            name: value
            for name, value in (
                ("Cc", _mailboxes(roles.cc)),
                ("Bcc", _mailboxes(roles.bcc)),
                ("ReplyTo", _mailboxes(fields.reply_to)),
                ("TextBody", fields.text),
                ("HtmlBody", fields.html),
                ("Tag", _tag(mail, unsupported)),
                ("Metadata", _metadata(mail, unsupported)),
                ("Attachments", [_attachment(each, unsupported) for each in fields.files]),
            )
            if value
        },
    }


def _headers(mail: Outgoing) -> list[dict[str, str]]:
    # Postmark writes a Message-ID of its own unless it is told to keep this one.
    kept = (("Message-ID", mail.message_id), ("X-PM-KeepID", "true"))
    return [{"Name": name, "Value": value} for name, value in (*mail.fields.headers, *kept)]


def _mailboxes(addresses: Sequence[Any]) -> str:
    return ", ".join(map(_mailbox, addresses))


def _mailbox(address: Any) -> str:
    if not address.name:
        return str(address.addr_spec)
    # Always quoted: a name with punctuation is refused otherwise, with the error code 300.
    name = address.name.replace("\\", r"\\").replace('"', r"\"")
    return f'"{name}" <{address.addr_spec}>'


def _tag(mail: Outgoing, unsupported: Unsupported) -> str:
    if len(mail.tags) > 1:
        raise unsupported("more than one tag")
    tag = "".join(mail.tags)
    if len(tag) > _LONGEST_TAG:
        raise unsupported(f"tags of more than {_LONGEST_TAG} characters")
    return tag


def _metadata(mail: Outgoing, unsupported: Unsupported) -> dict[str, str]:
    metadata = mail.metadata
    if ID_FIELD in metadata:
        raise unsupported(f"metadata with the name {ID_FIELD}")
    if len(metadata) > _MOST_METADATA:
        raise unsupported(f"more than {_MOST_METADATA} metadata")
    for name, value in metadata.items():
        if len(name) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            raise unsupported(
                f"the metadata {name!r} (a name has up to {_LONGEST_KEY} characters, a value"
                f" {_LONGEST_VALUE})"
            )
    number = mail.message_id[1:-1]
    is_short = len(metadata) < _MOST_METADATA and len(number) <= _LONGEST_VALUE
    return {**metadata, ID_FIELD: number} if is_short else metadata


def _attachment(file: File, unsupported: Unsupported) -> dict[str, Any]:
    if file.is_inline and file.content_id is None:
        raise unsupported("inline attachments without a content_id")
    found = {"Name": file.name, "ContentType": file.content_type, "Content": file}
    return found if file.content_id is None else {**found, "ContentID": f"cid:{file.content_id}"}
