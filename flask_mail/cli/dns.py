"""MX, SPF, DKIM and DMARC records of a sender's domain. Needs dnspython, the extra ``dns``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from ..config.converters import to_port
from ..util.text import describe
from .finding import Finding
from .output import progress

if TYPE_CHECKING:
    from dns.resolver import Resolver

    from ..backends.values import DkimRecord

_SECONDS: Final = 2.0  # for one lookup
_LABEL: Final = "Asking DNS"
# Reserved by RFC 2606 and RFC 6761, or used inside networks: public DNS does not have them.
_RESERVED: Final = re.compile(
    r"(?:.*\.)?(?:test|example|invalid|localhost|local|internal|example\.(?:com|net|org))",
    re.IGNORECASE,
)
_PATTERNS: Final = {
    "SPF": re.compile(r"v=spf1(?: |$)", re.IGNORECASE),
    # Without a key after "p=" it is revoked (RFC 6376 section 3.6.1).
    "DKIM": re.compile(r"(?:.*;)?\s*p\s*=\s*[^\s;]", re.DOTALL),
    "DMARC": re.compile(r"v=DMARC1(?:;|$| )"),
}
_ADVICE: Final = {
    "SPF": 'list the hosts that may send its mail, such as "v=spf1 include:... -all"',
    "DKIM": "signatures fail until you publish the key of the signer there",
    "DMARC": 'Gmail and Yahoo require one, such as "v=DMARC1; p=none; rua=mailto:..."',
}


@dataclass(frozen=True, slots=True)
class Record:
    """The MX, SPF, DKIM or DMARC records at one name; `values` is empty if there are none."""

    purpose: str
    name: str
    values: list[str]
    note: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class DomainReport:
    """The mail records of a domain, and the problems with them."""

    records: list[Record] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def with_others(self, other: DomainReport) -> DomainReport:
        """Return this report with the records and the problems of another one, each once."""
        records = [each for each in self.records if each not in other.records]
        findings = [each for each in other.findings if each not in self.findings]
        return DomainReport([*records, *other.records], [*self.findings, *findings])


def is_public(domain: str) -> bool:
    """Return True if public DNS can have records of a domain."""
    return "." in domain and not domain.startswith("[") and not _RESERVED.fullmatch(domain)


def not_checked(code: str, reason: str) -> DomainReport:
    """Return the report of a check that was asked for and cannot be made."""
    return DomainReport(findings=[_warning(code, f"DNS was not checked: {reason}")])


def report_on(
    domain: str, selector: str | None, server: str | None, *, asked_for: bool
) -> DomainReport:
    """Look up the mail records of a domain.

    :param selector: the DKIM selector of its mail; DKIM is not checked without one.
    :param server: address of the name server, with or without ``:port``; default: the system's.
    :param asked_for: report a missing dnspython as a finding.
    """

    def ask(resolver: Resolver, report: DomainReport) -> None:
        for purpose, names in progress(_places(domain, selector).items(), _LABEL, least=1):
            record = _find(resolver, purpose, names)
            report.records.append(record)
            report.findings.extend(_problems(record))

    return _asked(ask, server, asked_for)


def report_on_keys(
    expected: Iterable[DkimRecord], server: str | None, *, asked_for: bool
) -> DomainReport:
    """Look up the public keys of a signer, and compare them with its own.

    :param server: as for :func:`report_on`.
    """

    def ask(resolver: Resolver, report: DomainReport) -> None:
        for each in progress(expected, _LABEL, least=1):
            record = _find(resolver, "DKIM", [each.name])
            problems = list(_key_problems(record, each))
            note = "" if problems else "matches the key that signs"
            report.records.append(replace(record, note=note))
            report.findings.extend(problems)

    return _asked(ask, server, asked_for)


def _asked(
    ask: Callable[[Resolver, DomainReport], None], server: str | None, asked_for: bool
) -> DomainReport:
    try:
        from dns.exception import DNSException
        from dns.resolver import Resolver
    except ImportError:
        advice = 'dnspython is missing: pip install "path/to/flask-mail[dns]"'
        return not_checked("dns-missing", advice) if asked_for else DomainReport()
    report = DomainReport()
    try:
        resolver = Resolver(configure=server is None)
        if server is not None:
            host, resolver.port = split_server(server)
            resolver.nameservers = [host]
        ask(resolver, report)
    except DNSException as error:
        text = f"The DNS lookup failed: {str(error) or type(error).__name__}"
        report.findings.append(_warning("dns-unavailable", text))
    return report


def _places(domain: str, selector: str | None) -> dict[str, list[str]]:
    """Return the names at which the records of each purpose can be, in order."""
    places = {"MX": [domain], "SPF": [domain]}
    if selector:
        places["DKIM"] = [f"{selector}._domainkey.{domain}"]
    # Without a policy of its own, the domain has that of the organization, found by walking up the
    # tree (DMARCbis), which needs no list of public suffixes.
    labels = domain.split(".")
    parents = [".".join(labels[skipped:]) for skipped in range(max(1, len(labels) - 1))]
    places["DMARC"] = [f"_dmarc.{each}" for each in parents]
    return places


def _find(resolver: Resolver, purpose: str, names: list[str]) -> Record:
    """Return the first records that exist, else none at the first name."""
    from dns.resolver import NXDOMAIN, NoAnswer

    pattern = _PATTERNS.get(purpose)
    kind = "TXT" if pattern else "MX"
    for name in names:
        try:
            # Without the search domains of the system.
            answer: Any = resolver.resolve(name, kind, lifetime=_SECONDS, search=False)
        except (NXDOMAIN, NoAnswer):
            continue
        if pattern is None:
            return Record(purpose, name, [str(each.exchange).rstrip(".") for each in answer])
        texts = [b"".join(each.strings).decode("utf-8", "replace") for each in answer]
        if values := [each for each in texts if pattern.match(each)]:
            return Record(purpose, name, values)
    return Record(purpose, names[0], [])


def _problems(record: Record) -> Iterator[Finding]:
    purpose, name, values = record.purpose, record.name, record.values
    if not values and purpose in _ADVICE:
        text = f"{name} has no {purpose} record: {_ADVICE[purpose]}."
        yield _warning(f"no-{purpose.lower()}", text)
    elif purpose == "SPF" and len(values) > 1:
        text = f"{name} has {len(values)} SPF records, so receivers ignore all: merge them."
        yield _warning("several-spf", text)


def _key_problems(record: Record, expected: DkimRecord) -> Iterator[Finding]:
    published = [_tags(each) for each in record.values]
    own = _tags(expected.value)
    if not published:
        text = f'{record.name} has no DKIM record: publish "{expected.value}" there'
        yield Finding("error", "no-dkim", (), f"{text}, or signatures are not valid.")
    elif (own["k"], own["p"]) not in [(each.get("k", "rsa"), each["p"]) for each in published]:
        text = f"{record.name} has another key, or kind of key, than the one that signs"
        advice = f'publish "{expected.value}", or signatures are not valid.'
        yield Finding("error", "dkim-other-key", (), f"{text}: {advice}")
    elif any("y" in each.get("t", "").split(":") for each in published):
        text = f"{record.name} has the flag t=y (testing), so receivers treat mail as unsigned"
        yield Finding("warning", "dkim-testing", (), f"{text}: remove it.")


def _tags(record: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in record.split(";"))
    return {name.strip(): "".join(value.split()) for name, _, value in pairs}


def _warning(code: str, advice: str) -> Finding:
    return Finding("warning", code, ("MAIL_DEFAULT_SENDER",), advice)


def split_server(server: str) -> tuple[str, int]:
    """Return the address and the port of a name server.

    :raises ValueError: it is not an address such as ``192.0.2.53:5353``.
    """
    # With more than one colon it is an IPv6 address, which takes no port here.
    host, _, port = server.partition(":") if server.count(":") == 1 else (server, "", "")
    try:
        return str(ipaddress.ip_address(host)), to_port(port or 53) or 53
    except ValueError:
        raise ValueError(
            f"{describe(server)} is not an address such as 192.0.2.53 or 192.0.2.53:5353."
        ) from None
