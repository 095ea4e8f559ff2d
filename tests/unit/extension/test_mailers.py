"""Several mailers in one app: names, options, receipts, tests."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import traceback
from typing import Any

import pytest
from flask import Flask
from servers import Recorder, smtp_server

from flask_mail import (
    ConfigurationError,
    Mail,
    MailerNotFound,
    Message,
    Outcome,
    UnsupportedFeature,
    email_dispatched,
    email_failed,
    email_queued,
    email_sending,
)
from flask_mail.backends import Backend, Feature
from flask_mail.backends.locmem import LocmemBackend


def hello(**given: Any) -> Message:
    return Message("Hi", ["to@example.com"], "Hello", sender="from@example.com", **given)


def mail_of(**config: Any) -> Mail:
    app = Flask(__name__)
    app.config.update(config)
    return Mail(app)


class WrappingBackend(Backend[None]):
    """Made of one other mailer, which it calls."""

    name = "wrapping"
    api_version = 1

    def __init__(self, *, mailer: Any) -> None:
        self.child = mailer

    @classmethod
    def parts(cls, options):
        return [options["mailer"]] if "mailer" in options else []

    @classmethod
    def from_options(cls, options, build):
        return cls(**{**options, "mailer": build(options["mailer"])})

    def deliver(self, mail, session):
        self.child.check(mail)
        return self.child.attempt(mail, self.child.open())


class QueueBackend(Backend[None]):
    """Stores messages, which `work` delivers by another mailer."""

    name = "toyqueue"
    api_version = 1

    def __init__(self, *, mailer: str = "smtp") -> None:
        self.next = mailer
        self.stored: list[Any] = []

    def deliver(self, mail, session):
        self.stored.append(mail)
        return self.queued(mail, str(len(self.stored)))


class NarrowBackend(Backend[None]):
    """Supports nothing that is optional."""

    name = "narrow"
    api_version = 1
    features: frozenset[Feature] = frozenset()

    def deliver(self, mail, session):
        return self.accepted(mail)


def test_each_mailer_has_its_own_account():
    first_recorder, second_recorder = Recorder(), Recorder()

    def login(recorder):
        return {"authenticator": recorder.authenticate, "auth_require_tls": False}

    with (
        smtp_server(first_recorder, **login(first_recorder)) as first,
        smtp_server(second_recorder, **login(second_recorder)) as second,
    ):
        account = {"USERNAME": "bob", "PASSWORD": "s3cret-pässword"}
        bulk = {"SERVER": "127.0.0.1", "PORT": second.port, **account}
        default = f"smtp://ann:s3cret-p%C3%A4ssword@127.0.0.1:{first.port}"
        mail = mail_of(MAIL_MAILERS={"default": default, "bulk": bulk})
        threads = [
            threading.Thread(target=lambda use=use: [use.send(hello()) for _ in range(5)])
            for use in (mail, mail.using("bulk"))
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(first_recorder.accepted) == len(second_recorder.accepted) == 5
        assert {*first_recorder.logins} == {("ann", "s3cret-pässword")}
        assert {*second_recorder.logins} == {("bob", "s3cret-pässword")}
        mail.close()


PROGRAM = r"""
import os, sys
from flask import Flask
from flask_mail import Mail, Message

ann, bob = (
    f"smtp://{name}:s3cret-p%C3%A4ssword@127.0.0.1:{port}"
    for name, port in zip(("ann", "bob"), sys.argv[1:])
)
app = Flask("shop")
app.config.update(
    MAIL_DEFAULT_SENDER="a@example.com", MAIL_MAILERS={"default": ann, "bulk": bob}
)
mail = Mail(app)

def send():
    for name in ("default", "bulk"):
        mail.using(name).send(Message("Hi", [f"{name}@example.com"]))

send()
child = os.fork()
send()
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
app.config["MAIL_MAILERS"] = {"default": bob, "bulk": ann}
send()
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_accounts_are_kept_apart_after_a_fork_and_a_change():
    ann, bob = Recorder(), Recorder()
    with (
        smtp_server(ann, authenticator=ann.authenticate, auth_require_tls=False) as first,
        smtp_server(bob, authenticator=bob.authenticate, auth_require_tls=False) as second,
    ):
        arguments = [sys.executable, "-c", PROGRAM, str(first.port), str(second.port)]
        subprocess.run(arguments, check=True, timeout=60)
    for recorder, name, before, after in (
        (ann, "ann", "default", "bulk"),
        (bob, "bob", "bulk", "default"),
    ):
        recipients = [each.rcpt_tos for each in recorder.accepted]
        assert recipients == [[f"{each}@example.com"] for each in (before, before, before, after)]
        # The parent's, the child's, and that of the mailer which was built anew.
        assert recorder.logins == [(name, "s3cret-pässword")] * 3


