"""Keys and tokens in errors and logs."""

from __future__ import annotations

import json
import logging
import traceback

import pytest
from flask_mail_ses import SesBackend
from flask_mail_ses.redaction import redacted_logs
from service import HANG_UP, KEY, KEY_ID, TOKEN, Answer
from ses_backend import message, new_backend, options_of

from flask_mail import (
    BackendUnavailable,
    DeliveryUnknown,
)


def test_errors_and_their_frames_show_no_secret(service):
    """The error of AWS for a wrong signature repeats the session token."""
    service.decide = lambda _: Answer(403, "SignatureDoesNotMatch", f"security-token:{TOKEN}")
    backend = new_backend(service)
    with pytest.raises(BackendUnavailable) as caught:
        backend.send(message())

    shown = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    for secret in (KEY, TOKEN):
        assert secret not in shown
        assert secret not in json.dumps(str(vars(caught.value)))


FRESH = "IQoJb3JpZ2luX2-fr3sh"


@pytest.mark.parametrize("given", [FRESH, lambda: FRESH, None], ids=["text", "callable", "machine"])
def test_session_token_is_masked_in_the_log_of_botocore(service, caplog, monkeypatch, given):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", FRESH)
    options = {} if given is not None else {"access_key_id": None, "secret_access_key": None}
    options = options_of(service, session_token=given, **options)
    SesBackend.from_options({k: v for k, v in options.items() if v is not None}, None).send(
        message()
    )

    assert service.headers[0]["X-Amz-Security-Token"] == FRESH
    assert FRESH not in caplog.text
    assert "'X-Amz-Security-Token': b'***'" in caplog.text


def test_credentials_of_a_role_are_masked_in_the_log(service, caplog, tmp_path, monkeypatch):
    caplog.set_level(logging.DEBUG)
    (tmp_path / "web").write_text("eyJ-w3b.t0ken")
    (tmp_path / "config").write_text(
        "[default]\nregion = us-east-1\nrole_arn = arn:aws:iam::1:role/shop\n"
        f"web_identity_token_file = {tmp_path / 'web'}\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"{service.url}/sts")
    service.other = Answer(
        200,
        said="<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
        f"<AccessKeyId>{KEY_ID}</AccessKeyId><SecretAccessKey>{KEY}</SecretAccessKey>"
        f"<SessionToken>{TOKEN}</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>"
        "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
    )
    SesBackend(endpoint_url=service.url).send(message())

    assert service.headers[0]["X-Amz-Security-Token"] == TOKEN
    assert "AssumeRoleWithWebIdentity" in caplog.text
    for secret in (KEY, TOKEN, "eyJ-w3b.t0ken"):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        """'body': b'{"clientSecret":"h1dden","grantType":"refresh_token"}'""",
        """b'{"accessToken": "h1dden", "expiresIn": 28800}'""",
        "'x-amz-sso_bearer_token': 'h1dden'",
        "<SessionToken>h1dden</SessionToken>",
    ],
)
def test_token_is_masked_in_every_notation(caplog, text):
    caplog.set_level(logging.DEBUG)
    with redacted_logs(None):
        logging.getLogger("botocore.endpoint").debug("%s", text)
    assert "h1dden" not in caplog.text
    assert text.replace("h1dden", "***") in caplog.text


def test_log_records_of_other_code_are_unchanged(service, caplog):
    caplog.set_level(logging.DEBUG)
    new_backend(service).send(message())
    logging.getLogger("botocore.auth").debug("x-amz-security-token:%s", "another")

    assert "x-amz-security-token:***" in caplog.text
    assert "x-amz-security-token:another" in caplog.text


def test_broken_connection_shows_no_secret(service):
    service.decide = lambda _: HANG_UP
    with pytest.raises(DeliveryUnknown) as caught:
        new_backend(service).send(message())
    shown = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    assert "ConnectionClosedError" in shown
    assert TOKEN not in shown
    assert TOKEN not in str(vars(caught.value.__cause__))


def test_failing_secret_callable_is_named(service):
    def failing():
        raise RuntimeError

    with pytest.raises(BackendUnavailable, match="the callable in MAIL_SES_SECRET_ACCESS_KEY"):
        new_backend(service, secret_access_key=failing).send(message())
    assert service.requests == []
