"""The pages of the inbox that are looked at."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from flask import Response, abort, make_response, render_template, request, send_file

from ..errors import ConfigurationError
from . import html as documents
from . import previews as samples
from . import resending
from .inbox import MOST_LISTED, Query
from .views import MESSAGES, PREVIEWS, find, inbox_here

if TYPE_CHECKING:
    from flask import Blueprint
    from flask.typing import ResponseReturnValue

    from .views import Shown

_WIDTHS: Final = {"360": "Phone", "768": "Tablet", "": "Desktop"}
_MOST_SHOWN: Final = 512 * 1024
"""Characters of a text or a source: more would make a browser slow."""
_MOST_LINKED: Final = 64 * 1024
_LOCATION: Final = f"/<any({MESSAGES}, {PREVIEWS}):where>/<name>"


def add_to(blueprint: Blueprint) -> None:
    """Add the pages to a blueprint."""
    blueprint.get("/")(messages)
    blueprint.get("/changes")(changes)
    blueprint.get("/previews")(previews)
    blueprint.get(_LOCATION)(message)
    blueprint.get(f"{_LOCATION}/html")(html)
    blueprint.get(f"{_LOCATION}/eml")(eml)
    blueprint.get(f"{_LOCATION}/parts/<int:number>")(part)


def messages() -> ResponseReturnValue:
    """List the messages."""
    inbox = inbox_here()
    words = request.args.get("q", "").strip()
    problem, found, version, has_mailers = "", [], "", False
    try:
        version = inbox.version()
        found = inbox.find(Query(words=words))
        has_mailers = inbox.has_mailers
    except ConfigurationError as error:
        problem = str(error)
    return render_template(
        "flask_mail_inbox/messages.html",
        messages=found,
        words=words,
        version=version,
        has_mailers=has_mailers,
        problem=problem,
        is_full=len(found) == MOST_LISTED,
    )


def changes() -> ResponseReturnValue:
    """Answer once there are other messages than those of a version that is known."""
    inbox, known = inbox_here(), request.args.get("version", "")
    # A single-threaded server must not block on a waiting request.
    seconds = 20.0 if request.is_multithread else 0.0
    inbox.wait(lambda: inbox.version() != known, seconds)
    return {"version": inbox.version()}


def previews() -> ResponseReturnValue:
    """List the previews."""
    inbox = inbox_here()
    return render_template(
        "flask_mail_inbox/previews.html",
        previews=samples.names(inbox),
        locales=samples.locales(inbox),
        locale=request.args.get("locale", ""),
    )


def message(where: str, name: str) -> ResponseReturnValue:
    """Show a message, or a preview."""
    shown, inbox = find(where, name), inbox_here()
    letter = shown.letter
    views = _views(shown)
    view = request.args.get("view", "")
    scheme = "dark" if request.args.get("scheme") == "dark" else ""
    images = "1" if request.args.get("images") == "1" else ""
    width = request.args.get("width", "")
    source = letter.source
    return render_template(
        "flask_mail_inbox/message.html",
        shown=shown,
        letter=letter,
        views=views,
        view=view if view in views else next(iter(views)),
        widths=_WIDTHS,
        width=width if width in _WIDTHS else "",
        scheme=scheme,
        images=images,
        has_remote_images=documents.has_remote_images(letter.html or ""),
        sandbox=documents.SANDBOX,
        source=source[:_MOST_SHOWN],
        is_cut=len(source) > _MOST_SHOWN,
        most_shown=_MOST_SHOWN,
        most_linked=_MOST_LINKED,
        locales=samples.locales(inbox) if shown.is_preview else [],
        backends=[] if shown.is_preview or shown.error else resending.backends(inbox),
    )


def _views(shown: Shown) -> dict[str, str]:
    letter = shown.letter
    views = {}
    if letter.html is not None:
        views["html"] = "HTML"
    if letter.text is not None or letter.others:
        views["text"] = "Text"
    return {**views, "headers": "Headers", "envelope": "Envelope", "source": "Source"}


def html(where: str, name: str) -> ResponseReturnValue:
    """Give the HTML of a message, for a frame in which nothing can act."""
    letter = find(where, name).letter
    is_dark = request.args.get("scheme") == "dark"
    response = make_response(documents.document(letter, is_dark=is_dark))
    images = request.args.get("images") == "1"
    response.headers["Content-Security-Policy"] = documents.policy(images=images)
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def eml(where: str, name: str) -> ResponseReturnValue:
    """Give a message as a file that mail programs open."""
    shown = find(where, name)
    return _download(shown.letter.content, f"{name}.eml", "message/rfc822")


def part(where: str, name: str, number: int) -> ResponseReturnValue:
    """Give an attachment as a file, or with ``?inline=1`` a picture to look at."""
    parts = find(where, name).letter.parts
    if number >= len(parts):
        abort(404, "This part does not exist.")
    found = parts[number]
    if found.is_image and request.args.get("inline") == "1":
        return Response(found.octets, content_type=found.content_type)
    # Browsers might open its real type; programs use the file name.
    return _download(found.octets, found.name, "application/octet-stream")


def _download(octets: bytes, name: str, content_type: str) -> Response:
    arguments: dict[str, Any] = {"as_attachment": True, "download_name": _file_name(name)}
    response = send_file(io.BytesIO(octets), content_type, max_age=0, **arguments)
    response.headers["Cache-Control"] = "no-store"
    return response


def _file_name(name: str) -> str:
    """Return a safe file name, without folders and invisible characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(each for each in last if each.isprintable()).strip(". ")
    return shown[-150:] or "attachment"
