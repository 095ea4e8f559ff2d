"""Methods by which the inbox, the commands and the test kit ask a backend what it can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing
    from ..events import DeliveryEvent
    from .values import DkimRecord, Kept, ProbeStep, QueuedMessage


class Inspectable:
    """Base class of :class:`Backend`: what only some backends can answer, with defaults."""

    def kept(self) -> Iterable[Kept] | None:
        """Return the messages that it keeps, oldest first, for the inbox and for tests.

        Default: ``None``, it does not keep messages. A wrapper backend returns those of its
        children.

        :raises ConfigurationError: they cannot be listed.
        """
        return None

    def backlog(self) -> Iterable[QueuedMessage] | None:
        """Return the messages that it stores to send later, and those that failed, for the inbox.

        Default: ``None``, it is not a queue. A wrapper backend returns those of its children.

        :raises ConfigurationError: they cannot be listed.
        """
        return None

    def last_events(self) -> Iterable[DeliveryEvent]:
        """Return the newest event of each mailer that it has stored, for ``flask mail events``.

        By default, it stores no events. A wrapper backend returns those of its children.

        :raises ConfigurationError: they cannot be read.
        """
        return ()

    def probe(self, sender: str | None = None) -> Iterable[ProbeStep]:
        """Try the connection for ``flask mail check`` without sending anything; yield each step.

        Stop after the first step that fails. A wrapper backend yields the steps of its children.
        By default, there is no connection to try, and no step.

        :param sender: bare address of the default sender, if one is set.
        """
        return ()

    def dkim_records(self) -> Iterable[DkimRecord]:
        """Return the record that DNS must have for each key that signs its mail.

        ``flask mail check`` looks them up. A wrapper backend returns those of its children too.
        """
        return ()

    def read_events(self, headers: Mapping[str, str], body: bytes) -> Iterable[DeliveryEvent]:
        """Return the events in a request of the service, once its signature is verified.

        Override this in a backend of a service that reports what becomes of mail; set
        :attr:`.Backend.events_option` if its secret is not the option ``events_secret``. The
        functions :func:`.verify_webhook` and :func:`.verify_basic_auth` verify the usual
        signatures. What else is raised makes the service send the request again.

        :param headers: the headers of the request, looked up in any case.
        :param body: the octets as they were received.
        :raises EventsRefused: the signature is missing or wrong, or the body cannot be read.
        """
        return ()

    def confirm_events(self, url: str) -> None:
        """Confirm that the service may send events, by a URL that it has sent.

        ``flask mail events confirm`` calls it. By default, there is nothing to confirm.

        :raises ConfigurationError: there is nothing to confirm, or it failed.
        """
        raise ConfigurationError("Events of this backend need no confirmation.")

    def time_limit(self, mail: Outgoing) -> float | None:
        """Return the seconds that a single `send` of `mail` may take; ``None`` for no limit.

        A wrapper backend returns the shortest limit of its children.
        """
        return None

    def stats(self) -> Mapping[str, int]:
        """Return statistics since it was built, such as the number of opened connections."""
        return {}
