"""Names that programs know from 0.9.1 and 0.10."""

from __future__ import annotations

import email.policy
import importlib
import subprocess
import sys
from importlib import metadata
from types import ModuleType
from unittest import mock

import pytest
from flask import Flask

import flask_mail
from flask_mail import (
    FlaskMailUnicodeDecodeError,
    MessageError,
    _has_newline,
    force_text,
    message_policy,
    sanitize_address,
    sanitize_addresses,
    sanitize_subject,
)
from flask_mail.extension import mail as extension
from flask_mail.extension import names
from flask_mail.message import message, rendering


@pytest.mark.parametrize(
    ("given", "text"), [("text", "text"), (b"text", "text"), ("süß".encode(), "süß"), (5, "5")]
)
def test_force_text_makes_a_str_of_anything(given, text):
    assert force_text(given) == text


def test_force_text_shows_the_bytes_that_it_cannot_decode():
    with pytest.raises(FlaskMailUnicodeDecodeError, match=r"You passed in b'\\xff'"):
        force_text(b"\xff")


@pytest.mark.parametrize(
    ("subject", "encoded"),
    [("plain", "plain"), ("sübject", "=?utf-8?q?s=C3=BCbject?=")],
)
def test_sanitize_subject_encodes_what_is_not_ascii(subject, encoded):
    assert sanitize_subject(subject) == encoded


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("to@example.com", "to@example.com"),
        (("ÄÜÖ → ✓", "to@example.com"), "=?utf-8?b?w4TDnMOWIOKGkiDinJM=?= <to@example.com>"),
        (("Smith, John", "john@example.com"), '"Smith, John" <john@example.com>'),
        ("to\r\n@example.com", "to@example.com"),
    ],
)
def test_sanitize_address_writes_an_address_for_a_header(address, written):
    assert sanitize_address(address) == written
    assert sanitize_addresses([address]) == [written]


def test_sanitize_address_knows_other_charsets():
    assert sanitize_address(("送信者", "a@example.com"), "shift_jis").startswith("=?iso-2022-jp?b?")
    with pytest.raises(MessageError, match="charset"):
        sanitize_address("a@example.com", "no-such-charset")


@pytest.mark.parametrize(
    "name", ["Header", "MIMEText", "charset", "policy", "parseaddr", "current_app", "time", "re"]
)
def test_what_0_10_imported_is_still_found(name):
    assert getattr(flask_mail, name) is not None


def test_names_of_python_2_programs_are_found():
    assert flask_mail.PY3 is True
    assert flask_mail.string_types == (str,)


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="'flask_mail' has no attribute 'sned'"):
        flask_mail.sned  # noqa: B018


def test_the_version_is_found_with_a_warning():
    with pytest.warns(DeprecationWarning, match="importlib.metadata"):
        assert flask_mail.__version__ == metadata.version("flask-mail")


@pytest.mark.parametrize("name", ["time", "current_app", "Flask"])
def test_a_patched_import_of_0_10_is_put_back_where_it_is_used(name):
    rooms = [room for room in (extension, message, rendering) if hasattr(room, name)]
    before = [getattr(room, name) for room in rooms]
    # mock looks at what it replaces, and the current app has to be there for that.
    with Flask(__name__).app_context(), mock.patch(f"flask_mail.{name}") as patched:
        assert all(getattr(room, name) is patched for room in rooms)
    assert before
    assert all(getattr(room, name) is own for room, own in zip(rooms, before, strict=True))


def test_patching_a_name_of_the_package_patches_where_it_is_used(monkeypatch):
    monkeypatch.setattr("flask_mail.make_msgid", lambda: "<fixed@example.com>")
    assert flask_mail.Message("Hi").msgId == "<fixed@example.com>"
    monkeypatch.undo()
    assert flask_mail.Message("Hi").msgId != "<fixed@example.com>"


def test_a_submodule_overwrites_no_name_of_a_room():
    """`importlib` sets a submodule on its package: `signals` is a namespace here."""
    before = {room: dict(vars(module)) for room, module in names.rooms().items()}
    for name in ("signals", "message", "config", "mime", "email_dispatched"):
        module = ModuleType(f"flask_mail.{name}")
        public = getattr(flask_mail, name)
        setattr(flask_mail, name, module)
        assert getattr(flask_mail, name) is (public if name in flask_mail.__all__ else module)
        if name not in flask_mail.__all__:
            setattr(flask_mail, name, importlib.import_module(f"flask_mail.{name}"))
    after = {room: dict(vars(module)) for room, module in names.rooms().items()}
    assert after == before


@pytest.mark.exhaustive
def test_every_submodule_is_imported_without_changing_a_public_name():
    program = (
        "import importlib, pkgutil, flask_mail\n"
        "before = {name: getattr(flask_mail, name) for name in flask_mail.__all__}\n"
        "for each in pkgutil.walk_packages(flask_mail.__path__, 'flask_mail.'):\n"
        "    if '.contract' not in each.name:\n"
        "        importlib.import_module(each.name)\n"
        "changed = [name for name in before if getattr(flask_mail, name) is not before[name]]\n"
        "assert not changed, changed\n"
        "assert flask_mail.extension.state.settings is flask_mail.config.table\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_each_public_name_is_listed_and_found():
    for name in flask_mail.__all__:
        assert getattr(flask_mail, name) is not None
        assert name in dir(flask_mail)
    assert set(names.HOMES) <= {*flask_mail.__all__, "_has_newline"}


@pytest.mark.parametrize(
    ("line", "answer"), [("plain", False), ("a\nb", True), ("a\rb", True), ("", False)]
)
def test_has_newline_of_old_programs_is_found(line, answer):
    assert _has_newline(line) is answer


def test_message_policy_of_0_9_1_is_found():
    assert message_policy is email.policy.SMTP
