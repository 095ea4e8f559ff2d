"""The contract is not hollow: each fault of a backend fails the test that is meant for it."""

from __future__ import annotations

import inspect
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property, partial
from itertools import islice
from typing import Any, ClassVar

import pytest
from flask import current_app

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryUnknown,
    Envelope,
    MessageError,
    MessageRefused,
    Outcome,
    Outgoing,
    Receipt,
    Refusal,
    UnsupportedFeature,
    email_dispatched,
    email_failed,
    email_sending,
)
from flask_mail.backends import Backend, Feature, Kept, ProbeStep, StoredMessage
from flask_mail.testing import BackendContract
from flask_mail.testing.contract import BREAKS, FIELDS, THREADS, Streaming

pytestmark = pytest.mark.exhaustive

SECRET = "hunter2"


class Sound(Backend[Any]):
    """Keeps every promise. Each of the others breaks one."""

    name = "sound"

    def __init__(self, *, password: str = "", down: bool = False, bounces: bool = False):
        self.arrived = []
        self.password = password
        self.down = down
        self.bounces = bounces

    def deliver(self, mail, session):
        if self.down:
            raise BackendUnavailable("The peer is down.")
        refused = self.refusals(mail) if self.bounces else {}
        if refused and len(refused) == len(mail.envelope.recipients):
            raise MessageRefused("Nobody may get it.", refused=refused)
        self.keep(mail, mail.envelope, mail.content)
        return self.accepted(mail, refused=refused)

    def refusals(self, mail):
        refusal = Refusal(550, "5.1.1", "no such user")
        return {each: refusal for each in mail.envelope.recipients if each.startswith("nobody")}

    def keep(self, mail, envelope, content):
        self.arrived.append((envelope, content))


# ---------------------------------------------------------------------- what they are


@dataclass(frozen=True)
class Stamps:
    """Message options of a backend with every feature."""

    value: int = 80


class DoesEverything(Sound):
    """All that it declares."""

    features = frozenset(Feature)
    max_recipients = 100
    message_options = Stamps


class SendsWordsOnly(Sound):
    """No files and no headers of one's own, and says so, which is no fault."""

    features = Backend.features - {Feature.ATTACHMENTS, Feature.HEADERS}


class LeavesOutBlanks(DoesEverything):
    def keep(self, mail, envelope, content):
        super().keep(mail, envelope, content.replace(b"  ", b" "))


class HasALongName(Sound):
    name = "Sound-Two"


class HasNoName(Sound):
    name = None


# ---------------------------------------------------------------------- one message


class ReturnsNothing(Sound):
    def deliver(self, mail, session):
        super().deliver(mail, session)


class TellsTheServicesId(Sound):
    def deliver(self, mail, session):
        super().deliver(mail, session)
        return Receipt("4711", self.name, Outcome.SENT)


class AnswersForAnother(Sound):
    def deliver(self, mail, session):
        return replace(super().deliver(mail, session), backend="another")


class WritesItsOwnMessageId(Sound):
    def keep(self, mail, envelope, content):
        content = content.replace(mail.message_id.encode(), b"<4711@service.example>")
        super().keep(mail, envelope, content)


class SendsTwice(Sound):
    def deliver(self, mail, session):
        super().deliver(mail, session)
        return super().deliver(mail, session)


class DeliversNothing(Sound):
    def deliver(self, mail, session):
        return self.accepted(mail)


class MarksTheMessage(Sound):
    def deliver(self, mail, session):
        mail.message.subject = f"[sent] {mail.message.subject}"
        return super().deliver(mail, session)


class ClearsTheAttachments(Sound):
    def deliver(self, mail, session):
        for attachment in mail.message.attachments:
            attachment.data = ""
        return super().deliver(mail, session)


class SortsTheRecipients(Sound):
    def keep(self, mail, envelope, content):
        super().keep(
            mail, replace(envelope, recipients=tuple(sorted(envelope.recipients))), content
        )


class ReadsRecipientsFromTheFields(Sound):
    def keep(self, mail, envelope, content):
        message = mail.message
        fields = [*message.recipients, *message.cc, *message.bcc]
        recipients = tuple(each[1] if isinstance(each, tuple) else each for each in fields)
        super().keep(mail, replace(envelope, recipients=recipients), content)


class ShowsBlindCopies(Sound):
    def keep(self, mail, envelope, content):
        hidden = ", ".join(envelope.recipients).encode()
        super().keep(mail, envelope, b"X-Envelope-To: " + hidden + b"\r\n" + content)


class DropsBlindCopies(Sound):
    def keep(self, mail, envelope, content):
        visible = tuple(each for each in envelope.recipients if each.encode() in content)
        super().keep(mail, replace(envelope, recipients=visible), content)


class IgnoresTheEnvelopeSender(Sound):
    def keep(self, mail, envelope, content):
        super().keep(mail, replace(envelope, sender=mail.message.sender), content)


class RefusesTheEnvelopeSenderTooLate(Sound):
    def deliver(self, mail, session):
        receipt = super().deliver(mail, session)
        if mail.envelope.sender != mail.message.sender:
            raise BackendUnavailable("The service chooses the envelope sender itself.")
        return receipt


