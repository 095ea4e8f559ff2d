"""The recipient whose link to unsubscribe a message has."""

from __future__ import annotations

from ..address.parser import parse_addresses
from ..errors import MessageError


def only_recipient(recipients: object, cc: object, bcc: object) -> str:
    """Return the address of the only recipient of a message.

    :raises MessageError: it has none, or others: they could unsubscribe each other.
    """
    found: dict[tuple[str, str], str] = {}
    for field, values in (("recipient", recipients), ("cc", cc), ("bcc", bcc)):
        for each in parse_addresses(values, field):
            found.setdefault((each.local, each.domain.lower()), each.addr_spec)
    if len(found) != 1:
        raise MessageError(
            "A message with unsubscribe needs exactly one recipient, because its link is for one"
            f" person: this one has {len(found)}. Send one message to each."
        )
    return next(iter(found.values()))
