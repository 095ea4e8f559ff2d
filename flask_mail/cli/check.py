"""``flask mail check``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stdout, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from flask import current_app

from ..address.domain import domain_to_ascii
from ..delivery.policy import DEFAULT
from ..errors import MessageError
from ..extension.development import is_developed
from .check_report import Report, Trial
from .commands import judge_commands
from .context import Choice, choice_of, known_mailer, mail_state
from .dialogue import shown_dialogue, verbose_option
from .dns import DomainReport, is_public, not_checked, report_on, report_on_keys, split_server
from .event_rules import judge_events
from .finding import Finding
from .mailer_rules import judge_mailers
from .output import progress, say_json
from .plugins import judge_plugins, plugins
from .rules import judge_telemetry, judge_unsubscribe, judge_values, sender_of
from .staging import notes_on
from .trial import Step, Trials
from .unknown import judge_environment, judge_names
from .values import Entries

if TYPE_CHECKING:
    from ..address.parser import Address
    from ..backends.values import DkimRecord
    from ..extension.state import _Mail


def _read_domain(context: Any, parameter: Any, value: str | None) -> str | None:
    try:
        return domain_to_ascii(value) if value else value
    except MessageError as error:
        raise click.BadParameter(f"{error}.") from None


def _read_server(context: Any, parameter: Any, value: str | None) -> str | None:
    try:
        if value is not None:
            split_server(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


@click.option("--mailer", metavar="NAME", help="Try this mailer instead of the default one.")
@click.option("--all", "all_mailers", is_flag=True, help="Try every mailer.")
@click.option(
    "--defaults",
    is_flag=True,
    help="Also print the settings that are not set, with the values that apply.",
)
@click.option("--strict", is_flag=True, help="Exit with status 1 for warnings too.")
@verbose_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@click.option(
    "--dns",
    is_flag=False,
    flag_value="",
    metavar="[DOMAIN]",
    callback=_read_domain,
    help="Check and print the DNS records of DOMAIN, by default the default sender's. smtp does"
    " the check without this option if dnspython is installed.",
)
@click.option("--no-dns", is_flag=True, help="Do not ask name servers.")
@click.option("--dkim-selector", metavar="NAME", help="Also check the DKIM key of this selector.")
@click.option(
    "--dns-server",
    metavar="ADDRESS[:PORT]",
    callback=_read_server,
    help="Use this name server.",
)
def check_settings(
    mailer: str | None,
    all_mailers: bool,
    defaults: bool,
    strict: bool,
    verbose: bool,
    as_json: bool,
    dns: str | None,
    no_dns: bool,
    dkim_selector: str | None,
    dns_server: str | None,
) -> None:
    """Check the settings and connect; send nothing.

    For smtp: connects, negotiates TLS, logs in and tests the default sender. Other backends have
    steps of their own. A mailer that is made of others, such as a queue or failover, tries each of
    these. Other mailers than the default one are built, but not connected, unless --mailer or --all
    says so. Prints the verdict and the problems first. Exits with status 1 if it finds an error;
    warnings, such as unknown settings, do not count as errors without --strict.
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
        notes = notes_on(state)
        report = Report(
            entries, [*findings, *domain.findings], domain.records, notes, is_strict=strict
        )
        sender: Address | None = None
        with suppress(MessageError):  # already among the findings
            sender = sender_of(entries)
        trials = Trials(state, sender)
        with shown_dialogue(entries.redact) if verbose else nullcontext():
            # A bar and the dialogue would overwrite each other.
            least = len(choices) + 1 if verbose else 1
            for choice in progress(choices, "Connecting", least=least):
                report.trials.append(Trial(choice, list(_steps(entries, choice, trials))))
    if as_json:
        say_json(report.as_json())
    else:
        report.say(defaults=defaults, records=asked_for)
    click.get_current_context().exit(0 if report.ok else 1)


def _findings(entries: Entries, choices: list[Choice], state: _Mail) -> list[Finding]:
    """Return all problems, errors first, with secrets masked."""
    installed = plugins()
    default = choice_of(state)
    found = [
        *judge_values(entries, default, choices, production=not is_developed(current_app)),
        *judge_unsubscribe(entries, state.app),
        *judge_events(entries, state),
        *judge_telemetry(entries),
        *judge_names(entries, default, installed),
        *judge_environment(entries),
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


def _steps(entries: Entries, choice: Choice, trials: Trials) -> Iterator[Step]:
    if choice.wanted_class is not None:
        for step in trials.steps(choice.reference):
            yield replace(step, detail=entries.redact(step.detail))
