"""Envelope and octets of the message that a backend delivers."""

from __future__ import annotations

import dataclasses
import pickle
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import PATIENT, compose, headers_of

from flask_mail import (
    Attachment,
    BadHeaderError,
    Envelope,
    Message,
    MessageError,
    NoRecipients,
    NoSender,
    Outcome,
    Outgoing,
    Receipt,
    Refusal,
)
from flask_mail.delivery.envelope import envelope_of

# --- Recipients ----------------------------------------------------------------------------------


def recipients_of(**fields: Any) -> tuple[str, ...]:
    return envelope_of(compose(**fields)).recipients


def test_recipients_are_in_the_order_to_cc_bcc() -> None:
    assert recipients_of(
        recipients=["z@b.c", ("A", "a@b.c")], cc=["Y <y@b.c>"], bcc=["b@b.c", "x@b.c"]
    ) == ("z@b.c", "a@b.c", "y@b.c", "b@b.c", "x@b.c")


@pytest.mark.parametrize("field", ["recipients", "cc", "bcc"])
def test_one_field_of_recipients_is_enough(field: str) -> None:
    assert recipients_of(**{"recipients": [], field: ["a@b.c"]}) == ("a@b.c",)


def test_of_duplicates_the_first_one_stays() -> None:
    """The case of a domain makes no difference; that of a local part does."""
    assert recipients_of(
        recipients=["a@B.c", ("A", "a@b.c")], cc=["A@b.c", "a@b.C"], bcc=["d@e.f", "a@b.c"]
    ) == ("a@B.c", "A@b.c", "d@e.f")


@PATIENT
@given(st.lists(st.sampled_from("abcdef"), min_size=1), st.lists(st.sampled_from("defghi")))
def test_everybody_is_named_once(to: list[str], bcc: list[str]) -> None:
    named = recipients_of(
        recipients=[f"{each}@b.c" for each in to], bcc=[(each, f"{each}@B.C") for each in bcc]
    )

    assert [each[0] for each in named] == list(dict.fromkeys([*to, *bcc]))


@pytest.mark.parametrize("kind", [tuple, set, frozenset, iter, dict.fromkeys])
def test_recipients_come_in_any_collection(kind: Any) -> None:
    given = ["a@b.c", "d@e.f"]
    message = compose(recipients=kind(given), cc=kind(["g@h.i"]))

    for _ in range(2):
        assert sorted(envelope_of(message).recipients) == [*given, "g@h.i"]


@pytest.mark.parametrize("nobody", [[], (), None, "", iter([])])
def test_no_recipient_at_all_is_an_error(nobody: Any) -> None:
    with pytest.raises(NoRecipients, match=r"give recipients=\[\.\.\.\]"):
        envelope_of(compose(recipients=nobody))


@pytest.mark.parametrize(
    "value", ["a@b.c", ("Ann", "a@b.c"), ["Ann", "a@b.c"], 42, b"a@b.c", [None], [["a@b.c"]], [[]]]
)
@pytest.mark.parametrize("field", ["recipients", "cc", "bcc"])
def test_what_is_no_collection_of_addresses_is_refused(field: str, value: Any) -> None:
    with pytest.raises(MessageError, match=f"The {field.rstrip('s')}"):
        envelope_of(compose(**{field: value}))


# --- Sender --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sender", [None, ""])
def test_no_sender_at_all_is_an_error(sender: str | None) -> None:
    message = compose(sender=sender)

    with pytest.raises(NoSender, match="MAIL_DEFAULT_SENDER"):
        envelope_of(message)

    message.sender = "late@example.org"
    assert envelope_of(message).sender == "late@example.org"
    assert message.msgId.endswith("@example.org>")


@pytest.mark.parametrize(
    ("envelope_from", "reverse_path"),
    [
        (None, "from@example.com"),
        ("", "from@example.com"),
        ("<>", ""),
        ("bounces@example.com", "bounces@example.com"),
        ("Bounces <bounces@example.com>", "bounces@example.com"),
        (("Bóunces", "bounces@bücher.example"), "bounces@xn--bcher-kva.example"),
    ],
)
def test_the_reverse_path_is_the_sender_or_what_is_given(
    envelope_from: Any, reverse_path: str
) -> None:
    outgoing = Outgoing.of(compose(), envelope_from)

    assert outgoing.envelope.sender == reverse_path
    assert headers_of(outgoing.content)["From"] == "from@example.com"


