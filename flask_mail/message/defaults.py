"""Defaults of the settings for what a message leaves open when it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..config import table as settings
from ..config.message_settings import HEADERS, REPLY_TO

if TYPE_CHECKING:
    from .message import Message


def fill_in(message: Message, config: Mapping[str, Any]) -> None:
    """Give `message` the default Reply-To and headers, unless it has its own.

    They stay in the message, as the default sender and the date do.

    :raises ConfigurationError: a default is not valid.
    """
    reply_to, headers = config.get(REPLY_TO), config.get(HEADERS)
    if reply_to is None and headers is None:
        return
    own = getattr(message, "extra_headers", None) or {}
    if not isinstance(own, Mapping):
        return  # sending refuses it
    names = {str(name).lower() for name in own}
    if "reply-to" not in names and not getattr(message, "reply_to", True):
        message.reply_to = settings.lookup(config, REPLY_TO)
    defaults = settings.lookup(config, HEADERS, {})
    missing = {name: text for name, text in defaults.items() if name.lower() not in names}
    if missing:  # a new dict, as the program may use the same one for other messages
        message.extra_headers = {**own, **missing}
