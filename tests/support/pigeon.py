"""A backend over HTTP as an author of a plugin writes it, and what its service receives."""

from __future__ import annotations

import base64
import json
from typing import Any

from flask_mail.backends import Envelope, Feature, Outgoing, Receipt, Secret
from flask_mail.backends.http import Answer, Base64, HttpBackend, Request

KEY = "s3cret-k3y-of-the-loft"


class PigeonBackend(HttpBackend):
    """Posts the source of each message, as JSON.

    :param key: the key of the account.
    """

    name = "pigeon"
    features = HttpBackend.features | {Feature.TAGS, Feature.METADATA, Feature.VERBATIM}

    def __init__(self, *, key: Secret, **options: Any) -> None:
        super().__init__(**options)
        self._key = key

    def request(self, mail: Outgoing) -> Request:
        body = {
            "sender": mail.envelope.sender,
            "recipients": mail.envelope.recipients,
            "tags": mail.tags,
            "source": Base64(mail),
        }
        return Request("/send", body, {"Authorization": f"Bearer {self._key.reveal()}"})

    def outcome(self, mail: Outgoing, answer: Answer) -> Receipt:
        return self.accepted(mail, response=answer.require("id"))


def pigeon_at(url: str, cls: type[HttpBackend] = PigeonBackend, **options: Any) -> Any:
    return cls(url=url, key=Secret(KEY), **options)


def body_of(request: bytes) -> Any:
    return json.loads(request.partition(b"\r\n\r\n")[2])


def head_of(request: bytes) -> list[str]:
    return request.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")


def delivery_of(request: bytes) -> tuple[Envelope, bytes]:
    body = body_of(request)
    envelope = Envelope(body["sender"], tuple(body["recipients"]))
    return envelope, base64.b64decode(body["source"], validate=True)
