"""Large attachments: stored in pieces, shared, sealed, read by workers, and deleted."""

from __future__ import annotations

import base64
import hashlib
import pickle
import random
import re
import tempfile
import tracemalloc

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask.cli import ScriptInfo
from flask_mail_queue.cli.queue import queue
from flask_mail_queue.database import files, upkeep
from flask_mail_queue.database.contents import Contents
from flask_mail_queue.database.schema import State
from flask_mail_queue.worker.claims import Result
from flask_mail_queue.worker.protocol import Protocol
from models import Base, Order
from shop import Peer, Shop
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import scoped_session, sessionmaker
from test_recovery import dead_worker

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryUnknown,
    Message,
    MessageError,
    MessageRefused,
)
from flask_mail.backends import Outgoing

KEY = Fernet.generate_key().decode()
LARGE = 300_000


def octets(seed, size=LARGE):
    return random.Random(seed).randbytes(size)


def message(*data, to="ann@example.com", **fields):
    made = Message("Plans", [to], "See the files.", **fields)
    for number, each in enumerate(data):
        made.attach(f"{number}.bin", "application/octet-stream", each)
    return made


def pieces(shop):
    with shop.store.begin() as connection:
        found = select(shop.store.tables.file)
        return connection.execute(found.order_by("bundle", "n")).all()


def bundles(shop):
    return {each.bundle for each in pieces(shop)}


def change(shop, n, **values):
    table = shop.store.tables.file
    shop.execute(table.update().where(table.c.n == n).values(**values))


def run(shop, *arguments):
    runner = shop.app.test_cli_runner()
    return runner.invoke(queue, arguments, obj=ScriptInfo(create_app=lambda: shop.app))


def settings(shop):
    return shop.app.config["MAIL_MAILERS"]["default"]


@pytest.fixture
def shop(url):
    with Shop(url, KEY=KEY if url.startswith("postgresql") else None) as shop:
        yield shop


def test_large_attachments_are_stored_in_pieces_and_delivered_whole(shop, tmp_path):
    (tmp_path / "a.bin").write_bytes(octets("file"))
    data = octets(1), bytearray(octets(2, 20_000)), octets(3, 100), memoryview(octets(4, 9)), "text"
    mail = message(*data, octets(1))
    mail.attach_file(tmp_path / "a.bin")
    mail.attach("list.csv", "text/csv", "ä;ö\n".encode() * 30_000)
    shop.mail.send(mail)
    row = shop.row(1)
    stored = pieces(shop)
    assert len(row["record"]) < 8000
    assert {each.bundle for each in stored} == {row["files"]}
    assert [each.n for each in stored] == list(range(7))
    assert max(len(each.data) for each in stored) <= 256 * 1024
    is_readable = octets(1)[1000:1100] in b"".join(each.data for each in stored)
    assert is_readable is (settings(shop)["KEY"] is None)
    (tmp_path / "a.bin").unlink()
    shop.work()
    assert shop.states() == ["sent"]
    assert not pieces(shop)
    assert shop.row(1)["files"] is None
    (taken,) = shop.peer.taken
    del mail.attachments[-2]
    mail.attachments.insert(-1, Message.from_bytes(taken.content).attachments[-2])
    assert taken.content == mail.as_bytes()
    assert taken.message.attachments[0].read() == octets(1)


@pytest.mark.parametrize("sizes", [[files.LARGE], [files.LARGE - 9, 900], [16_384] * 40])
def test_smaller_attachments_stay_in_the_row(shop, sizes):
    shop.mail.send(message(*[octets(each, size) for each, size in enumerate(sizes)]))
    assert shop.row(1)["files"] is None
    assert not pieces(shop)
    shop.work()
    assert shop.states() == ["sent"]


