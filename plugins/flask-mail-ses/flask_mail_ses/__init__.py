"""Flask-Mail hands messages to Amazon SES."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from flask_mail.backends import (
    Backend,
    BackendUnavailable,
    ConfigurationError,
    Feature,
    Outgoing,
    Receipt,
    Secret,
)

from .asking import Asking
from .hiding import hiding
from .outcomes import cause_of, error_of

__all__ = ["SesBackend", "SesOptions"]

_log = logging.getLogger("flask_mail")

_LONGEST: Final = 900  # seconds of silence: nothing waits for ever
_MOST_TAGS: Final = 50
_TAG_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_TAG_VALUE: Final = re.compile(r"[A-Za-z0-9_.@-]{1,256}")
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class SesOptions:
    """What ``message.options["ses"]`` may hold.

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


class SesBackend(Backend[None]):
    """Hands messages to Amazon SES by its interface of version 2, as they are (raw MIME).

    :param region: the AWS region, such as ``eu-central-1``; by default that of the machine
        (``AWS_DEFAULT_REGION``, the profile).
    :param access_key_id: the id of an access key; by default what boto3 finds on the machine: the
        environment, a profile, a role.
    :param secret_access_key: the access key that belongs to it.
    :param session_token: the token that belongs to a temporary key.
    :param profile: the profile of ``~/.aws/config``.
    :param configuration_set: the configuration set of messages that name none.
    :param from_arn: the identity to send as, where another account has authorized this one.
    :param timeout: seconds to wait for a connection, and for a service that is silent; 900 at
        most.
    :param endpoint_url: another address of the service, such as a VPC endpoint.
    :raises ConfigurationError: there is no region, or an option is not what it should be.
    """

    name = "ses"
    api_version = 1
    requires = {"boto3": "Flask-Mail-SES"}  # noqa: RUF012 (read, never changed)
    features = Backend.features - {Feature.NO_BOUNCES, Feature.UNICODE_ADDRESSES} | {
        Feature.TAGS,
        Feature.METADATA,
    }
    max_size = 40 * 1024 * 1024
    """Octets of a message, as Amazon SES has it in its quotas."""
    message_options = SesOptions

    def __init__(
        self,
        *,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: Secret | None = None,
        session_token: Secret | None = None,
        profile: str | None = None,
        configuration_set: str | None = None,
        from_arn: str | None = None,
        timeout: float = 30.0,
        endpoint_url: str | None = None,
    ) -> None:
        if (access_key_id is None) != (secret_access_key is None):
            raise ConfigurationError(
                "MAIL_SES_ACCESS_KEY_ID and MAIL_SES_SECRET_ACCESS_KEY belong together: set both,"
                " or neither."
            )
        if session_token is not None and secret_access_key is None:
            raise ConfigurationError(
                "MAIL_SES_SESSION_TOKEN belongs to a key: set MAIL_SES_ACCESS_KEY_ID and"
                " MAIL_SES_SECRET_ACCESS_KEY too."
            )
        if not 0 < timeout <= _LONGEST:
            raise ConfigurationError(
                f"MAIL_SES_TIMEOUT must be above 0, and at most {_LONGEST} seconds."
            )
        if region is not None and not _REGION.fullmatch(region):
            raise ConfigurationError("MAIL_SES_REGION must be a region, such as eu-central-1.")
        if endpoint_url is not None:
            _check_url(endpoint_url)
        self._key_id = access_key_id
        self._key = secret_access_key
        self._token = session_token
        self._profile = profile
        self._configuration_set = configuration_set
        self._from_arn = from_arn
        self._timeout = timeout
        self._endpoint_url = endpoint_url
        self._region = self._checked_region(region)
        # One for each process: connections are not shared over a fork. Threads share it.
        self._clients: dict[int, Any] = {}

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        request = self._request(mail)
        with hiding(self._token):
            asking = Asking(partial(self._ask, self._client(), request))
            asking.run(mail.envelope.recipients)
        return self.accepted(mail, response=" ".join(asking.ids), refused=asking.refused)

    def shut_down(self) -> None:
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    def _ask(self, client: Any, request: dict[str, Any], recipients: Sequence[str]) -> str:
        # Blind copies are nowhere but here; the content says whom it is for.
        destination = {"ToAddresses": list(recipients)}
        try:
            return str(client.send_email(Destination=destination, **request)["MessageId"])
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told what it means)
            problem, cause = error_of(error, self._place), cause_of(error)
        raise problem from cause

    @property
    def _place(self) -> str:
        host = urlsplit(self._endpoint_url).hostname if self._endpoint_url else self._region
        return f"Amazon SES ({host})"

    def _request(self, mail: Outgoing) -> dict[str, Any]:
        options: SesOptions = self.options_of(mail)
        request: dict[str, Any] = {"Content": {"Raw": {"Data": mail.content}}}
        if mail.envelope.sender != mail.sender:
            # The reverse-path is always one of Amazon's; this is where it sends bounces on to.
            request["FeedbackForwardingEmailAddress"] = mail.envelope.sender
        if self._from_arn is not None:
            request["FromEmailAddressIdentityArn"] = self._from_arn
        tags = self._tags(mail)
        if tags:
            request["EmailTags"] = [{"Name": name, "Value": tags[name]} for name in tags]
        configuration_set = options.configuration_set or self._configuration_set
        if configuration_set is not None:
            request["ConfigurationSetName"] = configuration_set
        if options.contact_list is not None:
            managed = {"ContactListName": options.contact_list}
            if options.topic is not None:
                managed["TopicName"] = options.topic
            request["ListManagementOptions"] = managed
        return request

    def _tags(self, mail: Outgoing) -> dict[str, str]:
        """Return the message tags of Amazon SES: the metadata, and the tags, which are true."""
        tags = {**dict.fromkeys(mail.tags, "true"), **mail.metadata}
        for name, value in tags.items():
            if not (_TAG_NAME.fullmatch(name) and _TAG_VALUE.fullmatch(value)):
                raise self.unsupported(
                    f"the tag or metadata {name!r} (only ASCII letters, digits, - and _ in names,"
                    " also . and @ in values, 256 at most)"
                )
        if len(tags) < len(mail.tags) + len(mail.metadata):
            raise self.unsupported("a tag and metadata of the same name")
        if len(tags) > _MOST_TAGS:
            raise self.unsupported(f"more than {_MOST_TAGS} tags and metadata")
        return tags

    def _checked_region(self, region: str | None) -> str:
        from botocore.exceptions import BotoCoreError, ProfileNotFound

        try:
            of_the_machine = self._session().region_name
        except ProfileNotFound:
            raise ConfigurationError(
                "MAIL_SES_PROFILE names no profile of this machine's AWS configuration."
            ) from None
        except BotoCoreError as error:
            raise ConfigurationError(
                f"The AWS configuration of this machine cannot be read: {error}."
            ) from None
        if not (region or of_the_machine):
            raise ConfigurationError(
                "The ses backend needs a region: set MAIL_SES_REGION, such as eu-central-1."
            )
        return str(region or of_the_machine)

    def _session(self) -> Any:
        import boto3

        return boto3.session.Session(profile_name=self._profile)

    def _client(self) -> Any:
        found = self._clients.get(os.getpid())
        if found is not None:
            return found
        try:
            client = self._made()
        except BackendUnavailable:  # of a secret, which names its setting
            raise
        except Exception as error:  # noqa: BLE001 (files, roles, programs: all that boto3 asks)
            kind, cause = type(error).__name__, cause_of(error)
        else:
            return self._clients.setdefault(os.getpid(), client)
        raise BackendUnavailable(
            f"No client for {self._place} could be made: {kind}. Look at the"
            " settings MAIL_SES_..., and at the AWS configuration of this machine.",
            stage="login",
        ) from cause

    def _made(self) -> Any:
        from botocore.config import Config

        return self._session().client(
            "sesv2",
            region_name=self._region,
            endpoint_url=self._endpoint_url,
            aws_access_key_id=self._key_id,
            aws_secret_access_key=None if self._key is None else self._key.reveal(),
            aws_session_token=None if self._token is None else self._token.reveal(),
            config=Config(
                connect_timeout=self._timeout,
                read_timeout=self._timeout,
                # boto3 would send again what may have been accepted.
                retries={"total_max_attempts": 1, "mode": "standard"},
                max_pool_connections=50,
                user_agent_extra="Flask-Mail-SES",
            ),
        )


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_one = bool(parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:  # a bracket or a port that is none
        is_one = False
    if not is_one:
        raise ConfigurationError(
            "MAIL_SES_ENDPOINT_URL must begin with https:// and a host, and have no port but a"
            " number."
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("MAIL_SES_ENDPOINT_URL must hold no user name and password.")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        _log.warning(
            "MAIL_SES_ENDPOINT_URL is not encrypted: whoever is between this host and %s can read"
            " and change mail.",
            parts.hostname,
        )
