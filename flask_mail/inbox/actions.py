"""Actions of the inbox: delete and resend messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import abort, redirect, render_template, request, url_for

from .. import _context
from ..errors import MailError
from . import protection
from .resending import resend
from .summaries import Query
from .views import LOCATION, MESSAGES, find, inbox_here, place, queued_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Blueprint
    from flask.typing import ResponseReturnValue


def add_to(blueprint: Blueprint) -> None:
    """Add the actions to a blueprint."""
    blueprint.post("/delete")(delete_all)
    blueprint.post("/delete-selected")(delete_selected)
    blueprint.post("/messages/<name>/delete")(delete)
    blueprint.post(f"{LOCATION}/resend")(send_again)
    blueprint.post("/queue/<name>/retry")(retry)
    blueprint.post("/queue/<name>/cancel")(cancel)


def delete_all() -> ResponseReturnValue:
    """Delete all messages."""
    protection.check_token()
    inbox_here().delete_all()
    return redirect(url_for(".messages"), 303)


def delete_selected() -> ResponseReturnValue:
    """Delete the messages that were selected in the list."""
    protection.check_token()
    inbox, opened = inbox_here(), request.form.get("open", "")
    inbox.delete(*request.form.getlist("id"))
    return _list_with(opened if opened and inbox.get(opened) else None)


def delete(name: str) -> ResponseReturnValue:
    """Delete a message, and show the next one of the list."""
    protection.check_token()
    inbox = inbox_here()
    following = inbox.beside(name, Query(words=place()["q"] or ""))
    inbox.delete(name)
    return _list_with(following)


def _list_with(opened: str | None) -> ResponseReturnValue:
    """Redirect to the list, with a message beside it."""
    if opened is None:
        return redirect(url_for(".messages", **place()), 303)
    return redirect(url_for(".message", where=MESSAGES, name=opened, **place()), 303)


def retry(name: str) -> ResponseReturnValue:
    """Queue a message again; an unknown one only if a person accepts that it may arrive twice."""
    protection.check_token()
    found = queued_message(name)[0]
    if found.may_arrive_twice and request.form.get("may_arrive_twice") != "1":
        abort(409, "This message may have been sent: confirm that it may arrive twice.")
    return _changed(found.retry)


def cancel(name: str) -> ResponseReturnValue:
    """Cancel a message that is not being sent."""
    protection.check_token()
    return _changed(queued_message(name)[0].cancel)


def _changed(change: Callable[[], bool] | None) -> ResponseReturnValue:
    with _context.bound(inbox_here().state):
        if change is None or not change():
            abort(
                409, "Nothing was changed: a worker, or another person, changed this message first."
            )
    return redirect(url_for(".queue"), 303)


def send_again(where: str, name: str) -> ResponseReturnValue:
    """Send a message or preview to an address that was typed in."""
    protection.check_token()
    shown = find(where, name)
    address, backend = request.form.get("to", "").strip(), request.form.get("backend", "")
    receipt, result = None, shown.error
    if not shown.error:
        try:
            receipt = resend(inbox_here(), shown.stored, shown.parsed, address, backend)
        except MailError as error:
            result = str(error)
        else:
            # Not the address: a guard may have sent it to another one.
            answer = f": {receipt.response}" if receipt.response else "."
            result = f"{receipt.outcome.value} by {receipt.backend}{answer}"
    page = render_template(
        "flask_mail_inbox/resent.html",
        shown=shown,
        result=result,
        outcome=receipt.outcome.value if receipt is not None else "",
    )
    return page, 422 if receipt is None else 200
