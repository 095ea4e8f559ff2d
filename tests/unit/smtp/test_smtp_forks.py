"""Forks in the middle of a batch: what was under way is the parent's, and the child's UNKNOWN."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import islice

import pytest
from fault_server import PASSWORD, USERNAME, fault_server
from faults import Fault
from matrices import MODES, every_mode, matrix
from servers import mail_to

from flask_mail import DeliveryUnknown, Message

COUNT = 6  # messages of the batch; the fork comes at number 3

PROGRAM = r"""
import json, os, signal, sys

from flask import Flask
from flask_mail import Mail, Message
from flask_mail.delivery.signals import email_dispatched, email_sending

port, place = int(sys.argv[1]), sys.argv[2]
app = Flask("shop")
app.config.update(
    MAIL_SERVER="127.0.0.1", MAIL_PORT=port, MAIL_DEFAULT_SENDER="me@example.com",
    MAIL_TIMEOUT=2 if place == "handler" else 30, MAIL_POOL_SIZE=0,
)
mail = Mail(app)
parent = os.getpid()
children = []

def fork():
    if os.getpid() == parent and not children:
        children.append(os.fork())

def is_child():
    return os.getpid() != parent

def message(number):
    return Message(f"Number {number}", ["to@example.com"], "Hi")

def batch():
    for number in range(6):
        if place == "generator" and number == 3:
            fork()
        yield message(number)

def receiver(app, message):
    if place == "handler" and message.subject == "Number 0":
        signal.setitimer(signal.ITIMER_REAL, 0.1)  # the server says nothing more
    elif place != "handler" and message.subject == "Number 3":
        fork()

def child_sends(connection):
    return [each.outcome.value for each in connection.send_many([message("of the child")])]

signal.signal(signal.SIGALRM, lambda *args: fork())
if place != "generator":
    (email_sending if place == "sending" else email_dispatched).connect(receiver)
with mail.connect() as connection:
    receipts = connection.send_many(batch())
    told = [each.outcome.value for each in receipts]
    errors = sorted({str(each.error) for each in receipts if each.error})
    if is_child():
        told += child_sends(connection)
if is_child():
    print(json.dumps(["child", told, errors]), flush=True)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
told += [each.outcome.value for each in mail.send_many([message("of the parent")])]
print(json.dumps(["parent", told, errors]), flush=True)
"""


def play(server, place):
    """Return the outcomes that the parent was told, those of its child, and the child's errors."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(server.port), place],
        check=True,
        timeout=60,
        stdout=subprocess.PIPE,
        text=True,
    )
    told = {who: rest for who, *rest in map(json.loads, done.stdout.splitlines())}
    return told["parent"][0], *told["child"]


def numbers(server):
    return sorted(
        line.removeprefix(b"Subject: Number ").decode()
        for each in server.accepted
        for line in each.content.splitlines()
        if line.startswith(b"Subject: ")
    )


@pytest.mark.exhaustive
@matrix("mode, place", MODES, ["generator", "sending", "dispatched"])
def test_child_of_a_fork_in_a_batch_sends_nothing_of_the_batch(mode, place):
    with fault_server(extensions=MODES[mode]) as server:
        parent, child, errors = play(server, place)
    assert parent == ["sent"] * (COUNT + 1)
    assert numbers(server) == [*map(str, range(COUNT)), "of the child", "of the parent"]
    assert server.violations == []
    told = child[:COUNT]
    assert told == sorted(told)  # sent before the fork, or unknown
    if place != "dispatched":  # else the server may have answered to all of them by then
        assert told[3:] == ["unknown"] * 3
    assert child[COUNT:] == ["sent"]
    assert all("forked" in each for each in errors)


@pytest.mark.exhaustive
@every_mode
def test_child_forked_by_a_signal_handler_sends_none_of_the_batch(mode):
    with fault_server(Fault("mail", "stall", ((1, 2),)), extensions=MODES[mode]) as server:
        parent, child, errors = play(server, "handler")
    assert numbers(server) == sorted(set(numbers(server)))
    assert parent[0] == "sent"
    assert child == ["sent", *["unknown"] * (COUNT - 1), "sent"]
    assert any("forked" in each for each in errors)


class Elsewhere:
    """A process id that changes in the middle, as in a child of a fork."""

    def __init__(self, monkeypatch):
        self.is_child = False
        monkeypatch.setattr(os, "getpid", lambda: -1 if self.is_child else PID)


PID = os.getpid()


@pytest.fixture
def process(monkeypatch):
    return Elsewhere(monkeypatch)


def batch(process):
    for number in range(COUNT):
        process.is_child = process.is_child or number == 3
        yield Message(f"Number {number}", ["to@example.com"], "Hi")


@every_mode
def test_child_gets_a_receipt_for_each_message_of_its_parents_batch(mode, process):
    with fault_server(extensions=MODES[mode]) as server:
        mail = mail_to(server.port)
        receipts = mail.send_many(batch(process))
        assert mail.send(Message("Number 6", ["to@example.com"], "Hi")).sent
    told = [each.outcome.value for each in receipts]
    assert len(told) == COUNT
    assert told[3:] == ["unknown"] * 3
    assert all(isinstance(each.error, DeliveryUnknown) for each in receipts if not each.sent)


def test_child_that_uses_the_session_itself_ends_the_batch_of_its_parent(process):
    def messages():
        yield from islice(batch(process), 2)
        process.is_child = True
        with pytest.raises(OSError):  # noqa: PT011 (closed, or another process's)
            connection.host.noop()

    silence = Fault("mail", "stall", ((1, 2),))
    with (
        fault_server(silence, extensions=MODES["both"]) as server,
        mail_to(server.port).connect() as connection,
    ):
        receipts = connection.send_many(messages())
    assert [each.outcome.value for each in receipts] == ["sent", "unknown"]


class Untouched:
    """A socket that notes what a child sets."""

    def __init__(self, sock, touched, process):
        self.sock, self.touched, self.process = sock, touched, process

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def settimeout(self, value):
        if self.process.is_child:
            self.touched.append(value)
        self.sock.settimeout(value)


def test_child_that_ends_in_its_parents_batch_leaves_the_socket_as_it_is(process):
    """Parent and child share whether it blocks."""

    def messages():
        yield from islice(batch(process), 2)
        process.is_child = True
        raise SystemExit

    touched = []
    silence = Fault("mail", "stall", ((1, 2),))
    with (
        fault_server(silence, extensions=MODES["pipelining"]) as server,
        mail_to(server.port, MAIL_TIMEOUT=0.3).connect() as connection,
    ):
        link = connection.host.file
        link._sock = Untouched(link._sock, touched, process)
        with pytest.raises(SystemExit):
            connection.send_many(messages())
    assert touched == []


def test_child_forked_while_connecting_leaves_the_message_to_its_parent(process):
    def password():
        process.is_child = bool(server.accepted)
        return PASSWORD

    farewell = Fault("replied", "421", ((1, 1),))
    with fault_server(farewell, login=True) as server:
        mail = mail_to(server.port, MAIL_USERNAME=USERNAME, MAIL_PASSWORD=password)
        receipts = mail.send_many(
            Message(f"Number {number}", ["to@example.com"], "Hi") for number in range(3)
        )
    assert [each.outcome.value for each in receipts] == ["sent", "unknown", "unknown"]
