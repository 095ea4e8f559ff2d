"""Actions of the inbox: delete and resend messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import redirect, render_template, request, url_for

from ..errors import MailError
from . import protection
from .resending import resend
from .views import inbox_here, message

if TYPE_CHECKING:
    from flask import Blueprint
    from flask.typing import ResponseReturnValue


def add_to(blueprint: Blueprint) -> None:
    """Add the actions to a blueprint."""
    blueprint.post("/delete")(delete_all)
    blueprint.post("/messages/<name>/delete")(delete)
    blueprint.post("/messages/<name>/resend")(send_again)


def delete_all() -> ResponseReturnValue:
    """Delete all messages."""
    protection.check_token()
    inbox_here().delete_all()
    return redirect(url_for(".messages"), 303)


def delete(name: str) -> ResponseReturnValue:
    """Delete a message."""
    protection.check_token()
    inbox_here().delete(name)
    return redirect(url_for(".messages"), 303)


def send_again(name: str) -> ResponseReturnValue:
    """Send a message to an address that was typed in."""
    protection.check_token()
    shown = message(name)
    address, backend = request.form.get("to", "").strip(), request.form.get("backend", "")
    if shown.stored is None or shown.error:
        result, status = shown.error, 422
    else:
        try:
            receipt = resend(inbox_here(), shown.stored, shown.letter, address, backend)
        except MailError as error:
            result, status = str(error), 422
        else:
            # Not the address: a guard may have sent it to another one.
            answer = f": {receipt.response}" if receipt.response else "."
            result, status = f"{receipt.outcome.value} by {receipt.backend}{answer}", 200
    page = render_template(
        "flask_mail_inbox/resent.html", shown=shown, result=result, is_error=status != 200
    )
    return page, status
