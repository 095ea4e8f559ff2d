"""``flask mail new-backend``: a distribution to begin with, whose tests pass at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import make_app, run

from flask_mail.cli import new_backend as module

pytestmark = pytest.mark.exhaustive


@pytest.fixture
def written(tmp_path: Path) -> Path:
    folder = tmp_path / "new"
    folder.mkdir()
    result = run(make_app(), "new-backend", "pigeon", "--into", str(folder))
    made = folder / "flask-mail-pigeon"
    assert f"{made}" in result.stdout
    return made


def python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_it_is_written_as_a_whole_and_nothing_else(written: Path) -> None:
    names = {"README.md", "flask_mail_pigeon.py", "pyproject.toml", "tests"}
    assert {each.name for each in written.iterdir()} == names
    assert [each.name for each in written.parent.iterdir()] == ["flask-mail-pigeon"]
    assert not [path for path in written.rglob("*.*") if "$" in path.read_text("utf-8")]


def test_its_tests_pass_at_once(written: Path) -> None:
    ran = python("-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", cwd=written)

    assert ran.returncode == 0, ran.stdout
    assert "passed" in ran.stdout


def test_it_is_built_installed_and_selected_by_its_name(written: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    quiet = ("--isolated", "--disable-pip-version-check", "install", "--quiet", "--no-index")
    offline = ("--no-deps", "--no-build-isolation", "--target", str(site))
    installed = python("-m", "pip", *quiet, *offline, str(written), cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    (tmp_path / "shop.py").write_text("from flask import Flask\napp = Flask('shop')\n")

    listed = python(
        *("-m", "flask", "--app", "shop", "mail", "backends"), cwd=tmp_path, PYTHONPATH=str(site)
    )

    assert "flask_mail_pigeon:PigeonBackend" in listed.stdout
    assert "flask-mail-pigeon 0.1.0" in listed.stdout
    told = python(
        *("-m", "pytest", "-q", "-p", "no:randomly", "--mail-backend=pigeon", "-k", "name"),
        cwd=tmp_path,
        PYTHONPATH=str(site),
    )
    assert told.returncode == 4
    assert "PigeonBackend needs MAIL_PIGEON_KEY" in told.stdout + told.stderr


def test_it_needs_no_app(tmp_path: Path) -> None:
    """Authors of plugins have no app."""
    ran = python("-m", "flask", "mail", "new-backend", "pigeon", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "flask-mail-pigeon" / "pyproject.toml").is_file()


@pytest.mark.parametrize(
    ("name", "key"), [("default", "MAIL_DEFAULT_SENDER"), ("redirect", "MAIL_REDIRECT_TO")]
)
def test_a_name_with_which_a_setting_would_be_its_option_is_refused(
    name: str, key: str, tmp_path: Path
) -> None:
    """Chosen, it would be told that this option is unknown."""
    result = run(make_app(), "new-backend", name, "--into", str(tmp_path), status=2)

    assert key in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["Pigeon", "pigeon-post", "1st", "class", "smtp", "failover", "a/b", "x" * 31]
)
def test_invalid_name_of_a_backend_is_refused(name: str, tmp_path: Path) -> None:
    result = run(make_app(), "new-backend", "--into", str(tmp_path), "--", name, status=2)

    assert "Invalid value for NAME" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "flask-mail-pigeon" / "mine"
    mine.parent.mkdir()
    mine.write_text("mine")
    result = run(make_app(), "new-backend", "pigeon", "--into", str(tmp_path), status=1)

    assert "it already exists; nothing was written." in result.stderr
    assert [each.name for each in tmp_path.rglob("*")] == ["flask-mail-pigeon", "mine"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = run(make_app(), "new-backend", "pigeon", "--into", str(tmp_path / "no"), status=1)

    assert "No such file or directory" in result.stderr


def test_each_file_of_the_skeleton_is_used() -> None:
    folder = Path(module.__file__).parent / "skeleton"

    assert {each.name for each in folder.iterdir()} == set(module._FILES.values())
