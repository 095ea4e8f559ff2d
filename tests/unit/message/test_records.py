"""A message travels as JSON, and is the same on the other side."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from reading import compose

from flask_mail import Attachment, Envelope, Mail, Message, MessageError

PNG = b"\x89PNG\r\n\x1a\n"


def travelled(message: Message, **options: Any) -> Message:
    record = json.loads(json.dumps(message.to_dict(**options)))
    return type(message).from_dict(record, **options)


def full() -> Message:
    message = compose(
        subject="Grüße ✓",
        recipients=["ann@example.com", ("Bob, jr.", "bob@example.com")],
        cc=[("Cé", "c@example.com")],
        bcc=["hidden@example.com"],
        reply_to=[("Di", "di@example.com"), "e@example.com"],
        body="text\r\nline",
        html="<p>",
        alts={"x-amp-html": "<html amp4email>", "html": "<p>é", "calendar; method=REQUEST": "B"},
        date=1.5,
        charset="iso-8859-1",
        extra_headers={"X-Z": "1", "X-A": "2", "Message-ID": "<own@example.com>"},
        mail_options=["BODY=8BITMIME"],
        rcpt_options=["NOTIFY=NEVER"],
    )
    message.attach("a.bin", data=b"\0\xff", headers={"X-Part": "1"})
    message.attach("b.txt", "text/csv; charset=latin-1", "é")
    message.attach("c.bin", data=bytearray(b"c"))
    message.embed(PNG, "d.png")
    return message


@pytest.mark.parametrize("render_first", [True, False])
def test_every_field_arrives(render_first: bool) -> None:
    message = full()
    if render_first:
        message.as_bytes()

    arrived = travelled(message)

    assert arrived.as_bytes() == message.as_bytes()
    for name in ("recipients", "cc", "bcc", "mail_options", "rcpt_options", "charset", "msgId"):
        assert getattr(arrived, name) == getattr(message, name)
    assert list(arrived.alts) == list(message.alts)
    assert list(arrived.extra_headers or ()) == list(message.extra_headers or ())


def test_an_empty_message_arrives() -> None:
    message = Message()

    assert travelled(message).as_bytes() == message.as_bytes()


@pytest.mark.parametrize(
    "date",
    [
        None,
        0,
        1.5,
        datetime(2026, 1, 2, 3, 4, 5),
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ],
)
def test_the_date_arrives_as_it_was_given(date: Any) -> None:
    message = compose(date=date)
    arrived = travelled(message)

    assert arrived.date == date
    assert arrived.as_bytes() == message.as_bytes()


def test_a_copy_from_the_outbox_keeps_whom_it_went_to() -> None:
    app = Flask("shop")
    app.config["MAIL_BACKEND"] = "locmem"
    mail = Mail(app)
    mail.send(full())

    assert travelled(mail.outbox[0]).envelope == mail.outbox[0].envelope
    assert isinstance(mail.outbox[0].envelope, Envelope)


def test_it_is_sent_on_the_other_side_with_the_default_sender_there() -> None:
    app = Flask("shop")
    app.config.update(MAIL_BACKEND="locmem", MAIL_DEFAULT_SENDER="shop@example.com")
    mail = Mail(app)
    record = Message("Hello", ["ann@example.com"]).to_dict()

    mail.send(Message.from_dict(record))

    assert mail.outbox[0].sender == "shop@example.com"


def test_lazy_strings_become_words() -> None:
    class Lazy:
        def __str__(self) -> str:
            return "Hello"

    message = compose(subject=Lazy())

    assert message.to_dict()["subject"] == "Hello"


def test_a_record_may_be_written_by_hand() -> None:
    message = Message.from_dict({"version": 1, "subject": "Hi", "recipients": ["a@example.com"]})

    assert (message.subject, message.recipients, message.body) == ("Hi", ["a@example.com"], None)
    assert message.msgId


# --- Subclasses ----------------------------------------------------------------------------------


class Campaign(Message):
    campaign: Any = None

    def __init__(self, campaign: Any, **fields: Any) -> None:
        super().__init__(**fields)
        self.campaign = campaign


def test_a_subclass_keeps_its_own_attributes() -> None:
    arrived = travelled(Campaign({"id": 7, "tags": ["a"]}, subject="Hello"))

    assert isinstance(arrived, Campaign)
    assert (arrived.campaign, arrived.subject) == ({"id": 7, "tags": ["a"]}, "Hello")


@pytest.mark.parametrize("value", [b"bytes", {1: 2}, object(), [b"bytes"]])
def test_what_json_cannot_say_is_an_error_that_names_it(value: Any) -> None:
    with pytest.raises(MessageError, match="'campaign' contains"):
        Campaign(value).to_dict()


def test_so_is_what_is_no_attachment() -> None:
    message = compose()
    message.attachments = ["a.pdf"]  # type: ignore[list-item]

    with pytest.raises(MessageError, match="not an Attachment"):
        message.to_dict()


# --- Files ---------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(b"data")
    return path


def test_a_file_travels_with_the_message_or_stays_where_it_is(path: Path) -> None:
    message = compose()
    message.attach_file(path)

    for arrived in (travelled(message), travelled(message, files=True)):
        assert arrived.as_bytes() == message.as_bytes()
    assert str(path) in json.dumps(message.to_dict(files=True))
    assert str(path) not in json.dumps(message.to_dict())


def test_a_record_names_no_file_unless_that_is_allowed(path: Path) -> None:
    """Otherwise anyone who can write to the queue gets any file that the program can read."""
    message = compose()
    message.attach_file(path)

    with pytest.raises(MessageError, match="files=True"):
        Message.from_dict(message.to_dict(files=True))


def test_a_file_that_has_changed_since_is_an_error(path: Path) -> None:
    message = compose()
    message.attach_file(path)
    record = message.to_dict(files=True)
    path.write_bytes(b"other data")

    with pytest.raises(MessageError, match="has changed"):
        Message.from_dict(record, files=True)
    with pytest.raises(MessageError, match="has changed"):
        message.to_dict(files=True)
    with pytest.raises(MessageError, match="has changed"):
        message.to_dict()


# --- Records that are none -----------------------------------------------------------------------


@pytest.mark.parametrize("record", [{}, [], None, "record", {"subject": "Hi"}])
def test_what_has_no_version_is_no_record(record: Any) -> None:
    with pytest.raises(MessageError, match="not a record of version 1"):
        Message.from_dict(record)


@pytest.mark.parametrize("version", [0, 2, "1", None, True])
def test_another_version_is_an_error(version: Any) -> None:
    with pytest.raises(MessageError, match="not a record of version 1"):
        Message.from_dict({"version": version})


FILE = {"path": "/etc/passwd", "size": 1, "mtime_ns": 1, "digest": ""}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("colour", "red"),
        ("__class__", "os.system"),
        ("subject", ["a"]),
        ("recipients", "a@b.c"),
        ("recipients", True),
        ("date", "yesterday"),
        ("date", {"datetime": "yesterday"}),
        ("date", {"datetime": 5}),
        ("date", {}),
        ("date", True),
        ("alts", {"html": "<p>"}),
        ("alts", ["html"]),
        ("extra_headers", [["X", "1", "2"]]),
        ("extra_headers", [[1, "2"]]),
        ("envelope", {}),
        ("envelope", {"sender": 1, "recipients": [], "mail_options": [], "rcpt_options": []}),
        ("envelope", {"sender": "", "recipients": "a", "mail_options": [], "rcpt_options": []}),
        ("further", {"as_bytes": "x"}),
        ("further", {"_token": "x"}),
        ("further", {"subject": "x"}),
        ("attachments", ["a"]),
        ("attachments", [{"colour": "red"}]),
        ("attachments", [{"base64": "***"}]),
        ("attachments", [{"base64": "YQ"}]),
        ("attachments", [{"base64": 5}]),
        ("attachments", [{"text": "a", "filename": 5}]),
        ("attachments", [{"text": "a", "headers": ["X: 1"]}]),
        ("attachments", [{"file": "/etc/passwd"}]),
        ("attachments", [{"file": {"path": "/etc/passwd"}}]),
        ("attachments", [{"file": {**FILE, "path": 5}}]),
        ("attachments", [{"file": {**FILE, "size": "5"}}]),
        ("attachments", [{"file": FILE}]),
    ],
)
def test_what_a_record_cannot_hold_is_an_error(field: str, value: Any) -> None:
    with pytest.raises(MessageError, match=r"record|attached file"):
        Message.from_dict({"version": 1, field: value}, files=True)


def test_an_attachment_of_no_data_stays_one() -> None:
    """Sending refuses it, as it would have before."""
    message = compose(attachments=[Attachment("a", data=b"")])
    message.attachments[0].data = None  # type: ignore[assignment]

    assert travelled(message).attachments[0].data is None


# --- Pickle --------------------------------------------------------------------------------------


def test_unpickling_a_message_loads_nothing_else() -> None:
    """Only Flask-Mail itself, whatever the message holds."""
    pickled = pickle.dumps(full())
    program = (
        "import pickle, sys\n"
        "from flask_mail import Message\n"
        "before = set(sys.modules)\n"
        "message = pickle.load(sys.stdin.buffer)\n"
        "print(sorted(set(sys.modules) - before))\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", program], input=pickled, capture_output=True, check=True
    )

    assert run.stdout.strip() == b"[]"


def test_a_record_can_be_read_in_any_order_and_again() -> None:
    record = full().to_dict()
    before = copy.deepcopy(record)
    turned = dict(reversed(record.items()))

    assert Message.from_dict(turned).as_bytes() == Message.from_dict(record).as_bytes()
    assert record == before


def test_a_message_changed_after_reading_does_not_change_the_record() -> None:
    record = full().to_dict()
    message = Message.from_dict(record)
    message.add_recipient("more@example.com")
    message.mail_options.append("SIZE=1")

    assert len(record["recipients"]) == 2
    assert record["mail_options"] == ["BODY=8BITMIME"]


def test_the_folder_may_be_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    message = compose()
    message.attach_file(path.name)
    record = message.to_dict(files=True)
    monkeypatch.chdir(os.sep)

    assert Message.from_dict(record, files=True).as_bytes() == message.as_bytes()


# --- Exactness -----------------------------------------------------------------------------------


def test_an_attribute_of_a_subclass_is_never_taken_for_one_of_ours() -> None:
    """One called token would have become the Message-ID, for everybody to read."""

    class Reset(Message):
        token = rendered_at = version = further = ""

    message = Reset("Hello", ["ann@example.com"], sender="shop@example.com")
    message.token = message.rendered_at = message.version = message.further = "secret"

    arrived = travelled(message)

    assert isinstance(arrived, Reset)
    assert vars(arrived) == vars(message)
    assert arrived.as_bytes() == message.as_bytes()
    assert b"secret" not in arrived.as_bytes()


@pytest.mark.parametrize(
    "reply_to",
    [
        "",
        [],
        "r@b.c",
        ("R", "r@b.c"),
        ("a@b.c", "r@b.c"),
        ["R", "r@b.c"],
        ["a@b.c", "r@b.c"],
        [("A", "a@b.c"), ("R", "r@b.c")],
    ],
)
def test_a_pair_stays_one_address_and_a_list_several(reply_to: Any) -> None:
    message = compose(reply_to=reply_to)

    assert travelled(message).as_bytes() == message.as_bytes()


def test_a_sender_that_was_assigned_as_a_pair_stays_one() -> None:
    message = compose()
    message.sender = ("Me, too", "me@example.com")

    assert travelled(message).sender == ("Me, too", "me@example.com")


@pytest.mark.parametrize("number", [0, 5, 1.5, True])
def test_numbers_travel_where_a_message_takes_them(number: Any) -> None:
    message = compose(subject=number, body=number, html="<p>", extra_headers={"X-A": number})
    message.attachments = [Attachment(number, data=b"", headers={"X-B": number})]

    assert travelled(message).as_bytes() == message.as_bytes()


def test_the_second_of_two_equal_hours_stays_the_second() -> None:
    date = datetime(2026, 10, 25, 2, 30, fold=1)

    assert travelled(compose(date=date)).date.fold == 1  # type: ignore[union-attr]


def test_an_attachment_keeps_what_a_program_added() -> None:
    attachment = Attachment("a", data=b"")
    attachment.tags = ["x"]  # type: ignore[attr-defined]

    arrived = travelled(compose(attachments=[attachment])).attachments[0]

    assert arrived.tags == ["x"]  # type: ignore[attr-defined]
    attachment.tags = {"x"}  # type: ignore[attr-defined]
    with pytest.raises(MessageError, match="'tags' contains"):
        compose(attachments=[attachment]).to_dict()


def test_what_is_missing_in_a_record_is_as_for_any_message() -> None:
    attachments = [{"text": "a", "filename": "a.csv"}]
    record = {"version": 1, "cc": None, "alts": None, "attachments": attachments}

    message = Message.from_dict(record)

    assert (message.cc, message.alts, message.html) == ([], {}, None)
    assert message.attachments[0].content_type == "text/csv"
    assert message.attachments[0].disposition == "attachment"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a"}, 2**65])
def test_what_is_not_json_is_not_made_to_look_like_it(value: Any) -> None:
    with pytest.raises(MessageError, match="'campaign' contains"):
        Campaign(value).to_dict()


def test_what_could_not_be_read_is_not_written() -> None:
    """The error is raised where the record is made, not in the worker that reads it."""
    for field, value in (("recipients", "a@b.c"), ("cc", [None]), ("msgId", None), ("body", b"")):
        message = compose()
        setattr(message, field, value)
        with pytest.raises(MessageError, match=field):
            message.to_dict()
    message = compose()
    message.attach("a", data=[[]])  # type: ignore[arg-type]
    with pytest.raises(MessageError, match="text"):
        message.to_dict()


def test_lists_without_end_are_an_error() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(MessageError, match="'campaign' contains"):
        Campaign(endless).to_dict()
    with pytest.raises(MessageError, match="nested too deeply, or in itself"):
        compose(recipients=endless).to_dict()
    deep = json.loads("[" * 900 + "]" * 900)
    with pytest.raises(MessageError, match="'deep' contains"):
        Message.from_dict({"version": 1, "further": {"deep": deep}})
    with pytest.raises(MessageError, match="recipients"):
        Message.from_dict({"version": 1, "recipients": deep})


def test_a_message_shares_nothing_with_its_record() -> None:
    record = {"version": 1, "further": {"campaign": {"tags": ["a"]}}}
    message = Campaign.from_dict(record)
    message.campaign["tags"].append("b")

    assert record == {"version": 1, "further": {"campaign": {"tags": ["a"]}}}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("token", None),
        ("msgId", None),
        ("rendered_at", None),
        ("rendered_at", float("inf")),
        ("recipients", [5]),
        ("recipients", [["A", "a@b.c", "d@e.f"]]),
        ("reply_to", [["A", {}]]),
        ("sender", ["a@b.c"]),
        ("extra_headers", [["X", {}]]),
        ("mail_options", [5]),
        ("date", {"datetime": "2026-01-01", "zone": "x"}),
        ("envelope", {"sender": "", "recipients": [5], "mail_options": [], "rcpt_options": []}),
        ("further", {"html": "x"}),
        ("further", {"priority": "high"}),
        ("further", {"from_dict": "x"}),
        ("further", {"__class__": "x"}),
        ("further", {5: "x"}),
        ("attachments", [{}]),
        ("attachments", [{"text": "a", "base64": ""}]),
        ("attachments", [{"text": {}}]),
        ("attachments", [{"base64": "é"}]),
        ("attachments", [{"text": "a", "headers": 5}]),
        ("attachments", [{"text": "a", "headers": [["X", {}]]}]),
        ("attachments", [{"text": "a", "further": {"read": "x"}}]),
        ("attachments", [{"text": "a", "further": []}]),
        ("attachments", [{"file": {**FILE, "path": "a\0b"}}]),
        ("attachments", [{"file": {**FILE, "size": True}}]),
    ],
)
def test_nothing_but_a_message_error_comes_of_a_wrong_record(field: str, value: Any) -> None:
    with pytest.raises(MessageError, match="record|attached file"):
        Message.from_dict({"version": 1, field: value}, files=True)


def test_what_could_not_be_read_back_is_not_written() -> None:
    """The error is raised where the record is made, not where it is read."""
    message = compose()
    vars(message)["as_bytes"] = "x"

    with pytest.raises(MessageError, match="as_bytes"):
        message.to_dict()
