"""Unsupported features are an error before anything is sent, even if the backend is replaced."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from flask import Flask

from flask_mail import (
    Attachment,
    ConfigurationError,
    Mail,
    Message,
    MessageError,
    Outcome,
    Outgoing,
    UnsupportedFeature,
)
from flask_mail.backends import IN_FIELDS, Backend, Feature
from flask_mail.backends.console import ConsoleBackend
from flask_mail.backends.smtp import SmtpBackend


@dataclass(frozen=True)
class Stamp:
    """Message options of the pigeon backend."""

    value: int
    color: str = "red"

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ConfigurationError("the value must not be negative")
        if self.value > 1000:
            raise ValueError("nobody pays that")


class PigeonBackend(Backend[None]):
    """Declares what it can do."""

    name = "pigeon"
    features = Backend.features - {Feature.ATTACHMENTS, Feature.NO_BOUNCES} | {Feature.TAGS}
    max_recipients = 3
    max_size = 5000
    message_options = Stamp

    def __init__(self) -> None:
        self.arrived: list[tuple[Outgoing, object]] = []

    def deliver(self, mail, session):
        given = mail.message.options
        self.arrived.append((mail, self.options_of(mail) if given.get("pigeon") else None))
        return self.accepted(mail)


class InFieldsBackend(Backend[None]):
    """A service that takes fields."""

    name = "infields"
    features = IN_FIELDS

    def deliver(self, mail, session):
        return self.accepted(mail)


class CourierBackend(Backend[None]):
    """Is made of another one."""

    name = "courier"
    features = frozenset(Feature)

    def __init__(self, child: Backend[None]) -> None:
        self.child = child
        self.features = child.features

    def deliver(self, mail, session):
        self.child.check(mail)
        return self.child.deliver(mail, session)


def message(**fields):
    return Message(
        **{
            "subject": "Hello",
            "recipients": ["ann@example.com"],
            "sender": "shop@example.com",
            "body": "Hi",
            "options": {"pigeon": {"value": 80}},
            **fields,
        }
    )


def with_file():
    found = message()
    found.attach("a.txt", "text/plain", "a")
    return found


WITHOUT = [
    (with_file(), {}, "attachments"),
    (message(), {"envelope_from": "<>"}, "an empty envelope sender"),
    (message(metadata={"order": 1}), {}, "metadata"),
    (message(rcpt_options=["NOTIFY=NEVER"]), {}, "ESMTP options"),
    (message(mail_options=["REQUIRETLS"]), {}, "ESMTP options"),
    (message(recipients=[f"r{n}@example.com" for n in range(4)]), {}, "more than 3 recipients"),
    (message(body="x" * 5000), {}, "messages of more than 5000 octets"),
]


@pytest.mark.parametrize(("asking", "how", "named"), WITHOUT)
def test_what_a_backend_cannot_do_is_refused_before_it_has_the_message(asking, how, named):
    backend = PigeonBackend()
    with pytest.raises(UnsupportedFeature, match=f"The pigeon backend does not support {named}"):
        backend.send(asking, **how)
    assert backend.arrived == []


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": ["welcome"]},
        {"extra_headers": {"X-Note": "one"}},
        {"recipients": ["jörg@example.com"]},
        {"mail_options": ["BODY=8BITMIME", "smtputf8", "SIZE=100"]},
    ],
)
def test_what_it_can_do_reaches_it(fields):
    backend = PigeonBackend()
    assert backend.send(message(**fields), envelope_from="bounces@example.com").sent


@pytest.mark.parametrize(
    ("missing", "how", "named"),
    [
        (Feature.ENVELOPE_SENDER, {"envelope_from": "b@example.com"}, "envelope sender other than"),
        (Feature.HEADERS, {}, "custom headers"),
        (Feature.UNICODE_ADDRESSES, {}, "local parts"),
    ],
)
def test_one_may_also_lack_what_others_can(missing, how, named):
    backend = PigeonBackend()
    backend.features = PigeonBackend.features - {missing}
    asking = message(recipients=["jörg@example.com"], extra_headers={"X-Note": "one"})
    asking = asking if not how else message()

    with pytest.raises(UnsupportedFeature, match=named):
        backend.send(asking, **how)
    assert backend.send(message(), envelope_from="shop@example.com").sent


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"alts": {"html": "<p>Hi</p>", "calendar": "BEGIN:VCALENDAR"}}, "alternatives other than"),
        ({"attachments": [Attachment("a", data="a", headers={"X-A": "b"})]}, "headers of attach"),
    ],
    ids=["invitation", "header"],
)
def test_service_in_fields_lacks_invitations_and_headers_of_files(fields, named):
    """A test that collects mail in memory sees it too, unlike what only the service refuses."""
    app = Flask("shop")
    app.config.update(MAIL_BACKEND=InFieldsBackend, TESTING=True)
    mail = Mail(app)
    with mail.record_messages() as outbox, pytest.raises(UnsupportedFeature, match=named):
        mail.send(message(**fields))
    assert outbox == []


def test_service_in_fields_takes_html_and_inline_files():
    files = [Attachment("a.png", "image/png", b"a", "inline", headers={"Content-ID": "<a@b>"})]
    backend = InFieldsBackend()
    sent = message(html="<p>Hi</p>", attachments=files, extra_headers={"X-Note": "one"}, options={})
    assert backend.send(sent).sent


def test_in_a_batch_the_others_are_sent():
    backend = PigeonBackend()
    receipts = list(backend.send_many([message(), with_file(), message()]))

    assert [each.outcome for each in receipts] == [Outcome.SENT, Outcome.NOT_SENT, Outcome.SENT]
    assert isinstance(receipts[1].error, UnsupportedFeature)


# --- Options of a message ------------------------------------------------------------------------


def test_options_are_read_as_they_are_declared():
    backend = PigeonBackend()
    backend.send(message(options={"pigeon": {"value": "80"}, "other": {"x": 1}}))

    ((_, stamp),) = backend.arrived
    assert stamp == Stamp(80, "red")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"value": 1, "colour": "s3cret"}, r"options\['pigeon'\]\['colour'\] is not an option"),
        ({"value": "s3cret"}, r"options\['pigeon'\]\['value'\] must be a whole number"),
        ({"color": "blue"}, r"needs message.options\['pigeon'\]\['value'\]"),
        ({"value": -1}, r"options\['pigeon'\]: the value must not be negative"),
        ({"value": 1001}, r"options\['pigeon'\]: nobody pays that"),
    ],
)
def test_one_that_is_wrong_is_named_and_not_shown(options, says):
    backend = PigeonBackend()
    with pytest.raises(MessageError, match=says) as caught:
        backend.send(message(options={"pigeon": options}))
    assert "s3cret" not in str(caught.value)
    assert backend.arrived == []


def test_a_backend_without_options_takes_none():
    with pytest.raises(MessageError, match=r"options\['console'\]\['color'\] is not valid"):
        ConsoleBackend().send(message(options={"console": {"color": "red"}}))
    backend = ConsoleBackend("stderr")
    mail = Outgoing.of(message())
    backend.check(mail)
    assert backend.options_of(mail) is None


# --- Backends that stand in for another, or are made of others -----------------------------------


@pytest.mark.parametrize("settings", [{"TESTING": True}, {"MAIL_SUPPRESS_SEND": True}])
def test_a_test_meets_what_production_would_meet(settings):
    app = Flask("shop")
    app.config.update(MAIL_BACKEND=PigeonBackend, **settings)
    mail = Mail(app)

    assert mail.send(message(tags=["welcome"])).sent
    with pytest.raises(UnsupportedFeature, match="pigeon backend does not support attachments"):
        mail.send(with_file())
    with pytest.raises(MessageError, match=r"\['colour'\] is not an option of Stamp"):
        mail.send(message(options={"pigeon": {"value": 1, "colour": "red"}}))
    app.config["MAIL_BACKEND"] = SmtpBackend
    assert mail.send(with_file()).sent
    with pytest.raises(UnsupportedFeature, match="smtp backend does not support tags"):
        mail.send(message(tags=["welcome"]))


def test_the_outbox_of_a_test_is_no_exception(outbox):
    app = Flask("shop")
    app.config.update(MAIL_BACKEND=PigeonBackend, TESTING=True)
    with pytest.raises(UnsupportedFeature, match="pigeon"):
        Mail(app).send(with_file())
    outbox.assert_no_mail()


def test_a_local_backend_that_was_chosen_takes_everything():
    """Developers see in it what a service will get."""
    app = Flask("shop")
    app.config.update(MAIL_BACKEND="locmem")
    mail = Mail(app)
    mail.send(message(tags=["welcome"], metadata={"order": 1}, rcpt_options=["NOTIFY=NEVER"]))

    (copy,) = mail.outbox
    assert (copy.tags, copy.metadata) == (["welcome"], {"order": 1})


def test_one_that_is_made_of_another_checks_for_that():
    child = PigeonBackend()
    backend = CourierBackend(child)

    assert backend.send(message(tags=["welcome"])).sent
    with pytest.raises(UnsupportedFeature, match="courier backend does not support attachments"):
        backend.send(with_file())
    receipts = list(backend.send_many([message(options={"pigeon": {"color": "blue"}})]))
    assert [each.outcome for each in receipts] == [Outcome.NOT_SENT]
    assert len(child.arrived) == 1


def test_features_of_unbuilt_composite_backend():
    app = Flask("shop")
    app.config.update(MAIL_BACKEND=CourierBackend, TESTING=True)
    assert Mail(app).send(message(tags=["welcome"])).sent


# --- Declarations --------------------------------------------------------------------------------


@pytest.mark.parametrize("features", [None, "tags", {"tags"}, 7, iter(Feature)])
def test_features_that_are_none_are_an_error_when_it_is_loaded(features):
    broken = type("Broken", (PigeonBackend,), {"features": features})
    app = Flask("shop")
    app.config.update(MAIL_BACKEND=broken)
    with pytest.raises(ConfigurationError, match="`features` of Broken must be a set"):
        Mail(app).send(message())


@pytest.mark.parametrize("limit", ["max_size", "max_recipients"])
@pytest.mark.parametrize("value", ["50", 0, -1, 2.5, True])
def test_so_are_limits_that_are_none(limit, value):
    broken = type("Broken", (PigeonBackend,), {limit: value})
    app = Flask("shop")
    app.config.update(MAIL_BACKEND=broken)
    with pytest.raises(ConfigurationError, match=f"`{limit}` of Broken must be a whole number"):
        Mail(app).send(message())
