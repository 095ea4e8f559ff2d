"""On a staging server, mail reaches nobody but those who test it."""

from __future__ import annotations

import contextlib
import logging
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from reading import PATIENT, parsed
from servers import Recorder, mail_to, smtp_server

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
from flask_mail.config.recipients import to_addresses, to_patterns
from flask_mail.delivery.guard import Guard
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
        ("a*b*c@*x*.d", ["abc@x.d", "a.b.b.c@y.x.x.d"], ["acb@x.d", "abc@b.d", "ab@x.d"]),
        ("a*a@b", ["aa@b", "a.a@b"], ["a@b"]),
        ("sam@b*", ["SAM@B"], ["\u017fam@b"]),
        ("/[a-z]+@b/", ["sAm@b"], ["\u017fam@b", "\u212aate@b"]),
        ("*@bücher.example", ["a@xn--bcher-kva.example"], ["a@xn--bcher-kva.example.test"]),
        (
            "*@*.BÜCHER.example",
            ["a@b.xn--bcher-kva.example"],
            ["a@xn--bcher-kva.example", "a@b.example"],
        ),
        ("*@[192.0.2.*]", ["a@[192.0.2.1]"], ["a@[192.0.3.1]"]),
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


@pytest.mark.parametrize(
    "value", ["/a{1,2}@b/", re.compile("a{1,2}@b"), "c@d, /a{1,2}@b/ ,/e@f/", "/e@f/,/a{1,2}@b/"]
)
def test_a_regular_expression_may_hold_commas(value: Any) -> None:
    guard = Guard(to_patterns(value))

    assert guard.allows("aa@b")
    assert not guard.allows("aaa@b")


def test_many_stars_take_no_long() -> None:
    """The author of an address must not control how long a match takes."""
    guard = Guard(to_patterns([f"{'*a' * 12}*@example.com", f"*@{'*a' * 12}*.com"]))

    assert not guard.allows(f"{'a' * 64}@{'a' * 63}.{'a' * 63}.{'a' * 50}.org")


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
            "*@*.-.c",
            "*@*.c.",
            "*@_b*.c",
            "*@bü*.c",
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


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (["/[/"], "'/[/' is not a regular expression (unterminated character set at position 0)."),
        ("/(?u)a/", "'/(?u)a/' is not a regular expression (ASCII and UNICODE flags are"),
        (["a@b.c", "shop.example"], "'shop.example' is invalid: write \"*@shop.example\" for its"),
        ("@shop.example", "'@shop.example' is invalid: write \"*@shop.example\" for its"),
        (["*.shop.example"], "'*.shop.example' is invalid: write \"*@*.shop.example\" for its"),
        (["localhost"], "'localhost' is invalid."),
        (["*bü.example"], "'*bü.example' is invalid."),
        (["a b@c.d"], "'a b@c.d' is invalid."),
    ],
)
def test_a_pattern_that_cannot_be_used_is_named_with_the_reason(value: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        mail_with(MAIL_ALLOWED_RECIPIENTS=value).send(hello("a@b.c"))
    assert f"; {problem}" in str(caught.value)
    assert ", not " not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["nobody", 1, ["a@b.c", ""], "a@b.c d@e.f", [], (), " ", ",", "/a@b.c/"]
)
def test_what_is_no_address_to_redirect_to_is_refused(value: Any) -> None:
    """An empty list must not mean that mail is not redirected."""
    mail = mail_with(MAIL_REDIRECT_TO=value)

    with pytest.raises(ConfigurationError, match="MAIL_REDIRECT_TO must be an address"):
        mail.send(hello("a@b.c"))
    assert mail.outbox == []


# --- What becomes of the others ------------------------------------------------------------------


def test_without_a_guard_mail_goes_to_everybody() -> None:
    mail = mail_with(MAIL_ALLOWED_RECIPIENTS=None, MAIL_REDIRECT_TO=None)
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


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["QA@example.com", "bob@example.com"], ("QA@example.com",)),
        (["bob@example.com", "QA@EXAMPLE.com"], ("QA@EXAMPLE.com",)),
        (["bob@example.com"], ("qa@example.com",)),
    ],
)
def test_one_mailbox_in_two_spellings_gets_one_copy(given: list[str], expected: Any) -> None:
    guard = Guard(to_patterns("qa@example.com"), to_addresses("qa@example.com"))
    assert guard.destinations(given) == expected


