"""Registration and password reset, as somebody with a browser and a mailbox sees them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from accounts import CODE_LASTS, LINK_LASTS, MOST_TRIES, create_app
from flask import Flask
from flask.testing import FlaskClient

from flask_mail import BackendUnavailable
from flask_mail.testing import Outbox, find_code, find_links

TOKEN = {re.compile(r"(?<=/confirm/)[\w.-]+"): "TOKEN"}


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return create_app(TESTING=True, DATABASE=str(tmp_path / "accounts.sqlite"))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def ann(client: FlaskClient, outbox: Outbox) -> str:
    """Ann's address; she has an account and has read her mail."""
    register(client, "ann@example.com", "first password")
    [link] = find_links(outbox.last)
    client.get(link)
    outbox.clear()
    return "ann@example.com"


def register(client: FlaskClient, address: str, password: str = "a password") -> int:
    return client.post("/register", data={"address": address, "password": password}).status_code


def login(client: FlaskClient, address: str, password: str) -> int:
    return client.post("/login", data={"address": address, "password": password}).status_code


def reset(client: FlaskClient, address: str, digits: str) -> int:
    data = {"address": address, "code": digits, "password": "second password"}
    return client.post("/reset", data=data).status_code


def test_a_link_confirms_the_address(client: FlaskClient, outbox: Outbox) -> None:
    register(client, "bob@example.com", "secret")
    assert login(client, "bob@example.com", "secret") == 403

    message = outbox.assert_sent(to="bob@example.com", subject="Confirm your address")
    [link] = find_links(message)
    assert client.get(link).status_code == 200
    assert login(client, "bob@example.com", "secret") == 200


def test_the_mail_with_the_link_looks_as_it_should(client: FlaskClient, outbox: Outbox) -> None:
    register(client, "bob@example.com")

    outbox.assert_matches("confirm", replace=TOKEN)


def test_another_link_confirms_nothing(client: FlaskClient, outbox: Outbox) -> None:
    register(client, "bob@example.com", "secret")
    [link] = find_links(outbox.last)

    assert client.get(f"{link}x").status_code == 400
    assert login(client, "bob@example.com", "secret") == 403


def test_a_link_holds_for_a_day(
    client: FlaskClient, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(client, "bob@example.com")
    [link] = find_links(outbox.last)

    monkeypatch.setattr("accounts.LINK_LASTS", -1)
    assert LINK_LASTS == 24 * 60 * 60
    assert client.get(link).status_code == 400


def test_a_link_confirms_only_the_password_that_was_chosen_with_it(
    client: FlaskClient, outbox: Outbox
) -> None:
    register(client, "bob@example.com", "secret")
    register(client, "bob@example.com", "of somebody else")
    first, second = outbox.assert_sent(subject="Confirm your address", count=2)

    assert client.get(find_links(first)[0]).status_code == 400
    assert client.get(find_links(second)[0]).status_code == 200
    assert login(client, "bob@example.com", "secret") == 403


def test_a_known_address_is_told_by_mail_and_not_on_the_page(
    client: FlaskClient, outbox: Outbox, ann: str
) -> None:
    assert register(client, ann, "of somebody else") == register(client, "new@example.com")

    outbox.assert_sent(to=ann, subject="You have an account", body="/forgot", count=1)
    assert login(client, ann, "first password") == 200


def test_an_address_that_is_none_gets_no_mail(client: FlaskClient, outbox: Outbox) -> None:
    assert register(client, "bob") == 422
    assert register(client, "bob@example.com, eve@example.com") == 422
    outbox.assert_no_mail()


def test_an_address_that_is_refused_gets_no_account(client: FlaskClient, outbox: Outbox) -> None:
    outbox.refuse("*@bad.example")

    assert register(client, "bob@bad.example") == 422
    client.post("/forgot", data={"address": "bob@bad.example"})
    outbox.assert_no_mail()


@pytest.mark.parametrize("silent", [True, False])
def test_a_server_that_is_down_is_told_and_the_next_try_works(
    client: FlaskClient, outbox: Outbox, silent: bool
) -> None:
    if silent:
        outbox.time_out()
    else:
        outbox.fail_next(BackendUnavailable("The server is down."))

    assert register(client, "bob@example.com") == 503
    assert register(client, "bob@example.com") == 200
    outbox.assert_sent(to="bob@example.com", count=1)


def test_a_code_resets_the_password(client: FlaskClient, outbox: Outbox, ann: str) -> None:
    client.post("/forgot", data={"address": ann})
    message = outbox.assert_sent(to=ann, subject="Your code", body=f"{CODE_LASTS // 60} minutes")

    assert reset(client, ann, find_code(message)) == 200
    assert login(client, ann, "first password") == 403
    assert login(client, ann, "second password") == 200
    # The app sends this one in a thread; the assertion waits for it.
    outbox.assert_sent(to=ann, subject="Your password was changed")


def test_a_code_holds_once(client: FlaskClient, outbox: Outbox, ann: str) -> None:
    client.post("/forgot", data={"address": ann})
    digits = find_code(outbox.last)

    assert reset(client, ann, digits) == 200
    assert reset(client, ann, digits) == 403


def test_a_code_cannot_be_guessed(client: FlaskClient, outbox: Outbox, ann: str) -> None:
    client.post("/forgot", data={"address": ann})
    digits = find_code(outbox.last)

    for _ in range(MOST_TRIES):
        assert reset(client, ann, "000000" if digits != "000000" else "111111") == 403
    assert reset(client, ann, digits) == 403
    outbox.assert_not_sent(subject="Your password was changed")


def test_a_stranger_gets_no_code(client: FlaskClient, outbox: Outbox) -> None:
    assert client.post("/forgot", data={"address": "eve@example.com"}).status_code == 200
    assert reset(client, "eve@example.com", "000000") == 403
    outbox.assert_no_mail()


def test_the_password_is_changed_even_where_nobody_can_be_told(
    client: FlaskClient, outbox: Outbox, ann: str
) -> None:
    client.post("/forgot", data={"address": ann})
    digits = find_code(outbox.last)
    outbox.fail_next(BackendUnavailable("The server is down."))

    assert reset(client, ann, digits) == 200
    outbox.assert_not_sent(subject="Your password was changed")
    assert [message.subject for message in outbox.failed] == ["Your password was changed"]


def test_another_site_cannot_send_mail(client: FlaskClient, outbox: Outbox, ann: str) -> None:
    headers = {"Origin": "https://evil.example"}
    response = client.post("/forgot", data={"address": ann}, headers=headers)

    assert response.status_code == 403
    outbox.assert_no_mail()


@pytest.mark.parametrize("path", ["/register", "/login", "/forgot", "/reset"])
def test_every_form_has_labels(client: FlaskClient, path: str) -> None:
    page = client.get(path).text

    labelled = re.findall(r'<label for="(\w+)"', page)
    assert labelled
    assert labelled == re.findall(r'<input id="(\w+)"', page)
