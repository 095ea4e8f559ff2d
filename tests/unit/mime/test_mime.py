"""The header of a message as it travels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, getaddresses, parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import HEADER_TEXTS, PATIENT, compose, decode_header, headers_of, split_message

from flask_mail.errors import MessageError
from flask_mail.mime.render import date_header, render


def test_a_message_has_each_header_once_and_in_order() -> None:
    message = compose(cc=["cc@example.com"], reply_to="reply@example.com", bcc=["bcc@example.com"])
    message.msgId = "<1@example.com>"

    assert headers_of(message.as_bytes()) == {
        "Subject": "subject",
        "From": "from@example.com",
        "To": "to@example.com",
        "Date": date_header(0),
        "Message-ID": "<1@example.com>",
        "Cc": "cc@example.com",
        "Reply-To": "reply@example.com",
        "MIME-Version": "1.0",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "7bit",
    }


@PATIENT
@given(HEADER_TEXTS, HEADER_TEXTS, HEADER_TEXTS)
def test_any_text_in_a_header_reads_back(subject: str, name: str, extra: str) -> None:
    message = compose(
        subject=subject,
        sender=(name, "from@example.com"),
        recipients=[(name, "to@example.com")],
        extra_headers={"X-Extra": extra},
    )

    content = message.as_bytes()

    headers = headers_of(content)
    assert content.isascii()
    assert decode_header(headers.get("Subject", "")) == decode_header(subject)
    assert decode_header(headers["X-Extra"]).strip(" ") == decode_header(extra).strip(" ")
    for header, address in (("From", "from@example.com"), ("To", "to@example.com")):
        [(_, read)] = getaddresses([headers[header]])
        assert read == address


@pytest.mark.parametrize(
    ("extra", "written"),
    [
        ({"Message-Id": "<2@example.com>"}, {"Message-ID": "<2@example.com>"}),
        ({"date": "Thu, 01 Jan 1970 00:00:00 +0000"}, {"Date": "Thu, 01 Jan 1970 00:00:00 +0000"}),
        ({"FROM": "Al <al@example.com>"}, {"From": "Al <al@example.com>"}),
        ({"subject": "Zwö"}, {"Subject": "=?utf-8?q?Zw=C3=B6?="}),
        ({"To": "undisclosed-recipients:;"}, {"To": "undisclosed-recipients:;"}),
        ({"Reply-To": "a@b.c, d@e.f"}, {"Reply-To": "a@b.c, d@e.f"}),
        ({"Cc": " a@b.c ", "List-Id": " <l.b.c>"}, {"Cc": "a@b.c", "List-Id": "<l.b.c>"}),
        ({"Subject": "one", "subject": "two"}, {"Subject": "two"}),
        ({"Sender": "a@b.c", "sender": "d@e.f"}, {"Sender": "d@e.f"}),
        ({"X-Priority": 1, "X-Spam": None}, {"X-Priority": "1", "X-Spam": ""}),
    ],
)
def test_an_extra_header_takes_the_place_of_ours(
    extra: dict[str, Any], written: dict[str, str]
) -> None:
    headers = headers_of(compose(extra_headers=extra).as_bytes())

    assert {name: headers[name] for name in written} == written


def test_headers_that_may_stand_more_than_once_may_differ_in_case_only() -> None:
    content = compose(extra_headers={"X-Tag": "a", "x-tag": "b"}).as_bytes()

    headers, _ = split_message(content)
    assert [value for name, value in headers if name.lower() == "x-tag"] == ["a", "b"]


@pytest.mark.parametrize(
    "name",
    ["Bcc", "bcc", "Resent-Bcc", "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
     "Content-Disposition", "Not a name", "X" * 77],
)  # fmt: skip
def test_the_structure_and_blind_copies_are_not_for_extra_headers(name: str) -> None:
    content = compose(extra_headers={name: "hidden@example.com"}).as_bytes()

    assert b"hidden" not in content
    assert headers_of(content)["Content-Type"] == 'text/plain; charset="utf-8"'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("Zoë <zoe@example.com>", "=?utf-8?q?Zo=C3=AB?= <zoe@example.com>"),
        ('"Lee, Zoë" <zoe@b.c>, Al <al@b.c>', "=?utf-8?b?TGVlLCBab8Or?= <zoe@b.c>, Al <al@b.c>"),
        ('"=?x?q?y?=" <al@b.c>', '"=?x?q?y?=" <al@b.c>'),
        ("Zoë", "=?utf-8?q?Zo=C3=AB?="),
        ("x" * 1000, None),
    ],
)
@pytest.mark.parametrize("name", ["From", "Reply-To", "Disposition-Notification-To"])
def test_an_extra_header_of_addresses_stays_one(name: str, value: str, written: str | None) -> None:
    """Values that are not an address are encoded nevertheless; sending refuses them."""
    headers = headers_of(compose(extra_headers={name: value}).as_bytes())

    assert headers[name] == written or decode_header(headers[name]) == value


def test_blind_copies_are_never_shown() -> None:
    message = compose(bcc=["hidden@example.com"], recipients=[])

    assert b"hidden" not in message.as_bytes()
    assert "To" not in headers_of(message.as_bytes())


def test_an_address_is_shown_once() -> None:
    headers = headers_of(compose(recipients=["a@B.c", ("A", "a@b.C"), "A@b.c"]).as_bytes())

    assert headers["To"] == "a@B.c, A@b.c"


@pytest.mark.parametrize(
    ("reply_to", "written"),
    [
        ("a@b.c", "a@b.c"),
        (("A", "a@b.c"), "A <a@b.c>"),
        (["A", "a@b.c"], "A <a@b.c>"),
        (["a@b.c", "d@e.f"], "a@b.c, d@e.f"),
        ([("A", "a@b.c"), "d@e.f"], "A <a@b.c>, d@e.f"),
        (["a@b.c"], "a@b.c"),
    ],
)
def test_reply_to_is_one_address_or_several(reply_to: Any, written: str) -> None:
    """A pair that travelled as JSON is a list."""
    assert headers_of(compose(reply_to=reply_to).as_bytes())["Reply-To"] == written


# --- Date ----------------------------------------------------------------------------------------


@pytest.fixture
def local_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Live five and a half hours east of Greenwich."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XST-5:30")
        time.tzset()
        yield
    time.tzset()


class Zoneless(timezone.__base__):  # type: ignore[misc,name-defined]
    def utcoffset(self, moment: datetime | None) -> None:
        return None


@pytest.mark.usefixtures("local_zone")
@pytest.mark.parametrize(
    ("date", "written"),
    [
        (0, "Thu, 01 Jan 1970 05:30:00 +0530"),
        (1_700_000_000.75, "Wed, 15 Nov 2023 03:43:20 +0530"),
        (datetime(2024, 2, 29, 12), "Thu, 29 Feb 2024 12:00:00 +0530"),
        (datetime(2024, 2, 29, 12, tzinfo=Zoneless()), "Thu, 29 Feb 2024 12:00:00 +0530"),
        (datetime(2024, 2, 29, 12, tzinfo=timezone.utc), "Thu, 29 Feb 2024 12:00:00 +0000"),
    ],
)
def test_seconds_and_naive_datetimes_are_told_in_local_time(date: Any, written: str) -> None:
    assert date_header(date) == written


@PATIENT
@given(
    st.datetimes(
        datetime(1900, 1, 2),
        datetime(9999, 12, 30),
        timezones=st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
            lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
        ),
    )
)
def test_a_datetime_with_a_zone_reads_back(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)

    assert date_header(moment) == format_datetime(moment)
    assert parsedate_to_datetime(date_header(moment)) == moment


@pytest.mark.parametrize(
    "date",
    [
        float("nan"), float("inf"), -float("inf"), 1e20, -1e20, -1e10, "0", "now", b"0", [], None,
        datetime(1, 1, 1), datetime(1899, 12, 31, tzinfo=timezone.utc), datetime(2024, 1, 1).date(),
    ],
)  # fmt: skip
def test_what_is_no_date_is_refused_and_shown_as_now(date: Any) -> None:
    with pytest.raises(MessageError, match="The date .* cannot be used: pass a datetime"):
        date_header(date)

    before = int(time.time())
    shown = headers_of(render(compose(date=date)))["Date"]
    assert before <= parsedate_to_datetime(shown).timestamp() <= time.time()