def test_receipt_and_outbox_name_the_mailer():
    mail = mail_of(TESTING=True, MAIL_MAILERS={"bulk": "smtp://bulk.example.com"})
    assert mail.send(hello()).mailer == "default"
    assert mail.using("bulk").send(hello()).mailer == "bulk"
    receipts = mail.using("bulk").send_many([hello(), hello()])
    assert [each.mailer for each in receipts] == ["bulk", "bulk"]
    assert [each.mailer for each in mail.outbox] == ["default", "bulk", "bulk", "bulk"]


def test_using_offers_the_methods_of_mail():
    mail = mail_of(TESTING=True, MAIL_MAILERS={"bulk": "smtp://bulk.example.com"})
    bulk = mail.using("bulk")
    with bulk.record_messages() as recorded, bulk.connect() as connection:
        connection.send(hello())
        bulk.send_message("Hi", ["to@example.com"], "x", sender="from@example.com")
        mail.send(hello())
    assert len(recorded) == 2
    assert bulk.app is mail.app
    assert repr(bulk) == "<Mailer 'bulk'>"
    assert bulk.using("default").send(hello()).mailer == "default"


def test_using_works_without_an_app_of_its_own():
    app = Flask(__name__)
    app.config.update(TESTING=True, MAIL_MAILERS={"bulk": "null"})
    mail = Mail()
    mail.init_app(app)
    bulk = mail.using("bulk")
    with app.app_context():
        assert bulk.send(hello()).backend == "null"


def test_closing_a_mailer_closes_those_of_its_app():
    mail, other = mail_of(MAIL_BACKEND="null"), mail_of(MAIL_BACKEND="null")
    bulk = mail.using("default")
    assert bulk._selections() == mail._selections() != other._selections()


def test_unknown_mailer_is_an_error_with_a_hint():
    mail = mail_of(TESTING=True, MAIL_MAILERS={"bulk": "null"})
    with pytest.raises(MailerNotFound, match=r"no mailer 'bulc'; did you mean 'bulk'\?") as raised:
        mail.using("bulc").send(hello())
    assert isinstance(raised.value, (ConfigurationError, LookupError))
    assert "default, bulk" in str(raised.value)


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        (["bulk"], "MAIL_MAILERS must be a dict"),
        ({1: "null"}, "MAIL_MAILERS must be a dict"),
        ({"": "null"}, "MAIL_MAILERS must be a dict"),
        ({"bulk": 5}, r"MAIL_MAILERS\['bulk'\] must be a dict of options, a URL"),
        ({"bulk": ""}, r"MAIL_MAILERS\['bulk'\] must be a dict of options, a URL"),
        ({"bulk": {"BACKEND": None}}, r"MAIL_MAILERS\['bulk'\]\['BACKEND'\] is None"),
        ({"bulk": {"PORT": 1, "port": 2}}, r"MAIL_MAILERS\['bulk'\] has the option 'port' twice"),
        ({"bulk": {"BACKEND": "nil"}}, r"MAIL_MAILERS\['bulk'\]\['BACKEND'\] 'nil' is not inst"),
        ({"bulk": "nil"}, r"MAIL_MAILERS\['bulk'\] 'nil' is not installed"),
        ({"bulk": {"PROT": 25}}, r"MAIL_MAILERS\['bulk'\]\['PROT'\] is not an option of Smtp"),
        ({"bulk": {"PORT": "x"}}, r"MAIL_MAILERS\['bulk'\]\['PORT'\] must be a whole number"),
        ({"bulk": {"BACKEND": "file"}}, r"needs MAIL_MAILERS\['bulk'\]\['PATH'\]"),
        (
            {"bulk": {"USERNAME": "ann"}},
            r"^MAIL_MAILERS\['bulk'\]\['USERNAME'\] is set, but neither",
        ),
    ],
)
def test_wrong_definition_is_an_error_that_names_it(tables, problem):
    with pytest.raises(ConfigurationError, match=problem):
        mail_of(MAIL_MAILERS=tables).using("bulk").send(hello())


