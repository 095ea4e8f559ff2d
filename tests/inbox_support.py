"""Apps with an inbox, and messages to put there."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_mail import Mail, Message

# One green pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360f8cf500f0003860180345a8b6b0000000049454e44ae426082"
)


def make_mail(backend: str = "locmem", **config: Any) -> Mail:
    """Return the Mail of a new app in debug; its inbox is at /_mail."""
    app = Flask("shop")
    app.debug = True
    app.config.update(MAIL_BACKEND=backend, MAIL_DEFAULT_SENDER="Shop <shop@example.com>")
    app.config.update(config)
    return Mail(app)


def welcome(**fields: Any) -> Message:
    """Return a message with text, HTML, a picture, an attachment and a blind copy."""
    fields.setdefault("recipients", ["ann@example.com"])
    message = Message("Welcome", bcc=["archive@example.com"], sender="shop@example.com", **fields)
    message.body = "Hello Ann, confirm: https://shop.example.com/confirm?a=1&b=2 please"
    message.embed(PNG, "logo.png", content_id="logo")
    message.html = (
        '<h1>Hello <b>Ann</b></h1><img src="cid:logo" alt="">'
        '<img src="https://tracker.example.com/x.gif">'
    )
    message.attach("invoice.html", "text/html", "<script>alert(1)</script>")
    return message


class Browser:
    """A test client that knows the inbox of an app."""

    def __init__(self, mail: Mail, prefix: str = "/_mail") -> None:
        assert mail.app is not None
        self.client: FlaskClient = mail.app.test_client()
        self.prefix = prefix

    def get(self, path: str = "/", **arguments: Any) -> TestResponse:
        return self.client.get(self.prefix + path, **arguments)

    def text(self, path: str = "/", **arguments: Any) -> str:
        response = self.get(path, **arguments)
        assert response.status_code == 200, response.get_data(as_text=True)
        return response.get_data(as_text=True)

    def post(self, path: str, **form: str) -> TestResponse:
        """Send a form as a page of the inbox does, with its token."""
        found = re.search(r'name="token" value="([^"]+)"', self.text("/"))
        if found is None:
            [first, *_] = self.messages()
            found = re.search(
                r'name="token" value="([^"]+)"', self.text(f"/messages/{first['id']}")
            )
        assert found is not None
        return self.client.post(self.prefix + path, data={"token": found[1], **form})

    def messages(self, **arguments: str) -> list[dict[str, Any]]:
        response = self.get("/api/messages", query_string=arguments)
        assert response.status_code == 200, response.get_data(as_text=True)
        found: list[dict[str, Any]] = response.get_json()["messages"]
        return found

    def only(self) -> dict[str, Any]:
        """Return all of the one message that there is."""
        [summary] = self.messages()
        found: dict[str, Any] = self.client.get(summary["url"]).get_json()
        return found
