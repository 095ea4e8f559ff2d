"""The example that README begins with: what it sends, and how it answers."""

from __future__ import annotations

import email
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from email import policy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from servers import Recorder, smtp_server

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "quickstart.py"


@pytest.fixture
def quickstart(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example, imported anew, with nothing about mail in the environment."""
    for name in list(os.environ):
        if "MAIL_" in name:
            monkeypatch.delenv(name)
    spec = importlib.util.spec_from_file_location("quickstart", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def app(quickstart: ModuleType) -> Iterator[Flask]:
    app = quickstart.create_app()
    app.config.update(TESTING=True, MAIL_BACKEND="locmem")
    with app.app_context():
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def outbox(quickstart: ModuleType, app: Flask) -> list[Any]:
    outbox: list[Any] = quickstart.mail.outbox
    return outbox


def run_example(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if "MAIL_" not in name}
    return subprocess.run(
        [sys.executable, str(EXAMPLE), *arguments],
        env={**kept, "PYTHONUTF8": "1", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_form_can_be_used_without_seeing_it(client: FlaskClient) -> None:
    page = client.get("/").get_data(as_text=True)

    labelled = set(re.findall(r'<label for="(\w+)"', page))
    assert labelled == set(re.findall(r'<input id="(\w+)"', page)) == {"name", "address"}
    assert '<html lang="en">' in page


def test_the_form_sends_text_html_and_an_attachment(client: FlaskClient, outbox: list[Any]) -> None:
    response = client.post("/", data={"name": "Ann & Co", "address": "ann@example.com"})

    assert response.status_code == 200
    assert "on its way to ann@example.com" in response.get_data(as_text=True)
    [message] = outbox
    assert message.envelope.recipients == ("ann@example.com",)
    assert "Hello Ann & Co," in message.body
    assert "<strong>Ann &amp; Co</strong>" in message.html
    assert [each.filename for each in message.attachments] == ["first-steps.txt"]


@pytest.mark.parametrize(
    ("name", "address"),
    [("Ann", "ann"), ("Ann", ""), ("Ann", "ann@example.com, bob@example.com")],
)
def test_a_wrong_address_is_told_on_the_page(
    client: FlaskClient, outbox: list[Any], name: str, address: str
) -> None:
    response = client.post("/", data={"name": name, "address": address})
    page = response.get_data(as_text=True)

    assert response.status_code == 422
    assert 'role="alert"' in page
    assert f'value="{name}"' in page  # nobody has to type it again
    assert outbox == []


def test_a_name_with_a_line_break_is_no_way_to_add_headers(
    client: FlaskClient, outbox: list[Any]
) -> None:
    data = {"name": "Ann\r\nBcc: bob@example.com", "address": "ann@example.com"}

    assert client.post("/", data=data).status_code == 422
    assert outbox == []


def test_what_was_typed_is_shown_and_not_run(client: FlaskClient) -> None:
    data = {"name": '"><script>alert(1)</script>', "address": "<script>alert(2)</script>"}

    assert "<script>" not in client.post("/", data=data).get_data(as_text=True)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:81"])
def test_another_site_cannot_send(client: FlaskClient, outbox: list[Any], origin: str) -> None:
    data = {"name": "Ann", "address": "ann@example.com"}

    assert client.post("/", data=data, headers={"Origin": origin}).status_code == 403
    assert outbox == []
    same = client.post("/", data=data, headers={"Origin": "http://localhost"})
    assert same.status_code == 200


def test_a_server_that_is_down_is_told_on_the_page(app: Flask, client: FlaskClient) -> None:
    app.config.update(MAIL_BACKEND="smtp", MAIL_SUPPRESS_SEND=False, MAIL_SERVER="127.0.0.1")
    app.config["MAIL_PORT"] = 1

    response = client.post("/", data={"name": "Ann", "address": "ann@example.com"})
    page = response.get_data(as_text=True)

    assert response.status_code == 502
    assert 'role="alert"' in page
    assert "127.0.0.1" not in page


def test_the_command_of_the_readme_shows_a_message() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [arguments] = re.findall(r"&& \.venv/bin/python examples/quickstart\.py (.*)", readme)

    done = run_example(*arguments.split())

    assert done.returncode == 0, done.stderr
    assert "RCPT TO:<ann@example.com>" in done.stdout
    assert "Subject: Welcome" in done.stdout
    assert "Hello Ann," in done.stdout
    assert "first-steps.txt" in done.stdout
    assert done.stdout.endswith("sent by the console backend\n")
    assert done.stderr == ""


@pytest.mark.parametrize("prefix", ["", "FLASK_"])
def test_the_environment_chooses_smtp(quickstart: ModuleType, prefix: str) -> None:
    with smtp_server(Recorder()) as server:
        settings = {
            "MAIL_BACKEND": "smtp",
            "MAIL_SERVER": server.host,
            "MAIL_PORT": str(server.port),
            "MAIL_DEFAULT_SENDER": "Shöp <shop@example.com>",
        }
        done = run_example(
            "--send",
            "zoë@bücher.example",
            **{f"{prefix}{name}": value for name, value in settings.items()},
        )
        [envelope] = server.recorder.accepted

    assert done.stdout == "sent by the smtp backend\n", done.stderr
    assert envelope.mail_from == "shop@example.com"
    assert envelope.rcpt_tos == ["zoë@xn--bcher-kva.example"]
    received = email.message_from_bytes(envelope.content, policy=policy.default)
    assert received["From"] == "Shöp <shop@example.com>"
    text, html = received.get_body(("plain",)), received.get_body(("html",))
    assert text.get_content().startswith("Hello Ann,")
    assert "<strong>Ann</strong>" in html.get_content()
    [attachment] = received.iter_attachments()
    assert attachment.get_filename() == "first-steps.txt"
    assert attachment.get_content() == quickstart.FIRST_STEPS


def test_a_failure_is_told_in_a_sentence() -> None:
    done = run_example("--send", MAIL_BACKEND="smtp", MAIL_SERVER="127.0.0.1", MAIL_PORT="1")

    assert done.returncode == 1
    assert done.stdout == ""
    assert "MAIL_SERVER" in done.stderr
    assert "Traceback" not in done.stderr
