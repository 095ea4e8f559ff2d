"""``MAIL_DEBUG`` in debug: the dialogue is on the terminal without settings of logging."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from servers import smtp_server

from flask_mail import Mail, Message


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The logger of the dialogue as in a program without settings of logging."""
    found = logging.getLogger("flask_mail.smtp")
    # Those of pytest would be settings.
    monkeypatch.setattr(found, "parent", logging.RootLogger(logging.WARNING))
    kept = found.level, list(found.handlers)
    found.setLevel(logging.NOTSET)
    yield found
    found.setLevel(kept[0])
    found.handlers[:] = kept[1]


def send(**config: Any) -> None:
    with smtp_server() as server:
        app = Flask("shop")
        place = {"SERVER": server.host, "PORT": server.port}
        if config.pop("named", False):
            app.config["MAIL_MAILERS"] = {"default": place}
        else:
            app.config.update({f"MAIL_{key}": value for key, value in place.items()})
        app.config.update(config, MAIL_DEFAULT_SENDER="shop@example.com")
        Mail(app).send(Message("Hello", ["ann@example.com"], "Hello"))


@pytest.mark.parametrize("named", [False, True])
def test_dialogue_is_printed_if_set_in_debug(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], named: bool
) -> None:
    send(MAIL_DEBUG="1", DEBUG=True, named=named)
    printed = capsys.readouterr().err

    assert printed.count(" C: MAIL FROM:<shop@example.com>") == 1
    send(MAIL_DEBUG="1", DEBUG=True, named=named)
    assert capsys.readouterr().err.count(" C: MAIL FROM:<shop@example.com>") == 1


@pytest.mark.parametrize(
    "config",
    [{"DEBUG": True}, {"MAIL_DEBUG": True}, {"MAIL_DEBUG": "0", "DEBUG": True}, {}],
)
def test_dialogue_is_not_printed_otherwise(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], config: Any
) -> None:
    send(**config)

    assert capsys.readouterr().err == ""
    assert not log.handlers


def test_assigned_debug_counts_as_set(log: logging.Logger) -> None:
    app = Flask("shop")
    app.config.update(DEBUG=True, MAIL_SUPPRESS_SEND=False)
    state = Mail(app).state
    state.debug = True
    state.selection.build("smtp")

    assert len(log.handlers) == 1


def test_settings_of_logging_are_kept(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert log.parent is not None
    log.parent.addHandler(logging.NullHandler())
    log.setLevel(logging.INFO)
    send(MAIL_DEBUG=True, DEBUG=True)

    assert (log.level, log.handlers) == (logging.INFO, [])
    log.setLevel(logging.DEBUG)
    send(MAIL_DEBUG=True, DEBUG=True)
    assert (log.level, log.handlers) == (logging.DEBUG, [])
    assert capsys.readouterr().err == ""


def test_mailer_may_say_that_its_dialogue_is_not_logged() -> None:
    app = Flask("shop")
    app.config.update(
        MAIL_DEBUG=True,
        MAIL_MAILERS={
            "quiet": {"SERVER": "localhost", "DEBUG": False},
            "other": "smtp://localhost",
        },
    )
    selection = Mail(app).state.selection

    assert selection.options("quiet")["debug"] is False
    assert selection.options("other")["debug"] is True
    assert "debug" not in selection.options("null")


def test_mailer_follows_mail_debug() -> None:
    app = Flask("shop")
    app.config["MAIL_URL"] = "smtp://localhost"
    selection = Mail(app).state.selection
    assert not selection.build("default").server.debug

    app.config["MAIL_DEBUG"] = True
    assert selection.build("default").server.debug
