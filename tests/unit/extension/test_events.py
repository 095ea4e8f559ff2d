"""The endpoint of MAIL_EVENTS: what it accepts, refuses, and answers."""

from __future__ import annotations

import base64
import io
import logging
import time
from datetime import datetime, timezone
from traceback import TracebackException

import pytest
from event_service import KEY, NEXT, Service, Silent, body_of, post, signed
from flask import Flask, abort, current_app, redirect, request
from hypothesis import HealthCheck, settings
from hypothesis import given as given_any
from hypothesis import strategies as st

from flask_mail import (
    ConfigurationError,
    DeliveryEvent,
    EventKind,
    EventsRefused,
    Mail,
    email_reported,
)
from flask_mail.backends import EventsSecret, verify_basic_auth
from flask_mail.extension.event_sources import event_sources
from flask_mail.extension.events import MAX_SIZE


@pytest.fixture
def app():
    app = Flask("shop")
    app.config.update(
        MAIL_EVENTS="/mail-events/",
        MAIL_BACKEND=Service,
        MAIL_SERVICE_EVENTS_SECRET=KEY,
        SECRET_KEY="secret",
    )
    Mail(app)
    return app


@pytest.fixture
def got(app):
    """Yield the events that a receiver has got."""
    calls = []

    def note(sender, event):
        assert current_app == sender == app
        calls.append(event)

    with email_reported.connected_to(note, sender=app):
        yield calls


def test_a_receiver_gets_each_event(app, got):
    response = post(app, body_of("bounced", "delivered"))
    assert (response.status_code, response.data) == (204, b"")
    assert [each.kind for each in got] == [EventKind.BOUNCED, EventKind.DELIVERED]
    assert {(each.mailer, each.backend) for each in got} == {("default", "service")}
    assert app.extensions["mail_events"].last == {"default": got[-1]}


def test_the_answer_has_no_cookie_and_the_session_is_not_used(app, got):
    response = post(app, headers={**signed(body_of("bounced")), "Cookie": "session=x"})
    assert response.status_code == 204
    # Flask adds Vary if the session is looked at.
    assert not {"Set-Cookie", "Vary"} & {*response.headers.keys()}


def test_an_unknown_kind_is_accepted(app, got):
    assert post(app, body_of("other")).status_code == 204
    assert [each.kind for each in got] == [EventKind.OTHER]
    assert post(app, body_of()).status_code == 204


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
)
def test_the_content_type_does_not_matter(app, got, content_type):
    assert post(app, content_type=content_type).status_code == 204
    assert len(got) == 1


def test_a_replaced_secret_is_valid_until_it_is_removed(app, got):
    body = body_of("bounced")
    app.config["MAIL_SERVICE_EVENTS_SECRET"] = [KEY, NEXT]
    assert post(app, body, headers=signed(body, key=KEY)).status_code == 204
    assert post(app, body, headers=signed(body, key=NEXT)).status_code == 204
    app.config["MAIL_SERVICE_EVENTS_SECRET"] = [NEXT]
    assert post(app, body, headers=signed(body, key=KEY)).status_code == 401
    assert len(got) == 2


def test_a_repeat_has_the_same_id_and_an_old_one_is_refused(app, got):
    body = body_of("bounced")
    headers = signed(body)
    assert [post(app, body, headers=headers).status_code for _ in range(2)] == [204, 204]
    assert len({each.id for each in got}) == 1
    assert post(app, body, headers=signed(body, at=int(time.time()) - 310)).status_code == 401
    assert len(got) == 2


