"""Servers that take only so many recipients in a transaction, and messages on a connection."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from matrices import MODES, every_mode
from servers import Dialogue, mail_to, scripted_server

from flask_mail import BackendUnavailable, DeliveryUnknown, Message, MessageRefused, Outcome

TOO_MANY = "452 4.5.3 Too many recipients"
SENT, NOT_SENT = Outcome.SENT, Outcome.NOT_SENT


class Limited:
    """A server with limits, one script for all of its connections, and its own record.

    :param recipients: how many it takes in a transaction.
    :param messages: how many it takes on a connection.
    :param too_many: what it says to a recipient that is too many.
    :param enough: what it says to MAIL after so many messages.
    :param sender: what it says to MAIL from bad@example.com.
    :param answers: (number of the transaction, command) -> what it says instead; ``None``: it hangs
        up. The command is MAIL, RCPT, DATA (or BDAT) or END.
    """

    def __init__(
        self,
        mode,
        *,
        recipients=1000,
        messages=1000,
        too_many=TOO_MANY,
        enough="452 4.5.3 Too many messages sent",
        sender="",
        answers=(),
    ):
        self.extensions = MODES[mode]
        self.recipients = recipients
        self.messages = messages
        self.too_many = too_many
        self.enough = enough
        self.sender = sender
        self.answers = dict(answers)
        self.accepted = []
        self.connections = 0
        self.transactions = 0
        self.contents = 0  # how many arrived, wanted or not

    def __call__(self, connection):
        self.connections += 1
        with Dialogue(connection) as peer, contextlib.suppress(EOFError, ConnectionError):
            self._peer = peer
            peer.greet(*self.extensions)
            self._carried = 0
            self._transaction = None
            while not self._is_over(peer.hear()):
                pass

    def _is_over(self, line):
        verb = line.partition(" ")[0]
        if verb == "QUIT":
            self._peer.say("221 bye")
            return True
        if verb == "RSET":
            self._transaction = None
            self._peer.say("250 reset")
        elif verb == "MAIL":
            self.transactions += 1
            if self._carried >= self.messages:
                self._peer.say(self.enough)
            elif self.sender and "<bad@example.com>" in line:
                self._peer.say(self.sender)
            elif self._say("MAIL", "250 2.1.0 ok"):
                self._transaction = []
        elif verb == "RCPT":
            self._rcpt(line.partition("<")[2].partition(">")[0])
        elif verb == "DATA":
            if not self._transaction:
                self._peer.say("503 5.5.1 for whom?")
            elif self._say("DATA", "354 go ahead"):
                self._end("\n".join(self._peer.content()))
        elif verb == "BDAT":
            size = int(line.split()[1])
            content = bytearray()
            while len(content) < size:
                piece = bytearray(size - len(content))
                content += piece[: self._peer.read_into(memoryview(piece))]
            self.contents += 1
            if not self._transaction:
                self._peer.say("503 5.5.1 for whom?")
            elif line.endswith("LAST"):
                self._end(content.decode().replace("\r\n", "\n"))
        else:
            raise AssertionError(line)
        return False

    def _rcpt(self, address):
        if self._transaction is None:
            self._peer.say("503 5.5.1 who sends it?")
        elif len(self._transaction) >= self.recipients:
            self._peer.say(self.too_many)
        elif self._say(f"RCPT {address}", "250 2.1.5 ok") and self._say("RCPT", ""):
            self._transaction.append(address)

    def _end(self, content):
        recipients, self._transaction = self._transaction, None
        if self._say("END", f"250 2.0.0 queued as {self.transactions}"):
            self._carried += 1
            subject = next(each for each in content.split("\n") if each.startswith("Subject: "))
            self.accepted.append((self.connections, subject.removeprefix("Subject: "), recipients))

    def _say(self, command, reply):
        """Say what belongs there; return whether that was a yes."""
        answer = self.answers.get((self.transactions, command), reply)
        if answer is None:
            raise EOFError
        if answer:
            self._peer.say(answer)
        return not answer or answer[0] in "23"


@contextlib.contextmanager
def limited(mode, connections=10, **options):
    server = Limited(mode, **options)
    with scripted_server(*[server] * connections) as port:
        mail = mail_to(port, MAIL_POOL_SIZE=1, MAIL_TIMEOUT=5)
        try:
            yield server, mail
        finally:
            mail.selection.backend().shut_down()  # the script waits for the goodbye


def people(count):
    return [f"{number}@example.com" for number in range(count)]


def message(subject, recipients=1):
    return Message(str(subject), people(recipients), "Hi")


def expect_once(server, subject, recipients):
    """Check that each recipient got the message once."""
    got = Counter(each for _, found, to in server.accepted if found == str(subject) for each in to)
    assert got == Counter(recipients)


# Recipients


@every_mode
@pytest.mark.parametrize(("count", "parts"), [(4, 2), (6, 2), (7, 3), (9, 3)])
def test_too_many_recipients_continue_in_another_transaction(mode, count, parts):
    with limited(mode, recipients=3) as (server, mail):
        receipt = mail.send(message("A", count))
    assert receipt.sent
    assert receipt.refused == {}
    assert receipt.attempts == 1
    expected = [f"250 2.0.0 queued as {number}" for number in range(1, parts + 1)]
    assert receipt.response == "; ".join(expected)
    expect_once(server, "A", people(count))
    assert (len(server.accepted), server.connections) == (parts, 1)


@every_mode
@pytest.mark.parametrize(
    "reply",
    [
        "452 4.5.3 Error: too many recipients",
        "452 too many recipients",
        "452 no more",
        "552 too many recipients",
        "552 5.5.3 no more",
        "451 4.5.3 no more",
        "450 4.7.1 Too many recipients received from the sender",
        "550 5.5.3 no more",
    ],
)
def test_each_way_to_say_too_many_recipients_is_understood(mode, reply):
    with limited(mode, recipients=2, too_many=reply) as (server, mail):
        assert mail.send(message("A", 5)).refused == {}
    expect_once(server, "A", people(5))


@every_mode
@pytest.mark.parametrize(
    "reply",
    ["452 4.2.2 mailbox full", "552 5.2.2 over quota", "450 4.2.0 greylisted", "550 5.1.1 unknown"],
)
def test_recipient_that_is_refused_for_another_reason_is_not_tried_again(mode, reply):
    answers = {(1, "RCPT 1@example.com"): reply}
    with limited(mode, answers=answers) as (server, mail):
        receipt = mail.send(message("A", 3))
    assert receipt.sent
    assert list(receipt.refused) == ["1@example.com"]
    assert server.transactions == 1


@every_mode
@pytest.mark.parametrize("reply", ["452 4.5.3 Too many recipients", "552 too many recipients"])
def test_message_of_which_every_recipient_is_too_many_is_not_sent(mode, reply):
    with limited(mode, recipients=0, too_many=reply) as (server, mail):
        with pytest.raises(BackendUnavailable) as caught:
            mail.send(message("A", 3))
        assert len(caught.value.refused) == 3
    assert (server.accepted, server.transactions) == ([], 1)


@every_mode
def test_refusals_of_all_transactions_are_in_one_receipt(mode):
    answers = {
        (1, "RCPT 1@example.com"): "550 5.1.1 no such user",
        (2, "RCPT 4@example.com"): "450 4.2.0 later",
    }
    with limited(mode, recipients=2, answers=answers) as (server, mail):
        receipt = mail.send(message("A", 5))
    assert receipt.sent
    assert {each: why.code for each, why in receipt.refused.items()} == {
        "1@example.com": 550,
        "4@example.com": 450,
    }
    expect_once(server, "A", ["0@example.com", "2@example.com", "3@example.com"])


REFUSALS = {
    "MAIL": "451 4.3.0 later",
    "DATA": "451 4.3.0 later",
    "END": "550 5.7.1 spam",
}


@every_mode
@pytest.mark.parametrize("command", REFUSALS)
def test_rest_that_is_refused_is_named_with_the_reply(mode, command):
    if command == "DATA" and "CHUNKING" in MODES[mode]:
        command = "END"
    # After 4xx to MAIL, it is begun again on a new connection.
    numbers = (2, 3) if command == "MAIL" else (2,)
    answers = {(number, command): REFUSALS[command] for number in numbers}
    with limited(mode, recipients=2, answers=answers) as (server, mail):
        receipt = mail.send(message("A", 4))
        assert mail.send(message("B")).sent
    assert receipt.sent
    code, enhanced, text = REFUSALS[command].split(" ", 2)
    assert receipt.refused == {
        each: (int(code), enhanced, text) for each in ("2@example.com", "3@example.com")
    }
    assert receipt.response == "250 2.0.0 queued as 1"
    expect_once(server, "A", people(2))


@every_mode
def test_rest_that_breaks_before_it_is_complete_is_tried_again_alone(mode):
    with limited(mode, recipients=2, answers={(2, "RCPT"): None}) as (server, mail):
        receipt = mail.send(message("A", 4))
    assert receipt.refused == {}
    assert receipt.attempts == 2
    expect_once(server, "A", people(4))
    assert server.connections == 2


@every_mode
def test_rest_that_cannot_be_sent_is_named_with_the_error(mode):
    answers = {(2, "RCPT"): None}
    with limited(mode, connections=1, recipients=2, answers=answers) as (server, mail):
        receipt = mail.send(message("A", 4))
    assert receipt.sent
    assert list(receipt.refused) == ["2@example.com", "3@example.com"]
    code, enhanced, text = receipt.refused["2@example.com"]
    assert (code, enhanced) == (452, "4.5.3")
    assert text.startswith("Too many recipients (")
    assert "127.0.0.1" in text
    expect_once(server, "A", people(2))


@every_mode
def test_rest_of_which_nothing_is_known_makes_the_message_unknown(mode):
    """Called sent and refused, a program would send it to the rest once more."""
    answers = {
        (1, "RCPT 1@example.com"): "550 5.1.1 no such user",
        (2, "END"): None,
    }
    with limited(mode, recipients=2, answers=answers) as (server, mail):
        with pytest.raises(DeliveryUnknown) as caught:
            mail.send(message("A", 5))
        assert mail.send(message("B")).sent
    error = caught.value
    assert str(error).startswith(
        "The server accepted the message for 2 recipients (250 2.0.0 queued as 1). For the other 2:"
    )
    assert list(error.refused) == list(error.receipt.refused) == ["1@example.com"]
    expect_once(server, "A", ["0@example.com", "2@example.com"])


@every_mode
def test_batch_splits_each_message_and_keeps_the_receipts_in_order(mode):
    counts = [1, 5, 2, 3, 7, 1, 4]
    with limited(mode, recipients=2) as (server, mail):
        receipts = mail.send_many(message(n, count) for n, count in enumerate(counts))
    assert [each.outcome for each in receipts] == [SENT] * len(counts)
    assert not any(each.refused for each in receipts)
    for number, count in enumerate(counts):
        expect_once(server, number, people(count))
        assert receipts[number].response.count("queued") == -(-count // 2)
    assert server.connections == 1


@every_mode
def test_content_of_the_rest_travels_only_if_a_recipient_is_accepted(mode):
    answers = {
        (number, f"RCPT {each}"): "452 4.5.3 too many today"
        for number in (2, 3)
        for each in people(4)
    }
    with limited(mode, recipients=2, answers=answers) as (server, mail):
        receipt = mail.send(message("A", 4))
    assert list(receipt.refused) == ["2@example.com", "3@example.com"]
    assert server.contents <= 1


# Messages


@every_mode
def test_connection_that_a_server_has_had_enough_of_is_renewed(mode):
    """As OpenSMTPD does after a hundred."""
    with limited(mode, messages=3) as (server, mail):
        receipts = [mail.send(message(number)) for number in range(8)]
    assert [each.outcome for each in receipts] == [SENT] * 8
    assert [each.attempts for each in receipts] == [1, 1, 1, 2, 1, 1, 2, 1]
    assert [connection for connection, _, _ in server.accepted] == [1, 1, 1, 2, 2, 2, 3, 3]


@every_mode
@pytest.mark.parametrize(
    "enough",
    ["452 4.5.3 Too many messages", "451 4.7.0 later", "421 4.7.0 too many", "450 slow down"],
)
def test_batch_renews_a_connection_that_the_server_has_had_enough_of(mode, enough):
    with limited(mode, messages=5, enough=enough) as (server, mail):
        receipts = mail.send_many(message(number) for number in range(17))
        assert mail.send(message(17)).sent
    assert [each.outcome for each in receipts] == [SENT] * 17
    for number in range(18):
        expect_once(server, number, people(1))
    assert server.connections <= 5


@every_mode
def test_block_renews_a_connection_that_the_server_has_had_enough_of(mode):
    with limited(mode, messages=2) as (server, mail), mail.connect() as connection:
        assert all(connection.send(message(number)).sent for number in range(5))
    assert server.connections == 3


@every_mode
def test_too_many_recipients_continue_on_a_new_connection(mode):
    answers = {(2, f"RCPT {each}"): TOO_MANY for each in people(2)}
    with limited(mode, answers=answers) as (server, mail):
        assert mail.send(message("A", 2)).sent
        receipt = mail.send(message("B", 2))
    assert (receipt.outcome, receipt.attempts) == (SENT, 2)
    assert [connection for connection, _, _ in server.accepted] == [1, 2]


@every_mode
@pytest.mark.parametrize("enough", ["452 4.5.3 too many", "450 4.1.8 sender unknown"])
def test_server_that_accepts_nothing_gets_few_connections(mode, enough):
    with limited(mode, messages=0, enough=enough) as (server, mail):
        receipts = mail.send_many(message(number) for number in range(6))
        assert [each.outcome for each in receipts] == [NOT_SENT] * 6
        assert server.connections == 1
        for number in range(2):
            with pytest.raises(BackendUnavailable):
                mail.send(message(number))
        assert server.connections == 3  # none is kept


@every_mode
def test_sender_that_is_refused_on_every_connection_costs_a_few_at_most(mode):
    """It is the sender's fault, so no new connection is of use."""
    with limited(mode, connections=40, sender="450 4.1.8 unknown") as (server, mail):
        receipts = mail.send_many(
            Message(str(number), people(1), "Hi", sender="bad@example.com" if number % 2 else None)
            for number in range(20)
        )
    assert [each.outcome for each in receipts] == [SENT, NOT_SENT] * 10
    assert server.connections <= 6
    assert len(server.accepted) == 10


