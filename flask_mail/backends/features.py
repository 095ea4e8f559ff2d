"""Optional features of a message, and the check that a backend supports them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..errors import ConfigurationError, MessageError
from ..message.metadata import metadata_of, options_of, tags_of
from ..util.text import describe
from .options import read_options

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing
    from .base import Backend


class Feature(Enum):
    """Optional feature of a message; a backend lists those it supports in ``features``."""

    ATTACHMENTS = "attachments"
    """Files."""
    ATTACHMENT_HEADERS = "headers of attachments"
    """Headers in ``Attachment.headers``."""
    ALTERNATIVES = "alternatives other than HTML"
    """Parts in ``message.alts`` of other types, such as invitations."""
    HEADERS = "custom headers"
    """Headers in ``message.extra_headers``."""
    ENVELOPE_SENDER = "an envelope sender other than the sender"
    """A reverse-path other than the address in From."""
    NO_BOUNCES = "an empty envelope sender"
    """The null reverse-path (RFC 5321 section 4.5.5)."""
    UNICODE_ADDRESSES = "non-ASCII local parts"
    """Addresses such as jörg@example.com (RFC 6531)."""
    DELIVERY_OPTIONS = "ESMTP options"
    """Options in ``message.mail_options`` and ``rcpt_options``, such as ``NOTIFY``."""
    TAGS = "tags"
    """``message.tags``."""
    METADATA = "metadata"
    """``message.metadata``."""
    VERBATIM = "its content byte for byte"
    """Delivery of the exact octets, as a signature needs. Required by wrappers, not by messages."""


ORDINARY: Final = frozenset(Feature) - {
    *(Feature.DELIVERY_OPTIONS, Feature.TAGS, Feature.METADATA, Feature.VERBATIM)
}
"""Features of any backend that passes on envelope and content."""
IN_FIELDS: Final = ORDINARY - {
    *(Feature.ATTACHMENT_HEADERS, Feature.ALTERNATIVES, Feature.ENVELOPE_SENDER),
    *(Feature.NO_BOUNCES, Feature.UNICODE_ADDRESSES),
}
"""Those of a service that takes the fields of a message, and writes content and envelope itself."""

# Set by each server for the next one, not requested by the sender.
_OF_THE_WAY = ("BODY", "SMTPUTF8", "SIZE")


def check(backend: Backend[Any] | type[Backend[Any]], mail: Outgoing) -> None:
    """Check that `backend` supports all features of `mail`.

    :raises UnsupportedFeature: names the first unsupported feature, and the backend.
    :raises MessageError: an option in ``message.options`` is not one of this backend.
    """
    for feature, is_asked in _lacking(frozenset(backend.features)):
        if is_asked(mail):
            raise backend.unsupported(feature.value)
    most = backend.max_recipients
    if most is not None and len(mail.envelope.recipients) > most:
        raise backend.unsupported(f"more than {most} recipients in one message")
    most = backend.max_size
    if most is not None and mail.size > most:
        raise backend.unsupported(f"messages of more than {most} octets")
    read_message_options(backend, mail)


def read_message_options(backend: Backend[Any] | type[Backend[Any]], mail: Outgoing) -> Any:
    """Return the checked ``message.options`` for `backend` as its ``message_options``.

    ``None`` if the backend does not have any.

    :raises MessageError: an option is unknown, missing or of the wrong type.
    """
    given, kind = options_of(mail.message, backend.name), backend.message_options
    if kind is None:
        if given:
            raise MessageError(
                f"{_key(backend.name, next(iter(given)))} is not valid: the {backend.name} backend"
                " has no message options."
            )
        return None
    try:
        read = read_options(kind, lambda name: _key(backend.name, name), given)
    except ConfigurationError as error:  # the mistake is in the message
        raise MessageError(str(error)) from None
    try:
        return kind(**read)
    except ValueError as error:
        raise MessageError(f"message.options['{backend.name}']: {error}") from error


def declared_well(features: object) -> bool:
    """Return True if this is valid as the ``features`` of a backend."""
    # An iterator would be exhausted after the first message.
    return isinstance(features, AbstractSet) and all(isinstance(each, Feature) for each in features)


def is_limit(value: object) -> bool:
    """Return True if this is valid as ``max_size`` or ``max_recipients``."""
    return value is None or (type(value) is int and value > 0)


def _key(backend: str, name: object) -> str:
    return f"message.options['{backend}'][{describe(name)}]"


@lru_cache(maxsize=64)  # called for every message
def _lacking(features: frozenset[Feature]) -> tuple[tuple[Feature, _Asked], ...]:
    return tuple(
        (each, _ASKED[each]) for each in Feature if each not in features and each in _ASKED
    )


def _attaches(mail: Outgoing) -> bool:
    message: Any = mail.message  # mypy cannot tell, within this cycle of types
    return bool(message.attachments)


def _has_headers_of_attachments(mail: Outgoing) -> bool:
    from ..delivery.fields import other_headers

    return any(map(other_headers, mail.message.attachments))


def _has_other_alternatives(mail: Outgoing) -> bool:
    from ..delivery.fields import others_of_html

    return bool(others_of_html(mail.message))


def _asks_for_another_sender(mail: Outgoing) -> bool:
    return mail.envelope.sender not in ("", mail.sender)


def _asks_for_delivery_options(mail: Outgoing) -> bool:
    envelope = mail.envelope
    return any(
        option.partition("=")[0].upper() not in _OF_THE_WAY
        for option in (*envelope.mail_options, *envelope.rcpt_options)
    )


def _asks_for_more(mail: Outgoing, kind: str, names: Iterable[str]) -> bool:
    # Those that have chosen the mailer have done their work.
    return any((kind, each) not in mail.routed_by for each in names)


_Asked: TypeAlias = Callable[["Outgoing"], object]
# VERBATIM is not one of them: no message asks for it.
_ASKED: Final[Mapping[Feature, _Asked]] = {
    Feature.ATTACHMENTS: _attaches,
    Feature.ATTACHMENT_HEADERS: _has_headers_of_attachments,
    Feature.ALTERNATIVES: _has_other_alternatives,
    Feature.HEADERS: lambda mail: mail.message.extra_headers,
    Feature.ENVELOPE_SENDER: _asks_for_another_sender,
    Feature.NO_BOUNCES: lambda mail: not mail.envelope.sender,
    Feature.UNICODE_ADDRESSES: lambda mail: mail.envelope.needs_smtputf8,
    Feature.DELIVERY_OPTIONS: _asks_for_delivery_options,
    Feature.TAGS: lambda mail: (
        (tags := tags_of(mail.message)) and _asks_for_more(mail, "tag", tags)
    ),
    Feature.METADATA: lambda mail: (
        (given := metadata_of(mail.message)) and _asks_for_more(mail, "metadata", given)
    ),
}
