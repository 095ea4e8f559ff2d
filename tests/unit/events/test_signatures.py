"""verify_webhook and verify_basic_auth, and the secrets that they compare with."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sys

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from flask_mail import Mail
from flask_mail.backends import (
    Backend,
    BackendUnavailable,
    ConfigurationError,
    EventsRefused,
    EventsSecret,
    Secret,
    verify_basic_auth,
    verify_webhook,
)

NOW = 1_764_500_000
KEY = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
OTHER = "whsec_" + base64.b64encode(b"another key of this service").decode()
BODY = b'{"type": "email.bounced"}'


def signed(body=BODY, *, key=KEY, at=NOW, number="msg_1", prefix="svix"):
    octets = base64.b64decode(key.removeprefix("whsec_"))
    text = f"{number}.{at}.".encode() + body
    digest = base64.b64encode(hmac.new(octets, text, hashlib.sha256).digest()).decode()
    return {
        f"{prefix}-id": number,
        f"{prefix}-timestamp": str(at),
        f"{prefix}-signature": f"v1,{digest}",
    }


def verify(headers, body=BODY, *, secret=KEY, **options):
    return verify_webhook(EventsSecret(secret), headers, body, clock=lambda: NOW, **options)


class TestWebhook:
    def test_the_example_of_the_specification_is_valid(self):
        """It is in the documentation of Svix, to test implementations with."""
        headers = {
            "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "svix-timestamp": "1614265330",
            "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
        number = verify_webhook(
            Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            headers,
            b'{"test": 2432232314}',
            clock=lambda: 1614265330,
        )
        assert number == "msg_p5jXN8AQM9LWM0D4loKWxJek"

    @pytest.mark.parametrize("prefix", ["svix", "webhook", "Svix", "WEBHOOK"])
    def test_both_names_of_the_headers_are_read_in_any_case(self, prefix):
        assert verify(signed(prefix=prefix)) == "msg_1"

    def test_one_of_several_signatures_is_enough(self):
        headers = signed()
        wrong = signed(key=OTHER)["svix-signature"]
        headers["svix-signature"] = f"v1a,AAAA {wrong} {headers['svix-signature']} junk"
        assert verify(headers) == "msg_1"

    def test_a_secret_may_be_replaced_by_another(self):
        assert verify(signed(key=OTHER), secret=[KEY, OTHER]) == "msg_1"
        assert verify(signed(key=KEY), secret=[KEY, OTHER]) == "msg_1"
        with pytest.raises(EventsRefused, match="signature is wrong"):
            verify(signed(key=KEY), secret=[OTHER])

    @pytest.mark.parametrize(
        "change",
        [
            {"svix-id": "msg_2"},
            {"svix-timestamp": str(NOW + 1)},
            {"svix-signature": "v1,"},
            {"svix-signature": "v1"},
            {"svix-signature": "v1,AAAA"},
            {"svix-signature": "v1,\xff\udc80"},
            {"svix-signature": signed(key=OTHER)["svix-signature"]},
            {"svix-signature": signed()["svix-signature"].replace("v1,", "v2,")},
            {"svix-id": "\udcff"},
        ],
    )
    def test_anything_else_is_refused(self, change):
        with pytest.raises(EventsRefused, match="signature is wrong") as caught:
            verify({**signed(), **change})
        assert caught.value.status == 401

    @pytest.mark.parametrize("body", [b"", BODY[:-1], BODY + b" ", b"\xff" * 100])
    def test_another_body_is_refused(self, body):
        with pytest.raises(EventsRefused, match="signature is wrong"):
            verify(signed(), body)

    @pytest.mark.parametrize("missing", ["svix-id", "svix-timestamp", "svix-signature"])
    def test_a_missing_header_is_named(self, missing):
        headers = signed()
        del headers[missing]
        with pytest.raises(EventsRefused, match="not signed"):
            verify(headers)
        with pytest.raises(EventsRefused, match="not signed"):
            verify({**headers, missing: ""})

    @pytest.mark.parametrize("at", ["-1", "1e9", " 1", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 13, "x"])
    def test_a_time_that_is_not_a_number_is_refused(self, at):
        with pytest.raises(EventsRefused, match="not a number"):
            verify({**signed(), "svix-timestamp": at})

    @pytest.mark.parametrize("seconds", [-301, 301, -86400])
    def test_an_old_request_is_refused(self, seconds):
        with pytest.raises(EventsRefused, match="more than 300 seconds"):
            verify(signed(at=NOW + seconds))

    @pytest.mark.parametrize("seconds", [-300, 300])
    def test_the_clocks_may_differ_by_five_minutes(self, seconds):
        assert verify(signed(at=NOW + seconds)) == "msg_1"
        assert verify(signed(at=NOW - 1000), tolerance=1000) == "msg_1"

    @pytest.mark.parametrize("secret", ["whsec_", "whsec_!", "whsec_\xe4"])
    def test_a_secret_that_is_not_one_matches_nothing(self, secret):
        headers = {**signed(), "svix-signature": "v1,"}
        for each in (headers, signed()):
            with pytest.raises(EventsRefused):
                verify(each, secret=secret)

    @pytest.mark.exhaustive
    @given(st.dictionaries(st.sampled_from([*signed(), "x"]), st.text(max_size=40)), st.binary())
    def test_random_requests_are_refused(self, headers, body):
        with pytest.raises(EventsRefused):
            verify(headers, body)


def login(text, kind="Basic"):
    return {"Authorization": f"{kind} {base64.b64encode(text.encode()).decode()}"}


class TestBasicAuth:
    @pytest.mark.parametrize("kind", ["Basic", "basic"])
    def test_one_of_several_logins_is_enough(self, kind):
        secret = EventsSecret(["shop:old", "shop:n:ew \xe4"])
        verify_basic_auth(secret, login("shop:n:ew \xe4", kind))
        verify_basic_auth(secret, {"authorization": login("shop:old")["Authorization"]})

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": ""},
            {"Authorization": "Basic"},
            {"Authorization": "Basic !"},
            {"Authorization": "Basic \xff"},
            {"X-Authorization": login("shop:key")["Authorization"]},
            login("shop:key", "Bearer"),
            login("shop:key "),
            login("shop"),
            login(""),
        ],
    )
    def test_anything_else_is_refused(self, headers):
        with pytest.raises(EventsRefused, match="no valid user name"):
            verify_basic_auth(EventsSecret("shop:key"), headers)

    @given(st.text())
    def test_random_logins_are_refused(self, text):
        with pytest.raises(EventsRefused):
            verify_basic_auth(EventsSecret("shop:key"), {"Authorization": text})


class EventsBackend(Backend[None]):
    name = "events"

    def __init__(self, *, events_secret: EventsSecret | None = None) -> None:
        self.secret = events_secret

    def deliver(self, mail, session):
        raise AssertionError


def built(value):
    app = Flask("shop")
    app.config["MAIL_MAILERS"] = {"one": {"BACKEND": EventsBackend, "EVENTS_SECRET": value}}
    app.config["MAIL_EVENTS_EVENTS_SECRET"] = value
    app.config["MAIL_BACKEND"] = EventsBackend
    selection = Mail(app).state.selection
    return selection.build("one"), selection.build(EventsBackend)


class TestSecret:
    @pytest.mark.parametrize("value", ["a", ["a"], ("a",), Secret("a"), [lambda: "a"], lambda: "a"])
    def test_an_option_is_one_secret_or_a_list(self, value):
        for backend in built(value):
            assert isinstance(backend.secret, EventsSecret)
            assert backend.secret.reveal_all() == ["a"]
            assert backend.secret.reveal() == "a"
        direct = EventsBackend.from_options({"events_secret": value}, None)
        assert direct.secret.reveal_all() == ["a"]

    def test_several_are_all_revealed_redacted_and_compared(self):
        secret = built(["first-key", "second-key"])[0].secret
        assert secret.reveal_all() == ["first-key", "second-key"]
        shown = secret.redact("first-key and second-key")
        assert "key" not in shown
        assert (repr(secret), f"{secret}") == ("***", "***")
        same = EventsSecret(["first-key", "second-key"])
        assert secret == same == EventsSecret(same)
        assert hash(secret) == hash(same)
        assert secret != EventsSecret(["first-key"])
        assert secret != Secret("first-key")

    @pytest.mark.parametrize("value", [[], [""], ["a", ""], ["a", None], [["a"]], b"a"])
    def test_other_values_are_errors_that_do_not_show_them(self, value):
        with pytest.raises(ConfigurationError, match="EVENTS_SECRET.*must be a string") as caught:
            built(value)
        assert "'a'" not in str(caught.value)

    def test_a_callable_that_returns_nothing_matches_nothing(self):
        secret = EventsSecret(["", lambda: ""])
        with pytest.raises(BackendUnavailable):
            verify_basic_auth(secret, login(""))

    def test_a_plain_secret_reveals_one(self):
        assert Secret("a").reveal_all() == ["a"]


def test_tracebacks_show_no_secret():
    looked_at = set()
    for check in (
        lambda: verify(signed(key=OTHER)),
        lambda: verify_basic_auth(EventsSecret("shop:key"), login("shop:wrong")),
    ):
        try:
            check()
        except EventsRefused:
            traceback = sys.exc_info()[2]
        while traceback is not None:
            values = repr(traceback.tb_frame.f_locals)
            if traceback.tb_frame.f_code.co_filename.endswith("events/signatures.py"):
                looked_at.add(traceback.tb_frame.f_code.co_name)
                assert KEY not in values
                assert "shop:key" not in values
            traceback = traceback.tb_next
    assert looked_at == {"verify_webhook", "verify_basic_auth"}
