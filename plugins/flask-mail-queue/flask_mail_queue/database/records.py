"""Messages as the rows of the queue store them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask_mail.backends import Outgoing

from .contents import Contents
from .files import Bundles
from .schema import SECOND

_MAX_KEY: Final = 255
_MAX_RESPONSE: Final = 500
LONGEST: Final = 10 * 365 * 86400
# The search begins only after a separator, so that a long word without an @ is read once.
_ADDRESS: Final = re.compile(r"(?<![^\s<>,;:()\"])[^\s<>,;:()\"]+@[^\s<>,;:()\"]+")


@dataclass(frozen=True)
class QueueOptions:
    """``message.options["queue"]``.

    :param delay: seconds until the message is due.
    :param at: the time at which it is due, instead of `delay`: a datetime with a time zone, or a
        number of seconds since 1970.
    :param expires: seconds after which it is not sent any more.
    :param priority: messages with a smaller number are sent first.
    :param essential: it is sent to recipients who have unsubscribed, too.
    :param key: takes precedence over the key of the message; need not be ASCII.
    """

    delay: float = 0.0
    at: Any = None
    expires: float | None = None
    priority: int = 0
    essential: bool = False
    key: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("delay", self.delay), ("expires", self.expires)):
            if value is not None and not 0 <= value <= LONGEST:
                raise ValueError(f"{name} must be a number of seconds from 0 to ten years.")
        if self.at is not None and self.delay:
            raise ValueError("delay and at exclude each other: leave one out.")
        if self.at is not None:
            seconds_of(self.at)
        if not -1000 <= self.priority <= 1000:
            raise ValueError("priority must be a number from -1000 to 1000.")
        key = self.key
        # PostgreSQL cannot store NUL, and no database a surrogate.
        if key is not None and not (0 < len(key) <= _MAX_KEY and key.isprintable()):
            raise ValueError(f"key must have 1 to {_MAX_KEY} printable characters.")


def seconds_of(at: object) -> float:
    """Return a time as seconds since 1970."""
    if isinstance(at, datetime) and at.tzinfo is not None:
        return at.timestamp()
    if isinstance(at, (int, float)) and not isinstance(at, bool) and 0 <= at <= 1e11:
        return float(at)
    raise ValueError("at must be a datetime with a time zone, or seconds since 1970.")


def row_of(
    mail: Outgoing, mailer: str, options: QueueOptions, contents: Contents, bundles: Bundles
) -> dict[str, Any]:
    """Return the parameters of the statement that stores `mail`.

    :param bundles: those of the transaction; gets that of this message.

    :raises MessageError: a value of the message has no JSON type, or a file is gone.
    """
    bundle = bundles.of(mail)
    return {
        "mailer": mailer,
        "priority": options.priority,
        "given_at": None if options.at is None else round(seconds_of(options.at) * SECOND),
        "delay": round(options.delay * SECOND),
        "lifetime": None if options.expires is None else round(options.expires * SECOND),
        "key": mail.key if options.key is None else options.key,
        "message_id": mail.message_id,
        "recipients": len(mail.envelope.recipients),
        "size": mail.size,
        "record": contents.stored(mail, bundle),
        "files": None if bundle is None else bundle.id,
    }


def without_addresses(text: str, mail: Outgoing | None) -> str:
    """Return a reply or an error for a row: recipients as ``<recipient 1>``, no other address."""
    recipients = mail.envelope.recipients if mail is not None else ()
    for number, address in enumerate(recipients, 1):
        whole = rf"(?<![^\s<>,;:()\"]){re.escape(address)}(?![\w@-])"
        text = re.sub(rf"<{whole}>|{whole}", f"<recipient {number}>", text, flags=re.IGNORECASE)
    # No address of anyone else either, and characters that the database cannot store.
    text = _ADDRESS.sub("<address>", text).replace("\0", "?")
    return text.encode("utf-8", "replace").decode()[:_MAX_RESPONSE]
