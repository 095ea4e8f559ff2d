"""The commands of the queue."""

from __future__ import annotations

import json
import re
import time

import pytest
from flask.cli import ScriptInfo
from flask_mail_queue.cli.queue import queue
from flask_mail_queue.cli.suppressed import suppressed
from flask_mail_queue.cli.work import work
from sqlalchemy.exc import OperationalError

from flask_mail.backends import BackendUnavailable, DeliveryUnknown, MessageRefused
from flask_mail.cli import mail_cli

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d"


@pytest.fixture
def run(shop):
    def run(command, *arguments, **options):
        runner = shop.app.test_cli_runner()
        info = ScriptInfo(create_app=lambda: shop.app)
        return runner.invoke(command, arguments, obj=info, **options)

    return run


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/mail.db"


def test_work_sends_what_is_due_and_names_the_mailers(shop, run):
    shop.send()
    done = run(work, "--once", "--for", "55s")
    assert done.exit_code == 0, done.output
    assert done.output == "peer: peer\nMessages: 1 (1 sent)\n"
    assert shop.states() == ["sent"]
    assert run(work, "--once").output == "peer: peer\nMessages: 0\n"


def test_work_counts_what_became_of_the_messages(shop, run):
    later = BackendUnavailable("Busy.", stage="accept")
    shop.peer.script = [None, MessageRefused("No."), DeliveryUnknown("Lost."), later, None]
    for _ in range(5):
        shop.send()
    done = run(work, "--once")
    assert done.output == "peer: peer\nMessages: 5 (2 sent, 1 refused, 1 unknown, 1 later)\n"
    assert sorted(shop.states()) == ["queued", "refused", "sent", "sent", "unknown"]


def test_work_counts_what_it_could_not_send_as_later(shop, run):
    shop.peer.opening = [BackendUnavailable("Down.", stage="connect")]
    shop.send()
    shop.send()
    assert run(work, "--once").output == "peer: peer\nMessages: 2 (2 later)\n"
    assert shop.states() == ["queued"] * 2


def test_work_warns_if_mail_is_suppressed(shop, run):
    shop.send()
    shop.app.config["MAIL_SUPPRESS_SEND"] = True
    done = run(work, "--once")
    assert "Warning: Mail of peer goes to null" in done.output + done.stderr
    assert not shop.peer.taken


def test_work_leaves_the_mail_of_other_mailers(shop, run):
    output = run(work, "--once", "--mailer", "bulk").output
    assert output == "Error: No queue has the mailer bulk; they have peer.\n"


def test_commands_say_that_there_are_no_tables(shop, run):
    shop.store.metadata.drop_all(shop.store.engine)
    for command in (["status"], ["list"], ["cancel", "1"], ["purge"]):
        done = run(queue, *command)
        assert done.exit_code == 1
        assert "flask mail queue create" in done.output
    created = run(queue, "create").output
    assert created == (
        "Tables: mail_queue, mail_queue_worker, mail_queue_try, mail_queue_pause,"
        " mail_queue_event, mail_queue_file, mail_suppression\n"
    )
    assert run(queue, "status").output == "Oldest due: none\n"


def test_status_counts_and_fails_if_mail_is_late(shop, run):
    shop.send()
    shop.make_due()
    found = json.loads(run(queue, "status", "--json").output)
    assert found["counts"] == [{"mailer": "peer", "state": "queued", "count": 1}]
    assert found["oldest_due_seconds"] > 0
    late = run(queue, "status", "--max-age", "5m")
    assert late.exit_code == 1
    assert "Worker: none. Start one: flask mail work\n" in late.stdout
    assert re.search(r"^Mail is overdue: \d+ s is more than 300 s\.$", late.stderr, re.MULTILINE)
    shop.work()
    assert run(queue, "status", "--max-age", "5m").exit_code == 0


