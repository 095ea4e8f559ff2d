"""Outcomes by response and by error."""

from __future__ import annotations

import pickle

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    ParamValidationError,
    ProxyConnectionError,
    SSLError,
    TokenRetrievalError,
)
from flask import Flask
from flask_mail_ses import SesBackend
from flask_mail_ses.outcomes import error_of
from service import BE_SILENT, HANG_UP, KEY, KEY_ID, Answer, serving
from ses_backend import message, new_backend

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryError,
    DeliveryUnknown,
    Mail,
    MessageRefused,
    Outcome,
)


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (Answer(429, "TooManyRequestsException", "Slow"), BackendUnavailable, "too many requests"),
        (Answer(400, "ThrottlingException"), BackendUnavailable, "too many requests"),
        (Answer(400, "LimitExceededException"), BackendUnavailable, "quota"),
        (Answer(400, "SendingPausedException"), BackendUnavailable, "paused"),
        (Answer(503, "ServiceUnavailable"), BackendUnavailable, "overloaded"),
        (Answer(503, "Whatever"), BackendUnavailable, "overloaded"),
        (
            Answer(403, "AccessDeniedException", "not you."),
            BackendUnavailable,
            "No login .* AccessDeniedException: not you. Check",
        ),
        (Answer(403, "Whatever", "no"), BackendUnavailable, "No login"),
        (Answer(404, "NotFoundException", "set"), BackendUnavailable, "MAIL_SES_CONFIGURATION_SET"),
        (Answer(400, "MessageRejected", "spam"), MessageRefused, "MessageRejected: spam"),
        (Answer(400, "BadRequestException", "Illegal address"), MessageRefused, "Illegal address"),
        (Answer(400, "RequestThrottled"), BackendUnavailable, "too many requests"),
        (Answer(404, "UnknownOperationException"), BackendUnavailable, "MAIL_SES_ENDPOINT_URL"),
        (Answer(407, "Whatever"), BackendUnavailable, "a proxy blocks the request"),
        (Answer(413, "RequestEntityTooLarge"), MessageRefused, "RequestEntityTooLarge"),
        (Answer(400, "RequestAbortedException"), DeliveryUnknown, "may have been accepted"),
        (Answer(408, "RequestTimeoutException"), DeliveryUnknown, "may have been accepted"),
        (Answer(409, "Whatever"), DeliveryUnknown, r"failed \(409\)"),
        (Answer(500, "InternalFailure", "oops"), DeliveryUnknown, r"failed \(500\)"),
        (Answer(504, "GatewayTimeout"), DeliveryUnknown, "may have been accepted"),
        (HANG_UP, DeliveryUnknown, "broke before a response"),
        (BE_SILENT, DeliveryUnknown, "ReadTimeoutError"),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_response_decides_the_outcome(service, answer, error, says):
    """A request that may have been accepted is never repeated."""
    service.decide = lambda _: answer
    with pytest.raises(DeliveryError, match=says) as caught:
        new_backend(service, timeout=0.5).send(message())

    assert type(caught.value) is error
    assert len(service.requests) == 1
    assert pickle.loads(pickle.dumps(caught.value)).receipt.outcome is caught.value.receipt.outcome


def test_refused_connection_is_not_sent(service):
    with serving() as other:
        closed = other.url
    with pytest.raises(BackendUnavailable, match="No connection to Amazon SES .*MAIL_SES_ENDPOINT"):
        new_backend(service, endpoint_url=closed).send(message())


def test_proxy_that_hangs_up_is_unknown(service, monkeypatch):
    """urllib3 reports it as a failure to connect to the proxy."""
    monkeypatch.setenv("HTTP_PROXY", service.url)
    service.decide = lambda _: HANG_UP
    with pytest.raises(DeliveryUnknown, match="broke before a response"):
        new_backend(service, endpoint_url="http://ses.example").send(message())
    assert len(service.requests) == 1


@pytest.mark.parametrize("is_there", [True, False], ids=["no tunnel", "no proxy"])
def test_unreachable_proxy_is_not_sent(service, monkeypatch, is_there):
    with serving() as other:
        closed = other.url
    monkeypatch.setenv("HTTPS_PROXY", service.url if is_there else closed)
    with pytest.raises(BackendUnavailable, match="No connection .* ProxyConnectionError"):
        new_backend(service, endpoint_url="https://ses.example").send(message())
    assert service.requests == []