class TestRefused:
    @pytest.fixture(autouse=True)
    def nothing_is_received(self, got):
        yield
        assert got == []

    @pytest.mark.parametrize("body", [b"", body_of("bounced")[:-1], body_of("bounced") + b"\n"])
    def test_another_body_than_the_signed_one(self, app, body):
        response = post(app, body, headers=signed(body_of("bounced")))
        assert (response.status_code, response.data) == (401, b"")

    def test_no_signature(self, app):
        assert post(app, headers={}).status_code == 401

    def test_a_signed_body_that_cannot_be_read(self, app):
        body = body_of("bounced", "bounced")[:-10]
        assert post(app, body, headers=signed(body)).status_code == 400

    def test_an_error_in_the_middle_reports_none(self, app):
        body = body_of("bounced", "exploded")
        assert post(app, body).status_code == 500

    @pytest.mark.parametrize("size", [MAX_SIZE + 1, 10 * MAX_SIZE])
    def test_a_body_that_is_too_large(self, app, size):
        body = b" " * size
        assert post(app, body).status_code == 413

    def test_a_large_body_of_unknown_length_is_not_read_to_its_end(self, app):
        stream = io.BytesIO(b" " * (2 * MAX_SIZE))
        environ = {"wsgi.input": stream, "wsgi.input_terminated": True}
        response = app.test_client().post("/mail-events/default", environ_overrides=environ)
        assert response.status_code == 413
        assert stream.tell() == MAX_SIZE + 1

    def test_a_body_that_the_app_does_not_take(self, app):
        app.config["MAX_CONTENT_LENGTH"] = 10
        assert post(app).status_code == 413
        app.config["MAX_CONTENT_LENGTH"] = 10 * MAX_SIZE
        assert post(app, b" " * (MAX_SIZE + 1)).status_code == 413

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
    def test_another_method(self, app, method):
        response = app.test_client().open("/mail-events/default", method=method)
        assert response.status_code == 405

    @pytest.mark.parametrize("to", ["other", "service", "", "default/", "a/default"])
    def test_a_mailer_that_does_not_exist(self, app, to):
        assert post(app, to=to).status_code == 404

    @pytest.mark.parametrize("secret", [None, ""])
    def test_a_mailer_without_secret(self, app, secret):
        app.config["MAIL_SERVICE_EVENTS_SECRET"] = secret
        assert post(app).status_code == 404

    def test_a_mailer_that_reads_no_events(self, app):
        app.config["MAIL_BACKEND"] = Silent
        assert post(app).status_code == 404

    def test_a_handler_of_the_app_makes_no_success_of_it(self, app):
        app.register_error_handler(Exception, lambda error: ("Sorry", 200))
        app.register_error_handler(401, lambda error: ("Log in", 200))
        assert post(app, headers={}).status_code == 401
        assert post(app, body_of("exploded")).status_code == 500

    def test_a_handler_of_missing_pages_makes_no_success_of_it(self, app):
        app.register_error_handler(404, lambda error: ("Home", 200))
        assert post(app, to="other").status_code == 404
        app.config["MAIL_SERVICE_EVENTS_SECRET"] = None
        assert post(app).status_code == 404

    def test_a_handler_makes_no_success_of_a_request_that_is_cut_off(self, app):
        app.register_error_handler(400, lambda error: ("Sorry", 200))
        body = body_of("bounced")
        environ = {"CONTENT_LENGTH": str(len(body) + 1)}
        response = post(app, body, environ_overrides=environ)
        assert response.status_code == 400


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given_any(
    st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from([*signed(b""), "Authorization", "Content-Encoding"]),
        st.text("abc,=v1 0123456789", max_size=20),
    ),
)
def test_an_unsigned_request_never_reaches_a_receiver(app, got, body, headers):
    assert post(app, body, headers=headers).status_code == 401
    assert got == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given_any(st.binary(max_size=200))
def test_a_signed_body_of_random_octets_is_refused(app, got, body):
    assert post(app, body).status_code == 400
    assert got == []


class TestReceivers:
    def test_an_error_makes_the_service_send_it_again(self, app, got, caplog):
        failing = [OSError("database")]

        def fail(app, event):
            if failing:
                raise failing.pop()

        with email_reported.connected_to(fail, sender=app):
            body = body_of("bounced", "complained")
            assert [post(app, body).status_code for _ in range(2)] == [500, 204]
        assert [each.kind.value for each in got] == ["bounced", "complained"] * 2
        assert len({each.id for each in got}) == 2
        assert [each.levelname for each in caplog.records] == ["ERROR"]

    def test_in_tests_the_error_is_raised(self, app, got):
        def fail(app, event):
            raise OSError("database")

        app.config["TESTING"] = True
        with email_reported.connected_to(fail), pytest.raises(OSError, match="database"):
            post(app)
        assert len(got) == 1

    def test_in_tests_an_error_of_the_backend_is_raised(self, app):
        app.config["TESTING"] = True
        with pytest.raises(ValueError, match="exploded"):
            post(app, body_of("exploded"))

    @pytest.mark.parametrize("error", [KeyError("x"), EventsRefused("No.")])
    def test_any_error_is_one_and_hides_no_later_event(self, app, got, error):
        def fail(app, event):
            if event.kind is EventKind.BOUNCED:
                raise error

        def leave(app, event):
            abort(404)

        with email_reported.connected_to(fail):
            assert post(app, body_of("bounced", "delivered")).status_code == 500
        with email_reported.connected_to(leave):
            assert post(app).status_code == 500
        assert [each.kind.value for each in got] == ["bounced", "delivered", "bounced"]

    def test_without_receivers_a_warning_says_that_events_are_lost(self, app, caplog):
        assert post(app).status_code == 204
        assert "no receiver of email_reported is connected" in caplog.text


