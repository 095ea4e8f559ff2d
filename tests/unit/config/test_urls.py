"""URLs that configure a mailer."""

from __future__ import annotations

import re
import traceback
from urllib.parse import quote

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from flask_mail import ConfigurationError, Mail
from flask_mail.config.urls import read_url


def smtp_from(url, **config):
    app = Flask(__name__)
    app.config.update(MAIL_URL=url, **config)
    return Mail(app).state.selection.build("default").server


def problem_of(url, **config):
    with pytest.raises(ConfigurationError) as raised:
        smtp_from(url, **config)
    frames = traceback.TracebackException.from_exception(raised.value, capture_locals=True).stack
    own = [each for each in frames if "/flask_mail/" in each.filename]
    assert own
    assert "s3cret" not in "".join(str(each.locals) for each in own)
    return str(raised.value)


def test_parts_become_options():
    server = smtp_from("smtp://ann:s3cret@smtp.example.com:2525?timeout=7.5&local_hostname=web-1")
    assert (server.host, server.port, server.username) == ("smtp.example.com", 2525, "ann")
    assert server.password.reveal() == "s3cret"
    assert (server.timeout, server.local_hostname) == (7.5, "web-1")


@pytest.mark.parametrize(
    ("url", "starttls", "implicit"),
    [
        ("smtp://smtp.example.com", False, False),
        ("smtp://ann:pw@smtp.example.com", True, False),
        ("smtp://ann:pw@smtp.example.com?use_tls=false", False, False),
        ("smtp://ann:pw@smtp.example.com?use_ssl=false", True, False),
        ("smtp://ann:pw@smtp.example.com?use_ssl=true", False, True),
        ("smtp://ann@smtp.example.com?oauth2_token=abc", True, False),
        ("smtp://ann:pw@localhost", False, False),
        ("smtp://ann:pw@127.0.0.1:1025", False, False),
        ("smtp://ann:pw@[::1]:1025", False, False),
        ("smtps://smtp.example.com", False, True),
        ("smtps://ann:pw@smtp.example.com", False, True),
    ],
)
def test_password_travels_to_another_host_by_tls(url, starttls, implicit):
    server = smtp_from(url)
    assert (server.starttls, server.implicit_tls) == (starttls, implicit)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("smtp://ann:s3cret/x@h", "contains @ in a place"),
        ("smtp://ann:s3cret@x@h", "contains @ in a place"),
        ("smtp://ann:s3cret?x@h", "contains @ in a place"),
        ("smtp://ann:s3cret#x@h", "percent-encode it as %23"),
        ("smtp://ann:s3cret%@h", "percent-encode it as %25"),
        ("smtp://ann:s3cret%ff@h", "not UTF-8"),
        ("smtp://ann:s3cret%0a@h", "escaped control character"),
        ("smtp://ann:s3cret @h", "white space or a control character"),
        ("smtp://ann:s3cret\n@h", "white space or a control character"),
        ("smtp://:s3cret@h", "no user name"),
        ("smtp://@h", "no user name"),
        ("smtp://ann:s3cret@", "names no host"),
        ("smtp://ann:s3cret@:25", "names no host"),
        ("smtp://ann:s3cret@h:", "port that is not valid"),
        ("smtp://ann:s3cret@h:0", "port that is not valid"),
        ("smtp://ann:s3cret@h:x", "port that is not valid"),
        ("smtp://ann:s3cret@h:99999", "port that is not valid"),
        ("smtp://ann:s3cret@[::1", "port that is not valid"),
        ("smtp://ann:s3cret@h/inbox", "has a path, but URLs of the smtp backend have the form"),
        ("smtp://ann:s3cret@h?port", "?option=value"),
        ("smtp://ann:s3cret@h?=1", "?option=value"),
        ("smtp://ann:s3cret@h?timeout=1&timeout=2", "'timeout' twice"),
        ("smtp://ann:s3cret@h?TIMEOUT=1&timeout=2", "'timeout' twice"),
        ("smtp://ann:s3cret@h:25?port=26", "'port' twice"),
        ("smtps://ann:s3cret@h?use_ssl=false", "'use_ssl' twice"),
        ("smtp://ann:s3cret@h?tiemout=1", "did you mean 'timeout'?"),
        ("smtp://ann:s3cret@h?tiemout=1", "(its options: server, port,"),
        ("smtp://ann:s3cret@h?timeout=soon", "?timeout= in MAIL_URL must be a number, not 'soon'"),
        ("smtp://ann:s3cret@h?foo=1", "is not an option of SmtpBackend (its options"),
        ("smtp://ann:s3cret@h?use_ssl=maybe", "must be true or false"),
        ("failover://ann:s3cret@h", "is made of other mailers"),
        ("smtp://ann@h", "but neither the password nor ?oauth2_token=: set"),
        ("ann:s3cret@h", "is not a URL"),
        ("Smtp+x://ann:s3cret@h", "is not a URL"),
        ("pigeon://ann:s3cret@h", "is not installed"),
        (
            "console://ann:s3cret@h",
            "URLs of the console backend have the form console://?option=value",
        ),
    ],
)
def test_bad_url_is_an_error_that_shows_nothing_of_it(url, problem):
    text = problem_of(url)
    assert re.match(r"(|The user name in |\?\w+= in )MAIL_URL ", text)
    assert problem in text


