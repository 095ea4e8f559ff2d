"""Answers to the inbox and to ``flask mail check``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from ...backends import Backend, Kept, ProbeStep, StoredMessage
from .data import SENDER, Delivered, hello
from .fixtures import Fixtures
from .helpers import must_arrive, parsed

_ID: Final = re.compile(r"[A-Za-z0-9._@+=-]{1,200}")


class Inspection(Fixtures):
    """Answers to the inbox and to ``flask mail check``."""

    def test_kept_messages_are_those_that_were_delivered(self, backend: Backend[Any]) -> None:
        """`kept` returns the messages, oldest first, or always ``None``."""
        before = _kept_by(backend)
        for subject in ("First", "Second"):
            self._must_send(backend, hello(subject, bcc=["blind@example.com"]))
        kept = _kept_by(backend)
        if before is None or kept is None:
            assert before is kept, "kept() must return None always or never."
            return
        subjects = []
        for each in kept[len(before) :]:
            stored = each.read()
            assert isinstance(stored, StoredMessage), f"read() of a message returned {stored!r}."
            assert stored.envelope is not None, "A delivered message is kept without its envelope."
            assert "blind@example.com" in stored.envelope.recipients, (
                f"The envelope of a kept message lacks a blind copy: {stored.envelope}."
            )
            assert stored.size == len(stored.content), f"size is {stored.size} octets."
            subjects.append(parsed(stored.content)["Subject"])
        assert subjects == ["First", "Second"], f"kept() must be oldest first, not {subjects}."
        ids = [[each.id for each in found] for found in (kept, _kept_by(backend) or [])]
        assert ids[0] == ids[1], f"A second kept() has other ids: {ids[0]}, then {ids[1]}."

    def test_deleted_messages_are_gone(self, backend: Backend[Any]) -> None:
        """A kept message can be deleted; reading or deleting it again does not raise."""
        if _kept_by(backend) is None:
            return
        for subject in ("First", "Second"):
            self._must_send(backend, hello(subject))
        *others, last = _kept_by(backend) or []
        last.delete()
        left = [each.id for each in _kept_by(backend) or []]
        assert left == [each.id for each in others], (
            f"delete() must delete {last.id!r} and no other message; these are left: {left}."
        )
        try:
            stored = last.read()
            last.delete()
        except Exception as error:
            raise AssertionError(
                f"Reading or deleting a deleted message raised {error!r}."
            ) from error
        assert stored is None, "read() of a deleted message must return None."

    def test_probe_yields_its_steps_and_sends_nothing(
        self, backend: Backend[Any], delivered: Delivered | None, secrets: Iterable[str]
    ) -> None:
        """`probe` works with and without a sender, and shows no secret."""
        for step in [*backend.probe(), *backend.probe(SENDER)]:
            assert isinstance(step, ProbeStep), (
                f"probe() yielded {step!r}, which is not a ProbeStep."
            )
            assert step.name and " " not in step.name, f"The name of {step} must be one word."
            assert step.status in ("ok", "failed", "skipped"), (
                f'The status of {step} must be "ok", "failed" or "skipped".'
            )
            for secret in secrets:
                assert secret not in str(step), f"A secret is visible in the step {step.name!r}."
        must_arrive(delivered, 0)


def _kept_by(backend: Backend[Any]) -> list[Kept] | None:
    found = backend.kept()
    if found is None:
        return None
    kept = list(found)
    for each in kept:
        assert isinstance(each, Kept), f"kept() contains {each!r}, which is not a Kept."
        assert _ID.fullmatch(each.id), f"The id {each.id!r} does not fit into a URL."
        assert each.date.tzinfo is not None, f"The date of {each.id!r} has no time zone."
    ids = [each.id for each in kept]
    assert len(set(ids)) == len(ids), f"Two kept messages have the same id: {ids}."
    return kept
