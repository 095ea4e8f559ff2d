"""Priority, threads, automatic mail and mailing lists, as mail programs read them."""

from __future__ import annotations

from typing import Any

import pytest
from reading import compose, parsed

from flask_mail import Message, MessageError

# --- Priority ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "level", "number"),
    [("high", "high", "1"), (1, "high", "1"), (2, "high", "1"), ("normal", "normal", "3"),
     (3, "normal", "3"), ("low", "low", "5"), (4, "low", "5"), (5, "low", "5")],
)  # fmt: skip
def test_a_priority_is_told_in_each_of_the_ways_that_programs_know(
    value: Any, level: str, number: str
) -> None:
    message = compose(priority=value)

    assert message.priority == level
    arrived = parsed(message.as_bytes())
    assert (arrived["Importance"], arrived["X-Priority"]) == (level, number)
    assert arrived["Priority"] in ("urgent", "normal", "non-urgent")


@pytest.mark.parametrize("value", [0, 6, "urgent", ""])
def test_what_is_no_priority_is_refused(value: Any) -> None:
    with pytest.raises(MessageError, match="priority"):
        Message(priority=value)


def test_a_priority_is_taken_away() -> None:
    message = compose(priority="high", extra_headers={"X-Other": "1"})
    message.priority = None

    assert message.extra_headers == {"X-Other": "1"}


def test_nothing_is_written_unless_it_is_set() -> None:
    message = compose()
    message.priority = message.in_reply_to = message.references = message.auto_submitted = None

    assert message.extra_headers is None


# --- Threads -------------------------------------------------------------------------------------


def test_an_answer_names_the_message_and_its_thread() -> None:
    first = compose()
    second = compose(in_reply_to=first)
    third = compose(in_reply_to=second)

    assert second.in_reply_to == second.references == first.msgId
    assert third.in_reply_to == second.msgId
    assert third.references == f"{first.msgId} {second.msgId}"


@pytest.mark.parametrize("written", ["<1@example.com>", "1@example.com", " <1@example.com> "])
def test_a_message_id_gets_its_brackets(written: str) -> None:
    assert compose(in_reply_to=written).in_reply_to == "<1@example.com>"


@pytest.mark.parametrize(
    "written",
    [
        "<2022...@>",
        "<@example.com>",
        "<a@b@c>",
        "<a>",
        "<a..b@[1.2.3]>",
        "<a b@c>",
        '<"a"@b (c)>',
        "a@",
    ],
)
def test_a_message_id_from_outside_is_opaque(written: str) -> None:
    expected = written if written.startswith("<") else f"<{written}>"
    message = compose(in_reply_to=written, references=[written, "<1@a.b>"])
    assert message.in_reply_to == expected
    assert message.references == f"{expected} <1@a.b>"
    assert compose(references=f"<1@a.b> {expected}").references == f"<1@a.b> {expected}"

    source = compose(in_reply_to=written, extra_headers={"Message-ID": written}).as_bytes()
    asked = Message.from_bytes(source)
    assert (asked.msgId, asked.in_reply_to) == (written, expected)
    answer = compose(in_reply_to=asked)
    assert answer.in_reply_to == expected
    assert answer.references == expected
    sent = answer.as_bytes().replace(b"\r\n ", b" ").decode()
    assert f"\r\nIn-Reply-To: {expected}\r\n" in sent


@pytest.mark.parametrize(
    "references",
    ["<1@a.b> <2@a.b>", ["1@a.b", "<2@a.b>"], ["<1@a.b>", "<2@a.b>", "<1@a.b>"]],
)
def test_references_are_a_list_or_a_text(references: Any) -> None:
    message = compose(references=references, in_reply_to="<3@a.b>")

    assert message.references == "<1@a.b> <2@a.b>"
    assert message.in_reply_to == "<3@a.b>"


def test_references_may_be_messages() -> None:
    first, second = compose(), compose()

    assert compose(references=first).references == first.msgId
    assert compose(references=[first, second]).references == f"{first.msgId} {second.msgId}"
    assert compose(references=[]).references is None


@pytest.mark.parametrize(
    "value", ["", "no id", "a", "<>", "< >", "<a@b> <c@d>", "<a@b\r\nX: 1>", "<a\0@b>", "<é@b>", 12]
)
def test_what_is_no_message_id_is_refused(value: Any) -> None:
    with pytest.raises(MessageError, match="in_reply_to .* is not a Message-ID"):
        Message(in_reply_to=value)
    with pytest.raises(MessageError, match="references .* is not a Message-ID"):
        Message(references=[value])
    if value == 12:
        with pytest.raises(MessageError, match="references"):
            Message(references=value)


def test_a_long_thread_is_folded() -> None:
    ids = [f"<{number}@example.com>" for number in range(200)]
    source = compose(references=ids).as_bytes()

    assert max(map(len, source.split(b"\r\n"))) <= 78
    assert parsed(source)["References"].split() == ids


