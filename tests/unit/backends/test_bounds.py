"""Numbers and depths from outside are bounded: an error that says so, never a bare one."""

from __future__ import annotations

from typing import Any

import pytest
from servers import Dialogue, mail_to, scripted_server

from flask_mail import Message, MessageError, MessageRefused, Outcome
from flask_mail.backends import Backend
from flask_mail.backends.features import ORDINARY, Feature

HUGE = 10**5000


def nested(value: Any, depth: int = 5_000) -> Any:
    """Nest a value deeper than Python may call itself."""
    for _ in range(depth):
        value = [value] if isinstance(value, list) else {"deeper": value}
    return value


def hello(**fields: Any) -> Message:
    return Message("Hello", ["ann@example.com"], "Hi", sender="me@example.com", **fields)


def accepting(size):
    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet(f"SIZE {size}")
            talk.answer("250 ok", "250 ok", "354 go")
            talk.content()
            talk.say("250 ok")

    return script


@pytest.mark.parametrize(
    "size", ["9" * 5000, "9" * 21, "0" * 5000, "0", "", "many", "-1", "1e3", "\u0661"]
)
def test_a_size_that_is_no_number_of_octets_limits_nothing(size):
    with scripted_server(accepting(size)) as port:
        assert mail_to(port).send(hello()).outcome is Outcome.SENT


@pytest.mark.parametrize("size", ["9" * 20, "1000000"])
def test_a_size_that_is_large_enough_limits_nothing(size):
    with scripted_server(accepting(size)) as port:
        assert mail_to(port).send(hello()).sent


@pytest.mark.parametrize("size", ["1", "00000000000000000001"])
def test_a_size_that_is_too_small_refuses(size):
    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet(f"SIZE {size}")
            talk.wait()

    with scripted_server(script) as port, pytest.raises(MessageRefused, match="accepts at most 1"):
        mail_to(port).send(hello())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", HUGE),
        ("body", -HUGE),
        ("alts", [["html", HUGE]]),
        ("extra_headers", [["X-Number", HUGE]]),
        ("metadata", [["order", HUGE]]),
        ("date", HUGE),
        ("rendered_at", HUGE),
        ("further", {"x": [{"y": HUGE}]}),
        ("options", {"null": {"k": [HUGE]}}),
        ("options", {"null": {"k": 2**64 + 1}}),
        ("options", {"null": {"k": nested([])}}),
        ("options", {"null": nested({})}),
        ("options", {"null": {"k": float("inf")}}),
        ("attachments", [{"text": HUGE}]),
        ("attachments", [{"text": "", "further": {"x": nested({})}}]),
        ("further", nested({})),
        ("envelope", nested({})),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_record_with_what_json_cannot_hold_is_refused(field, value):
    record = {**hello().to_dict(), field: value}
    with pytest.raises(MessageError, match="record|64 bits|deep"):
        Message.from_dict(record)


def test_a_record_keeps_numbers_of_64_bits():
    record = {**hello().to_dict(), "options": {"null": {"k": [2**64, -(2**64), {"a": [1.5]}]}}}
    assert Message.from_dict(record).to_dict()["options"] == record["options"]


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": HUGE},
        {"body": HUGE},
        {"alts": {"html": HUGE}},
        {"extra_headers": {"X-Number": HUGE}},
        {"metadata": {"order": HUGE}},
        {"tags": [HUGE]},
        {"date": HUGE},
        {"date": -HUGE},
        {"charset": HUGE},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_number_that_python_does_not_write_is_refused(fields):
    message = hello()
    for name, value in fields.items():
        setattr(message, name, value)
    with pytest.raises(MessageError):
        mail_to(25, MAIL_BACKEND="locmem").send(message)
    assert message.as_bytes()  # to be looked at


def test_a_priority_of_many_digits_is_refused():
    with pytest.raises(MessageError, match="priority"):
        hello().priority = HUGE


class TakingOptions(Backend[None]):
    name = "taking"
    features = ORDINARY | {Feature.METADATA}

    class message_options:
        def __init__(self, *, extra: object = None) -> None:
            self.extra = extra

    def deliver(self, mail, session):
        return self.accepted(mail)


@pytest.mark.parametrize("deep", [nested([]), nested({}), nested([], 60), (nested([], 50),)])
@pytest.mark.parametrize("backend", ["taking", "another"])
def test_options_of_a_message_are_of_some_depth_at_most(deep, backend):
    message = hello()
    message.options = {backend: {"extra": deep}}
    with pytest.raises(MessageError, match="nested more than 50 levels deep"):
        mail_to(25, MAIL_BACKEND=TakingOptions).send(message)


def test_options_that_hold_themselves_or_little_are_sent():
    loop: list[Any] = []
    loop.append(loop)
    mail = mail_to(25, MAIL_BACKEND=TakingOptions)
    for extra in (loop, nested([], 40), [[1]] * 1000, "text"):
        message = hello()
        message.options = {"taking": {"extra": extra}}
        assert mail.send(message).sent