def test_another_letter_is_another_mailbox() -> None:
    guard = Guard(to_patterns("*@b"), to_addresses("kate@x"))
    assert guard.destinations(["\u212aate@b", "c@d"]) == ("\u212aate@b", "kate@x")
    guard = Guard(to_patterns("/.*@b/"), to_addresses("kate@b"))
    assert guard.destinations(["\u212aate@b", "c@d"]) == ("\u212aate@b", "kate@b")


def test_without_a_redirect_they_are_refused_here_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mail = mail_with(MAIL_ALLOWED_RECIPIENTS=["*@example.com"])

    with caplog.at_level(logging.WARNING, "flask_mail"):
        receipt = mail.send(hello("a@customer.test", "b@example.com"))

    refusal = Refusal(550, "5.7.1", "not allowed by MAIL_ALLOWED_RECIPIENTS; no server was asked")
    assert (receipt.outcome, receipt.refused) == (Outcome.SENT, {"a@customer.test": refusal})
    assert envelope_and_content(mail)[0] == ("b@example.com",)
    (warning,) = caplog.messages
    assert "not sent to 1 of 2 recipients, which MAIL_ALLOWED_RECIPIENTS does not allow" in warning


def test_if_none_is_left_the_message_is_refused() -> None:
    mail = mail_with(MAIL_ALLOWED_RECIPIENTS=[])

    with pytest.raises(
        MessageRefused, match="does not allow any of the recipients .for example 'a@b"
    ):
        mail.send(hello("a@b.c"))
    (receipt,) = mail.send_many([hello("a@b.c")])

    assert (receipt.outcome, list(receipt.refused)) == (Outcome.REFUSED, ["a@b.c"])
    assert receipt.message_id
    assert receipt.attempts == 0
    assert mail.outbox == []


def test_what_is_refused_here_leaves_the_connection_of_a_block_as_it_is() -> None:
    with smtp_server() as server:
        mail = mail_to(server.port, MAIL_ALLOWED_RECIPIENTS=["*@example.com"])
        with mail.connect() as connection:
            for recipient in ("a@example.com", "b@customer.test", "c@example.com"):
                with contextlib.suppress(MessageRefused):
                    connection.send(hello(recipient))

    first, second = server.recorder.sessions
    assert first is second


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


@dataclass
class Listening(Recorder):
    """Keeps each recipient that was ever named, whatever became of it."""

    named: list[str] = field(default_factory=list)

    async def handle_RCPT(self, server, session, envelope, address, options):  # type: ignore[no-untyped-def]
        self.named.append(address)
        return await super().handle_RCPT(server, session, envelope, address, options)


@pytest.fixture(scope="module")
def server() -> Any:
    with smtp_server(Listening(), enable_SMTPUTF8=True) as running:
        yield running


class Around(Backend[Any]):
    """Is made of another backend, as those that sign or that choose a server are."""

    name = "around"
    _child: Backend[Any]

    @classmethod
    def from_options(cls, options: Any, build: Any) -> Any:
        made = cls()
        made._child = build("smtp")
        return made

    def open(self) -> Any:
        return self._child.open()

    def close(self, session: Any) -> None:
        self._child.close(session)

    def deliver(self, mail: Any, session: Any) -> Any:
        return self._child.deliver(mail, session)


class SentElsewhere(Message):
    """Chooses its recipients itself, as programs for 0.10 do."""

    elsewhere: frozenset[str]

    @property
    def send_to(self) -> set[Any]:
        return set(self.elsewhere)


