"""``flask mail check``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stdout, suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click
from flask import current_app

from ..backends.smtp import SmtpBackend
from ..errors import MessageError
from ..extension.mounting import is_developed
from .context import Choice, choice_of, mail_state
from .dns import advice_of, is_public
from .output import name_of, say, say_json, say_table
from .plugins import plugins
from .rules import Finding, judge_values, sender_of
from .trial import Step, trial
from .unknown import judge_names
from .values import Entries, Entry

if TYPE_CHECKING:
    from ..address.parser import Address
    from ..extension.state import _Mail

_HEADING = ("SETTING", "VALUE", "SOURCE")


@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@click.option(
    "--dns/--no-dns",
    default=None,
    help="Ask name servers about the domain of the default sender; by default for smtp, if"
    " dnspython is installed.",
)
@click.option("--dkim-selector", metavar="NAME", help="Also look for the key of that name.")
@click.option("--dns-server", metavar="ADDRESS[:PORT]", help="Ask this name server.")
def check_settings(
    as_json: bool, dns: bool | None, dkim_selector: str | None, dns_server: str | None
) -> None:
    """Check the settings and try the backend out; nothing is sent.

    For smtp: connects, negotiates TLS, logs in and asks for the default sender. The exit status is
    0 if all is right, warnings or not, and 1 if something is wrong.
    """
    # What a plugin prints when it is imported or built would spoil the JSON.
    with mail_state() as state, redirect_stdout(sys.stderr) if as_json else nullcontext():
        entries = Entries(state)
        choice = choice_of(state)
        findings = _findings(entries, choice)
        if dns is not False:
            asked_for = bool(dns or dkim_selector or dns_server)
            findings += _of_domain(entries, choice, dkim_selector, dns_server, asked_for)
        if not as_json:
            _say_settings(entries, findings)
            say(f"Backend: {choice}.")
            if choice.is_replaced:
                say(f"Tried out all the same: {name_of(choice.wanted)}.")
        steps = []
        for step in _steps(entries, choice, state):
            steps.append(step)
            if not as_json:
                say(f"{step.status:<8}{step.name:<9}{step.detail}")
    errors = [each for each in findings if each.level == "error"]
    ok = not errors and all(step.status != "failed" for step in steps)
    if as_json:
        say_json(
            {
                "ok": ok,
                "backend": _backend_as_json(choice),
                "settings": [_entry_as_json(entry, entries) for entry in entries],
                "findings": [asdict(finding) for finding in findings],
                "steps": [asdict(step) for step in steps],
            }
        )
    else:
        say("All right; nothing was sent." if ok else "Something is wrong; nothing was sent.")
    click.get_current_context().exit(0 if ok else 1)


def _findings(entries: Entries, choice: Choice) -> list[Finding]:
    """Return everything that is wrong, errors first; no advice holds a secret."""
    found = [
        *judge_values(entries, choice, production=not is_developed(current_app)),
        *judge_names(entries, choice, plugins()),
    ]
    # A value of the wrong kind may also be why no backend can be selected.
    unique = {each.advice: each for each in reversed(found)}
    in_order = sorted(unique.values(), key=lambda each: (each.level, found.index(each)))
    return [replace(each, advice=entries.redact(each.advice)) for each in in_order]


def _of_domain(
    entries: Entries, choice: Choice, selector: str | None, server: str | None, asked_for: bool
) -> list[Finding]:
    is_smtp = choice.wanted_class is not None and issubclass(choice.wanted_class, SmtpBackend)
    with suppress(MessageError):  # which is among the findings
        sender = sender_of(entries)
        if sender is not None and is_public(sender.domain) and (is_smtp or asked_for):
            return list(advice_of(sender.domain, selector, server, asked_for=asked_for))
    return []


def _steps(entries: Entries, choice: Choice, state: _Mail) -> Iterator[Step]:
    if choice.wanted_class is None:
        return
    sender: Address | None = None
    with suppress(MessageError):  # which is among the findings
        sender = sender_of(entries)
    for step in trial(state, choice.wanted, sender):
        yield replace(step, detail=entries.redact(step.detail))


def _say_settings(entries: Entries, findings: list[Finding]) -> None:
    rows = [(entry.key, _shown(entry, entries), entry.source) for entry in entries]
    say_table([_HEADING, *rows])
    say()
    for finding in findings:
        say(f"{finding.level:<8}{finding.code}: {finding.advice}")
    if findings:
        say()


def _shown(entry: Entry, entries: Entries) -> str:
    if entry.value is None:
        return entries.default(entry) or ""
    return str(entries.shown(entry))


def _entry_as_json(entry: Entry, entries: Entries) -> dict[str, object]:
    return {
        "key": entry.key,
        "value": entries.shown(entry),
        "source": entry.source,
        "default": entries.default(entry),
    }


def _backend_as_json(choice: Choice) -> dict[str, object]:
    return {
        "wanted": name_of(choice.wanted),
        "wanted_by": choice.wanted_by,
        "selected": None if choice.error else name_of(choice.selected),
        "reason": choice.reason or None,
    }
