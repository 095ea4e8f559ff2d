"""The rules of an app for the mail of one mailer, as they travel down to its backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ..message.message import Message
    from .outgoing import Outgoing

DEFAULT: Final = "default"
"""The mailer of :meth:`Mail.send`."""


class Policy(NamedTuple):
    """Rules that apply to each message before a backend gets it."""

    mailer: str = ""
    """The name of the mailer, for receipts and the outbox."""
    admissions: tuple[Callable[[Outgoing], Outgoing], ...] = ()
    """Functions that return the message as it may be delivered, or raise, in order; such as the
    recipient allow-list. They run again when a queue delivers the message later."""
    check_replaced: Callable[[Outgoing], None] | None = None
    """Checks that the configured backend could deliver a message, if a local one replaces it."""
    complete: Callable[[Message], None] | None = None
    """Adds to a message what the settings say, before `email_sending`; or raises."""

    @contextmanager
    def together(self, mails: Sequence[Outgoing]) -> Iterator[None]:
        """Let the admissions look up what they need for messages that the block admits.

        Those that can have a method `looked_up`, which takes the messages and returns a context.
        """
        with ExitStack() as stack:
            for each in self.admissions if mails else ():
                looked_up = getattr(each, "looked_up", None)
                if looked_up is not None:
                    stack.enter_context(looked_up(mails))
            yield


NO_POLICY: Final = Policy()
