"""Descriptions of a backend's options, made from its constructor."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from cli_support import make_app, run, run_json

from flask_mail.backends import Backend, Secret
from flask_mail.backends.declared import Option, options_declared_by

COOP = object()


class PigeonBackend(Backend[None]):
    """Sends pigeons.

    :param loft: where they live,
        all of them.
    :param key: of the door.
    """

    name = "pigeon"

    def __init__(
        self,
        *,
        loft: Path,
        key: Secret,
        spare: Secret = "built-in",
        birds: int = 3,
        speed: float | None = None,
        color: Literal["red", "blue"] = "red",
        food: dict[str, int] | str = "corn",
        coop: Any = COOP,
        house: Path | str = Path("/loft"),
    ):
        self.loft = loft

    def deliver(self, mail, session):
        return self.accepted(mail)


class PlainBackend(Backend[None]):
    __doc__ = None
    name = "plain"

    def __init__(self, *, color="red"):
        self.color = color

    def deliver(self, mail, session):
        return self.accepted(mail)


def test_each_option_has_its_setting_kind_default_and_meaning():
    loft, key, spare, birds, *others = options_declared_by(PigeonBackend)

    assert loft == Option(
        "loft", "MAIL_PIGEON_LOFT", "path", "", True, False, "where they live, all of them."
    )
    assert key == Option("key", "MAIL_PIGEON_KEY", "secret", "", True, True, "of the door.")
    assert spare == Option("spare", "MAIL_PIGEON_SPARE", "secret", "***", False, True, "")
    assert birds == Option("birds", "MAIL_PIGEON_BIRDS", "whole number", "3", False, False, "")
    assert [(each.name, each.kind, each.default) for each in others] == [
        ("speed", "number", "None"),
        ("color", "'red' or 'blue'", "red"),
        ("food", "", "corn"),
        ("coop", "", "its own"),
        ("house", "path or str", "/loft"),
    ]


def test_one_without_docstring_and_annotations_has_options_too():
    (color,) = options_declared_by(PlainBackend)
    assert (color.key, color.kind, color.default, color.meaning) == (
        *("MAIL_PLAIN_COLOR", "", "red", ""),
    )


@pytest.mark.parametrize("name", ["smtp", "file", "console"])
def test_the_options_of_the_built_in_ones_are_settings_of_the_table(name):
    from flask_mail.backends.loader import load
    from flask_mail.config.table import BY_KEY

    assert {each.key for each in options_declared_by(load(name))} <= BY_KEY.keys()


def test_check_shows_the_options_of_the_chosen_backend_with_their_defaults():
    app = make_app(MAIL_BACKEND=PigeonBackend, MAIL_PIGEON_LOFT="/roof", MAIL_PIGEON_KEY="hunter2")
    report = run_json(app, "check")

    found = {each["key"]: each for each in report["settings"] if "PIGEON" in each["key"]}
    assert found["MAIL_PIGEON_LOFT"] == {
        "key": "MAIL_PIGEON_LOFT",
        "value": "/roof",
        "source": "config",
        "default": "required",
    }
    assert found["MAIL_PIGEON_KEY"]["value"] == "***"
    assert found["MAIL_PIGEON_BIRDS"]["value"] is None
    assert found["MAIL_PIGEON_BIRDS"]["default"] == "3"
    lines = run(app, "check", "--defaults").stdout.splitlines()
    assert ["MAIL_PIGEON_BIRDS", "3", "default"] in [line.split() for line in lines]


def test_a_backend_that_cannot_be_found_has_none():
    report = run_json(make_app(MAIL_BACKEND="nosuch", MAIL_NOSUCH_KEY="k"), "check", status=1)
    (entry,) = [each for each in report["settings"] if "NOSUCH" in each["key"]]
    assert entry["default"] is None
