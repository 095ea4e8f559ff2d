"""``flask mail backends``: what is installed, what is broken, which one delivers and why."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from cli_support import backend_source, install, make_app, run, run_json

from flask_mail.backends import Backend

BUILT_IN = ["console", "dkim", "file", "locmem", "null", "smtp"]


class Own(Backend[None]):
    """A backend of an app's own, declared nowhere."""

    name = "own"

    def deliver(self, mail, session):
        return self.accepted(mail)


@pytest.fixture
def pigeon(monkeypatch, tmp_path):
    """Install a distribution with one backend, whose import prints something."""
    source = backend_source("pigeon", head="print('coo')")
    install(
        monkeypatch,
        tmp_path,
        "Pigeon-Post",
        "2.1",
        "pigeon = pigeon_post:Plugin",
        pigeon_post=source,
    )


def row_of(report, name):
    (row,) = [each for each in report["backends"] if each["name"] == name]
    return row


def line_of(result, name):
    (line,) = [line for line in result.stdout.splitlines() if f" {name} " in line[: len(name) + 4]]
    return line


def selected(report):
    return [each["name"] for each in report["backends"] if each["selected"]]


def test_the_built_in_backends_are_listed_with_class_and_distribution():
    result = run(make_app(), "backends")
    assert result.stdout.splitlines()[0].split() == ["NAME", "CLASS", "DISTRIBUTION", "REACH"]
    origin = f"Flask-Mail {version('Flask-Mail')}"
    for name in BUILT_IN:
        reach = "external" if name in ("dkim", "smtp") else "local"
        target = f"flask_mail.backends.{name}:{name.capitalize()}Backend"
        words = line_of(result, name).split()  # other plugins widen the columns
        assert words[-4:] == [target, *origin.split(), reach]


def test_without_a_setting_smtp_is_marked_as_the_default():
    result = run(make_app(), "backends")
    assert line_of(result, "smtp").startswith("*")
    assert result.stdout.count("*") == 1
    assert result.stdout.endswith("\nSelected: smtp (default).\n")


def test_the_setting_marks_its_backend():
    report = run_json(make_app(MAIL_BACKEND="null"), "backends")
    assert selected(report) == ["null"]
    assert (report["selected"], report["reason"]) == ("null", "MAIL_BACKEND")
    assert report["error"] is None


def test_under_testing_the_replacement_is_marked_and_why():
    app = make_app(TESTING=True)
    assert "Selected: locmem (TESTING), instead of smtp (default).\n" in run(app, "backends").stdout
    report = run_json(app, "backends")
    assert selected(report) == ["locmem"]
    assert (report["wanted"], report["wanted_by"], report["reason"]) == (
        "smtp",
        "default",
        "TESTING",
    )


def test_suppression_is_named_as_the_reason():
    app = make_app(MAIL_BACKEND="smtp", MAIL_SUPPRESS_SEND="1")
    assert (
        "null (MAIL_SUPPRESS_SEND), instead of smtp (MAIL_BACKEND)" in run(app, "backends").stdout
    )


def test_a_plugin_is_listed_with_its_distribution(pigeon):
    row = row_of(run_json(make_app(), "backends"), "pigeon")
    assert row == {
        "name": "pigeon",
        "class": "pigeon_post:Plugin",
        "distribution": "Pigeon-Post",
        "version": "2.1",
        "external": True,
        "features": [
            *("attachments", "attachment_headers", "alternatives", "headers", "envelope_sender"),
            *("no_bounces", "unicode_addresses"),
        ],
        "selected": False,
        "error": None,
    }


def test_an_installed_backend_that_is_chosen_by_import_path_is_marked(pigeon):
    app = make_app(MAIL_BACKEND="pigeon_post:Plugin")
    report = run_json(app, "backends")
    assert selected(report) == ["pigeon"]
    assert report["selected"] == "pigeon_post:Plugin"


