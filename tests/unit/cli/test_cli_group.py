"""``flask mail`` of an app of its own comes before ours, and ours stays beside it."""

from __future__ import annotations

import click
import pytest
from flask import Blueprint, Flask, current_app
from flask.cli import AppGroup, FlaskGroup, ScriptInfo

from flask_mail import ConfigurationError, Mail
from flask_mail.cli import mail_cli


def make_app() -> Flask:
    app = Flask(__name__)
    app.config.update(MAIL_BACKEND="locmem", MAIL_DEFAULT_SENDER="me@example.com")
    Mail(app)
    return app


def flask(app, *args):
    """Run ``flask *args`` as the command line does, plugins included."""
    create_app = app if callable(app) and not isinstance(app, Flask) else lambda: app
    runner = Flask("runner").test_cli_runner()
    return runner.invoke(FlaskGroup(), args=args, obj=ScriptInfo(create_app=create_app))


def with_a_group(app):
    group = AppGroup("mail")
    app.cli.add_command(group)
    return group


def of_a_decorator(app):
    return app.cli.group("mail")(lambda: None)


def of_a_blueprint(app):
    blueprint = Blueprint("mail", __name__)
    blueprint.cli.command("digest")(lambda: click.echo(f"digest of {current_app.name}"))
    app.register_blueprint(blueprint)
    return app.cli.commands["mail"]


def of_click_alone(app):
    group = click.Group("mail")
    app.cli.add_command(group)
    return group


@pytest.mark.parametrize("made", [with_a_group, of_a_decorator, of_a_blueprint, of_click_alone])
def test_a_group_of_the_app_is_reached(made):
    app = make_app()
    group = made(app)
    if "digest" not in group.commands:
        group.command("digest")(lambda: click.echo(f"digest of {current_app.name}"))

    assert flask(app, "mail", "digest").output == f"digest of {app.name}\n"
    assert "backends" not in group.commands


def test_commands_of_ours_stay_beside_a_group_of_the_app():
    app = make_app()
    group = with_a_group(app)
    group.command("digest")(lambda: click.echo("digest"))

    assert "locmem" in flask(app, "mail", "backends").output
    listed = flask(app, "mail", "--help").output
    assert {"digest", "backends", "send"} <= set(listed.split())


def test_a_command_of_the_apps_group_wins_over_ours():
    app = make_app()
    with_a_group(app).command("send")(lambda: click.echo("mine"))
    assert flask(app, "mail", "send").output == "mine\n"


@pytest.mark.parametrize("args", [["ann@example.com"], ["send"], ["check", "--quiet"]])
def test_a_plain_command_of_the_app_gets_all_arguments(args):
    app = make_app()

    @app.cli.command("mail")
    @click.argument("recipient")
    @click.option("--quiet", is_flag=True)
    def mail(recipient, quiet):
        click.echo(f"{current_app.name} {recipient} {quiet}")

    result = flask(app, "mail", *args)
    assert result.output == f"{app.name} {args[0]} {'--quiet' in args}\n"


def test_options_and_callback_of_the_apps_group_work():
    app = make_app()

    @app.cli.group("mail", invoke_without_command=True)
    @click.option("--folder", default="inbox", callback=lambda ctx, param, value: current_app.name)
    def mail(folder):
        click.echo(folder)

    assert flask(app, "mail").output == f"{app.name}\n"
    assert flask(app, "mail", "--folder", "x").output == f"{app.name}\n"


def test_an_app_without_such_a_command_has_ours():
    app = make_app()
    assert "locmem" in flask(app, "mail", "backends").output


def test_ours_may_be_given_another_name():
    app = make_app()
    app.cli.command("mail")(lambda: click.echo("mine"))
    app.cli.add_command(mail_cli, "flask-mail")

    assert flask(app, "mail").output == "mine\n"
    assert "locmem" in flask(app, "flask-mail", "backends").output


def test_ours_registered_by_the_app_itself_is_ours():
    app = make_app()
    app.cli.add_command(mail_cli)
    assert "locmem" in flask(app, "mail", "backends").output


def test_ours_in_a_group_of_the_app_is_ours():
    app = make_app()
    with_a_group(app).command("backends")(lambda: click.echo("mine"))
    app.cli.group("admin")(lambda: None).add_command(mail_cli)
    assert "locmem" in flask(app, "admin", "mail", "backends").output


def broken():
    broken.loaded += 1
    raise ZeroDivisionError("the app is broken")


@pytest.mark.parametrize("args", [["lint", "--help"], ["--help"], ["send", "--help"], []])
def test_what_needs_no_app_works_where_the_app_is_broken(args):
    broken.loaded = 0
    result = flask(broken, "mail", *args)
    assert "Usage: " in result.output
    assert not isinstance(result.exception, ZeroDivisionError)


def test_a_command_that_needs_the_app_says_once_why_it_is_broken():
    broken.loaded = 0
    result = flask(broken, "mail", "backends")
    assert isinstance(result.exception, ZeroDivisionError)
    assert broken.loaded == 1


def test_wrong_setting_is_an_error_and_no_traceback(monkeypatch):
    def command():
        raise ConfigurationError("MAIL_REDIRECT_TO must be an address,\x1b not ''.")

    monkeypatch.setitem(mail_cli.commands, "work", click.Command("work", callback=command))
    result = flask(make_app(), "mail", "work")
    assert result.exit_code == 1
    assert result.output == "Error: MAIL_REDIRECT_TO must be an address,\\x1b not ''.\n"


def test_a_context_of_the_app_that_is_there_already_is_kept():
    app = make_app()
    app.cli.add_command(click.Command("mail", callback=lambda: click.echo(current_app.name)))
    with app.app_context():
        assert flask(app, "mail").output == f"{app.name}\n"
