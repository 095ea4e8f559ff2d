"""Telemetry is on only if a setting or a call says so, and imports nothing before."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from cli_support import make_app, run_json
from flask import Flask, current_app
from telemetry_support import Telemetry

from flask_mail import ConfigurationError, Mail, Message
from flask_mail.telemetry import instrument, uninstrument

MISSING = (
    "MAIL_TELEMETRY and flask_mail.telemetry require opentelemetry-api:"
    ' pip install "path/to/flask-mail[otel]"'
)


@pytest.fixture
def app():
    app = Flask("shop")
    app.config.update(MAIL_BACKEND="null", MAIL_DEFAULT_SENDER="shop@example.com")
    yield app
    uninstrument(app)


@pytest.fixture
def without_opentelemetry(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)


def hello():
    return Message("Hello", ["ann@example.com"], "Hi")


@pytest.mark.parametrize("value", [True, "true", "1"])
def test_the_setting_switches_it_on(app, value):
    app.config["MAIL_TELEMETRY"] = value
    mail = Mail(app)
    assert "mail_telemetry" in app.extensions
    assert mail.send(hello()).sent  # to the global providers, which record nothing


@pytest.mark.parametrize("value", [None, False, "", "off"])
def test_it_is_off_otherwise(app, value):
    app.config["MAIL_TELEMETRY"] = value
    Mail(app)
    assert "mail_telemetry" not in app.extensions


def test_a_program_that_has_instrumented_the_app_keeps_its_providers(app):
    app.config["MAIL_TELEMETRY"] = True
    with Telemetry() as telemetry:
        telemetry.instrument(app)
        Mail(app).send(hello())
        assert len(telemetry.spans) == 1


def test_instrumenting_twice_records_once_and_by_the_last_providers(app):
    with Telemetry() as first, Telemetry() as second:
        first.instrument(app)
        with app.app_context():
            second.instrument(current_app)
        Mail(app).send(hello())
        assert (len(first.spans), len(second.spans)) == (0, 1)


def test_uninstrumenting_ends_it(app):
    with Telemetry() as telemetry:
        telemetry.instrument(app)
        app.extensions["mail_telemetry"].observe("queue", lambda: {"shop": (1, 1.0)})
        uninstrument(app)
        uninstrument(app)
        Mail(app).send(hello())
        assert telemetry.spans == []
        assert telemetry.points("mail.queue.due") == []


def test_other_apps_are_not_recorded(app):
    other = Flask("other")
    other.config.update(app.config)
    with Telemetry() as telemetry:
        telemetry.instrument(app)
        Mail(other).send(hello())
        assert telemetry.spans == []


@pytest.mark.usefixtures("without_opentelemetry")
def test_instrument_says_which_extra_is_missing(app):
    with pytest.raises(ConfigurationError) as caught:
        instrument(app)
    assert str(caught.value) == MISSING


@pytest.mark.usefixtures("without_opentelemetry")
def test_mail_is_sent_without_traces_if_the_extra_is_missing(app, caplog):
    app.config["MAIL_TELEMETRY"] = True
    assert Mail(app).send(hello()).sent
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.getMessage() == f"Messages are neither traced nor measured: {MISSING}"


@pytest.mark.usefixtures("without_opentelemetry")
@pytest.mark.parametrize("value", [True, False])
def test_check_says_if_the_extra_is_missing(value):
    app = make_app(MAIL_BACKEND="null", TESTING=True, MAIL_TELEMETRY=value)
    findings = run_json(app, "check", status=int(value))["findings"]
    found = [each for each in findings if each["code"] == "telemetry"]
    assert [(each["level"], each["keys"], each["advice"]) for each in found] == (
        [("error", ["MAIL_TELEMETRY"], MISSING)] if value else []
    )


def test_check_is_content_if_the_extra_is_installed():
    app = make_app(MAIL_BACKEND="null", TESTING=True, MAIL_TELEMETRY=True)
    try:
        codes = {each["code"] for each in run_json(app, "check")["findings"]}
    finally:
        uninstrument(app)
    assert "telemetry" not in codes


@pytest.mark.parametrize(
    ("settings", "imported"), [("{}", "False False"), ("{'MAIL_TELEMETRY': True}", "True True")]
)
def test_opentelemetry_is_imported_only_if_it_is_on(settings, imported):
    program = (
        "import sys, flask\n"
        "from flask_mail import Mail, Message\n"
        "app = flask.Flask('shop')\n"
        f"app.config.update(MAIL_BACKEND='null', **{settings})\n"
        "Mail(app).send(Message('Hi', ['ann@example.com'], 'Hi', sender='me@example.com'))\n"
        "print('opentelemetry.trace' in sys.modules, 'flask_mail.telemetry' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == imported