@pytest.mark.parametrize("name", ["turnkey", "pass_through", "url"])
@pytest.mark.parametrize(
    ("mailer", "shown"),
    [
        ({"PORT": "x"}, True),
        ("smtp://localhost?port=x", True),
        ({"BACKEND": "throttle", "MAILER": "null", "RATE": "x"}, True),
        ({"BACKEND": "failover", "MAILERS": ["null"], "RETRY_AFTER": "x"}, True),
        ({"BACKEND": "roundrobin", "MAILERS": ["null"], "WEIGHTS": "x"}, True),
        ({"TIMEOUT": -1}, True),
        ({"PASSWORD": ["x"]}, False),
    ],
)
def test_name_of_a_mailer_does_not_decide_what_is_secret(name, mailer, shown):
    with pytest.raises(ConfigurationError) as raised:
        mail_of(MAIL_MAILERS={name: mailer}).using(name).send(hello())
    assert ("a value of type" not in str(raised.value)) is shown


def test_mailer_may_not_have_the_name_of_another_backend():
    mail = mail_of(MAIL_MAILERS={"console": {"BACKEND": "null"}, "null": {"BACKEND": "null"}})
    with pytest.raises(ConfigurationError, match="has the name of the backend 'console'"):
        mail.using("console").send(hello())
    assert mail.using("null").send(hello()).mailer == "null"


def test_password_in_a_table_is_a_secret():
    table = {"SERVER": "127.0.0.1", "USERNAME": "ann", "PASSWORD": "s3cret"}
    selection = mail_of(MAIL_MAILERS={"bulk": table}).state.selection
    options = selection.definitions.find("bulk").options(selection.backend_class("bulk"))
    assert "s3cret" not in repr(options)
    assert "s3cret" not in repr(selection.definitions.find("bulk"))
    assert options["password"].reveal() == "s3cret"


@pytest.mark.parametrize(
    "mailer",
    [
        {"USERNAME": "ann", "PASSWORD": b"s3cret"},
        {"USERNAME": "ann", "PASSWORD": True, "OAUTH2_TOKEN": "s3cret"},
        {"USERNAME": "ann", "PASSWROD": "s3cret"},
        {"BACKEND": "smtp:/ann:s3cret@smtp.example.com"},
        "smtp:/ann:s3cret@smtp.example.com",
        "smtp:ann:s3cret",
        "{'USERNAME': 'ann', 'PASSWORD': 's3cret'}",
    ],
)
def test_frames_of_a_wrong_mailer_show_no_password(mailer):
    """Tracebacks such as those of the debugger show the variables of each frame."""
    mail = mail_of(MAIL_MAILERS={"bulk": mailer})
    with pytest.raises(ConfigurationError, match=r"MAIL_MAILERS\['bulk'\]") as raised:
        mail.using("bulk").send(hello())
    stack = traceback.TracebackException.from_exception(raised.value, capture_locals=True).stack
    own = [each for each in stack if "/flask_mail/" in each.filename]
    assert own
    assert "s3cret" not in f"{raised.value}{[each.locals for each in own]}"


_ACCOUNT = "smtp://ann:s3cret@smtp.example.com"


@pytest.mark.parametrize("testing", [False, True])
@pytest.mark.parametrize(
    "table",
    [
        {"BACKEND": "failover", "MAILERS": ["null", _ACCOUNT]},
        {"BACKEND": "failover", "MAILERS": f"null, {_ACCOUNT}"},
        {"BACKEND": "failover", "MAILERS": [{"USERNAME": "ann", "PASSWORD": "s3cret"}]},
        {"BACKEND": "roundrobin", "MAILERS": {"a": {"PASSWORD": "s3cret"}}},
        {"BACKEND": "routes", "RULES": [{"mailer": _ACCOUNT}]},
        {"BACKEND": "routes", "RULES": [{"mailer": {"PASSWORD": "s3cret"}}]},
        {"BACKEND": "throttle", "RATE": "1/hour", "MAILER": "smtp:/ann:s3cret@h"},
        {"BACKEND": "throttle", "RATE": "1/hour", "MAILER": {"PASSWORD": "s3cret"}},
        {"BACKEND": "dkim", "MAILER": {"PASSWORD": "s3cret"}},
    ],
)
def test_account_in_place_of_a_name_is_an_error_that_hides_it(table, testing):
    mail = mail_of(TESTING=testing, MAIL_MAILERS={"bulk": table})
    with pytest.raises(ConfigurationError, match=r"MAIL_MAILERS\['bulk'\]") as raised:
        mail.using("bulk").send(hello())
    stack = traceback.TracebackException.from_exception(raised.value, capture_locals=True).stack
    own = [each for each in stack if "/flask_mail/" in each.filename]
    assert own
    assert "s3cret" not in f"{raised.value}{[each.locals for each in own]}"


