"""The content of rows: what is kept of it, and its seal."""

from __future__ import annotations

import sys

import pytest
from cryptography.fernet import Fernet
from flask.cli import ScriptInfo
from flask_mail_queue.cli.queue import queue
from flask_mail_queue.database import upkeep
from flask_mail_queue.database.contents import Contents
from flask_mail_queue.database.schema import State
from shop import Shop
from sqlalchemy import select

from flask_mail import BackendUnavailable, ConfigurationError, DeliveryUnknown, MessageRefused
from flask_mail.backends import Secret

KEY, OTHER = (Fernet.generate_key().decode() for _ in range(2))


def run(shop, *arguments):
    runner = shop.app.test_cli_runner()
    return runner.invoke(queue, arguments, obj=ScriptInfo(create_app=lambda: shop.app))


def dump(shop):
    """Return the text of all columns of all tables."""
    with shop.store.begin() as connection:
        rows = [row for each in shop.store.tables.all for row in connection.execute(select(each))]
    return repr(rows)


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "sealed"])
def test_no_table_has_an_address_or_content_after_messages_were_sent(url, key):
    with Shop(url, KEY=key) as shop:
        for number in range(20):
            shop.peer.script = [BackendUnavailable("Ask ann@example.com.")] * (number % 3 == 0)
            shop.send(f"Secret {number}", cc=["bob@example.org"], html="<p>s3cret</p>")
            shop.work()
        shop.make_due()
        shop.work()
        assert shop.states() == ["sent"] * 20
        found = dump(shop)
    assert "is pleased" in found
    for text in ("ann@", "bob@", "Secret", "s3cret", "Hello", "gAAAA"):
        assert text not in found


def test_rows_of_sent_messages_are_deleted_if_nothing_is_kept(url):
    with Shop(url, KEEP="nothing") as shop:
        shop.peer.script = [None, BackendUnavailable("Later."), MessageRefused("No.")]
        for number in range(3):
            shop.send(f"Mail {number}")
        shop.work()
        assert shop.states() == ["sent", "queued", "refused"], "not before a minute has passed"
        table = shop.store.tables.queue
        shop.execute(table.update().where(table.c.id != 2).values(finished_at=1))
        shop.work()
        assert shop.states() == ["queued"], "what is a month old is deleted too"


def test_a_row_sent_a_minute_ago_is_deleted_and_no_other_mailers(url):
    with Shop(url) as shop:
        shop.send()
        shop.work()
        table = shop.store.tables.queue
        shop.execute(table.update().values(finished_at=table.c.finished_at - 61_000_000))
        with shop.store.begin() as connection:
            assert upkeep.purge_sent(connection, shop.store.tables, ["bulk"]) == 0
            assert upkeep.purge_sent(connection, shop.store.tables, ["peer"]) == 1
        assert shop.states() == []


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "sealed"])
def test_recipients_are_kept_without_the_content(url, key):
    with Shop(url, KEEP="recipients", KEY=key) as shop:
        shop.peer.script = [None, DeliveryUnknown("Lost."), DeliveryUnknown("Lost.")]
        for subject in ("sent", "settled", "refused"):
            shop.send(subject, bcc=["bob@example.org"])
        shop.work()
        assert run(shop, "settle", "2", "sent").exit_code == 0
        assert run(shop, "settle", "3", "refused").exit_code == 0
        for number in ("1", "2"):
            shown = run(shop, "show", number, "--content").output
            assert shown.endswith("recipient: ann@example.com\nrecipient: bob@example.org\n")
            assert len(shop.row(int(number))["record"]) < 300
        assert shop.row(3)["record"] is None
        assert ("ann@" in dump(shop).split("is pleased")[0]) == (key is None)


def test_everything_is_kept_until_the_retention_ends(url):
    with Shop(url, KEEP="everything") as shop:
        shop.peer.script = [None, DeliveryUnknown("Lost."), MessageRefused("No.")]
        for number in range(3):
            shop.send(f"Mail {number}")
        stored = [shop.row(number)["record"] for number in (1, 2, 3)]
        shop.work()
        assert run(shop, "settle", "2", "sent").exit_code == 0
        table = shop.store.tables.queue
        shop.execute(table.update().values(finished_at=table.c.finished_at - 8 * 86400 * 10**6))
        shop.work()
        assert run(shop, "purge").output == "Deleted: 0\n"
        assert [shop.row(number)["record"] for number in (1, 2, 3)] == stored
        assert "To: ann@example.com" in run(shop, "show", "1", "--content").output
        shop.execute(table.update().values(finished_at=1))
        shop.work()
        assert shop.states() == []


