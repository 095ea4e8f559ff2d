"""Threads that share a Mail, or a Connection: every message once, to whom it was for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from servers import Recorder, mail_to, smtp_server

from flask_mail import Message, MessageRefused, Outcome, Receipt

pytestmark = pytest.mark.exhaustive

THREADS = 32
SENDS = 1000


def message(number: int) -> Message:
    name = "nobody" if number % 10 == 9 else f"to{number}"
    return Message(
        f"Number {number}",
        [f"{name}@example.com"],
        f"For {number} alone.",
        cc=["gone@example.com"] if number % 10 == 8 else [],
        sender=f"from{number}@example.com",
    )


def in_threads(
    threads: int, work: Callable[[int], list[tuple[int, Receipt]]]
) -> dict[int, Receipt]:
    """Do `work` in threads that start together; return the receipt of each number."""
    start = Barrier(threads)

    def wait_and_work(thread: int) -> list[tuple[int, Receipt]]:
        start.wait(30)
        return work(thread)

    with ThreadPoolExecutor(threads) as pool:
        done = [pair for each in pool.map(wait_and_work, range(threads)) for pair in each]
    assert len(done) == len(dict(done))
    return dict(done)


def assert_each_arrived_once(recorder: Recorder, numbers: range) -> None:
    accepted = [number for number in numbers if number % 10 != 9]
    arrived: dict[int, Any] = {}
    for envelope in recorder.accepted:
        number = int(envelope.mail_from.removeprefix("from").removesuffix("@example.com"))
        assert number not in arrived
        arrived[number] = envelope
    assert sorted(arrived) == accepted
    for number, envelope in arrived.items():
        assert envelope.rcpt_tos == [f"to{number}@example.com"]
        assert f"Subject: Number {number}\r\n".encode() in envelope.content
        assert f"\r\n\r\nFor {number} alone.".encode() in envelope.content


def refusing() -> Recorder:
    return Recorder(
        answers={
            "nobody@example.com": "550 5.1.1 no such user",
            "gone@example.com": "550 5.1.6 moved",
        }
    )


def receipt_of(send: Callable[[Message], Receipt], number: int) -> Any:
    try:
        return send(message(number))
    except MessageRefused as error:
        return error.receipt


def assert_outcomes(receipts: dict[int, Receipt]) -> None:
    for number, receipt in receipts.items():
        if number % 10 == 9:
            assert receipt.outcome is Outcome.REFUSED
            assert list(receipt.refused) == ["nobody@example.com"]
        else:
            assert receipt.outcome is Outcome.SENT
            assert list(receipt.refused) == (["gone@example.com"] if number % 10 == 8 else [])


def test_threads_share_a_mail_without_cross_talk() -> None:
    with smtp_server(refusing()) as server:
        mail = mail_to(server.port)

        receipts = in_threads(
            THREADS,
            lambda thread: [
                (number, receipt_of(mail.send, number)) for number in range(thread, SENDS, THREADS)
            ],
        )
        assert sorted(receipts) == list(range(SENDS))
        assert len({each.message_id for each in receipts.values()}) == SENDS
        assert_outcomes(receipts)
        assert_each_arrived_once(server.recorder, range(SENDS))


def test_threads_that_share_a_connection_wait_for_each_other() -> None:
    threads, sends = 8, 200
    with smtp_server(refusing()) as server, mail_to(server.port).connect() as connection:

        def work(thread: int) -> list[tuple[int, Receipt]]:
            numbers = range(thread, sends, threads)
            half = len(numbers) // 2
            one_by_one = [receipt_of(connection.send, number) for number in numbers[:half]]
            at_once = connection.send_many(message(number) for number in numbers[half:])
            return list(zip(numbers, [*one_by_one, *at_once], strict=True))

        receipts = in_threads(threads, work)
        assert_outcomes(receipts)
        assert_each_arrived_once(server.recorder, range(sends))
        assert len({id(session) for session in server.recorder.sessions}) == 1