class WritesInLatin1(Sound):
    """Builds the message anew, as services do that take fields."""

    def keep(self, mail, envelope, content):
        subject = str(mail.message.subject).encode("latin-1", "replace").decode("latin-1")
        lines = [
            f"Subject: {subject}",
            f"Message-ID: {mail.message_id}",
            "Content-Type: text/plain; charset=iso-8859-1",
            "",
            str(mail.message.body),
        ]
        super().keep(mail, envelope, "\r\n".join(lines).encode("latin-1", "replace"))


class StripsWhiteSpace(Sound):
    """Attaches files as text, without what is at their ends."""

    def keep(self, mail, envelope, content):
        message = mail.message.snapshot()
        for each in message.attachments:
            each.data = each.data.strip()
        super().keep(mail, envelope, message.as_bytes())


class RendersLater(Sound):
    def keep(self, mail, envelope, content):
        self.arrived.append(mail)


class CutsLargeMessages(Sound):
    def keep(self, mail, envelope, content):
        super().keep(mail, envelope, content[: 1024 * 1024])


class CutsPieces(Sound):
    """Delivers in pieces, as long as they are not too many."""

    def deliver(self, mail, session):
        self.keep(mail, mail.envelope, b"".join(islice(mail.blocks(), 3)))
        return self.accepted(mail)


class HasALimit(Sound):
    """Says so, which is no fault."""

    def deliver(self, mail, session):
        if mail.size > 1024 * 1024:
            raise self.unsupported("messages over 1 MiB")
        return super().deliver(mail, session)


class ChoosesTheEnvelopeSender(Sound):
    """Says so, which is no fault."""

    def deliver(self, mail, session):
        if mail.envelope.sender in ("", "bounces@example.com"):
            raise self.unsupported("an envelope sender")
        return super().deliver(mail, session)


class IsAnnotatedForCheckersOnly(Sound):
    """Its kinds of values are not known here, which is no fault."""

    def __init__(self, *, password: NoSuchType = ""):  # noqa: F821
        super().__init__(password=password)


# ---------------------------------------------------------------------- what must not be sent


class LeavesOutTags(Sound):
    def send(self, message, session=None, **how):
        message.tags = []
        return super().send(message, session, **how)


class RaisesAnotherErrorForTags(Sound):
    def send(self, message, session=None, **how):
        if message.tags:
            raise MessageError("The sound backend does not do that.")
        return super().send(message, session, **how)


class RefusesTagsInTheNameOfAnother(Sound):
    def send(self, message, session=None, **how):
        try:
            return super().send(message, session, **how)
        except UnsupportedFeature:
            raise UnsupportedFeature("No.") from None


class LeavesOutHeaders(Sound):
    def keep(self, mail, envelope, content):
        super().keep(mail, envelope, content.replace(b"X-Note: one\r\n", b""))


class DeclaresMoreThanItCan(Sound):
    features = frozenset(Feature)

    def deliver(self, mail, session):
        if mail.tags:
            raise self.unsupported("tags")
        return super().deliver(mail, session)


class CanMoreThanItsClassSays(Sound):
    def __init__(self, **options):
        super().__init__(**options)
        self.features = frozenset(Feature)


class HasNoLimitButItsClassHas(DoesEverything):
    def __init__(self, **options):
        super().__init__(**options)
        self.max_recipients = None


class HasAWiderLimitThanItsClass(DoesEverything):
    max_size = 1000

    def __init__(self, **options):
        super().__init__(**options)
        self.max_size = 2000


class TakesMoreThanItSays(DoesEverything):
    def send(self, message, session=None, **how):
        self.max_recipients = 100 if len(message.recipients) < 100 else 1000
        return super().send(message, session, **how)


class TakesLessThanItSays(DoesEverything):
    def deliver(self, mail, session):
        if len(mail.envelope.recipients) > 50:
            raise MessageRefused("Too many.")
        return super().deliver(mail, session)


class RefusesTooManyAsInvalid(DoesEverything):
    def send(self, message, session=None, **how):
        if len(message.recipients) > 100:
            raise MessageError("Too many.")
        return super().send(message, session, **how)


class TakesNoOptionsOfOthers(Sound):
    def send(self, message, session=None, **how):
        if message.options:
            raise MessageError("message.options are not known here: nosuchoption")
        return super().send(message, session, **how)


class TakesAnyOptionOfAMessage(Sound):
    class message_options:
        def __init__(self, **anything: object): ...


class ShowsTheValueOfAnOptionOfAMessage(Sound):
    def send(self, message, session=None, **how):
        try:
            return super().send(message, session, **how)
        except MessageError as error:
            raise MessageError(f"{error} {message.options}") from None


class NamesNoOptionOfAMessage(Sound):
    def send(self, message, session=None, **how):
        try:
            return super().send(message, session, **how)
        except MessageError:
            raise MessageError("Something is wrong with the options.") from None


class RefusesTheOptionsOfAMessageTooLate(Sound):
    def send(self, message, session=None, **how):
        if message.options:
            self.arrived.append((Envelope("", ()), b""))
        return super().send(message, session, **how)


class Trusting(Sound):
    """Sends without looking."""

    def send(self, message, session=None, **how):
        mail = Outgoing(Envelope("", ()), message.as_bytes(), str(message.msgId), message)
        return self.deliver(mail, session)


