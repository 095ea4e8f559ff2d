"""Sources of an inbox: the folder, the outbox, the memory of the console backend."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest
from inbox_support import Browser, make_mail, welcome

from flask_mail import Mail, Message
from flask_mail.backends import Backend, Kept, StoredMessage, file_reading
from flask_mail.backends.file import FileBackend
from flask_mail.backends.locmem import LocmemBackend
from flask_mail.delivery import copies
from flask_mail.delivery.outgoing import Outgoing
from flask_mail.delivery.recent import Recent
from flask_mail.inbox.inbox import Inbox
from flask_mail.inbox.summaries import Query

ENVELOPE = {"sender": "a@b.c", "recipients": [], "mail_options": [], "rcpt_options": []}
BACKENDS = ("file", "locmem", "console")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mail"


@pytest.fixture(params=BACKENDS)
def mail(request, folder):
    return make_mail(request.param, MAIL_FILE_PATH=folder)


@pytest.fixture
def file_mail(folder):
    return make_mail("file", MAIL_FILE_PATH=folder)


def subjects(mail):
    return [each["subject"] for each in Browser(mail).messages()]


class TestEverySource:
    def test_it_is_empty_at_first(self, mail):
        assert Browser(mail).messages() == []

    def test_the_newest_message_comes_first(self, mail):
        for subject in ("First", "Second", "Third"):
            mail.send_message(subject, ["ann@example.com"], "Hi")
        assert subjects(mail) == ["Third", "Second", "First"]

    def test_it_tells_what_is_for_the_mail_service(self, mail):
        mail.send(welcome(tags=["welcome", "<b>trial"], metadata={"order": 4711}))
        mail.send(welcome())
        without, found = (
            Browser(mail).client.get(each["url"]).get_json() for each in Browser(mail).messages()
        )
        assert (found["tags"], found["metadata"]) == (["welcome", "<b>trial"], {"order": "4711"})
        assert (without["tags"], without["metadata"]) == ([], {})
        page = Browser(mail).text(f"/messages/{found['id']}?view=envelope")
        assert "welcome, &lt;b&gt;trial" in page
        assert "4711" in page
        page = Browser(mail).text(f"/messages/{without['id']}?view=envelope")
        assert "For the mail service" not in page

    def test_it_tells_all_of_a_message(self, mail):
        with mail.connect() as connection:
            connection.send(welcome(cc=["bob@example.com"]), envelope_from="bounces@example.com")
        found = Browser(mail).only()
        assert found["envelope"] == {
            "sender": "bounces@example.com",
            "recipients": ["ann@example.com", "bob@example.com", "archive@example.com"],
            "mail_options": [],
            "rcpt_options": [],
        }
        told = {key: found[key] for key in ("from", "to", "cc", "subject", "outcome", "error")}
        assert told == {
            "from": "shop@example.com",
            "to": "ann@example.com",
            "cc": "bob@example.com",
            "subject": "Welcome",
            "outcome": "sent",
            "error": None,
        }
        assert found["backend"] == mail.app.config["MAIL_BACKEND"]
        assert found["text"].startswith("Hello Ann")
        assert "<h1>" in found["html"]
        assert [each["filename"] for each in found["attachments"]] == ["logo.png", "invoice.html"]

    def test_what_is_changed_after_sending_does_not_show(self, mail):
        message = welcome()
        mail.send(message)
        message.subject = "Changed"
        assert subjects(mail) == ["Welcome"]

    def test_a_message_that_is_sent_twice_is_there_twice(self, mail):
        message = welcome()
        mail.send_many([message, message])
        first, second = Browser(mail).messages()
        assert first["id"] != second["id"]

    def test_a_message_keeps_its_name_while_others_come_and_go(self, mail):
        browser = Browser(mail)
        for subject in ("First", "Second", "Third"):
            mail.send_message(subject, ["ann@example.com"], "Hi")
        before = {each["subject"]: each["id"] for each in browser.messages()}
        browser.client.delete(f"/_mail/api/messages/{before['First']}")
        mail.send_message("Fourth", ["ann@example.com"], "Hi")
        after = {each["subject"]: each["id"] for each in browser.messages()}
        assert list(after) == ["Fourth", "Third", "Second"]
        assert [after[each] == before[each] for each in ("Third", "Second")] == [True, True]

    def test_deleting_all_leaves_none(self, mail):
        mail.send_many([welcome(), welcome()])
        assert Browser(mail).client.delete("/_mail/api/messages").status_code == 204
        assert Browser(mail).messages() == []

    def test_a_deleted_message_cannot_be_read_again(self, mail):
        mail.send(welcome())
        [entry] = Inbox(mail.app).kept()
        kept = entry.kept
        before = kept.read()
        kept.delete()
        kept.delete()
        assert (before.error, kept.read()) == ("", None)

    @pytest.mark.parametrize("name", ["nothing", "../etc/passwd", "..", ".hidden", "a/b", "a%00b"])
    def test_a_name_that_is_none_of_its_own_finds_nothing(self, mail, name):
        mail.send(welcome())
        browser = Browser(mail)
        pages = [f"/messages/{name}", f"/messages/{name}/eml", f"/api/messages/{name}"]
        assert [browser.get(page).status_code for page in pages] == [404, 404, 404]
        assert browser.client.delete(f"/_mail/api/messages/{name}").status_code == 404
        assert len(browser.messages()) == 1


class TestFolder:
    def test_it_survives_a_restart(self, file_mail, folder):
        file_mail.send(welcome())
        again = make_mail("file", MAIL_FILE_PATH=folder)
        assert Browser(again).messages() == Browser(file_mail).messages()

    def test_deleting_removes_the_message_and_its_envelope_and_nothing_else(
        self, file_mail, folder
    ):
        file_mail.send(welcome())
        (folder / "notes.txt").write_text("mine")
        (folder / ".hidden.eml").write_text("mine")
        Browser(file_mail).client.delete("/_mail/api/messages")
        assert sorted(each.name for each in folder.iterdir()) == [".hidden.eml", "notes.txt"]

    def test_a_file_that_is_written_anew_is_listed_as_it_is_now(self, file_mail, folder):
        folder.mkdir()
        inbox = Inbox(file_mail.app)
        versions, found = [], []
        for number, subject in enumerate(("First", "Second")):
            (folder / "order.eml").write_bytes(f"Subject: {subject}\n\nHi\n".encode())
            os.utime(folder / "order.eml", (number, number))
            versions.append(inbox.version())
            found += [each.subject for each in inbox.find(Query())]
        assert found == ["First", "Second"]
        assert versions[0] != versions[1]

    def test_a_file_of_the_backend_is_never_looked_at(self, file_mail, folder):
        file_mail.send(welcome())
        backend = file_mail.state.selection.build("file")
        [first] = backend.kept()
        path = next(folder.glob("*.eml"))
        os.utime(path, (5, 5))
        [again] = backend.kept()
        assert again is first
        path.unlink()
        path.mkdir()
        assert backend.kept() == []

    def test_another_file_is_read_again_only_when_it_has_changed(self, file_mail, folder):
        folder.mkdir()
        path = folder / "20301231T256199_000000Z-0123456789abcdef.eml"  # not a time
        path.write_bytes(b"Subject: Hello\n\nHi\n")
        backend = file_mail.state.selection.build("file")
        [first] = backend.kept()
        [again] = backend.kept()
        assert again is first
        os.utime(path, (5, 5))
        [changed] = backend.kept()
        assert changed.id == first.id
        assert changed.date.timestamp() == 5
        assert changed.version != first.version
        path.unlink()
        assert backend.kept() == []

    def test_a_file_that_is_deleted_while_the_folder_is_read_is_left_out(
        self, tmp_path, monkeypatch
    ):
        for name in ("a", "b"):
            (tmp_path / f"{name}.eml").write_bytes(b"Subject: Hello\n\nHi\n")
        lstat = Path.lstat

        def delete_a(path):
            (tmp_path / "a.eml").unlink(missing_ok=True)
            return lstat(path)

        monkeypatch.setattr(Path, "lstat", delete_a)
        assert [each.id for each in FileBackend(tmp_path).kept()] == ["b"]

    def test_a_file_that_somebody_puts_there_is_shown_without_an_envelope(self, file_mail, folder):
        folder.mkdir()
        (folder / "from-a-friend.eml").write_bytes(b"Subject: Hello\n\nHi\n")
        assert Browser(file_mail).only()["subject"] == "Hello"
        assert Browser(file_mail).only()["envelope"] is None
        page = Browser(file_mail).text("/messages/from-a-friend?view=envelope")
        assert "Envelope unknown (this file was not written by Flask-Mail)." in page

    @pytest.mark.parametrize(
        "envelope",
        [
            b"",
            b"[" * 100_000,
            b'"text"',
            b"{}",
            b"\xff",
            json.dumps({"sender": 1, "recipients": []}).encode(),
            json.dumps({"sender": "a@b.c", "recipients": [None], "mail_options": []}).encode(),
            json.dumps({"sender": "a@b.c", "recipients": "a@b.c", "mail_options": []}).encode(),
            json.dumps({**ENVELOPE, "tags": [1]}).encode(),
            json.dumps({**ENVELOPE, "metadata": ["a"]}).encode(),
            json.dumps({**ENVELOPE, "metadata": {"a": 1}}).encode(),
        ],
        ids=range(11),
    )
    def test_an_envelope_that_cannot_be_read_is_none(self, file_mail, folder, envelope):
        folder.mkdir()
        (folder / "a.eml").write_bytes(b"Subject: Hello\n\nHi\n")
        (folder / "a.json").write_bytes(envelope)
        assert Browser(file_mail).only()["envelope"] is None

    def test_an_envelope_of_an_earlier_version_has_no_tags(self, file_mail, folder):
        folder.mkdir()
        (folder / "a.eml").write_bytes(b"Subject: Hello\n\nHi\n")
        (folder / "a.json").write_text(json.dumps(ENVELOPE))
        found = Browser(file_mail).only()
        assert found["envelope"] == ENVELOPE
        assert found["tags"] == []

    def test_links_in_the_folder_are_not_followed(self, file_mail, folder, tmp_path):
        secret = tmp_path / "secret"
        secret.write_text("Subject: secret\n\nsecret")
        folder.mkdir()
        (folder / "link.eml").symlink_to(secret)
        (folder / "a.eml").write_bytes(b"Subject: Hello\n\nHi\n")
        (folder / "a.json").symlink_to(secret)
        browser = Browser(file_mail)
        assert subjects(file_mail) == ["Hello"]
        assert "secret" not in browser.get("/messages/link").text
        browser.client.delete("/_mail/api/messages")
        assert secret.exists()

    def test_pipes_and_folders_are_no_messages_and_nothing_waits_for_them(self, file_mail, folder):
        folder.mkdir()
        os.mkfifo(folder / "pipe.eml")
        (folder / "folder.eml").mkdir()
        browser = Browser(file_mail)
        assert browser.messages() == []
        assert browser.get("/messages/pipe").status_code == 404

    def test_a_file_that_cannot_be_read_is_listed_with_the_reason(
        self, file_mail, folder, monkeypatch
    ):
        file_mail.send(welcome())

        def fail(path, most):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(file_reading, "_read", fail)
        found = Browser(file_mail).only()
        assert found["error"].endswith(".eml cannot be read: Permission denied.")
        assert "Permission denied" in Browser(file_mail).text(f"/messages/{found['id']}")
        assert "<strong>Unreadable:</strong>" in Browser(file_mail).text()
        monkeypatch.undo()
        assert Browser(file_mail).only()["error"] is None

    def test_a_file_that_is_too_large_is_listed_and_not_read(self, file_mail, folder, monkeypatch):
        monkeypatch.setattr(file_reading, "LARGEST", 1000)
        folder.mkdir()
        (folder / "large.eml").write_bytes(b"Subject: Hello\n\n" + b"x" * 3_000_000)
        found = Browser(file_mail).only()
        assert (found["size"], found["text"]) == (3_000_016, "")
        assert found["error"].startswith("This message has 3 MiB, too many to be shown")

    def test_a_file_that_grows_while_it_is_read_is_too_large_then(self, tmp_path, monkeypatch):
        (tmp_path / "a.eml").write_bytes(b"x" * 100)
        before = (tmp_path / "a.eml").stat()
        monkeypatch.setattr(file_reading, "LARGEST", 99)
        monkeypatch.setattr(
            file_reading.os, "fstat", lambda _: os.stat_result((*before[:6], 5, *before[7:10]))
        )
        [kept] = FileBackend(tmp_path).kept()
        assert "too many" in kept.read().error

    def test_a_file_that_is_gone_when_it_is_looked_at_is_left_out(self, file_mail, monkeypatch):
        file_mail.send(welcome())
        monkeypatch.setattr(file_reading, "_read_message", lambda folder, name: None)
        assert Browser(file_mail).messages() == []

    def test_a_path_that_is_no_folder_is_an_empty_inbox_with_the_reason(self, tmp_path):
        (tmp_path / "file").write_text("")
        mail = make_mail("file", MAIL_FILE_PATH=tmp_path / "file")
        assert "(MAIL_FILE_PATH) cannot be read: Not a directory." in Browser(mail).text()

    def test_a_message_that_cannot_be_deleted_is_told(self, file_mail, folder, monkeypatch):
        file_mail.send(welcome())

        def fail(path, *, missing_ok):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "unlink", fail)
        answer = Browser(file_mail).client.delete("/_mail/api/messages")
        assert answer.status_code == 409
        assert "cannot be changed: Permission denied" in answer.get_json()["error"]

    def test_a_folder_that_is_not_set_is_told(self):
        assert "MAIL_FILE_PATH" in Browser(make_mail("file")).text()


class TestOutbox:
    def test_clearing_the_outbox_clears_the_inbox(self):
        mail = make_mail()
        mail.send(welcome())
        mail.outbox.clear()
        assert Browser(mail).messages() == []

    def test_under_testing_it_shows_what_smtp_would_have_sent(self):
        mail = make_mail("smtp", TESTING=True)
        mail.send(welcome())
        assert subjects(mail) == ["Welcome"]
        assert Browser(mail).only()["backend"] == "locmem"

    @pytest.mark.parametrize("most", [8 * 2**20, 10])
    def test_a_file_that_is_gone_is_missed_only_where_it_was_too_large_to_keep(
        self, tmp_path, monkeypatch, most
    ):
        monkeypatch.setattr(copies, "MOST_KEPT", most)
        path = tmp_path / "invoice.bin"
        path.write_bytes(bytes(400_000))
        mail = make_mail()
        message = welcome()
        message.attach_file(path)
        mail.send(message)
        path.unlink()
        error = Browser(mail).only()["error"]
        assert error is None if most > 10 else "cannot be read any more" in error

    def test_deleting_goes_by_identity(self):
        class Equal(Message):
            def __eq__(self, other):
                return True

            __hash__ = None

        mail = make_mail()
        for subject in ("First", "Second"):
            mail.send(Equal(subject, ["ann@example.com"], "Hi"))
        second, _ = Browser(mail).messages()
        Browser(mail).client.delete(second["url"])
        assert subjects(mail) == ["First"]

    def test_what_is_sent_while_others_are_deleted_stays(self):
        class Busy(list):
            """The outbox of an app that sends as soon as somebody has looked through it."""

            def __iter__(self):
                yield from list(super().__iter__())
                self.append(late)

        late = Message("Late", ["ann@example.com"], "Hi")
        backend = LocmemBackend()
        backend.outbox = [welcome(), welcome()]
        kept = backend.kept()
        backend.outbox = Busy(backend.outbox)
        for each in kept:
            each.delete()
        assert {each.subject for each in backend.outbox} == {"Late"}

    def test_no_other_message_goes_where_the_program_removes_one_meanwhile(self):
        class Shifting(list):
            def __iter__(self):
                yield from list(super().__iter__())
                del self[0]

        backend = LocmemBackend()
        first, second, third = welcome(), welcome(), welcome()
        backend.outbox = [first, second, third]
        [_, kept, _] = backend.kept()
        backend.outbox = Shifting(backend.outbox)
        kept.delete()
        assert backend.outbox[-1] is third

    def test_a_message_that_the_program_has_removed_is_gone(self):
        mail = make_mail()
        mail.send(welcome())
        [message] = Browser(mail).messages()
        mail.outbox.clear()
        assert Browser(mail).client.get(message["url"]).status_code == 404

    @pytest.mark.parametrize(
        "date", [datetime(2030, 1, 2, tzinfo=timezone.utc), 1893542400, 1893542400.0]
    )
    def test_its_time_is_the_date_of_the_message(self, date):
        mail = make_mail()
        mail.send(welcome(date=date))
        assert Browser(mail).messages()[0]["date"] == "2030-01-02T00:00:00.000000+00:00"

    def test_a_message_that_a_test_put_there_without_a_date_is_of_now(self):
        backend = LocmemBackend()
        backend.outbox = [welcome()]
        [kept] = backend.kept()
        age = datetime.now(timezone.utc) - kept.date
        assert abs(age.total_seconds()) < 60


class TestMemory:
    def test_production_keeps_nothing(self):
        mail = make_mail("console")
        mail.app.debug = False
        mail.send(welcome())
        mail.app.debug = True
        assert Browser(mail).messages() == []

    def test_a_setting_that_is_wrong_is_no_reason_to_send_nothing(self):
        assert make_mail("console", MAIL_INBOX="inbox").send(welcome()).sent

    def test_a_state_without_an_app_keeps_nothing(self):
        state = Mail().init_mail({"MAIL_BACKEND": "console"}, debug=True)
        assert state.recent is None

    def test_a_backend_that_belongs_to_no_app_keeps_nothing(self, capsys):
        backend = make_mail("console").state.selection.backend()
        assert backend.send(welcome()).sent

    def test_only_the_newest_messages_are_kept(self):
        recent = Recent(messages=2)
        for subject in ("First", "Second", "Third"):
            recent.add(Outgoing.of(Message(subject, ["a@b.example"], "Hi", sender="c@d.example")))
        assert [b"Second" in each.content for each in recent.all()] == [True, False]
        assert len(recent.all()) == 2

    def test_all_together_have_a_limit_in_octets(self):
        recent = Recent(octets=15_000)
        for _ in range(3):
            recent.add(
                Outgoing.of(Message("x", ["a@b.example"], "y\n" * 2000, sender="c@d.example"))
            )
        assert len(recent.all()) == 2

    def test_a_message_that_is_too_large_is_told_and_pushes_out_no_other(self):
        mail = make_mail("console")
        mail.state._recent = Recent(octets=5000)
        mail.send(welcome())
        mail.send_message("Large", ["ann@example.com"], "y\n" * 4000)
        large, small = Browser(mail).messages()
        assert (large["error"] is None, small["error"]) == (False, None)
        assert "the file backend keeps such messages" in large["error"]


class Both(Backend[None]):
    """A wrapper backend, which the inbox sees through."""

    name = "both"
    external = False

    def __init__(self, *children):
        self.children = children

    @classmethod
    def from_options(cls, options, build):
        return cls(build("null"), build("file"), build("console"))

    def deliver(self, mail, session):
        for child in self.children:
            child.deliver(mail, None)
        return self.accepted(mail)

    def kept(self):
        for child in self.children:
            yield from child.kept() or ()


class Shelf(Backend[None]):
    """A plugin of which one message cannot be read."""

    name = "shelf"
    external = False

    def deliver(self, mail, session):
        return self.accepted(mail)

    def kept(self):
        now = datetime.now(timezone.utc)

        def fail():
            raise ZeroDivisionError

        yield Kept("good", now, lambda: StoredMessage(b"Subject: Hello\r\n\r\nHi\r\n"), list)
        yield Kept("bad", now, fail, list)


class TestOtherBackends:
    def test_the_messages_of_a_wrapper_are_those_of_its_children(self, folder):
        mail = make_mail(Both, MAIL_FILE_PATH=folder)
        mail.send(welcome())
        browser = Browser(mail)
        assert subjects(mail) == ["Welcome", "Welcome"]
        [first, _] = browser.messages()
        assert browser.client.delete(first["url"]).status_code == 204
        assert len(browser.messages()) == 1
        browser.client.delete("/_mail/api/messages")
        assert browser.messages() == list(folder.glob("*")) == []

    def test_a_message_of_a_plugin_that_cannot_be_read_hides_no_other(self):
        bad, good = Browser(make_mail(Shelf)).messages()
        assert bad["error"] == "This message cannot be read: ZeroDivisionError."
        assert (good["subject"], good["size"]) == ("Hello", 22)


@pytest.mark.parametrize("backend", ["smtp", "null"])
def test_a_backend_that_keeps_nothing_is_told(backend):
    page = Browser(make_mail(backend)).text()
    assert f"The {backend} backend does not keep messages" in page
    assert Browser(make_mail(backend)).get("/api/messages").status_code == 409
