"""``flask mail events``, and what ``flask mail check`` finds about events."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from cli_support import make_app, run, run_json
from event_service import KEY, Service, Silent, body_of, post

from flask_mail import DeliveryEvent, Mail, email_reported
from flask_mail.backends import ConfigurationError, EventsSecret


class Asking(Service):
    """A service that wants its address confirmed."""

    name = "asking"
    confirmed = ()

    def __init__(self, *, events_secret: EventsSecret | None = None):
        self.secret = events_secret

    def confirm_events(self, url):
        if not url.startswith("https://asking.example/"):
            raise ConfigurationError("The URL is wrong.")
        Asking.confirmed += (url,)


class Storing(Silent):
    """A queue, which stores events."""

    name = "storing"
    stored = ()

    def last_events(self):
        if self.stored is None:
            raise ConfigurationError("No database.")
        return self.stored


def stored(mailer, seconds, kind):
    return DeliveryEvent(kind, datetime.fromtimestamp(seconds, timezone.utc), mailer=mailer)


def shop(**config):
    return make_app(
        **{
            "MAIL_EVENTS": "/mail-events",
            "MAIL_BACKEND": Service,
            "MAIL_SERVICE_EVENTS_SECRET": KEY,
            "TESTING": True,
            **config,
        }
    )


@pytest.fixture
def receiver():
    def note(app, event):
        pass

    with email_reported.connected_to(note):
        yield


def rows_of(app):
    return {each["mailer"]: each for each in run_json(app, "events")["events"]}


def findings_of(app, status=0):
    found = run_json(app, "check", status)["findings"]
    return {each["code"]: each for each in found if "events" in each["code"]}


class TestList:
    def test_it_shows_the_address_of_each_mailer_that_can(self):
        app = shop(
            MAIL_MAILERS={
                "ne/ws": {"BACKEND": Service, "EVENTS_SECRET": [KEY]},
                "orders": {"BACKEND": Service},
                "silent": {"BACKEND": Silent},
            }
        )
        assert rows_of(app) == {
            "default": {
                "mailer": "default",
                "backend": "service",
                "address": "/mail-events/default",
                "missing": None,
                "last": None,
            },
            "ne/ws": {
                "mailer": "ne/ws",
                "backend": "service",
                "address": "/mail-events/ne%2Fws",
                "missing": None,
                "last": None,
            },
            "orders": {
                "mailer": "orders",
                "backend": "service",
                "address": None,
                "missing": "MAIL_MAILERS['orders']['EVENTS_SECRET']",
                "last": None,
            },
        }

    def test_with_a_host_the_address_is_a_url(self):
        app = shop(
            SERVER_NAME="shop.example.com",
            PREFERRED_URL_SCHEME="https",
            APPLICATION_ROOT="/shop/",
        )
        address = "https://shop.example.com/shop/mail-events/default"
        assert rows_of(app)["default"]["address"] == address
        app.config.update(PREFERRED_URL_SCHEME=None, APPLICATION_ROOT=None)
        assert rows_of(app)["default"]["address"] == "http://shop.example.com/mail-events/default"

    def test_the_last_event_is_that_of_this_process(self, receiver):
        app = shop()
        post(app, body_of("delivered", "bounced"))
        last = {"at": "1970-01-01T00:00:00+00:00", "kind": "bounced"}
        assert rows_of(app)["default"]["last"] == last
        lines = run(app, "events").stdout.splitlines()
        assert lines[0].split() == ["MAILER", "BACKEND", "ADDRESS", "LAST", "EVENT"]
        assert lines[1].split()[-2:] == ["1970-01-01T00:00:00+00:00", "bounced"]

    def test_the_last_event_may_be_one_that_a_backend_has_stored(self, receiver):
        app = shop(
            TESTING=False,
            MAIL_MAILERS={
                "news": {"BACKEND": Service, "EVENTS_SECRET": KEY},
                "safe": {"BACKEND": "failover", "MAILERS": [Storing, "news"]},
                "wrong": {"BACKEND": "failover"},
            },
        )
        post(app, body_of("delivered"))
        post(app, body_of("delivered"), to="news")
        Storing.stored = [stored("default", 1, "bounced"), stored("news", -1, "bounced")]
        rows = rows_of(app)
        assert rows["default"]["last"] == {"at": "1970-01-01T00:00:01+00:00", "kind": "bounced"}
        assert rows["news"]["last"]["kind"] == "delivered"

    def test_events_that_cannot_be_read_are_a_warning(self):
        Storing.stored = None
        result = run(shop(TESTING=False, MAIL_MAILERS={"other": {"BACKEND": Storing}}), "events")
        assert "The events that are stored cannot be read: No database." in result.stderr
        assert "/mail-events/default" in result.stdout

    def test_without_addresses_it_says_what_to_set(self):
        assert "set MAIL_EVENTS" in run(shop(MAIL_EVENTS=None), "events").stdout
        output = run(shop(MAIL_SERVICE_EVENTS_SECRET=None), "events").stdout
        assert "set MAIL_SERVICE_EVENTS_SECRET" in output
        assert "No mailer has a backend" in run(shop(MAIL_BACKEND=Silent), "events").stdout

    def test_an_app_without_flask_mail_has_addresses_too(self):
        app = make_app(with_mail=False, MAIL_BACKEND=Service, MAIL_SERVICE_EVENTS_SECRET=KEY)
        assert rows_of(app)["default"]["missing"] == "MAIL_EVENTS"


class TestConfirm:
    @pytest.fixture
    def app(self):
        Asking.confirmed = ()
        app = shop(MAIL_BACKEND=Asking, MAIL_ASKING_EVENTS_SECRET=KEY)
        app.config["MAIL_MAILERS"] = {"plain": {"BACKEND": Service, "EVENTS_SECRET": KEY}}
        return app

    @pytest.mark.parametrize("name", ["default", "asking"])
    def test_the_backend_gets_the_url(self, app, name):
        output = run(app, "events", "confirm", name, "https://asking.example/1").output
        assert "the service may send events now" in output
        assert Asking.confirmed == ("https://asking.example/1",)

    def test_its_error_is_shown(self, app):
        result = run(app, "events", "confirm", "default", "https://evil.example", status=1)
        assert result.output == "Error: The URL is wrong.\n"
        result = run(app, "events", "confirm", "plain", "https://asking.example/1", status=1)
        assert "need no confirmation" in result.output
        assert Asking.confirmed == ()

    def test_an_unknown_mailer_is_an_error_that_lists_the_others(self, app):
        result = run(app, "events", "confirm", "other", "https://x.example", status=2)
        assert "'other' receives no events" in result.output
        assert "default, plain" in result.output
        app.config.update(MAIL_BACKEND=Silent, MAIL_MAILERS={})
        result = run(app, "events", "confirm", "default", "https://x.example", status=2)
        assert "none." in result.output


class TestCheck:
    def test_all_is_well_with_a_secret_and_a_receiver(self, receiver):
        assert findings_of(shop()) == {}
        assert findings_of(make_app(TESTING=True, MAIL_BACKEND="locmem")) == {}

    def test_a_missing_secret_is_a_warning(self, receiver):
        found = findings_of(shop(MAIL_SERVICE_EVENTS_SECRET=None))
        assert found["events-secret"]["level"] == "warning"
        assert found["events-secret"]["keys"] == ["MAIL_SERVICE_EVENTS_SECRET"]
        assert "set MAIL_SERVICE_EVENTS_SECRET" in found["events-secret"]["advice"]

    def test_events_that_no_receiver_gets_are_a_warning(self):
        assert "lost" in findings_of(shop())["lost-events"]["advice"]

    def test_a_secret_without_the_setting_is_a_warning(self):
        found = findings_of(shop(MAIL_EVENTS=None))
        assert list(found) == ["unused-events"]
        assert findings_of(shop(MAIL_EVENTS=None, MAIL_SERVICE_EVENTS_SECRET=None)) == {}

    def test_the_setting_without_a_service_is_a_warning(self):
        found = findings_of(shop(MAIL_BACKEND=Silent))
        assert list(found) == ["no-events"]

    def test_a_setting_that_came_too_late_is_an_error(self, receiver):
        app = shop(MAIL_EVENTS=None)
        app.config["MAIL_EVENTS"] = "/mail-events"
        assert findings_of(app, status=1)["late-events"]["level"] == "error"

    def test_other_wrong_settings_are_reported_by_their_own_rules(self):
        app = shop()
        app.config["MAIL_MAILERS"] = 5
        assert findings_of(app, status=1) == {}
        app = make_app(TESTING=True)
        app.config["MAIL_EVENTS"] = "mail"
        assert "wrong-kind" in {
            each["code"] for each in run_json(app, "check", status=1)["findings"]
        }

    def test_a_state_without_an_app_is_no_error(self):
        app = shop(MAIL_BACKEND=Silent)
        app.extensions["mail"] = Mail().init_mail(app.config)
        assert list(findings_of(app)) == ["no-events"]

    def test_secrets_are_not_shown(self):
        app = shop(MAIL_SERVICE_EVENTS_SECRET=[KEY, "whsec_other"])
        for command in ("check", "mailers", "events"):
            output = run(app, command).output
            assert KEY not in output
            assert "whsec_" not in output
