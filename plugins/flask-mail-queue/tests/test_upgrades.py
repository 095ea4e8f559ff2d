"""Tables and rows of earlier versions."""

from __future__ import annotations

import json

import pytest
from flask.cli import ScriptInfo
from flask_mail_queue.cli.queue import queue
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

# As version 1.0 writes it. It must be read for ever: add others, and leave this one.
_MESSAGE = {
    "version": 1,
    "recipients": ["ann@example.com"],
    "subject": "Grüße",
    "sender": "shop@example.com",
    "reply_to": "re@example.com",
    "cc": [],
    "bcc": ["bob@example.org"],
    "body": "Hello, Ann.",
    "alts": [["html", "<p>Hello</p>"]],
    "date": 1000000000.0,
    "charset": None,
    "extra_headers": [["X-Shop", "1"]],
    "mail_options": [],
    "rcpt_options": [],
    "attachments": [
        {
            "filename": "a.txt",
            "content_type": "text/plain",
            "disposition": "attachment",
            "headers": [],
            "text": "data",
        }
    ],
    "token": "391cf7c5a3573e69b249e39ac47aab3f",
    "msgId": "<391cf7c5a3573e69b249e39ac47aab3f@example.com>",
    "rendered_at": 1796050008.4482818,
    "options": {},
}
RECORD = {
    "version": 1,
    "envelope": {
        "sender": "shop@example.com",
        "recipients": ["ann@example.com", "bob@example.org"],
        "mail_options": [],
        "rcpt_options": [],
    },
    "message_id": "<391cf7c5a3573e69b249e39ac47aab3f@example.com>",
    "mailer": "peer",
    "withheld": {},
    "message": _MESSAGE,
}


def create(shop):
    info = ScriptInfo(create_app=lambda: shop.app)
    return shop.app.test_cli_runner().invoke(queue, ["create"], obj=info)


def test_a_row_of_the_first_version_is_sent(shop):
    shop.send()
    table = shop.store.tables.queue
    shop.execute(table.update().values(record=json.dumps(RECORD).encode()))
    shop.work()
    assert shop.states() == ["sent"]
    (mail,) = shop.peer.taken
    assert mail.envelope.recipients == ("ann@example.com", "bob@example.org")
    assert mail.message_id == RECORD["message_id"]
    assert mail.message.subject == "Grüße"
    for line in (b"X-Shop: 1", b"Date: Sun, 09 Sep 2001 01:46:40", b"Hello, Ann.", b"<p>Hello</p>"):
        assert line in mail.content


def test_create_adds_columns_and_indexes_and_keeps_the_rows(shop):
    shop.send()
    shop.drop_index("due")
    shop.execute(text("ALTER TABLE mail_queue DROP COLUMN expires_at"))
    with pytest.raises(DBAPIError):
        shop.work()
    done = create(shop)
    assert done.output.endswith("\nAdded: mail_queue.expires_at\n"), done.output
    indexes = inspect(shop.store.engine).get_indexes("mail_queue")
    assert "ix_mail_queue_due" in {each["name"] for each in indexes}
    assert "Added" not in create(shop).output
    shop.work()
    assert shop.states() == ["sent"]


def test_create_adds_what_later_versions_need_to_a_table_with_rows(shop):
    shop.send()
    shop.drop_index("peer_id")
    for column in ("repeat_until", "peer_id", "reported"):
        shop.execute(text(f"ALTER TABLE mail_queue DROP COLUMN {column}"))
    shop.execute(text("DROP TABLE mail_queue_event"))
    shop.execute(text("DROP TABLE mail_suppression"))
    with pytest.raises(DBAPIError):
        shop.work()
    added = create(shop).output
    for name in ("mail_queue.repeat_until", "mail_queue.peer_id", "mail_queue.reported"):
        assert name in added
    shop.work()
    assert shop.states() == ["sent"]
    shop.send("Next")
    assert shop.states() == ["sent", "queued"]


def test_the_id_of_a_deleted_row_is_not_used_again(shop):
    shop.send()
    shop.execute(shop.store.tables.queue.delete())
    assert shop.send().response == "2"
