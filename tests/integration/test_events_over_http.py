"""Events that a service sends over HTTP, whole and broken, to a real server."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import contextmanager

import pytest
from event_service import KEY, Service, body_of, signed
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_mail import Mail, email_reported
from flask_mail.extension.events import MAX_SIZE

PATH = "/mail-events/default"


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # with which a body may have no length

    def log(self, type, message, *args):
        pass


@contextmanager
def serving(app):
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def got():
    return []


@pytest.fixture
def port(got):
    app = Flask("shop")
    app.config.update(
        MAIL_EVENTS="/mail-events", MAIL_BACKEND=Service, MAIL_SERVICE_EVENTS_SECRET=KEY
    )
    Mail(app)

    def note(app, event):
        got.append(event.kind.value)

    with serving(app) as port, email_reported.connected_to(note, sender=app):
        yield port


def post(port, body, headers, **options):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", PATH, body, headers, **options)
        return connection.getresponse().status
    finally:
        connection.close()


def raw(port, head, body):
    """Send a request, end it, and return the status line of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall("\r\n".join([f"POST {PATH} HTTP/1.1", "Host: x", *head, "", ""]).encode())
        link.sendall(body)
        link.shutdown(socket.SHUT_WR)
        return link.makefile("rb").readline()


def lines_of(headers):
    return [f"{name}: {value}" for name, value in headers.items()]


def test_a_signed_request_is_accepted_with_and_without_a_length(port, got):
    body = body_of("bounced")
    assert post(port, body, signed(body)) == 204
    pieces = iter([body[:5], body[5:]])
    assert post(port, pieces, signed(body), encode_chunked=True) == 204
    assert got == ["bounced", "bounced"]


def test_a_request_that_is_cut_off_reaches_no_receiver(port, got):
    body = body_of("bounced")
    length = f"Content-Length: {len(body)}"
    assert b" 400 " in raw(port, [*lines_of(signed(body)), length], body[:-1])
    chunk = f"{len(body):x}\r\n".encode() + body[:-1]
    chunked = [*lines_of(signed(body)), "Transfer-Encoding: chunked"]
    raw(port, chunked, chunk)
    assert got == []


def test_a_large_body_is_refused_by_its_length_alone(port, got):
    head = [*lines_of(signed(b"")), f"Content-Length: {10 * MAX_SIZE}"]
    assert b" 413 " in raw(port, head, b"")
    assert got == []
