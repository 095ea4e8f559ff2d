"""Golden messages: a readable form of a message, compared with a file."""

from __future__ import annotations

import hashlib
import re

import pytest
from flask import Flask

from flask_mail import ConfigurationError, Mail, Message
from flask_mail.testing import Outbox, golden


@pytest.fixture
def mail():
    app = Flask("shop")
    app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="Shöp <shop@example.com>")
    return Mail(app)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mail"


@pytest.fixture
def outbox(folder):
    with Outbox(folder) as outbox:
        yield outbox


@pytest.fixture
def updating(monkeypatch):
    """Writes files for as long as the block lasts."""

    def update(outbox, *args, **kwargs):
        with monkeypatch.context() as patch:
            patch.setenv(golden.UPDATE, "1")
            outbox.assert_matches(*args, **kwargs)

    return update


PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("word", ["0", "false", "no", ""])
def test_a_variable_that_says_no_writes_nothing(mail, outbox, folder, monkeypatch, word):
    """Otherwise each test would pass, and overwrite what it should compare with."""
    monkeypatch.setenv(golden.UPDATE, word)
    mail.send(welcome())
    with pytest.raises(AssertionError, match="does not exist"):
        outbox.assert_matches("welcome")
    assert not folder.exists()


def test_a_variable_that_says_neither_yes_nor_no_is_an_error(mail, outbox, monkeypatch):
    monkeypatch.setenv(golden.UPDATE, "perhaps")
    mail.send(welcome())
    with pytest.raises(ConfigurationError, match="UPDATE_GOLDEN_MAIL must be true or false"):
        outbox.assert_matches("welcome")


def digest(octets):
    return hashlib.sha256(octets).hexdigest()[:16]


def welcome(**fields):
    message = Message(
        "Grüße",
        ["Ann <ann@example.com>"],
        "Hello Ünn,\n\nwelcome.\n",
        sender="Shöp <shop@example.com>",
        bcc=["archive@example.com"],
        extra_headers={"X-Order": "7"},
        **fields,
    )
    logo = message.embed(PNG, "logo.png")
    message.html = f'<p>Hello\x07</p><img src="cid:{logo}">'
    message.attach("Rechnung für Ann.txt", "text/plain", "1 teapot")
    return message


WELCOME = rf"""MAIL FROM:<shop@example.com>
RCPT TO:<ann@example.com>
RCPT TO:<archive@example.com>

Subject: Grüße
From: Shöp <shop@example.com>
To: Ann <ann@example.com>
X-Order: 7

--- text/plain
Hello Ünn,

welcome.

--- text/html
<p>Hello\x07</p><img src="cid:part1@embedded">

--- inline logo.png: image/png, 8 bytes, sha256 {digest(PNG)} Content-ID <part1@embedded>

--- attachment Rechnung für Ann.txt: text/plain, 8 bytes, sha256 {digest(b"1 teapot")}
"""


def test_a_file_shows_what_a_reader_sees(outbox, mail, folder, updating):
    mail.send(welcome())
    updating(outbox, "welcome")
    assert (folder / "welcome.txt").read_bytes().decode() == WELCOME


def test_a_file_that_was_saved_on_windows_matches(outbox, mail, folder, updating):
    mail.send(welcome())
    updating(outbox, "welcome")
    path = folder / "welcome.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    outbox.assert_matches("welcome")


def test_a_file_that_is_not_utf_8_differs(outbox, mail, folder, updating):
    mail.send(welcome())
    updating(outbox, "welcome")
    (folder / "welcome.txt").write_bytes(WELCOME.encode("latin-1"))
    with pytest.raises(AssertionError, match="-Subject: Gr"):
        outbox.assert_matches("welcome")


def test_the_same_message_matches_at_another_time(outbox, mail, updating):
    mail.send(welcome())
    updating(outbox, "welcome")
    mail.send(welcome(date=86_400))
    outbox.assert_matches("welcome")


def test_an_invitation_matches_at_another_time(outbox, mail, folder, updating):
    def invitation(made):
        text = f"BEGIN:VCALENDAR\r\nDTSTAMP:{made}\r\nSUMMARY:Tea\r\nEND:VCALENDAR\r\n"
        message = Message("Tea", ["ann@example.com"], body="Come.")
        message.alts["calendar; method=REQUEST"] = text
        message.attach("invite.ics", "application/ics", text)
        return message

    mail.send(invitation("20261201T021631Z"))
    updating(outbox, "tea")
    mail.send(invitation("20271231T235959Z"))
    outbox.assert_matches("tea")
    assert "\nDTSTAMP:...\nSUMMARY:Tea\n" in (folder / "tea.txt").read_text("utf-8")
    mail.send(invitation("20261201T021631Z\r\nDTSTART:20261224T180000Z"))
    with pytest.raises(AssertionError, match=r"\+DTSTART:20261224T180000Z"):
        outbox.assert_matches("tea")


def test_another_message_is_a_failure_with_the_difference(outbox, mail, folder, updating):
    mail.send(welcome())
    updating(outbox, "welcome")
    changed = welcome()
    changed.body = "Hello Ünn,\n\ngoodbye.\n"
    mail.send(changed)
    with pytest.raises(AssertionError) as caught:
        outbox.assert_matches("welcome")
    text = str(caught.value)
    assert text.startswith(f"The message differs from {folder / 'welcome.txt'}.")
    assert "update it with `pytest --mail-update` (without pytest: UPDATE_GOLDEN_MAIL=1)." in text
    assert "\n-welcome.\n+goodbye.\n" in text
    assert (folder / "welcome.txt").read_text("utf-8") == WELCOME