class TestWarnings:
    def test_there_is_one_in_a_minute_for_each_mailer(self, app, got, caplog):
        app.config["MAIL_MAILERS"] = {"news": {"BACKEND": Service, "EVENTS_SECRET": NEXT}}
        now = [1000.0]
        app.extensions["mail_events"].clock = lambda: now[0]
        for moment in (1000.0, 1030.0, 1059.9, 1060.0, 1061.0):
            now[0] = moment
            for name in ("default", "news"):
                assert post(app, to=name, headers={}).status_code == 401
        texts = [each.getMessage() for each in caplog.records]
        assert len([each for each in texts if "'default'" in each]) == 2
        assert len([each for each in texts if "'news'" in each]) == 2
        assert {each.levelno for each in caplog.records} == {logging.WARNING}

    def test_they_name_the_reason_and_no_secret(self, app, caplog):
        post(app, headers=signed(body_of("bounced"), key=NEXT))
        text = caplog.text
        assert "Mailer 'default': a request with events was refused (401)." in text
        assert "Its signature is wrong" in text
        assert KEY not in text

    def test_their_text_is_on_one_line(self, app, caplog):
        class Odd(Service):
            name = "odd"

            def read_events(self, headers, body):
                raise EventsRefused("a\nFORGED\x1b[2J", status=400)

        app.config.update(MAIL_BACKEND=Odd, MAIL_ODD_EVENTS_SECRET=KEY)
        assert post(app).status_code == 400
        assert "\n" not in caplog.records[0].getMessage()
        assert "\x1b" not in caplog.text


class Demanding(Service):
    """A service with a setting without which it is not built."""

    name = "demanding"

    def __init__(self, *, key: str, events_secret: EventsSecret | None = None):
        raise AssertionError


class TestWrongSettings:
    @pytest.fixture
    def now(self, app):
        now = [1000.0]
        app.extensions["mail_events"].clock = lambda: now[0]
        app.config.update(MAIL_BACKEND=Demanding, MAIL_DEMANDING_EVENTS_SECRET=KEY)
        return now

    def test_an_error_has_its_traceback_once(self, app, now, caplog):
        for moment in (1000.0, 1001.0, 1060.0, 1119.0, 1120.0):
            now[0] = moment
            assert post(app).status_code == 500
        assert [each.levelname for each in caplog.records] == ["ERROR", "WARNING", "WARNING"]
        assert [each.exc_info is not None for each in caplog.records] == [True, False, False]
        assert all("MAIL_DEMANDING_KEY" in each.getMessage() for each in caplog.records)

    def test_another_error_has_its_traceback_too(self, app, now, caplog):
        post(app)
        app.config["MAIL_BACKEND"] = "unknown"
        post(app)
        post(app)
        assert [each.levelname for each in caplog.records] == ["ERROR"] * 2

    def test_what_is_remembered_has_a_limit(self, app, now, caplog):
        """Also if any name leads to the error."""
        app.config["MAIL_MAILERS"] = 5
        for number in range(3):
            post(app, to=f"any{number}")
        assert len(caplog.records) == 1
        received = app.extensions["mail_events"]
        for number in range(1000):
            received.fail("default", type(f"Error{number}", (Exception,), {})("No."))
        assert len(vars(received)["_warned"]) <= 500

    def test_an_error_with_another_text_is_the_same(self, app, now, caplog):
        """The sender of a request, who needs no secret, chooses the text."""

        class Decoding(Service):
            name = "decoding"

            def read_events(self, headers, body):
                body.decode()

        app.config.update(MAIL_BACKEND=Decoding, MAIL_DECODING_EVENTS_SECRET=KEY)
        for number in range(20):
            assert post(app, b"%d secret \xff" % number).status_code == 500
        assert [each.levelname for each in caplog.records] == ["ERROR"]
        assert "secret" not in repr(vars(app.extensions["mail_events"])["_warned"])


class Login(Service):
    """A service that logs in, and reports what cannot be read."""

    name = "login"

    def read_events(self, headers, body):
        verify_basic_auth(self.secret, headers)
        raise ValueError("exploded")


def no_secret():
    raise OSError


@pytest.mark.parametrize("secret", ["shop:s3cret-key", no_secret], ids=["read", "not read"])
def test_the_frames_of_an_error_do_not_show_the_login(app, caplog, secret):
    app.config.update(MAIL_BACKEND=Login, MAIL_LOGIN_EVENTS_SECRET=secret)
    login = base64.b64encode(b"shop:s3cret-key").decode()
    assert post(app, headers={"Authorization": f"Basic {login}"}).status_code == 500
    error = caplog.records[-1].exc_info[1]
    shown = TracebackException.from_exception(error, capture_locals=True)
    text = "".join(shown.format())
    assert "<headers: " in text
    assert "s3cret" not in text
    assert login not in text


