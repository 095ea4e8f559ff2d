"""One message in as many requests as its recipients need, and the outcome of each recipient."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from flask_mail.backends import (
    BackendUnavailable,
    DeliveryError,
    DeliveryUnknown,
    MessageRefused,
    Refusal,
)

MAX_RECIPIENTS: Final = 50
"""Recipients per request (Amazon SES quotas)."""

_ADDRESS: Final = re.compile(r"""[^\s,;:<>"]+@[^\s,;:<>"]+""")
_NOT_VERIFIED: Final = "Email address is not verified"
_NOT_SENT: Final = Refusal(451, "4.3.0", "not sent: an earlier request failed")


class Requests:
    """Send a message to all of its recipients.

    :param send: makes the request for some recipients, and returns the id of the accepted message.
    """

    def __init__(self, send: Callable[[Sequence[str]], str]) -> None:
        self._send = send
        self.ids: list[str] = []
        self.refused: dict[str, Refusal] = {}

    def run(self, recipients: Sequence[str]) -> None:
        """Send to `recipients`, and record :attr:`ids` and :attr:`refused`.

        :raises DeliveryError: if no recipient was accepted, or the outcome of some is unknown.
        """
        refusal: MessageRefused | None = None
        for start in range(0, len(recipients), MAX_RECIPIENTS):
            try:
                refusal = self._run(recipients[start : start + MAX_RECIPIENTS]) or refusal
            except DeliveryUnknown as error:
                self._complete(error, recipients[start + MAX_RECIPIENTS :])
                if self.ids:  # needed to find out which recipients got the message
                    error.args = (f"{error} Accepted before it: {' '.join(self.ids)}.",)
                raise
            except BackendUnavailable as error:
                if not self.ids:
                    self._complete(error)
                    raise
                later = Refusal(451, "4.3.0", error.response or str(error))
                self.refused.update(dict.fromkeys(self._open(recipients[start:]), later))
                return
        if not self.ids and refusal is not None:
            self._complete(refusal)
            raise refusal

    def _run(self, group: Sequence[str]) -> MessageRefused | None:
        """Send to one group, and again without those that the service refused by name."""
        while True:
            try:
                self.ids.append(self._send(group))
            except MessageRefused as error:
                named = _named(error.response, group)
                if not named and _NOT_VERIFIED in error.response:
                    # Of the account: another service may know the sender.
                    raise BackendUnavailable(
                        f"{str(error).rstrip('.')}. Verify the sender at Amazon SES.",
                        stage="accept",
                        response=error.response,
                    ) from None
                refusal = Refusal(550, "5.0.0", error.response or str(error))
                if not named or len(named) == len(group):
                    self.refused.update(dict.fromkeys(group, refusal))
                    return error
                # The whole request was refused because of these: no recipient has the message.
                self.refused.update(dict.fromkeys(named, refusal))
                group = [each for each in group if each not in named]
            else:
                return None

    def _open(self, recipients: Iterable[str]) -> list[str]:
        return [each for each in recipients if each not in self.refused]

    def _complete(self, error: DeliveryError, not_sent: Sequence[str] = ()) -> None:
        error.refused.update(self.refused)
        error.refused.update(dict.fromkeys(not_sent, _NOT_SENT))


def _named(text: str, group: Sequence[str]) -> list[str]:
    """Return the recipients that a response names."""
    found = {each.rstrip(".").lower() for each in _ADDRESS.findall(text)}
    return [each for each in group if each.lower() in found]