def test_unknown_part_of_a_flat_composite_is_named():
    mail = mail_of(
        MAIL_BACKEND="failover", MAIL_FAILOVER_MAILERS="nul", MAIL_MAILERS={"bulk": "null"}
    )
    with pytest.raises(
        MailerNotFound,
        match="The failover backend delivers by 'nul', .* mean 'null'.*Mailers: default, bulk",
    ):
        mail.send(hello())


@pytest.mark.parametrize("testing", [False, True])
def test_default_of_the_flat_settings_can_be_a_part_of_others(testing):
    bulk = {"BACKEND": "throttle", "MAILER": "default", "RATE": "1/hour"}
    mail = mail_of(TESTING=testing, MAIL_BACKEND="locmem", MAIL_MAILERS={"bulk": bulk})
    assert mail.using("bulk").send(hello()).backend == "locmem"
    selection = mail.state.selection
    assert selection.build("bulk").children == (selection.build("locmem"),)
    assert selection.child_target("default")[0] is selection.build("locmem")


@pytest.mark.parametrize("testing", [False, True])
@pytest.mark.parametrize("name", ["default", "failover"])
def test_flat_composite_may_not_be_made_of_itself(name, testing):
    mail = mail_of(TESTING=testing, MAIL_BACKEND="failover", MAIL_FAILOVER_MAILERS=name)
    with pytest.raises(ConfigurationError, match="is made of itself"):
        mail.send(hello())


@pytest.mark.parametrize("name", [5, None, ["bulk"], b"bulk", ""])
def test_name_that_is_not_text_is_that_of_no_mailer(name):
    with pytest.raises(MailerNotFound, match="MAIL_MAILERS has no mailer "):
        mail_of(MAIL_MAILERS={"bulk": "null"}).using(name).send(hello())


def test_backend_is_kept_until_its_own_options_change():
    tables = {"one": {"SERVER": "one.example.com"}, "two": {"SERVER": "two.example.com"}}
    mail = mail_of(MAIL_MAILERS=tables)
    selection = mail.state.selection
    one, two = selection.build("one"), selection.build("two")
    assert one is not two
    assert selection.build("one") is one
    tables["two"]["SERVER"] = "three.example.com"
    assert selection.build("one") is one
    assert selection.build("two").server.host == "three.example.com"
    tables["one"] = {"BACKEND": "null"}
    assert selection.build("one").name == "null"


def test_mailer_made_of_others_is_built_again_when_they_change():
    inner = {"SERVER": "one.example.com"}
    tables = {"outer": {"BACKEND": WrappingBackend, "MAILER": "inner"}, "inner": inner}
    selection = mail_of(MAIL_MAILERS=tables).state.selection
    outer = selection.build("outer")
    assert outer.child is selection.build("inner")
    inner["SERVER"] = "two.example.com"
    assert selection.build("outer") is not outer
    assert selection.build("outer").child.server.host == "two.example.com"


def test_mailer_made_of_itself_is_an_error_but_one_class_twice_is_not():
    tables = {
        "a": {"BACKEND": WrappingBackend, "MAILER": "b"},
        "b": {"BACKEND": WrappingBackend, "MAILER": "c"},
        "c": "null",
        "loop": {"BACKEND": WrappingBackend, "MAILER": "back"},
        "back": {"BACKEND": WrappingBackend, "MAILER": "loop"},
    }
    mail = mail_of(MAIL_MAILERS=tables)
    assert mail.using("a").send(hello()).backend == "null"
    for mail.app.config["TESTING"] in (False, True):
        with pytest.raises(ConfigurationError, match="The mailer 'loop' is made of itself"):
            mail.using("loop").send(hello())


def test_default_in_the_tables_replaces_the_flat_settings():
    mail = mail_of(MAIL_BACKEND="smtp", MAIL_SERVER="flat", MAIL_MAILERS={"default": "null"})
    assert mail.send(hello()).backend == "null"
    assert mail.state.selection.chosen() == ("default", "MAIL_MAILERS['default']")


