"""The ses backend, in front of moto by HTTP, and of a service that fails as told."""

from __future__ import annotations

import json
import logging
import os
import pickle
import traceback

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
from flask_mail_ses.asking import Asking
from flask_mail_ses.hiding import hiding
from flask_mail_ses.outcomes import error_of
from moto.ses.models import ses_backends
from service import BE_SILENT, HANG_UP, KEY, KEY_ID, TOKEN, Answer, moto_server, serving

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryError,
    DeliveryUnknown,
    Mail,
    Message,
    MessageError,
    MessageRefused,
    Outcome,
    UnsupportedFeature,
)
from flask_mail.testing import BackendContract

NOT_VERIFIED = (
    "Email address is not verified. The following identities failed the check in region"
    " US-EAST-1: {}"
)


@pytest.fixture(scope="session")
def moto():
    with moto_server() as address:
        yield address


@pytest.fixture
def service():
    with serving() as service:
        yield service


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """A machine without any AWS configuration, and without a proxy."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def options_of(service, **options):
    return {
        "region": "us-east-1",
        "access_key_id": KEY_ID,
        "secret_access_key": KEY,
        "session_token": TOKEN,
        "endpoint_url": service.url,
        **options,
    }


def built(service, **options):
    return SesBackend.from_options(options_of(service, **options), None)


def message(**fields):
    return Message(
        **{
            "subject": "Hello",
            "recipients": ["bob@example.com"],
            "body": "Hi",
            "sender": "ann@example.com",
            **fields,
        }
    )


class TestSesBackend(BackendContract):
    """The promises of every backend, kept in front of moto."""

    @pytest.fixture
    def before_moto(self, moto):
        with serving(moto) as service:
            yield service

    @pytest.fixture
    def options(self, before_moto):
        return options_of(before_moto)

    @pytest.fixture
    def backend(self, options):
        return SesBackend.from_options(options, None)

    @pytest.fixture
    def delivered(self, before_moto):
        return before_moto.delivered

    @pytest.fixture
    def secrets(self):
        return [KEY, TOKEN]

    @pytest.fixture(
        params=[
            Answer(429, "TooManyRequestsException", "Too many requests"),
            Answer(400, "MessageRejected", "Address blacklisted."),
            Answer(500, "InternalFailure"),
            Answer(403, "SignatureDoesNotMatch", f"x-amz-security-token:{TOKEN}"),
            HANG_UP,
        ],
        ids=lambda answer: answer.code or "no answer",
    )
    def failing(self, request):
        with serving() as service:
            service.decide = lambda _: request.param
            yield built(service)

    @pytest.fixture
    def refusing(self):
        with serving() as service:
            service.decide = refuse("nobody@example.com")
            yield built(service)


def refuse(*addresses):
    """Refuse requests with these recipients, and name them, as SES does."""

    def decide(request):
        found = [each for each in request["Destination"]["ToAddresses"] if each in addresses]
        if not found:
            return None
        return Answer(400, "MessageRejected", NOT_VERIFIED.format(", ".join(found)))

    return decide


# --- What SES is given ---------------------------------------------------------------------------


def test_moto_gets_the_message_and_its_id_is_in_the_receipt(moto):
    with serving(moto) as service:
        sent = message(bcc=["blind@example.com"])
        receipt = built(service).send(sent)

    (kept,) = [
        each
        for each in ses_backends["123456789012"]["us-east-1"].sent_messages
        if each.id == receipt.response
    ]
    assert kept.raw_data.encode() == sent.as_bytes()
    assert kept.destinations[:2] == ["bob@example.com", "blind@example.com"]


def test_a_sender_that_may_not_send_is_refused_by_moto(moto):
    with serving(moto) as service, pytest.raises(MessageRefused, match="authority") as caught:
        built(service).send(message(sender="ann@unverified.example"))
    assert [*caught.value.receipt.refused] == ["bob@example.com"]


def test_tags_and_metadata_are_message_tags(service):
    built(service).send(message(tags=["welcome", "trial"], metadata={"order": 4711, "paid": True}))

    (request,) = service.requests
    assert {each["Name"]: each["Value"] for each in request["EmailTags"]} == {
        "welcome": "true",
        "trial": "true",
        "order": "4711",
        "paid": "true",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": ["two words"]},
        {"tags": ["grün"]},
        {"metadata": {"a.b": "c"}},
        {"metadata": {"name": "Ann Lee"}},
        {"metadata": {"name": ""}},
        {"metadata": {"name": "x" * 257}},
        {"tags": ["order"], "metadata": {"order": 1}},
        {"tags": [f"t{number}" for number in range(51)]},
    ],
)
def test_tags_that_ses_does_not_take_are_not_left_out(service, fields):
    with pytest.raises(UnsupportedFeature, match="ses backend does not support"):
        built(service).send(message(**fields))
    assert service.requests == []


def test_options_of_settings_and_message_reach_it(service):
    backend = built(service, configuration_set="shop", from_arn="arn:aws:ses:example")
    backend.send(message())
    backend.send(
        message(
            options={
                "ses": {"configuration_set": "news", "contact_list": "readers", "topic": "weekly"}
            }
        )
    )
    backend.send(message(options={"ses": {"contact_list": "readers"}}))

    first, second, third = service.requests
    assert first["ConfigurationSetName"] == "shop"
    assert first["FromEmailAddressIdentityArn"] == "arn:aws:ses:example"
    assert "ListManagementOptions" not in first
    assert second["ConfigurationSetName"] == "news"
    assert second["ListManagementOptions"] == {"ContactListName": "readers", "TopicName": "weekly"}
    assert third["ListManagementOptions"] == {"ContactListName": "readers"}


@pytest.mark.parametrize(
    ("options", "says"),
    [({"configuration": "x"}, "configuration"), ({"topic": "x"}, "topic needs contact_list")],
)
def test_an_option_that_is_wrong_is_named(service, options, says):
    with pytest.raises(MessageError, match=says):
        built(service).send(message(options={"ses": options}))
    assert service.requests == []


def test_bounces_go_to_another_address_only_where_one_was_given(service):
    backend = built(service)
    backend.send(message())
    backend.send(message(), envelope_from="bounces@example.com")

    first, second = service.requests
    assert "FeedbackForwardingEmailAddress" not in first
    assert second["FeedbackForwardingEmailAddress"] == "bounces@example.com"


def test_it_says_who_it_is(service):
    built(service).send(message())
    (headers,) = service.headers
    assert "Flask-Mail-SES" in headers["User-Agent"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_of_a_fork_has_connections_of_its_own(service):
    backend = built(service)
    backend.send(message())
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if backend.send(message()).sent else 1
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert backend.send(message()).sent
    before, of_the_child, after = service.peers
    assert of_the_child != before
    assert after == before


# --- What becomes of the recipients --------------------------------------------------------------


def many(count):
    return [f"r{number}@example.com" for number in range(count)]


def test_fifty_recipients_go_into_each_request(service):
    receipt = built(service).send(message(recipients=many(120)))

    asked = [each["Destination"]["ToAddresses"] for each in service.requests]
    assert [len(each) for each in asked] == [50, 50, 20]
    assert [each for group in asked for each in group] == many(120)
    assert receipt.response == "id-1 id-2 id-3"
    assert receipt.refused == {}


def test_named_refused_recipients_do_not_stop_the_others(service):
    service.decide = refuse("r3@example.com", "r60@example.com")
    receipt = built(service).send(message(recipients=many(70)))

    assert receipt.outcome is Outcome.SENT
    assert [*receipt.refused] == ["r3@example.com", "r60@example.com"]
    assert receipt.refused["r3@example.com"].code == 550
    assert "not verified" in receipt.refused["r3@example.com"].text
    taken = [each for request in service.accepted for each in request["Destination"]["ToAddresses"]]
    assert sorted(taken) == sorted(set(many(70)) - {"r3@example.com", "r60@example.com"})


def test_a_sender_that_is_refused_is_no_recipient(service):
    service.decide = lambda _: Answer(
        400, "MessageRejected", NOT_VERIFIED.format("ann@example.com")
    )
    with pytest.raises(MessageRefused) as caught:
        built(service).send(message(recipients=many(60)))

    assert len(service.requests) == 2
    assert [*caught.value.receipt.refused] == many(60)


def test_where_all_are_refused_by_name_the_message_is(service):
    service.decide = refuse(*many(2))
    with pytest.raises(MessageRefused) as caught:
        built(service).send(message(recipients=many(2)))
    assert len(service.requests) == 1
    assert [*caught.value.receipt.refused] == many(2)


def after(count, answer):
    """Answer all requests but the first few so."""
    seen = []

    def decide(request):
        seen.append(request)
        return answer if len(seen) > count else None

    return decide


def test_those_who_come_after_the_limit_was_reached_are_told_apart(service):
    service.decide = after(1, Answer(429, "TooManyRequestsException", "Slow down"))
    receipt = built(service).send(message(recipients=many(150)))

    assert receipt.outcome is Outcome.SENT
    assert [*receipt.refused] == many(150)[50:]
    assert {each.code for each in receipt.refused.values()} == {451}
    assert len(service.requests) == 2


def test_a_refusal_that_nobody_put_into_words_has_a_reason_all_the_same():
    """boto3 refuses by itself what it knows to be wrong, and there is no answer then."""

    def ask(recipients):
        raise error_of(ParamValidationError(report="too long"), "Amazon SES (here)")

    with pytest.raises(MessageRefused) as caught:
        Asking(ask).run(["bob@example.com"])
    assert "too long" in caught.value.refused["bob@example.com"].text


def test_where_the_link_breaks_in_the_middle_nobody_knows(service):
    service.decide = after(1, HANG_UP)
    with pytest.raises(DeliveryUnknown) as caught:
        built(service).send(message(recipients=many(150)))

    assert caught.value.receipt.outcome is Outcome.UNKNOWN
    assert [*caught.value.refused] == many(150)[100:]
    assert len(service.requests) == 2
    assert str(caught.value).endswith("Accepted before it: id-1.")


# --- Outcomes ------------------------------------------------------------------------------------


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
            "No login .* AccessDeniedException: not you. Look at",
        ),
        (Answer(403, "Whatever", "no"), BackendUnavailable, "No login"),
        (Answer(404, "NotFoundException", "set"), BackendUnavailable, "MAIL_SES_CONFIGURATION_SET"),
        (Answer(400, "MessageRejected", "spam"), MessageRefused, "MessageRejected: spam"),
        (Answer(400, "BadRequestException", "Illegal address"), MessageRefused, "Illegal address"),
        (Answer(400, "RequestThrottled"), BackendUnavailable, "too many requests"),
        (Answer(404, "UnknownOperationException"), BackendUnavailable, "MAIL_SES_ENDPOINT_URL"),
        (Answer(407, "Whatever"), BackendUnavailable, "a proxy does not let them through"),
        (Answer(413, "RequestEntityTooLarge"), MessageRefused, "RequestEntityTooLarge"),
        (Answer(400, "RequestAbortedException"), DeliveryUnknown, "may have been accepted"),
        (Answer(408, "RequestTimeoutException"), DeliveryUnknown, "may have been accepted"),
        (Answer(409, "Whatever"), DeliveryUnknown, r"failed \(409\)"),
        (Answer(500, "InternalFailure", "oops"), DeliveryUnknown, r"failed \(500\)"),
        (Answer(504, "GatewayTimeout"), DeliveryUnknown, "may have been accepted"),
        (HANG_UP, DeliveryUnknown, "broke before there was an answer"),
        (BE_SILENT, DeliveryUnknown, "ReadTimeoutError"),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_an_answer_says_what_became_of_the_message(service, answer, error, says):
    """Nothing that may have been accepted is asked for again."""
    service.decide = lambda _: answer
    with pytest.raises(DeliveryError, match=says) as caught:
        built(service, timeout=0.5).send(message())

    assert type(caught.value) is error
    assert len(service.requests) == 1
    assert pickle.loads(pickle.dumps(caught.value)).receipt.outcome is caught.value.receipt.outcome


def test_where_nobody_listens_nothing_was_sent(service):
    with serving() as other:
        closed = other.url
    with pytest.raises(BackendUnavailable, match="No connection to Amazon SES .*MAIL_SES_ENDPOINT"):
        built(service, endpoint_url=closed).send(message())


def test_a_proxy_that_hangs_up_may_have_handed_the_message_on(service, monkeypatch):
    """urllib3 calls that a failure to connect to the proxy."""
    monkeypatch.setenv("HTTP_PROXY", service.url)
    service.decide = lambda _: HANG_UP
    with pytest.raises(DeliveryUnknown, match="broke before there was an answer"):
        built(service, endpoint_url="http://ses.example").send(message())
    assert len(service.requests) == 1


@pytest.mark.parametrize("is_there", [True, False], ids=["makes no tunnel", "is not there"])
def test_a_proxy_that_leads_nowhere_got_no_message(service, monkeypatch, is_there):
    with serving() as other:
        closed = other.url
    monkeypatch.setenv("HTTPS_PROXY", service.url if is_there else closed)
    with pytest.raises(BackendUnavailable, match="No connection .* ProxyConnectionError"):
        built(service, endpoint_url="https://ses.example").send(message())
    assert service.requests == []


def test_a_certificate_that_is_not_to_be_trusted_is_none(service):
    """The service speaks plain HTTP: no certificate, and so nothing was sent or nobody knows."""
    with pytest.raises(DeliveryError) as caught:
        built(service, endpoint_url=service.url.replace("http:", "https:")).send(message())
    assert caught.value.receipt.outcome is not Outcome.SENT
    assert service.requests == []


@pytest.mark.parametrize(
    ("error", "expected", "says"),
    [
        (
            SSLError(endpoint_url="x", error="[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"),
            BackendUnavailable,
            "not to be trusted",
        ),
        (SSLError(endpoint_url="x", error="decryption failed"), DeliveryUnknown, "broke"),
        (ParamValidationError(report="too long"), MessageRefused, "too long"),
        (ConnectTimeoutError(endpoint_url="x"), BackendUnavailable, "No connection"),
        (ProxyConnectionError(proxy_url="x"), DeliveryUnknown, "broke"),
        (TokenRetrievalError(provider="sso", error_msg="x"), BackendUnavailable, "No login"),
        (ValueError("whatever"), DeliveryUnknown, "led to no answer: ValueError"),
    ],
)
def test_other_errors_of_boto3_are_told_by_when_they_come(error, expected, says):
    found = error_of(error, "Amazon SES (here)")
    assert type(found) is expected
    assert says in str(found)


def test_a_role_that_is_not_to_be_had_says_nothing_of_the_message(service, tmp_path, monkeypatch):
    """AWS is asked for it before the message is sent: it may be sent again once that is mended."""
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


def test_a_machine_without_credentials_sends_nothing(service):
    backend = SesBackend(region="us-east-1", endpoint_url=service.url)
    with pytest.raises(BackendUnavailable, match="No login .* NoCredentialsError") as caught:
        backend.send(message())
    assert caught.value.stage == "login"


def test_a_broken_configuration_of_the_machine_sends_nothing(service, tmp_path, monkeypatch):
    backend = SesBackend(region="us-east-1", endpoint_url=service.url)
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = half\n")
    with pytest.raises(BackendUnavailable, match="No client .*PartialCredentialsError"):
        backend.send(message())
    assert service.requests == []


# --- Secrets -------------------------------------------------------------------------------------


def test_no_error_shows_a_secret_in_its_text_or_its_frames(service):
    """The error of AWS for a wrong signature repeats the session token."""
    service.decide = lambda _: Answer(403, "SignatureDoesNotMatch", f"security-token:{TOKEN}")
    backend = built(service)
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
def test_no_token_is_in_what_botocore_logs(service, caplog, monkeypatch, given):
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


def test_what_aws_says_of_a_role_is_in_no_log(service, caplog, tmp_path, monkeypatch):
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
def test_every_way_of_writing_a_token_is_masked(caplog, text):
    caplog.set_level(logging.DEBUG)
    with hiding(None):
        logging.getLogger("botocore.endpoint").debug("%s", text)
    assert "h1dden" not in caplog.text
    assert text.replace("h1dden", "***") in caplog.text


def test_what_botocore_logs_of_other_secrets_is_left_alone(service, caplog):
    caplog.set_level(logging.DEBUG)
    built(service).send(message())
    logging.getLogger("botocore.auth").debug("x-amz-security-token:%s", "another")

    assert "x-amz-security-token:***" in caplog.text
    assert "x-amz-security-token:another" in caplog.text


def test_the_link_that_breaks_shows_none_either(service):
    service.decide = lambda _: HANG_UP
    with pytest.raises(DeliveryUnknown) as caught:
        built(service).send(message())
    shown = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    assert "ConnectionClosedError" in shown
    assert TOKEN not in shown
    assert TOKEN not in str(vars(caught.value.__cause__))


def test_a_secret_that_cannot_be_had_names_its_setting(service):
    def failing():
        raise RuntimeError

    with pytest.raises(BackendUnavailable, match="the callable in MAIL_SES_SECRET_ACCESS_KEY"):
        built(service, secret_access_key=failing).send(message())
    assert service.requests == []


# --- Settings ------------------------------------------------------------------------------------


def test_it_is_chosen_by_its_settings(service):
    app = Flask("shop")
    app.config.update(
        MAIL_BACKEND=SesBackend,
        MAIL_SES_REGION="us-east-1",
        MAIL_SES_ACCESS_KEY_ID=KEY_ID,
        MAIL_SES_SECRET_ACCESS_KEY=KEY,
        MAIL_SES_ENDPOINT_URL=service.url,
        MAIL_SES_TIMEOUT="5",
        MAIL_DEFAULT_SENDER="ann@example.com",
    )
    mail = Mail(app)

    assert mail.send_message("Hello", ["bob@example.com"], "Hi").backend == "ses"
    before = mail.state.selection.backend()
    app.config["MAIL_SES_TIMEOUT"] = "6"
    assert mail.send_message("Hello", ["bob@example.com"], "Hi").sent
    assert mail.state.selection.backend() is not before
    assert len(service.accepted) == 2


def test_one_that_has_sent_nothing_has_nothing_to_let_go_of(service):
    built(service).shut_down()


def test_the_region_of_the_machine_is_enough(monkeypatch, tmp_path, service):
    (tmp_path / "config").write_text("[profile shop]\nregion = eu-central-1\n")
    SesBackend(profile="shop")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    SesBackend()


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"region": None}, "MAIL_SES_REGION"),
        ({"region": "http://evil"}, "MAIL_SES_REGION"),
        ({"secret_access_key": None, "session_token": None}, "MAIL_SES_SECRET_ACCESS_KEY"),
        ({"access_key_id": None}, "MAIL_SES_ACCESS_KEY_ID"),
        ({"access_key_id": None, "secret_access_key": None}, "MAIL_SES_SESSION_TOKEN"),
        ({"timeout": 0}, "MAIL_SES_TIMEOUT"),
        ({"timeout": float("nan")}, "MAIL_SES_TIMEOUT"),
        ({"timeout": 901}, "MAIL_SES_TIMEOUT"),
        ({"endpoint_url": "example.com"}, "MAIL_SES_ENDPOINT_URL"),
        ({"endpoint_url": "https://[::1"}, "MAIL_SES_ENDPOINT_URL"),
        ({"endpoint_url": "https://example.com:pw"}, "MAIL_SES_ENDPOINT_URL"),
        ({"endpoint_url": "https://me:pw@example.com"}, "MAIL_SES_ENDPOINT_URL"),
        ({"profile": "nosuch"}, "MAIL_SES_PROFILE"),
        ({"regoin": "x"}, "MAIL_SES_REGOIN"),
    ],
)
def test_a_value_that_is_wrong_is_named(service, options, setting):
    given = {k: v for k, v in options_of(service, **options).items() if v is not None}
    with pytest.raises(ConfigurationError, match=setting) as caught:
        SesBackend.from_options(given, None)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("name", ["config", "credentials"])
def test_a_file_of_the_machine_that_cannot_be_read_is_named(service, tmp_path, name):
    (tmp_path / name).write_text("[default\naws_secret_access_key = pw\n")
    with pytest.raises(ConfigurationError, match=str(tmp_path / name)) as caught:
        built(service)
    assert "pw" not in str(caught.value)


def test_a_link_that_is_not_encrypted_is_warned_about(service, caplog):
    caplog.set_level(logging.WARNING)
    built(service)
    assert caplog.text == ""
    built(service, endpoint_url="http://localstack:4566")
    assert "MAIL_SES_ENDPOINT_URL is not encrypted" in caplog.text
