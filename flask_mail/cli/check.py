"""``flask mail check``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stdout, suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click
from flask import current_app

from ..delivery.policy import DEFAULT
from ..errors import MessageError
from ..extension.development import is_developed
from .commands import judge_commands
from .context import Choice, choice_of, known_mailer, mail_state
from .dns import DomainReport, is_public, not_checked, report_on, report_on_keys
from .mailer_rules import judge_mailers
from .output import name_of, say, say_json, say_table
from .plugins import judge_plugins, plugins
from .rules import Finding, judge_unsubscribe, judge_values, sender_of
from .trial import trial
from .unknown import judge_names
from .values import Entries, Entry

if TYPE_CHECKING:
    from ..address.parser import Address
    from ..backends.values import DkimRecord, ProbeStep
    from ..extension.state import _Mail

_HEADING = ("SETTING", "VALUE", "SOURCE")


@click.option("--mailer", metavar="NAME", help="Try this mailer instead of the default one.")
@click.option("--all", "all_mailers", is_flag=True, help="Try every mailer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@click.option(
    "--dns",
    is_flag=False,
    flag_value="",
    metavar="[DOMAIN]",
    help="Check and print the DNS records of DOMAIN, by default the default sender's. smtp does"
    " the check without this option if dnspython is installed.",
)
@click.option("--no-dns", is_flag=True, help="Do not ask name servers.")
@click.option("--dkim-selector", metavar="NAME", help="Also check the DKIM key of this selector.")
@click.option("--dns-server", metavar="ADDRESS[:PORT]", help="Use this name server.")
def check_settings(
    mailer: str | None,
    all_mailers: bool,
    as_json: bool,
    dns: str | None,
    no_dns: bool,
    dkim_selector: str | None,
    dns_server: str | None,
) -> None:
    """Check the settings and try the backend, without sending anything.

    For smtp: connects, negotiates TLS, logs in and tests the default sender. Other backends have
    steps of their own. Other mailers than the default one are built, but not connected, unless
    --mailer or --all says so. Exits with status 1 if it finds an error; warnings do not count as
    errors.
    """
    if mailer is not None and all_mailers:
        raise click.UsageError("--mailer and --all cannot be combined.")
    # Output of a plugin's import or constructor would corrupt the JSON.
    with mail_state() as state, redirect_stdout(sys.stderr) if as_json else nullcontext():
        entries = Entries(state)
        names = entries.mailers if all_mailers else [known_mailer(state, mailer or DEFAULT)]
        choices = [choice_of(state, name) for name in names]
        findings = _findings(entries, choices, state)
        asked_for = dns is not None or bool(dkim_selector or dns_server)
        domain = DomainReport()
        if not no_dns:
            domain = _domain(entries, choices, dns, dkim_selector, dns_server, asked_for)
            domain = domain.with_others(_keys(choices, state, dns_server, asked_for))
        findings += domain.findings
        if not as_json:
            _say_settings(entries)
            if asked_for:
                _say_records(domain)
            _say_findings(findings)
        steps: dict[str, list[ProbeStep]] = {}
        for number, choice in enumerate(choices):
            if not as_json:
                _say_choice(choice, is_first=not number)
            tried = steps[choice.mailer] = []
            for step in _steps(entries, choice, state):
                tried.append(step)
                if not as_json:
                    say(f"{step.status:<8}{step.name:<9}{step.detail}")
    errors = [each for each in findings if each.level == "error"]
    failed = [step for tried in steps.values() for step in tried if step.status == "failed"]
    ok = not (errors or failed)
    if as_json:
        say_json(
            {
                "ok": ok,
                **_mailer_as_json(choices[0], steps),
                "settings": [_entry_as_json(entry, entries) for entry in entries],
                "findings": [asdict(finding) for finding in findings],
                "dns": [asdict(record) for record in domain.records],
                "mailers": {each.mailer: _mailer_as_json(each, steps) for each in choices},
            }
        )
    else:
        say(f"{_verdict(len(errors) + len(failed))} (no message was sent).")
    click.get_current_context().exit(0 if ok else 1)


def _findings(entries: Entries, choices: list[Choice], state: _Mail) -> list[Finding]:
    """Return all problems, errors first, with secrets masked."""
    installed = plugins()
    default = choice_of(state)
    found = [
        *judge_values(entries, default, choices, production=not is_developed(current_app)),
        *judge_unsubscribe(entries, state.app),
        *judge_names(entries, default, installed),
        *judge_mailers(entries, state, [each.mailer for each in choices]),
        *judge_plugins(installed),
        *judge_commands(),
    ]
    # A value of the wrong type can also be the reason why no backend is selected.
    unique = {each.advice: each for each in reversed(found)}
    in_order = sorted(unique.values(), key=lambda each: (each.level, found.index(each)))
    return [replace(each, advice=entries.redact(each.advice)) for each in in_order]


def _domain(
    entries: Entries,
    choices: list[Choice],
    domain: str | None,
    selector: str | None,
    server: str | None,
    asked_for: bool,
) -> DomainReport:
    is_external = any(each.wanted_class and each.wanted_class.external for each in choices)
    sender: Address | None = None
    with suppress(MessageError):  # already among the findings
        sender = sender_of(entries)
    if not (is_external or asked_for):
        return DomainReport()
    if not domain:
        domain = sender.domain if sender is not None else ""
        if not is_public(domain):
            reason = (
                f"{domain} is not a public domain; name another one with --dns DOMAIN."
                if domain
                else "set MAIL_DEFAULT_SENDER, or name a domain with --dns DOMAIN."
            )
            return not_checked("dns-skipped", reason) if asked_for else DomainReport()
    return report_on(domain, selector, server, asked_for=asked_for)


def _keys(choices: list[Choice], state: _Mail, server: str | None, asked_for: bool) -> DomainReport:
    expected: dict[DkimRecord, None] = {}
    for choice in choices:
        with suppress(Exception):  # the trial reports it
            records = state.selection.build(choice.reference).dkim_records()
            expected.update({each: None for each in records if is_public(each.name)})
    if not expected:
        return DomainReport()
    return report_on_keys(expected, server, asked_for=asked_for)


def _steps(entries: Entries, choice: Choice, state: _Mail) -> Iterator[ProbeStep]:
    if choice.wanted_class is None:
        return
    sender: Address | None = None
    with suppress(MessageError):  # already among the findings
        sender = sender_of(entries)
    for step in trial(state, choice.reference, sender):
        yield replace(step, detail=entries.redact(step.detail))


def _verdict(problems: int) -> str:
    if not problems:
        return "Ready to send"
    return f"Found {problems} problem{'s' if problems > 1 else ''}"


def _say_settings(entries: Entries) -> None:
    say_table([_HEADING, *_rows(entries)])
    say()


def _rows(entries: Entries) -> Iterator[tuple[str, str, str]]:
    for entry in entries:
        shown = entries.shown(entry)
        if entry.value is None:
            yield entry.key, entries.default(entry) or "", entry.source
        elif entry.key == "MAIL_MAILERS" and isinstance(shown, dict):
            yield entry.key, ", ".join(shown), entry.source
            for name, value in shown.items():
                key = f"{entry.key}[{name!r}]"
                if not isinstance(value, dict):
                    yield key, str(value), entry.source
                else:
                    for option, each in value.items():
                        yield f"{key}[{option!r}]", str(each), entry.source
        else:
            yield entry.key, str(shown), entry.source


def _say_choice(choice: Choice, *, is_first: bool) -> None:
    label = "Backend" if choice.mailer == DEFAULT else f"Mailer {choice.mailer!r}"
    if not is_first:
        say()
    say(f"{choice}." if choice.error else f"{label}: {choice}.")
    if choice.is_replaced:
        say(f"Trying {name_of(choice.wanted)} nevertheless.")


def _say_records(report: DomainReport) -> None:
    for record in report.records:
        for value in record.values or ["not found"]:
            say(f"{record.purpose:<8}{record.name}: {value or 'null MX'}")
    if report.records:
        say()


def _say_findings(findings: list[Finding]) -> None:
    for finding in findings:
        say(f"{finding.level:<8}{finding.code}: {finding.advice}")
    if findings:
        say()


def _entry_as_json(entry: Entry, entries: Entries) -> dict[str, object]:
    return {
        "key": entry.key,
        "value": entries.shown(entry),
        "source": entry.source,
        "default": entries.default(entry),
    }


def _mailer_as_json(choice: Choice, steps: dict[str, list[ProbeStep]]) -> dict[str, object]:
    return {
        "backend": _backend_as_json(choice),
        "steps": [asdict(step) for step in steps[choice.mailer]],
    }


def _backend_as_json(choice: Choice) -> dict[str, object]:
    return {
        "wanted": name_of(choice.wanted),
        "wanted_by": choice.wanted_by,
        "selected": None if choice.error else name_of(choice.selected),
        "reason": choice.reason or None,
    }
