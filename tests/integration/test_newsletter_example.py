"""The example of several mailers: as its README shows, in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "newsletter"
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")

OUTPUTS = re.findall(r"^```text\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "newsletter", ignore=ignored))


def run(folder: Path, command: str, *options: str) -> str:
    assert command in README
    kept = {name: value for name, value in os.environ.items() if "MAIL_" not in name}
    words = command.removeprefix("python ").split()
    program = [sys.executable, *(["-m"] if words[0] == "flask" else []), *words, *options]
    done = subprocess.run(
        program,
        cwd=folder,
        env={**kept, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.exhaustive
def test_its_tests_pass_as_its_readme_says(copied: Path) -> None:
    assert "2 passed" in run(copied, "python -m pytest", "-q", "-W", "error")


def test_it_sends_by_the_second_server_while_the_first_is_down(copied: Path) -> None:
    printed = run(copied, "python newsletter.py")
    for line in OUTPUTS[0].splitlines():
        assert line.replace(" ...", "").replace("...", "") in printed
    assert printed.count("second server: a message to") == 5


def test_route_of_a_newsletter_is_as_its_readme_shows(copied: Path) -> None:
    command = "flask --app newsletter mail route --to ann@example.com --tag news"
    assert run(copied, command) == OUTPUTS[1]


def test_its_readme_shows_its_settings() -> None:
    [shown] = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert shown in (EXAMPLE / "newsletter.py").read_text(encoding="utf-8")
