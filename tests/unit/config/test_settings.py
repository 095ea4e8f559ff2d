"""Settings: how values of app.config are read."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from werkzeug.local import LocalProxy

from flask_mail import ConfigurationError
from flask_mail.config import table as settings
from flask_mail.config.misspelt import nearest


@pytest.mark.parametrize("value", [True, 1, "true", "True", " YES ", "on", "1", "t", "y"])
def test_words_of_the_environment_that_mean_true_are_true(value):
    assert settings.lookup({"MAIL_USE_TLS": value}, "MAIL_USE_TLS") is True


@pytest.mark.parametrize("value", [False, 0, "false", "False", "no", "off", "0", "f", "n"])
def test_words_of_the_environment_that_mean_false_are_false(value):
    assert settings.lookup({"MAIL_USE_TLS": value}, "MAIL_USE_TLS") is False


@pytest.mark.parametrize(("value", "port"), [("587", 587), (465, 465)])
def test_a_port_may_be_a_string(value, port):
    assert settings.lookup({"MAIL_PORT": value}, "MAIL_PORT") == port


@pytest.mark.parametrize(
    ("value", "limit"), [("50", 50), (50, 50), (0, None), ("0", None), (-1, None)]
)
def test_a_limit_of_zero_or_less_is_no_limit(value, limit):
    assert settings.lookup({"MAIL_MAX_EMAILS": value}, "MAIL_MAX_EMAILS") == limit


@pytest.mark.parametrize("value", [30, 0.5, "30", "0.5"])
def test_seconds_may_have_a_fraction_and_be_a_string(value):
    assert settings.lookup({"MAIL_TIMEOUT": value}, "MAIL_TIMEOUT") == float(value)


@pytest.mark.parametrize("value", ["mail", Path("mail")])
def test_a_path_may_be_a_string_or_a_path_object(value):
    assert settings.lookup({"MAIL_FILE_PATH": value}, "MAIL_FILE_PATH") == "mail"


def test_text_may_be_a_number_as_the_environment_has_it():
    assert settings.lookup({"MAIL_USERNAME": 12345}, "MAIL_USERNAME") == "12345"


def test_a_secret_may_be_a_callable_and_is_not_called():
    def secret():
        raise AssertionError

    for key in ("MAIL_PASSWORD", "MAIL_OAUTH2_TOKEN"):
        assert settings.lookup({key: secret}, key) is secret
        assert settings.lookup({key: 12345}, key) == "12345"


def test_a_secret_that_stands_for_a_string_is_read_as_text():
    """A LocalProxy has all that a callable has, and cannot be called."""
    proxy = LocalProxy(lambda: "s3cret")
    assert type(settings.lookup({"MAIL_PASSWORD": proxy}, "MAIL_PASSWORD")) is str


def test_a_lazy_string_is_read_as_text():
    class Lazy:
        def __str__(self):
            return "mail.example.com"

    assert settings.lookup({"MAIL_SERVER": Lazy()}, "MAIL_SERVER") == "mail.example.com"


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("key", ["MAIL_SERVER", "MAIL_PORT", "MAIL_USE_TLS", "MAIL_SUPPRESS_SEND"])
def test_none_and_an_empty_string_are_not_set(key, value):
    assert settings.lookup({key: value}, key, default="default") == "default"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MAIL_USE_TLS", "perhaps"),
        ("MAIL_USE_TLS", 1.5),
        ("MAIL_PORT", "smtp"),
        ("MAIL_PORT", -1),
        ("MAIL_PORT", 65536),
        ("MAIL_PORT", 25.5),
        ("MAIL_MAX_EMAILS", "many"),
        ("MAIL_PORT", True),
        ("MAIL_MAX_EMAILS", [1]),
        ("MAIL_TIMEOUT", "soon"),
        ("MAIL_TIMEOUT", 0),
        ("MAIL_TIMEOUT", -1),
        ("MAIL_TIMEOUT", math.inf),
        ("MAIL_TIMEOUT", math.nan),
        ("MAIL_TIMEOUT", True),
        ("MAIL_TIMEOUT", []),
        ("MAIL_SERVER", b"s3cret"),
        ("MAIL_SERVER", {"password": "s3cret"}),
        ("MAIL_SERVER", ["mail.example.com"]),
        ("MAIL_PORT", "smtp://me:s3cret@mail.example.com"),
        pytest.param("MAIL_PORT", 10**5000, id="huge-port"),
        pytest.param("MAIL_TIMEOUT", 10**400, id="huge-timeout"),
        pytest.param("MAIL_USERNAME", 10**5000, id="huge-name"),
        pytest.param("MAIL_PASSWORD", 10**5000, id="huge-password"),
        ("MAIL_PASSWORD", 12345.5),
        ("MAIL_PASSWORD", ["s3cret"]),
        ("MAIL_PASSWORD", True),
        ("MAIL_OAUTH2_TOKEN", b"s3cret"),
        ("MAIL_FILE_PATH", b"s3cret"),
        ("MAIL_FILE_PATH", 3),
        ("MAIL_TLS_CA_FILE", object()),
    ],
)
def test_a_value_of_another_kind_names_the_setting_and_shows_no_secret(key, value):
    with pytest.raises(ConfigurationError) as caught:
        settings.lookup({key: value}, key)
    assert str(caught.value).startswith(f"{key} must be ")
    assert "s3cret" not in str(caught.value)
    assert "12345" not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert isinstance(caught.value, ValueError)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("MAIL_PORT", -5, "-5"),
        ("MAIL_PORT", "smtp", "'smtp'"),
        ("MAIL_PORT", "99999", "'99999'"),
        ("MAIL_PORT", 25.5, "25.5"),
        ("MAIL_TIMEOUT", "soon", "'soon'"),
        ("MAIL_DEADLINE", 0, "0"),
        ("MAIL_KEEPALIVE", -1.5, "-1.5"),
        ("MAIL_POOL_SIZE", "-1", "'-1'"),
        ("MAIL_BATCH_CONNECTIONS", "0", "'0'"),
        ("MAIL_MAX_EMAILS", [50], "a value of type list"),
        ("MAIL_USE_TLS", "perhaps\n", r"'perhaps\n'"),
        ("MAIL_INBOX", "//", "'//'"),
        ("MAIL_REDIRECT_TO", "nobody", "'nobody'"),
        ("MAIL_SERVER", {"host": "mail.example.com"}, "a value of type dict"),
        ("MAIL_PASSWORD", 1.5, "a value of type float"),
        ("MAIL_PORT", "smtp://me:s3cret@a.example", "'smtp://***@a.example'"),
    ],
)
def test_the_wrong_value_is_shown(key, value, shown):
    with pytest.raises(ConfigurationError) as caught:
        settings.lookup({key: value}, key)
    assert f", not {shown}." in str(caught.value)


def test_bytes_are_no_path():
    class BytesPath:
        def __fspath__(self):
            return b"mail"

    with pytest.raises(ConfigurationError, match="MAIL_FILE_PATH must be a path"):
        settings.lookup({"MAIL_FILE_PATH": BytesPath()}, "MAIL_FILE_PATH")


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("DEFAULT_MAIL_SENDER", "MAIL_DEFAULT_SENDER", "me@example.com"),
        ("DEFAULT_MAX_EMAILS", "MAIL_MAX_EMAILS", 5),
    ],
)
def test_a_name_from_before_0_8_works_and_warns_with_the_new_one(old, new, value):
    with pytest.warns(DeprecationWarning, match=f"{old} .*{new}"):
        assert settings.lookup({old: value}, new) == value


def test_the_new_name_wins_over_the_old_one():
    config = {"DEFAULT_MAIL_SENDER": "old@example.com", "MAIL_DEFAULT_SENDER": "new@example.com"}
    assert settings.lookup(config, "MAIL_DEFAULT_SENDER") == "new@example.com"


def test_an_old_name_that_is_not_set_warns_of_nothing():
    assert settings.lookup({"DEFAULT_MAX_EMAILS": None}, "MAIL_MAX_EMAILS") is None
    assert settings.fails_silently({"MAIL_FAIL_SILENTLY": None}) is False


@pytest.mark.parametrize(("value", "silently"), [(True, True), ("false", False)])
def test_mail_fail_silently_warns_with_the_new_ways(value, silently):
    with pytest.warns(DeprecationWarning, match="MAIL_FAIL_SILENTLY .*send_many"):
        assert settings.fails_silently({"MAIL_FAIL_SILENTLY": value}) is silently


def test_the_nearest_known_name_is_suggested():
    assert nearest("MAIL_SERVR", settings.BY_KEY) == "; did you mean 'MAIL_SERVER'?"
    assert nearest("XYZ", settings.BY_KEY) == ""


def test_every_setting_is_documented_once():
    assert len({setting.key for setting in settings.TABLE}) == len(settings.TABLE)
    for setting in settings.TABLE:
        assert setting.key.startswith("MAIL_")
        assert setting.kind
        assert setting.default
        assert setting.meaning.endswith(".")