def test_the_content_of_refused_messages_is_deleted_after_a_week(shop):
    shop.peer.script = [MessageRefused("No.")]
    shop.send()
    shop.work()
    table = shop.store.tables.queue
    for days, is_stored in ((6, True), (8, False)):
        shop.execute(table.update().values(finished_at=table.c.created_at - days * 86400 * 10**6))
        shop.work()
        assert (shop.row(1)["record"] is not None) is is_stored


def test_content_is_sealed_until_it_is_sent(url):
    with Shop(url, KEY=KEY) as shop:
        message = {"html": "<p>s3cret</p>"}
        shop.send(**message)
        content = shop.row(1)["record"]
        assert b"ann@" not in content
        assert b"s3cret" not in content
        assert "To: ann@example.com" in run(shop, "show", "1", "--content").output
        shop.work()
        assert shop.states() == ["sent"]
        assert shop.peer.taken[0].message.html == "<p>s3cret</p>"


def test_rows_are_read_with_each_key_and_without_one(url):
    with Shop(url) as shop:
        shop.send("plain")
        options = shop.app.config["MAIL_MAILERS"]["default"]
        for key in (KEY, OTHER, f"{OTHER}, {KEY}"):
            options["KEY"] = key
            shop.send(f"with {key}")
        shop.work()
        assert shop.states() == ["sent"] * 4


def test_a_row_whose_key_is_missing_waits_and_the_others_are_sent(url, caplog):
    with Shop(url, KEY=OTHER) as shop:
        shop.send("sealed")
        options = shop.app.config["MAIL_MAILERS"]["default"]
        options["KEY"] = KEY
        shop.send("readable")
        shop.work()
        assert shop.states() == ["queued", "sent"]
        assert "MAIL_MAILERS['default']['KEY'] does not contain: add the key" in caplog.text
        assert "add the key" in run(shop, "show", "1", "--content").output
        options["KEY"] = f"{KEY},{OTHER}"
        shop.make_due()
        shop.work()
        assert shop.states() == ["sent", "sent"]


def test_a_row_whose_key_stays_missing_fails(url):
    with Shop(url, KEY=KEY, GIVE_UP=0) as shop:
        shop.send()
        shop.app.config["MAIL_MAILERS"]["default"]["KEY"] = None
        shop.work()
        assert shop.states() == ["failed"]
        assert shop.row(1)["error"] == "ConfigurationError"
        assert run(shop, "retry", "1").exit_code == 0


def test_a_content_that_was_changed_is_not_opened():
    seal = Contents(Secret(KEY))
    content = Fernet(KEY).encrypt(b'{"version":1}')
    assert seal.read(content) == {"version": 1}
    with pytest.raises(ConfigurationError, match="KEY does not contain"):
        seal.read(content[:-10] + b"AAAAAAAAAA")


def test_a_key_that_is_invalid_is_an_error_that_does_not_show_it(tmp_path):
    shop = Shop(f"sqlite:///{tmp_path}/mail.db", KEY=f"{KEY},s3cret")
    with pytest.raises(ConfigurationError, match=r"\['KEY'\].* number 2 is invalid") as caught:
        shop.send()
    seen = [str(caught.value)]
    frame = caught.tb
    while frame is not None:
        if "flask_mail_queue" in frame.tb_frame.f_code.co_filename:
            seen.append(repr(frame.tb_frame.f_locals))
        frame = frame.tb_next
    assert len(seen) > 1
    assert not any("s3cret" in each or KEY in each for each in seen)


def test_a_key_without_cryptography_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    with pytest.raises(ConfigurationError, match=r"Flask-Mail-Queue\[sealed\]"):
        Contents(Secret(KEY))


def test_remains_of_a_row_that_cannot_be_read_are_nothing():
    contents = Contents(keep="recipients")
    assert contents.remains_of(b"not JSON", State.SENT) is None
    assert contents.remains_of(None, State.SENT) is None
