"""Sending a message of the inbox once more, to an address that was typed in."""

from __future__ import annotations

import re
from typing import ClassVar

import pytest
from inbox_support import Browser, make_mail, welcome
from servers import Recorder, smtp_server

from flask_mail import Message, email_dispatched
from flask_mail.backends import Backend, Feature
from flask_mail.backends.entry_points import Installed
from flask_mail.extension.mailers import Selection
from flask_mail.inbox import resending
from flask_mail.inbox.failures import failures_of


@pytest.fixture
def recorder():
    return Recorder(answers={"nobody@example.org": "550 5.1.1 no such user"})


@pytest.fixture
def mail(recorder, tmp_path):
    with smtp_server(recorder) as server:
        yield make_mail(
            "file",
            MAIL_FILE_PATH=tmp_path,
            MAIL_SERVER=server.host,
            MAIL_PORT=server.port,
            MAIL_POOL_SIZE=0,
            MAIL_ALLOWED_RECIPIENTS=["*@example.com", "*@example.org"],
        )


def resend(mail, to="me@example.org", backend="smtp"):
    browser = Browser(mail)
    return browser.post(f"/messages/{browser.messages()[0]['id']}/resend", to=to, backend=backend)


def test_it_goes_to_the_address_alone_as_it_was(mail, recorder, tmp_path):
    mail.send(welcome(cc=["bob@example.com"]))
    answer = resend(mail)

    assert answer.status_code == 200
    assert "sent by smtp: 250 2.0.0 queued as" in answer.text
    [envelope] = recorder.accepted
    assert (envelope.mail_from, envelope.rcpt_tos) == ("shop@example.com", ["me@example.org"])
    [path] = tmp_path.glob("*.eml")
    assert envelope.content == path.read_bytes()


class FieldsBackend(Backend[None]):
    """A service that wants the fields one by one."""

    name = "fields"
    features = Backend.features | {Feature.TAGS, Feature.METADATA}
    taken: ClassVar[list[tuple[object, ...]]] = []

    def deliver(self, mail, session):
        names = [each.filename for each in mail.message.attachments]
        self.taken.append((mail.message.body, mail.tags, mail.metadata, names, mail.content))
        return self.accepted(mail)


@pytest.fixture
def fields(monkeypatch):
    """The backend, as if it were installed."""
    declared = Installed("fields", f"{__name__}:FieldsBackend", "Fields", "1")
    monkeypatch.setattr(resending, "installed", lambda: [declared])
    monkeypatch.setattr(Selection, "_class_of", chosen(Selection._class_of))
    monkeypatch.setattr(FieldsBackend, "taken", [])
    return FieldsBackend.taken


def chosen(class_of):
    return lambda self, name, *definition: (
        FieldsBackend if name == "fields" else class_of(self, name, *definition)
    )


def test_a_backend_that_looks_at_fields_has_them_too(mail, fields):
    mail.send(welcome(tags=["welcome"], metadata={"order": 4711}))
    assert resend(mail, backend="fields").status_code == 200

    [(body, tags, metadata, names, _)] = fields
    assert body.startswith("Hello Ann")
    assert (tags, metadata) == (("welcome",), {"order": "4711"})
    assert "invoice.html" in names


def test_a_message_that_a_queue_takes_is_shown_as_queued(mail, fields, monkeypatch):
    monkeypatch.setattr(
        FieldsBackend, "deliver", lambda self, message, session: self.queued(message, "row 7")
    )
    mail.preview("welcome")(welcome)
    mail.send(welcome())
    preview = Browser(mail).post("/previews/welcome/resend", to="me@example.org", backend="fields")
    for answer in (resend(mail, backend="fields"), preview):
        assert answer.status_code == 200
        assert "<h1>Queued</h1>" in answer.text
        assert "queued by fields: row 7" in answer.text
        assert "notice bad" not in answer.text


def test_a_message_that_a_queue_takes_is_no_failure(mail, fields, monkeypatch):
    monkeypatch.setattr(
        FieldsBackend, "deliver", lambda self, message, session: self.queued(message)
    )
    mail.app.config["MAIL_BACKEND"] = "fields"
    assert mail.send(welcome()).outcome.value == "queued"
    assert failures_of(mail.app).entries() == []


def test_what_we_would_not_write_goes_as_it_is(mail, fields, tmp_path):
    content = (
        b"From: ann@example.com\r\nContent-Type: image/x\r\n"
        b"Content-Disposition: a b; filename=x\r\n\r\nx\r\n"
    )
    (tmp_path / "a.eml").write_bytes(content)
    assert resend(mail, backend="fields").status_code == 200

    [(*_, sent)] = fields
    assert sent == content


