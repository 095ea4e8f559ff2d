"""The outcome of a message by the response of Amazon SES, or by the error without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask_mail.backends import (
    BackendUnavailable,
    DeliveryError,
    DeliveryUnknown,
    MessageRefused,
)

# Error codes of SendEmail and those common to all actions. Nothing was accepted.
_LATER: Final = {
    "AccountSuspendedException": "the account may not send (AWS explains why)",
    "BandwidthLimitExceeded": "there are too many requests",
    "LimitExceededException": "a quota of the account is used up",
    "MailFromDomainNotVerifiedException": "the custom MAIL FROM domain is not set up",
    "PriorRequestNotComplete": "there are too many requests",
    "RequestLimitExceeded": "there are too many requests",
    "RequestThrottled": "there are too many requests",
    "RequestThrottledException": "there are too many requests",
    "SendingPausedException": "sending is paused, for the account or the configuration set",
    "ServiceUnavailable": "the service is overloaded",
    "ServiceUnavailableException": "the service is overloaded",
    "SlowDown": "there are too many requests",
    "ThrottledException": "there are too many requests",
    "Throttling": "there are too many requests",
    "ThrottlingException": "there are too many requests",
    "TooManyRequestsException": "there are too many requests",
}
# Their text repeats the signed headers, with the session token, so it is not shown.
_WITH_TOKENS: Final = frozenset(
    {
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
    }
)
# The credentials were rejected before the message was read.
_LOGIN: Final = _WITH_TOKENS.union(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "UnrecognizedClientException",
    }
)
# The request was cut off, or the service gave up waiting: the message may have been accepted.
_CUT_OFF: Final = frozenset({"RequestAbortedException", "RequestTimeoutException"})
_SENDING: Final = "SendEmail"
# Exceptions of botocore, by name, that are raised before a request is written.
_NOT_CONNECTED: Final = frozenset({"ConnectTimeoutError", "EndpointConnectionError"})
_NO_LOGIN: Final = frozenset(
    {
        "CredentialRetrievalError",
        "LoginTokenLoadError",
        "MetadataRetrievalError",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "RefreshWithMFAUnsupportedError",
        "SSOError",
        "SSOTokenLoadError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
    }
)

Setting = Callable[[str], str]


def error_of(error: Exception, place: str, setting: Setting) -> DeliveryError:
    """Return our error for an exception of boto3.

    :param place: the service and host, for messages of errors.
    :param setting: returns the setting of an option, for the same.
    """
    answer = getattr(error, "response", None)
    if isinstance(answer, dict) and "Error" in answer:
        operation = getattr(error, "operation_name", _SENDING)
        if operation != _SENDING:  # of a role or single sign-on, before the message was sent
            return BackendUnavailable(
                f"No login to {place}: AWS answered {operation} with {_code(answer)}. Check the"
                " role or the profile of the machine.",
                stage="login",
                response=_code(answer),
            )
        return _response_error(answer, place, setting)
    kinds = {each.__name__ for each in type(error).__mro__}
    if kinds & _NO_LOGIN:
        return BackendUnavailable(
            f"No login to {place}: {type(error).__name__}. Check {_login(setting)}.", stage="login"
        )
    if kinds & _NOT_CONNECTED or _is_proxy_unreachable(error):
        return BackendUnavailable(
            f"No connection to {place}: {type(error).__name__}."
            f" Check {setting('region')}, {setting('endpoint_url')} and the network.",
            stage="connect",
        )
    # A connection that breaks later can also raise an SSLError.
    if "SSLError" in kinds and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return BackendUnavailable(
            f"The certificate of {place} cannot be verified: nothing was sent.", stage="tls"
        )
    if "ParamValidationError" in kinds:
        return MessageRefused(f"boto3 rejected the request: {error}", attempts=0)
    broke = kinds & {"ConnectionError", "HTTPClientError"}
    what = "broke before a response" if broke else "failed without a response"
    return DeliveryUnknown(
        f"The connection to {place} {what}: {type(error).__name__}. The message may have been"
        " accepted.",
        stage="accept",
    )


def _code(answer: dict[str, Any]) -> str:
    return str(answer["Error"].get("Code", ""))


def _login(setting: Setting) -> str:
    names = map(setting, ("access_key_id", "secret_access_key"))
    return f"{' and '.join(names)}, or the role of the machine"


def _response_error(answer: dict[str, Any], place: str, setting: Setting) -> DeliveryError:
    code = _code(answer)
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = "" if code in _WITH_TOKENS else str(answer["Error"].get("Message", ""))
    response = f"{code}: {said}" if said else code
    shown = f"{response.rstrip('.')}."
    if code in _LOGIN or status in (401, 403):
        return BackendUnavailable(
            f"No login to {place}: {shown} Check {_login(setting)}, and the permission"
            " ses:SendRawEmail.",
            stage="login",
            response=response,
        )
    if code in _LATER or status in (429, 503):
        why = _LATER.get(code, "the service is overloaded")
        return BackendUnavailable(
            f"{place} accepts no messages for now, because {why}: {shown}",
            stage="accept",
            response=response,
        )
    if code == "NotFoundException":
        return BackendUnavailable(
            f"{place} does not know a name in the request: {shown} Check"
            f" {setting('configuration_set')} and message.options['ses'].",
            stage="accept",
            response=response,
        )
    if status in (404, 405, 407):
        return BackendUnavailable(
            f"{place} is not an endpoint of Amazon SES, or a proxy blocks the request:"
            f" {shown} Check {setting('endpoint_url')} and the network.",
            stage="accept",
            response=response,
        )
    if status in (400, 413) and code not in _CUT_OFF:
        return MessageRefused(
            f"{place} refused the message: {shown}", stage="accept", response=response
        )
    return DeliveryUnknown(
        f"{place} failed ({status}): {shown} The message may have been accepted.",
        stage="accept",
        response=response,
    )


def cause_of(error: Exception) -> Exception | None:
    """Return `error` as the cause of ours, or ``None`` if its text repeats a token."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict) and answer.get("Error", {}).get("Code") in _WITH_TOKENS:
        return None
    return without_frames(error)


def _is_proxy_unreachable(error: Exception) -> bool:
    """Return True if a proxy could not be reached, or refused the tunnel.

    A connection through a proxy that breaks after the request is a ProxyConnectionError too.
    """
    error_of_urllib3 = getattr(error, "kwargs", {}).get("error")
    reason = getattr(error_of_urllib3, "original_error", None)
    kinds = {each.__name__ for each in type(reason).__mro__}
    return bool(kinds & {"NewConnectionError", "ConnectTimeoutError"}) or str(reason).startswith(
        "Tunnel connection failed"  # http.client has no exception class for it
    )


def without_frames(error: Exception) -> Exception:
    """Return `error` without its frames and request, which contain tokens."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    if hasattr(error, "request"):
        error.request = None
    for each in getattr(error, "kwargs", {}).values():  # botocore keeps the error of urllib3 there
        if isinstance(each, Exception):
            without_frames(each)
    return error