class LetsOneThrough(Sound):
    """Looks for every line break and control but one."""

    character: str

    def send(self, message, session=None, **how):
        if self.character in message.subject:
            return Trusting.send(self, message, session)
        return super().send(message, session, **how)


class RefusesTooLate(Sound):
    """Hands everything over, and validates then."""

    def send(self, message, session=None, **how):
        self.arrived.append((Envelope("", ()), message.as_bytes()))
        return super().send(message, session, **how)


class RaisesValueErrors(Sound):
    def send(self, message, session=None, **how):
        try:
            return super().send(message, session, **how)
        except ValueError as error:
            raise ValueError(str(error)) from error


# ---------------------------------------------------------------------- signals


class MadeOfAnotherThatSends(Sound):
    """Calls send() of its child where deliver() belongs."""

    def deliver(self, mail, session):
        child = Sound()
        receipt = child.send(mail.message)
        self.arrived += child.arrived
        return receipt


class FiresTheSignalItself(Sound):
    def deliver(self, mail, session):
        receipt = super().deliver(mail, session)
        email_dispatched.send(self, message=mail.message)
        return receipt


class TellsOfFailuresTwice(Sound):
    def send(self, message, session=None, *, app=None, **how):
        try:
            return super().send(message, session, app=app, **how)
        except Exception as error:
            email_failed.send(app, message=message, error=error, receipt=None)
            raise


class KeepsGoing(Sound):
    """Takes a receiver that stops a message for a broken one."""

    def send(self, message, session=None, *, app=None, **how):
        try:
            email_sending.send(app, message=message)
        except Exception:  # noqa: BLE001
            logging.getLogger(__name__).info("a receiver is broken")
        return self.deliver(Outgoing.of(message), session)


class SendsAgainAfterAReceiver(Sound):
    """Takes an error of a receiver for one of the peer."""

    def send(self, message, session=None, *, app=None, **how):
        mail = Outgoing.of(message)
        for _ in range(2):
            email_sending.send(app, message=message)
            receipt = self.deliver(mail, session)
            try:
                email_dispatched.send(app, message=message, receipt=receipt)
            except ZeroDivisionError:
                continue
            return receipt
        raise BackendUnavailable("Tried twice.")


# ---------------------------------------------------------------------- failures


class SwallowsRefusals(Sound):
    def deliver(self, mail, session):
        try:
            return super().deliver(mail, session)
        except BackendUnavailable:
            return self.accepted(mail)


class RaisesItsLibrarysErrors(Sound):
    def deliver(self, mail, session):
        if self.down:
            raise ConnectionResetError("the library's own")
        return super().deliver(mail, session)


class SwallowsRefusalsOfBatches(Sound):
    def deliver_many(self, mails, session):
        for mail in mails:
            self.arrived.append((mail.envelope, mail.content))
            yield self.accepted(mail)


class StopsAtTheFirstFailure(Sound):
    def send_many(self, messages, session=None, **how):
        for message in messages:
            yield self.send(message, session, **how)


class TellsOfNoRefusedRecipient(Sound):
    def deliver(self, mail, session):
        return replace(super().deliver(mail, session), refused={})


class TellsThatTheyWereRefusedWithoutWhy(Sound):
    def deliver(self, mail, session):
        receipt = super().deliver(mail, session)
        return replace(receipt, refused=dict.fromkeys(receipt.refused, "no such user"))


class RefusesWithAPositiveReply(Sound):
    def refusals(self, mail):
        return {each: Refusal(250, "", "ok") for each in super().refusals(mail)}


class TriesRefusedMessagesAgain(Sound):
    def deliver(self, mail, session):
        try:
            return super().deliver(mail, session)
        except MessageRefused as error:
            error.attempts = 2
            raise


class TakesARefusalForAFailure(Sound):
    def deliver(self, mail, session):
        try:
            return super().deliver(mail, session)
        except MessageRefused as error:
            raise BackendUnavailable(str(error), refused=error.refused) from error


class RefusesNobodyByName(Sound):
    def deliver(self, mail, session):
        try:
            return super().deliver(mail, session)
        except MessageRefused as error:
            raise MessageRefused(str(error)) from error


class HoldsALock(Sound):
    """Its errors hold what cannot be pickled."""

    def deliver(self, mail, session):
        try:
            return super().deliver(mail, session)
        except BackendUnavailable as error:
            error.lock = threading.Lock()
            raise


# ---------------------------------------------------------------------- many messages


class LosesTheLastReceipt(Sound):
    def deliver_many(self, mails, session):
        return iter(list(super().deliver_many(mails, session))[:-1])


class LosesTheFirstReceipt(Sound):
    def deliver_many(self, mails, session):
        return iter(list(super().deliver_many(mails, session))[1:])


class AnswersInAnotherOrder(Sound):
    def deliver_many(self, mails, session):
        return iter(list(super().deliver_many(mails, session))[::-1])


class NeedsAList(Sound):
    def send_many(self, messages, session=None, **how):
        assert isinstance(messages, list), "messages must be a list"
        return super().send_many(messages, session, **how)


