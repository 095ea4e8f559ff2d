"""``flask mail`` in an app that has several mailers."""

from __future__ import annotations

import json
import re
from typing import ClassVar

import pytest
from cli_support import backend_source, install, make_app, run, run_json
from dkim_judges import ed25519_pem
from servers import smtp_server

from flask_mail import Mail
from flask_mail.backends import Backend, Feature, ProbeStep, Secret


class Pair(Backend):
    """Made of two mailers."""

    name = "pair"
    features = frozenset(Feature)

    def __init__(self, *, mailers=(), pin: Secret = None):
        self.mailers = mailers

    @classmethod
    def parts(cls, options):
        return options["mailers"]

    def probe(self, sender):
        yield ProbeStep("both", "ok")

    def deliver(self, mail, session):
        return self.accepted(mail)


class Store(Backend):
    """Puts messages into a queue."""

    name = "store"
    external = False

    def deliver(self, mail, session):
        return self.queued(mail, "number 7")

    def probe(self, sender):
        yield ProbeStep("store", "ok", f"of {self.mailer}")


class Later(Store):
    """A queue whose messages may be signed."""

    name = "later"
    features = frozenset(Feature)
    is_queue = True


def shop(**mailers):
    return make_app(MAIL_MAILERS=mailers, TESTING=True)


def rows_of(app):
    return {each["name"]: each for each in run_json(app, "mailers")["mailers"]}


def codes_of(app, status=0, *args):
    return {each["code"]: each for each in checked(app, *args, status=status)["findings"]}


def checked(app, *args, status=0):
    return json.loads(run(app, "check", "--json", *args, status=status).stdout)


class TestList:
    def test_each_mailer_is_shown_with_its_backend_and_place(self):
        app = shop(
            bulk="smtp://ann:hunter-1@bulk.example.com:2525",
            box={"BACKEND": "file", "path": "/var/mail/box"},
            six={"SERVER": "::1", "PORT": 25},
            pair={"BACKEND": Pair, "MAILERS": ["bulk", "box"], "PIN": "hunter-2"},
        )
        output = run(app, "mailers").stdout
        assert [re.split("  +", line.strip()) for line in output.splitlines()] == [
            ["No mail leaves this machine: locmem gets it (TESTING)."],
            [""],
            ["NAME", "BACKEND", "TO", "NOW"],
            ["default", "smtp", "localhost", "locmem (TESTING)"],
            ["bulk", "smtp", "bulk.example.com:2525", "locmem (TESTING)"],
            ["box", "file", "/var/mail/box"],
            ["six", "smtp", "[::1]:25", "locmem (TESTING)"],
            ["pair", f"{__name__}:Pair", "bulk, box", "locmem (TESTING)"],
        ]
        assert "hunter" not in run(app, "mailers", "--json").stdout

    def test_json_tells_what_replaces_a_mailer_and_why(self):
        assert rows_of(shop(bulk="smtp://bulk.example.com"))["bulk"] == {
            "name": "bulk",
            "backend": "smtp",
            "defined_by": "MAIL_MAILERS['bulk']",
            "to": "bulk.example.com",
            "children": [],
            "replaced_by": "locmem",
            "reason": "TESTING",
            "error": None,
        }

    def test_an_app_without_mailers_has_the_default_one(self):
        rows = rows_of(make_app(MAIL_BACKEND="null"))
        assert list(rows) == ["default"]
        assert (rows["default"]["backend"], rows["default"]["to"]) == ("null", None)

    def test_broken_mailers_are_listed_with_their_errors(self):
        class Wrong(Pair):
            @classmethod
            def parts(cls, options):
                raise LookupError("hunter-1")

        app = shop(
            gone={"BACKEND": "smpt"},
            bad="smtp://ann:hunter-1",
            wrong={"BACKEND": Wrong, "PIN": "hunter-1"},
            fine="smtp://bulk.example.com",
        )
        output = run(app, "mailers").stdout
        assert "Problem with gone: MAIL_MAILERS['gone']['BACKEND'] 'smpt' is not inst" in output
        assert "Problem with bad: MAIL_MAILERS['bad'] has a host or port" in output
        assert "Problem with wrong: LookupError: ***" in output
        assert re.search("^gone +smpt +broken$", output, re.M)
        assert "fine  " in output

    def test_mailers_that_are_no_dict_are_one_broken_default(self):
        row = rows_of(make_app(MAIL_MAILERS="bulk"))["default"]
        assert row["error"].startswith("MAIL_MAILERS must be a dict")