class TestMailers:
    def test_each_mailer_has_its_address_and_secret(self, app, got):
        app.config["MAIL_MAILERS"] = {"news": {"BACKEND": Service, "EVENTS_SECRET": NEXT}}
        body = body_of("bounced")
        assert post(app, body, to="news", headers=signed(body, key=KEY)).status_code == 401
        assert post(app, body, to="news", headers=signed(body, key=NEXT)).status_code == 204
        assert [(each.mailer, each.backend) for each in got] == [("news", "service")]

    def test_name_with_a_slash_has_an_address(self, app, got):
        """Servers decode %2F before the route is found."""
        app.config["MAIL_MAILERS"] = {"eu/news": {"BACKEND": Service, "EVENTS_SECRET": KEY}}
        assert post(app, body_of("bounced"), to="eu%2Fnews").status_code == 204
        assert [each.mailer for each in got] == ["eu/news"]

    def test_of_a_composite_each_part_has_an_address(self, app, got):
        app.config["MAIL_MAILERS"] = {
            "default": {"BACKEND": "failover", "MAILERS": ["news", "signed", "silent", "null"]},
            "news": {"BACKEND": Service, "EVENTS_SECRET": NEXT},
            "signed": {"BACKEND": "throttle", "MAILER": "orders", "RATE": "1/s"},
            "orders": {"BACKEND": Service, "EVENTS_SECRET": KEY},
            "silent": {"BACKEND": Silent},
        }
        selection = app.extensions["mail"].selection
        found = event_sources(selection)
        assert list(found) == ["news", "orders", "silent", "null"]
        assert [each.mailer for each in found.values() if each.is_open] == ["news", "orders"]
        assert found["news"].key == "MAIL_MAILERS['news']['EVENTS_SECRET']"
        assert post(app, to="orders").status_code == 204
        assert post(app, to="default").status_code == 404
        assert [each.mailer for each in got] == ["orders"]

    def test_a_part_with_flat_settings_has_the_name_of_its_backend(self, app, got):
        app.config["MAIL_MAILERS"] = {"default": {"BACKEND": "failover", "MAILERS": [Service]}}
        assert post(app, to="service").status_code == 204
        assert [each.mailer for each in got] == ["service"]

    def test_a_wrong_setting_of_one_loses_no_event_of_another(self, app, got, caplog):
        app.config["MAIL_MAILERS"] = {"news": {"BACKEND": "unknown"}}
        assert post(app).status_code == 204
        assert post(app, to="news").status_code == 500
        assert "unknown" in caplog.text

    def test_in_tests_the_backend_of_the_settings_reads_them(self, app, got):
        app.config["TESTING"] = True
        assert post(app).status_code == 204
        assert len(got) == 1

    def test_the_mailer_is_that_of_the_receipts_whatever_a_backend_says(self, app, got):
        class Own(Service):
            name = "own"

            def read_events(self, headers, body):
                at = datetime.fromtimestamp(0, timezone.utc)
                return [DeliveryEvent("other", at, mailer="mine", backend="theirs")]

        app.config.update(MAIL_BACKEND=Own, MAIL_OWN_EVENTS_SECRET=KEY)
        assert post(app).status_code == 204
        assert (got[0].mailer, got[0].backend) == ("default", "own")


class TestMounting:
    def test_without_the_setting_the_app_has_no_endpoint(self):
        for prefix in ({}, {"MAIL_EVENTS": ""}, {"MAIL_EVENTS": None}):
            app = Flask("shop")
            app.config.update(prefix)
            Mail(app)
            assert app.blueprints == {}

    @pytest.mark.parametrize("prefix", [True, "events", "/a b", "/", 5])
    def test_a_prefix_that_is_not_one_is_an_error(self, prefix):
        app = Flask("shop")
        app.config["MAIL_EVENTS"] = prefix
        with pytest.raises(ConfigurationError, match="MAIL_EVENTS must be a URL prefix"):
            Mail(app)

    def test_two_extension_objects_share_the_endpoint(self, app, got):
        with app.app_context():
            Mail().init_app(current_app)
        assert post(app).status_code == 204

    def test_it_works_with_apps_that_read_the_body_before(self, app, got):
        @app.before_request
        def read():
            request.get_data()

        assert post(app).status_code == 204

    def test_a_form_that_the_app_reads_before_is_refused(self, app, got):
        @app.before_request
        def read():
            assert request.form is not None

        form = "application/x-www-form-urlencoded"
        assert post(app, content_type=form).status_code == 401
        assert post(app).status_code == 204


class TestCsrf:
    def test_a_check_of_flask_wtf_does_not_stop_it(self, app, got):
        csrf = pytest.importorskip("flask_wtf.csrf")
        csrf.CSRFProtect(app)

        @app.post("/other")
        def other():
            return redirect("/")

        assert app.test_client().post("/other").status_code == 400
        assert post(app).status_code == 204
        assert app.test_client().post("/other").status_code == 400

    def test_an_app_without_flask_wtf_is_left_alone(self, app, got):
        app.extensions["csrf"] = object()
        assert post(app).status_code == 204
