"""Delivery to Exim: a second mail server that is used, so that no habit of the first is relied on.

What its own log and spool say is the judge of what a receipt says.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

import mail_exim
import pytest
from mail_exim import Exim

from flask_mail import Message, Outcome, Receipt

pytestmark = mail_exim.NEEDED

# What the settings want, and how Exim then says that messages of a batch came.
WAYS = pytest.mark.parametrize(
    ("settings", "extensions"),
    [
        pytest.param({}, "LK", id="all"),
        pytest.param({"MAIL_CHUNKING": False}, "L", id="MAIL_CHUNKING off"),
        pytest.param({"MAIL_PIPELINING": False}, "K", id="MAIL_PIPELINING off"),
        pytest.param({"MAIL_CHUNKING": False, "MAIL_PIPELINING": False}, "", id="both off"),
    ],
)


@pytest.fixture(scope="module")
def exim() -> Iterator[Exim]:
    with mail_exim.running() as exim:
        yield exim


def spool_id(receipt: Receipt) -> str:
    """Return the id in the receipt of a message that Exim has taken."""
    assert receipt.outcome is Outcome.SENT
    taken = re.fullmatch(r"250 (?:\d+ byte chunk, total \d+ )?OK id=(\S+)", receipt.response)
    assert taken
    return taken[1]


def assert_agrees(exim: Exim, receipts: Sequence[Receipt]) -> str:
    """Check that Exim took and keeps each message once, under the id in its receipt.

    Returns the extensions that they were sent with.
    """
    told = [(spool_id(receipt), receipt.message_id) for receipt in receipts]
    ours = {message_id for _, message_id in told}
    assert len({each for each, _ in told}) == len(ours) == len(receipts)
    taken = [each for each in exim.accepted() if each[2] in ours]
    assert [(each, message_id) for each, _, message_id in taken] == told
    kept = [pair for pair in exim.spooled().items() if pair[1] in ours]
    assert sorted(kept) == sorted(told)
    [extensions] = {extensions for _, extensions, _ in taken}
    return extensions


def numbered(count: int) -> Iterator[Message]:
    for number in range(count):
        yield Message(f"Number {number}", ["juergen@example.test"], f"For number {number} alone.")


def test_a_batch_of_a_thousand_arrives_each_message_once(exim: Exim) -> None:
    before = exim.log.count("SMTP connection from [")
    receipts = exim.mail().send_many(numbered(1000))
    assert len(receipts) == 1000
    assert {receipt.attempts for receipt in receipts} == {1}
    assert assert_agrees(exim, receipts) == "LK"
    assert exim.log.count("SMTP connection from [") == before + 1


@WAYS
def test_a_batch_arrives_as_it_was_written_whatever_the_settings_want(
    exim: Exim, settings: dict[str, bool], extensions: str
) -> None:
    trap = "\n.\n..\nMAIL FROM:<evil@example.org>\nRSET\n.\nBDAT 3 LAST\nQUIT\n."
    messages = [
        Message(f"Number {number}", ["juergen@example.test"], f"For number {number}{trap}")
        for number in range(25)
    ]
    receipts = exim.mail(**settings).send_many(messages)
    # Content that looks like the protocol goes by DATA.
    assert assert_agrees(exim, receipts) == extensions.replace("K", "")
    for message, receipt in zip(messages, receipts, strict=True):
        sent = message.as_bytes().replace(b"\r\n", b"\n").removesuffix(b"\n") + b"\n"
        assert exim.content(spool_id(receipt)) == sent


@WAYS
def test_refused_messages_of_a_batch_leave_nothing_behind_for_the_others(
    exim: Exim, settings: dict[str, bool], extensions: str
) -> None:
    """Exim hangs up after ten or so, each of which costs a RSET: with a 554 to that command."""
    kinds = [
        ("Hi", "me@example.org", ["ann@example.test"], Outcome.SENT),
        ("Hi", "me@example.org", ["nobody@example.test"], Outcome.REFUSED),
        ("Hi", "me@example.org", ["ann@example.test", "nobody@example.test"], Outcome.SENT),
        ("Hi", "evil@example.org", ["ann@example.test"], Outcome.REFUSED),
        ("Forbidden", "me@example.org", ["ann@example.test"], Outcome.REFUSED),
    ]
    chosen = random.Random(str(settings)).choices(kinds, k=100)
    receipts = exim.mail(**settings).send_many(
        Message(subject, recipients, sender=sender) for subject, sender, recipients, _ in chosen
    )
    assert [receipt.outcome for receipt in receipts] == [outcome for *_, outcome in chosen]
    assert_agrees(exim, [receipt for receipt in receipts if receipt.sent])
    for (_, sender, recipients, _), receipt in zip(chosen, receipts, strict=True):
        # Of recipients whose sender was refused the server only says that they are out of turn.
        judged = recipients if sender == "me@example.org" else []
        wanted = {each: 550 for each in judged if each == "nobody@example.test"}
        assert {each: why.code for each, why in receipt.refused.items()} == wanted


@pytest.mark.parametrize("settings", [{}, {"MAIL_CHUNKING": False}], ids=str)
def test_a_message_of_twenty_mebibytes_arrives_byte_for_byte(
    exim: Exim, settings: dict[str, bool]
) -> None:
    message = Message("Large", ["juergen@example.test"], "See the attachment.")
    # Base64 makes it a third larger.
    data = random.Random(1).randbytes(15 * 1024 * 1024)
    message.attach("data.bin", "application/octet-stream", data)
    receipt = exim.mail(**settings).send(message)
    assert_agrees(exim, [receipt])
    # Not in one expression: pytest would take minutes to show a difference.
    is_intact = exim.content(spool_id(receipt)) == message.as_bytes().replace(b"\r\n", b"\n")
    assert is_intact


@WAYS
def test_a_batch_goes_on_where_exim_has_had_enough_of_a_connection(
    settings: dict[str, bool], extensions: str
) -> None:
    """It answers MAIL with a 421 then, and forgets what is behind that."""
    with mail_exim.running("smtp_accept_max_per_connection = 30") as exim:
        receipts = exim.mail(**settings).send_many(numbered(100))
        assert_agrees(exim, receipts)
        assert exim.log.count("SMTP connection from [") == 4
