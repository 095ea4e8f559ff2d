"""A message in the fields of Resend. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from flask_mail.backends import File, Outgoing, UnsupportedFeature

_TAG: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")  # of names and values
_SPECIAL: Final = re.compile(r'[()<>\[\]:;@\\,"]|=\?')
ID_TAG: Final = "flask_mail_id"
"""The tag with the Message-ID, which Resend replaces: its events return the tag. If the message has
several recipients, their number follows after a space, as the events do not list all of them."""
_LONGEST_TAG: Final = 256
_MOST_TAGS: Final = 75
_LONGEST_WORD: Final = 45
"""Octets in an encoded-word, which has up to 75 characters (RFC 2047 section 2)."""

Unsupported = Callable[[str], UnsupportedFeature]


def payload_of(mail: Outgoing, unsupported: Unsupported) -> dict[str, Any]:
    """Return the body of the request.

    :param unsupported: returns the error for something that Resend cannot express.
    :raises UnsupportedFeature: the message has something of the kind.
    """
    fields, roles = mail.fields, mail.roles
    if not roles.to:
        raise unsupported("messages without a recipient in To")
    headers: dict[str, str] = {}
    for name, value in fields.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    name = fields.sender.name
    # Unlike those of recipients, it is read without decoding.
    shown = f'"{_escaped(name)}"' if _SPECIAL.search(name) else name
    return {
        "from": f"{shown} <{fields.sender.addr_spec}>" if name else fields.sender.addr_spec,
        "to": _mailboxes(roles.to),
        "subject": fields.subject,
        "text": fields.text,
        **{
            field: value
            for field, value in (
                ("cc", _mailboxes(roles.cc)),
                ("bcc", _mailboxes(roles.bcc)),
                ("reply_to", _mailboxes(fields.reply_to)),
                ("html", fields.html),
                ("headers", headers),
                ("tags", _tags(mail, unsupported)),
                ("attachments", [_attachment(each, unsupported) for each in fields.files]),
            )
            if value
        },
    }


def key_of(mail: Outgoing, payload: dict[str, Any]) -> str:
    """Return the key of the message, or one that is the same each time that it is sent.

    It is another one for each recipient and content, because Resend refuses a key with another
    content, and programs send one message to several recipients, one after another.
    """
    if mail.key is not None:
        return mail.key
    fields = json.dumps(payload, sort_keys=True, default=len)  # of files, their sizes
    return hashlib.sha256(f"{mail.message_id} {fields}".encode()).hexdigest()


def _mailboxes(addresses: Sequence[Any]) -> list[str]:
    return [
        f"{_name(each.name)} <{each.addr_spec}>" if each.name else each.addr_spec
        for each in addresses
    ]


def _name(name: str) -> str:
    if not _SPECIAL.search(name):
        return name
    # Resend has refused quoted names.
    words = [b""]
    for character in map(str.encode, name):
        if len(words[-1] + character) > _LONGEST_WORD:
            words.append(b"")
        words[-1] += character
    return " ".join(f"=?utf-8?b?{base64.b64encode(each).decode()}?=" for each in words)


def _escaped(name: str) -> str:
    return name.replace("\\", r"\\").replace('"', r"\"")


def _tags(mail: Outgoing, unsupported: Unsupported) -> list[dict[str, str]]:
    """Return metadata, and tags with the value ``true``, as the tags of Resend."""
    tags = {**dict.fromkeys(mail.tags, "true"), **mail.metadata}
    if ID_TAG in tags:
        raise unsupported(f"a tag or metadata with the name {ID_TAG}")
    if len(tags) < len(mail.tags) + len(mail.metadata):
        raise unsupported("a tag and metadata with the same name")
    for name, value in tags.items():
        if not (_TAG.fullmatch(name) and _TAG.fullmatch(value)):
            raise unsupported(
                f"the tag or metadata {name!r} (names and values have up to 256 ASCII letters,"
                " digits, - and _)"
            )
    count = len(mail.envelope.recipients)
    about = mail.message_id if count == 1 else f"{mail.message_id} {count}"
    number = base64.urlsafe_b64encode(about.encode()).decode().rstrip("=")
    if len(number) <= _LONGEST_TAG:
        tags[ID_TAG] = number
    if len(tags) > _MOST_TAGS:
        raise unsupported(f"more than {_MOST_TAGS} tags and metadata, with {ID_TAG}")
    return [{"name": name, "value": value} for name, value in tags.items()]


def _attachment(file: File, unsupported: Unsupported) -> dict[str, Any]:
    if file.is_inline and file.content_id is None:
        raise unsupported("inline attachments without a content_id")
    found = {"filename": file.name, "content_type": file.content_type, "content": file}
    return found if file.content_id is None else {**found, "content_id": file.content_id}
