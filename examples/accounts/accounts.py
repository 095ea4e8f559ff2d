"""Accounts: people register, confirm their address by a link, and reset their password by a code.

Serve it, and see the mail in the terminal::

    flask --app accounts run
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.security import check_password_hash, generate_password_hash

from flask_mail import DeliveryError, Mail, MessageError, MessageRefused

mail = Mail()

LINK_LASTS = 24 * 60 * 60  # seconds
CODE_LASTS = 10 * 60
MOST_TRIES = 5  # else six digits could be guessed

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    address TEXT PRIMARY KEY, password TEXT NOT NULL, registration TEXT NOT NULL,
    confirmed INTEGER NOT NULL DEFAULT 0,
    code TEXT, code_until REAL, tries INTEGER NOT NULL DEFAULT 0
)
"""


def create_app(**config: Any) -> Flask:
    """Return the app; ``config`` overrides the environment (``FLASK_...``)."""
    app = Flask(__name__)
    app.config.update(
        DATABASE="accounts.sqlite",
        SECRET_KEY=secrets.token_hex(),  # links end with the process: set one of your own
        MAIL_BACKEND="console",
        MAIL_DEFAULT_SENDER="Accounts <accounts@example.com>",
    )
    app.config.from_prefixed_env()
    app.config.update(config)
    mail.init_app(app)
    app.before_request(check_origin)
    app.add_url_rule("/register", view_func=register, methods=["GET", "POST"])
    app.add_url_rule("/confirm/<token>", view_func=confirm)
    app.add_url_rule("/login", view_func=login, methods=["GET", "POST"])
    app.add_url_rule("/forgot", view_func=forgot, methods=["GET", "POST"])
    app.add_url_rule("/reset", view_func=reset, methods=["GET", "POST"])
    app.register_error_handler(MessageError, no_address)
    app.register_error_handler(DeliveryError, no_delivery)
    return app


def check_origin() -> None:
    """Refuse forms of other sites; browsers name the one that a form comes from."""
    origin = request.headers.get("Origin", request.host_url)
    if request.method == "POST" and urlsplit(origin).netloc != request.host:
        abort(403)


def register() -> ResponseReturnValue:
    """Make an account and send a link that confirms its address."""
    if request.method == "GET":
        return page("Register", "address", "password")
    address, password = request.form["address"].strip(), request.form["password"]
    if one("SELECT 1 FROM accounts WHERE address = ? AND confirmed", address):
        mail.send(mail.render("mail/known", [address], url=url_for("forgot", _external=True)))
    else:
        # A link confirms the password that was chosen with it, not one that came later.
        registration = secrets.token_urlsafe()
        token = signer().dumps([address, registration])
        url = url_for("confirm", token=token, _external=True)
        mail.send(mail.render("mail/confirm", [address], url=url))
        change(
            "INSERT OR REPLACE INTO accounts (address, password, registration) VALUES (?, ?, ?)",
            address,
            generate_password_hash(password),
            registration,
        )
    return page("Check your mail.")  # the same for an address that is known


def confirm(token: str) -> ResponseReturnValue:
    """Confirm the address that a link was sent to."""
    try:
        values = signer().loads(token, max_age=LINK_LASTS)
    except BadSignature:
        values = [None, None]
    if not one("SELECT 1 FROM accounts WHERE address = ? AND registration = ?", *values):
        return page("This link has expired or is invalid."), 400
    change("UPDATE accounts SET confirmed = 1 WHERE address = ? AND registration = ?", *values)
    return page("Your address is confirmed.")


def login() -> ResponseReturnValue:
    """Check address and password."""
    if request.method == "GET":
        return page("Log in", "address", "password")
    found = one(
        "SELECT password FROM accounts WHERE address = ? AND confirmed", request.form["address"]
    )
    if not found or not check_password_hash(found["password"], request.form["password"]):
        return page("Address or password is wrong, or the address is not confirmed."), 403
    return page("Welcome.")


def forgot() -> ResponseReturnValue:
    """Send a code to the address if it has an account."""
    if request.method == "GET":
        return page("Forgot your password?", "address")
    address = request.form["address"].strip()
    if one("SELECT 1 FROM accounts WHERE address = ? AND confirmed", address):
        code = f"{secrets.randbelow(1_000_000):06}"
        change(
            "UPDATE accounts SET code = ?, code_until = ?, tries = 0 WHERE address = ?",
            generate_password_hash(code),
            time.time() + CODE_LASTS,
            address,
        )
        mail.send(mail.render("mail/code", [address], code=code, minutes=CODE_LASTS // 60))
    return page("If there is such an account, a code is on its way.")


def reset() -> ResponseReturnValue:
    """Set a new password with a valid code, and notify the owner."""
    if request.method == "GET":
        return page("Set a new password", "address", "code", "password")
    address = request.form["address"].strip()
    change("UPDATE accounts SET tries = tries + 1 WHERE address = ?", address)
    found = one(
        "SELECT code FROM accounts WHERE address = ? AND code_until > ? AND tries <= ?",
        address,
        time.time(),
        MOST_TRIES,
    )
    if not found or not check_password_hash(found["code"], request.form["code"]):
        return page("This code has expired or is invalid."), 403
    change(
        "UPDATE accounts SET password = ?, code = NULL, code_until = NULL WHERE address = ?",
        generate_password_hash(request.form["password"]),
        address,
    )
    # In a thread, because the response does not depend on it.
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    threading.Thread(target=tell_owner, args=(app, address)).start()
    return page("Your password is changed.")


def tell_owner(app: Flask, address: str) -> None:
    """Notify the owner of an account that its password was changed; runs in a thread."""
    with app.app_context():
        try:
            mail.send(mail.render("mail/changed", [address]))
        except DeliveryError as error:
            app.logger.warning("%s", error)


def no_address(error: MessageError) -> ResponseReturnValue:
    """Report an invalid address; nothing was sent."""
    return page(str(error)), 422


def no_delivery(error: DeliveryError) -> ResponseReturnValue:
    """Report that a mail was not delivered, and if a retry makes sense."""
    current_app.logger.warning("%s", error)  # names the server, which visitors need not know
    if isinstance(error, MessageRefused):
        return page("This address does not accept mail."), 422
    return page("Mail cannot be sent now. Please try again later."), 503


def signer() -> URLSafeTimedSerializer:
    """Return the signer of the links."""
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="confirm")


def page(title: str, *fields: str) -> str:
    """Return a page: a form with these fields, or just a sentence."""
    return render_template("page.html", title=title, fields=fields)


def one(query: str, *values: object) -> Any:
    """Return the first row of a query, or ``None``."""
    with closing(database()) as connection:
        return connection.execute(query, values).fetchone()


def change(query: str, *values: object) -> None:
    """Change the database."""
    with closing(database()) as connection, connection:
        connection.execute(query, values)


def database() -> sqlite3.Connection:
    """Open the database."""
    connection = sqlite3.connect(current_app.config["DATABASE"])
    connection.row_factory = sqlite3.Row
    connection.execute(SCHEMA)
    return connection
