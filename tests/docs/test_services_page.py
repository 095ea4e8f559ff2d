"""The page that compares services shows what their backends declare."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from flask_mail.backends import Backend, Feature
from flask_mail.backends.smtp import SmtpBackend

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "services.md"
PLUGINS = {
    "sendmail": "flask_mail_sendmail:SendmailBackend",
    "ses": "flask_mail_ses:SesBackend",
    "graph": "flask_mail_graph:GraphBackend",
    "resend": "flask_mail_resend:ResendBackend",
    "postmark": "flask_mail_postmark:PostmarkBackend",
}
FEATURES = {
    Feature.VERBATIM: "the exact content",
    Feature.ATTACHMENTS: "attachments",
    Feature.ATTACHMENT_HEADERS: "headers of attachments",
    Feature.ALTERNATIVES: "invitations, and other alternatives than HTML",
    Feature.HEADERS: "`extra_headers`",
    Feature.ENVELOPE_SENDER: "`envelope_from`",
    Feature.NO_BOUNCES: '`envelope_from="<>"`',
    Feature.UNICODE_ADDRESSES: "local parts that are not ASCII",
    Feature.DELIVERY_OPTIONS: "`mail_options`, `rcpt_options`",
    Feature.TAGS: "`tags`",
    Feature.METADATA: "`metadata`",
}


@pytest.fixture
def backends(monkeypatch: pytest.MonkeyPatch) -> list[type[Backend[Any]]]:
    for each in PLUGINS:
        monkeypatch.syspath_prepend(ROOT / "plugins" / f"flask-mail-{each}")
    known = set(sys.modules)
    found: list[type[Backend[Any]]] = [SmtpBackend]
    for path in PLUGINS.values():
        module, _, name = path.partition(":")
        found.append(getattr(importlib.import_module(module), name))
    for name in set(sys.modules) - known:  # not installed for other tests
        if name.startswith(tuple(each.partition(":")[0] for each in PLUGINS.values())):
            monkeypatch.delitem(sys.modules, name)
    return found


def yes(value: object) -> str:
    return "yes" if value else "no"


def table_of(backends: list[type[Backend[Any]]]) -> str:
    """Return the table of the page."""
    rows = [["", *(f"`{each.name}`" for each in backends)], ["---"] * (len(backends) + 1)]
    rows += [
        [text, *(yes(feature in each.features) for each in backends)]
        for feature, text in FEATURES.items()
    ]
    rows += [
        ["sends a message with the same key once", *(yes(each.deduplicates) for each in backends)],
        [
            "events",
            *(yes(each.read_events is not Backend.read_events) for each in backends),
        ],
        [
            "largest message, in MB",
            *(f"{each.max_size / 1e6:.3g}" if each.max_size else "any" for each in backends),
        ],
        ["most recipients", *(str(each.max_recipients or "any") for each in backends)],
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def test_capabilities_are_those_of_the_classes(backends: list[type[Backend[Any]]]) -> None:
    expected = table_of(backends)
    assert expected in PAGE.read_text("utf-8"), f"The table should be\n\n{expected}"
    assert set(FEATURES) == set(Feature)


def test_each_service_has_five_lines() -> None:
    sections = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.M)[1:-1]
    lines = {each.partition("\n")[0]: len(re.findall("^- ", each, re.M)) for each in sections}
    assert set(lines.values()) == {5}
    assert len(lines) == 6