def test_equal_attachments_of_a_list_are_stored_once(shop, tmp_path):
    (tmp_path / "a.bin").write_bytes(octets(2))
    mails = [message(octets(1), to=f"user{number}@example.com") for number in range(3)]
    other = message()
    other.attach_file(tmp_path / "a.bin")
    shop.mail.send_many([*mails, other, message(octets(1), octets(2)), message()])
    used = [shop.row(number)["files"] for number in range(1, 7)]
    assert used[0] == used[1] == used[2]
    assert [len(set(used)), used[5]] == [4, None]
    assert bundles(shop) == set(used[:5])
    shop.peer.script = [None, MessageRefused("No."), DeliveryUnknown("Lost."), None, None, None]
    shop.work()
    assert shop.states() == ["sent", "refused", "unknown", "sent", "sent", "sent"]
    assert bundles(shop) == {used[0]}, "two rows still have their content"
    assert "Content deleted: 1" in run(shop, "forget", "user1@example.com").output
    assert bundles(shop) == {used[0]}
    assert run(shop, "settle", "3", "sent").exit_code == 0
    assert not pieces(shop)


def test_messages_with_large_attachments_share_a_statement_if_they_are_equal(shop, monkeypatch):
    counts = []
    insert = shop.store.insertion.many

    def counted(connection, rows):
        counts.append(len(rows))
        return insert(connection, rows)

    monkeypatch.setattr(shop.store.insertion, "many", counted)
    one, two = octets(1, 5_000_000), octets(2, 5_000_000)
    shop.mail.send_many([message(each) for each in (one, one, one, two, two, one)])
    assert counts == [3, 2, 1]
    assert len(bundles(shop)) == 3
    assert sum(len(each["message_id"]) > 0 for each in shop.rows()) == 6


def test_no_attachment_is_stored_for_a_key_that_exists(shop):
    shop.mail.send(message(octets(1), key="order-1"))
    stored = pieces(shop)
    assert shop.mail.send(message(octets(2), key="order-1")).response == "1"
    shop.mail.send_many([message(octets(2), key="order-1"), message(octets(2), key="order-1")])
    assert pieces(shop) == stored
    shop.mail.send_many([message(octets(2), key="order-1"), message(octets(2))])
    assert len(bundles(shop)) == 2


def joined(shop):
    """Return a session that has written, and that messages join."""
    session = settings(shop)["SESSION"] = scoped_session(sessionmaker())
    Base.metadata.create_all(shop.store.engine)
    session.configure(bind=shop.store.engine)
    session.add(Order())
    session.flush()
    return session


def test_attachments_are_rolled_back_with_the_data(shop):
    session = joined(shop)
    shop.mail.send(message(octets(1)))
    session.rollback()
    assert not pieces(shop)
    session.add(Order())
    shop.mail.send_many([message(octets(1)), message(octets(1))])
    session.commit()
    session.remove()
    assert len(bundles(shop)) == 1
    shop.work()
    assert shop.states() == ["sent", "sent"]
    assert not pieces(shop)


@pytest.mark.parametrize("many", [False, True])
def test_a_file_that_changes_while_it_is_stored_leaves_nothing(shop, tmp_path, monkeypatch, many):
    """The program commits its transaction in spite of the error."""
    path = tmp_path / "a.bin"
    path.write_bytes(octets(1, 600_000))
    mail = message()
    mail.attach_file(path)
    insert = files.Bundles.insert

    def changed(*arguments):
        path.write_bytes(b"short")
        insert(*arguments)

    session = joined(shop)
    monkeypatch.setattr(files.Bundles, "insert", changed)
    if many:
        results = shop.mail.send_many([mail, message(octets(2))])
        assert [each.outcome.value for each in results] == ["not sent", "queued"]
    else:
        with pytest.raises(MessageError, match="has changed"):
            shop.mail.send(mail)
    session.commit()
    session.remove()
    assert len(shop.rows()) == many
    assert bundles(shop) == {row["files"] for row in shop.rows()}