@pytest.mark.parametrize("chosen", [Own, f"{__name__}:Own"], ids=["class", "path"])
def test_a_backend_that_is_no_plugin_gets_a_line_of_its_own(chosen):
    app = make_app(MAIL_BACKEND=chosen)
    result = run(app, "backends")
    assert line_of(result, "own").startswith("*")
    assert "not a plugin" in line_of(result, "own")
    assert f"Selected: {__name__}:Own (MAIL_BACKEND)." in result.stdout
    report = run_json(app, "backends")
    assert selected(report) == ["own"]
    assert row_of(report, "own")["distribution"] is None


def test_broken_plugins_are_listed_with_their_error(monkeypatch, tmp_path):
    install(
        monkeypatch,
        tmp_path,
        "Broken",
        "0.3",
        """
        cracked = cracked_backend:Plugin
        vain = cracked_backend_2:no_class
        """,
        cracked_backend="raise OSError('no lib\\x1b[31m for key tok-4711')",
        cracked_backend_2="no_class = 5",
    )
    app = make_app(MAIL_API_KEY="tok-4711")
    result = run(app, "backends")
    assert line_of(result, "cracked").split() == [
        "cracked",
        "cracked_backend:Plugin",
        "Broken",
        "0.3",
        "broken",
    ]
    assert "Problem with cracked: The backend 'cracked' of Broken 0.3 could not be imp" in (
        result.stdout
    )
    assert "OSError: no lib\\x1b[31m for key ***\n" in result.stdout
    assert "Problem with vain: The backend 'vain' of Broken 0.3 is not a backend" in result.stdout
    assert line_of(result, "smtp").startswith("*")
    row = row_of(run_json(app, "backends"), "vain")
    assert (row["external"], row["features"]) == (None, None)


def test_two_distributions_that_claim_one_name_are_both_listed(monkeypatch, tmp_path, pigeon):
    source = backend_source("pigeon")
    install(
        monkeypatch, tmp_path, "Rival", "9.0", "pigeon = rival_pigeon:Plugin", rival_pigeon=source
    )
    app = make_app(MAIL_BACKEND="pigeon")
    report = run_json(app, "backends")
    rows = [each for each in report["backends"] if each["name"] == "pigeon"]
    assert [each["distribution"] for each in rows] == ["Pigeon-Post", "Rival"]
    for row in rows:
        assert "Pigeon-Post 2.1 and Rival 9.0 claim the name 'pigeon'" in row["error"]
    assert selected(report) == []
    assert report["selected"] is None
    assert "is claimed by" in report["error"]
    result = run(app, "backends")
    assert "No backend selected: pigeon (MAIL_BACKEND) cannot be used.\n" in result.stdout
    assert "is claimed by" in result.stdout


def test_plugin_with_a_built_in_name_is_listed_and_not_used(monkeypatch, tmp_path):
    source = backend_source("smtp")
    install(monkeypatch, tmp_path, "Rival", "9.0", "smtp = rival_smtp:Plugin", rival_smtp=source)
    app = make_app()
    rows = [each for each in run_json(app, "backends")["backends"] if each["name"] == "smtp"]
    assert [(each["distribution"], each["selected"]) for each in rows] == [
        ("Flask-Mail", True),
        ("Rival", False),
    ]
    assert rows[0]["error"] is None
    assert rows[1]["error"].startswith("Rival 9.0 claims the name 'smtp' of a built-in backend")
    assert "Selected: smtp (default)." in run(app, "backends").stdout


def test_a_name_that_nobody_has_does_not_keep_the_others_from_being_listed():
    result = run(make_app(MAIL_BACKEND="smpt"), "backends")
    for name in BUILT_IN:
        assert line_of(result, name)
    assert "did you mean 'smtp'?" in result.stdout


@pytest.mark.parametrize("chosen", [5, ["smtp"]])
def test_a_setting_that_is_no_backend_at_all_is_told(chosen):
    result = run(make_app(MAIL_BACKEND=chosen), "backends")
    kind = type(chosen).__name__
    assert f"No backend selected: <{kind}> (MAIL_BACKEND) cannot be used.\n" in result.stdout
    assert "MAIL_BACKEND is not a backend" in result.stdout


def test_an_app_without_mail_gets_the_list_too():
    assert "Selected: smtp (default)." in run(make_app(with_mail=False), "backends").stdout