def test_external_mailers_are_replaced_in_tests_and_local_ones_are_not(tmp_path):
    tables = {"bulk": "smtp://bulk.example.com", "kept": {"BACKEND": "file", "PATH": str(tmp_path)}}
    mail = mail_of(TESTING=True, MAIL_MAILERS=tables)
    assert mail.using("bulk").send(hello()).backend == "locmem"
    assert mail.using("kept").send(hello()).backend == "file"
    mail.app.config["MAIL_SUPPRESS_SEND"] = True
    mail.app.config["TESTING"] = False
    assert mail.using("bulk").send(hello()).backend == "null"


def test_test_refuses_what_none_of_the_parts_could_send():
    tables = {
        "outer": {"BACKEND": WrappingBackend, "MAILER": "narrow"},
        "narrow": {"BACKEND": NarrowBackend},
    }
    mail = mail_of(TESTING=True, MAIL_MAILERS=tables)
    with pytest.raises(UnsupportedFeature, match="The narrow backend does not support tags"):
        mail.using("outer").send(hello(tags=["x"]))
    assert mail.using("outer").send(hello())
    assert mail.outbox[0].mailer == "outer"


def test_test_refuses_what_the_queue_behind_a_composite_could_not_store():
    class NarrowQueue(NarrowBackend):
        name = "narrowqueue"
        is_queue = True

    tables = {
        "outer": {"BACKEND": WrappingBackend, "MAILER": "stored"},
        "stored": {"BACKEND": NarrowQueue},
    }
    mail = mail_of(TESTING=True, MAIL_MAILERS=tables)
    with pytest.raises(UnsupportedFeature, match="The narrowqueue backend does not support tags"):
        mail.using("outer").send(hello(tags=["x"]))
    assert mail.using("outer").send(hello())


def test_backend_knows_its_mailer_app_and_settings():
    mail = mail_of(MAIL_MAILERS={"bulk": {"BACKEND": NarrowBackend}}, MAIL_BACKEND=NarrowBackend)
    bulk, flat = mail.state.selection.build("bulk"), mail.state.selection.backend()
    assert (bulk.mailer, bulk.app) == ("bulk", mail.app)
    assert bulk.setting("key") == "MAIL_MAILERS['bulk']['KEY']"
    assert bulk.parts({}) == ()
    assert (flat.mailer, flat.setting("key")) == ("narrow", "MAIL_NARROW_KEY")


def test_queue_takes_a_message_and_another_backend_dispatches_it():
    heard: list[Any] = []
    signals = (email_sending, email_queued, email_dispatched, email_failed)

    def hear(signal):
        def receiver(app, message, receipt):
            heard.append((signal.name, None if receipt is None else receipt.outcome))

        signal.connect(receiver, weak=False)

    for each in signals:
        hear(each)
    mail = mail_of(MAIL_BACKEND=QueueBackend)
    receipt = mail.send(hello())
    assert (receipt.outcome, receipt.response) == (Outcome.QUEUED, "1")
    assert receipt.taken
    assert not receipt.sent
    assert receipt.error is None
    [stored] = mail.state.selection.backend().stored
    worker = LocmemBackend()
    assert worker.dispatch(stored, app=mail.app).outcome is Outcome.SENT
    assert [each.sent for each in worker.dispatch_many([stored, stored])] == [True, True]
    assert heard[:3] == [
        ("email-sending", None),
        ("email-queued", Outcome.QUEUED),
        ("email-dispatched", Outcome.SENT),
    ]
    assert [name for name, _ in heard[3:]] == ["email-dispatched"] * 2


def test_child_of_a_queue_may_be_a_mailer_or_a_backend():
    selection = mail_of(MAIL_MAILERS={"bulk": "null"}).state.selection
    for name, backend in (("bulk", "null"), ("locmem", "locmem")):
        child, policy = selection.child_target(name)
        assert (child.name, policy.mailer) == (backend, name)
    with pytest.raises(ConfigurationError, match="'blk' is not installed"):
        selection.child_target("blk")


def test_receiver_of_email_queued_that_raises_propagates_in_tests_only():
    def receiver(app):
        raise RuntimeError("no")

    mail = mail_of(MAIL_BACKEND=QueueBackend)
    with email_queued.connected_to(receiver):
        assert mail.send(hello()).taken
        mail.app.config["PROPAGATE_EXCEPTIONS"] = True
        with pytest.raises(RuntimeError):
            mail.send(hello())
