"""Plugins that are broken, presumptuous or too new, installed by pip beside one that is well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.exhaustive

MODULE = """\
from flask_mail.backends import Backend


class Plugin(Backend[None]):
    name = "{name}"
    api_version = {version}

    def deliver(self, mail, session):
        return self.accepted(mail, response="by {project}")
"""
PROJECT = """\
[build-system]
requires = ["flit_core>=3.11,<5"]
build-backend = "flit_core.buildapi"

[project]
name = "{project}"
version = "2.0"
description = "A plugin of a test."
dependencies = ["Flask-Mail>=1.0.0.dev0"]

[project.entry-points."flask_mail.backends"]
{name} = "{module}:Plugin"
"""
APP = """\
import os

from flask import Flask
from flask_mail import Mail

app = Flask("shop")
app.config["MAIL_BACKEND"] = os.environ["SHOP_BACKEND"]
app.config["MAIL_DEFAULT_SENDER"] = "shop@example.com"
mail = Mail(app)
"""
SENDS = "print(shop.mail.send_message('Hello', ['ann@example.com']).response)"


def write(folder: Path, name: str, module: str, source: str) -> str:
    project = module.replace("_", "-")
    folder = folder / module
    folder.mkdir()
    (folder / f"{module}.py").write_text(source.format(name=name, project=project))
    described = PROJECT.format(name=name, project=project, module=module)
    (folder / "pyproject.toml").write_text(described)
    return str(folder)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed four plugins, and an app that uses one."""
    sources = tmp_path_factory.mktemp("sources")
    good = MODULE.replace("{version}", "1")
    projects = [
        write(sources, "pigeon", "pigeon_post", good),
        write(sources, "cracked", "cracked_post", "import a_library_that_is_missing"),
        write(sources, "smtp", "presumptuous_post", good),
        write(sources, "future", "future_post", MODULE.replace("{version}", "99")),
    ]
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install"]
    pip += ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*pip, *projects], check=True, capture_output=True, timeout=300)
    (target / "shop.py").write_text(APP)
    return target


@pytest.fixture
def python(site: Path, tmp_path: Path) -> Callable[..., str]:
    """Run Python with arguments, where these plugins are installed."""

    def python(*arguments: str, backend: str = "smtp", status: int = 0) -> str:
        environment = {**os.environ, "PYTHONPATH": str(site), "SHOP_BACKEND": backend}
        ran = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ran.returncode == status, ran.stderr
        return ran.stdout + ran.stderr if status else ran.stdout

    return python


def test_each_is_listed_with_what_is_wrong_with_it(python: Callable[..., str]) -> None:
    listed = python("-m", "flask", "--app", "shop", "mail", "backends", "--json")
    report = json.loads(listed)
    errors = {
        each["distribution"]: each["error"]
        for each in report["backends"]
        if each["distribution"] != "Flask-Mail" and each["distribution"].endswith("-post")
    }
    assert set(errors) == {"pigeon-post", "cracked-post", "presumptuous-post", "future-post"}
    assert errors["pigeon-post"] is None
    assert "No module named 'a_library_that_is_missing'" in errors["cracked-post"]
    assert "presumptuous-post 2.0 claims the name 'smtp'" in errors["presumptuous-post"]
    assert "'future' of future-post 2.0 needs a newer Flask-Mail" in errors["future-post"]
    assert report["selected"] == "smtp"
    assert report["error"] is None


@pytest.mark.parametrize(("backend", "response"), [("pigeon", "by pigeon-post\n"), ("null", "\n")])
def test_the_others_go_on_delivering(
    python: Callable[..., str], backend: str, response: str
) -> None:
    assert python("-c", f"import shop; {SENDS}", backend=backend) == response


def test_the_name_smtp_stays_that_of_smtp(python: Callable[..., str]) -> None:
    program = "import shop; from flask_mail.backends import loader; print(loader.load('smtp'))"
    assert python("-c", program) == "<class 'flask_mail.backends.smtp.SmtpBackend'>\n"


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        ("cracked", "could not be imported from 'cracked_post:Plugin'"),
        ("future", "needs a newer Flask-Mail"),
    ],
)
def test_whoever_chooses_a_bad_one_is_told_why(
    python: Callable[..., str], backend: str, reason: str
) -> None:
    told = python("-c", f"import shop; {SENDS}", backend=backend, status=1)
    assert "flask_mail.errors.ConfigurationError" in told
    assert reason in told
