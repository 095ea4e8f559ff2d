"""The inbox as JSON, for programs such as browser tests."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from flask import request, url_for

from ..util.text import describe
from .rendered import ParsedContent
from .summaries import Query
from .views import MESSAGES, inbox_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Blueprint
    from flask.typing import ResponseReturnValue

    from ..receipt import Envelope
    from .rendered import Part
    from .summaries import Summary

_CRITERIA = ("q", "to", "subject", "since", "wait")
_SPACE = re.compile(r"(T\S+) (\d\d:\d\d)")


def add_to(blueprint: Blueprint) -> None:
    """Add the JSON pages to a blueprint."""
    add = blueprint.add_url_rule
    add("/api/messages", "api_messages", _strict(list_messages, *_CRITERIA))
    add("/api/messages", "api_delete_all", _strict(delete_all), methods=["DELETE"])
    add("/api/messages/<name>", "api_message", _strict(get_message))
    add("/api/messages/<name>", "api_delete", _strict(delete_message), methods=["DELETE"])


def _strict(
    view: Callable[..., ResponseReturnValue], *known: str
) -> Callable[..., ResponseReturnValue]:
    """Refuse arguments that are not known: without a misspelt one, each message would match."""

    @functools.wraps(view)
    def checked(**parts: str) -> ResponseReturnValue:
        for name, values in request.args.lists():
            if name not in known:
                takes = f"the known ones are {', '.join(known)}" if known else "none is known here"
                return {"error": f"unknown argument {describe(name)}: {takes}"}, 400
            if len(values) > 1:
                return {"error": f"{name} is given {len(values)} times: give it once"}, 400
        return view(**parts)

    return checked


def list_messages() -> ResponseReturnValue:
    """List the messages that match, newest first; with ``wait``, once there is one."""
    inbox, arguments = inbox_here(), request.args
    try:
        query = Query(
            words=arguments.get("q", ""),
            to=arguments.get("to", ""),
            subject=arguments.get("subject", ""),
            since=_moment(arguments.get("since", "")),
        )
        seconds = _seconds(arguments.get("wait", ""))
    except ValueError as error:
        return {"error": str(error)}, 400
    # A single-threaded server must not block on a waiting request.
    found = inbox.find_soon(query, seconds if request.is_multithread else 0.0)
    inbox.kept()  # raises if there is no backend that keeps messages
    return {"messages": [_summary(each) for each in found]}


def delete_all() -> ResponseReturnValue:
    """Delete all messages."""
    inbox_here().delete_all()
    return "", 204


def get_message(name: str) -> ResponseReturnValue:
    """Give all of one message."""
    inbox = inbox_here()
    found = inbox.get(name)
    if found is None:
        return _gone()
    entry, stored = found
    parsed = ParsedContent.of(stored.content)
    return {
        "id": entry.id,
        "date": _iso(entry.kept.date),
        "from": parsed.header("from"),
        "to": parsed.header("to"),
        "cc": parsed.header("cc"),
        "subject": parsed.subject,
        "size": stored.size,
        "backend": entry.backend,
        "mailer": stored.mailer or entry.mailer or None,
        "outcome": entry.outcome,
        "reason": entry.reason or None,
        "envelope": _envelope(stored.envelope),
        "tags": list(stored.tags),
        "metadata": dict(stored.metadata),
        "headers": [list(each) for each in parsed.headers],
        "text": parsed.text,
        "html": parsed.html,
        "attachments": [_part(entry.id, each) for each in parsed.parts],
        "advice": [asdict(each) for each in parsed.advice(stored.envelope, request.host)],
        "source": url_for(".eml", where=MESSAGES, name=entry.id),
        "error": stored.error or parsed.error or None,
    }


def delete_message(name: str) -> ResponseReturnValue:
    """Delete one message."""
    inbox = inbox_here()
    if inbox.get(name) is None:
        return _gone()
    inbox.delete(name)
    return "", 204


def _gone() -> ResponseReturnValue:
    return {"error": "This message does not exist or was deleted."}, 404


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "date": _iso(summary.moment),
        "from": summary.sender,
        "to": summary.to,
        "recipients": list(summary.recipients),
        "subject": summary.subject,
        "snippet": summary.snippet,
        "size": summary.size,
        "attachments": summary.attachments,
        "backend": summary.backend,
        "mailer": summary.mailer or None,
        "outcome": summary.outcome,
        "reason": summary.reason or None,
        "error": summary.error or None,
        "url": url_for(".api_message", name=summary.id),
        "page": url_for(".message", where=MESSAGES, name=summary.id),
    }


def _envelope(envelope: Envelope | None) -> dict[str, Any] | None:
    if envelope is None:
        return None
    return {
        "sender": envelope.sender,
        "recipients": list(envelope.recipients),
        "mail_options": list(envelope.mail_options),
        "rcpt_options": list(envelope.rcpt_options),
    }


def _part(name: str, part: Part) -> dict[str, Any]:
    return {
        "filename": part.name,
        "content_type": part.content_type,
        "size": part.size,
        "content_id": part.content_id,
        "inline": part.is_inline,
        "url": url_for(".part", where=MESSAGES, name=name, number=part.number),
    }


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds")


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        # As JavaScript writes it; an unescaped + in a query is a space.
        text = _SPACE.sub(r"\1+\2", text)
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError("since must be a date and time such as 2030-01-31T12:00:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)


def _seconds(text: str) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError("wait must be a number of seconds")
    return seconds