def test_the_inbox_does_not_list_it_again(mail):
    mail.send(welcome())
    resend(mail)
    assert len(Browser(mail).messages()) == 1


def test_a_bounce_stays_one_that_does_not_bounce(mail, recorder):
    with mail.connect() as connection:
        connection.send(welcome(), envelope_from="<>")
    resend(mail)
    assert recorder.accepted[0].mail_from == "<>"


def test_a_file_without_an_envelope_is_sent_in_the_name_of_its_sender(mail, recorder, tmp_path):
    (tmp_path / "a.eml").write_bytes(b"From: ann@example.com\r\nSubject: Hi\r\n\r\nHi\r\n")
    resend(mail)
    assert recorder.accepted[0].mail_from == "ann@example.com"


def test_a_file_without_a_sender_is_sent_in_the_name_of_the_default_one(mail, recorder, tmp_path):
    (tmp_path / "a.eml").write_bytes(b"Subject: Hi\r\n\r\nHi\r\n")
    resend(mail)
    assert recorder.accepted[0].mail_from == "shop@example.com"


def test_signals_tell_of_it(mail):
    told = []

    def record(app, message, receipt):
        told.append((app, message.recipients, receipt.backend))

    mail.send(welcome())
    with email_dispatched.connected_to(record):
        resend(mail)
    assert told == [(mail.app, ["me@example.org"], "smtp")]


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("", "recipient"),
        ("nobody@example.org", "550"),
        ("a@example.org, b@example.org", "recipient"),
        ("a@example.org\r\nRCPT TO:<b@example.org>", "recipient"),
    ],
)
def test_what_cannot_be_sent_is_told(mail, recorder, to, reason):
    mail.send(welcome())
    answer = resend(mail, to)
    assert answer.status_code == 422
    assert reason in answer.text
    assert recorder.accepted == []


@pytest.mark.parametrize("backend", ["file", "null", "nothing", "os:system"])
def test_only_backends_that_send_can_be_chosen(mail, backend):
    mail.send(welcome())
    answer = resend(mail, backend=backend)
    assert answer.status_code == 422
    assert "Choose an installed backend that sends mail" in answer.text


def test_an_answer_that_says_nothing_is_left_out(mail, monkeypatch):
    from flask_mail.inbox import resending

    mail.send(welcome())
    # One that sends without leaving anything to tell.
    monkeypatch.setattr(resending, "backends", lambda inbox: ["null"])
    assert "sent by null." in resend(mail, backend="null").text


@pytest.mark.parametrize("config", [{"TESTING": True}, {"MAIL_SUPPRESS_SEND": True}])
def test_where_mail_is_suppressed_nothing_is_sent(mail, recorder, config):
    mail.app.config.update(config)
    mail.send(welcome())
    page = Browser(mail).text(f"/messages/{Browser(mail).messages()[0]['id']}")
    assert "Sends the unchanged message" not in page
    assert resend(mail).status_code == 422
    assert recorder.accepted == []


def test_a_server_that_cannot_be_reached_is_told(mail):
    mail.send(welcome())
    mail.app.config["MAIL_PORT"] = 1
    answer = resend(mail)
    assert answer.status_code == 422
    assert "127.0.0.1:1" in answer.text


def test_a_message_that_cannot_be_read_is_not_sent(mail, recorder, tmp_path):
    nested = b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(30)
    )
    (tmp_path / "deep.eml").write_bytes(nested)
    assert resend(mail).status_code == 422
    assert recorder.accepted == []


def test_a_message_that_is_gone_is_not_sent(mail):
    mail.send(welcome())
    assert Browser(mail).post("/messages/gone/resend", to="me@example.org").status_code == 404


def test_a_plugin_that_is_broken_is_no_choice(mail, monkeypatch):
    broken = Installed("broken", "no.such.module:Backend", "Broken", "1")
    monkeypatch.setattr(resending, "installed", lambda: [broken])
    mail.send(Message("Hi", ["ann@example.com"], "Hi"))
    page = Browser(mail).text(f"/messages/{Browser(mail).messages()[0]['id']}")
    assert "Sends the unchanged message" not in page


