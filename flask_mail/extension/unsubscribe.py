"""One-click unsubscribe (RFC 8058): signed links, and the page that they lead to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import (
    Blueprint,
    Flask,
    abort,
    current_app,
    make_response,
    render_template,
    request,
)
from itsdangerous import BadData, URLSafeTimedSerializer

from ..config import table as settings
from ..config.message_settings import UNSUBSCRIBE, UNSUBSCRIBE_MAILTO
from ..delivery.signals import email_unsubscribed
from ..errors import ConfigurationError, MessageError
from ..message.unsubscribing import only_recipient
from ..mime.checks import check_text
from ..util.hosts import is_in_development
from .csrf import exempt

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from ..message.message import Message

BLUEPRINT = "flask_mail_unsubscribe"
_SALT = "flask-mail-unsubscribe"


def unsubscribe_url(
    config: Mapping[str, Any], app: Flask | None, address: str, list_name: object
) -> str:
    """Return the URL of the page on which `address` leaves a mailing list.

    :raises MessageError: the list has no name.
    :raises ConfigurationError: a setting is missing, or the page does not exist.
    """
    name = check_text(list_name, "unsubscribe")
    if isinstance(list_name, bool) or not name.strip():  # True is not a list named True
        given = list_name if isinstance(list_name, bool) else "empty"
        raise MessageError(f'unsubscribe is {given}: name the mailing list, such as "newsletter".')
    prefix = settings.lookup(config, UNSUBSCRIBE)
    if prefix is None:
        raise ConfigurationError(
            'A message with unsubscribe needs MAIL_UNSUBSCRIBE, such as "/unsubscribe".'
        )
    if app is not None and BLUEPRINT not in app.blueprints:
        raise ConfigurationError(
            "MAIL_UNSUBSCRIBE must be set before Mail(app) or init_app(app), which adds its page."
        )
    host = config.get("SERVER_NAME")
    if not host:
        raise ConfigurationError(
            "Unsubscribe links need SERVER_NAME, the host of the app as its visitors see it. The"
            " Host header of a request is not trusted in mail."
        )
    root = (config.get("APPLICATION_ROOT") or "/").rstrip("/")
    token = _serializer(config).dumps([name, address])
    url = f"{config.get('PREFERRED_URL_SCHEME') or 'http'}://{host}{root}{prefix}/{token}"
    if not url.startswith("https://") and not is_in_development(url):
        raise ConfigurationError(
            "One-click unsubscribe needs https (RFC 8058 section 3.1): set PREFERRED_URL_SCHEME to"
            ' "https".'
        )
    return url


def add_headers(message: Message, config: Mapping[str, Any], app: Any) -> None:
    """Set the headers of one-click unsubscribe for the only recipient of `message`.

    They are made at each sending: the message may have got another recipient.

    :raises MessageError: it has more recipients, or none.
    """
    address = only_recipient(message.recipients, message.cc, message.bcc)
    message.list_unsubscribe(
        unsubscribe_url(config, app, address, message.unsubscribe),
        settings.lookup(config, UNSUBSCRIBE_MAILTO),
        one_click=True,
    )


def add_page(app: Flask) -> None:
    """Add the page of unsubscribe links to `app`, if ``MAIL_UNSUBSCRIBE`` is set."""
    prefix = settings.lookup(app.config, UNSUBSCRIBE)
    if prefix is None or BLUEPRINT in app.blueprints:
        return
    # The argument may be current_app, a proxy that is only valid in this context.
    app = getattr(app, "_get_current_object", lambda: app)()
    blueprint = Blueprint(BLUEPRINT, __name__, template_folder="templates")
    blueprint.add_url_rule("/<token>", "page", _page, methods=["GET", "POST"])
    app.register_blueprint(blueprint, url_prefix=prefix)
    exempt(app, BLUEPRINT)


def _page(token: str) -> ResponseReturnValue:
    try:
        list_name, address = _serializer(current_app.config).loads(token)
    except BadData:
        abort(404)
    done = request.method == "POST"
    if done:
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        if not email_unsubscribed.has_receivers_for(app):
            # A mail program would take a status of 200 for done.
            raise ConfigurationError(
                "No receiver of email_unsubscribed is connected, so nothing was unsubscribed:"
                " connect a function that removes the address from the list."
            )
        email_unsubscribed.send(app, address=address, list_name=list_name)
    page = render_template(
        "flask_mail/unsubscribe.html", done=done, address=address, list_name=list_name
    )
    response = make_response(page)
    # The URL is the permission to unsubscribe.
    response.headers.update({"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    return response


def _serializer(config: Mapping[str, Any]) -> URLSafeTimedSerializer:
    key = config.get("SECRET_KEY")
    if not key:
        raise ConfigurationError("Unsubscribe links are signed: set SECRET_KEY.")
    return URLSafeTimedSerializer(
        [*(config.get("SECRET_KEY_FALLBACKS") or ()), key],
        salt=_SALT,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
