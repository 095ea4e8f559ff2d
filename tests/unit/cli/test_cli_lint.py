"""``flask mail lint``: what is likely to be wrong with messages in files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_support import make_app, run
from click.testing import CliRunner

from flask_mail import Message
from flask_mail.cli import lint as module
from flask_mail.cli import mail_cli, output


def written(folder: Path, name: str, **fields: object) -> str:
    message = Message(recipients=["a@b.example"], sender="c@d.example", **fields)  # type: ignore[arg-type]
    path = folder / name
    path.write_bytes(message.as_bytes())
    return str(path)


@pytest.fixture
def good(tmp_path: Path) -> str:
    return written(tmp_path, "good.eml", subject="Hello", body="Hi")


@pytest.fixture
def bad(tmp_path: Path) -> str:
    return written(tmp_path, "bad.eml", subject="Hello {{ name }}", body="Hi")


def test_each_advice_is_a_line(good: str, bad: str) -> None:
    result = run(make_app(), "lint", good, bad, status=1)

    (line,) = result.stdout.splitlines()
    assert line.startswith(f"{bad}: placeholder (subject): 'Hello {{{{ name }}}}'")


def test_a_good_message_is_nothing_to_tell_of(good: str) -> None:
    assert run(make_app(), "lint", good).stdout == "No problems found.\n"


def test_the_standard_input_is_read_too(bad: str) -> None:
    result = run(make_app(), "lint", "-", input=Path(bad).read_bytes(), status=1)

    assert result.stdout.startswith("-: placeholder (subject):")


def test_a_file_of_html_alone_has_no_text(tmp_path: Path) -> None:
    """Nobody makes one for it, as sending does."""
    path = tmp_path / "html.eml"
    path.write_bytes(b"Subject: Hi\nContent-Type: text/html\n\n<p>Hello Ann.\n")

    (line,) = run(make_app(), "lint", str(path), status=1).stdout.splitlines()
    assert line.startswith(f"{path}: no-text (text):")
    # What is sent has one.
    assert run(make_app(), "lint", written(tmp_path, "a.eml", subject="Hi", html="<p>Hello"))


def test_a_program_gets_json(good: str, bad: str, tmp_path: Path) -> None:
    result = run(make_app(), "lint", "--json", good, bad, status=1)
    report = json.loads(result.stdout)

    assert (report["ok"], report["files"][good]) == (False, {"advice": []})
    (advice,) = report["files"][bad]["advice"]
    assert (advice["code"], advice["part"]) == ("placeholder", "subject")
    assert json.loads(run(make_app(), "lint", "--json", good).stdout)["ok"] is True


def test_what_cannot_be_read_is_told_and_the_rest_is_looked_at(
    bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing, large = str(tmp_path / "missing.eml"), tmp_path / "large.eml"
    large.write_bytes(b"x" * 2000)
    monkeypatch.setattr(module, "_LARGEST", 1000)
    result = run(make_app(), "lint", missing, str(large), bad, status=2)

    assert f"{missing}: cannot be read: No such file or directory" in result.stderr
    assert f"{large}: cannot be read: it is larger than 1,000 octets" in result.stderr
    assert f"{bad}: placeholder" in result.stdout
    assert run(make_app(), "lint", "--json", missing, status=2).stderr != ""


def test_no_app_is_needed(good: str) -> None:
    result = CliRunner().invoke(mail_cli, ["lint", good])

    assert (result.exit_code, result.stdout) == (0, "No problems found.\n")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"<html>From: a@b.example",
        b"Hello Ann,\nSubject: Hi\n",
        b"name: shop\nversion: 1\n",
        b" From: a@b.example\n",
        b"From a friend\n",
        b"a: b\n" * 100_000 + b"From: a@b.example\n",
    ],
)
def test_file_that_is_not_a_message_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.eml"
    path.write_bytes(content)
    result = run(make_app(), "lint", str(path), status=2)

    assert result.stdout == ""
    assert result.stderr == (
        f"{path}: cannot be read: it is not a message: it does not begin with header fields.\n"
    )


@pytest.mark.parametrize(
    "head",
    [b"From ann@example.com Mon Jan  1\nX-Spam: no\n folded\nFROM : a@b.example\n", b"Date:\n"],
)
def test_file_with_unusual_header_fields_is_a_message(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.eml"
    path.write_bytes(head + b"\nHi\n")

    assert "cannot be read" not in run(make_app(), "lint", str(path), status=1).output


def test_progress_is_shown_for_several_files(
    good: str, bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda stream: True)
    result = run(make_app(), "lint", good, bad, status=1)

    assert "Checking" in result.stderr
    assert result.stdout.startswith(f"{bad}: placeholder")
    assert run(make_app(), "lint", good).stderr == ""


def test_mail_programs_have_scores_and_gaps(tmp_path: Path, good: str) -> None:
    html = '<p style="display: flex; border-radius: 4px">\nHi<video></video>'
    path = written(tmp_path, "a.eml", subject="Hi", body="Hi", html=html)
    result = run(make_app(), "lint", "--programs", path, good)

    first, *lines = result.stdout.splitlines()
    assert first == "No problems found."
    assert f"{path}: Samsung Email supports 90 %: only partly <video> element (line 2)" in lines
    assert (
        f"{path}: Gmail supports 70 %: not <video> element (line 2);"
        " only partly display:flex (line 1)" in lines
    )
    assert f"{good}: Gmail supports 100 %" in lines


def test_mail_programs_are_in_the_json(tmp_path: Path) -> None:
    path = written(tmp_path, "a.eml", subject="Hi", body="Hi", html="<video></video>")
    report = json.loads(run(make_app(), "lint", "--json", "--programs", path).stdout)

    gmail = report["files"][path]["programs"][0]
    assert (gmail["name"], gmail["score"]) == ("Gmail", 0)
    assert gmail["gaps"][0]["feature"] == "<video> element"
    assert '"programs"' not in run(make_app(), "lint", "--json", path).stdout