def test_list_and_show_have_no_address_unless_asked(shop, run):
    shop.peer.script = [MessageRefused("No.", response="550 ann@example.com is unknown")]
    shop.send()
    shop.work()
    listed = run(queue, "list", "--state", "refused", "--since", "1h").output
    assert re.fullmatch(
        rf"1  refused  peer  attempts: 1  created: {TIME}  finished: {TIME}  MessageRefused\n",
        listed,
    )
    shown = run(queue, "show", "1").output
    assert "response: 550 <recipient 1> is unknown" in shown
    assert re.search(rf"^attempt: {TIME}  refused  MessageRefused  550 <", shown, re.MULTILINE)
    assert "ann@" not in listed + shown
    assert "To: ann@example.com" in run(queue, "show", "1", "--content").output
    assert "no row 9" in run(queue, "show", "9").output


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs tzset()")
def test_times_are_local_and_those_of_json_in_utc(shop, run, monkeypatch):
    shop.peer.script = [MessageRefused("No.", response="550 ann@example.com is unknown")]
    shop.send(options={"queue": {"expires": 60, "key": "order-42"}})
    shop.work()
    table, tried = shop.store.tables.queue, shop.store.tables.attempt
    second = 1_000_000
    times = {"created_at": 0, "due_at": 60, "expires_at": 120, "finished_at": 3600}
    shop.execute(table.update().values({name: at * second for name, at in times.items()}))
    shop.execute(tried.update().values(at=3599 * second))
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        shown = run(queue, "show", "1").output
        listed = run(queue, "list", "--since", "36500d").output
    finally:
        monkeypatch.undo()
        time.tzset()
    for name, at in (("created", "02:00"), ("due", "02:01"), ("expires", "02:02")):
        assert f"{name}: 1970-01-01 {at}:00+02:00\n" in shown
    assert "finished: 1970-01-01 03:00:00+02:00\n" in shown
    assert "attempt: 1970-01-01 02:59:59+02:00  refused  " in shown
    assert "created: 1970-01-01 02:00:00+02:00  finished: 1970-01-01 03:00:00+02:00  " in listed
    found = json.loads(run(queue, "show", "1", "--json").output)
    [row] = json.loads(run(queue, "list", "--since", "36500d", "--json").output)
    assert row == {
        "id": 1,
        "mailer": "peer",
        "state": "refused",
        "priority": 0,
        "attempts": 1,
        "message_id": row["message_id"],
        "recipients": 1,
        "size": row["size"],
        "error": "MessageRefused",
        "response": "550 <recipient 1> is unknown",
        "created": "1970-01-01T00:00:00+00:00",
        "due": "1970-01-01T00:01:00+00:00",
        "expires": "1970-01-01T00:02:00+00:00",
        "finished": "1970-01-01T01:00:00+00:00",
    }
    attempt = {"outcome": "refused", "error": row["error"], "response": row["response"]}
    assert found == {
        **row,
        "key": "order-42",
        "peer_id": None,
        "reported": None,
        "has_content": True,
        "tried": [{"at": "1970-01-01T00:59:59+00:00", **attempt}],
    }
    whole = json.loads(run(queue, "show", "1", "--json", "--content").output)
    assert "To: ann@example.com" in whole.pop("content")
    assert whole == found


def test_list_says_when_a_message_is_due(shop, run):
    shop.send()
    [listed] = run(queue, "list").output.splitlines()
    assert re.fullmatch(rf"1  queued  peer  attempts: 0  created: {TIME}  due: {TIME}", listed)
    [row] = json.loads(run(queue, "list", "--json").output)
    assert row["finished"] is row["expires"] is None
    assert "finished" not in run(queue, "show", "1").output


def test_retry_of_an_unknown_message_needs_consent(shop, run):
    shop.peer.script = [DeliveryUnknown("Lost.")]
    shop.send()
    shop.work()
    refused = run(queue, "retry", "1")
    assert refused.exit_code == 1
    assert "--may-arrive-twice" in refused.output
    assert run(queue, "retry", "1", "--may-arrive-twice").output == "1: queued again\n"
    shop.work()
    assert shop.states() == ["sent"]
    assert run(queue, "retry", "1", "--may-arrive-twice").exit_code == 1, "its content is deleted"


def test_settle_ends_an_unknown_message_and_deletes_its_content(shop, run):
    shop.peer.script = [DeliveryUnknown("Lost.")]
    shop.send()
    shop.work()
    assert run(queue, "settle", "1", "sent").output == "1: sent\n"
    assert shop.row(1)["record"] is None
    assert run(queue, "settle", "1", "refused").exit_code == 1
    assert "deleted" in run(queue, "show", "1", "--content").output


def test_cancel_stops_what_was_not_claimed(shop, run):
    shop.send()
    assert run(queue, "cancel", "1", "2").output.startswith("1: cancelled\n")
    shop.work()
    assert not shop.peer.taken
    assert run(queue, "retry", "1").output == "1: queued again\n"
    shop.work()
    assert shop.states() == ["sent"]


