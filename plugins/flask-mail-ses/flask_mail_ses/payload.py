"""A message in the fields of Amazon SES. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flask_mail.backends import Outgoing, UnsupportedFeature

_MAX_TAGS: Final = 50
_TAG_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_TAG_VALUE: Final = re.compile(r"[A-Za-z0-9_.@-]{1,256}")

Unsupported = Callable[[str], UnsupportedFeature]


@dataclass(frozen=True)
class SesOptions:
    """The options of a message in ``message.options["ses"]``.

    :param configuration_set: the configuration set for this message.
    :param contact_list: the contact list whose subscription management applies.
    :param topic: the topic of that list.
    """

    configuration_set: str | None = None
    contact_list: str | None = None
    topic: str | None = None

    def __post_init__(self) -> None:
        if self.topic is not None and self.contact_list is None:
            raise ValueError("topic needs contact_list: set both.")


def payload_of(
    mail: Outgoing,
    options: SesOptions,
    unsupported: Unsupported,
    *,
    configuration_set: str | None,
    from_arn: str | None,
) -> dict[str, Any]:
    """Return the fields of the request, except the recipients.

    :param unsupported: returns the error for something that Amazon SES cannot express.
    :raises UnsupportedFeature: the message has something of the kind.
    """
    payload: dict[str, Any] = {"Content": {"Raw": {"Data": mail.content}}}
    if mail.envelope.sender != mail.sender:
        # The reverse-path belongs to Amazon, which forwards bounces to this address.
        payload["FeedbackForwardingEmailAddress"] = mail.envelope.sender
    if from_arn is not None:
        payload["FromEmailAddressIdentityArn"] = from_arn
    tags = _tags(mail, unsupported)
    if tags:
        payload["EmailTags"] = [{"Name": name, "Value": tags[name]} for name in tags]
    configuration_set = options.configuration_set or configuration_set
    if configuration_set is not None:
        payload["ConfigurationSetName"] = configuration_set
    if options.contact_list is not None:
        managed = {"ContactListName": options.contact_list}
        if options.topic is not None:
            managed["TopicName"] = options.topic
        payload["ListManagementOptions"] = managed
    return payload


def _tags(mail: Outgoing, unsupported: Unsupported) -> dict[str, str]:
    """Return metadata, and tags with the value ``true``, as message tags of Amazon SES."""
    tags = {**dict.fromkeys(mail.tags, "true"), **mail.metadata}
    for name, value in tags.items():
        if not (_TAG_NAME.fullmatch(name) and _TAG_VALUE.fullmatch(value)):
            raise unsupported(
                f"the tag or metadata {name!r} (a name has up to 256 ASCII letters, digits, - and"
                " _, a value also . and @)"
            )
    if len(tags) < len(mail.tags) + len(mail.metadata):
        raise unsupported("a tag and metadata with the same name")
    if len(tags) > _MAX_TAGS:
        raise unsupported(f"more than {_MAX_TAGS} tags and metadata")
    return tags
