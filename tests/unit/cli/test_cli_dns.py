"""DNS records of the default sender's domain in ``flask mail check``: MX, SPF, DKIM, DMARC."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import pytest
from cli_support import make_app, run, run_json
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from dkim_judges import ed25519_pem
from name_server import name_server

from flask_mail.backends import DkimRecord
from flask_mail.backends.dkim_keys import SigningKey
from flask_mail.cli import output
from flask_mail.cli.dns import DomainReport, is_public, report_on, report_on_keys

KEY = base64.b64encode(bytes(294)).decode()
SPLIT = f'"v=DKIM1; k=rsa; p={KEY[:200]}" "{KEY[200:]}"'  # a text has 255 octets at most

GOOD: dict[tuple[str, str], list[str]] = {
    ("shop.org", "MX"): ["10 mx.shop.org."],
    ("shop.org", "TXT"): ['"google-site=1"', '"v=spf1 ip4:192.0.2.0/24 -all"'],
    ("_dmarc.shop.org", "TXT"): ['"v=DMARC1; p=reject"'],
    ("s1._domainkey.shop.org", "TXT"): [SPLIT],
}


def report(changes: Any = None, selector: str | None = None, domain: str = "shop.org") -> Any:
    records = {**GOOD, **(changes or {})}
    with name_server({key: each for key, each in records.items() if each}) as address:
        return report_on(domain, selector, address, asked_for=True)


def codes(found: DomainReport) -> list[str]:
    return [each.code for each in found.findings]


def test_domain_with_all_records_has_no_findings() -> None:
    found = report(selector="s1")
    assert codes(found) == []
    assert [(each.purpose, each.name, each.values) for each in found.records] == [
        ("MX", "shop.org", ["mx.shop.org"]),
        ("SPF", "shop.org", ["v=spf1 ip4:192.0.2.0/24 -all"]),
        ("DKIM", "s1._domainkey.shop.org", [f"v=DKIM1; k=rsa; p={KEY}"]),
        ("DMARC", "_dmarc.shop.org", ["v=DMARC1; p=reject"]),
    ]


def test_progress_is_shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda stream: True)
    found = report(selector="s1")
    assert "Asking DNS" in capsys.readouterr().err
    assert len(found.records) == 4
    with name_server({}) as address:
        report_on_keys([DkimRecord("a._domainkey.shop.org", "p=x")], address, asked_for=True)
    shown = capsys.readouterr()
    assert "Asking DNS" in shown.err
    assert not shown.out


def test_dkim_is_checked_only_with_a_selector() -> None:
    assert [each.purpose for each in report().records] == ["MX", "SPF", "DMARC"]


def test_domain_that_does_not_exist_has_no_records() -> None:
    found = report(domain="nowhere.org", selector="s1")
    assert [each.values for each in found.records] == [[]] * 4
    assert codes(found) == ["no-spf", "no-dkim", "no-dmarc"]


def test_top_level_domain_can_have_a_policy() -> None:
    found = report({("_dmarc.bank", "TXT"): ['"v=DMARC1; p=reject"']}, domain="bank")
    assert codes(found) == ["no-spf"]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], ["no-spf"]),
        (["v=spf10 -all", "spf1"], ["no-spf"]),
        (["v=spf1 -all", "V=SPF1 ~all"], ["several-spf"]),
        (["v=spf1"], []),
        (["v=spf1 include:_spf.mail.org ~all", "spf2.0/pra"], []),
    ],
)
def test_spf_record_must_be_unique(records: list[str], expected: list[str]) -> None:
    assert codes(report({("shop.org", "TXT"): [f'"{each}"' for each in records]})) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ([], ["no-dkim"]),
        (['"v=DKIM1; p="'], ["no-dkim"]),
        (['"v=DKIM1; p=; t=s"'], ["no-dkim"]),
        (['"v=DKIM1; k=rsa"'], ["no-dkim"]),
        (['"v=spf1 -all"'], ["no-dkim"]),  # as of a wildcard
        ([f'"p={KEY[:200]}"'], []),
        ([f'"k=ed25519; p = {base64.b64encode(bytes(32)).decode()}"'], []),
    ],
)
def test_dkim_key_must_exist(record: list[str], expected: list[str]) -> None:
    found = report({("s1._domainkey.shop.org", "TXT"): record}, "s1")
    assert codes(found) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ([], ["no-dmarc"]),
        (['"v=DMARC10; p=none"'], ["no-dmarc"]),
        (['"v=DMARC1; p=none"'], []),
    ],
)
def test_dmarc_record_must_exist(record: list[str], expected: list[str]) -> None:
    found = report({("_dmarc.shop.org", "TXT"): record})
    assert codes(found) == expected
    assert found.records[-1].name == "_dmarc.shop.org"


def test_dmarc_record_of_the_organization_applies_to_subdomains() -> None:
    found = report({("a.mail.shop.org", "TXT"): ['"v=spf1 -all"']}, domain="a.mail.shop.org")

    assert codes(found) == []
    assert found.records[-1].name == "_dmarc.shop.org"


def test_failed_lookup_keeps_the_records_before_it() -> None:
    with name_server({**GOOD, ("_dmarc.shop.org", "TXT"): []}) as address:
        found = report_on("shop.org", None, address, asked_for=True)

    assert [each.purpose for each in found.records] == ["MX", "SPF"]
    assert codes(found) == ["dns-unavailable"]


def test_invalid_domain_is_an_error() -> None:
    (finding,) = report(domain="a..b").findings
    assert (finding.code, finding.advice) == (
        "dns-unavailable",
        "The DNS lookup failed: A DNS label is empty.",
    )


@pytest.mark.parametrize(
    ("domain", "public"),
    [
        *(("shop.org", True), ("a.shop.co.uk", True), ("myexample.com", True)),
        *(("localhost", False), ("a.test", False), ("mail.example.com", False)),
        *(("printer.local", False), ("[192.0.2.1]", False)),
    ],
)
def test_only_domains_that_others_can_know_are_asked_for(domain: str, public: bool) -> None:
    assert is_public(domain) is public


# --- The command ---------------------------------------------------------------------------------


def check(*arguments: str, sender: str = "me@shop.org", **config: Any) -> list[dict[str, Any]]:
    app = make_app(MAIL_BACKEND="null", MAIL_DEFAULT_SENDER=sender, **config)
    app.testing = True
    found: list[dict[str, Any]] = json.loads(run(app, "check", "--json", *arguments).stdout)[
        "findings"
    ]
    return found


def test_command_reports_missing_records_as_warnings() -> None:
    with name_server({key: GOOD[key] for key in GOOD if key[0] != "_dmarc.shop.org"}) as address:
        (found,) = check("--dns-server", address, "--dkim-selector", "s1")

    assert (found["level"], found["code"]) == ("warning", "no-dmarc")
    assert "_dmarc.shop.org" in found["advice"]


def test_only_a_backend_that_sends_by_smtp_is_asked_about_unless_told_to() -> None:
    assert check() == []


def test_name_servers_are_left_alone_if_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns.resolver", None)

    assert check("--no-dns", "--dkim-selector", "a") == []


def test_check_of_a_private_domain_says_that_it_is_skipped() -> None:
    (found,) = check("--dns", sender="me@localhost")
    assert found["code"] == "dns-skipped"
    assert "localhost is not a public domain" in found["advice"]

    found = check("--dns", sender="")[-1]
    assert found["code"] == "dns-skipped"
    assert "set MAIL_DEFAULT_SENDER" in found["advice"]

    app = make_app(MAIL_BACKEND="null", TESTING=True, MAIL_DEFAULT_SENDER="me@localhost")
    assert "dns-skipped: DNS was not checked: localhost" in run(app, "check", "--dns").stdout


def test_default_check_skips_a_private_domain_silently() -> None:
    app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=1, MAIL_DEFAULT_SENDER="me@localhost")

    assert run_json(app, "check", status=1)["findings"] == []


def test_records_of_a_named_domain_are_printed() -> None:
    records = {
        ("example.com", "MX"): ["0 ."],
        ("example.com", "TXT"): ['"google-site=1"', '"v=spf1 include:_spf.mail.org -all"'],
        ("s1._domainkey.example.com", "TXT"): [SPLIT],
    }
    app = make_app(MAIL_BACKEND="null", TESTING=True)
    with name_server(records) as address:
        arguments = ("--dns", "example.com", "--dns-server", address, "--dkim-selector", "s1")
        printed = run(app, "check", *arguments).stdout
        report = json.loads(run(app, "check", "--json", *arguments).stdout)

    lines = printed.splitlines()
    start = lines.index("MX      example.com: null MX")
    assert lines[start + 1] == "SPF     example.com: v=spf1 include:_spf.mail.org -all"
    assert lines[start + 2].startswith("DKIM    s1._domainkey.example.com: v=DKIM1; k=rsa; p=")
    assert lines[start + 3] == "DMARC   _dmarc.example.com: not found"
    assert "no-dmarc: _dmarc.example.com has no DMARC record" in printed
    first = {"purpose": "MX", "name": "example.com", "values": [""], "note": ""}
    assert report["dns"][0] == first
    assert report["dns"][3]["values"] == []


def test_without_the_library_that_is_told_to_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=1, MAIL_DEFAULT_SENDER="me@shop.org")
    (found,) = check("--dns")

    assert found["code"] == "dns-missing"
    assert 'pip install "path/to/flask-mail[dns]"' in found["advice"]
    assert run_json(app, "check", status=1)["findings"] == []


def test_a_name_server_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_mail.cli.dns._SECONDS", 0.01)
    with name_server(GOOD, answers=False) as address:
        (found,) = check("--dns-server", address)

    assert found["code"] == "dns-unavailable"


@pytest.mark.parametrize("server", ["nowhere", "127.0.0.1:dns", "127.0.0.1:65536", "127.0.0.1:-1"])
def test_name_server_that_is_not_an_address_is_a_usage_error(server: str) -> None:
    result = run(make_app(), "check", "--no-dns", "--dns-server", server, status=2)

    assert "Invalid value for '--dns-server'" in result.stderr
    assert f"'{server}' is not an address such as 192.0.2.53" in result.stderr


@pytest.mark.parametrize("domain", ["not a domain", "a..b", "x" * 64 + ".org", "a\nb.org"])
def test_domain_that_is_not_valid_is_a_usage_error(domain: str) -> None:
    result = run(make_app(), "check", "--no-dns", "--dns", domain, status=2)

    *_, line = result.stderr.splitlines()
    assert line.startswith("Error: Invalid value for '--dns': ")
    assert "domain" in line or "U+000A" in line
    assert line.endswith(".")


def test_a_system_that_names_no_server_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import dns.resolver

    def fail(*args: Any, **kwargs: Any) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", fail)
    (found,) = check("--dns")

    assert found["code"] == "dns-unavailable"


def test_the_servers_of_the_system_are_asked_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    import dns.resolver

    with name_server(GOOD) as address:
        host, _, port = address.partition(":")

        def read(self: Any, f: Any) -> None:
            self.nameservers, self.port = [host], int(port)

        monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", read)
        assert check("--dns") == []


# --- Keys that sign ------------------------------------------------------------------------------

OWN = SigningKey("shop.org", "s1", "ed25519", load_pem_private_key(ed25519_pem().encode(), None))


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        (f'"{OWN.record.value}"', []),
        (f'"k=ed25519; p= {OWN.record.value[-44:-20]}" " {OWN.record.value[-20:]} ; t=s"', []),
        (f'"{OWN.record.value}; t=y"', [("warning", "dkim-testing")]),
        (f'"{OWN.record.value}; t=s:y"', [("warning", "dkim-testing")]),
        (SPLIT, [("error", "dkim-other-key")]),
        # Without k=, it is RSA (RFC 6376 section 3.6.1).
        (f'"v=DKIM1; p={OWN.record.value[-44:]}"', [("error", "dkim-other-key")]),
        ('"v=DKIM1; p="', [("error", "no-dkim")]),
        ("", [("error", "no-dkim")]),
    ],
    ids=[
        *("own", "own in two strings", "test", "test and strict", "other", "other kind"),
        *("revoked", "missing"),
    ],
)
def test_published_key_must_be_that_of_the_signer(published: str, expected: list[Any]) -> None:
    records = {(OWN.record.name, "TXT"): [published]} if published else {}
    with name_server(records) as address:
        found = report_on_keys([OWN.record], address, asked_for=True)
    assert [(each.level, each.code) for each in found.findings] == expected
    assert [(each.purpose, each.name) for each in found.records] == [("DKIM", OWN.record.name)]
    assert ["matches the key" in each.note for each in found.records] == [not expected]
    for each in found.findings:
        assert each.level == "warning" or f'publish "{OWN.record.value}"' in each.advice


def test_command_looks_for_the_keys_of_each_mailer_that_signs() -> None:
    key = {"SELECTOR": "s1", "KEY": ed25519_pem()}
    signer = {"BACKEND": "dkim", "MAILER": "locmem", "DOMAINS": {"shop.org": key, "a.test": key}}
    broken = {
        "BACKEND": "dkim",
        "MAILER": "locmem",
        "DOMAINS": {"shop.org": {**key, "KEY": "/no/key"}},
    }
    app = make_app(
        MAIL_MAILERS={"default": signer, "other": signer, "broken": broken, "local": "null"},
        MAIL_DEFAULT_SENDER="me@localhost",
    )
    with name_server({("shop.org", "MX"): ["0 ."]}) as address:
        command = ("check", "--all", "--json", "--dns-server", address)
        report = json.loads(run(app, *command, status=1).stdout)
        command = (*command, "--no-dns")
        assert json.loads(run(app, *command, status=1).stdout)["dns"] == []
    assert [each["code"] for each in report["findings"]].count("no-dkim") == 1
    assert [each["name"] for each in report["dns"]] == ["s1._domainkey.shop.org"]
    assert "PRIVATE" not in json.dumps(report)


def test_command_says_that_a_published_key_matches() -> None:
    key = {"SELECTOR": "s1", "KEY": ed25519_pem()}
    signer = {"BACKEND": "dkim", "MAILER": "locmem", "DOMAINS": {"shop.org": key}}
    app = make_app(MAIL_MAILERS={"default": signer}, MAIL_DEFAULT_SENDER="me@shop.org")
    with name_server({**GOOD, (OWN.record.name, "TXT"): [f'"{OWN.record.value}"']}) as address:
        command = ("check", "--dns", "--dns-server", address, "--dkim-selector", "s1")
        lines = run(app, *command).stdout.splitlines()
    assert "ok      sign     shop.org by s1 (ed25519)" in lines
    assert "skipped locmem: connect the locmem backend has no connection to test" in lines
    (line,) = [each for each in lines if each.startswith("DKIM")]
    assert line == (f"DKIM    {OWN.record.name}: {OWN.record.value} (matches the key that signs)")


def test_missing_library_is_one_finding_with_keys_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    key = {"SELECTOR": "s1", "KEY": ed25519_pem()}
    signer = {"BACKEND": "dkim", "MAILER": "locmem", "DOMAINS": {"shop.org": key}}
    app = make_app(MAIL_MAILERS={"default": signer}, MAIL_DEFAULT_SENDER="me@shop.org")
    found = json.loads(run(app, "check", "--dns", "--json").stdout)["findings"]
    assert [each["code"] for each in found] == ["dns-missing"]
