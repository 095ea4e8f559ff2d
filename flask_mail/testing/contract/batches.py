"""Batches, and threads that send at the same time."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from ... import BadHeaderError
from ...backends import Backend, Outcome
from .data import PATIENCE, SENDS, THREADS, Delivered, bad_message, hello
from .fixtures import Fixtures
from .helpers import check_signals, lines_of, listening, make_app, must_arrive, parsed, send_many


class Batches(Fixtures):
    """Batches, and threads that send at the same time."""

    def test_send_many_gives_one_receipt_for_each_in_order(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """Bad messages get their receipts in order, and the others are sent."""
        bad = (0, 3, 4, 8)
        messages = [bad_message() if n in bad else hello(f"Number {n}") for n in range(9)]
        app = make_app()
        with listening() as heard:
            receipts = send_many(backend, (each for each in messages), app=app)
        assert len(receipts) == 9, f"9 messages got {len(receipts)} receipts."
        good = [message for n, message in enumerate(messages) if n not in bad]
        for number, (message, receipt) in enumerate(zip(messages, receipts, strict=True)):
            expected = Outcome.NOT_SENT if number in bad else self.taken
            assert receipt.outcome is expected, (
                f"Message {number} should be {expected.name}, not {receipt.outcome.name}:"
                f" {receipt.error!r}."
            )
            assert number in bad or receipt.message_id == message.msgId, (
                f"Receipt {number} belongs to another message: {receipt.message_id}."
            )
            assert receipt.backend in self._names(backend), (
                f"Receipt {number} names the backend {receipt.backend!r}."
            )
            assert (number in bad) == isinstance(receipt.error, BadHeaderError), (
                f"Receipt {number} has the error {receipt.error!r}."
            )
            last = "email-failed" if number in bad else self._taken_signal.name
            own = [each for each in heard if each.message is message]
            check_signals(own, app, message, ["email-sending", last])
        ids = Counter(
            str(parsed(content)["Message-ID"]) for _, content in must_arrive(delivered, 5)
        )
        assert not ids or ids == Counter(each.msgId for each in good), (
            "The messages that arrived are not those sent, each once."
        )

    def test_send_many_of_nothing_that_can_be_sent_delivers_nothing(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """No messages, no receipts; only bad ones, only their receipts."""
        assert send_many(backend, []) == [], "send_many([]) returned receipts."
        outcomes = [each.outcome for each in send_many(backend, [bad_message(), bad_message()])]
        assert outcomes == [Outcome.NOT_SENT] * 2, f"Two bad messages got {outcomes}."
        must_arrive(delivered, 0)

    def test_threads_may_share_it(self, backend: Backend[Any], delivered: Delivered | None) -> None:
        """Messages that threads send at the same time arrive once each, with their own content."""
        app = make_app()
        sent: list[tuple[str, str, str]] = []  # appending is atomic
        errors: list[Exception] = []
        together = threading.Barrier(THREADS)

        def work(thread: int) -> None:
            try:
                together.wait(PATIENCE)
                session = backend.open()
                try:
                    for number in range(SENDS):
                        label = f"t{thread}n{number}"
                        message = hello(
                            label, recipients=[f"{label}@example.com"], body=f"Text of {label}"
                        )
                        receipt = backend.send(message, session, app=app)
                        assert receipt.message_id == message.msgId, (
                            "A thread got the receipt of another thread's message."
                        )
                        sent.append((receipt.message_id, f"{label}@example.com", label))
                finally:
                    backend.close(session)
            except Exception as error:  # noqa: BLE001 (raised in the test's own thread)
                errors.append(error)

        threads = [
            threading.Thread(target=work, args=(number,), daemon=True) for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads), "Threads wait for each other."
        assert not errors, f"Threads failed; the first of {len(errors)} errors: {errors[0]!r}."
        total = THREADS * SENDS
        assert len(set(sent)) == total, f"{total} messages have {len(set(sent))} receipts."
        found = []
        for envelope, content in must_arrive(delivered, total):
            letter = parsed(content)
            label = str(letter["Subject"])
            text = lines_of(letter.get_content())
            assert text == f"Text of {label}", f"The message {label} has the text {text!r}."
            found.append((str(letter["Message-ID"]), ", ".join(envelope.recipients), label))
        assert not found or sorted(found) == sorted(sent), (
            "Messages were lost, duplicated, or mixed up with the envelope of another."
        )
