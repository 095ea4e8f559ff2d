"""On a staging server, mail reaches nobody but those who test it."""

from __future__ import annotations

import contextlib
import logging
import re
from typing import Any

import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from messages import ADDRESSES
from reading import PATIENT, parsed
from servers import mail_to, smtp_server

from flask_mail import (
    ConfigurationError,
    Mail,
    Message,
    MessageError,
    MessageRefused,
    Outcome,
    Refusal,
)
from flask_mail.backends import Backend
from flask_mail.guard import Guard, to_addresses, to_patterns
from flask_mail.testing import Outbox


def mail_with(**settings: Any) -> Mail:
    return mail_to(1, MAIL_BACKEND="locmem", **settings)


def hello(*recipients: str, **fields: Any) -> Message:
    return Message("Hello", list(recipients), "Hi", sender="me@example.com", **fields)


def envelope_and_content(mail: Mail) -> tuple[tuple[str, ...], str]:
    (kept,) = mail.outbox
    assert kept.envelope is not None
    return kept.envelope.recipients, kept.as_string()


# --- Whom it allows ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "allowed", "others"),
    [
        ("qa@example.com", ["qa@example.com", "QA@EXAMPLE.com"], ["aqa@example.com"]),
        ("qa@example.com", [], ["qa@example.com.test", "qa@example-com", "qaxexample.com@a.b"]),
        ("*@example.com", ["a@example.com", '"a@b.c"@example.com'], ["a@sub.example.com"]),
        ("*@example.com", [], ['"a@example.com"@evil.test', "a@example.com.evil.test"]),
        ("*@*.example.com", ["a@b.example.com", "a@b.c.example.com"], ["a@example.com"]),
        ("qa+*@example.com", ["qa+1@example.com"], ["qa1@example.com", "q@example.com"]),
        ("*@*", ["a@b", '"@"@b'], []),
        ("*@bücher.example", ["a@xn--bcher-kva.example"], ["a@xn--bcher-kva.example.test"]),
        ("Ann <qa@bücher.example>", ["qa@xn--bcher-kva.example"], ["ann@a.b"]),
        (
            "/qa[0-9]+@example\\.com/",
            ["qa1@example.com", "QA22@example.com"],
            ["qa1@example.com.a"],
        ),
        (re.compile(r"a{1,3}@b"), ["aaa@b"], ["aaaa@b", "AAA@b"]),
    ],
)
def test_an_address_is_matched_as_a_whole(
    pattern: Any, allowed: list[str], others: list[str]
) -> None:
    guard = Guard(to_patterns([pattern]))

    assert [each for each in allowed if not guard.allows(each)] == []
    assert [each for each in others if guard.allows(each)] == []


@pytest.mark.parametrize(
    "value",
    ["a@b.c, *@d.e", ["a@b.c", "*@d.e"], ("a@b.c", "*@d.e"), {"a@b.c", "*@d.e"}, "a@b.c,,*@d.e,"],
)
def test_it_may_be_a_list_or_a_text_of_the_environment(value: Any) -> None:
    guard = Guard(to_patterns(value))

    assert [guard.allows(each) for each in ("a@b.c", "x@d.e", "x@b.c")] == [True, True, False]


def test_a_regular_expression_may_hold_commas_and_stand_alone() -> None:
    for value in ("/a{1,2}@b/", re.compile("a{1,2}@b")):
        assert Guard(to_patterns(value)).allows("aa@b")


@pytest.mark.parametrize(
    "value",
    [
        *(
            "example.com",
            "*",
            "@example.com",
            "*@",
            "a b@c.d",
            "a@b@*.c",
            "*@-.c",
            "/(/",
            "x" * 2000,
        ),
        *(1, b"a@b.c", {"a@b.c": 1}, [1], [None], re.compile(b"a"), "a@b.c\nd", "*@b.c\nd"),
    ],
)
def test_what_is_no_pattern_is_refused_by_the_name_of_the_setting(value: Any) -> None:
    """A guard that is misspelled keeps all mail back."""
    mail = mail_with(MAIL_ALLOWED_RECIPIENTS=value)

    with pytest.raises(ConfigurationError, match="MAIL_ALLOWED_RECIPIENTS must be a list of"):
        mail.send(hello("a@b.c"))
    assert mail.outbox == []


@pytest.mark.parametrize("value", ["nobody", 1, ["a@b.c", ""], "a@b.c d@e.f"])
def test_what_is_no_address_to_redirect_to_is_refused(value: Any) -> None:
    mail = mail_with(MAIL_REDIRECT_TO=value)

    with pytest.raises(ConfigurationError, match="MAIL_REDIRECT_TO must be an address"):
        mail.send(hello("a@b.c"))


# --- What becomes of the others ------------------------------------------------------------------


