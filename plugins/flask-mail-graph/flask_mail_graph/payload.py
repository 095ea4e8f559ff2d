"""A message in the fields of Microsoft Graph. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from flask_mail.backends import Fields, File, Outgoing, UnsupportedFeature

_MOST_HEADERS: Final = 5
_PRIORITY: Final = frozenset({"importance", "priority", "x-priority"})

Unsupported = Callable[[str], UnsupportedFeature]


def payload_of(mail: Outgoing, unsupported: Unsupported, *, save: bool) -> dict[str, Any]:
    """Return the body of the request.

    :param unsupported: returns the error for something that Graph cannot express.
    :param save: put a copy into the folder of sent mail.
    :raises UnsupportedFeature: the message has something of the kind.
    """
    fields, roles = mail.fields, mail.roles
    kind, content = ("text", fields.text) if fields.html is None else ("html", fields.html)
    members = {
        "subject": fields.subject,
        "body": {"contentType": kind, "content": content},
        "from": _recipients([fields.sender])[0],
        "internetMessageId": mail.message_id,
        "toRecipients": _recipients(roles.to),
        "ccRecipients": _recipients(roles.cc),
        "bccRecipients": _recipients(roles.bcc),
        "replyTo": _recipients(fields.reply_to),
        "importance": mail.message.priority,
        "internetMessageHeaders": _headers(mail, fields, unsupported),
        "attachments": list(map(_attachment, fields.files)),
    }
    message = {name: value for name, value in members.items() if value}
    # To be given only if it is false.
    return {"message": message} if save else {"message": message, "saveToSentItems": False}


def _recipients(addresses: Iterable[Any]) -> list[dict[str, dict[str, str]]]:
    return [
        {"emailAddress": {"address": each.addr_spec, **({"name": each.name} if each.name else {})}}
        for each in addresses
    ]


def _headers(mail: Outgoing, fields: Fields, unsupported: Unsupported) -> list[dict[str, str]]:
    skipped = _PRIORITY if mail.message.priority else frozenset()
    found = [(name, value) for name, value in fields.headers if name.lower() not in skipped]
    for name, _ in found:
        if not name.lower().startswith("x-"):
            raise unsupported(f"the header {name} (it takes only those that begin with X-)")
    if len(found) > _MOST_HEADERS:
        raise unsupported(f"more than {_MOST_HEADERS} headers")
    return [{"name": name, "value": value} for name, value in found]


def _attachment(file: File) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": file.name,
        "contentType": file.content_type,
        "contentBytes": file,
        "isInline": file.is_inline,
        **({} if file.content_id is None else {"contentId": file.content_id}),
    }
