"""The blueprint of the inbox, and the app that serves it beside the one that is developed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from flask import Blueprint, Flask, abort, redirect, render_template, request, url_for

from ..errors import ConfigurationError
from ..extension.development import is_developed
from ..util.text import describe
from . import actions, api, failures, pages, protection
from .backlog import has_queue
from .filters import moment_text, size_text
from .inbox import Inbox
from .views import inbox_here

if TYPE_CHECKING:
    from flask.blueprints import BlueprintSetupState
    from flask.typing import ResponseReturnValue

_log = logging.getLogger("flask_mail")


def inbox_blueprint(name: str = "flask_mail_inbox") -> Blueprint:
    """Return a blueprint of the inbox, for an app that adds its own login.

    Everyone with access can read all stored mail, including links that reset passwords. The app
    must restrict access, for instance with ``before_request`` of the blueprint. A warning is logged
    if neither debug nor testing is on.
    """
    blueprint = Blueprint(
        name,
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/static",
    )
    blueprint.record_once(_register)
    blueprint.before_request(_check)
    blueprint.after_request(protection.protect)
    blueprint.register_error_handler(ConfigurationError, _explain)
    blueprint.register_error_handler(404, _missing)
    blueprint.register_error_handler(409, _refused)
    blueprint.context_processor(
        lambda: {
            "app_name": inbox_here().app.name,
            "size_text": size_text,
            "moment_text": moment_text,
            "token": protection.token,
            "has_queue": _has_queue(),
        }
    )
    pages.add_to(blueprint)
    actions.add_to(blueprint)
    api.add_to(blueprint)
    # For an address without a route, Flask would not ask the error handler of a blueprint.
    blueprint.route("/<path:rest>", methods=["GET", "POST", "DELETE"])(_no_page)
    return blueprint


def standalone(app: Flask) -> Flask:
    """Return a WSGI app that serves the inbox of `app`."""
    server = Flask(__name__, static_folder=None)
    server.extensions["mail_inbox"] = Inbox(app)
    # What a preview raises is for the debugger, or for the test client that asked.
    server.config["PROPAGATE_EXCEPTIONS"] = True
    server.before_request(lambda: protection.check_peer(app))
    server.before_request(lambda: protection.check_host(app))
    server.before_request(_complete_root)
    server.after_request(protection.protect)  # even for missing pages
    server.register_blueprint(inbox_blueprint())
    return server


def _has_queue() -> bool:
    try:
        return has_queue(inbox_here().state)
    except ConfigurationError:  # the page says so
        return False


def _register(setup: BlueprintSetupState) -> None:
    app = cast("Flask", setup.app)
    app.extensions.setdefault("mail_inbox", Inbox(app))
    failures.watch(app)


def _complete_root() -> ResponseReturnValue | None:
    # The cookie of the forms belongs to what is below the prefix.
    return None if request.environ.get("PATH_INFO") else redirect(f"{request.script_root}/")


def _check() -> None:
    inbox = inbox_here()
    if not is_developed(inbox.app) and not inbox.is_warned:
        inbox.is_warned = True
        _log.warning(
            "The mail inbox is served by an app without debug and testing: anyone who can open"
            " %s can read all stored mail. Restrict access to it.",
            url_for(".messages"),
        )
    protection.check_origin()


def _explain(error: Exception) -> ResponseReturnValue:
    if ".api_" in (request.endpoint or ""):
        return {"error": str(error)}, 409
    return _page("Something went wrong", str(error)), 409


def _missing(error: Exception) -> ResponseReturnValue:
    return _page("Not found", getattr(error, "description", "")), 404


def _refused(error: Exception) -> ResponseReturnValue:
    return _page("Not changed", getattr(error, "description", "")), 409


def _no_page(rest: str) -> ResponseReturnValue:
    abort(404, f"The inbox has no page {describe(rest)}.")


def _page(heading: str, text: str) -> str:
    return render_template("flask_mail_inbox/error.html", heading=heading, text=text)
