"""Tests of a backend that is made of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, Final

import pytest

from ... import DeliveryError, Mail, Message, UnsupportedFeature
from ...backends import Backend, Outcome, Receipt
from .data import hello
from .helpers import listening, make_app, send, send_many, sessions
from .scripted import ANSWERS, ScriptedBackend

MODES: Final = ("deliver", "deliver_many", "connect block")

Compose = Callable[[Sequence[ScriptedBackend]], Backend[Any]]

_OUTCOMES: Final = {
    "sent": Outcome.SENT,
    "refused": Outcome.REFUSED,
    "not sent": Outcome.NOT_SENT,
    "unreachable": Outcome.NOT_SENT,
    "closed": Outcome.NOT_SENT,
    "unknown": Outcome.UNKNOWN,
    "lost reply": Outcome.UNKNOWN,
    "crash": Outcome.UNKNOWN,
}


class Composing:
    """Tests of a backend that is made of others; not part of :class:`BackendContract`.

    A subclass defines the fixture ``compose``. The children are scripted::

        class TestSpareBackend(Composing):
            @pytest.fixture
            def compose(self):
                return lambda children: SpareBackend(*children)
    """

    size: int = 2
    """The number of children that ``compose`` gets."""
    tries_next: bool = True
    """True if another child gets a message that one provably did not accept."""

    @pytest.fixture
    def compose(self) -> Compose:
        """A function that returns the backend made of some children. Required."""
        raise NotImplementedError(
            f"{type(self).__name__} must define the fixture `compose`, a function that returns the"
            " backend made of a list of children."
        )

    def _made(
        self, compose: Compose, *answers: Sequence[object], **given: Any
    ) -> tuple[Backend[Any], list[ScriptedBackend]]:
        scripts = [*answers, *([()] * self.size)][: self.size]
        children = [
            ScriptedBackend(f"child{number}", *script, **given)
            for number, script in enumerate(scripts, 1)
        ]
        log: list[str] = []
        for each in children:
            each.log = log
        return compose(children), children

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("answer", [*ANSWERS, "unreachable"])
    def test_message_is_accepted_once_if_sent_and_never_twice(
        self, compose: Compose, answer: str, mode: str
    ) -> None:
        """Whatever the first child answers, no message is accepted by two children."""
        backend, children = self._made(compose, [answer] * 2, ["sent", answer], ahead=2)
        messages = [hello(f"Number {number}") for number in range(5)]
        receipts = outcomes_of(backend, messages, mode)
        for message, receipt in zip(messages, receipts, strict=True):
            accepted = sum(each.accepted_ids[message.msgId] for each in children)
            assert accepted <= 1, f"A message was accepted {accepted} times after {answer!r}."
            assert accepted == 1 or not receipt.sent, "A receipt says SENT, but no child took it."
            assert not accepted or receipt.outcome in (Outcome.SENT, Outcome.UNKNOWN), (
                f"A child accepted the message, but its outcome is {receipt.outcome}."
            )

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("answer", ["unknown", "lost reply", "crash"])
    def test_no_other_child_is_tried_once_a_message_may_have_been_accepted(
        self, compose: Compose, answer: str, mode: str
    ) -> None:
        """After UNKNOWN, only a person may decide to send the message again."""
        backend, children = self._made(compose, *([[answer]] * self.size))
        [receipt] = outcomes_of(backend, [hello()], mode)
        tried = sum(len(each.given) for each in children)
        assert tried == 1, f"{tried} children got a message whose outcome was UNKNOWN."
        assert receipt.outcome is Outcome.UNKNOWN, f"{answer!r} became {receipt.outcome}."

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("answer", _OUTCOMES)
    def test_signals_of_a_message_are_sent_once(
        self, compose: Compose, answer: str, mode: str
    ) -> None:
        """Children get `deliver` or `deliver_many`: their `send` would send signals again."""
        backend, _ = self._made(compose, [answer])
        with listening() as heard:
            outcomes_of(backend, [hello(), hello("Another")], mode)
        counts = Counter(each.signal for each in heard)
        assert counts["email-sending"] == 2, f"Two messages sent {dict(counts)}."
        assert counts["email-dispatched"] + counts["email-failed"] == 2, (
            f"Two messages sent {dict(counts)}."
        )

    @pytest.mark.parametrize("mode", MODES)
    def test_unsupported_message_reaches_no_child_and_is_an_error(
        self, compose: Compose, mode: str
    ) -> None:
        """If no child supports a message, the error is UnsupportedFeature."""
        backend, children = self._made(compose)
        [receipt] = outcomes_of(backend, [hello(tags=["x"])], mode)
        assert not any(each.given for each in children), "A child got what it does not support."
        assert isinstance(receipt.error, UnsupportedFeature), (
            f"No child supports the message, but the error is {receipt.error!r}."
        )

    @pytest.mark.parametrize("mode", MODES)
    def test_supported_message_passes(self, compose: Compose, mode: str) -> None:
        """A message that all children support is sent."""
        backend, children = self._made(compose, tags=True)
        [receipt] = outcomes_of(backend, [hello(tags=["x"])], mode)
        assert receipt.sent, f"All children support the message: {receipt.error!r}."
        assert sum(len(each.given) for each in children) == 1

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("answer", _OUTCOMES)
    def test_each_session_is_ended(self, compose: Compose, answer: str, mode: str) -> None:
        """Whatever a child answers, its session is closed, retired or aborted."""
        backend, children = self._made(compose, [answer, answer], ["sent", answer])
        outcomes_of(backend, [hello(f"Number {number}") for number in range(4)], mode)
        _check_sessions(children)

    def test_each_session_of_an_interrupted_batch_is_ended(self, compose: Compose) -> None:
        """If the caller stops in a batch, `close` ends the sessions of the children."""
        backend, children = self._made(compose, ["sent", "not sent"], ahead=2)
        with sessions(backend) as open_session:
            sending = backend.send_many(
                [hello(f"Number {number}") for number in range(5)], open_session=open_session
            )
            next(sending)
            sending.close()
        _check_sessions(children)

    def test_receipts_of_a_batch_are_in_order(self, compose: Compose) -> None:
        """Each message gets its own receipt, whichever child delivers it."""
        script = ["sent", "not sent", "sent", "unknown", "refused", "not sent", "sent"]
        backend, _ = self._made(compose, script, ahead=3)
        messages = [hello(f"Number {number}") for number in range(len(script))]
        receipts = outcomes_of(backend, messages, "deliver_many")
        numbers = {message.msgId: number for number, message in enumerate(messages)}
        found = [numbers.get(each.message_id) for each in receipts]
        assert found == list(range(len(script))), f"The receipts are those of messages {found}."

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("answer", ["not sent", "closed", "unreachable"])
    def test_error_of_the_first_child_is_kept(
        self, compose: Compose, answer: str, mode: str
    ) -> None:
        """If all children fail, the caller gets the error of the first that was tried."""
        backend, children = self._made(compose, *([[answer] * 2] * self.size))
        [receipt] = outcomes_of(backend, [hello()], mode)
        assert receipt.outcome is Outcome.NOT_SENT, f"{answer!r} became {receipt.outcome}."
        names = _names_of(receipt)
        assert receipt.error is not None
        assert receipt.mailer in str(receipt.error), (
            f"The receipt names {receipt.mailer}, but its error is {receipt.error!r}."
        )
        if self.tries_next:
            assert sorted(names) == sorted(each.mailer for each in children), (
                f"All children failed, but the receipt only names {names}: put the receipts of the"
                " others into `earlier`."
            )
        for each in receipt.earlier:
            assert each.error is not None, "A receipt in `earlier` has no error."
        first = children[0].log[0]
        assert receipt.mailer == first, (
            f"{first} was tried first, but its error is hidden by that of {receipt.mailer}."
        )

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("answer", ["not sent", "closed", "unreachable"])
    def test_next_child_gets_what_the_first_did_not_accept(
        self, compose: Compose, answer: str, mode: str
    ) -> None:
        """A message that was provably not accepted is tried by the next child."""
        if not self.tries_next:
            pytest.skip("It does not try another child.")
        backend, children = self._made(compose, *([[answer]] * (self.size - 1)))
        [receipt] = outcomes_of(backend, [hello()], mode)
        assert receipt.sent, f"{children[-1].mailer} would have sent it: {receipt.error!r}."
        taker = next(each for each in children if each.accepted_ids)
        assert receipt.mailer == taker.mailer, (
            f"{taker.mailer} sent the message, but the receipt names {receipt.mailer!r}."
        )
        tried = list(dict.fromkeys(children[0].log))
        names = _names_of(receipt)
        assert names == tried, f"{tried} were tried, but the receipt names {names}."

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("answer", ["not sent", "refused"])
    def test_child_that_can_be_reached_gets_the_next_messages(
        self, compose: Compose, answer: str, mode: str
    ) -> None:
        """An answer about one message says nothing about the next one."""
        backend, children = self._made(compose, [answer])
        first = children[0]
        counts = []
        # Those that share messages give it some of them.
        for mode_of_some in (mode, "deliver"):
            for number in range(6 * self.size):
                outcomes_of(backend, [hello(f"Number {number}")], mode_of_some)
            counts.append(len(first.given))
        assert counts[1] > counts[0], (
            f"{first.mailer} answered {answer!r} to one message, and got no other since."
        )

    @pytest.mark.parametrize("mode", MODES)
    def test_children_get_the_same_message_at_each_try(self, compose: Compose, mode: str) -> None:
        """A failed try leaves no trace in the message."""
        backend, children = self._made(compose, *([["not sent"]] * (self.size - 1)))
        message = hello(extra_headers={"X-Order": "4711"})
        before = message.to_dict()
        outcomes_of(backend, [message], mode)
        given = [mail for each in children for mail in each.given]
        contents = {content for each in children for content in each.content}
        assert len(contents) == 1, "The children got different contents of one message."
        assert len({each.envelope for each in given}) == 1, "The children got different envelopes."
        after = message.to_dict()
        changed = sorted(name for name in before if before[name] != after[name])
        changed = [name for name in changed if name != "date"]  # set when it is rendered
        assert not changed, f"The message was changed: {', '.join(changed)}."

    def test_steps_of_the_children_are_passed_on(self, compose: Compose) -> None:
        """`flask mail check` tries each child."""
        backend, children = self._made(compose)
        found = [each.detail for each in backend.probe() if each.name == "script"]
        assert found == [each.mailer for each in children], f"probe() yields the steps of {found}."


def outcomes_of(backend: Backend[Any], messages: Sequence[Message], mode: str) -> list[Receipt]:
    """Send messages in one of the :data:`MODES` and return their receipts, even of failures."""
    if mode == "deliver_many":
        return send_many(backend, messages)
    if mode == "deliver":
        return [_receipt_of(partial(send, backend, each, None)) for each in messages]
    cls = type(backend)

    class Given(cls):  # type: ignore[misc, valid-type]
        @classmethod
        def from_options(cls, options: Any, build: Any) -> Backend[Any]:
            return backend

    mail = Mail(make_app(MAIL_BACKEND=Given))
    with ExitStack() as stack:
        sender: Any = mail
        # If no session can be opened, the block says so, and messages are sent without one.
        with suppress(DeliveryError):
            sender = stack.enter_context(mail.connect())
        return [_receipt_of(partial(sender.send, each)) for each in messages]


def _check_sessions(children: Sequence[ScriptedBackend]) -> None:
    for each in children:
        assert each.opened == each.ended, (
            f"{each.mailer} had {each.opened} sessions, and {each.ended} were closed or aborted."
        )


def _receipt_of(send: Callable[[], Receipt]) -> Receipt:
    try:
        return send()
    except Exception as error:  # noqa: BLE001 (its receipt says what happened)
        receipt: Receipt = error.receipt  # type: ignore[attr-defined]
        return receipt


def _names_of(receipt: Receipt) -> list[str]:
    """Return the mailers that were tried, also those of composites in a composite."""
    return [*(name for each in receipt.earlier for name in _names_of(each)), receipt.mailer]
