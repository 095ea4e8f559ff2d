"""Addresses that servers may judge are sent as they were given; those that mislead are not."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from servers import Dialogue, mail_to, scripted_server

from flask_mail import ConfigurationError, Message, MessageError

ODD = (
    "taro.@docomo.ne.jp",
    "a..b@docomo.ne.jp",
    ".a@docomo.ne.jp",
    f"reply+{'0' * 80}@reply.example.com",
    "SRS0=HHH=TT=example.org=someone-with-a-very-long-name-in-front-of-it@forwarder.example.com",
    "a@my_store.example.com",
)
MISLEADING = (
    "=?x?q?victim=40evil.test=3E=00?=foo@good.test",
    '"=?utf-8?q?victim?="@good.test',
    "bounces+=?utf-8?b?dmljdGlt?=@good.test",
)


def test_odd_addresses_are_sent_as_given_and_read_back():
    said = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            said.extend(talk.answer("250 ok", *["250 ok"] * (len(ODD) + 1), "354 go"))
            said.extend(talk.content())
            talk.say("250 ok")

    message = Message("Hi", [*ODD, "b@example.com."], body="Hi", sender=ODD[0], reply_to=ODD[1])
    with scripted_server(script) as port:
        receipt = mail_to(port).send(message)
    assert receipt.sent
    assert said[0].startswith(f"MAIL FROM:<{ODD[0]}>")
    expected = [*ODD, "b@example.com"]
    assert said[1 : len(expected) + 1] == [f"RCPT TO:<{each}>" for each in expected]
    read = message_from_bytes(message.as_bytes(), policy=policy.default)
    found = [f"{each.username}@{each.domain}" for each in read["To"].addresses]
    assert found == expected
    assert read["From"].addresses[0].username == "taro."
    assert read["Reply-To"].addresses[0].username == "a..b"
    assert not read["To"].defects


@pytest.mark.parametrize("address", ODD)
def test_an_odd_address_may_be_allowed_and_bounced_to(address):
    mail = mail_to(25, MAIL_BACKEND="locmem", MAIL_ALLOWED_RECIPIENTS=[address])
    with mail.connect() as connection:
        connection.send(Message("Hi", [address], bcc=[address]), envelope_from=address)
    (sent,) = mail.outbox
    assert (sent.envelope.sender, sent.envelope.recipients) == (address, (address,))


@pytest.mark.parametrize("address", MISLEADING)
@pytest.mark.parametrize(
    "fields",
    [
        lambda bad: {"recipients": [bad]},
        lambda bad: {"recipients": [("Ann", bad)]},
        lambda bad: {"recipients": [f"Ann <{bad}>"]},
        lambda bad: {"cc": [bad]},
        lambda bad: {"bcc": [bad]},
        lambda bad: {"recipients": ["a@good.test"], "sender": bad},
        lambda bad: {"recipients": ["a@good.test"], "sender": ("Me", bad)},
        lambda bad: {"recipients": ["a@good.test"], "reply_to": bad},
    ],
)
def test_an_encoded_word_before_the_at_is_refused(address, fields):
    mail = mail_to(25, MAIL_BACKEND="locmem")
    with pytest.raises(MessageError, match="encoded-word"):
        mail.send(Message("Hi", **fields(address)))
    assert mail.outbox == []


@pytest.mark.parametrize("address", MISLEADING)
def test_an_encoded_word_is_refused_in_settings_and_envelopes(address):
    mail = mail_to(25, MAIL_BACKEND="locmem")
    message = Message("Hi", ["a@good.test"])
    with mail.connect() as connection, pytest.raises(MessageError, match="encoded-word"):
        connection.send(message, envelope_from=address)
    for key in ("MAIL_ALLOWED_RECIPIENTS", "MAIL_REDIRECT_TO"):
        with pytest.raises(ConfigurationError, match=key):
            mail_to(25, MAIL_BACKEND="locmem", **{key: address}).send(message)
    with pytest.raises(MessageError, match="encoded-word"):
        mail_to(25, MAIL_BACKEND="locmem", MAIL_DEFAULT_SENDER=address).send(
            Message("Hi", ["a@good.test"])
        )


@pytest.mark.parametrize("address", [*MISLEADING, "=?utf-8?q?victim=40evil.test?="])
def test_a_message_that_cannot_be_sent_misleads_nobody(address):
    """It may be shown, or written to a file."""
    content = Message("Hi", [address], body="Hi", sender=address).as_bytes()
    read = message_from_bytes(content, policy=policy.default)
    for field in ("To", "From"):
        assert [each.domain for each in read[field].addresses] in (["good.test"], [""])
        assert b"=?" not in content
