"""One message in as many requests as its recipients need, and what became of each of them."""

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

MOST_AT_ONCE: Final = 50
"""Recipients of one request, as Amazon SES has it in its quotas."""

_ADDRESS: Final = re.compile(r"""[^\s,;:<>"]+@[^\s,;:<>"]+""")
_NOT_ASKED: Final = Refusal(451, "4.3.0", "not sent: the requests before failed")


class Asking:
    """Asks for all recipients of a message.

    :param ask: makes a request for some recipients, and returns the id of what was accepted.
    """

    def __init__(self, ask: Callable[[Sequence[str]], str]) -> None:
        self._ask = ask
        self.ids: list[str] = []
        self.refused: dict[str, Refusal] = {}

    def run(self, recipients: Sequence[str]) -> None:
        """Ask for `recipients`; :attr:`ids` and :attr:`refused` tell what became of them.

        :raises DeliveryError: nobody gets it, or nobody knows whether some do.
        """
        refusal: MessageRefused | None = None
        for start in range(0, len(recipients), MOST_AT_ONCE):
            try:
                refusal = self._run(recipients[start : start + MOST_AT_ONCE]) or refusal
            except DeliveryUnknown as error:
                self._complete(error, recipients[start + MOST_AT_ONCE :])
                if self.ids:  # who looks into it has to know whom it did reach
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
        """Ask for one group; where some are refused by name, for the others without them."""
        while True:
            try:
                self.ids.append(self._ask(group))
            except MessageRefused as error:
                named = _named(error.response, group)
                refusal = Refusal(550, "5.0.0", error.response or str(error))
                if not named or len(named) == len(group):
                    self.refused.update(dict.fromkeys(group, refusal))
                    return error
                # Nothing was sent to anybody, and these are what it was refused for.
                self.refused.update(dict.fromkeys(named, refusal))
                group = [each for each in group if each not in named]
            else:
                return None

    def _open(self, recipients: Iterable[str]) -> list[str]:
        return [each for each in recipients if each not in self.refused]

    def _complete(self, error: DeliveryError, not_asked: Sequence[str] = ()) -> None:
        error.refused.update(self.refused)
        error.refused.update(dict.fromkeys(not_asked, _NOT_ASKED))


def _named(said: str, group: Sequence[str]) -> list[str]:
    """Return the recipients that an answer names."""
    found = {each.rstrip(".").lower() for each in _ADDRESS.findall(said)}
    return [each for each in group if each.lower() in found]