class LeavesOutBadMessages(Sound):
    def send_many(self, messages, session=None, **how):
        good = [each for each in messages if not each.has_bad_headers()]
        return super().send_many(good, session, **how)


class KeepsTheMessageOnItself(Sound):
    """All threads set `current` before any of them reads it for the first time."""

    def __init__(self, **options):
        super().__init__(**options)
        self.all_here = threading.Barrier(THREADS)

        self.mine = threading.local()

    def deliver(self, mail, session):
        self.current = mail
        if not hasattr(self.mine, "place"):
            self.mine.place = self.all_here.wait(60)
        return super().deliver(self.current, session)


class DropsWhatComesAtTheSameTime(Sound):
    """Delivers for the first thread that comes, and tells the others that it did."""

    def __init__(self, **options):
        super().__init__(**options)
        self.all_here = threading.Barrier(THREADS)

    def keep(self, mail, envelope, content):
        if self.all_here.wait(60) == 0:
            super().keep(mail, envelope, content)


# ---------------------------------------------------------------------- sessions


class RaisesInClose(Sound):
    def open(self):
        return []

    def close(self, session):
        if session:
            raise ConnectionError("closed before")
        session.append("closed")


class RaisesInCloseWhenUnused(Sound):
    def open(self):
        return []

    def deliver(self, mail, session):
        session.append(mail)
        return super().deliver(mail, session)

    def close(self, session):
        session.pop()


class ClosesAllSessions(Sound):
    """Closes what it shares."""

    closed = False

    def close(self, session):
        self.closed = True

    def deliver(self, mail, session):
        if self.closed:
            raise BackendUnavailable("The connection is closed.")
        return super().deliver(mail, session)


class ForOneMessageOnly(Sound):
    def open(self):
        return []

    def deliver(self, mail, session):
        if session:
            raise DeliveryUnknown("The service hung up.")
        session.append(mail)
        return super().deliver(mail, session)


# ---------------------------------------------------------------------- configuration


class TakesAnyOption(Sound):
    def __init__(self, **options):
        super().__init__(**{key: options[key] for key in options if key in ("password", "down")})


class TakesAnyKindOfValue(Sound):
    @classmethod
    def from_options(cls, options, build):
        return cls(**options)


class ShowsAValueOfTheWrongKind(Sound):
    @classmethod
    def from_options(cls, options, build):
        try:
            return super().from_options(options, build)
        except ValueError as error:
            raise type(error)(f"{error} It is {options}.") from None


class NeedsAPlace(Sound):
    """Declares what it needs, which is no fault."""

    given: ClassVar[dict[str, Any]] = {"place": "here"}

    def __init__(self, *, place: str, **options: Any):
        super().__init__(**options)

    @classmethod
    def from_options(cls, options, build):
        known = {"place", "password", "down", "bounces"}
        for unknown in options.keys() - known:
            raise ConfigurationError(f"{cls.setting_key(unknown)} is none; did you mean another?")
        return super().from_options(options, build)


class GuessesWhatItNeeds(NeedsAPlace):
    @classmethod
    def from_options(cls, options, build):
        return super().from_options({"place": "somewhere", **options}, build)


class NeedsSomething(NeedsAPlace):
    @classmethod
    def from_options(cls, options, build):
        if "place" not in options:
            raise ConfigurationError("An option is missing.")
        return super().from_options(options, build)


class ShowsTheValueOfAnOption(Sound):
    @classmethod
    def from_options(cls, options, build):
        try:
            return super().from_options(options, build)
        except ValueError as error:
            raise type(error)(f"{error} They are: {options}") from None


class SuggestsNothing(Sound):
    @classmethod
    def from_options(cls, options, build):
        try:
            return super().from_options(options, build)
        except ValueError as error:
            raise type(error)(str(error).replace("did you mean", "not")) from None


class SharesOneConnection(Sound):
    """Keeps its connection on the class, so that two apps share it."""

    lines = 0

    def open(self):
        type(self).lines = 1

    def close(self, session):
        type(self).lines = 0

    def deliver(self, mail, session):
        if not self.lines:
            raise BackendUnavailable("The connection is closed.")
        return super().deliver(mail, session)


class NeedsAnAppContext(Sound):
    def deliver(self, mail, session):
        self.log = current_app.logger
        return super().deliver(mail, session)


class ShowsThePassword(Sound):
    def __repr__(self):
        return f"<{type(self).__name__} password={self.password}>"


class LogsThePassword(Sound):
    def deliver(self, mail, session):
        logging.getLogger(__name__).debug("logging in with %s", self.password)
        return super().deliver(mail, session)


class HoldsThePasswordInAVariable(Sound):
    def deliver(self, mail, session):
        password = self.password
        if self.down and password:
            raise BackendUnavailable("The peer is down.")
        return super().deliver(mail, session)


class HoldsThePasswordWhereItsErrorCameFrom(Sound):
    def deliver(self, mail, session):
        try:
            self.log_in(self.password)
        except OSError as error:
            raise BackendUnavailable("The peer is down.") from error
        return super().deliver(mail, session)

    def log_in(self, word):
        if self.down:
            raise ConnectionResetError


class TellsThePassword(Sound):
    def deliver(self, mail, session):
        if self.down:
            raise BackendUnavailable(f"The peer does not accept {self.password}.")
        return super().deliver(mail, session)


