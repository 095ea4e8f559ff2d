"""Messages to suppressed addresses, which are withheld."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from flask_mail import MailError
from flask_mail.backends import BackendUnavailable, MessageRefused, Outgoing, Refusal

from ..database.store import describe_failure
from ..queues import declared, taker
from .suppression_list import Entry, find, key_of

_log = logging.getLogger("flask_mail.queue")

QUEUE, ALL, OFF = "queue", "all", "off"
"""Values of the option SUPPRESSION."""
_Found = dict[str, list[Entry]]
# What has been read for the messages of a mailer that are about to be sent: the lists that apply.
_known: Final[ContextVar[tuple[object, Sequence[tuple[Any, _Found]]]]] = ContextVar("known")


class Suppression:
    """Withholds the mail of one app to suppressed addresses; one of the functions of `Mail.admit`.

    The list is that of the queues of the app, whose option SUPPRESSION says for which mail.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, mail: Outgoing) -> Outgoing:
        """Return a message without its suppressed recipients.

        :raises MessageRefused: no other recipient is left.
        :raises BackendUnavailable: the list cannot be read.
        """
        recipients = mail.envelope.recipients
        whose, known = _known.get((None, ()))
        if whose != (self, mail.mailer) or any(
            each not in found for _, found in known for each in recipients
        ):
            known = [(each, _read(each, recipients)) for each in self._queues(mail.mailer)]
        for queue, entries in known:
            if any(entries[each] for each in mail.envelope.recipients):
                mail = _without_suppressed(queue, mail, entries)
        return mail

    @contextmanager
    def looked_up(self, mails: Sequence[Outgoing]) -> Iterator[None]:
        """Read the entries of all recipients of several messages of one mailer in one query."""
        mailer = mails[0].mailer
        addresses = {each for mail in mails for each in mail.envelope.recipients}
        known: tuple[object, Sequence[tuple[Any, _Found]]] = (None, ())
        with suppress(MailError):  # it is raised for each message then
            found = [(each, _read(each, addresses)) for each in self._queues(mailer)]
            known = (self, mailer), found
        token = _known.set(known)
        try:
            yield
        finally:
            _known.reset(token)

    def _queues(self, mailer: str) -> list[Any]:
        """Return the queues whose list applies to the mail of a mailer, one for each list."""
        selection = self._app.extensions["mail"].selection
        found: dict[object, Any] = {}
        for each in declared(self._app):
            wanted = each.options.get("suppression", QUEUE)
            is_meant = wanted == ALL or mailer in (each.name, each.options.get("mailer"))
            # In tests another backend takes the mail, and there may be no database.
            if wanted != OFF and is_meant and taker(self._app, each) is None:
                queue = selection.build(each.reference)
                found.setdefault(queue.store.identity, queue)
        return list(found.values())


def _read(queue: Any, recipients: Collection[str]) -> _Found:
    """Return the entries of each recipient."""
    keys = {each: key_of(each) for each in recipients}
    try:
        entries = queue.read(lambda connection: find(connection, queue.store.tables, keys.values()))
    except SQLAlchemyError as error:
        raise BackendUnavailable(
            f"The suppression list cannot be read ({describe_failure(error)}): does the database"
            " respond, and has `flask mail queue create` been run?",
            stage="connect",
        ) from None
    by_key: dict[str, list[Entry]] = {}
    for entry in entries:
        by_key.setdefault(entry.address, []).append(entry)
    return {each: by_key.get(key, []) for each, key in keys.items()}


def _without_suppressed(queue: Any, mail: Outgoing, entries: _Found) -> Outgoing:
    list_name: Any = getattr(mail.message, "unsubscribe", None)
    list_name = None if list_name is None or callable(list_name) else str(list_name)
    essential = queue.options_of(mail).essential
    withheld = {}
    for each in mail.envelope.recipients:
        reasons = [
            entry for entry in entries[each] if entry.applies(list_name, essential=essential)
        ]
        if reasons:
            withheld[each] = Refusal(550, "5.7.1", f"suppressed: {reasons[0]}")
    if not withheld:
        return mail
    count = len(mail.envelope.recipients)
    if len(withheld) == count:
        address, refusal = next(iter(withheld.items()))
        raise MessageRefused(
            f"Nothing was sent: all recipients are on the suppression list (for example {address},"
            f" {refusal.text}). `flask mail suppressed remove` removes them.",
            refused=withheld,
            attempts=0,
        )
    _log.warning(
        "%s: not sent to %d of %d recipients, who are on the suppression list",
        *(mail.message_id, len(withheld), count),
    )
    left = tuple(each for each in mail.envelope.recipients if each not in withheld)
    return mail.with_envelope(replace(mail.envelope, recipients=left), withheld=withheld)
