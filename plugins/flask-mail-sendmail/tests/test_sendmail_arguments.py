"""The command line and the content that the program receives."""

from __future__ import annotations

import pytest
from sendmail_program import SAVE, changing, large, read

from flask_mail import (
    MessageError,
    UnsupportedFeature,
)


def test_address_is_never_an_option(send, tmp_path):
    send(SAVE, recipients=["-t@example.com", "-C/etc/passwd@example.com"], sender="-v@example.com")

    ((envelope, _),) = read(tmp_path)
    assert envelope.sender == "-v@example.com"
    assert envelope.recipients == ("-t@example.com", "-C/etc/passwd@example.com")


def test_address_is_never_seen_by_a_shell(send, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = '"$(id>owned)"@example.com'
    send(SAVE, recipients=[evil, "a`id`@example.com", "jörg@example.com"])

    ((envelope, _),) = read(tmp_path)
    assert envelope.recipients == (evil, "a`id`@example.com", "jörg@example.com")
    assert not (tmp_path / "owned").exists()


def test_large_message_arrives_unchanged(send, tmp_path):
    message = large()
    send(SAVE, mail=message)

    ((_, content),) = read(tmp_path)
    assert content == message.as_bytes()


def test_esmtp_options_are_passed_on(send, tmp_path):
    send(
        SAVE,
        dsn=True,
        mail_options=["BODY=8BITMIME", "RET=HDRS", "ENVID=x"],
        rcpt_options=["NOTIFY=NEVER"],
    )

    (path,) = tmp_path.glob("*/arguments")
    given = path.read_text().split("\n-f\n")[0].split()
    assert given == ["-i", "-B", "8BITMIME", "-R", "HDRS", "-V", "x", "-N", "NEVER"]


@pytest.mark.parametrize(
    "options",
    [
        {"mail_options": ["RET=HDRS"]},
        {"mail_options": ["envid=x"]},
        {"rcpt_options": ["NOTIFY=NEVER"]},
    ],
)
def test_delivery_notifications_need_the_dsn_setting(send, options, tmp_path):
    """Exim discards the message with -N."""
    with pytest.raises(UnsupportedFeature, match="set MAIL_SENDMAIL_DSN"):
        send(SAVE, **options)
    assert read(tmp_path) == []


@pytest.mark.parametrize("options", [{"mail_options": ["SIZE=1"]}, {"mail_options": ["SMTPUTF8"]}])
def test_unknown_esmtp_option_is_unsupported(send, options, tmp_path):
    with pytest.raises(UnsupportedFeature, match="the option S"):
        send(SAVE, **options)
    assert read(tmp_path) == []


def test_too_many_recipients_for_a_command_are_unsupported(send):
    with pytest.raises(UnsupportedFeature, match="60000 recipients in one message"):
        send(SAVE, recipients=[f"{'x' * 50}{number}@example.com" for number in range(60_000)])


def test_attachment_that_changes_while_sending_is_not_sent(tmp_path, send):
    """The program is killed before its input ends."""
    with pytest.raises(MessageError, match="has changed"):
        send(SAVE, mail=changing(tmp_path))

    assert read(tmp_path) == []