def test_a_database_that_fails_while_it_stores_a_piece_leaves_nothing(shop, monkeypatch):
    def failing(bundles, connection, *arguments):
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))

    session = joined(shop)
    monkeypatch.setattr(files.Bundles, "insert", failing)
    with pytest.raises(BackendUnavailable):
        shop.mail.send(message(octets(1)))
    session.rollback()
    assert shop.states() == []
    session.remove()


@pytest.mark.parametrize("harm", ["lost", "changed", "cut", "exchanged", "of another bundle"])
def test_an_attachment_that_is_not_whole_is_never_sent(shop, harm):
    shop.mail.send(message(octets(1, 500_000)))
    stored = pieces(shop)
    table = shop.store.tables.file
    if harm == "lost":
        shop.execute(table.delete().where(table.c.n == 1))
    elif harm == "changed":
        changed = stored[1].data[:-70] + b"A" * 64 + stored[1].data[-6:]
        change(shop, 1, data=changed)
    elif harm == "cut":
        change(shop, 2, data=shop.queue.contents.piece(stored[0].bundle, 2, b"less"))
    elif harm == "exchanged":
        change(shop, 0, data=stored[1].data)
        change(shop, 1, data=stored[0].data)
    else:
        change(shop, 0, data=shop.queue.contents.piece("0" * 32, 0, octets(1)[: files.PIECE]))
    shop.send("Next")
    shop.work()
    is_sealed = harm == "changed" and settings(shop)["KEY"] is not None
    # A piece that its key does not open may have another key.
    assert shop.states() == ["queued" if is_sealed else "failed", "sent"]
    assert [mail.message.subject for mail in shop.peer.taken] == ["Next"]
    told = "email-deferred" if is_sealed else "email-failed"
    assert (told, "Plans", "not sent") in shop.told
    if not is_sealed:
        assert shop.row(1)["error"] == "MessageError"
        assert "attachment" in shop.row(1)["response"]


def test_a_database_that_fails_while_a_worker_reads_is_tried_again(shop, monkeypatch):
    shop.mail.send(message(octets(1)))
    errors = [DBAPIError("SELECT", {}, Exception("gone"))]

    def piece_of(*arguments):
        if errors:
            raise errors.pop()
        return files.piece_of(*arguments)

    monkeypatch.setattr("flask_mail_queue.backend.piece_of", piece_of)
    shop.work()
    assert shop.states() == ["queued"]
    assert shop.row(1)["attempts"] == 0
    shop.make_due()
    shop.work()
    assert shop.states() == ["sent"]


def test_a_temporary_file_that_cannot_be_written_is_tried_again(shop, monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    shop.mail.send(message(octets(1)))
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "TemporaryFile", full)
        shop.work()
    assert shop.states() == ["queued"]
    assert "No space left on device" in shop.row(1)["response"]
    shop.make_due()
    shop.work()
    assert shop.states() == ["sent"]


def test_a_message_can_be_read_after_it_was_sent_and_wiped(shop):
    data = octets(1)
    shop.mail.send(message(data))
    shop.work()
    assert not pieces(shop)
    stored = shop.peer.taken[0].message.attachments[0].data
    assert len(stored) == LARGE
    assert pickle.loads(pickle.dumps(stored)) == data
    for size in (1000, files.PIECE, LARGE, LARGE + 1):
        blocks = list(stored.blocks(size))
        assert b"".join(blocks) == data
        assert {len(each) for each in blocks[:-1]} <= {size}


def test_two_readers_of_an_attachment_do_not_disturb_each_other(shop):
    shop.mail.send(message(octets(1)))
    shop.work()
    stored = shop.peer.taken[0].message.attachments[0].data
    assert all(one == two for one, two in zip(stored.blocks(), stored.blocks(), strict=True))


def test_changed_content_is_stored_in_pieces_too(shop):
    """That of the recipient guard, for example, which is not rendered again."""
    shop.app.config["MAIL_ALLOWED_RECIPIENTS"] = ["*@example.com"]
    shop.app.config["MAIL_REDIRECT_TO"] = "ann@example.com"
    data = octets(1)
    shop.mail.send(message(data, to="out@example.org"))
    record = shop.queue.contents.read(shop.row(1)["record"])
    assert [type(each) for each in record["content"]] == [str, dict, str]
    shop.work()
    (mail,) = shop.peer.taken
    assert b"X-Original-To: out@example.org" in mail.content
    assert Message.from_bytes(mail.content).attachments[0].read() == data


