"""A Flask-Mail backend that sends through the Amazon SES API."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from flask_mail.backends import (
    Backend,
    BackendUnavailable,
    ConfigurationError,
    DeliveryEvent,
    EventsRefused,
    Feature,
    Outgoing,
    Receipt,
    Secret,
)

from .events import events_in
from .outcomes import cause_of, error_of
from .payload import SesOptions, payload_of
from .redaction import redacted_logs
from .requests import Requests
from .sns import Topics

__all__ = ["SesBackend", "SesOptions"]

_log = logging.getLogger("flask_mail")

_MAX_TIMEOUT: Final = 900  # seconds
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class SesBackend(Backend[None]):
    """Send messages unchanged (raw MIME) through version 2 of the Amazon SES API.

    :param region: the AWS region, such as ``eu-central-1``; by default the region of the machine
        (``AWS_DEFAULT_REGION``, the profile).
    :param access_key_id: the id of an access key; by default boto3 looks in the environment, the
        profile and the role of the machine.
    :param secret_access_key: the secret of that access key.
    :param session_token: the token of a temporary key.
    :param profile: a profile of ``~/.aws/config``.
    :param configuration_set: the default configuration set.
    :param from_arn: the identity to send as, if another account has authorized this one.
    :param timeout: seconds to wait for a connection and for data, at most 900.
    :param endpoint_url: another address of the service, such as a VPC endpoint.
    :param events_topic: the ARN of the Amazon SNS topic that reports events, or a list of them.
    :raises ConfigurationError: if no region is set, or an option is invalid.
    """

    name = "ses"
    api_version = 1
    requires = {"boto3": "Flask-Mail-SES"}  # noqa: RUF012 (read, never changed)
    features = Backend.features - {Feature.NO_BOUNCES, Feature.UNICODE_ADDRESSES} | {
        Feature.TAGS,
        Feature.METADATA,
    }
    max_size = 40 * 1024 * 1024
    """Octets per message (Amazon SES quotas)."""
    message_options = SesOptions
    events_option = "events_topic"

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
        events_topic: str | list[str] | None = None,
    ) -> None:
        if (access_key_id is None) != (secret_access_key is None):
            raise ConfigurationError(
                f"{self._settings('access_key_id', 'secret_access_key')} belong together: set both,"
                " or neither."
            )
        if session_token is not None and secret_access_key is None:
            raise ConfigurationError(
                f"{self.setting('session_token')} needs an access key: set"
                f" {self._settings('access_key_id', 'secret_access_key')} too."
            )
        if not 0 < timeout <= _MAX_TIMEOUT:
            raise ConfigurationError(
                f"{self.setting('timeout')} must be above 0 and at most {_MAX_TIMEOUT} seconds."
            )
        if region is not None and not _REGION.fullmatch(region):
            raise ConfigurationError(
                f"{self.setting('region')} must be a region, such as eu-central-1."
            )
        if endpoint_url is not None:
            _check_url(endpoint_url, self.setting("endpoint_url"))
        self._key_id = access_key_id
        self._key = secret_access_key
        self._token = session_token
        self._profile = profile
        self._configuration_set = configuration_set
        self._from_arn = from_arn
        self._timeout = timeout
        self._endpoint_url = endpoint_url
        self._region = self._checked_region(region)
        setting = self.setting("events_topic")
        self._topics = None if events_topic is None else _topics(events_topic, setting)
        # One per process, because a fork must not share connections. Threads share it.
        self._clients: dict[int, Any] = {}

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        request = payload_of(
            *(mail, self.options_of(mail), self.unsupported),
            configuration_set=self._configuration_set,
            from_arn=self._from_arn,
        )
        with redacted_logs(self._token):
            requests = Requests(partial(self._send, self._client(), request))
            requests.run(mail.envelope.recipients)
        return self.accepted(mail, response=" ".join(requests.ids), refused=requests.refused)

    def shut_down(self) -> None:
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    def read_events(self, headers: Mapping[str, str], body: bytes) -> Iterable[DeliveryEvent]:
        if self._topics is None:
            raise EventsRefused(f"{self.setting('events_topic')} is not set.")
        notice = self._topics.verified(body)
        if notice["Type"] == "Notification":
            return events_in(notice)
        if notice["Type"] == "SubscriptionConfirmation":
            # Not fetched here: a person decides, and a request never makes this machine send one.
            _log.warning(
                "Amazon SNS asks if it may send the events of %s. To confirm, run:"
                " flask mail events confirm %s '%s'",
                notice["TopicArn"],
                self.mailer,
                notice["SubscribeURL"],
            )
        else:
            _log.warning("Amazon SNS does not send the events of %s any more.", notice["TopicArn"])
        return ()

    def confirm_events(self, url: str) -> None:
        if self._topics is None:
            raise ConfigurationError(f"{self.setting('events_topic')} is not set.")
        self._topics.confirm(url)

    def _send(self, client: Any, request: dict[str, Any], recipients: Sequence[str]) -> str:
        # The header of the content lists no blind copies: they are only here.
        destination = {"ToAddresses": list(recipients)}
        try:
            return str(client.send_email(Destination=destination, **request)["MessageId"])
        except Exception as error:  # noqa: BLE001 (every error gets an outcome)
            problem, cause = error_of(error, self._place, self.setting), cause_of(error)
        raise problem from cause

    def _settings(self, *options: str) -> str:
        return " and ".join(map(self.setting, options))

    @property
    def _place(self) -> str:
        host = urlsplit(self._endpoint_url).hostname if self._endpoint_url else self._region
        return f"Amazon SES ({host})"

    def _checked_region(self, region: str | None) -> str:
        from botocore.exceptions import BotoCoreError, ProfileNotFound

        try:
            default_region = self._session().region_name
        except ProfileNotFound:
            raise ConfigurationError(
                f"{self.setting('profile')} is not a profile of this machine's AWS configuration."
            ) from None
        except BotoCoreError as error:
            raise ConfigurationError(
                f"The AWS configuration of this machine cannot be read: {error}."
            ) from None
        if not (region or default_region):
            raise ConfigurationError(
                f"The ses backend needs a region: set {self.setting('region')}, such as"
                " eu-central-1."
            )
        return str(region or default_region)

    def _session(self) -> Any:
        import boto3

        return boto3.session.Session(profile_name=self._profile)

    def _client(self) -> Any:
        found = self._clients.get(os.getpid())
        if found is not None:
            return found
        try:
            client = self._create_client()
        except BackendUnavailable:  # raised by a secret, and names its setting
            raise
        except Exception as error:  # noqa: BLE001 (boto3 reads files, roles, programs)
            kind, cause = type(error).__name__, cause_of(error)
        else:
            return self._clients.setdefault(os.getpid(), client)
        raise BackendUnavailable(
            f"No client for {self._place} could be created: {kind}. Check the settings of this"
            " mailer and the AWS configuration of this machine.",
            stage="login",
        ) from cause

    def _create_client(self) -> Any:
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
                # boto3's own retries could repeat a request that was accepted.
                retries={"total_max_attempts": 1, "mode": "standard"},
                max_pool_connections=50,
                user_agent_extra="Flask-Mail-SES",
            ),
        )


def _topics(given: str | list[str], setting: str) -> Topics:
    if find_spec("cryptography") is None:
        raise ConfigurationError(
            f"{setting} needs the library cryptography: pip install 'Flask-Mail-SES[events]'."
        )
    names = given.split(",") if isinstance(given, str) else given
    return Topics([str(each).strip() for each in names], setting)


def _check_url(url: str, setting: str) -> None:
    try:
        parts = urlsplit(url)
        is_valid = bool(parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:  # an unmatched bracket, or an invalid port
        is_valid = False
    if not is_valid:
        raise ConfigurationError(
            f"{setting} must be a URL such as https://email.eu-central-1.amazonaws.com, with a"
            " numeric port if it has one."
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{setting} must not contain a user name or password.")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        _log.warning(
            "%s is not encrypted: others can read and change mail on its way to %s.",
            *(setting, parts.hostname),
        )