@pytest.mark.parametrize("envelope_from", ["root", "a@b.c, d@e.f", "a@b.c> SIZE=1", ("A", "<>")])
def test_a_reverse_path_that_is_no_address_is_refused(envelope_from: Any) -> None:
    with pytest.raises(MessageError, match="The envelope_from"):
        envelope_of(compose(), envelope_from)


def test_a_line_break_in_the_reverse_path_is_a_bad_header() -> None:
    with pytest.raises(BadHeaderError, match="The envelope_from"):
        envelope_of(compose(), "a@b.c\r\nRCPT TO:<x@y.z>")


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ({}, False),
        ({"recipients": [("Zoë", "a@bücher.example")]}, False),
        ({"recipients": ["zoë@b.c"]}, True),
        ({"bcc": ["zoë@b.c"]}, True),
        ({"sender": "zoë@b.c"}, True),
    ],
)
def test_a_local_part_beyond_ascii_needs_smtputf8(fields: dict[str, Any], needed: bool) -> None:
    assert envelope_of(compose(**fields)).needs_smtputf8 is needed


def test_options_are_part_of_the_envelope() -> None:
    envelope = envelope_of(
        compose(mail_options=["BODY=8BITMIME", "X"], rcpt_options=["NOTIFY=NEVER"])
    )

    assert envelope.mail_options == ("BODY=8BITMIME", "X")
    assert envelope.rcpt_options == ("NOTIFY=NEVER",)


# --- Subclasses that redirect --------------------------------------------------------------------


def redirected(recipients: Any) -> type[Message]:
    class Redirected(Message):
        send_to = property(lambda self: recipients)  # type: ignore[assignment]

    return Redirected


@pytest.mark.parametrize("kind", [set, list, tuple, frozenset])
def test_a_subclass_decides_who_gets_the_message(kind: Any) -> None:
    """0.10's Connection took its recipients from `send_to`."""
    message = redirected(kind(["staging@b.c"]))("Hi", ["customer@b.c"], sender="a@b.c")

    outgoing = Outgoing.of(message)

    assert outgoing.envelope.recipients == ("staging@b.c",)
    assert headers_of(outgoing.content)["To"] == "customer@b.c"


def test_those_that_a_subclass_keeps_keep_their_order() -> None:
    message = redirected({"new@b.c", "also-new@b.c", "y@b.c", "z@b.c"})(
        "Hi", ["z@b.c", "x@b.c"], cc=["y@b.c"], sender="a@b.c"
    )

    assert envelope_of(message).recipients == ("z@b.c", "y@b.c", "also-new@b.c", "new@b.c")


def test_a_subclass_that_leaves_nobody_has_no_recipients() -> None:
    with pytest.raises(NoRecipients):
        envelope_of(redirected(set())("Hi", ["customer@b.c"], sender="a@b.c"))


# --- Content -------------------------------------------------------------------------------------


def test_what_is_sent_is_what_is_rendered() -> None:
    message = compose(
        body="é\n", html="<p>é\r", attachments=[Attachment("é.bin", data=b"\r\n\n\r\0")]
    )

    assert Outgoing.of(message).content == message.as_bytes() == Outgoing.of(message).content


def test_a_message_without_a_date_gets_the_time_of_sending() -> None:
    message = compose(date=None)
    message.as_bytes()
    before = time.time()

    outgoing = Outgoing.of(message)

    assert isinstance(message.date, float)
    assert before <= message.date <= time.time()
    assert outgoing.content == message.as_bytes()


def test_a_message_that_is_refused_gets_no_date() -> None:
    message = compose(date=None, subject="a\nb")

    with pytest.raises(BadHeaderError):
        Outgoing.of(message)

    assert message.date is None


def test_blind_copies_are_in_the_envelope_only() -> None:
    outgoing = Outgoing.of(compose(bcc=["hidden@b.c"]))

    assert "hidden@b.c" in outgoing.envelope.recipients
    assert b"hidden" not in outgoing.content


