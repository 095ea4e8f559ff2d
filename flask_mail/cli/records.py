"""Report on the mail records of a domain, for ``flask mail check``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .dns import DMARC, SPF, finding_of, judge_domain, unavailable
from .resolver import EXTRA, Resolver, Unavailable
from .rules import Finding


@dataclass(frozen=True, slots=True)
class Record:
    """The DNS records of one purpose at one name; `values` is empty if there are none."""

    purpose: str
    """``"MX"``, ``"SPF"``, ``"DKIM"`` or ``"DMARC"``."""
    name: str
    values: list[str]


@dataclass(slots=True)
class DomainReport:
    """The mail records of a domain, and the problems with them."""

    records: list[Record] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def report_on(
    domain: str, selector: str | None, server: str | None, *, asked_for: bool
) -> DomainReport:
    """Look up the mail records of a domain and judge them.

    :param asked_for: report a missing dnspython as a finding.
    """
    report = DomainReport()
    try:
        names = Resolver(server)
        report.findings += judge_domain(domain, names, selector)
        report.records += _records(domain, selector, names.answers)
    except ImportError:
        if asked_for:
            report.findings.append(
                finding_of("dns-missing", f"DNS was not checked: dnspython is missing. {EXTRA}")
            )
    except (Unavailable, ValueError) as error:
        report.findings.append(unavailable(str(error)))
    return report


def not_checked(reason: str) -> DomainReport:
    """Return the report of a check that was asked for and cannot be made."""
    return DomainReport(findings=[finding_of("dns-skipped", f"DNS was not checked: {reason}")])


def _records(
    domain: str, selector: str | None, answers: Mapping[tuple[str, str], list[str]]
) -> Iterator[Record]:
    key = f"{selector}._domainkey.{domain}"
    for (kind, name), values in answers.items():
        if kind == "MX":
            yield Record("MX", name, values)
        elif name.startswith("_dmarc."):
            yield Record("DMARC", name, [each for each in values if DMARC.match(each)])
        elif name == key:
            yield Record("DKIM", name, values)
        elif name == domain:  # not those that it includes
            yield Record("SPF", name, [each for each in values if SPF.match(each)])
