"""The options of the backend and of messages, and what is stored of them."""

from __future__ import annotations

import pytest
from flask_mail_queue import QueueBackend
from flask_mail_queue.database.contents import Contents
from flask_mail_queue.database.records import without_addresses
from flask_mail_queue.database.store import Store
from shop import Shop

from flask_mail import ConfigurationError, Message, MessageError
from flask_mail.backends import Outgoing, Secret

WRONG = [
    *(("LEASE", 0), ("WINDOW", 0), ("MAX_SIZE", 0), ("RETENTION", float("inf"))),
    *(("GIVE_UP", -1), ("KEY", "no key")),
]


def test_options_that_make_no_sense_are_errors():
    for name, value in WRONG:
        with pytest.raises(ConfigurationError, match=f"^MAIL_QUEUE_{name}"):
            QueueBackend.from_options({"mailer": "smtp", name.lower(): value}, lambda name: None)
    options = {"mailer": "smtp", "url": Secret("sqlite://"), "transaction": "session"}
    with pytest.raises(ConfigurationError, match="MAIL_QUEUE_SESSION"):
        QueueBackend.from_options(options, lambda name: None)


@pytest.mark.parametrize(("name", "value"), [*WRONG, ("TRANSACTION", "session"), ("SESSION", 7)])
def test_errors_name_the_setting_of_the_mailer(name, value):
    shop = Shop("sqlite://", **{name: value})
    with pytest.raises(ConfigurationError) as caught:
        shop.send()
    assert f"MAIL_MAILERS['default']['{name}']" in str(caught.value)
    assert "MAIL_QUEUE" not in str(caught.value)


def test_a_queue_without_a_database_names_the_setting_of_the_mailer():
    shop = Shop(None)
    with pytest.raises(ConfigurationError, match=r"set MAIL_MAILERS\['default'\]\['URL'\]"):
        shop.send()


def test_a_url_that_is_none_is_an_error_that_does_not_show_it():
    with pytest.raises(ConfigurationError) as caught:
        Store("no url but a s3cret")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_other_databases_are_refused():
    with pytest.raises(ConfigurationError, match="cannot use oracle"):
        Store("oracle://localhost/shop")


def test_a_driver_that_is_not_installed_is_named():
    with pytest.raises(ConfigurationError, match="pg8000"):
        Store("postgresql+pg8000://localhost/shop").engine  # noqa: B018


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"delay": -1}, "delay"),
        ({"at": "tomorrow"}, "at must be"),
        ({"at": 1e9, "delay": 3.0}, "exclude"),
        ({"priority": 2000}, "priority"),
        ({"key": "k" * 256}, "key"),
        ({"key": "a\0b"}, "key"),
        ({"key": "\ud800"}, "key"),
        ({"expires": 1e12}, "expires"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_options_of_a_message_are_checked(tmp_path, options, problem):
    with Shop(f"sqlite:///{tmp_path}/mail.db") as shop:
        with pytest.raises(MessageError, match=problem):
            shop.send(options={"queue": options})
        assert shop.states() == []


def test_a_queue_of_a_queue_is_an_error(tmp_path):
    shop = Shop(f"sqlite:///{tmp_path}/mail.db", MAILER="default")
    with pytest.raises(ConfigurationError, match="made of itself"):
        shop.send()


def test_a_reply_without_addresses_keeps_its_meaning(tmp_path):
    with Shop(f"sqlite:///{tmp_path}/mail.db") as shop:
        shop.send(cc=["jo.ann@example.com"])
        mail = Contents().mail_of(shop.row(1)["record"])
    text = "550 <Ann@example.com> jo.ann@example.com: ask root@example.net"
    assert without_addresses(text, mail) == "550 <recipient 1> <recipient 2>: ask <address>"
    assert without_addresses("x@y", None) == "<address>"


def test_a_long_reply_of_a_service_is_read_in_linear_time():
    # The limit of a request with events is 1 MiB, and it is read in a transaction.
    assert without_addresses("a" * 2**20, None) == "a" * 500
    assert without_addresses("a@" * 2**19, None) == "<address>"


def test_a_message_arrives_byte_for_byte(tmp_path):
    with Shop(f"sqlite:///{tmp_path}/mail.db") as shop:
        message = Message(
            "Grüße", ["jörg@example.com"], "Šťastnou cestu\n" * 50, bcc=["b@c.example"]
        )
        message.attach("data.bin", "application/octet-stream", bytes(range(256)) * 500)
        shop.mail.send(message)
        expected = Outgoing.of(message).content
        shop.work()
        (mail,) = shop.peer.taken
        assert mail.content == expected
        assert mail.envelope.recipients == ("jörg@example.com", "b@c.example")
        assert mail.message_id == message.msgId
