"""Rows and workers as the model of the queue expects them."""

from __future__ import annotations

from dataclasses import dataclass

from flask_mail_queue.database.schema import State
from flask_mail_queue.worker.claims import Claimed
from flask_mail_queue.worker.leases import Leases
from flask_mail_queue.worker.protocol import Protocol


@dataclass
class Row:
    """A row as it should be."""

    id: int
    priority: int
    key: str | None
    state: State = State.QUEUED
    claims: int = 0
    attempts: int = 0
    losses: int = 0
    owner: str | None = None
    content: bool = True
    due_at: int = 0
    expires: bool = False
    accepted: int = 0
    """The number of times that the peer has accepted it."""
    consents: int = 0
    """The number of times that a person has allowed a second delivery."""

    def end(self, state):
        self.state, self.owner = state, None
        self.content = self.content and state is not State.SENT


class Sender:
    """A worker, which may be taken for dead and go on."""

    def __init__(self, store, name):
        self.name = name
        self.protocol = Protocol(store.tables, name)
        self.leases = Leases(store.tables, name, 3600)
        self.claimed: list[Claimed] = []
        self.marked: list[Claimed] = []

    def forget(self, claimed):
        self.claimed = [each for each in self.claimed if each is not claimed]
        self.marked = [each for each in self.marked if each is not claimed]