def test_without_a_guard_mail_goes_to_everybody() -> None:
    mail = mail_with(MAIL_ALLOWED_RECIPIENTS="", MAIL_REDIRECT_TO=None)
    mail.send(hello("a@b.c"))

    recipients, content = envelope_and_content(mail)
    assert recipients == ("a@b.c",)
    assert "X-Original-To" not in content


def test_others_are_redirected_at_the_envelope_and_the_headers_stay() -> None:
    mail = mail_with(MAIL_ALLOWED_RECIPIENTS="*@example.com", MAIL_REDIRECT_TO="qa@test.example")
    message = hello("a@customer.test", "b@example.com", cc=["c@customer.test"])

    receipt = mail.send(message)

    (kept,) = mail.outbox
    assert kept.envelope is not None
    assert kept.envelope.recipients == ("qa@test.example", "b@example.com")
    assert (receipt.outcome, receipt.refused) == (Outcome.SENT, {})
    assert (message.recipients, message.cc) == (
        ["a@customer.test", "b@example.com"],
        ["c@customer.test"],
    )


class Keeping(Backend[None]):
    """Keeps what it is handed."""

    name = "keeping"
    kept: list[Any]

    def deliver(self, mail: Any, session: None) -> Any:
        type(self).kept.append(mail)
        return self.accepted(mail)


@pytest.fixture
def keeping() -> type[Keeping]:
    Keeping.kept = []
    return Keeping


def test_the_content_tells_whom_it_was_for(keeping: type[Keeping]) -> None:
    mail = mail_to(1, MAIL_BACKEND=keeping, MAIL_REDIRECT_TO="qa@test.example")
    message = hello("a@customer.test", bcc=["jörg@bücher.example"])
    message.attach("large.bin", data=bytes(400_000))
    small = hello("b@customer.test")
    mail.send(message)
    mail.send(small)

    large, other = keeping.kept
    assert large.envelope.recipients == other.envelope.recipients == ("qa@test.example",)
    assert not large.envelope.needs_smtputf8
    shown = [str(each) for each in parsed(large.content).get_all("X-Original-To")]
    assert shown == ["a@customer.test", "jörg@xn--bcher-kva.example"]
    assert large.size == len(large.content)
    # The rest is what it was.
    assert large.content.endswith(message.as_bytes())
    assert other.content == b"X-Original-To: b@customer.test\r\n" + small.as_bytes()


def test_whoever_else_gets_it_learns_of_no_blind_copies(keeping: type[Keeping]) -> None:
    mail = mail_to(
        1,
        MAIL_BACKEND=keeping,
        MAIL_ALLOWED_RECIPIENTS=["dev@example.com"],
        MAIL_REDIRECT_TO=["qa@test.example", "boss@test.example"],
    )
    mail.send(hello("dev@example.com", "a@customer.test", bcc=["hidden@customer.test"]))

    (kept,) = keeping.kept
    assert kept.envelope.recipients == ("dev@example.com", "qa@test.example", "boss@test.example")
    assert b"X-Original-To: a@customer.test" in kept.content
    assert b"hidden" not in kept.content


def test_without_a_redirect_they_are_refused_here_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mail = mail_with(MAIL_ALLOWED_RECIPIENTS=["*@example.com"])

    with caplog.at_level(logging.WARNING, "flask_mail"):
        receipt = mail.send(hello("a@customer.test", "b@example.com"))

    refusal = Refusal(550, "5.7.1", "not allowed by MAIL_ALLOWED_RECIPIENTS; nobody was asked")
    assert (receipt.outcome, receipt.refused) == (Outcome.SENT, {"a@customer.test": refusal})
    assert envelope_and_content(mail)[0] == ("b@example.com",)
    (warning,) = caplog.messages
    assert "not sent to 1 of 2 recipients, which MAIL_ALLOWED_RECIPIENTS does not allow" in warning


def test_if_none_is_left_the_message_is_refused() -> None:
    mail = mail_with(MAIL_ALLOWED_RECIPIENTS=[])

    with pytest.raises(MessageRefused, match="allows none of the recipients, such as 'a@b"):
        mail.send(hello("a@b.c"))
    (receipt,) = mail.send_many([hello("a@b.c")])

    assert (receipt.outcome, list(receipt.refused)) == (Outcome.REFUSED, ["a@b.c"])
    assert receipt.message_id
    assert mail.outbox == []


def test_the_receipt_of_a_failure_names_them_too(keeping: type[Keeping]) -> None:
    class Failing(keeping):  # type: ignore[misc, valid-type]
        def deliver(self, mail: Any, session: None) -> Any:
            raise RuntimeError("broken")

    mail = mail_to(1, MAIL_BACKEND=Failing, MAIL_ALLOWED_RECIPIENTS=["*@example.com"])
    (receipt,) = mail.send_many([hello("a@customer.test", "b@example.com")])

    assert (receipt.outcome, list(receipt.refused)) == (Outcome.UNKNOWN, ["a@customer.test"])


