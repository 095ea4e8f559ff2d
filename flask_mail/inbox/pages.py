"""The pages of the inbox that are looked at."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from flask import Response, abort, make_response, render_template, request, send_file, url_for

from ..errors import ConfigurationError
from ..message.programs import date_of_facts, programs_for
from . import resending
from .backlog import listed
from .highlighting import LARGEST, highlighted
from .html import (
    MEASURING,
    SANDBOX,
    content_security_policy,
    document,
    has_dark_styles,
    has_remote_images,
)
from .inbox import MOST_READ, Results
from .parameters import parameters_of
from .previews import listed as listed_previews
from .previews import locales
from .summaries import MOST_SEARCHED, Query
from .views import LOCATION, MESSAGES, base_url, find, inbox_here

if TYPE_CHECKING:
    from flask import Blueprint
    from flask.typing import ResponseReturnValue

    from .sources import Entry
    from .views import Shown

_MOST_LISTED: Final = 100
_WIDTHS: Final = {"360": "Phone", "768": "Tablet", "": "Desktop"}
_MOST_SHOWN: Final = 512 * 1024
"""Characters of a text or a source: more would make a browser slow."""
_MOST_LINKED: Final = 64 * 1024


def add_to(blueprint: Blueprint) -> None:
    """Add the pages to a blueprint."""
    blueprint.get("/")(messages)
    blueprint.get("/changes")(changes)
    blueprint.get("/previews")(previews)
    blueprint.get("/queue")(queue)
    blueprint.get(LOCATION)(message)
    blueprint.get(f"{LOCATION}/html")(html)
    blueprint.get(f"{LOCATION}/eml")(eml)
    blueprint.get(f"{LOCATION}/parts/<int:number>")(part)


def messages() -> ResponseReturnValue:
    """List the messages."""
    return render_template("flask_mail_inbox/messages.html", **_message_list())


def _message_list() -> dict[str, Any]:
    inbox = inbox_here()
    words, before = request.args.get("q", "").strip(), request.args.get("before", "")
    problem, found, version, has_mailers = "", Results(), "", False
    kept: list[Entry] = []
    start = 0
    try:
        kept = inbox.kept()
        version = inbox.version(kept)
        # From the beginning if that message or all after it were deleted: none may be left out.
        if before:
            start = next((place for place, each in enumerate(kept, 1) if each.id == before), 0)
            start = start if start < len(kept) else 0
        found = inbox.search(Query(words=words), kept[start:], _MOST_LISTED, MOST_READ)
        has_mailers = inbox.has_mailers
    except ConfigurationError as error:
        problem = str(error)
    searched = start + found.seen
    return {
        "messages": found.messages,
        # Made once, as building 100 URLs would take longer than the rest of the page.
        "message_url": url_for(".message", where=MESSAGES, name="-").removesuffix("-"),
        "words": words,
        "before": before if start else "",
        "version": version,
        "shows_mailers": has_mailers and len({each.mailer for each in found.messages} - {""}) > 1,
        "has_one_sender": len({each.sender for each in found.messages}) == 1,
        "problem": problem,
        "count": len(kept),
        "searched": searched,
        "cut": found.cut,
        "most_searched": MOST_SEARCHED,
        "last": kept[searched - 1].id if searched < len(kept) else "",
        "is_full": len(found.messages) == _MOST_LISTED,
    }


def changes() -> ResponseReturnValue:
    """Answer once there are other messages than those of a version that is known."""
    inbox, known = inbox_here(), request.args.get("version", "")
    # A single-threaded server must not block on a waiting request.
    seconds = 20.0 if request.is_multithread else 0.0
    version = ""

    def is_other() -> bool:
        nonlocal version
        version = inbox.version()
        return version != known

    inbox.wait(is_other, seconds)
    return {"version": version}


def previews() -> ResponseReturnValue:
    """List the previews."""
    return render_template("flask_mail_inbox/previews.html", **_preview_list())


def _preview_list() -> dict[str, Any]:
    inbox, locale = inbox_here(), request.args.get("locale", "")
    groups = listed_previews(inbox, locale, base_url())
    return {
        "groups": groups,
        "count": sum(map(len, groups.values())),
        "locales": locales(inbox),
        "locale": locale,
    }


def queue() -> ResponseReturnValue:
    """List the messages in the queues."""
    return render_template("flask_mail_inbox/queue.html", **_queue_list())


def _queue_list() -> dict[str, Any]:
    inbox = inbox_here()
    try:
        return {"queued": listed(inbox), "problem": ""}
    except ConfigurationError as error:
        return {"queued": [], "problem": str(error)}


def message(where: str, name: str) -> ResponseReturnValue:
    """Show a message, or a preview."""
    shown, inbox = find(where, name), inbox_here()
    # The script of the page asks for the message alone, without the list beside it.
    has_list = "X-Mail-Pane" not in request.headers
    beside: dict[str, Any] = {}
    if shown.where == MESSAGES:
        beside = _message_list()
        beside |= _neighbours(name, [each.id for each in beside["messages"]])
    elif has_list:
        beside = _preview_list() if shown.is_preview else _queue_list()
    if shown.is_preview:
        beside["locales"] = locales(inbox)
        beside["parameters"] = parameters_of(inbox.state.previews[name])
    return render_template(
        "flask_mail_inbox/message.html", shown=shown, has_list=has_list, **_view_of(shown), **beside
    )


def _neighbours(name: str, ids: list[str]) -> dict[str, str | None]:
    place = ids.index(name) if name in ids else len(ids)
    newer = ids[place - 1] if 0 < place < len(ids) else None
    older = ids[place + 1] if place + 1 < len(ids) else None
    return {"newer": newer, "older": older}


def _view_of(shown: Shown) -> dict[str, Any]:
    """Return the values that the template needs for the tab that was chosen."""
    parsed, inbox = shown.parsed, inbox_here()
    advice = parsed.advice(shown.envelope, request.host)
    views = _views(shown, len(advice))
    view = request.args.get("view", "")
    width = request.args.get("width", "")
    markup, source = parsed.html or "", parsed.source
    has_dark = has_dark_styles(markup)
    view = view if view in views else next(iter(views))
    text = {"markup": markup, "source": source}.get(view, "")
    return {
        "parsed": parsed,
        "advice": advice,
        "programs": programs_for(markup) if view == "programs" else [],
        "date_of_facts": date_of_facts() if view == "programs" else "",
        "views": views,
        "view": view,
        "widths": _WIDTHS,
        "width": width if width in _WIDTHS else "",
        "has_dark": has_dark,
        "scheme": "dark" if has_dark and request.args.get("scheme") == "dark" else "",
        "images": "1" if request.args.get("images") == "1" else "",
        "has_remote_images": has_remote_images(markup),
        "sandbox": SANDBOX,
        "source": highlighted(text)
        if view == "markup" and len(text) <= LARGEST
        else text[:_MOST_SHOWN],
        "is_cut": len(text) > _MOST_SHOWN,
        "most_shown": _MOST_SHOWN,
        "most_linked": _MOST_LINKED,
        "backends": [] if shown.error else resending.backends(inbox),
        "lacks_guard": not shown.error and resending.lacks_guard(inbox),
    }


def _views(shown: Shown, suggestions: int) -> dict[str, str]:
    parsed = shown.parsed
    views = {}
    if parsed.html is not None:
        views["html"] = "HTML"
    if parsed.text is not None or parsed.others:
        views["text"] = "Text"
    if suggestions:
        views["advice"] = f"Suggestions ({suggestions})"
    if parsed.html is not None:
        views |= {"programs": "Mail programs", "markup": "HTML source"}
    return {**views, "headers": "Headers", "envelope": "Envelope", "source": "Raw"}


def html(where: str, name: str) -> ResponseReturnValue:
    """Give the HTML of a message, for a frame in which nothing can act."""
    parsed = find(where, name).parsed
    is_dark = request.args.get("scheme") == "dark"
    response = make_response(document(parsed, is_dark=is_dark))
    if request.args.get("measure") == "1":
        policy = content_security_policy(images=False, sandbox=MEASURING)
    else:
        policy = content_security_policy(images=request.args.get("images") == "1")
    response.headers["Content-Security-Policy"] = policy
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def eml(where: str, name: str) -> ResponseReturnValue:
    """Give a message as a file that mail programs open."""
    shown = find(where, name)
    return _download(shown.parsed.content, f"{name}.eml", "message/rfc822")


def part(where: str, name: str, number: int) -> ResponseReturnValue:
    """Give an attachment as a file, or with ``?inline=1`` a picture to look at."""
    parts = find(where, name).parsed.parts
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
