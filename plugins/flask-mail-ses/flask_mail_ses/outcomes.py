"""What an answer of Amazon SES, or its absence, means for a message."""

from __future__ import annotations

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
# What these say repeats what was signed, with the session token, and is not shown.
_REPEATING: Final = frozenset(
    {
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
    }
)
# The message was not looked at.
_LOGIN: Final = _REPEATING.union(
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
# The request was not read to its end, or nobody waited for what came of it.
_CUT_OFF: Final = frozenset({"RequestAbortedException", "RequestTimeoutException"})
_SENDING: Final = "SendEmail"
# Exceptions of botocore, by name, which come before a request was written.
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
_SETTINGS: Final = (
    "MAIL_SES_ACCESS_KEY_ID and MAIL_SES_SECRET_ACCESS_KEY, or the role of the machine"
)


def error_of(error: Exception, place: str) -> DeliveryError:
    """Return what an exception of boto3 means for the message.

    :param place: where the request was sent, for people.
    """
    answer = getattr(error, "response", None)
    if isinstance(answer, dict) and "Error" in answer:
        asked = getattr(error, "operation_name", _SENDING)
        if asked != _SENDING:  # for credentials, before the message: of a role, of single sign-on
            return BackendUnavailable(
                f"No login to {place}: AWS answered {asked} with {_code(answer)}. Look at the role"
                " or the profile of the machine.",
                stage="login",
                response=_code(answer),
            )
        return _of_answer(answer, place)
    kinds = {each.__name__ for each in type(error).__mro__}
    if kinds & _NO_LOGIN:
        return BackendUnavailable(
            f"No login to {place}: {type(error).__name__}. Look at {_SETTINGS}.", stage="login"
        )
    if kinds & _NOT_CONNECTED or _is_of_the_proxy(error):
        return BackendUnavailable(
            f"No connection to {place}: {type(error).__name__}."
            " Look at MAIL_SES_REGION, MAIL_SES_ENDPOINT_URL and the network.",
            stage="connect",
        )
    # Also a connection that breaks later can end in an SSLError.
    if "SSLError" in kinds and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return BackendUnavailable(
            f"The certificate of {place} is not to be trusted: nothing was sent.", stage="tls"
        )
    if "ParamValidationError" in kinds:
        return MessageRefused(f"boto3 takes no such request: {error}", attempts=0)
    broke = kinds & {"ConnectionError", "HTTPClientError"}
    what = "broke before there was an answer" if broke else "led to no answer"
    return DeliveryUnknown(
        f"The link to {place} {what}: {type(error).__name__}. The message may have been accepted.",
        stage="accept",
    )


def _code(answer: dict[str, Any]) -> str:
    return str(answer["Error"].get("Code", ""))


def _of_answer(answer: dict[str, Any], place: str) -> DeliveryError:
    code = _code(answer)
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = "" if code in _REPEATING else str(answer["Error"].get("Message", ""))
    response = f"{code}: {said}" if said else code
    if code in _LOGIN or status in (401, 403):
        return BackendUnavailable(
            f"No login to {place}: {response} Look at {_SETTINGS}, and at what they may do"
            " (ses:SendRawEmail).",
            stage="login",
            response=response,
        )
    if code in _LATER or status in (429, 503):
        why = _LATER.get(code, "the service is overloaded")
        return BackendUnavailable(
            f"{place} takes no messages for now, as {why}: {response}",
            stage="accept",
            response=response,
        )
    if code == "NotFoundException":
        return BackendUnavailable(
            f"{place} does not know something that the request names: {response} Look at"
            " MAIL_SES_CONFIGURATION_SET, or what message.options['ses'] holds.",
            stage="accept",
            response=response,
        )
    if status in (404, 405, 407):
        return BackendUnavailable(
            f"{place} is not where Amazon SES takes messages, or a proxy does not let them through:"
            f" {response} Look at MAIL_SES_ENDPOINT_URL and the network.",
            stage="accept",
            response=response,
        )
    if status in (400, 413) and code not in _CUT_OFF:
        return MessageRefused(
            f"{place} refused the message: {response}", stage="accept", response=response
        )
    return DeliveryUnknown(
        f"{place} failed ({status}): {response} The message may have been accepted.",
        stage="accept",
        response=response,
    )


def cause_of(error: Exception) -> Exception | None:
    """Return what may be shown as the cause of ours: `error`, unless its text repeats a token."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict) and answer.get("Error", {}).get("Code") in _REPEATING:
        return None
    return without_frames(error)


def _is_of_the_proxy(error: Exception) -> bool:
    """Whether a proxy could not be reached, or makes no tunnel.

    A link by a proxy that breaks after the request is a ProxyConnectionError too.
    """
    of_urllib3 = getattr(error, "kwargs", {}).get("error")
    reason = getattr(of_urllib3, "original_error", None)
    kinds = {each.__name__ for each in type(reason).__mro__}
    return bool(kinds & {"NewConnectionError", "ConnectTimeoutError"}) or str(reason).startswith(
        "Tunnel connection failed"  # http.client has no class for it
    )


def without_frames(error: Exception) -> Exception:
    """Return `error` without the frames and the request that it came from: both hold tokens."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    if hasattr(error, "request"):
        error.request = None
    for each in getattr(error, "kwargs", {}).values():  # of botocore: what urllib3 raised
        if isinstance(each, Exception):
            without_frames(each)
    return error