class TellsThePasswordInTheReceipt(Sound):
    def deliver(self, mail, session):
        return replace(super().deliver(mail, session), response=f"250 hello {self.password}")


# ---------------------------------------------------------------------- what the inbox asks


class Keeps(Sound):
    """Keeps what arrived."""

    @cached_property
    def shelf(self):
        return {}

    def keep(self, mail, envelope, content):
        super().keep(mail, envelope, content)
        self.shelf[f"m{len(self.arrived)}"] = StoredMessage(content, envelope)

    def kept(self):
        now = datetime.now(timezone.utc)
        return [
            Kept(name, now, partial(self.shelf.get, name), partial(self.shelf.pop, name, None))
            for name in list(self.shelf)
        ]


class KeepsFromTheSecondOn(Keeps):
    def kept(self):
        return super().kept() or None


class KeepsTheNewestFirst(Keeps):
    def kept(self):
        return super().kept()[::-1]


class KeepsWithoutEnvelopes(Keeps):
    def keep(self, mail, envelope, content):
        super().keep(mail, None, content)


class KeepsNoBlindCopies(Keeps):
    def keep(self, mail, envelope, content):
        super().keep(mail, replace(envelope, recipients=envelope.recipients[:1]), content)


class KeepsPairs(Keeps):
    def kept(self):
        return [(each.id, each) for each in super().kept()]


class KeepsContents(Keeps):
    def kept(self):
        return [replace(each, read=lambda: b"") for each in super().kept()]


class KeepsLess(Keeps):
    def kept(self):
        stored = StoredMessage(b"", Envelope("", ("blind@example.com",)), size=5)
        return [replace(each, read=lambda: stored) for each in super().kept()]


class NamesByAddress(Keeps):
    def kept(self):
        return [replace(each, id="a/b") for each in super().kept()]


class NamesAllTheSame(Keeps):
    def kept(self):
        return [replace(each, id="a") for each in super().kept()]


class NamesAnew(Keeps):
    asked = 0

    def kept(self):
        self.asked += 1
        return [replace(each, id=f"{each.id}.{self.asked}") for each in super().kept()]


class KeepsLocalTimes(Keeps):
    def kept(self):
        return [replace(each, date=datetime(2030, 1, 1)) for each in super().kept()]


class DeletesNothing(Keeps):
    def kept(self):
        return [replace(each, delete=list) for each in super().kept()]


class DeletesAll(Keeps):
    def kept(self):
        return [replace(each, delete=self.shelf.clear) for each in super().kept()]


class DeletesOnlyOnce(Keeps):
    def kept(self):
        return [replace(each, delete=partial(self.shelf.pop, each.id)) for each in super().kept()]


class ReadsWhatIsGone(Keeps):
    def kept(self):
        return [replace(each, read=partial(list, ())) for each in super().kept()]


class Probes(Sound):
    """Tries what it can."""

    def probe(self, sender=None):
        yield ProbeStep("connect", "ok")
        yield ProbeStep("sender", "ok" if sender else "skipped", sender or "no sender")


class ProbesInWords(Sound):
    def probe(self, sender=None):
        yield "connected"


class ProbesUnderALongName(Sound):
    def probe(self, sender=None):
        yield ProbeStep("the connection", "ok")


class ProbesWithAStatusOfItsOwn(Sound):
    def probe(self, sender=None):
        yield ProbeStep("connect", "good")


class ProbesWithThePassword(Sound):
    def probe(self, sender=None):
        yield ProbeStep("login", "ok", f"with {self.password}")


class ProbesByMail(Sound):
    def probe(self, sender=None):
        self.arrived.append((Envelope("", ()), b""))
        yield ProbeStep("connect", "ok")


class NeedsASenderToProbe(Sound):
    def probe(self, sender=None):
        yield ProbeStep("sender", "ok", sender.lower())


# ---------------------------------------------------------------------- which test catches which


@dataclass(frozen=True)
class Case:
    """A test of the contract, a backend that it must fail, and what the failure says."""

    test: str
    broken: type[Sound]
    says: str
    field: str = "subject"

    def __str__(self) -> str:
        return f"{self.broken.__name__}-{self.test.removeprefix('test_')}"