@pytest.mark.parametrize(
    "change",
    [
        lambda message: message.bcc.clear(),
        lambda message: message.extra_headers.update({"X-Order": "8"}),
        lambda message: message.attachments.pop(),
        lambda message: setattr(message.attachments[1], "data", "2 teapots"),
        lambda message: setattr(message, "html", "<p>Hello</p>"),
        lambda message: setattr(message, "subject", "Grüsse"),
    ],
)
def test_every_part_of_a_message_counts(outbox, mail, updating, change):
    mail.send(welcome())
    updating(outbox, "welcome")
    changed = welcome()
    change(changed)
    mail.send(changed)
    with pytest.raises(AssertionError, match="The message differs from"):
        outbox.assert_matches("welcome")


def test_a_file_that_is_missing_is_a_failure_that_says_how_to_make_it(outbox, mail, folder):
    mail.send(welcome())
    with pytest.raises(AssertionError) as caught:
        outbox.assert_matches("welcome")
    assert str(caught.value) == (
        f"{folder / 'welcome.txt'} does not exist. Create it with `pytest --mail-update` (without"
        " pytest: UPDATE_GOLDEN_MAIL=1) and review it. It would be:\n\n" + WELCOME
    )
    assert not folder.exists()


def test_what_differs_each_time_is_replaced(outbox, mail, folder, updating):
    replace = {re.compile(r"reset/\w+"): "reset/<token>", re.compile("2026-11-27"): "<today>"}
    for token, day in (("a1b2", "2026-11-27"), ("c3d4", "2026-11-27")):
        body = f"https://example.com/reset/{token} on {day}"
        mail.send_message("Reset", ["ann@example.com"], body)
        if token == "a1b2":
            updating(outbox, "reset", replace=replace)
    outbox.assert_matches("reset", replace=replace)
    assert "https://example.com/reset/<token> on <today>" in (folder / "reset.txt").read_text()
    with pytest.raises(AssertionError, match="c3d4"):
        outbox.assert_matches("reset")


def test_a_text_may_be_replaced(outbox, mail, folder, updating):
    mail.send_message("Reset", ["ann@example.com"], "a.b axb")
    updating(outbox, "reset", replace={"a.b": "<c>"})
    assert "<c> axb" in (folder / "reset.txt").read_text()


def test_a_message_of_the_outbox_may_be_given(outbox, mail, updating):
    mail.send(welcome())
    mail.send_message("Other", ["ann@example.com"])
    updating(outbox, "welcome", outbox[0])
    outbox.assert_matches("welcome", outbox[0])
    with pytest.raises(ValueError, match="not in this outbox"):
        outbox.assert_matches("welcome", welcome())


def test_an_empty_outbox_matches_nothing(outbox, updating):
    with pytest.raises(AssertionError, match="Nothing was sent"):
        updating(outbox, "welcome")


def test_names_may_have_folders(outbox, mail, folder, updating):
    mail.send(welcome())
    updating(outbox, "account/welcome-1.de")
    assert (folder / "account" / "welcome-1.de.txt").exists()
    outbox.assert_matches("account/welcome-1.de")


@pytest.mark.parametrize(
    "name", ["", "../welcome", "a/../../b", "/etc/passwd", "a//b", ".hidden", "a\\b", "a\0", "a b"]
)
def test_no_name_leads_out_of_the_folder(outbox, mail, folder, updating, name):
    mail.send(welcome())
    with pytest.raises(ValueError, match="is not a valid name of a golden message"):
        updating(outbox, name)
    assert not folder.exists()


def test_without_folder_there_are_no_golden_messages(mail):
    with Outbox() as outbox:
        mail.send(welcome())
        with pytest.raises(ValueError, match="Outbox\\(folder=...\\)"):
            outbox.assert_matches("welcome")


def test_what_a_subclass_renders_is_shown_too(outbox, mail, folder, updating):
    class Odd(Message):
        def as_bytes(self):
            return (
                b"Subject: Odd\r\n"
                b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
                b"--x\r\nContent-Type: text/plain; charset=nonsense\r\n\r\nH\xc3\xbc\r\n"
                b"--x\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n"
                b"--x\r\nContent-Type: text/csv; name=a.csv\r\n\r\n1;2\r\n--x--\r\n"
            )

    mail.send(Odd("Odd", ["ann@example.com"], sender="shop@example.com"))
    updating(outbox, "odd")
    assert (folder / "odd.txt").read_text("utf-8").partition("\n\n")[2] == (
        "Subject: Odd\n\n"
        "--- text/plain\nHü\n\n"
        f"--- part without a name: application/pdf, 4 bytes, sha256 {digest(b'%PDF')}\n\n"
        f"--- part a.csv: text/csv, 3 bytes, sha256 {digest(b'1;2')}\n"
    )


def test_parts_in_parts_without_end_are_no_end(outbox, mail, updating):
    class Deep(Message):
        def as_bytes(self):
            content = b"the end"
            for number in range(60):
                head = (
                    f'Content-Type: multipart/mixed; boundary="b{number}."\r\n\r\n--b{number}.\r\n'
                )
                content = head.encode() + content + f"\r\n--b{number}.--".encode()
            return content

    mail.send(Deep("Deep", ["ann@example.com"], sender="shop@example.com"))
    updating(outbox, "deep")
    outbox.assert_matches("deep")
