"""The error codes of Postmark, which say more than its status 422. Pure.

https://postmarkapp.com/developer/api/overview#error-codes
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from flask_mail.backends import Refusal

INACTIVE: Final = "406"
"""A recipient to whom mail has bounced, or who has complained."""
OF_ACCOUNT: Final = frozenset({"100", "405", "412", "413", "1235"})
"""Nothing can be sent: maintenance, no credit, no approval, or no such stream."""
OF_SENDER: Final = frozenset({"400", "401"})
"""The address in From is not verified."""
ADVICE: Final[Mapping[str, str]] = {
    "100": "Try again later.",
    "400": "Verify the sender, or its domain, at Postmark.",
    "401": "Confirm the sender at Postmark.",
    "405": "Check the plan of the account at Postmark.",
    "412": "Until Postmark has approved the account, it may only send to its own domain.",
    "413": "Ask Postmark why the account may not send.",
    "1235": "Check {stream}.",
}

_ADDRESS: Final = re.compile(r"[^\s,;:<>\"()\[\]]+@[^\s,;:<>\"()\[\]]+")


def inactive_in(text: str, recipients: Sequence[str]) -> dict[str, Refusal]:
    """Return the recipients that a text of Postmark names as inactive, with the reason."""
    named = {each.rstrip(".").lower() for each in _ADDRESS.findall(text)}
    refusal = Refusal(550, "5.1.1", "inactive at Postmark: mail has bounced, or a complaint")
    return {each: refusal for each in recipients if each.lower() in named}