# --- Automatic mail ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "written"),
    [(True, "auto-generated"), ("auto-replied", "auto-replied"), ("no", "no"), (False, None)],
)
def test_automatic_mail_says_so(value: Any, written: str | None) -> None:
    message = compose(auto_submitted=value)

    assert message.auto_submitted == written
    assert parsed(message.as_bytes())["Auto-Submitted"] == written


@pytest.mark.parametrize("value", ["yes", "auto-", "auto-replied\r\nX: 1", 1])
def test_what_is_no_kind_of_automatic_mail_is_refused(value: Any) -> None:
    with pytest.raises(MessageError, match="auto_submitted"):
        Message(auto_submitted=value)


@pytest.mark.parametrize(
    ("value", "written"),
    [(True, "All"), ("auto-replied", "All"), ("no", None), (False, None)],
)
def test_automatic_mail_keeps_exchange_from_answering(value: Any, written: str | None) -> None:
    message = compose(auto_submitted=value)

    assert parsed(message.as_bytes())["X-Auto-Response-Suppress"] == written


def test_mail_that_is_no_longer_automatic_may_be_answered() -> None:
    message = compose(auto_submitted=True)

    message.auto_submitted = None

    assert not message.extra_headers


@pytest.mark.parametrize("value", [True, None])
def test_the_own_value_of_the_exchange_header_is_kept(value: Any) -> None:
    message = compose(extra_headers={"x-auto-response-suppress": "OOF, AutoReply"})

    message.auto_submitted = value

    assert parsed(message.as_bytes())["X-Auto-Response-Suppress"] == "OOF, AutoReply"


# --- Headers that are there already --------------------------------------------------------------


def test_headers_are_found_and_replaced_in_any_case() -> None:
    message = compose(extra_headers={"importance": "low", "AUTO-SUBMITTED": "no"})
    assert (message.priority, message.auto_submitted) == ("low", "no")

    message.priority = "high"
    message.auto_submitted = True

    assert message.extra_headers == {
        "X-Priority": "1",
        "Importance": "high",
        "Priority": "urgent",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }


def test_headers_given_elsewhere_are_left_alone() -> None:
    given = {"X-Other": "1"}
    compose(extra_headers=given, priority="low")

    assert given == {"X-Other": "1"}


def test_what_is_no_mapping_is_none() -> None:
    message = compose()
    message.extra_headers = ["X: 1"]  # type: ignore[assignment]

    assert message.priority is None


# --- Mailing lists -------------------------------------------------------------------------------


def unsubscribe(**arguments: Any) -> tuple[str | None, str | None]:
    message = compose()
    message.list_unsubscribe(**arguments)
    arrived = parsed(message.as_bytes())
    return arrived["List-Unsubscribe"], arrived["List-Unsubscribe-Post"]


def test_one_click_is_as_rfc_8058_has_it() -> None:
    assert unsubscribe(
        url="https://example.com/leave?u=1&t=a,b", mailto="leave@example.com", one_click=True
    ) == (
        "<https://example.com/leave?u=1&t=a%2Cb>, <mailto:leave@example.com>",
        "List-Unsubscribe=One-Click",
    )


@pytest.mark.parametrize(
    ("mailto", "written"),
    [
        ("leave@example.com", "<mailto:leave@example.com>"),
        (
            "mailto:leave@example.com?subject=out,now",
            "<mailto:leave@example.com?subject=out%2Cnow>",
        ),
        ("a%b?subject=out", None),
        ("a&b@bücher.example", "<mailto:a%26b@xn--bcher-kva.example>"),
        ("Ann <leave@example.com>", None),
        ("leave@example.com?subject=<a>", None),
        ("leave@example.com?subject=a b", None),
        ("leave@example.com\r\nX: 1", None),
    ],
)
def test_an_address_to_leave_by_is_checked(mailto: str, written: str | None) -> None:
    if written is None:
        with pytest.raises(MessageError, match="mailto"):
            unsubscribe(mailto=mailto)
    else:
        assert unsubscribe(mailto=mailto) == (written, None)


@pytest.mark.parametrize(
    "url",
    ["", "example.com", "ftp://example.com", "javascript:alert(1)", "https://", "https://a b",
     "https://a>b", "https://bücher.example", "https://a\r\nX: 1", "https://" + "a" * 901],
)  # fmt: skip
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(MessageError, match="list_unsubscribe"):
        unsubscribe(url=url)


@pytest.mark.parametrize(
    "arguments",
    [{"url": "http://example.com/"}, {"mailto": "leave@example.com"}, {}],
)
def test_one_click_needs_https(arguments: Any) -> None:
    with pytest.raises(MessageError, match=r"https://|needs url"):
        unsubscribe(**arguments, one_click=True)


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]", "a.localhost", "shop.test", "web",
     "192.168.1.5:8000", "0.0.0.0:80", "host.docker.internal", "pi.local"],
)  # fmt: skip
def test_one_click_may_be_http_on_a_host_for_development(host: str) -> None:
    link, post = unsubscribe(url=f"http://{host}/leave", one_click=True)

    assert (link, post) == (f"<http://{host}/leave>", "List-Unsubscribe=One-Click")