def test_value_that_is_not_a_string_is_an_error():
    assert "is not a URL" in problem_of(["smtp://ann:s3cret@h"])


@pytest.mark.parametrize("url", [None, ""])
def test_url_that_is_not_set_leaves_the_flat_settings_in_use(url):
    app = Flask(__name__)
    app.config.update(MAIL_URL=url, MAIL_SERVER="flat.example.com")
    assert Mail(app).state.selection.backend().server.host == "flat.example.com"


def test_backend_setting_takes_precedence_over_the_url():
    app = Flask(__name__)
    app.config.update(MAIL_URL="smtp://url.example.com", MAIL_BACKEND="console")
    assert Mail(app).state.selection.backend().name == "console"


def test_flat_settings_are_not_mixed_with_the_url():
    server = smtp_from("smtp://url.example.com", MAIL_PORT=2525, MAIL_USERNAME="x")
    assert (server.port, server.username) == (25, None)


def test_file_url_names_the_folder(tmp_path):
    app = Flask(__name__)
    app.config["MAIL_URL"] = f"file://{tmp_path}"
    Mail(app).send_message("Hi", ["to@example.com"], "Hello", sender="from@example.com")
    assert list(tmp_path.glob("*.eml"))


def test_changed_url_is_followed():
    app = Flask(__name__)
    app.config["MAIL_URL"] = "smtp://one.example.com"
    selection = Mail(app).state.selection
    first = selection.backend()
    assert selection.backend() is first
    app.config["MAIL_URL"] = "smtp://two.example.com"
    assert selection.backend().server.host == "two.example.com"


text = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1)


@given(text, text)
def test_any_name_and_password_survive_percent_encoding(username, password):
    userinfo = f"{quote(username, safe='')}:{quote(password, safe='')}"
    url = read_url(f"smtp://{userinfo}@smtp.example.com:2525?x={quote(password, safe='')}")
    assert url.parts["username"] == username
    assert url.parts["password"] == password == url.options["x"]
    assert "object at" in repr(url)


@given(st.text())
def test_any_text_is_read_or_refused_without_showing_it(value):
    read = read_url(f"smtp://ann:s3cret{value}")
    assert "s3cret" not in (read if isinstance(read, str) else repr(read))


@pytest.fixture
def letter(tmp_path, monkeypatch):
    """A module with a backend whose key is the user name of its URL."""
    (tmp_path / "letter_backend.py").write_text(
        "from flask_mail.backends import Backend, Secret\n"
        "class LetterBackend(Backend):\n"
        "    name = 'letter'\n"
        "    url_parts = {'username': 'key', 'password': 'code', 'path': 'box'}\n"
        "    def __init__(self, *, key: Secret, code: int = 0, box: str = '', port: int = 0): ...\n"
        "    def deliver(self, mail, session): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from letter_backend import LetterBackend

    return LetterBackend


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("letter://k3y", "have the form letter://KEY:CODE@/BOX?option=value."),
        ("letter:///home", "needs the user name (key) in MAIL_URL: set it."),
        ("letter://k3y@?port=x", "?port= in MAIL_URL must be a whole number, not 'x'."),
        ("letter://k3y:x@", "the password in MAIL_URL must be a whole number, not 'x'."),
        ("letter://k3y@?pork=1", "did you mean 'port'? (its options: key, code, box, port)."),
    ],
)
def test_parts_that_a_plugin_names_are_explained(letter, monkeypatch, url, problem):
    monkeypatch.setattr("flask_mail.backends.loader.load", lambda chosen, setting: letter)
    assert problem in problem_of(url)