def test_pause_stops_a_mailer_until_it_is_resumed(shop, run):
    shop.send()
    assert run(queue, "pause", "peer").output == "Paused: peer\n"
    assert run(queue, "pause", "peer").exit_code == 0, "a second time"
    shop.work()
    assert shop.states() == ["queued"]
    (paused,) = json.loads(run(queue, "status", "--json").output)["paused"]
    assert paused["mailer"] == "peer"
    assert "Paused: peer, for " in run(queue, "status").output
    assert run(queue, "resume", "peer").output == "Resumed: peer\n"
    assert "Not paused: peer" in run(queue, "resume", "peer").output
    shop.work()
    assert shop.states() == ["sent"]


def test_pause_of_all_mailers_is_resumed_without_a_name(shop, run):
    shop.send()
    assert run(queue, "pause").output == "Paused: all mailers\n"
    assert "Paused: all mailers" in run(queue, "status").output
    shop.work()
    assert shop.states() == ["queued"]
    assert "call `resume` without a mailer" in run(queue, "resume", "peer").output
    assert run(queue, "resume").output == "Resumed: all mailers\n"
    shop.work()
    assert shop.states() == ["sent"]


def test_pause_of_a_mailer_that_does_not_exist_is_an_error(shop, run):
    done = run(queue, "pause", "paer")
    assert done.exit_code == 1
    assert "No queue has the mailer paer; they have peer." in done.output


def test_purge_deletes_old_rows_that_are_finished(shop, run):
    for _ in range(2):
        shop.send()
    shop.work()
    shop.send()
    assert run(queue, "purge").output == "Deleted: 0\n"
    table = shop.store.tables.queue
    shop.execute(table.update().where(table.c.id == 1).values(finished_at=1))
    assert run(queue, "purge", "--older-than", "30d").output == "Deleted: 1\n"
    assert [row["id"] for row in shop.rows()] == [2, 3]
    assert "not a time" in run(queue, "purge", "--older-than", "soon").output


def test_help_of_no_command_is_cut_on_a_terminal_of_80_columns(run):
    for group in (queue, suppressed):
        listed = run(group, "--help", terminal_width=78).output.partition("Commands:")[2]
        assert len(listed.splitlines()) > 4
        assert "..." not in listed


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["forget", "ann"], 2, "Invalid value for 'ADDRESS': 'ann' is not one address such as"),
        (["show", "one"], 2, "Invalid value for 'NUMBER': 'one' is not a valid integer."),
        (["list", "--since", "soon"], 2, "Invalid value for '--since': 'soon' is not a time"),
        (["show", "9"], 1, "The queue has no row 9."),
        (["resume"], 1, "No mailer is paused."),
        (["status", "--queue", "bulk"], 1, "MAIL_MAILERS has no mailer 'bulk'."),
    ],
)
def test_wrong_values_are_one_line_that_names_them(run, arguments, status, line):
    done = run(queue, *arguments)
    assert done.exit_code == status
    assert done.output.splitlines()[-1].startswith(f"Error: {line}")


def test_suppressed_address_that_is_wrong_is_named_with_the_argument(run):
    done = run(suppressed, "add", "ann")
    assert done.exit_code == 2
    assert "Error: Invalid value for 'ADDRESSES': 'ann' is not an address" in done.output


class TestCheck:
    """``flask mail check``, before an app is deployed."""

    def steps(self, shop, run, status):
        done = run(mail_cli, "check", "--json")
        assert done.exit_code == status, done.output
        return [
            (each["name"], each["status"], each["detail"])
            for each in json.loads(done.stdout)["steps"]
        ]

    def test_tables_are_looked_for(self, shop, run):
        assert ("tables", "ok", "mail_queue") in self.steps(shop, run, 0)

    def test_lack_of_tables_and_columns_is_an_error(self, shop, run):
        tables = shop.store.tables
        with shop.store.begin() as connection:
            tables.file.drop(connection)
            connection.exec_driver_sql("DROP INDEX ix_mail_queue_files")
            connection.exec_driver_sql("ALTER TABLE mail_queue DROP COLUMN files")
        missing = "mail_queue_file, mail_queue.files missing: run `flask mail queue create`"
        assert ("tables", "failed", missing) in self.steps(shop, run, 1)
        shop.store.create()
        assert ("tables", "ok", "mail_queue") in self.steps(shop, run, 0)

    def test_no_answer_is_an_error(self, shop, run, monkeypatch):
        def fail(*args, **given):
            raise OperationalError("SELECT", {}, Exception("secret"))

        monkeypatch.setattr(shop.store, "reading", fail)
        assert ("tables", "failed", "the database fails (Exception)") in self.steps(shop, run, 1)