@pytest.mark.parametrize(
    "host", ["shop.example", "8.8.8.8", "localhost.example.com", "test.com", "[2001:4860::1]", "[a"]
)
def test_one_click_is_https_on_a_host_of_the_internet(host: str) -> None:
    with pytest.raises(MessageError, match="https://"):
        unsubscribe(url=f"http://{host}/leave", one_click=True)


def test_without_one_click_none_is_promised() -> None:
    message = compose()
    message.list_unsubscribe(url="https://example.com/1", one_click=True)
    message.list_unsubscribe(url="https://example.com/2")

    assert message.extra_headers == {"List-Unsubscribe": "<https://example.com/2>"}


# --- What would break a header, or the program ---------------------------------------------------


@pytest.mark.parametrize("value", [["high"], {}, True, 1.0, b"high"])
def test_a_priority_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(MessageError, match="priority"):
        Message(priority=value)


@pytest.mark.parametrize(
    ("headers", "level"),
    [
        ({"Importance": "High"}, "high"),
        ({"X-Priority": "1 (Highest)"}, "high"),
        ({"X-Priority": "9"}, None),
        ({"Importance": "?", "X-Priority": "5"}, "low"),
    ],
)
def test_the_priority_that_another_program_wrote_is_read(
    headers: dict[str, str], level: str | None
) -> None:
    assert compose(extra_headers=headers).priority == level


def test_an_answer_names_the_id_that_the_message_is_sent_with() -> None:
    message = compose(extra_headers={"message-id": "<own@example.com>", "X-A": "1"})

    assert compose(in_reply_to=message).in_reply_to == "<own@example.com>"
    assert compose(references=[message]).references == "<own@example.com>"


def test_a_thread_that_only_names_what_it_answers_is_kept() -> None:
    """RFC 5322 section 3.6.4."""
    message = compose(extra_headers={"In-Reply-To": "<1@a.b>"})

    assert compose(in_reply_to=message).references == f"<1@a.b> {message.msgId}"


def test_what_a_message_from_outside_refers_to_spoils_no_answer() -> None:
    references = f"<1@a.b> é {'<' + 'a' * 2000 + '@b>'} nonsense"
    message = compose(extra_headers={"References": references})

    assert compose(in_reply_to=message).references == f"<1@a.b> {message.msgId}"


@pytest.mark.parametrize("value", [b"a@b", "@" * 50_000 + " ", "a" * 2000 + "@b", "@a@b"])
def test_no_message_id_takes_long_or_spoils_a_line(value: Any) -> None:
    with pytest.raises(MessageError, match="not a Message-ID"):
        Message(in_reply_to=value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": 5},
        {"url": b"https://a.b"},
        {"mailto": 5},
        {"url": "https://example.com/\u212a"},
        {"url": "http\u017f://example.com/"},
        {"url": "https:///path"},
        {"url": "https://?query"},
        {"url": "https://example.com/" + "," * 400},
        {"mailto": "leave@example.com?subject=\u017f"},
        {"mailto": "leave@example.com?subject=" + "a" * 900},
    ],
)
def test_no_link_breaks_its_header(arguments: Any) -> None:
    with pytest.raises(MessageError, match=r"list_unsubscribe|mailto"):
        unsubscribe(**arguments)


@pytest.mark.parametrize(
    ("mailto", "written"),
    [
        ("zoë@example.com", "<mailto:zo%C3%AB@example.com>"),
        ('"a>, <b"@example.com', "<mailto:%22a%3E%2C%20%3Cb%22@example.com>"),
        ("a%b#c/d@example.com", "<mailto:a%25b%23c%2Fd@example.com>"),
    ],
)
def test_what_means_something_in_a_link_is_encoded(mailto: str, written: str) -> None:
    """RFC 6068 section 2."""
    assert unsubscribe(mailto=mailto) == (written, None)


def test_references_may_be_a_lazy_string() -> None:
    class Lazy:
        def __iter__(self) -> Any:
            return iter(str(self))

        def __str__(self) -> str:
            return "<a@example.com> <b@example.com>"

    message = Message(references=Lazy())  # type: ignore[arg-type]

    assert message.references == "<a@example.com> <b@example.com>"


def test_headers_that_are_no_mapping_are_not_lost() -> None:
    """Sending refuses them; before, nothing throws them away."""
    message = Message("Hello")
    message.extra_headers = [("X-Shop", "1")]  # type: ignore[assignment]

    with pytest.raises(MessageError, match="extra_headers must be a dict"):
        message.priority = "high"

    assert message.extra_headers == [("X-Shop", "1")]
