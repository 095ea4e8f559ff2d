"""Resend on this machine, made from its published documentation.

It knows the endpoint for one email, bearer tokens, the limits of fields, and idempotency keys. A
repeated key gets the same answer, unless the content is another one, or the first request is still
under way.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from email.utils import getaddresses, parseaddr
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from flask_mail.backends import Envelope

KEY = "re_s3cret_Xk29vLq7"
TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
FIELDS = {
    *("from", "to", "subject", "cc", "bcc", "reply_to", "html", "text", "headers"),
    *("attachments", "tags", "scheduled_at", "topic_id"),
}
POLICY = default.clone(max_line_length=900, linesep="\r\n")


class Answer:
    """An error, nothing at all, or nothing for long."""

    def __init__(self, status: int = 0, name: str = "", said: str = "", **headers: str) -> None:
        self.status, self.name, self.said, self.headers = status, name, said, headers


HANG_UP = Answer(0)
ACCEPT_AND_HANG_UP = Answer(-1)
INVALID = Answer(422, "validation_error", "Invalid `to` field.")


class Service(ThreadingHTTPServer):
    """Answers as told, or as Resend does; remembers what it has accepted."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.decide: Callable[[dict[str, Any]], Answer | None] = lambda request: None
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.accepted: list[dict[str, Any]] = []
        self.contents: list[tuple[Envelope, bytes]] = []
        self.known: dict[str, tuple[str, str | None]] = {}
        """Key -> content and id, which is ``None`` as long as the request is under way."""
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def delivered(self) -> list[tuple[Envelope, bytes]]:
        return self.contents

    def accept(self, request: dict[str, Any], key: str) -> Answer | str:
        """Accept a request; return the id, or the error."""
        content = json.dumps(request, sort_keys=True)
        with self.lock:
            before, number = self.known.get(key, (content, ""))
            if before != content:
                return Answer(409, "invalid_idempotent_request", "Another payload.")
            if number is None:
                return Answer(409, "concurrent_idempotent_requests", "It is in progress.")
            if not number:
                number = str(uuid.uuid4())
                self.accepted.append(request)
                self.contents.append((envelope_of(request), content_of(request)))
                if key:
                    self.known[key] = (content, number)
            return number


class Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the client has died
            self.close_connection = True
            return None
        if self.headers["Authorization"] != f"Bearer {KEY}":
            return self.answer(Answer(401, "validation_error", "API key is invalid"))
        if self.path != "/emails":
            return self.answer(Answer(404, "not_found", "The requested endpoint does not exist"))
        request = json.loads(body)
        self.server.requests.append(request)
        self.server.headers.append(dict(self.headers))
        answer = self.server.decide(request)
        if answer is None or answer is ACCEPT_AND_HANG_UP:
            found = invalid(request) or self.server.accept(
                request, self.headers.get("Idempotency-Key", "")
            )
            if answer is None:
                return self.answer(found)
        if answer in (HANG_UP, ACCEPT_AND_HANG_UP):
            self.close_connection = True
            return None
        return self.answer(answer)

    def answer(self, answer: Answer | str) -> None:
        if isinstance(answer, str):
            status, found, headers = 200, {"id": answer}, {}
        else:
            status, headers = answer.status, answer.headers
            found = {"statusCode": status, "name": answer.name, "message": answer.said}
        said = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *args: object) -> None:
        """Keep the output of the tests clean."""


def invalid(request: dict[str, Any]) -> Answer | None:
    """Return the error for a request that breaks the documented limits."""
    fault = ""
    if unknown := request.keys() - FIELDS:
        fault = f"Unknown fields: {unknown}"
    elif not (request.get("from") and request.get("to") and "subject" in request):
        fault = "Missing `from`, `to` or `subject` field."
    elif "html" not in request and "text" not in request:
        fault = "Missing `html` or `text` field."
    elif len(request["to"]) > 50:
        fault = "The `to` field has more than 50 addresses."
    elif len(request.get("tags", ())) > 75:
        fault = "More than 75 tags."
    elif not all(TAG.fullmatch(each[key]) for each in request.get("tags", ()) for key in each):
        fault = "Tags should only contain ASCII letters, numbers, underscores, or dashes."
    return Answer(422, "validation_error", fault) if fault else None


def envelope_of(request: dict[str, Any]) -> Envelope:
    listed = (each for name in ("to", "cc", "bcc") for each in request.get(name, ()))
    return Envelope(parseaddr(request["from"])[1], tuple(parseaddr(each)[1] for each in listed))


def content_of(request: dict[str, Any]) -> bytes:
    """Return the mail that a request makes, as Resend would write it.

    Its Message-ID is the one in a tag: the real service writes another one.
    """
    mail = EmailMessage(policy=POLICY)
    mail["From"] = _mailbox(request["from"])
    for field in ("to", "cc", "reply_to"):
        if field in request:
            mail[field.replace("_", "-").title()] = [_mailbox(each) for each in request[field]]
    mail["Subject"] = request["subject"]
    tags = {each["name"]: each["value"] for each in request["tags"]}
    padded = tags["flask_mail_id"] + "=" * (-len(tags["flask_mail_id"]) % 4)
    mail["Message-ID"] = base64.urlsafe_b64decode(padded).decode().partition(" ")[0]
    for name, value in request.get("headers", {}).items():
        mail[name] = value
    mail.set_content(request.get("text", ""))
    if "html" in request:
        mail.add_alternative(request["html"], subtype="html")
    for each in request.get("attachments", ()):
        kind, _, parameters = each["content_type"].partition("; ")
        main, _, subtype = kind.partition("/")
        named = dict(pair.split("=") for pair in parameters.split("; ") if pair)
        mail.add_attachment(
            base64.b64decode(each["content"], validate=True),
            *(main, subtype),
            filename=each["filename"],
            params=named,
            disposition="inline" if "content_id" in each else "attachment",
            cid=f"<{each['content_id']}>" if "content_id" in each else None,
        )
    return mail.as_bytes()


def _mailbox(text: str) -> Address:
    parsed = EmailMessage(policy=POLICY)
    parsed["To"] = text
    (address,) = parsed["To"].addresses
    assert getaddresses([text])[0][1] == address.addr_spec
    return Address(address.display_name, addr_spec=address.addr_spec)


@contextmanager
def serving() -> Iterator[Service]:
    with Service() as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()
