"""Refusals by Postfix: of recipients, sizes and addresses, and by closing the connection."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import mail_postfix
import pytest
from mail_postfix import Connection, Postfix, queue_id

from flask_mail import (
    BackendUnavailable,
    Message,
    MessageError,
    MessageRefused,
    Outcome,
    Receipt,
)

pytestmark = mail_postfix.NEEDED

SENT, REFUSED, NOT_SENT = Outcome.SENT, Outcome.REFUSED, Outcome.NOT_SENT
OFFERS = pytest.mark.parametrize("service", ["mx", "no-chunking", "no-pipelining", "no-extension"])
# So that a connection ends with its block, and Postfix then tells what it was asked.
UNPOOLED = {"MAIL_POOL_SIZE": 0}


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with mail_postfix.running() as postfix:
        yield postfix


def failure(
    postfix: Postfix, service: str, message: Message, kind: type[Exception]
) -> tuple[Any, Connection]:
    """Send a message over a connection of its own.

    Returns how that failed, and what Postfix says of the connection.
    """
    with postfix.mail(service, **UNPOOLED).connect() as connection:
        port = connection.host.sock.getsockname()[1]
        with pytest.raises(kind) as caught:
            connection.send(message)
    return caught.value, postfix.connection_from(port)


def outcomes(receipts: Sequence[Receipt]) -> list[Outcome]:
    return [receipt.outcome for receipt in receipts]


@OFFERS
def test_a_refused_recipient_is_told_and_the_others_get_the_message(
    postfix: Postfix, service: str
) -> None:
    recipients = ["ann@example.test", "nobody@example.test", "juergen@example.test"]
    receipt = postfix.mail(service).send(Message("Hi", recipients))
    [(address, refusal)] = receipt.refused.items()
    assert (address, refusal.code, refusal.enhanced) == ("nobody@example.test", 550, "5.1.1")
    assert "no such user" in refusal.text
    postfix.assert_agrees_with([receipt])
    delivered_to = postfix.recipients_of(queue_id(receipt))
    assert delivered_to == ["ann@example.test", "juergen@example.test"]


@OFFERS
def test_a_message_all_of_whose_recipients_are_refused_for_good_is_refused(
    postfix: Postfix, service: str
) -> None:
    recipients = ["nobody@example.test", "later@example.test", "somebody@elsewhere.test"]
    error, connection = failure(postfix, service, Message("Hi", recipients), MessageRefused)
    assert error.stage == "recipient"
    assert error.receipt.outcome is REFUSED
    told = {each: refusal.code for each, refusal in error.receipt.refused.items()}
    assert told == dict(zip(recipients, [550, 450, 554], strict=True))
    assert not connection.queue_ids


@OFFERS
def test_a_message_all_of_whose_recipients_are_put_off_is_not_sent(
    postfix: Postfix, service: str
) -> None:
    message = Message("Hi", ["later@example.test"])
    error, connection = failure(postfix, service, message, BackendUnavailable)
    assert error.receipt.outcome is NOT_SENT
    assert error.receipt.refused["later@example.test"][:2] == (450, "4.2.1")
    assert not connection.queue_ids


@OFFERS
def test_a_message_that_is_refused_by_its_content_is_refused(
    postfix: Postfix, service: str
) -> None:
    message = Message("Forbidden", ["ann@example.test"])
    error, _ = failure(postfix, service, message, MessageRefused)
    assert error.stage == "accept"
    assert error.receipt.outcome is REFUSED
    assert "not here" in error.receipt.response
    assert not error.receipt.refused


def test_large_content_is_not_sent_if_all_recipients_are_refused(
    postfix: Postfix,
) -> None:
    message = Message("Hi", ["nobody@example.test"], "0123456789\n" * 100_000)
    _, connection = failure(postfix, "mx", message, MessageRefused)
    assert connection.commands["rcpt"] == 1
    assert not {"bdat", "data"} & set(connection.commands)


@OFFERS
def test_refused_messages_of_a_batch_leave_nothing_behind_for_the_others(
    postfix: Postfix, service: str
) -> None:
    kinds = [
        ("Hi", ["ann@example.test"], SENT),
        ("Hi", ["nobody@example.test"], REFUSED),
        ("Hi", ["juergen@example.test", "nobody@example.test"], SENT),
        ("Hi", ["later@example.test"], NOT_SENT),
        ("Forbidden", ["ann@example.test"], REFUSED),  # told once the content is there
    ]
    chosen = random.Random(service).choices(kinds, k=60)
    receipts = postfix.mail(service, **UNPOOLED).send_many(
        Message(subject, recipients, f"For number {number} alone.")
        for number, (subject, recipients, _) in enumerate(chosen)
    )
    assert outcomes(receipts) == [outcome for _, _, outcome in chosen]
    sent = [number for number, receipt in enumerate(receipts) if receipt.sent]
    contents = postfix.assert_agrees_with([receipts[number] for number in sent])
    for number, content in zip(sent, contents, strict=True):
        assert content.endswith(f"\n\nFor number {number} alone.\n".encode())
        wanted = [each for each in chosen[number][1] if each not in receipts[number].refused]
        assert postfix.recipients_of(queue_id(receipts[number])) == wanted


@pytest.mark.parametrize(
    "settings", [{}, {"MAIL_CHUNKING": False}, {"MAIL_PIPELINING": False}], ids=str
)
def test_batch_outcomes_when_postfix_disconnects_after_errors(
    postfix: Postfix, settings: dict[str, bool]
) -> None:
    """It does so with a 421, to whatever command comes next, and throws away what is behind that.

    Where it has not read all by then, its system resets the connection, and may take back replies
    that are on their way: of what was sent in one go, nobody knows then how far it came.
    """
    names = ["juergen" if number % 10 == 9 else "nobody" for number in range(60)]
    receipts = postfix.mail("impatient", **settings, **UNPOOLED).send_many(
        Message(f"Number {number}", [f"{name}@example.test"]) for number, name in enumerate(names)
    )
    wanted = [SENT if name == "juergen" else REFUSED for name in names]
    if settings:
        assert outcomes(receipts) == wanted
    untold = {Outcome.UNKNOWN, NOT_SENT}
    for receipt, outcome in zip(receipts, wanted, strict=True):
        assert receipt.outcome is outcome or receipt.outcome in untold
    postfix.assert_agrees_with([receipt for receipt in receipts if receipt.sent])
    taken = Counter(message_id for _, message_id in postfix.message_ids())
    for receipt in receipts:
        assert taken[receipt.message_id] <= (receipt.outcome in {SENT, Outcome.UNKNOWN})


def test_message_over_the_announced_size_is_not_transmitted(
    postfix: Postfix,
) -> None:
    message = Message("Large", ["juergen@example.test"], "0123456789\n" * 2000)
    error, connection = failure(postfix, "small", message, MessageRefused)
    assert "20000" in str(error)
    assert error.receipt.outcome is REFUSED
    assert connection.commands["ehlo"] == 1
    assert not {"mail", "rcpt", "bdat", "data"} & set(connection.commands)


def test_a_message_over_the_announced_size_does_not_stop_a_batch(postfix: Postfix) -> None:
    receipts = postfix.mail("small", **UNPOOLED).send_many(
        Message("Hi", ["juergen@example.test"], "0123456789\n" * (2000 if number % 3 == 1 else 1))
        for number in range(30)
    )
    assert outcomes(receipts) == [SENT, REFUSED, SENT] * 10
    sent = [receipt for receipt in receipts if receipt.sent]
    port = postfix.only_connection("small", sent).port
    postfix.assert_agrees_with(sent)
    assert postfix.connection_from(port).commands["mail"] == 20


@pytest.mark.parametrize(
    "settings", [{}, {"MAIL_CHUNKING": False}, {"MAIL_PIPELINING": False}], ids=str
)
def test_an_address_beyond_ascii_gets_its_mail(postfix: Postfix, settings: dict[str, bool]) -> None:
    message = Message("Grüße", ["用户@example.test"], "zwölf", sender="käthe@example.org")
    receipt = postfix.mail(**settings).send(message)
    [content] = postfix.assert_agrees_with([receipt])
    assert "\nTo: 用户@example.test\n".encode() in content
    assert postfix.recipients_of(queue_id(receipt)) == ["用户@example.test"]


def test_an_address_beyond_ascii_is_named_where_the_server_cannot_have_it(
    postfix: Postfix,
) -> None:
    message = Message("Hi", ["ann@example.test", "用户@example.test"])
    error, connection = failure(postfix, "no-smtputf8", message, MessageError)
    assert "用户@example.test" in str(error)
    assert "SMTPUTF8" in str(error)
    assert connection.commands["ehlo"] == 1
    assert "mail" not in connection.commands


def test_an_address_beyond_ascii_does_not_stop_a_batch(postfix: Postfix) -> None:
    receipts = postfix.mail("no-smtputf8", **UNPOOLED).send_many(
        Message("Hi", ["用户@example.test" if number % 3 == 1 else "ann@example.test"])
        for number in range(30)
    )
    errors = [receipts.pop(number) for number in range(28, 0, -3)]
    assert all(isinstance(receipt.error, MessageError) for receipt in errors)
    postfix.only_connection("no-smtputf8", receipts)
    postfix.assert_agrees_with(receipts)