CASES = [
    Case("test_its_name_is_one_lowercase_word", HasALongName, "use lowercase letters"),
    Case("test_its_name_is_one_lowercase_word", HasNoName, "has the name None"),
    Case("test_its_class_can_be_chosen", HasALongName, "one lowercase word"),
    Case(
        "test_the_receipt_tells_what_was_sent",
        ReturnsNothing,
        "returned NoneType instead of a Receipt",
    ),
    Case("test_the_receipt_tells_what_was_sent", TellsTheServicesId, "has the Message-ID '4711'"),
    Case("test_the_receipt_tells_what_was_sent", WritesItsOwnMessageId, "content '<4711@service"),
    Case("test_the_receipt_tells_what_was_sent", AnswersForAnother, "names the backend 'another'"),
    Case("test_a_message_is_delivered_once", SendsTwice, "3 messages should have arrived, not 6"),
    Case(
        "test_a_message_is_delivered_once", DeliversNothing, "3 messages should have arrived, not 0"
    ),
    Case("test_the_message_is_left_as_it_is", MarksTheMessage, "changed subject"),
    Case("test_the_message_is_left_as_it_is", ClearsTheAttachments, "changed the attachments"),
    Case(
        "test_recipients_are_in_order_and_without_duplicates",
        SortsTheRecipients,
        "recipients should be",
    ),
    Case(
        "test_recipients_are_in_order_and_without_duplicates",
        ReadsRecipientsFromTheFields,
        "recipients should be",
    ),
    Case(
        "test_blind_copies_are_in_the_envelope_and_never_in_the_content",
        ShowsBlindCopies,
        "content shows blind copies",
    ),
    Case(
        "test_blind_copies_are_in_the_envelope_and_never_in_the_content",
        DropsBlindCopies,
        "recipients should be",
    ),
    Case(
        "test_another_envelope_sender_is_used_or_refused",
        IgnoresTheEnvelopeSender,
        "should be 'bounces@example.com', not 'ann@example.com'",
    ),
    Case(
        "test_another_envelope_sender_is_used_or_refused",
        RefusesTheEnvelopeSenderTooLate,
        "raised, but delivered the message",
    ),
    Case("test_text_of_every_script_arrives", WritesInLatin1, "subject became"),
    Case("test_attachments_arrive_byte_for_byte", StripsWhiteSpace, r"\['ends.txt'\] arrived with"),
    Case("test_attachments_arrive_byte_for_byte", WritesInLatin1, "attachments are"),
    Case("test_a_large_message_arrives_whole", CutsLargeMessages, "arrived changed"),
    Case("test_a_large_message_arrives_whole", DeliversNothing, "1 messages should"),
    Case(
        "test_a_later_change_of_the_message_changes_nothing_that_was_delivered",
        RendersLater,
        "changed what was delivered",
    ),
    *(
        Case("test_line_breaks_and_controls_are_refused", Trusting, "was accepted", field)
        for field in FIELDS
    ),
    *(
        Case(
            "test_line_breaks_and_controls_are_refused",
            type("LetsOneThrough", (LetsOneThrough,), {"character": character}),
            re.escape(f"{name} in the subject was accepted"),
        )
        for name, character in BREAKS.items()
    ),
    Case("test_line_breaks_and_controls_are_refused", RefusesTooLate, "0 messages should"),
    Case("test_line_breaks_and_controls_are_refused", RaisesValueErrors, "Expected a MessageErr"),
    Case(
        "test_line_breaks_and_controls_in_the_envelope_sender_are_refused",
        Trusting,
        "was accepted",
    ),
    Case("test_signals_fire_once_and_in_order", MadeOfAnotherThatSends, "signals should be"),
    Case("test_signals_fire_once_and_in_order", FiresTheSignalItself, "signals should be"),
    Case("test_signals_fire_once_and_in_order", Trusting, r"not \[\]"),
    Case("test_a_refused_message_fires_email_failed_once", TellsOfFailuresTwice, "signals should"),
    Case("test_a_refused_message_fires_email_failed_once", RaisesValueErrors, "Expected a Messag"),
    Case("test_a_receiver_may_stop_a_message", KeepsGoing, "DID NOT RAISE"),
    Case(
        "test_a_receiver_that_raises_does_not_undo_the_delivery",
        SendsAgainAfterAReceiver,
        "Tried twice",
    ),
    Case("test_a_failure_is_raised_and_signalled", SwallowsRefusals, "failed, but was reported as"),
    Case("test_a_failure_is_raised_and_signalled", RaisesItsLibrarysErrors, "ConnectionResetError"),
    Case("test_a_failure_is_raised_and_signalled", TellsOfFailuresTwice, "signals should be"),
    Case("test_send_many_reports_failures_and_raises_none", SwallowsRefusalsOfBatches, "signals"),
    Case("test_send_many_reports_failures_and_raises_none", StopsAtTheFirstFailure, "peer is down"),
    Case(
        "test_a_recipient_that_is_refused_is_in_the_receipt",
        TellsOfNoRefusedRecipient,
        r"the receipt names \[\]",
    ),
    Case(
        "test_a_recipient_that_is_refused_is_in_the_receipt",
        TellsThatTheyWereRefusedWithoutWhy,
        "must be a Refusal",
    ),
    Case(
        "test_a_recipient_that_is_refused_is_in_the_receipt",
        RefusesWithAPositiveReply,
        "is not a refusal",
    ),
    Case("test_a_refusal_is_never_tried_again", TriesRefusedMessagesAgain, "tried 2 times"),
    Case("test_a_refusal_is_never_tried_again", TakesARefusalForAFailure, "raise MessageRefused"),
    Case("test_a_refusal_is_never_tried_again", RefusesNobodyByName, r"names \[\] as refused"),
    Case("test_errors_and_receipts_can_be_pickled", HoldsALock, "cannot be pickled"),
    Case(
        "test_send_many_gives_one_receipt_for_each_in_order",
        LosesTheLastReceipt,
        "should be SENT, not UNKNOWN",
    ),
    Case(
        "test_send_many_gives_one_receipt_for_each_in_order",
        LosesTheFirstReceipt,
        "belongs to another message",
    ),
    Case(
        "test_send_many_gives_one_receipt_for_each_in_order",
        AnswersInAnotherOrder,
        "belongs to another message",
    ),
    Case("test_send_many_gives_one_receipt_for_each_in_order", NeedsAList, "must be a list"),
    Case("test_send_many_gives_one_receipt_for_each_in_order", LeavesOutBadMessages, "5 receipts"),
    Case("test_send_many_gives_one_receipt_for_each_in_order", StopsAtTheFirstFailure, "subject"),
    Case("test_send_many_gives_one_receipt_for_each_in_order", SendsTwice, "5 messages should"),
    Case(
        "test_send_many_of_nothing_that_can_be_sent_delivers_nothing",
        LeavesOutBadMessages,
        r"got \[\]",
    ),
    Case("test_threads_may_share_it", KeepsTheMessageOnItself, "receipt of another thread's"),
    Case("test_threads_may_share_it", DropsWhatComesAtTheSameTime, "200 messages should"),
    Case("test_close_never_raises", RaisesInClose, r"close\(\) raised .* already closed"),
    Case("test_close_never_raises", RaisesInCloseWhenUnused, "close.* raised .* unused session"),
    Case("test_close_never_raises", ClosesAllSessions, "connection is closed"),
    Case("test_a_session_carries_several_messages", ForOneMessageOnly, "hung up"),
    Case(
        "test_an_unknown_option_is_refused", TakesAnyOption, "is not an option .* but was accepted"
    ),
    Case("test_an_unknown_option_is_refused", ShowsTheValueOfAnOption, "shows the value"),
    Case("test_an_unknown_option_is_refused", SuggestsNothing, "should suggest"),
    Case("test_an_option_of_the_wrong_kind_is_refused", TakesAnyKindOfValue, "a list was accepted"),
    Case("test_an_option_of_the_wrong_kind_is_refused", ShowsAValueOfTheWrongKind, "shows the val"),
    Case(
        "test_a_required_option_that_is_missing_is_named",
        GuessesWhatItNeeds,
        "was accepted as missing",
    ),
    Case("test_a_required_option_that_is_missing_is_named", NeedsSomething, "PLACE: An opt"),
    Case("test_it_is_built_from_the_settings_of_an_app", SharesOneConnection, "is closed"),
    Case("test_an_app_uses_it_except_in_tests", NeedsAnAppContext, "application context"),
    Case("test_an_app_uses_it_except_in_tests", SendsTwice, "1 messages should"),
    *(
        Case("test_what_it_cannot_do_is_refused_and_what_it_can_is_not", broken, says, "TAGS")
        for broken, says in (
            (LeavesOutTags, "was accepted"),
            (RaisesAnotherErrorForTags, "must raise UnsupportedFeature"),
            (RefusesTagsInTheNameOfAnother, "should name the backend"),
            (DeclaresMoreThanItCan, "`features` contains"),
        )
    ),
    Case(
        "test_what_it_cannot_do_is_refused_and_what_it_can_is_not",
        LeavesOutHeaders,
        "`features` contains HEADERS",
        "HEADERS",
    ),
    Case(
        "test_verbatim_content_arrives_byte_for_byte",
        LeavesOutBlanks,
        "other octets arrived",
    ),
    *(
        Case("test_its_class_declares_what_any_of_its_instances_can", broken, says)
        for broken, says in (
            (CanMoreThanItsClassSays, "Feature.TAGS, Feature.METADATA"),
            (HasNoLimitButItsClassHas, "`max_recipients` is None for an instance, but 100"),
            (HasAWiderLimitThanItsClass, "`max_size` is 2000 for an instance, but 1000"),
        )
    ),
    Case("test_more_recipients_than_it_takes_are_refused", TakesMoreThanItSays, "was accepted"),
    Case("test_more_recipients_than_it_takes_are_refused", TakesLessThanItSays, "Too many"),
    Case(
        "test_more_recipients_than_it_takes_are_refused",
        RefusesTooManyAsInvalid,
        "must raise UnsupportedFeature",
    ),
    Case("test_options_for_other_backends_are_ignored", TakesNoOptionsOfOthers, "not known here"),
    *(
        Case("test_an_unknown_option_of_a_message_is_refused", broken, says)
        for broken, says in (
            (TakesAnyOptionOfAMessage, "was accepted"),
            (ShowsTheValueOfAnOptionOfAMessage, "shows the value"),
            (NamesNoOptionOfAMessage, "should name the option"),
            (RefusesTheOptionsOfAMessageTooLate, "0 messages should"),
        )
    ),
    *(
        Case("test_kept_messages_are_those_that_were_delivered", broken, says)
        for broken, says in (
            (KeepsFromTheSecondOn, "None always or never"),
            (KeepsTheNewestFirst, "oldest first"),
            (KeepsWithoutEnvelopes, "without its envelope"),
            (KeepsNoBlindCopies, "lacks a blind copy"),
            (KeepsPairs, "not a Kept"),
            (KeepsContents, "returned b''"),
            (KeepsLess, "size is 5"),
            (NamesByAddress, "does not fit into a URL"),
            (NamesAllTheSame, "the same id"),
            (NamesAnew, "has other ids"),
            (KeepsLocalTimes, "no time zone"),
        )
    ),
    *(
        Case("test_deleted_messages_are_gone", broken, says)
        for broken, says in (
            (DeletesNothing, "are left"),
            (DeletesAll, "are left"),
            (DeletesOnlyOnce, "a deleted message raised KeyError"),
            (ReadsWhatIsGone, "must return None"),
        )
    ),
    *(
        Case("test_probe_yields_its_steps_and_sends_nothing", broken, says)
        for broken, says in (
            (ProbesInWords, "not a ProbeStep"),
            (ProbesUnderALongName, "must be one word"),
            (ProbesWithAStatusOfItsOwn, '"ok", "failed" or "skipped"'),
            (ProbesWithThePassword, "A secret is visible"),
            (ProbesByMail, "0 messages should"),
            (NeedsASenderToProbe, "no attribute 'lower'"),
        )
    ),
    Case("test_no_secret_shows", ShowsThePassword, "visible in the repr"),
    Case("test_no_secret_shows", LogsThePassword, "visible in the log"),
    Case("test_no_secret_shows", HoldsThePasswordInAVariable, "in a variable of a frame"),
    Case("test_no_secret_shows", HoldsThePasswordWhereItsErrorCameFrom, "variable of a frame"),
    Case("test_no_secret_shows", TellsThePassword, "visible in an error"),
    Case("test_no_secret_shows", TellsThePasswordInTheReceipt, "visible in the receipt"),
]
TESTS = [name for name in dir(BackendContract) if name.startswith("test_")]


