"""Log lines for messages and batches, without anyone's address."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..errors import OPENING, DeliveryError
from ..receipt import Outcome
from ..util.patterns import lazy_pattern

if TYPE_CHECKING:
    from ..message.message import Message
    from ..receipt import Receipt
    from .outgoing import Outgoing

_log = logging.getLogger("flask_mail")

# A log handler that sends mail may fail too, which must not log another warning.
_warning: ContextVar[bool] = ContextVar("flask_mail_warning", default=False)

_LONGEST = 500
_MOST_READ = 4 * _LONGEST
_MOST_CAUSES = 100
_HIDDEN = "..."
# A value that an error quotes, even if it was cut off; not an apostrophe within a word.
_QUOTED = lazy_pattern(r"""(?<!\w)(?:'(?:\\.|[^'\\])*(?:'|$)|"(?:\\.|[^"\\])*(?:"|$))""")
_ADDRESS = lazy_pattern(r"\S*@\S*")
_LOCAL_PART = lazy_pattern(r'[^\s<>@",;:()]+(?=@)')


class Causes:
    """Failures of a batch by cause: only the first of each is a warning, a summary counts the rest.

    Each unknown outcome is a warning, as a person must look up that message.
    """

    def __init__(self) -> None:
        self._repeated: dict[tuple[Outcome, str, str], int] = {}

    def is_repeated(self, receipt: Receipt, reason: str) -> bool:
        """Return True if an earlier message failed for this reason, and count this one."""
        if receipt.outcome is Outcome.UNKNOWN:
            return False
        cause = (receipt.outcome, receipt.mailer, reason)
        if cause in self._repeated:
            self._repeated[cause] += 1
            return True
        if len(self._repeated) < _MOST_CAUSES:  # a server may number its replies
            self._repeated[cause] = 0
        return False

    def summarize(self) -> None:
        """Log for each cause how many messages were not a warning of their own."""
        repeated, self._repeated = self._repeated, {}
        for (outcome, _, reason), count in repeated.items():
            if count:
                verb = "message of this batch was" if count == 1 else "messages of this batch were"
                with level_of_failures() as level:
                    _log.log(
                        *(level, "%d more %s %s for the same reason: %s"),
                        *(count, verb, outcome.value, reason),
                    )


def logged(
    message: Message,
    mail: Outgoing | None,
    receipt: Receipt,
    started: float,
    causes: Causes | None = None,
) -> Receipt:
    """Log the outcome of a message, and return its receipt with the elapsed time.

    :param mail: the message as the backend got it; ``None`` if it never did.
    :param causes: the failures of its batch.
    """
    if not receipt.seconds:
        receipt = _timed(receipt, time.perf_counter() - started)
    error = receipt.error
    if isinstance(error, DeliveryError):
        error.receipt = receipt
    if error is not None or receipt.refused or _log.isEnabledFor(logging.INFO):
        _log_outcome(message, mail, receipt, causes)
    return receipt


def _timed(receipt: Receipt, seconds: float) -> Receipt:
    timed = object.__new__(type(receipt))
    vars(timed).update(vars(receipt), seconds=seconds)  # all else has been checked
    return timed


@contextmanager
def level_of_failures() -> Iterator[int]:
    """Yield the level of a failure; those within this block are only information.

    A handler of such a warning may send mail, and a command prints the failure itself.
    """
    level = logging.INFO if _warning.get() else logging.WARNING
    token = _warning.set(True)
    try:
        yield level
    finally:
        _warning.reset(token)


def _log_outcome(
    message: Message, mail: Outgoing | None, receipt: Receipt, causes: Causes | None
) -> None:
    error = receipt.error
    name = receipt.message_id or "message"
    figures = f"seconds: {receipt.seconds:.3f}"
    if mail is not None:
        recipients = len(mail.envelope.recipients)
        figures = f"recipients: {recipients}, octets: {mail.size}, {figures}"
    is_repeated = False
    if error is None:
        verb = "sent" if receipt.sent else "queued"
        _log.info("%s %s by %s: %s", name, verb, receipt.backend, figures)
    else:
        reason = _reason(error, message)
        is_repeated = causes is not None and causes.is_repeated(receipt, reason)
        with level_of_failures() as level:
            _log.log(
                logging.INFO if is_repeated else level,
                "%s %s by %s%s: %s (%s)",
                name,
                receipt.outcome.value,
                receipt.backend,
                _stage(error),
                reason,
                figures,
            )
    _log.debug(
        "%s attempts: %d, %s", name, receipt.attempts, error or receipt.response or "no response"
    )
    refused = len(receipt.refused) - (len(mail.withheld) if mail else 0)
    if refused:
        _log.log(
            logging.INFO if is_repeated else logging.WARNING,
            "%s: recipients refused: %d (see receipt.refused)",
            receipt.message_id,
            refused,
        )


def log_batch(
    counted: Mapping[Outcome, int], error: BaseException | None, *, is_complete: bool
) -> None:
    """Log a summary of a batch in which a message failed, or which `error` ended.

    :param is_complete: True if the attribute `receipts` of the error has every receipt.
    """
    summary = ", ".join(f"{count} {outcome.value}" for outcome, count in counted.items())
    total = sum(counted.values())
    if error is not None:
        _log.warning(
            "A batch ended with %s after %d messages: %s. The attribute `receipts` of this error"
            " has %s.",
            type(error).__name__,
            total,
            summary or "none sent",
            "their receipts" if is_complete else "the receipts that on_receipt did not take",
        )
    elif any(outcome.value not in ("sent", "queued") for outcome in counted):
        _log.warning("A batch of %d messages: %s.", total, summary)


def _stage(error: BaseException) -> str:
    stage = error.stage if isinstance(error, DeliveryError) else ""
    return f" at {stage}" if stage else ""


def _reason(error: BaseException, message: Message) -> str:
    """Return the text of an error, on one line and without personal data.

    Servers put addresses into their replies, and so do errors about a message.
    """
    kind = type(error).__name__
    try:
        text = str(error)[:_MOST_READ]
    except Exception:  # noqa: BLE001 (a foreign class)
        return kind
    text = "".join(each if each.isprintable() else _HIDDEN for each in " ".join(text.split()))
    if not isinstance(error, DeliveryError):
        text = _QUOTED.sub(_HIDDEN, text)
    opening = isinstance(error, DeliveryError) and error.stage in OPENING
    for private in () if opening else _private(message):
        if private.lower() not in text.lower():
            continue
        whole = rf"(?<!\w)(?<!\w[.-]){re.escape(private)}(?!\w|[.-]\w)"
        text = re.sub(whole, _HIDDEN, text, flags=re.IGNORECASE)
    text = _ADDRESS.sub(_HIDDEN, text)
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + _HIDDEN
    return f"{kind}: {text}" if text else kind


def _private(message: Any) -> set[str]:
    """Return subject, names and local parts of a message, whose fields may be of any type."""
    fields = ("subject", "sender", "recipients", "cc", "bcc", "reply_to")
    found: set[str] = set()
    for text in _texts([getattr(message, name, None) for name in fields]):
        found |= {text, text.partition("<")[0].strip(' "'), *_LOCAL_PART.findall(text)}
    return {each for each in found if len(each) > 1}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple, set)):
        for each in value:
            yield from _texts(each)
