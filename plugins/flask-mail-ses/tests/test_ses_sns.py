"""Signatures, certificates and confirmations of Amazon SNS."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask_mail_ses import sns
from flask_mail_ses.sns import Topics, moment_of
from hypothesis import given, settings
from hypothesis import strategies as st
from notices import CERTIFICATE, CONFIRM, HOST, NOW, TOPIC, Web, body, certificate, elliptic, notice

from flask_mail.backends import ConfigurationError, EventsRefused

SIGNED = notice("Hi")


def topics(web=None, *names, clock=NOW.timestamp):
    return Topics(list(names) or [TOPIC], "EVENTS_TOPIC", fetch=(web or Web()).fetch, clock=clock)


def refusal_of(given, found=None):
    with pytest.raises(EventsRefused) as caught:
        (found or topics()).verified(given)
    return caught.value


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "kind", ["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]
)
def test_both_versions_of_the_signature_are_verified(kind, version):
    fields = topics().verified(body("Hi \N{PILE OF POO}", kind=kind, version=version))
    assert (fields["Type"], fields["Message"]) == (kind, "Hi \N{PILE OF POO}")


def test_a_subject_is_signed_too():
    assert topics().verified(body("Hi", Subject="Amazon SES"))["Subject"] == "Amazon SES"
    changed = {**notice("Hi", Subject="Amazon SES"), "Subject": "Other"}
    assert "signature is wrong" in str(refusal_of(json.dumps(changed).encode()))
    added = {**notice("Hi"), "Subject": "Other"}
    assert refusal_of(json.dumps(added).encode()).status == 401


@pytest.mark.parametrize(
    "change",
    [
        {"Message": "Hello"},
        {"MessageId": "1"},
        {"Timestamp": "2026-11-30T12:00:01.000Z"},
        {"Signature": "AAAA"},
        {"Signature": "!"},
        {"Signature": "\xe4"},
        {"SignatureVersion": "1"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": 2},
        {"Message": "\ud800"},
    ],
)
def test_what_was_changed_is_refused(change):
    error = refusal_of(json.dumps({**notice("Hi"), **change}).encode())
    assert (str(error), error.status) == ("Its signature is wrong.", 401)


def test_a_signature_by_another_key_is_refused():
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert str(refusal_of(body("Hi", key=other))) == "Its signature is wrong."


@pytest.mark.parametrize(
    "given",
    [
        *(b"", b"\xff", b"[]", b"1", b"[" * 100_000, body("Hi")[:-1]),
        b"Message=Hi&Type=Notification",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(given):
    assert refusal_of(given).status == 400


@pytest.mark.parametrize("name", ["Type", "Message", "MessageId", "TopicArn", "Signature"])
@pytest.mark.parametrize("value", [None, 1, ["a"]])
def test_a_field_that_is_no_text_is_refused(name, value):
    error = refusal_of(json.dumps({**notice("Hi"), name: value}).encode())
    assert "raw message delivery" in str(error)
    assert error.status == 401


@pytest.mark.parametrize("kind", ["", "Other", "notification"])
def test_an_unknown_type_is_refused(kind):
    error = refusal_of(json.dumps({**notice("Hi"), "Type": kind}).encode())
    assert error.status == 401


@pytest.mark.parametrize(
    "topic", ["arn:aws:sns:eu-central-1:123456789012:other", "", "arn:aws:sns:eu-central-1"]
)
def test_another_topic_is_refused_before_anything_is_fetched(topic):
    web = Web()
    assert "another topic" in str(refusal_of(body("Hi", TopicArn=topic), topics(web)))
    assert web.asked == []


@pytest.mark.parametrize(
    "url",
    [
        CERTIFICATE.replace("https", "http"),
        CERTIFICATE.replace("eu-central-1", "us-east-1"),
        CERTIFICATE.replace("amazonaws.com", "amazonaws.com.evil.example"),
        CERTIFICATE.replace("amazonaws.com", "amazonaws.com:444"),
        CERTIFICATE.replace("amazonaws.com", "amazonaws.com@evil.example"),
        CERTIFICATE.replace("https://", "https://evil.example/"),
        CERTIFICATE.replace("https://", "https://user@"),
        CERTIFICATE.replace(".pem", ".pem/../key.pem"),
        CERTIFICATE.replace("SimpleNotificationService-", "upload/"),
        f"{CERTIFICATE}?1",
        f"{CERTIFICATE}#1",
        f"{HOST}/SimpleNotificationService-1.pem\n",
        f"{HOST}/SimpleNotificationService-\u0661.pem",
        "",
    ],
)
def test_a_certificate_from_elsewhere_is_never_fetched(url):
    web = Web()
    error = refusal_of(body("Hi", SigningCertURL=url), topics(web))
    assert "certificate is not one of sns.eu-central-1.amazonaws.com" in str(error)
    assert web.asked == []


@pytest.mark.parametrize("seconds", [-3901, 3901])
def test_an_old_message_is_refused(seconds):
    late = NOW + timedelta(seconds=seconds)
    assert "too old" in str(refusal_of(body("Hi"), topics(clock=late.timestamp)))


@pytest.mark.parametrize(
    "text", ["", "now", "9999-12-31T23:59:59-23:59", "2026-11-30T12:00:00+99:00"]
)
def test_a_message_without_a_time_is_refused(text):
    assert "too old" in str(refusal_of(body("Hi", Timestamp=text)))


def test_a_message_is_accepted_as_long_as_amazon_repeats_it():
    later = NOW + timedelta(hours=1)
    assert topics(clock=later.timestamp).verified(body("Hi"))["Message"] == "Hi"


def test_a_certificate_is_fetched_once():
    web = Web()
    found = topics(web)
    for _ in range(3):
        found.verified(body("Hi"))
    assert web.asked == [CERTIFICATE]


def test_few_certificates_are_kept():
    web = Web()
    found = topics(web)
    for number in range(9):
        found.verified(body("Hi", SigningCertURL=f"{HOST}/SimpleNotificationService-{number}.pem"))
    assert len(found.keys) == 1


@pytest.mark.parametrize(
    "answer",
    [
        OSError("no route"),
        http.client.BadStatusLine("x"),
        b"no certificate",
        certificate(start=NOW - timedelta(days=9)),
        certificate(start=NOW + timedelta(hours=1)),
        elliptic(),
    ],
    ids=["network", "protocol", "text", "expired", "early", "elliptic"],
)
def test_amazon_sends_it_again_if_it_cannot_be_verified_now(answer):
    now = [NOW.timestamp()]
    web = Web(answer)
    found = topics(web, clock=lambda: now[0])
    assert refusal_of(body("Hi"), found).status == 503
    web.answer = certificate()
    now[0] += 9
    assert refusal_of(body("Hi"), found).status == 503
    assert len(web.asked) == 1, "the pause was not kept"
    now[0] += 1
    assert found.verified(body("Hi"))["Message"] == "Hi"


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(sorted(SIGNED.keys() - {"UnsubscribeURL"})), st.text(max_size=60))
def test_a_random_change_is_refused(name, value):
    web = Web()
    if SIGNED[name] != value:
        refusal_of(json.dumps({**SIGNED, name: value}).encode(), topics(web))
    assert set(web.asked) <= {CERTIFICATE}


class TestConfirm:
    def test_the_url_of_the_message_is_fetched(self):
        web = Web(b"<ConfirmSubscriptionResponse/>")
        topics(web).confirm(CONFIRM)
        assert web.asked == [CONFIRM]

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            (CONFIRM.replace("eu-central-1.amazonaws.com", "evil.example"), "must begin with"),
            (CONFIRM.replace("https", "http", 1), "must begin with"),
            (CONFIRM.replace("sns.eu", "sns.us", 1), "must begin with"),
            (CONFIRM.replace("bounces", "other"), "no subscription to a topic"),
            (CONFIRM.replace("ConfirmSubscription", "Subscribe"), "no subscription to a topic"),
            (f"{CONFIRM}&TopicArn={TOPIC}2", "no subscription to a topic"),
            (f"{CONFIRM}\n", "must begin with"),
            ("", "no subscription"),
        ],
    )
    def test_no_other_url_is_fetched(self, url, problem):
        web = Web()
        with pytest.raises(ConfigurationError, match=problem):
            topics(web).confirm(url)
        assert web.asked == []

    @pytest.mark.parametrize("error", [OSError("403"), http.client.BadStatusLine("x")])
    def test_a_failure_is_an_error(self, error):
        with pytest.raises(ConfigurationError, match="did not confirm the subscription"):
            topics(Web(error)).confirm(CONFIRM)


@pytest.mark.parametrize(
    ("topic", "host"),
    [
        (TOPIC, "sns.eu-central-1.amazonaws.com"),
        (f"{TOPIC}.fifo", "sns.eu-central-1.amazonaws.com"),
        ("arn:aws-cn:sns:cn-north-1:123456789012:a", "sns.cn-north-1.amazonaws.com.cn"),
        ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:a", "sns.us-gov-west-1.amazonaws.com"),
    ],
)
def test_the_topic_says_which_host_signs(topic, host):
    assert topics(None, topic).hosts == {topic: host}


@pytest.mark.parametrize(
    "topic", ["", "bounces", "arn:aws:sqs:eu-central-1:123456789012:a", f"{TOPIC}\n"]
)
def test_a_topic_that_is_no_arn_is_an_error(topic):
    with pytest.raises(ConfigurationError, match="EVENTS_TOPIC must be the ARN"):
        topics(None, topic)


def test_times_are_in_utc_or_none():
    assert moment_of("2026-11-30T12:00:00.000Z") == NOW
    assert moment_of("2026-11-30T14:00:00+02:00") == NOW
    assert moment_of("") is None


def test_fetching_verifies_tls_and_follows_no_redirect(monkeypatch):
    asked = []

    class Answer:
        def __enter__(self):
            return self

        def __exit__(self, *exc_info):
            pass

        def read(self, most):
            return b"x" * most

    def open_by(opener, url, timeout):
        secure = [each for each in opener.handlers if isinstance(each, urllib.request.HTTPSHandler)]
        context = vars(secure[0])["_context"]
        asked.append((url, timeout, context.verify_mode, context.check_hostname))
        redirects = next(
            each for each in opener.handlers if isinstance(each, urllib.request.HTTPRedirectHandler)
        )
        assert redirects.redirect_request(None, None, 302, "", {}, "https://evil.example") is None
        return Answer()

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", open_by)
    assert len(sns.fetch(CERTIFICATE)) == 64 * 1024
    assert asked == [(CERTIFICATE, 10.0, ssl.CERT_REQUIRED, True)]