def test_settings_count_from_the_next_message_on() -> None:
    allowed = ["*@example.com"]
    mail = mail_with(MAIL_ALLOWED_RECIPIENTS=allowed)
    mail.send(hello("a@example.com"))
    allowed.clear()
    with pytest.raises(MessageRefused):
        mail.send(hello("a@example.com"))
    assert mail.app is not None
    mail.app.config["MAIL_ALLOWED_RECIPIENTS"] = None
    mail.send(hello("b@customer.test"))

    assert len(mail.outbox) == 2


def test_what_a_receiver_adds_and_what_a_subclass_redirects_is_guarded() -> None:
    class Elsewhere(Message):
        @property
        def send_to(self) -> set[Any]:
            return {"other@customer.test"}

    mail = mail_with(MAIL_REDIRECT_TO="qa@test.example")
    mail.send(Elsewhere("Hello", ["a@example.com"], "Hi", sender="me@example.com"))

    recipients, _ = envelope_and_content(mail)
    assert recipients == ("qa@test.example",)


# --- On the wire ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Any:
    with smtp_server() as running:
        yield running


@PATIENT
@given(
    st.lists(ADDRESSES, max_size=4),
    st.lists(ADDRESSES, max_size=3),
    st.lists(ADDRESSES, max_size=3),
    st.booleans(),
    st.booleans(),
)
@example(["a@example.com"], ["b@x.example.com"], ["c@example.org"], True, False)
@example(["a@example.com", "qa@test.example"], [], ["c@example.org"], False, True)
def test_no_recipient_outside_the_list_is_ever_named_to_a_server(
    server: Any, to: list[Any], cc: list[Any], bcc: list[Any], redirects: bool, many: bool
) -> None:
    mail = mail_to(
        server.port,
        MAIL_ALLOWED_RECIPIENTS="*@example.com",
        MAIL_REDIRECT_TO="qa@test.example" if redirects else None,
    )
    message = Message("Hello", to, "Hi", cc=cc, bcc=bcc)
    before = len(server.recorder.accepted)
    with contextlib.suppress(MessageError, MessageRefused):
        mail.send_many([message]) if many else mail.send(message)

    for envelope in server.recorder.accepted[before:]:
        for recipient in envelope.rcpt_tos:
            is_target = redirects and recipient == "qa@test.example"
            assert is_target or recipient.lower().endswith("@example.com")


# --- While developing ----------------------------------------------------------------------------


def app_in_debug(backend: Any, **settings: Any) -> tuple[Flask, Mail]:
    mail = mail_to(1, MAIL_BACKEND=backend, **settings)
    assert mail.app is not None
    mail.app.debug = True
    return mail.app, mail


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each for each in caplog.messages if "sends real mail" in each]


def test_real_mail_of_an_app_in_debug_is_warned_of_once(
    keeping: type[Keeping], caplog: pytest.LogCaptureFixture
) -> None:
    _, mail = app_in_debug(keeping)
    with pytest.raises(MessageError):
        mail.send(hello())
    assert warnings_of(caplog) == []

    mail.send(hello("a@b.c"))
    mail.send_many([hello("a@b.c")])

    (warning,) = warnings_of(caplog)
    assert "the keeping backend sends real mail" in warning
    assert 'set MAIL_BACKEND="console"' in warning


@pytest.mark.parametrize(
    ("backend", "settings"),
    [
        ("locmem", {}),
        (Keeping, {"TESTING": True, "MAIL_SUPPRESS_SEND": False}),
        (Keeping, {"MAIL_REDIRECT_TO": "me@example.com"}),
        (Keeping, {"MAIL_ALLOWED_RECIPIENTS": "a@b.c"}),
    ],
)
def test_mail_that_reaches_no_stranger_is_not_warned_of(
    backend: Any, settings: Any, keeping: type[Keeping], caplog: pytest.LogCaptureFixture
) -> None:
    _, mail = app_in_debug(backend, **settings)
    mail.send(hello("a@b.c"))

    assert warnings_of(caplog) == []


def test_an_address_to_redirect_to_is_read_as_any_other() -> None:
    assert to_addresses("Ann <qa@bücher.example>, b@c.d") == ("qa@xn--bcher-kva.example", "b@c.d")


def test_a_test_meets_the_guard_of_each_app(outbox: Outbox) -> None:
    guarded = mail_to(1, MAIL_REDIRECT_TO="qa@test.example")
    free = mail_to(1)
    for mail in (guarded, free, guarded):
        mail.send(hello("a@customer.test"))

    qa, customer = ("qa@test.example",), ("a@customer.test",)
    assert [each.envelope and each.envelope.recipients for each in outbox] == [qa, customer, qa]