# Each item that a setting may have, and whether it allows an address, told in another way.
ALLOWED: dict[Any, Any] = {
    "qa@example.com": lambda local, domain: (ascii_lower(local), domain) == ("qa", "example.com"),
    "*@Example.com": lambda local, domain: domain == "example.com",
    "*@*.example.com": lambda local, domain: domain.endswith(".example.com"),
    "sam+*@*": lambda local, domain: ascii_lower(local).startswith("sam+"),
    "*@bücher.example": lambda local, domain: domain == "xn--bcher-kva.example",
    "/[a-z]{2}@.*/": lambda local, domain: local in ("qa", "QA"),
    re.compile(r"sam@.*"): lambda local, domain: local == "sam",
}
TARGET = "target@test.example"

LOCALS = ("qa", "QA", "sam", "\u017fam", "sam+a", "SAM+b", "jörg", '"qa@example.com"', '"a b"')
DOMAINS = (
    *("example.com", "EXAMPLE.COM", "a.example.com", "example.com.evil.test", "evil.test"),
    *("evilexample.com", "bücher.example", "xn--bcher-kva.example", "XN--BCHER-KVA.example"),
)
MAILBOXES = st.builds(
    lambda local, domain, name: (name, f"{local}@{domain}") if name else f"{local}@{domain}",
    st.sampled_from(LOCALS),
    st.sampled_from(DOMAINS),
    st.sampled_from(["", "", "qa@example.com"]),
)
WAYS = ("send", "send_many", "connect", "around", "elsewhere")


def ascii_lower(text: str) -> str:
    return "".join(each.lower() if each.isascii() else each for each in text)


def ascii_form(mailbox: str | tuple[str, str]) -> str:
    address = mailbox if isinstance(mailbox, str) else mailbox[1]
    return address.replace("@bücher.", "@xn--bcher-kva.")


def are_allowed(address: str, items: list[Any]) -> bool:
    local, _, domain = address.rpartition("@")
    return any(ALLOWED[each](local, domain.lower()) for each in items)


@PATIENT
@given(
    to=st.lists(MAILBOXES, min_size=1, max_size=4),
    cc=st.lists(MAILBOXES, max_size=2),
    bcc=st.lists(MAILBOXES, max_size=2),
    items=st.lists(st.sampled_from(list(ALLOWED)), max_size=3, unique=True),
    way=st.sampled_from(WAYS),
    redirects=st.booleans(),
)
@example(["qa@example.com"], ["\u017fam+1@a.b"], ["a@b.c"], ["sam+*@*"], "send", False)
@example(["qa@example.com", TARGET], [], ["c@evil.test"], ["qa@example.com"], "send_many", True)
def test_no_recipient_outside_the_list_is_ever_named_to_a_server(
    server: Any, to: list[Any], cc: list[Any], bcc: list[Any], items: Any, way: str, redirects: bool
) -> None:
    """And each one that is on it is, whichever way a message is sent."""
    mail = mail_to(
        server.port,
        MAIL_BACKEND=Around if way == "around" else "smtp",
        MAIL_ALLOWED_RECIPIENTS=items,
        MAIL_REDIRECT_TO=TARGET if redirects else None,
    )
    message = Message("Hello", to, "Hi", cc=cc, bcc=bcc)
    given = {ascii_form(each) for each in (*to, *cc, *bcc)}
    if way == "elsewhere":
        given = {ascii_form(each) for each in bcc} | {"other@evil.test"}
        message = SentElsewhere("Hello", to, "Hi")
        message.elsewhere = frozenset(given)
    server.recorder.named.clear()

    with contextlib.suppress(MessageRefused):
        if way == "send_many":
            mail.send_many([message, message])
        elif way == "connect":
            with mail.connect() as connection:
                connection.send(message, envelope_from="bounces@evil.test")
        else:
            mail.send(message)

    # Of one mailbox in two spellings, either may be named.
    named = {spelled_alike(each) for each in server.recorder.named}
    expected = {spelled_alike(each) for each in given if are_allowed(each, items)}
    if redirects and any(not are_allowed(each, items) for each in given - {TARGET}):
        expected.add(TARGET)
    if redirects and TARGET in given:
        expected.add(TARGET)
    assert named == expected


def spelled_alike(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


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
    for setting in ('MAIL_BACKEND="console"', "MAIL_INBOX", "MAIL_ALLOWED_RECIPIENTS"):
        assert setting in warning


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
