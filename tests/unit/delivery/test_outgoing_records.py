"""Outgoing messages as JSON, for queues."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest

from flask_mail import Message, MessageError, Outgoing, Refusal
from flask_mail.backends import DataSource
from flask_mail.mime.content import Base64, Content


def outgoing(message: Message | None = None, **given: Any) -> Outgoing:
    given = {"subject": "Hi", "recipients": ["Ann <to@example.com>"], "body": "Hëllo", **given}
    return Outgoing.of(message or Message(sender="from@example.com", **given), mailer="bulk")


def through_json(mail: Outgoing, **options: Any) -> Outgoing:
    return Outgoing.from_dict(json.loads(json.dumps(mail.to_dict(**options))), **options)


class SignedMessage(Message):
    def as_bytes(self) -> bytes:
        return b"X-Signature: 1\r\n" + super().as_bytes()


def test_plain_message_is_rendered_again_to_the_same_octets():
    mail = outgoing(bcc=["blind@example.com"], tags=["x"], metadata={"order": 1})
    assert "content" not in mail.to_dict()
    again = through_json(mail)
    assert again.content == mail.content
    assert again == mail or again.envelope == mail.envelope
    assert (again.message_id, again.mailer) == (mail.message_id, "bulk")
    assert (again.tags, again.metadata) == (("x",), {"order": "1"})


def test_changed_content_is_stored():
    mail = outgoing().with_octets(b"DKIM-Signature: x\r\n" + outgoing().content)
    assert "content" in mail.to_dict()
    assert through_json(mail).content == mail.content


def test_content_of_a_subclass_is_stored():
    mail = outgoing(SignedMessage("Hi", ["to@example.com"], "x", sender="from@example.com"))
    assert through_json(mail).content.startswith(b"X-Signature")


def test_large_attachment_is_stored_once(tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * 4096)
    message = Message("Hi", ["to@example.com"], "x", sender="from@example.com")
    message.attach_file(path)
    mail = outgoing(message)
    record = mail.to_dict(files=True)
    assert "content" not in record
    assert len(json.dumps(record)) < 4096
    assert through_json(mail, files=True).content == mail.content
    other = mail.with_octets(mail.content + b"\r\n")
    assert "content" in other.to_dict(files=True)
    changed = mail.with_octets(mail.content[:-3] + b"x\r\n")
    assert through_json(changed, files=True).content == changed.content


class Stored:
    """Stores data of more than ten octets apart from records."""

    def __init__(self) -> None:
        self.data: list[bytes] = []

    def store(self, data: bytes | DataSource) -> str | None:
        assert isinstance(data, (bytes, DataSource))
        if len(data) <= 10:
            return None
        self.data.append(bytes(data))
        return str(len(self.data) - 1)

    def load(self, name: str) -> bytes:
        return self.data[int(name)]


def with_attachments(*data: Any, **fields: Any) -> Message:
    message = Message("Hi", ["to@example.com"], "x", sender="from@example.com", **fields)
    for each in data:
        message.attach("a.bin", "application/octet-stream", each)
    return message


def test_attachments_are_stored_apart_if_the_program_wants_it(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"from a file")
    message = with_attachments(b"0123456789", bytearray(b"0123456789abc"), "text of a file")
    message.attach_file(tmp_path / "a.bin")
    mail, stored = outgoing(message), Stored()
    record = json.loads(json.dumps(mail.to_dict(store=stored.store)))
    assert stored.data == [b"0123456789abc", b"from a file"]
    assert "content" not in record
    assert Outgoing.from_dict(record, load=stored.load).content == mail.content
    with pytest.raises(MessageError, match="pass the function `load`"):
        Outgoing.from_dict(record)
    record["message"]["attachments"][1]["base64"] = ""
    with pytest.raises(MessageError, match="one of 'text', 'base64', 'file' and 'stored'"):
        Outgoing.from_dict(record, load=stored.load)


def test_attachments_in_changed_content_are_stored_apart():
    stored = Stored()
    plain = outgoing(with_attachments(bytes(300_000), bytes(60_000)))
    octets: Any = plain.octets
    pieces = [b"X-Original-To: a@example.com\r\n", *octets.pieces, Base64(b"small"), b"\n"]
    mail = plain.with_octets(Content(pieces))
    record = json.loads(json.dumps(mail.to_dict(store=stored.store)))
    assert {bytes(300_000), bytes(60_000)} == set(stored.data)
    assert len(json.dumps(record)) < 4096
    again = Outgoing.from_dict(record, load=stored.load)
    assert again.content == mail.content[:-1] + b"\r\n"
    with pytest.raises(MessageError, match="pass the function `load`"):
        Outgoing.from_dict({**record, "message": outgoing().to_dict()["message"]})


def test_a_large_file_is_stored_once_without_its_path_too(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(300_000))
    message = with_attachments()
    message.attach_file(tmp_path / "a.bin")
    assert "content" not in outgoing(message).to_dict()


def test_withheld_recipients_stay_withheld():
    refusal = Refusal(550, "5.7.1", "not allowed")
    mail = outgoing().with_envelope(outgoing().envelope, withheld={"out@example.com": refusal})
    assert through_json(mail).withheld == {"out@example.com": refusal}


def test_a_refusal_that_could_not_be_read_again_is_an_error_of_the_writer():
    refusal = Refusal(550, None, "withheld")
    mail = outgoing().with_envelope(outgoing().envelope, withheld={"out@example.com": refusal})
    with pytest.raises(MessageError, match="'withheld' must not contain"):
        mail.to_dict()


def test_for_mailer_changes_the_name_alone():
    mail = outgoing()
    assert mail.for_mailer("bulk") is mail
    other = mail.for_mailer("one")
    assert (other.mailer, other.envelope, other.octets) == ("one", mail.envelope, mail.octets)


@pytest.mark.parametrize(
    "change",
    [
        {"sender": "me@example.com>\r\nRCPT TO:<spy@example.com"},
        {"sender": "Me <me@example.com>"},
        {"sender": ["me@example.com"]},
        {"recipients": ["to@example.com>\r\nDATA\r\n<"]},
        {"recipients": ["to@example.com", "two@example.com, three@example.com"]},
        {"recipients": "to@example.com"},
        {"recipients": [5]},
        {"recipients": []},
        {"mail_options": ["BODY=8BITMIME\r\nDATA"]},
        {"rcpt_options": ["NOTIFY=NEVER X"]},
    ],
)
def test_envelope_that_is_not_valid_is_refused(change):
    """A record may have been changed in the database, and its parts become commands."""
    record = outgoing().to_dict()
    record["envelope"] = {**record["envelope"], **change}
    with pytest.raises(MessageError):
        Outgoing.from_dict(record)
    if not isinstance(change.get("recipients", []), str):
        with pytest.raises(MessageError):
            outgoing().with_envelope(dataclasses.replace(outgoing().envelope, **change))


def test_message_id_with_a_line_break_is_refused():
    with pytest.raises(MessageError):
        Outgoing.from_dict({**outgoing().to_dict(), "message_id": "<1@x>\r\nX: 1"})


def test_stray_line_ends_in_a_record_are_made_canonical():
    record = outgoing().to_dict()
    record["content"] = base64.b64encode(b"Subject: x\r\n\r\none\ntwo\r").decode()
    assert Outgoing.from_dict(record).content == b"Subject: x\r\n\r\none\r\ntwo\r\n"


@pytest.mark.parametrize("address", ['"a b"@example.com', "jörg@example.com", "a@[192.0.2.1]"])
def test_any_valid_address_stays_in_a_record(address):
    mail = outgoing(recipients=[address, "x@bücher.example"])
    assert through_json(mail).envelope == mail.envelope


@pytest.mark.parametrize(
    "change",
    [
        lambda record: [],
        lambda record: {**record, "version": 2},
        lambda record: {**record, "message": None},
        lambda record: {**record, "message": {"version": 1, "subject": []}},
        lambda record: {**record, "envelope": None},
        lambda record: {**record, "envelope": {"sender": "x"}},
        lambda record: {**record, "content": "?"},
        lambda record: {**record, "withheld": {"x": [1]}},
        lambda record: {key: value for key, value in record.items() if key != "mailer"},
    ],
)
def test_broken_record_is_an_error(change):
    with pytest.raises(MessageError):
        Outgoing.from_dict(change(outgoing().to_dict()))