def read(backend: Any) -> Callable[[], list[tuple[Envelope, bytes]]]:
    if isinstance(backend, RendersLater):
        return lambda: [(mail.envelope, mail.message.as_bytes()) for mail in backend.arrived]
    return lambda: list(backend.arrived)


@pytest.fixture
def run(caplog, monkeypatch):
    """Run one test of the contract on a backend class, as pytest would."""

    def run(test: str, cls: type[Sound], field: str = "subject") -> None:
        options = getattr(cls, "given", {})
        backend = cls(password=SECRET, **options)
        given = {
            "backend": backend,
            "delivered": read(backend),
            "failing": cls(password=SECRET, down=True, **options),
            "refusing": cls(password=SECRET, bounces=True, **options),
            "options": options,
            "secrets": [SECRET],
            "field": field,
            "feature": Feature.__members__.get(field, Feature.TAGS),
            "caplog": caplog,
            "monkeypatch": monkeypatch,
        }
        method = getattr(BackendContract(), test)
        method(**{name: given[name] for name in inspect.signature(method).parameters})

    return run


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_fault_fails_the_test_that_is_meant_for_it(run, case):
    with pytest.raises((Exception, pytest.fail.Exception), match=case.says):
        run(case.test, case.broken, case.field)


@pytest.mark.parametrize("test", TESTS)
def test_a_sound_backend_passes(run, test):
    takes_field = "field" in inspect.signature(getattr(BackendContract, test)).parameters
    for field in FIELDS if takes_field else Feature.__members__.keys() - {"VERBATIM"}:
        run(test, Sound, field)