class TestSend:
    def test_a_message_is_sent_by_the_mailer(self):
        app = shop(bulk="smtp://bulk.example.com")
        output = run(app, "send", "--mailer", "bulk", "ann@example.com").stdout
        assert re.search("^mailer +bulk$", output, re.M)
        assert "TESTING replaces smtp with locmem." in output
        assert [each.mailer for each in app.extensions["mail"].outbox] == ["bulk"]

    def test_the_default_mailer_is_not_named(self):
        assert "mailer" not in run(shop(), "send", "ann@example.com").stdout

    def test_an_unknown_mailer_is_a_wrong_option(self):
        app = shop(bulk="smtp://bulk.example.com")
        output = run(app, "send", "--mailer", "blk", "ann@example.com", status=2).output
        assert "Invalid value for '--mailer': MAIL_MAILERS has no mailer 'blk'" in output
        assert "did you mean 'bulk'?" in output

    def test_a_mailer_with_wrong_settings_is_the_reason(self):
        app = shop(bulk={"SERVRE": "bulk.example.com"})
        app.config["TESTING"] = False
        output = run(app, "send", "--mailer", "bulk", "ann@example.com", status=1).output
        assert "Not sent: MAIL_MAILERS['bulk']['SERVRE'] is not an option" in output
        app.config["MAIL_MAILERS"] = {"bulk": 5}
        output = run(app, "send", "--mailer", "bulk", "ann@example.com", status=1).output
        assert "Not sent: MAIL_MAILERS['bulk'] must be a dict of options" in output

    def test_a_backend_and_a_mailer_cannot_be_combined(self):
        args = ("--mailer", "default", "--backend", "null", "ann@example.com")
        assert "cannot be combined" in run(shop(), "send", *args, status=2).output

    def test_a_queued_message_is_a_success(self):
        app = shop(later={"BACKEND": Store})
        output = run(app, "send", "--mailer", "later", "ann@example.com").stdout
        assert re.search("^outcome +queued$", output, re.M)
        assert re.search("^response +number 7$", output, re.M)


class Behind(Backend):
    """A queue that delivers by another mailer, and has no connection to try."""

    name = "behind"
    is_queue = True

    def __init__(self, *, mailer: str) -> None:
        self.target = mailer

    @classmethod
    def parts(cls, options):
        return [options["mailer"]]

    def deliver(self, mail, session):
        raise NotImplementedError


class TestCheckOfComposites:
    MAILERS: ClassVar = {
        "default": {"BACKEND": Behind, "MAILER": "orders"},
        "orders": {"BACKEND": "failover", "MAILERS": ["primary", "null", Store]},
        "primary": "smtp://localhost:1",
        "news": {"BACKEND": "throttle", "MAILER": "primary", "RATE": "1/hour"},
    }

    def test_mailers_behind_a_queue_are_tried(self):
        app = make_app(MAIL_MAILERS=self.MAILERS)
        result = run(app, "check", "--no-dns", status=1)
        assert result.stdout.startswith("Found 1 problem")
        assert "\nfailed  primary: connect: Could not connect to localhost:1" in result.stdout
        assert "\nfailed  primary: connect see above\n" in result.stdout
        assert (
            "\nskipped null: connect the null backend has no connection to test\n" in result.stdout
        )
        steps = run_json(app, "check", status=1)["steps"]
        assert [(each["mailer"], each["name"], each["status"]) for each in steps] == [
            (None, "build", "ok"),
            ("primary", "connect", "failed"),
            ("null", "connect", "skipped"),
            (f"{__name__}:Store", "store", "ok"),
        ]

    def test_steps_of_a_part_in_common_are_printed_once(self):
        mailers = {
            "default": {"BACKEND": "failover", "MAILERS": ["one", "other"]},
            "one": {"BACKEND": "roundrobin", "MAILERS": ["null", Store]},
            "other": {"BACKEND": "roundrobin", "MAILERS": [Store, "null"]},
        }
        steps = run_json(make_app(MAIL_MAILERS=mailers), "check")["steps"]
        assert [each["name"] for each in steps] == ["build", "connect", "store"]

    def test_each_child_is_tried_and_counted_once(self, monkeypatch):
        tried = []
        probe = Store.probe
        monkeypatch.setattr(Store, "probe", lambda *given: tried.append(given) or probe(*given))
        app = make_app(MAIL_MAILERS={**self.MAILERS, "spare": {"BACKEND": "dead"}})
        app.config["MAIL_MAILERS"]["spare"] = "smtp://localhost:2"
        output = run(app, "check", "--all", "--no-dns", status=1).stdout
        assert output.startswith("Found 2 problems")
        assert output.count("Could not connect to localhost:1") == 1
        assert len(tried) == 1

    def test_composite_of_a_plugin_reports_its_own_steps(self):
        class Own(Behind):
            is_queue = False

            def probe(self, sender):
                yield ProbeStep("own", "ok")

        app = make_app(MAIL_MAILERS={**self.MAILERS, "default": {"BACKEND": Own, "MAILER": "news"}})
        assert [each["name"] for each in run_json(app, "check")["steps"]] == ["build", "own"]

    def test_steps_of_a_queue_are_followed_by_those_of_its_mailer(self):
        class Queue(Behind):
            is_queue = True

            def probe(self, sender):
                yield ProbeStep("tables", "ok")

        mailers = {
            "default": {"BACKEND": "routes", "RULES": [{"mailer": "later"}]},
            "later": {"BACKEND": Queue, "MAILER": "news"},
            "news": "null",
        }
        steps = run_json(make_app(MAIL_MAILERS=mailers), "check")["steps"]
        assert [(each["name"], each["mailer"]) for each in steps] == [
            ("build", None),
            ("tables", "later"),
            ("connect", "news"),
        ]