def test_dkim_signs_what_a_worker_reads_from_pieces(shop):
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    mailers = shop.app.config["MAIL_MAILERS"]
    mailers["peer"] = {
        "BACKEND": "dkim",
        "MAILER": "leaf",
        "DOMAIN": "example.com",
        "SELECTOR": "s1",
        "KEY": pem,
    }
    mailers["leaf"] = {"BACKEND": Peer}
    shop.mail.send(message(octets(1)))
    shop.work()
    assert shop.states() == ["sent"]
    (mail,) = shop.app.extensions["mail"].selection.build("leaf").taken
    header, _, body = mail.content.partition(b"\r\n\r\n")
    wanted = base64.b64encode(hashlib.sha256(body).digest())
    assert b"bh=" + wanted in re.sub(rb"\r\n ", b"", header)


@pytest.mark.parametrize("keep", ["nothing", "metadata", "recipients", "everything"])
def test_no_attachment_outlives_its_message(url, keep):
    with Shop(url, KEEP=keep) as shop:
        shop.peer.script = [None, DeliveryUnknown("Lost."), MessageRefused("No.")]
        for number in range(3):
            shop.mail.send(message(octets(number)))
        used = [shop.row(number)["files"] for number in (1, 2, 3)]
        shop.work()
        kept = used[0] if keep == "everything" else None
        assert bundles(shop) == {kept, *used[1:]} - {None}
        assert run(shop, "settle", "2", "sent").exit_code == 0
        assert bundles(shop) == {kept, kept and used[1], used[2]} - {None}
        table = shop.store.tables.queue
        shop.execute(table.update().values(finished_at=table.c.finished_at - 8 * 86400 * 10**6))
        shop.work()
        assert bundles(shop) == (set(used) if kept else set())
        shop.execute(table.update().values(finished_at=1))
        shop.work()
        assert shop.states() == []
        assert not pieces(shop)


def test_the_row_of_a_sent_message_is_deleted_with_its_attachments(shop):
    settings(shop)["KEEP"] = "everything"
    shop.mail.send(message(octets(1)))
    shop.work()
    table = shop.store.tables.queue
    shop.execute(table.update().values(finished_at=1))
    with shop.store.begin() as connection:
        assert upkeep.purge_sent(connection, shop.store.tables, ["peer"]) == 1
    assert not pieces(shop)


def test_pieces_stay_until_the_commit_that_records_that_they_were_sent(shop):
    shop.mail.send(message(octets(1)))
    stored = pieces(shop)
    protocol, rows = dead_worker(shop, State.SENDING)
    with shop.store.engine.connect() as connection:
        transaction = connection.begin()
        assert protocol.record(connection, [Result(rows[0], State.SENT)]) == {1}
        table = shop.store.tables.file
        assert connection.execute(select(table)).all() == []
        transaction.rollback()  # as if the worker died before its commit
    assert pieces(shop) == stored
    shop.work()
    assert shop.states() == ["unknown"]
    assert pieces(shop) == stored
    with shop.store.begin() as connection:
        assert protocol.record(connection, [Result(rows[0], State.SENT)]) == {1}
    assert not pieces(shop)


def test_a_bundle_whose_last_rows_end_at_the_same_time_is_swept(server):
    server.empty()
    with Shop(server.url) as shop:
        shop.mail.send_many([message(octets(1)), message(octets(1))])
        protocol, store = Protocol(shop.store.tables, "me"), shop.store
        _, rows = dead_worker(shop, State.CLAIMED)
        queue, worker = store.tables.queue, store.tables.worker
        shop.execute(worker.delete())
        shop.execute(queue.update().values(state="sending"))
        with store.begin() as one, store.begin() as two:
            for connection, row in ((one, rows[0]), (two, rows[1])):
                assert protocol.record(connection, [Result(row, State.SENT)]) == {row.id}
        assert pieces(shop)
        shop.work()
        assert not pieces(shop)