@every_mode
def test_sender_that_is_refused_for_good_is_not_tried_again(mode):
    with limited(mode, messages=1, enough="550 5.7.1 no more of you") as (server, mail):
        assert mail.send(message(0)).sent
        with pytest.raises(MessageRefused):
            mail.send(message(1))
    assert server.connections == 1


@every_mode
@pytest.mark.parametrize(
    "enough",
    ["554 5.7.0 Too many messages this session", "550 only 3 mails per connection, sorry"],
)
def test_refusal_for_good_that_names_the_connection_renews_it(mode, enough):
    with limited(mode, messages=3, enough=enough) as (server, mail):
        assert all(mail.send(message(number)).sent for number in range(4))
        assert all(each.sent for each in mail.send_many(message(number) for number in range(7)))
    assert server.connections == 4


@every_mode
@pytest.mark.parametrize("enough", ["552 5.3.4 no", "503 5.5.1 no", "550 5.7.1 no more of you"])
def test_connection_on_which_a_sender_was_refused_is_not_kept(mode, enough):
    with limited(mode, messages=2, enough=enough) as (server, mail):
        assert mail.send(message(0)).sent
        assert mail.send(message(1)).sent
        with pytest.raises(MessageRefused):
            mail.send(message(2))
        assert mail.send(message(3)).sent
    assert server.connections == 2