class TestNotes:
    @pytest.mark.parametrize(
        ("settings", "note"),
        [
            (
                {"MAIL_REDIRECT_TO": "qa@example.com, me@example.com"},
                "All mail goes to qa@example.com, me@example.com (MAIL_REDIRECT_TO).",
            ),
            (
                {"MAIL_REDIRECT_TO": "qa@example.com", "MAIL_ALLOWED_RECIPIENTS": "*@x.example"},
                "Mail goes to qa@example.com (MAIL_REDIRECT_TO), except to recipients that"
                " MAIL_ALLOWED_RECIPIENTS allows.",
            ),
            (
                {"MAIL_ALLOWED_RECIPIENTS": "*@x.example"},
                "Mail only goes to recipients that MAIL_ALLOWED_RECIPIENTS allows; others are"
                " refused.",
            ),
            (
                {"MAIL_ALLOWED_RECIPIENTS": ""},
                "All mail is refused: MAIL_ALLOWED_RECIPIENTS is empty.",
            ),
            (
                {"MAIL_REDIRECT_TO": ""},
                "No mail is sent: MAIL_REDIRECT_TO must be an address, or a list of them, not ''.",
            ),
            ({"TESTING": True}, "No mail leaves this machine: locmem gets it (TESTING)."),
            (
                {"MAIL_SUPPRESS_SEND": True},
                "No mail leaves this machine: null gets it (MAIL_SUPPRESS_SEND).",
            ),
        ],
    )
    def test_what_happens_to_mail_instead_is_at_the_top(self, settings, note):
        app = make_app(MAIL_MAILERS={"default": "console", "bulk": "smtp://localhost"}, **settings)
        for command in ("mailers", "backends"):
            assert run(app, command).stdout.splitlines()[:2] == [note, ""]
            assert run_json(app, command)["notes"] == [note]
        status = 1 if settings.get("MAIL_REDIRECT_TO") == "" else 0
        assert run(app, "check", status=status).stdout.splitlines()[1] == note
        assert run_json(app, "check", status)["notes"] == [note]

    def test_nothing_is_said_if_mail_is_sent(self):
        app = make_app(MAIL_MAILERS={"bulk": "smtp://localhost"})
        assert run(app, "mailers").stdout.startswith("NAME")
        assert run_json(app, "mailers")["notes"] == []

    def test_wrong_mailers_are_reported_elsewhere(self):
        assert run_json(make_app(MAIL_MAILERS=7), "backends")["notes"] == []


