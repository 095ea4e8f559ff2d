"""Commands that plugins add to ``flask mail``."""

from __future__ import annotations

import re
import sys

import pytest
from cli_support import install, make_app, run, run_json
from flask.cli import AppGroup, FlaskGroup, ScriptInfo

SOURCE = """
    import click
    from flask import current_app
    from flask.cli import with_appcontext

    @click.command()
    @with_appcontext
    def flights():
        "Work on the flights."
        click.echo(f"flights of {current_app.name}")

    number = 5
"""


@pytest.fixture
def declare(monkeypatch, tmp_path):
    """Install a distribution that declares commands of a module ``flights_m``."""

    def declare(name, commands):
        install(monkeypatch, tmp_path, name, flights_m=SOURCE)
        info = tmp_path / f"{name}-1.0" / f"{name}-1.0.dist-info"
        (info / "entry_points.txt").write_text(f"[flask_mail.commands]\n{commands}\n")

    yield declare
    sys.modules.pop("flights_m", None)


def local_app():
    return make_app(MAIL_BACKEND="null", TESTING=True)


def test_a_plugin_adds_a_command(declare):
    declare("Flights", "flights = flights_m:flights")
    assert run(make_app(), "flights").stdout == "flights of shop\n"
    assert re.search("^  flights +Work on the flights.$", run(make_app(), "--help").stdout, re.M)


def test_other_commands_do_not_import_those_of_plugins(declare):
    declare("Flights", "flights = flights_m:flights")
    run(local_app(), "backends")
    assert "flights_m" not in sys.modules


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("nosuch_m:flights", "could not be imported from 'nosuch_m:flights': ModuleNotFoundError"),
        ("flights_m:nosuch", "could not be imported from 'flights_m:nosuch': AttributeError"),
        ("flights_m:number", "is not a click.Command: 'flights_m:number' has the type int."),
    ],
)
def test_a_broken_command_reports_its_error_and_others_work(declare, target, problem):
    declare("Flights", f"flights = {target}\nother = flights_m:flights")
    result = run(local_app(), "flights", "--any", "thing", status=1)
    assert result.stderr.startswith(f"Error: The command 'flights' of Flights 1.0 {problem}")
    assert run(local_app(), "other").stdout == "flights of shop\n"
    assert "Broken: run it to see why." in run(local_app(), "--help").stdout
    (finding,) = run_json(local_app(), "check")["findings"]
    assert (finding["level"], finding["code"]) == ("warning", "command")
    assert problem in finding["advice"]


def test_a_built_in_command_takes_precedence(declare):
    declare("Flights", "backends = flights_m:flights")
    assert "NAME" in run(local_app(), "backends").stdout
    (finding,) = run_json(local_app(), "check")["findings"]
    assert finding["advice"] == (
        "The command 'backends' of Flights 1.0 has the name of a built-in one, which runs instead."
    )


def test_a_command_of_two_plugins_is_an_error(declare):
    declare("Flights", "flights = flights_m:flights")
    declare("Other", "flights = other_m:flights")
    output = run(make_app(), "flights", status=1).output
    assert (
        output == "Error: Flights 1.0 and Other 1.0 claim the command 'flights': uninstall one.\n"
    )


def test_a_group_of_the_app_has_the_commands_of_plugins(declare):
    declare("Flights", "flights = flights_m:flights\nbroken = nosuch_m:x")
    app = make_app()
    app.cli.add_command(AppGroup("mail"))
    info = ScriptInfo(create_app=lambda: app)
    result = app.test_cli_runner().invoke(FlaskGroup(), args=["mail", "flights"], obj=info)
    assert result.output == "flights of shop\n"


def test_no_short_help_is_cut():
    listed = run(make_app(), "--help").stdout
    commands = re.findall(r"^  (\S+)  +(\S.*)$", listed.partition("Commands:")[2], re.M)

    assert {"check", "inbox", "lint", "previews", "render", "send"} <= {
        each[0] for each in commands
    }
    assert [text for _, text in commands if text.endswith("...")] == []