def test_the_form_is_there_once_the_settings_say_whom_mail_may_reach(mail):
    mail.send(welcome())
    page = Browser(mail).text(f"/messages/{Browser(mail).messages()[0]['id']}")
    assert "Sends the unchanged message" in page
    assert '<option value="smtp"' in page or ">smtp<" in page


def test_without_an_allow_list_nothing_is_sent(mail, recorder):
    """Or the inbox would send what it keeps to any address."""
    del mail.app.config["MAIL_ALLOWED_RECIPIENTS"]
    mail.send(welcome())
    page = Browser(mail).text(f"/messages/{Browser(mail).messages()[0]['id']}")
    answer = resend(mail)

    assert "Sends the unchanged message" not in page
    assert answer.status_code == 422
    assert "Set MAIL_ALLOWED_RECIPIENTS to the addresses" in answer.text
    assert recorder.accepted == []


def test_redirected_mail_may_be_sent_again(mail, recorder):
    del mail.app.config["MAIL_ALLOWED_RECIPIENTS"]
    mail.send(welcome())
    mail.app.config["MAIL_REDIRECT_TO"] = "qa@example.com"
    assert resend(mail, "stranger@example.net").status_code == 200
    assert [each.rcpt_tos for each in recorder.accepted] == [["qa@example.com"]]


def test_an_allow_list_that_cannot_be_read_sends_nothing(mail, recorder):
    mail.send(welcome())
    mail.app.config["MAIL_ALLOWED_RECIPIENTS"] = 5
    page = Browser(mail).text(f"/messages/{Browser(mail).messages()[0]['id']}")
    answer = resend(mail)

    assert "Sends the unchanged message" not in page
    assert answer.status_code == 422
    assert "MAIL_ALLOWED_RECIPIENTS must be" in answer.text
    assert recorder.accepted == []


def test_it_reaches_nobody_whom_mail_must_not_reach(mail, recorder):
    mail.app.config["MAIL_ALLOWED_RECIPIENTS"] = "*@example.com"
    mail.send(welcome())
    assert resend(mail, "me@example.org").status_code == 422
    mail.app.config["MAIL_REDIRECT_TO"] = "qa@example.com"
    assert resend(mail, "me@example.org").status_code == 200

    assert [each.rcpt_tos for each in recorder.accepted] == [["qa@example.com"]]


def test_a_test_with_an_outbox_gets_what_is_sent_again(mail, recorder, outbox):
    mail.app.config["MAIL_BACKEND"] = "locmem"  # which keeps it for the inbox all the same
    mail.send(welcome())
    assert resend(mail).status_code == 200

    assert outbox.to("me@example.org")
    assert recorder.accepted == []


def test_a_preview_goes_to_the_address_as_it_is_shown(mail, recorder):
    mail.preview("user/welcome")(welcome)
    browser = Browser(mail)
    assert "Sends the unchanged message" in browser.text("/previews/user/welcome")
    mail.send(welcome())  # so that the list has a form
    answer = browser.post("/previews/user/welcome/resend", to="me@example.org", backend="smtp")
    assert "sent by smtp" in answer.text
    assert "Back to the preview" in answer.text
    [envelope] = recorder.accepted
    assert envelope.rcpt_tos == ["me@example.org"]
    assert b"Subject: Welcome" in envelope.content


def test_a_preview_that_cannot_be_sent_says_why(mail, recorder):
    mail.preview("draft")(lambda: Message("Draft"))
    mail.send(welcome())
    answer = Browser(mail).post("/previews/draft/resend", to="me@example.org", backend="smtp")
    assert answer.status_code == 422
    assert "No recipients" in answer.text
    assert recorder.accepted == []


def test_a_failed_attempt_is_shown_once(mail):
    mail.send(welcome())
    assert resend(mail, to="nobody@example.org").status_code == 422
    assert len(Browser(mail).messages()) == 1


def test_without_an_allow_list_the_page_says_what_to_set(mail):
    del mail.app.config["MAIL_ALLOWED_RECIPIENTS"]
    mail.send(welcome())
    browser = Browser(mail)
    path = f"/messages/{browser.messages()[0]['id']}"
    assert "<code>MAIL_ALLOWED_RECIPIENTS</code>" in browser.text(path)
    mail.app.config["MAIL_SUPPRESS_SEND"] = True
    assert "Send to" not in browser.text(path)


def test_smtp_is_offered_first(mail):
    mail.send(welcome())
    page = Browser(mail).text(f"/messages/{Browser(mail).messages()[0]['id']}")
    assert re.search(r'<select id="backend" name="backend">\s*<option>smtp</option>', page)
