"""A third party's backend: built and installed by pip, selected by its name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from email import message_from_bytes, policy
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.exhaustive

SOURCE = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which pip has installed the plugin, from a copy of its source."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__py*"))
    target = folder / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check"),
            *("install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"),
            *("--target", str(target), str(source)),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return target


@pytest.fixture
def run(site, tmp_path):
    """Run a program where the plugin is installed, with an app whose settings are given."""

    def run(program, **config):
        preamble = f"""
            from flask import Flask
            from flask_mail import Mail, Message, MailError
            from flask_mail.backends import loader

            app = Flask("shop")
            app.config.update({config!r}, MAIL_DEFAULT_SENDER="shop@example.com")
            mail = Mail(app)
        """
        ran = subprocess.run(
            [sys.executable, "-c", dedent(preamble) + dedent(program)],
            env={**os.environ, "PYTHONPATH": str(site), "PYTHONIOENCODING": "utf-8"},
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return run


def test_it_is_selected_by_name_and_delivers(run, tmp_path):
    program = """
        import json
        message = Message("Grüße", ["bob@example.com"], "Hallo Bob", bcc=["eve@example.com"])
        receipt = mail.send(message)
        print(json.dumps([receipt.backend, receipt.outcome.name, receipt.message_id]))
    """
    printed = run(program, MAIL_BACKEND="pigeon", MAIL_PIGEON_LOFT=str(tmp_path))
    [letter] = tmp_path.glob("*.letter")
    parsed = message_from_bytes(letter.read_bytes(), policy=policy.default)
    assert json.loads(printed) == ["pigeon", "SENT", parsed["Message-ID"]]
    assert (parsed["Subject"], parsed["To"]) == ("Grüße", "bob@example.com")
    assert parsed.get_content().rstrip() == "Hallo Bob"
    assert b"eve@example.com" not in letter.read_bytes()


def test_its_options_are_settings(run, tmp_path):
    program = """
        print(mail.send_message("Hello", ["bob@example.com"]).response)
    """
    settings = {"MAIL_BACKEND": "pigeon", "MAIL_PIGEON_LOFT": str(tmp_path)}
    assert run(program, **settings, MAIL_PIGEON_RING="4711") == "pigeon 4711 takes it\n"


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({}, "PigeonBackend needs MAIL_PIGEON_LOFT"),
        ({"MAIL_PIGEON_LOFFT": "here"}, "did you mean 'MAIL_PIGEON_LOFT'?"),
        ({"MAIL_PIGEON_LOFT": ".", "MAIL_PIGEON_RING": "red"}, "MAIL_PIGEON_RING must be"),
        ({"MAIL_PIGEON_LOFT": "no/such/loft"}, "MAIL_PIGEON_LOFT cannot be used"),
    ],
)
def test_errors_name_its_settings(run, settings, error):
    program = """
        try:
            mail.send_message("Hello", ["bob@example.com"])
        except MailError as error:
            print(error)
    """
    assert error in run(program, MAIL_BACKEND="pigeon", **settings)


def test_it_is_listed_with_its_distribution(run):
    program = """
        from flask_mail.backends import entry_points
        [found] = [each for each in entry_points.installed() if each.name == "pigeon"]
        print(found.origin, found.target, loader.load_installed(found).__name__)
    """
    assert run(program) == "flask-mail-pigeon 1.2.0 flask_mail_pigeon:PigeonBackend PigeonBackend\n"


def test_in_tests_it_is_not_used(run, tmp_path):
    program = """
        print(mail.send_message("Hello", ["bob@example.com"]).backend)
    """
    settings = {"MAIL_BACKEND": "pigeon", "MAIL_PIGEON_LOFT": str(tmp_path)}
    assert run(program, **settings, TESTING=True) == "locmem\n"
    assert not list(tmp_path.iterdir())