class TestCheck:
    def test_one_mailer_is_tried_by_name(self):
        with smtp_server() as server:
            app = shop(bulk=f"smtp://{server.host}:{server.port}", later={"BACKEND": Store})
            report = checked(app, "--mailer", "bulk")
            assert list(report["mailers"]) == ["bulk"]
            assert report["steps"] == report["mailers"]["bulk"]["steps"]
            assert {"connect", "build"} <= {each["name"] for each in report["steps"]}
            assert report["backend"]["wanted_by"] == "MAIL_MAILERS['bulk']"
            output = run(app, "check", "--mailer", "bulk").stdout
            assert (
                "Mailer 'bulk': locmem (TESTING), instead of smtp (MAIL_MAILERS['bulk'])." in output
            )

    def test_all_mailers_are_tried(self):
        app = shop(default={"BACKEND": Store}, other={"BACKEND": Store}, box="null")
        output = run(app, "check", "--all").stdout
        assert f"Backend: {__name__}:Store (MAIL_MAILERS['default']).\nok" in output
        assert f"\n\nMailer 'other': {__name__}:Store (MAIL_MAILERS['other']).\n" in output
        assert re.search("^ok +store +of other$", output, re.M)
        report = checked(app, "--all")
        assert list(report["mailers"]) == ["default", "other", "box"]
        assert report["steps"] == report["mailers"]["default"]["steps"]

    def test_a_step_of_any_mailer_that_fails_is_a_problem(self):
        app = shop(default="null", bad={"SERVRE": "x"}, worse={"PROT": 1})
        report = checked(app, "--all", status=1)
        assert report["mailers"]["worse"]["steps"][0]["status"] == "failed"
        assert not report["ok"]

    def test_the_two_choices_of_mailers_cannot_be_combined(self):
        assert "cannot" in run(shop(), "check", "--all", "--mailer", "default", status=2).output
        assert "no mailer" in run(shop(), "check", "--mailer", "x", status=2).output

    def test_a_mailer_that_is_not_tried_is_built(self):
        """Its settings are wrong before the first mail that it should send."""

        class Wrong(Store):
            def __init__(self):
                raise LookupError("out of luck")

        app = shop(default="null", bad={"SERVRE": "x"}, wrong={"BACKEND": Wrong}, fine="null")
        report = checked(app, status=1)
        assert [(each["level"], each["code"], each["keys"]) for each in report["findings"]] == [
            ("error", "mailer", ["MAIL_MAILERS['bad']"]),
            ("error", "mailer", ["MAIL_MAILERS['wrong']"]),
        ]
        first, second = report["findings"]
        assert "did you mean 'SERVER'?" in first["advice"]
        assert second["advice"] == "Mailer 'wrong': LookupError: out of luck"

    def test_mailers_that_are_no_dict_are_an_error(self):
        app = make_app(MAIL_MAILERS=["bulk"], TESTING=True)
        finding = codes_of(app, 1)["backend"]
        assert finding["advice"].startswith("MAIL_MAILERS must be a dict")
        assert "No backend selected: default (MAIL_MAILERS) cannot be used." in (
            run(app, "check", status=1).stdout
        )

    @pytest.mark.parametrize(
        ("config", "code", "keys"),
        [
            (
                {"MAIL_URL": "smtp://x.example.com", "MAIL_BACKEND": "null"},
                "unused-url",
                ["MAIL_URL"],
            ),
            (
                {"MAIL_URL": "smtp://x.example.com", "MAIL_MAILERS": {"default": "null"}},
                "unused-url",
                ["MAIL_URL"],
            ),
            (
                {"MAIL_BACKEND": "smtp", "MAIL_MAILERS": {"default": "null"}},
                "unused-backend",
                ["MAIL_BACKEND"],
            ),
            (
                {"MAIL_SERVER": "x", "MAIL_PORT": 25, "MAIL_MAILERS": {"default": "null"}},
                "unused-smtp",
                ["MAIL_SERVER", "MAIL_PORT"],
            ),
            (
                {"MAIL_SERVER": "x", "MAIL_URL": "null://"},
                "unused-smtp",
                ["MAIL_SERVER"],
            ),
            (
                {
                    "MAIL_SERVER": "x",
                    "MAIL_MAILERS": {
                        "default": {"BACKEND": Pair, "MAILERS": ["a"]},
                        "a": {"BACKEND": Pair, "MAILERS": ["b"]},
                        "b": "null",
                    },
                },
                "unused-smtp",
                ["MAIL_SERVER"],
            ),
        ],
    )
    def test_settings_that_nothing_reads_are_warnings(self, config, code, keys):
        app = make_app(TESTING=True, **config)
        finding = codes_of(app)[code]
        assert (finding["level"], finding["keys"]) == ("warning", keys)

    @pytest.mark.parametrize(
        "config",
        [
            {"MAIL_URL": "null://"},
            {"MAIL_SERVER": "x", "MAIL_MAILERS": {"bulk": "null"}, "MAIL_BACKEND": "null"},
            # The smtp backend of the flat settings is a part of a mailer.
            {
                "MAIL_SERVER": "x",
                "MAIL_MAILERS": {"default": {"BACKEND": Pair, "MAILERS": ["smtp"]}},
            },
            # Of what it is made cannot be known.
            {"MAIL_SERVER": "x", "MAIL_MAILERS": {"default": "null", "bad": {"BACKEND": Pair}}},
        ],
    )
    def test_settings_that_something_reads_are_not(self, config):
        codes = codes_of(make_app(TESTING=True, **config))
        assert not {each for each in codes if each.startswith("unused")}

    @pytest.mark.parametrize("between", [{}, {"between": {"BACKEND": Pair, "MAILERS": ["later"]}}])
    def test_signing_before_a_queue_is_a_warning(self, between):
        key = {"DOMAIN": "example.com", "SELECTOR": "s1", "KEY": ed25519_pem()}
        signing = {"BACKEND": "dkim", "MAILER": "between" if between else "later", **key}
        app = shop(default=signing, later={"BACKEND": Later}, **between)
        finding = codes_of(app)["signed-before-queue"]
        assert (finding["level"], finding["keys"]) == ("warning", ["MAIL_MAILERS['default']"])
        assert finding["advice"].startswith("Mailer 'default' signs messages before a queue")

    def test_signing_in_the_worker_is_no_warning(self):
        key = {"DOMAIN": "example.com", "SELECTOR": "s1", "KEY": ed25519_pem()}
        signing = {"BACKEND": "dkim", "MAILER": "smtp", **key}
        app = shop(default={"BACKEND": Pair, "MAILERS": ["signed"]}, signed=signing)
        assert "signed-before-queue" not in codes_of(app)

    def test_unused_smtp_settings_are_no_errors(self):
        app = make_app(MAIL_URL="null://", MAIL_USE_TLS=True, MAIL_USE_SSL=True, TESTING=True)
        assert codes_of(app)["tls-and-ssl"]["level"] == "warning"

    def test_options_of_the_class_are_no_errors_beside_a_mailer(self, monkeypatch, tmp_path):
        source = backend_source("post", "loft=''")
        install(monkeypatch, tmp_path, "Post", backends="post = post_m:Plugin", post_m=source)
        app = make_app(MAIL_MAILERS={"default": "post"}, MAIL_POST_LOFFT="x", TESTING=True)
        assert codes_of(app)["unknown-option"]["level"] == "warning"

    def test_a_development_mailer_in_production_is_a_warning(self):
        app = make_app(MAIL_MAILERS={"default": "null"})
        finding = codes_of(app)["development-backend"]
        assert finding["keys"] == ["MAIL_MAILERS['default']"]
        assert "set MAIL_MAILERS['default'] to one that does" in finding["advice"]


