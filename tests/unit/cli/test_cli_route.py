"""``flask mail route``: rules, failover, throttle, errors."""

from __future__ import annotations

import json
import re

import pytest
from cli_support import make_app, run
from dkim_judges import ed25519_pem

MAILERS = {
    "default": {
        "BACKEND": "routes",
        "RULES": [
            {"tag": "news", "mailer": "bulk"},
            {"to": "*@example.com", "larger_than": "1 MB", "mailer": "large"},
            {"metadata": {"shop": "de"}, "mailer": "null"},
            {"sender": "vip@example.com", "mailer": "large"},
            {"mailer": "safe"},
        ],
    },
    "bulk": {"BACKEND": "throttle", "MAILER": "safe", "RATE": "14/second"},
    "safe": {"BACKEND": "failover", "MAILERS": ["large", "spare"]},
    "large": "smtp://smtp.example.com",
    "spare": "null",
}


def route(*arguments, status=0):
    result = run(make_app(MAIL_MAILERS=MAILERS), "route", *arguments, status=status)
    return result.output.splitlines()


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            ["--tag", "news"],
            [
                "default (routes): rule 1 of 5: tag news",
                "bulk (throttle): 14/second",
                "safe (failover): spare would take over",
                "large (smtp)",
            ],
        ),
        (
            ["--size", "2MB"],
            ["default (routes): rule 2 of 5: to *@example.com, larger_than 1 MB", "large (smtp)"],
        ),
        (
            ["--metadata", "shop=de"],
            ["default (routes): rule 3 of 5: metadata shop=de", "null (null)"],
        ),
        (
            ["--from", "vip@example.com"],
            ["default (routes): rule 4 of 5: sender vip@example.com", "large (smtp)"],
        ),
        (
            [],
            [
                "default (routes): rule 5 of 5: no conditions",
                "safe (failover): spare would take over",
                "large (smtp)",
            ],
        ),
        (["--mailer", "spare"], ["spare (null)"]),
    ],
)
def test_route_of_a_message(arguments, lines):
    assert route("--to", "ann@example.com", *arguments) == lines


def test_route_as_json():
    [report] = [json.loads("".join(route("--to", "a@example.com", "--tag", "news", "--json")))]
    assert [each["mailer"] for each in report["steps"]] == ["default", "bulk", "safe", "large"]
    assert report["steps"][0]["rule"] == 1
    assert report["steps"][2]["then"] == ["spare"]


def test_failover_passes_over_a_mailer_without_support():
    tagged = route("--to", "a@example.com", "--tag", "other", "--mailer", "safe")
    assert tagged == ["safe (failover)", "spare (null)"]


@pytest.mark.parametrize(
    ("mailer", "before"),
    [("large", []), ("unable", []), ("chosen", ["chosen (routes): rule 1 of 2"])],
)
def test_mailer_that_would_not_send_the_message_says_so(mailer, before):
    rules = [{"to": "a@example.com", "mailer": "large"}, {"mailer": "spare"}]
    mailers = {
        **MAILERS,
        "unable": {"BACKEND": "failover", "MAILERS": ["large", "smtp"]},
        "chosen": {"BACKEND": "routes", "RULES": rules},
    }
    arguments = ["--to", "a@example.com", "--tag", "news", "--mailer", mailer]
    result = run(make_app(MAIL_MAILERS=mailers), "route", *arguments, status=1)
    *steps, last = result.output.splitlines()
    assert [each.partition(": to")[0] for each in steps] == before
    assert re.fullmatch(r"(large|unable) \(\w+\): not sent\. .* does not support tags: .*", last)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--size", "big"], 2, "Invalid value for '--size': must be a size in octets"),
        (["--mailer", "bulc"], 2, "Invalid value for '--mailer': MAIL_MAILERS has no mailer"),
        (["--mailer", "bulc"], 2, "did you mean 'bulk'"),
        (["--metadata", "shop"], 2, "Invalid value for '--metadata': write KEY=VALUE."),
        (["--to", "b@"], 1, "Error: "),
    ],
)
def test_wrong_values_are_errors(arguments, status, says):
    *_, line = route("--to", "a@example.com", *arguments, status=status)
    assert says in line


def test_route_through_a_signing_mailer():
    key = {"DOMAIN": "example.com", "SELECTOR": "s1", "KEY": ed25519_pem()}
    mailers = {"default": {"BACKEND": "dkim", "MAILER": "large", **key}, "large": MAILERS["large"]}
    output = run(make_app(MAIL_MAILERS=mailers), "route", "--to", "ann@example.com").output
    assert output.splitlines() == ["default (dkim)", "large (smtp)"]


def test_flat_settings_and_no_default_sender():
    app = make_app(MAIL_DEFAULT_SENDER=None, MAIL_BACKEND="null")
    assert run(app, "route", "--to", "a@example.com").output == "null (null)\n"