def test_sending_waits_for_nothing_that_another_worker_has_locked(server):
    server.empty()
    with Shop(server.url) as shop:
        shop.mail.send(message(octets(1)))
        with shop.store.begin() as connection:
            file = shop.store.tables.file
            connection.execute(select(file).with_for_update())
            shop.work()
            assert shop.states() == ["sent"]
        assert pieces(shop)
        shop.work()
        assert not pieces(shop)


def test_create_adds_the_pieces_to_tables_with_rows(shop):
    shop.send()
    shop.execute(text("DROP TABLE mail_queue_file"))
    shop.drop_index("files")
    shop.execute(text("ALTER TABLE mail_queue DROP COLUMN files"))
    with pytest.raises(DBAPIError):
        shop.work()
    assert "Added: mail_queue.files" in run(shop, "create").output
    indexes = inspect(shop.store.engine).get_indexes("mail_queue")
    assert "ix_mail_queue_files" in {each["name"] for each in indexes}
    shop.mail.send(message(octets(1)))
    shop.work()
    assert shop.states() == ["sent", "sent"]


def test_a_row_of_an_earlier_version_with_a_large_attachment_is_sent(shop):
    shop.mail.send(message(octets(1)))
    contents = shop.queue.contents
    mail = contents.mail_of(shop.row(1)["record"])
    table = shop.store.tables.queue
    shop.execute(table.update().values(record=contents.stored(mail), files=None))
    shop.execute(shop.store.tables.file.delete())
    shop.work()
    assert shop.states() == ["sent"]
    assert shop.peer.taken[0].message.attachments[0].data == octets(1)


def test_the_content_is_shown_with_its_attachments(shop):
    shop.mail.send(message(octets(1)))
    shown = run(shop, "show", "1", "--content").output
    assert base64.b64encode(octets(1))[:76].decode() in shown
    (waiting,) = shop.queue.backlog()
    assert base64.b64encode(octets(1))[:76] in waiting.read().content


def test_attachments_of_a_mailer_that_no_queue_has_cannot_be_read(url):
    with Shop(url) as shop:
        shop.mail.send(message(octets(1)))
        mail = Contents().mail_of(shop.row(1)["record"])
        assert mail.envelope.recipients == ("ann@example.com",)
        with pytest.raises(ConfigurationError, match="No queue of this app"):
            mail.message.attachments[0].read()


def test_a_record_that_names_an_attachment_in_another_way_is_refused(url):
    with Shop(url) as shop:
        shop.mail.send(message(octets(1)))
        record = shop.row(1)["record"].replace(shop.row(1)["files"].encode(), b"../../etc/passwd")
        with pytest.raises(MessageError, match="cannot be read"):
            shop.queue.contents.mail_of(record)


def test_a_large_attachment_takes_little_memory_on_both_sides(shop):
    """Above the data, which the program has."""
    size = 4 * 1024 * 1024
    mail = message(octets(1, size))
    shop.send()
    shop.work()  # imports and caches
    read = []
    shop.peer.before = lambda mail: read.append(sum(map(len, mail.blocks())))
    tracemalloc.start()
    try:
        shop.mail.send(mail)
        _, stored = tracemalloc.get_traced_memory()
        del mail
        tracemalloc.reset_peak()
        shop.work()
        _, sent = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert shop.states() == ["sent", "sent"]
    assert read[0] > size
    assert stored < size / 2
    assert sent < size / 2


def test_the_bundle_of_a_message_contains_equal_files_once():
    bundle = files.Bundles().of(Outgoing.of(message(octets(1), octets(1), sender="a@example.com")))
    assert len(list(bundle.pieces())) == 2