class TestSecrets:
    URL = "smtp://ann:hunter-1%40x@smtp.example.com:587?oauth2_token=hunter-2&timeout=5"

    def test_urls_and_tables_are_shown_without_secrets(self):
        app = shop(
            default="null",
            bulk=self.URL,
            table={"server": "smtp.example.com", "PASSWORD": "hunter-3", "TLS_KEY_FILE": "k.pem"},
            pair={"BACKEND": Pair, "MAILERS": ["bulk"], "PIN": 4711},
            unknown={"BACKEND": "nosuch", "API_KEY": "hunter-4", "REGION": "eu"},
            box="file:///var/mail/box",
            six="smtp://ann:hunter-5@[::1]",
        )
        report = checked(app, status=1)
        (entry,) = [each for each in report["settings"] if each["key"] == "MAIL_MAILERS"]
        assert entry["value"] == {
            "default": "null",
            "bulk": "smtp://***@smtp.example.com:587?oauth2_token=***&timeout=5",
            "table": {"server": "smtp.example.com", "PASSWORD": "***", "TLS_KEY_FILE": "k.pem"},
            "pair": {"BACKEND": f"{__name__}:Pair", "MAILERS": ["bulk"], "PIN": "***"},
            "unknown": {"BACKEND": "nosuch", "API_KEY": "***", "REGION": "eu"},
            "box": "file:///var/mail/box",
            "six": "smtp://***@[::1]",
        }
        output = run(app, "check", status=1).stdout
        assert "hunter" not in output
        assert "4711" not in output
        assert re.search(r"^MAIL_MAILERS +default, bulk, table, .* +config$", output, re.M)
        assert re.search(r"^MAIL_MAILERS\['six'\] +smtp://\*\*\*@\[::1\] +config$", output, re.M)
        assert re.search(r"^MAIL_MAILERS\['table'\]\['PASSWORD'\] +\*\*\* +config$", output, re.M)

    def test_the_url_of_the_default_mailer_is_shown_without_secrets(self):
        app = make_app(MAIL_URL="smtp://ann:hunter-1@127.0.0.1:1", TESTING=True)
        entries = {each["key"]: each["value"] for each in checked(app, status=1)["settings"]}
        assert entries["MAIL_URL"] == "smtp://***@127.0.0.1:1"
        assert "Backend: locmem (TESTING), instead of smtp (MAIL_URL)." in (
            run(app, "check", status=1).stdout
        )

    @pytest.mark.parametrize(
        "url", ["smtp://ann:hunter-1@x:y", "nosuch://ann:hunter-1@x", "hunter-1"]
    )
    def test_a_url_that_cannot_be_read_is_not_shown(self, url):
        app = make_app(MAIL_URL=url, TESTING=True)
        output = run(app, "check", status=1).output
        assert "hunter" not in output
        assert re.search(r"^MAIL_URL +\*\*\* +config$", output, re.M)

    def test_a_url_that_nothing_reads_is_not_shown(self):
        app = make_app(MAIL_URL="null://hunter-1", MAIL_BACKEND="null", TESTING=True)
        assert "hunter" not in run(app, "check").output

    def test_errors_of_a_plugin_show_no_secret_of_a_mailer(self):
        class Teller(Store):
            name = "teller"
            url_parts = {"username": "key"}  # noqa: RUF012

            def __init__(self, *, key, pin: Secret = None):
                raise ValueError(f"{key} {pin.reveal()}")

        app = shop(
            default="null",
            one={"BACKEND": Teller, "KEY": "hunter-1", "PIN": "4711-0815"},
        )
        output = run(app, "check", status=1).output
        assert "Mailer 'one': ValueError: *** ***" in output
        output = run(app, "check", "--mailer", "one", status=1).output
        assert "hunter" not in output
        assert "4711" not in output

    def test_a_url_part_that_a_class_declares_as_secret_is_hidden(self, monkeypatch, tmp_path):
        source = backend_source(
            "hook", "place: Secret", head="from flask_mail.backends import Secret"
        ).replace("external", "url_parts = {'host': 'place'}\n    external", 1)
        install(monkeypatch, tmp_path, "Hook", backends="hook = hook_m:Plugin", hook_m=source)
        app = make_app(MAIL_MAILERS={"default": "hook://hunter-1"}, TESTING=True)
        assert "hook://***" in run(app, "check").stdout
        assert "hunter" not in run(app, "check").stdout + run(app, "mailers").stdout


