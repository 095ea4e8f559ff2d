"""MX, SPF, DKIM and DMARC checks of the sender's domain."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from .resolver import Names, Unavailable
from .rules import Finding

_KEYS: Final = ("MAIL_DEFAULT_SENDER",)
_MOST_LOOKUPS: Final = 10
"""RFC 7208 section 4.6.4: more lookups are a permanent error."""
_SHORTEST_KEY: Final = 140
"""Octets of an RSA key of 1024 bits (RFC 8301 section 3.2)."""
_MOST_LABELS: Final = 8
# Reserved by RFC 2606 and RFC 6761, or used inside networks: public DNS does not have them.
_RESERVED: Final = re.compile(
    r"(?:.*\.)?(?:test|example|invalid|localhost|local|internal|example\.(?:com|net|org))",
    re.IGNORECASE,
)
SPF: Final = re.compile(r"v=spf1(?: |$)", re.IGNORECASE)
DMARC: Final = re.compile(r"v=DMARC1(?:;|$| )")
_LOOKUPS: Final = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
_MECHANISMS: Final = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")
_MECHANISM: Final = re.compile(rf"([-+~?]?)({'|'.join(_MECHANISMS)})(?:[:/](.+))?", re.IGNORECASE)
_MODIFIER: Final = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE)


def is_public(domain: str) -> bool:
    """Return True if public DNS can have records of a domain."""
    return "." in domain and not domain.startswith("[") and not _RESERVED.fullmatch(domain)


def judge_domain(domain: str, names: Names, selector: str | None = None) -> Iterator[Finding]:
    """Yield the problems with a sender's domain.

    :param selector: the DKIM selector of its mail; DKIM is not checked without one.
    """
    judgements = [_mx(domain, names), _Spf(domain, names).judge()]
    if selector is not None:
        judgements.append(_dkim(domain, selector, names))
    judgements.append(_dmarc(domain, names))
    unanswered: list[str] = []
    for judgement in judgements:
        try:
            yield from judgement
        except Unavailable as error:  # one zone, such as one that SPF includes
            unanswered.append(str(error))
    if unanswered:
        yield unavailable(unanswered[0])


def _mx(domain: str, names: Names) -> Iterator[Finding]:
    servers = names.servers(domain)
    if servers == [""] or not (servers or names.has_address(domain)):
        yield finding_of(
            "domain-receives-nothing",
            f"{domain} does not receive mail, so bounces and replies are lost: add an MX record.",
        )


class _Spf:
    """SPF check of a domain (RFC 7208)."""

    def __init__(self, domain: str, names: Names) -> None:
        self._domain = domain
        self._names = names
        self._lookups = 0

    def judge(self) -> Iterator[Finding]:
        records = self._records(self._domain)
        if not records:
            yield finding_of(
                "no-spf",
                f"{self._domain} has no SPF record: add a TXT record that lists the hosts which may"
                ' send its mail, such as "v=spf1 include:... -all".',
            )
        elif len(records) > 1:
            yield finding_of(
                "several-spf",
                f"{self._domain} has {len(records)} SPF records, so receivers ignore all of them:"
                " merge them into one.",
            )
        else:
            yield from self._terms(records[0])

    def _records(self, domain: str) -> list[str]:
        return [each for each in self._names.texts(domain) if SPF.match(each)]

    def _terms(self, record: str) -> Iterator[Finding]:
        try:
            allows_all = self._walk(record)
        except ValueError as error:
            yield finding_of("bad-spf", f"The SPF record of {self._domain} is broken: {error}.")
            return
        if allows_all:
            yield finding_of(
                "spf-allows-all",
                f'The SPF record of {self._domain} lets any host send its mail: end it with "-all"'
                ' or "~all".',
            )
        if self._lookups > _MOST_LOOKUPS:
            yield finding_of(
                "spf-too-many-lookups",
                f"The SPF record of {self._domain} needs more than {_MOST_LOOKUPS} DNS lookups and"
                " fails (RFC 7208 section 4.6.4): remove some of its includes.",
            )

    def _walk(self, record: str) -> bool:
        """Follow a record; return True if it allows every host."""
        allows_all = is_over = False
        terms = [_term(each) for each in record.split()[1:]]
        names = {name for _, name, _ in terms}
        for qualifier, name, value in terms:
            # RFC 7208 sections 5.1 and 6.1: "all" disables redirect and the terms after it.
            if is_over or (name == "redirect" and "all" in names):
                continue
            if self._lookups > _MOST_LOOKUPS:
                break
            self._lookups += name in _LOOKUPS
            if name == "all":
                is_over = True
                allows_all = qualifier in ("", "+")
            elif name in ("include", "redirect"):
                # "all" in an included record does not apply here; in a redirect it does.
                allows_all |= self._follow(name, value) and name == "redirect"
        return allows_all

    def _follow(self, name: str, target: str) -> bool:
        if "%" in target:  # depends on the message
            return False
        records = self._records(target)
        if len(records) != 1:
            raise ValueError(f"{name} leads to {target}, which has {len(records)} SPF records")
        return self._walk(records[0])


def _term(written: str) -> tuple[str, str, str]:
    """Return qualifier, name and value of a term; the name of an unknown modifier is empty.

    :raises ValueError: the term is not valid.
    """
    qualifier, value = "", ""
    if (found := _MODIFIER.fullmatch(written)) is not None:
        name, value = found[1].lower(), found[2]
        if name in _MECHANISMS:
            raise ValueError(f"{written!r} is not valid, since {name} takes no =")
        name = name if name == "redirect" else ""
    elif (found := _MECHANISM.fullmatch(written)) is not None:
        qualifier, name, value = found[1], found[2].lower(), found[3] or ""
    else:
        raise ValueError(f"{written!r} is not a valid term")
    if name in ("ip4", "ip6") and ipaddress.ip_network(value, strict=False).version != int(name[2]):
        raise ValueError(f"{written!r} is not a valid term")
    if name in ("include", "redirect", "exists") and not value:
        raise ValueError(f"{name} names no domain")
    return qualifier, name, value


def _dkim(domain: str, selector: str, names: Names) -> Iterator[Finding]:
    place = f"{selector}._domainkey.{domain}"
    records = names.texts(place)
    if not records:
        yield finding_of("no-dkim", f"No DKIM key at {place}, so signatures fail: publish the key.")
        return
    tags = _tags(records[0])
    key = re.sub(r"\s", "", tags.get("p", ""))
    try:
        octets = base64.b64decode(key, validate=True)
    except binascii.Error:
        octets = b""
        key = ""
    if len(records) > 1 or not key:
        yield finding_of(
            "bad-dkim",
            f"The record at {place} contains no valid key: publish the key of the signer.",
        )
    elif tags.get("k", "rsa").lower() == "rsa" and len(octets) < _SHORTEST_KEY:
        yield finding_of(
            "weak-dkim", f"The key at {place} is shorter than 1024 bits: use one of 2048 bits."
        )


def _dmarc(domain: str, names: Names) -> Iterator[Finding]:
    labels = domain.split(".")
    # Without a policy of its own, the domain has that of the organization, found by walking up the
    # tree (DMARCbis), which needs no list of public suffixes.
    for skipped in range(max(0, min(len(labels) - 1, _MOST_LABELS))):
        owner = ".".join(labels[skipped:])
        records = [each for each in names.texts(f"_dmarc.{owner}") if DMARC.match(each)]
        if records:
            yield from _policy(domain, owner, records)
            return
    yield finding_of(
        "no-dmarc",
        f"{domain} has no DMARC record, which Gmail and Yahoo require of bulk senders: add"
        f' a TXT record at _dmarc.{domain}, such as "v=DMARC1; p=none; rua=mailto:...".',
    )


def _policy(domain: str, owner: str, records: list[str]) -> Iterator[Finding]:
    tags = _tags(records[0])
    wanted = tags.get("p", "") if owner == domain else tags.get("sp", tags.get("p", ""))
    if len(records) > 1 or wanted.lower() not in ("none", "quarantine", "reject"):
        yield finding_of(
            "bad-dmarc",
            f'_dmarc.{owner} must have exactly one DMARC record, with p="none", "quarantine" or'
            ' "reject".',
        )
        return
    if wanted.lower() == "none":
        yield finding_of(
            "dmarc-none",
            f"The DMARC record at _dmarc.{owner} has no effect (p=none): once its reports show"
            " that all mail passes, set quarantine or reject.",
        )
    strict = [name for name in ("adkim", "aspf") if tags.get(name, "").lower() == "s"]
    if strict:
        yield finding_of(
            "dmarc-strict",
            f"The DMARC record at _dmarc.{owner} is strict ({', '.join(strict)}): signatures and"
            f" the envelope sender must be of {domain} itself, not of a domain above or below it.",
        )


def _tags(record: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in record.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def unavailable(reason: str) -> Finding:
    return finding_of("dns-unavailable", f"The DNS lookup failed: {reason}")


def finding_of(code: str, advice: str) -> Finding:
    return Finding("warning", code, _KEYS, advice)