@pytest.mark.parametrize(
    ("rendered", "sent"),
    [
        (b"A: b\n\nc\r\nd\r", b"A: b\r\n\r\nc\r\nd\r\n"),
        (b"A: b\r\n\r\nc\r\r\n", b"A: b\r\n\r\nc\r\n\r\n"),
        (b"A: b\r\n\r\n.\r\n", b"A: b\r\n\r\n.\r\n"),
    ],
)
def test_what_a_subclass_renders_is_sent_with_crlf_for_its_line_ends(
    rendered: bytes, sent: bytes
) -> None:
    """A stray line end is what SMTP smuggling is made of."""

    class Signed(Message):
        def as_bytes(self) -> bytes:
            return rendered

    assert Outgoing.of(Signed("Hi", ["a@b.c"], sender="d@e.f")).content == sent


@pytest.mark.parametrize("kind", [lambda content: content.decode(), bytearray, memoryview])
def test_a_subclass_may_render_what_smtplib_takes_too(kind: Any) -> None:
    class Odd(Message):
        def as_bytes(self) -> bytes:
            return kind(b"Subject: Hi\n\nHello")  # type: ignore[no-any-return]

    sent = Outgoing.of(Odd("Hi", ["a@b.c"], sender="d@e.f")).content
    assert sent == b"Subject: Hi\r\n\r\nHello"


def test_a_subclass_that_renders_no_bytes_is_told() -> None:
    class Odd(Message):
        def as_bytes(self) -> bytes:
            return None  # type: ignore[return-value]

    with pytest.raises(MessageError, match=r"as_bytes\(\) of this message returned NoneType"):
        Outgoing.of(Odd("Hi", ["a@b.c"], sender="d@e.f"))


# --- Identity ------------------------------------------------------------------------------------


def test_the_id_is_that_of_the_message() -> None:
    message = compose()

    assert Outgoing.of(message).message_id == message.msgId


@pytest.mark.parametrize("name", ["Message-ID", "message-id"])
def test_the_id_is_that_of_the_extra_header_where_there_is_one(name: str) -> None:
    outgoing = Outgoing.of(compose(extra_headers={"X-A": "b", name: " <1@b.c>"}))

    assert outgoing.message_id == headers_of(outgoing.content)["Message-ID"] == "<1@b.c>"


# --- The values themselves -----------------------------------------------------------------------


def test_values_are_frozen_and_show_neither_content_nor_message() -> None:
    outgoing = Outgoing.of(compose(body="a secret"))

    for value, name in (
        (outgoing, "content"),
        (outgoing.envelope, "sender"),
        (Receipt("<1@b.c>", "null", Outcome.SENT), "outcome"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, None)
    assert "a secret" not in repr(outgoing)
    assert "to@example.com" in repr(outgoing)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_receipt_tells_whether_the_message_was_handed_over(outcome: Outcome) -> None:
    receipt = Receipt("<1@b.c>", "smtp", outcome, {"a@b.c": Refusal(550, "5.1.1", "no such user")})

    assert receipt.sent is (outcome is Outcome.SENT)
    assert receipt.refused["a@b.c"].code == 550
    assert pickle.loads(pickle.dumps(receipt)) == receipt


def test_receipts_are_equal_whatever_their_errors() -> None:
    one, other = (
        Receipt("<1@b.c>", "smtp", Outcome.NOT_SENT, error=error)
        for error in (None, ValueError("secret"))
    )

    assert one == other
    assert "secret" not in repr(other)


def test_an_envelope_has_no_options_unless_given() -> None:
    assert Envelope("", ("a@b.c",)) == Envelope("", ("a@b.c",), (), ())


class CopiedToTheBoss(Message):
    @property
    def cc(self) -> list[str]:  # type: ignore[override]
        return ["boss@example.com"]

    @cc.setter
    def cc(self, value: object) -> None:
        pass


def test_field_that_a_subclass_computes_is_used() -> None:
    mail = Outgoing.of(CopiedToTheBoss("Hi", ["to@example.com"], "x", sender="me@example.com"))
    assert mail.envelope.recipients == ("to@example.com", "boss@example.com")