@pytest.mark.parametrize(
    "mailers",
    [
        '{"bulk": {"PASSWORD": "s3cret"}',
        {"bulk": "{'PASSWORD': 's3cret'}"},
        {"bulk": "smtp:/ann:s3cret@smtp.example.com"},
        {"bulk": {"Backend": "smtp:ann:s3cret@smtp.example.com"}},
    ],
)
def test_no_command_shows_the_password_of_a_malformed_mailer(mailers):
    """Flask passes on what it cannot read as JSON as a string."""
    app = make_app(MAIL_MAILERS=mailers, TESTING=True)
    shown = run(app, "check", status=1).output + run(app, "check", "--json", status=1).output
    shown += run(app, "mailers").output
    assert "MAIL_MAILERS" in shown
    assert "***" in shown
    assert "s3cret" not in shown


def test_backends_mark_the_backend_of_the_default_mailer():
    app = make_app(MAIL_MAILERS={"default": {"BACKEND": "null"}})
    report = run_json(app, "backends")
    assert (report["wanted"], report["wanted_by"]) == ("null", "MAIL_MAILERS['default']")
    assert [each["name"] for each in report["backends"] if each["selected"]] == ["null"]


def test_an_app_without_flask_mail_has_the_commands_too():
    app = make_app(with_mail=False, MAIL_MAILERS={"bulk": "null"})
    assert list(rows_of(app)) == ["default", "bulk"]
    assert Mail(app).using("bulk").app is app