@pytest.mark.parametrize(
    "cls", [HasALimit, NeedsAPlace, ChoosesTheEnvelopeSender, DoesEverything, Keeps, Probes]
)
@pytest.mark.parametrize("test", [each for each in TESTS if "line_breaks" not in each])
def test_so_does_one_that_cannot_do_everything_and_says_so(run, test, cls):
    run(test, cls)


@pytest.mark.parametrize("test", [each for each in TESTS if "line_breaks" not in each])
def test_what_is_about_files_is_left_out_for_one_that_takes_none(run, test):
    try:
        run(test, SendsWordsOnly)
    except pytest.skip.Exception as skipped:
        assert "does not support Feature." in str(skipped)  # noqa: PT017
        assert test in (
            "test_verbatim_content_arrives_byte_for_byte",
            "test_attachments_arrive_byte_for_byte",
            "test_a_large_message_arrives_whole",
        )


@pytest.mark.parametrize("field", FIELDS)
def test_the_injection_corpus_is_harmless_without_its_line_breaks(field):
    assert DoesEverything().send(FIELDS[field]("onetwo")).sent


@pytest.mark.parametrize(
    ("cls", "says"),
    [(Sound, "reads the whole content"), (CutsPieces, "arrived changed")],
)
def test_one_that_does_not_deliver_in_pieces_is_found(cls, says, tmp_path, monkeypatch):
    backend = cls()
    with pytest.raises(AssertionError, match=says):
        Streaming().test_a_large_file_is_asked_for_in_pieces(
            backend, read(backend), tmp_path, monkeypatch
        )


def test_every_promise_has_a_backend_that_breaks_it():
    assert {case.test for case in CASES} == set(TESTS)


def test_type_checker_only_annotations_are_skipped(run):
    BackendContract().test_an_option_of_the_wrong_kind_is_refused(IsAnnotatedForCheckersOnly(), {})


def test_a_child_is_built_from_its_own_options(run):
    class Parent(Sound):
        @classmethod
        def from_options(cls, options, build):
            assert build("null").name == "null"
            return super().from_options(options, build)

    run("test_an_unknown_option_is_refused", Parent)
