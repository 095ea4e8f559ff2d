"""Amazon SES on this machine: moto, and in front of it a service that answers as told."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from flask_mail.backends import Envelope

KEY_ID = "AKIDEXAMPLE"
KEY = "wJalrXUtnFEMI-s3cret"
TOKEN = "FwoGZXIvYXdzE-t0ken"


class Answer:
    """Answer of the service to a request: an error, nothing at all, or nothing for long."""

    def __init__(self, status: int = 0, code: str = "", said: str = "") -> None:
        self.status, self.code, self.said = status, code, said


HANG_UP = Answer(0)
BE_SILENT = Answer(-1)


class Service(ThreadingHTTPServer):
    """Answers as told, or hands requests on to moto; remembers what was accepted."""

    daemon_threads = True

    def __init__(self, moto: tuple[str, int] | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.moto = moto
        self.decide: Callable[[dict[str, Any]], Answer | None] = lambda request: None
        self.other = Answer()
        """Literal answer, as another service of AWS."""
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.peers: list[tuple[str, int]] = []
        self.accepted: list[dict[str, Any]] = []
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def delivered(self) -> list[tuple[Envelope, bytes]]:
        return [
            (
                Envelope(
                    each.get("FeedbackForwardingEmailAddress", "ann@example.com"),
                    tuple(each["Destination"]["ToAddresses"]),
                ),
                base64.b64decode(each["Content"]["Raw"]["Data"]),
            )
            for each in self.accepted
        ]


class Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/sts"):
            self.answer(self.server.other.status, self.server.other.said)
            return
        request = json.loads(body)
        self.server.requests.append(request)
        self.server.headers.append(dict(self.headers))
        self.server.peers.append(self.client_address)
        answer = self.server.decide(request)
        if answer is None:
            self.accept(request, body)
        elif answer is BE_SILENT:
            self.server.ended.wait(60)
            self.close_connection = True
        elif answer is HANG_UP:
            self.close_connection = True
        else:
            self.answer(answer.status, json.dumps({"message": answer.said}), answer.code)

    def accept(self, request: dict[str, Any], body: bytes) -> None:
        if self.server.moto is None:
            self.server.accepted.append(request)
            return self.answer(200, json.dumps({"MessageId": f"id-{len(self.server.accepted)}"}))
        link = HTTPConnection(*self.server.moto, timeout=60)
        kept = {name: value for name, value in self.headers.items() if name != "Host"}
        link.request("POST", self.path, body, kept)
        answer = link.getresponse()
        said = answer.read().decode()
        link.close()
        if answer.status == 200:
            self.server.accepted.append(request)
        return self.answer(answer.status, said, answer.headers.get("x-amzn-ErrorType", ""))

    def answer(self, status: int, said: str, code: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *args: object) -> None:
        """Keep the output of the tests clean."""


@contextmanager
def serving(moto: tuple[str, int] | None = None) -> Iterator[Service]:
    with Service(moto) as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            service.ended.set()
            service.shutdown()
            thread.join()


@contextmanager
def moto_server() -> Iterator[tuple[str, int]]:
    """Start moto, where example.com may send."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client(
            "sesv2",
            region_name="us-east-1",
            endpoint_url=f"http://{host}:{port}",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=KEY,
        )
        client.create_email_identity(EmailIdentity="example.com")
        client.close()
        yield host, port
    finally:
        server.stop()