@every_mode
def test_connection_on_which_all_recipients_were_put_off_is_not_kept(mode):
    answers = {(2, "RCPT 0@example.com"): "451 4.7.1 later"}
    with limited(mode, answers=answers) as (server, mail):
        assert mail.send(message(0)).sent
        with pytest.raises(BackendUnavailable):
            mail.send(message(1))
        assert mail.send(message(2)).sent
    assert [connection for connection, _, _ in server.accepted] == [1, 2]


@every_mode
def test_recipients_of_a_worn_out_connection_move_to_a_new_one(mode):
    answers = {(2, "RCPT 0@example.com"): "452 4.7.0 too many messages"}
    with limited(mode, answers=answers) as (server, mail):
        assert mail.send(message(0)).sent
        assert mail.send(message(1)).attempts == 2
    assert [connection for connection, _, _ in server.accepted] == [1, 2]


@every_mode
def test_message_that_a_new_connection_is_refused_for_too_is_not_sent(mode):
    answers = {(number, "MAIL"): "451 4.3.0 later" for number in (2, 3)}
    with limited(mode, answers=answers) as (server, mail):
        assert mail.send(message(0)).sent
        with pytest.raises(BackendUnavailable) as caught:
            mail.send(message(1))
        assert caught.value.attempts == 2
        assert mail.send(message(2)).sent
    assert server.connections == 3
