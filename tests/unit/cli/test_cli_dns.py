"""What ``flask mail check`` says of the default sender's domain: MX, SPF, DKIM, DMARC."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import pytest
from cli_support import make_app, run, run_json
from name_server import name_server

from flask_mail.cli.dns import is_public, judge_domain
from flask_mail.cli.resolver import Resolver, Unavailable

KEY = base64.b64encode(bytes(294)).decode()
SPLIT = f'"v=DKIM1; k=rsa; p={KEY[:200]}" "{KEY[200:]}"'  # a text has 255 octets at most

GOOD: dict[tuple[str, str], list[str]] = {
    ("shop.org", "MX"): ["10 mx.shop.org."],
    ("shop.org", "TXT"): [
        '"google-site=1"',
        '"v=spf1 include:_spf.mail.org ip4:192.0.2.0/24 -all"',
    ],
    ("_spf.mail.org", "TXT"): ['"v=spf1 ip6:2001:db8::/32 a:out.mail.org " "mx ~all"'],
    ("_dmarc.shop.org", "TXT"): ['"v=DMARC1; p=reject"'],
    ("s1._domainkey.shop.org", "TXT"): [SPLIT],
}


def codes(changes: Any = None, selector: str | None = None, domain: str = "shop.org") -> list[str]:
    records = {**GOOD, **(changes or {})}
    with name_server({key: each for key, each in records.items() if each}) as address:
        return [each.code for each in judge_domain(domain, Resolver(address), selector)]


def spf(*records: str, **more: str) -> dict[tuple[str, str], list[str]]:
    others = {(name.replace("_", "."), "TXT"): [f'"{each}"'] for name, each in more.items()}
    return {("shop.org", "TXT"): [f'"{each}"' for each in records], **others}


def test_nothing_is_said_of_a_domain_that_is_set_up() -> None:
    assert codes(selector="s1") == []


@pytest.mark.parametrize("mx", [["0 ."], []])
def test_a_domain_that_takes_no_mail_loses_bounces(mx: list[str]) -> None:
    assert codes({("shop.org", "MX"): mx}) == ["domain-receives-nothing"]


@pytest.mark.parametrize(("kind", "address"), [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")])
def test_an_address_does_for_an_mx(kind: str, address: str) -> None:
    assert codes({("shop.org", "MX"): [], ("shop.org", kind): [address]}) == []


def test_a_domain_that_does_not_exist_has_nothing() -> None:
    assert codes(domain="nowhere.org") == ["domain-receives-nothing", "no-spf", "no-dmarc"]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], ["no-spf"]),
        (["v=spf10 -all", "spf1"], ["no-spf"]),
        (["v=spf1 -all", "V=SPF1 ~all"], ["several-spf"]),
        (["v=spf1"], []),
        (["v=spf1 a mx ?all"], []),
        (["v=spf1 +all"], ["spf-allows-all"]),
        (["v=spf1 all"], ["spf-allows-all"]),
        (["v=spf1 ip4:192.0.2.1 ip6:::1 exists:%{i}.a.b exp=why.a.b custom=1 -all"], []),
        (["v=spf1 include:%{d}.a.b redirect=%{d}.b"], []),
        *(
            ([f"v=spf1 {term} -all"], ["bad-spf"])
            for term in (
                *("ipv4:1.2.3.4", "ip4:1.2.3", "ip4:::1", "ip6:1.2.3.4", "ip4", "-"),
                *("include:", "include", "include=a.org", "redirect=", "exists", "include:a..b"),
            )
        ),
        (["v=spf1 -all ipv4:1.2.3.4"], ["bad-spf"]),
        (["v=spf1 include:none.org -all"], ["bad-spf"]),
    ],
)
def test_there_is_one_spf_record_that_means_something(
    records: list[str], expected: list[str]
) -> None:
    assert codes(spf(*records)) == expected


def test_a_redirect_is_followed_and_what_it_allows_counts() -> None:
    assert codes(spf("v=spf1 redirect=a.org", a_org="v=spf1 +all")) == ["spf-allows-all"]
    assert codes(spf("v=spf1 include:a.org -all", a_org="v=spf1 +all")) == []
    # With "all" it says nothing.
    assert codes(spf("v=spf1 redirect=a.org -all", a_org="v=spf1 +all")) == []


def test_questions_are_counted_also_in_what_is_included() -> None:
    ten = spf("v=spf1 include:a.org -all", a_org="v=spf1 " + "a " * 9)
    assert codes(ten) == []
    eleven = spf("v=spf1 include:a.org -all", a_org="v=spf1 " + "a " * 10)
    assert codes(eleven) == ["spf-too-many-lookups"]
    behind_all = spf("v=spf1 include:a.org -all", a_org="v=spf1 -all " + "a " * 20)
    assert codes(behind_all) == []


def test_what_one_zone_does_not_answer_keeps_nothing_else_back() -> None:
    records = {
        **GOOD,
        ("_spf.mail.org", "TXT"): [],
        ("_dmarc.shop.org", "TXT"): ['"v=DMARC1; p=none"'],
    }
    with name_server(records) as address:
        found = [each.code for each in judge_domain("shop.org", Resolver(address))]

    assert found == ["dmarc-none", "dns-unavailable"]


def test_records_that_include_each_other_have_an_end() -> None:
    assert codes(spf("v=spf1 include:shop.org -all")) == ["spf-too-many-lookups"]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ([], ["no-dkim"]),
        (['"v=DKIM1; p="'], ["bad-dkim"]),
        (['"v=DKIM1; k=rsa"'], ["bad-dkim"]),
        (['"p=%%%"'], ["bad-dkim"]),
        ([SPLIT, '"v=DKIM1; p=AAAA"'], ["bad-dkim"]),
        ([f'"p={base64.b64encode(bytes(94)).decode()}"'], ["weak-dkim"]),
        ([f'"k=ed25519; p={base64.b64encode(bytes(32)).decode()}"'], []),
    ],
)
def test_the_key_of_signatures_is_there_and_strong(record: list[str], expected: list[str]) -> None:
    assert codes({("s1._domainkey.shop.org", "TXT"): record}, "s1") == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ([], ["no-dmarc"]),
        (['"v=DMARC10; p=none"'], ["no-dmarc"]),
        (['"v=DMARC1; p=none"'], ["dmarc-none"]),
        (['"v=DMARC1; p=all"'], ["bad-dmarc"]),
        (['"v=DMARC1"'], ["bad-dmarc"]),
        (['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'], ["bad-dmarc"]),
        (['"v=DMARC1; p=Quarantine; adkim=s; aspf=r"'], ["dmarc-strict"]),
    ],
)
def test_the_policy_is_there_and_one(record: list[str], expected: list[str]) -> None:
    assert codes({("_dmarc.shop.org", "TXT"): record}) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [("v=DMARC1; p=reject", []), ("v=DMARC1; p=reject; sp=none", ["dmarc-none"])],
)
def test_the_policy_of_the_organization_counts_below_it(record: str, expected: list[str]) -> None:
    changes = {
        ("mail.shop.org", "MX"): ["10 mx.shop.org."],
        ("mail.shop.org", "TXT"): ['"v=spf1 -all"'],
        ("_dmarc.shop.org", "TXT"): [f'"{record}"'],
    }

    assert codes(changes, domain="mail.shop.org") == expected


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


def test_the_command_tells_it_among_the_rest() -> None:
    with name_server({**GOOD, ("_dmarc.shop.org", "TXT"): ['"v=DMARC1; p=none"']}) as address:
        (found,) = check("--dns-server", address, "--dkim-selector", "s1")

    assert (found["level"], found["code"]) == ("warning", "dmarc-none")
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
        ("_spf.mail.org", "TXT"): ['"v=spf1 -all"'],
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
    assert "domain-receives-nothing" in printed
    assert report["dns"][0] == {"purpose": "MX", "name": "example.com", "values": [""]}
    assert report["dns"][3]["values"] == []


def test_without_the_library_that_is_told_to_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=1, MAIL_DEFAULT_SENDER="me@shop.org")
    (found,) = check("--dns")

    assert found["code"] == "dns-missing"
    assert "pip install Flask-Mail[dns]" in found["advice"]
    assert run_json(app, "check", status=1)["findings"] == []


def test_a_name_server_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_mail.cli.resolver._SECONDS", 0.01)
    with name_server(GOOD, answers=False) as address:
        (found,) = check("--dns-server", address)

    assert found["code"] == "dns-unavailable"


def test_all_questions_together_have_an_end() -> None:
    now = [0.0]
    with name_server(GOOD) as address:
        resolver = Resolver(address, clock=lambda: now[0])
        assert resolver.servers("shop.org") == ["mx.shop.org"]
        now[0] = 10.0
        with pytest.raises(Unavailable, match="more than 10 seconds"):
            resolver.servers("shop.org")


@pytest.mark.parametrize("server", ["nowhere", "127.0.0.1:dns", "127.0.0.1:65536", "127.0.0.1:-1"])
def test_what_is_no_address_of_a_server_is_told(server: str) -> None:
    (found,) = check("--dns-server", server)

    assert found["code"] == "dns-unavailable"
    assert f"'{server}' is not an address such as 192.0.2.53" in found["advice"]


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
