"""Microsoft Graph and Entra on this machine, made from their published documentation.

Graph knows ``sendMail`` in its JSON form, bearer tokens, and the documented limits of a message.
Entra answers by TLS, as MSAL demands, and gives a new token each time.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

from flask_mail.backends import Envelope

TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
CLIENT = "11111111-2222-3333-4444-555555555555"
SECRET = "cl1ent~s3cret"
TOKEN = "eyJ0eXAi.first.t0ken"
POLICY = default.clone(max_line_length=900, linesep="\r\n")


class Answer:
    """An error, or nothing at all."""

    def __init__(self, status: int = 0, code: str = "", said: str = "", **headers: str) -> None:
        self.status, self.code, self.said, self.headers = status, code, said, headers


HANG_UP = Answer(0)


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status: int, found: Any, headers: dict[str, str] | None = None) -> None:
        said = b"" if found is None else json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        for name, value in (headers or {}).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(said)

    def read(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def log_message(self, *args: object) -> None:
        """Keep the output of the tests clean."""


class Graph(ThreadingHTTPServer):
    """Answers as told, or as Graph does; remembers what it has accepted."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), GraphHandler)
        self.lock = threading.Lock()
        self.tokens = {TOKEN}
        self.decide: Callable[[dict[str, Any]], Answer | None] = lambda request: None
        self.paths: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.accepted: list[dict[str, Any]] = []
        self.contents: list[tuple[Envelope, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def delivered(self) -> list[tuple[Envelope, bytes]]:
        return self.contents


class GraphHandler(Quiet):
    server: Graph

    def do_POST(self) -> None:
        body = self.read()
        self.server.paths.append(self.path)
        if self.headers["Authorization"].removeprefix("Bearer ") not in self.server.tokens:
            return self.refuse(
                Answer(401, "InvalidAuthenticationToken", "Access token is expired.")
            )
        parts = self.path.split("/")
        if [*parts[:3], *parts[4:]] != ["", "v1.0", "users", "sendMail"] or "?" in self.path:
            return self.refuse(Answer(404, "ResourceNotFound", "Resource could not be found."))
        request = json.loads(body)
        self.server.requests.append({**request, "mailbox": unquote(parts[3])})
        answer = self.server.decide(request) or invalid(request, len(body))
        if answer is HANG_UP:
            self.close_connection = True
        elif answer is not None:
            self.refuse(answer)
        else:
            message = request["message"]
            with self.server.lock:
                self.server.accepted.append(request)
                self.server.contents.append((envelope_of(message), content_of(message)))
            self.reply(202, None, {"request_id": "4a5c7f9e", "Retry_After": "10"})
        return None

    def refuse(self, answer: Answer) -> None:
        error = {"error": {"code": answer.code, "message": answer.said}}
        self.reply(answer.status, error, answer.headers)


class Entra(ThreadingHTTPServer):
    """Gives a token for the client and its secret, one after another."""

    daemon_threads = True

    def __init__(self, graph: Graph, tls: ssl.SSLContext) -> None:
        super().__init__(("localhost", 0), EntraHandler)
        self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.graph = graph
        self.given: list[str] = []
        self.is_trusted = True
        """False if Graph rejects its tokens."""
        self.scopes: list[str] = []

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_port}/{TENANT}"


class EntraHandler(Quiet):
    server: Entra

    def do_GET(self) -> None:
        url = self.server.url
        self.reply(
            200,
            {
                "issuer": f"{url}/v2.0",
                "authorization_endpoint": f"{url}/oauth2/v2.0/authorize",
                "token_endpoint": f"{url}/oauth2/v2.0/token",
            },
        )

    def do_POST(self) -> None:
        form = {name: values[0] for name, values in parse_qs(self.read().decode()).items()}
        self.server.scopes.append(form["scope"])
        if (form["client_id"], form["client_secret"]) != (CLIENT, SECRET):
            said = f"AADSTS7000215: Invalid client secret provided: {form['client_secret']}"
            return self.reply(401, {"error": "invalid_client", "error_description": said})
        token = f"eyJ0eXAi.{len(self.server.given)}.t0ken"
        self.server.given.append(token)
        self.server.graph.tokens = {token} if self.server.is_trusted else set()
        return self.reply(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": token})


def invalid(request: dict[str, Any], size: int) -> Answer | None:
    """Return the error for a request that breaks the documented limits."""
    message = request["message"]
    names = [each["name"].lower() for each in message.get("internetMessageHeaders", ())]
    roles = [message.get(f"{each}Recipients", []) for each in ("to", "cc", "bcc")]
    if size > 4_000_000:
        return Answer(413, "RequestEntityTooLarge", "The request is too large.")
    if not any(roles):
        return Answer(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
    if len(names) > 5 or not all(each.startswith("x-") for each in names):
        return Answer(400, "InvalidInternetMessageHeader", "Names must begin with x- or X-.")
    return None


def envelope_of(message: dict[str, Any]) -> Envelope:
    listed = (each for role in ("to", "cc", "bcc") for each in message.get(f"{role}Recipients", ()))
    return Envelope(
        message["from"]["emailAddress"]["address"],
        tuple(each["emailAddress"]["address"] for each in listed),
    )


def content_of(message: dict[str, Any]) -> bytes:
    """Return the mail that a message makes, as Exchange would write it."""
    mail = EmailMessage(policy=POLICY)
    mail["From"] = _mailbox(message["from"])
    for field, name in (("toRecipients", "To"), ("ccRecipients", "Cc"), ("replyTo", "Reply-To")):
        if field in message:
            mail[name] = [_mailbox(each) for each in message[field]]
    mail["Subject"] = message["subject"]
    mail["Message-ID"] = message["internetMessageId"]
    for each in message.get("internetMessageHeaders", ()):
        mail[each["name"]] = each["value"]
    body = message["body"]
    mail.set_content(
        body["content"], subtype={"text": "plain", "html": "html"}[body["contentType"]]
    )
    for each in message.get("attachments", ()):
        kind, _, parameters = each["contentType"].partition("; ")
        main, _, subtype = kind.partition("/")
        mail.add_attachment(
            base64.b64decode(each["contentBytes"], validate=True),
            *(main, subtype),
            filename=each["name"],
            params=dict(pair.split("=") for pair in parameters.split("; ") if pair),
            disposition="inline" if each["isInline"] else "attachment",
            cid=f"<{each['contentId']}>" if "contentId" in each else None,
        )
    return mail.as_bytes()


def _mailbox(recipient: dict[str, dict[str, str]]) -> Address:
    found = recipient["emailAddress"]
    return Address(found.get("name", ""), addr_spec=found["address"])


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving() -> Iterator[Graph]:
    graph = Graph()
    with running(graph):
        yield graph
