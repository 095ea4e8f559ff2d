"""A backend with a script, as the child of a composite in tests."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Final

from ...backends import (
    Backend,
    BackendUnavailable,
    DeliveryUnknown,
    Feature,
    MessageRefused,
    Outgoing,
    ProbeStep,
    Receipt,
)

ANSWERS: Final = ("sent", "refused", "not sent", "closed", "unknown", "lost reply", "crash")
"""The answers of a :class:`ScriptedBackend`."""


class ScriptedBackend(Backend[object]):
    """Gives the next answer of a script to each message, and counts what it accepts.

    The answers are the :data:`ANSWERS`, or errors to be raised; afterwards, everything is sent.
    ``"lost reply"`` and ``"crash"`` accept the message and raise: a second try would send it twice.
    ``"closed"`` is a connection that was lost before the message was accepted, and
    ``"unreachable"`` a session that cannot be opened.

    :param mailer: its name as a mailer.
    :param tags: True if it supports tags.
    :param ahead: messages of a batch that it takes before it answers the first of them.
    """

    name = "scripted"
    api_version = 1
    features = Backend.features | {Feature.VERBATIM}

    def __init__(
        self, mailer: str = "scripted", *answers: object, tags: bool = False, ahead: int = 1
    ) -> None:
        self.mailer = mailer
        if tags:
            self.features = self.features | {Feature.TAGS}
        self.answers = deque(answers)
        self.ahead = ahead
        self.given: list[Outgoing] = []
        """The messages that it got."""
        self.content: list[bytes] = []
        """The content of each of them at that time."""
        self.accepted_ids: Counter[str] = Counter()
        """The number of times that it accepted each message, by Message-ID."""
        self.log: list[str] = []
        """The names of mailers, in the order in which they were tried; several may share it."""
        self.opened = 0
        self.ended = 0
        self._sessions: set[object] = set()
        self._lock = threading.Lock()

    def open(self) -> object:
        with self._lock:
            if self.answers and self.answers[0] == "unreachable":
                self.answers.popleft()
                self.log.append(self.mailer)
                raise self._error("unreachable")
            session = object()
            self._sessions.add(session)
            self.opened += 1
            return session

    def close(self, session: object) -> None:
        with self._lock:
            if session in self._sessions:
                self._sessions.remove(session)
                self.ended += 1

    def deliver(self, mail: Outgoing, session: object) -> Receipt:
        with self._lock:
            answer = self.answers.popleft() if self.answers else "sent"
            self.log.append(self.mailer)
            self.given.append(mail)
            self.content.append(mail.content)
            if session not in self._sessions:
                raise BackendUnavailable(f"{self.mailer} got a session that is not open.")
            if answer in ("sent", "lost reply", "crash"):
                self.accepted_ids[mail.message_id] += 1
        if answer == "sent":
            return self.accepted(mail, response=f"250 {self.mailer}")
        raise self._error(answer)

    def _error(self, answer: object) -> BaseException:
        if isinstance(answer, BaseException):
            return answer
        if answer == "refused":
            return MessageRefused(f"{self.mailer} refused it.", response="550 no")
        if answer == "not sent":
            return BackendUnavailable(f"{self.mailer} is busy.", response="451 later", stage="data")
        if answer == "unreachable":
            return BackendUnavailable(f"{self.mailer} cannot be reached.", stage="connect")
        if answer == "closed":
            return BackendUnavailable(f"{self.mailer} closed the connection.", stage="data")
        if answer in ("unknown", "lost reply"):
            return DeliveryUnknown(f"{self.mailer} did not answer.", stage="accept")
        return RuntimeError(f"{answer} of {self.mailer}")

    def deliver_many(self, mails: Iterable[Outgoing], session: object) -> Iterator[Receipt]:
        waiting: deque[Outgoing] = deque()
        for mail in mails:
            waiting.append(mail)
            if len(waiting) == self.ahead:
                yield self.attempt(waiting.popleft(), session)
        for mail in waiting:
            yield self.attempt(mail, session)

    def probe(self, sender: str | None = None) -> Iterator[ProbeStep]:
        yield ProbeStep("script", "ok", self.mailer)