def test_failed_tls_handshake_sends_nothing(service):
    """The service speaks plain HTTP and has no certificate."""
    with pytest.raises(DeliveryError) as caught:
        new_backend(service, endpoint_url=service.url.replace("http:", "https:")).send(message())
    assert caught.value.receipt.outcome is not Outcome.SENT
    assert service.requests == []


@pytest.mark.parametrize(
    ("error", "expected", "says"),
    [
        (
            SSLError(endpoint_url="x", error="[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"),
            BackendUnavailable,
            "cannot be verified",
        ),
        (SSLError(endpoint_url="x", error="decryption failed"), DeliveryUnknown, "broke"),
        (ParamValidationError(report="too long"), MessageRefused, "too long"),
        (ConnectTimeoutError(endpoint_url="x"), BackendUnavailable, "No connection"),
        (ProxyConnectionError(proxy_url="x"), DeliveryUnknown, "broke"),
        (TokenRetrievalError(provider="sso", error_msg="x"), BackendUnavailable, "No login"),
        (ValueError("whatever"), DeliveryUnknown, "failed without a response: ValueError"),
    ],
)
def test_errors_of_boto3_decide_the_outcome(error, expected, says):
    found = error_of(error, "Amazon SES (here)", SesBackend.setting_key)
    assert type(found) is expected
    assert says in str(found)


def test_rejected_role_is_not_sent(service, tmp_path, monkeypatch):
    """AWS is asked for the role before the message is sent."""
    (tmp_path / "config").write_text(
        "[profile shop]\nregion = us-east-1\nrole_arn = arn:aws:iam::1:role/shop\n"
        "credential_source = Environment\n"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"{service.url}/sts")
    service.other = Answer(
        400,
        said="<ErrorResponse><Error><Code>ValidationError</Code></Error></ErrorResponse>",
    )
    backend = SesBackend(profile="shop", endpoint_url=service.url)
    with pytest.raises(BackendUnavailable, match="AssumeRole with ValidationError") as caught:
        backend.send(message())
    assert caught.value.stage == "login"
    assert service.requests == []


def test_missing_credentials_are_not_sent(service):
    backend = SesBackend(region="us-east-1", endpoint_url=service.url)
    with pytest.raises(BackendUnavailable, match="No login .* NoCredentialsError") as caught:
        backend.send(message())
    assert caught.value.stage == "login"


def test_incomplete_credentials_file_is_not_sent(service, tmp_path, monkeypatch):
    backend = SesBackend(region="us-east-1", endpoint_url=service.url)
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = half\n")
    with pytest.raises(BackendUnavailable, match="No client .*PartialCredentialsError"):
        backend.send(message())
    assert service.requests == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"access_key_id": "AKID"}, ("access_key_id", "secret_access_key")),
        ({"session_token": "x"}, ("session_token", "access_key_id")),
        ({"timeout": 0}, ("timeout",)),
        ({"region": "no region"}, ("region",)),
        ({"endpoint_url": "nope"}, ("endpoint_url",)),
        ({"endpoint_url": "https://user@example.com"}, ("endpoint_url",)),
        ({"events_topic": "nope"}, ("events_topic",)),
        ({"profile": "nope"}, ("profile",)),
    ],
    ids=lambda options: next(iter(options)),
)
def test_error_names_the_settings_of_its_mailer(options, named):
    app = Flask("shop")
    table = {name.upper(): value for name, value in {"region": "eu-west-1", **options}.items()}
    app.config["MAIL_MAILERS"] = {"bulk": {"BACKEND": SesBackend, **table}}
    with pytest.raises(ConfigurationError) as caught:
        Mail(app).using("bulk").send(message())
    assert "MAIL_SES" not in str(caught.value)
    for each in named:
        assert f"MAIL_MAILERS['bulk']['{each.upper()}']" in str(caught.value)


def test_error_of_the_service_names_the_settings_of_its_mailer(service):
    service.decide = lambda _: Answer(403, "AccessDeniedException", "No")
    app = Flask("shop")
    bulk = {"BACKEND": SesBackend, "REGION": "eu-west-1", "ENDPOINT_URL": service.url}
    app.config["MAIL_MAILERS"] = {
        "bulk": {**bulk, "ACCESS_KEY_ID": KEY_ID, "SECRET_ACCESS_KEY": KEY}
    }
    with pytest.raises(BackendUnavailable) as caught:
        Mail(app).using("bulk").send(message())
    assert "MAIL_SES" not in str(caught.value)
    assert "AccessDeniedException: No. Check MAIL_MAILERS['bulk']['ACCESS_KEY_ID']" in str(
        caught.value
    )
