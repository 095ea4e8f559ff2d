"""The example that is tested with the kit alone: as its README shows, in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "accounts"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache", "*.sqlite")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "accounts", ignore=ignored))


def run(folder: Path, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    assert command.startswith("python -m pytest")
    kept = {name: value for name, value in os.environ.items() if "MAIL_" not in name}
    return subprocess.run(
        [sys.executable, *command.split()[1:], "-q", "-W", "error", *options],
        cwd=folder,
        env={**kept, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def blocks(kind: str) -> list[str]:
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)


@pytest.mark.exhaustive
def test_its_tests_pass_as_its_readme_says(copied: Path) -> None:
    [plain, update] = re.findall(r"^python .*", "\n".join(blocks("shell")), re.MULTILINE)
    before = (copied / "mail" / "confirm.txt").read_bytes()

    done = run(copied, plain)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d\d passed", done.stdout)

    (copied / "mail" / "confirm.txt").unlink()
    done = run(copied, update, "-k", "looks_as_it_should")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (copied / "mail" / "confirm.txt").read_bytes() == before


def test_its_readme_shows_its_tests() -> None:
    tests = (EXAMPLE / "test_accounts.py").read_text(encoding="utf-8")
    shown = blocks("python")
    assert shown
    assert [each for each in shown if each not in tests] == []


@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        (
            "accounts.py",
            'mail.render("mail/code", [address]',
            'mail.render("mail/code", ["eve@example.com"]',
            "No message was sent with",
        ),
        ("accounts.py", "code=code, minutes", "code=123, minutes", "Expected one code of 6 digits"),
        ("accounts.py", "target=tell_owner", "target=print", "No message was sent with"),
        ("accounts.py", "if isinstance(error, MessageRefused)", "if False", "assert 503 == 422"),
        ("templates/mail/confirm.html", "<p>Hello,</p>", "", "The message differs"),
        ("templates/mail/confirm.txt", "{{ url }}", "", "The message differs"),
    ],
)
@pytest.mark.exhaustive
def test_its_tests_find_mistakes(
    copied: Path, file: str, right: str, wrong: str, said: str
) -> None:
    source = (copied / file).read_text(encoding="utf-8")
    assert source.count(right) == 1
    (copied / file).write_text(source.replace(right, wrong), encoding="utf-8")

    done = run(copied, "python -m pytest")

    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stdout
