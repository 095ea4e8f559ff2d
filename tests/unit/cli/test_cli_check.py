"""``flask mail check``: judges the settings and tries the backend out; sends nothing."""

from __future__ import annotations

import base64
import json
import re
from datetime import date
from pathlib import Path

import pytest
from cli_support import PASSWORD, Authority, backend_source, install, make_app, run, run_json
from servers import Dialogue, Recorder, scripted_server, smtp_server

from flask_mail import Mail
from flask_mail.backends import Backend, ProbeStep, Secret
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.config.table import BY_KEY


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def server():
    with smtp_server() as running:
        yield running


def local_app(**config):
    """Make an app whose backend contacts nobody, and that gets no warning for it."""
    return make_app(**{"MAIL_BACKEND": "null", "TESTING": True, **config})


def smtp_app(server, **config):
    return make_app(MAIL_SERVER=server.host, MAIL_PORT=server.port, **config)


def settings_of(app, status=0):
    return {each["key"]: each for each in run_json(app, "check", status)["settings"]}


def findings_of(app, status=0):
    return {each["code"]: each for each in run_json(app, "check", status)["findings"]}


def steps_of(report):
    return [(each["name"], each["status"]) for each in report["steps"]]


def detail_of(report, name):
    return {each["name"]: each["detail"] for each in report["steps"]}[name]


class TestSettings:
    def test_every_known_setting_is_in_the_table(self):
        result = run(local_app(), "check", "--defaults")
        heading, *rows = result.stdout.split("\n\n")[-1].splitlines()
        assert heading.split() == ["SETTING", "VALUE", "SOURCE"]
        assert [row.split()[0] for row in rows] == list(BY_KEY)

    def test_a_value_is_shown_with_its_source(self):
        app = local_app(MAIL_SERVER="mx.example.com", MAIL_PORT=2525, MAIL_USE_TLS=True)
        result = run(app, "check", "--defaults")
        assert re.search(r"^MAIL_SERVER +mx\.example\.com +config$", result.stdout, re.M)
        assert re.search(r"^MAIL_USE_TLS +True +config$", result.stdout, re.M)
        assert re.search(r"^MAIL_TIMEOUT +20 seconds +default$", result.stdout, re.M)
        assert settings_of(app)["MAIL_PORT"] == {
            "key": "MAIL_PORT",
            "value": 2525,
            "source": "config",
            "default": "25; 465 with MAIL_USE_SSL",
        }
        assert settings_of(app)["MAIL_TIMEOUT"]["value"] is None

    def test_addresses_are_shown_as_addresses(self):
        app = local_app(
            MAIL_DEFAULT_SENDER=("Teapot Shop", "shop@example.com"),
            MAIL_DEFAULT_REPLY_TO=["a@example.com", ("Ann", "ann@example.com")],
        )
        text = run(app, "check").stdout
        assert re.search(
            r"^MAIL_DEFAULT_SENDER +Teapot Shop <shop@example.com> +config$", text, re.M
        )
        assert re.search(
            r"^MAIL_DEFAULT_REPLY_TO +a@example.com, Ann <ann@example.com> +", text, re.M
        )

    def test_an_empty_string_of_the_environment_is_no_value(self):
        entry = settings_of(local_app(MAIL_SERVER=""))["MAIL_SERVER"]
        assert (entry["value"], entry["source"]) == (None, "default")

    def test_an_old_name_is_the_source_of_its_value(self):
        app = local_app(MAIL_DEFAULT_SENDER=None, DEFAULT_MAIL_SENDER="old@example.com")
        entry = settings_of(app)["MAIL_DEFAULT_SENDER"]
        assert (entry["value"], entry["source"]) == ("old@example.com", "DEFAULT_MAIL_SENDER")

    def test_what_was_assigned_on_the_state_wins(self):
        app = local_app(MAIL_SERVER="a.example.com", MAIL_USERNAME="ann")
        state = app.extensions["mail"]
        state.server, state.username, state.suppress = "b.example.com", None, True
        entries = settings_of(app)
        assert entries["MAIL_SERVER"]["value"] == "b.example.com"
        assert entries["MAIL_SERVER"]["source"] == "assigned on the mail state"
        assert entries["MAIL_USERNAME"]["value"] is None
        assert entries["MAIL_SUPPRESS_SEND"]["value"] is True

    def test_values_that_json_does_not_know_are_described(self, tmp_path):
        entries = settings_of(
            local_app(
                MAIL_BACKEND=SmtpBackend,
                MAIL_FILE_PATH=tmp_path,
                MAIL_DEFAULT_SENDER=("Shop", "shop@example.com"),
                MAIL_LIMIT=float("inf"),
                MAIL_RATE=0.5,
                MAIL_CLIENT=Mail(),
                MAIL_PORT=1,
            ),
            status=1,
        )
        assert entries["MAIL_BACKEND"]["value"] == "flask_mail.backends.smtp:SmtpBackend"
        assert entries["MAIL_FILE_PATH"]["value"] == str(tmp_path)
        assert entries["MAIL_DEFAULT_SENDER"]["value"] == ["Shop", "shop@example.com"]
        assert entries["MAIL_LIMIT"]["value"] == "<float>"
        assert entries["MAIL_RATE"]["value"] == 0.5
        assert entries["MAIL_CLIENT"]["value"] == "<Mail>"

    def test_control_characters_are_escaped_and_long_values_cut(self):
        app = local_app(MAIL_FOOTER="\x1b[31m\x7f\n\u202e" + "x" * 99, MAIL_DEFAULT_SENDER="a@b.c")
        result = run(app, "check")
        line = next(each for each in result.stdout.splitlines() if "MAIL_FOOTER  " in each)
        assert re.fullmatch(r"MAIL_FOOTER +\\x1b\[31m\\x7f\\n\\u202ex+\.\.\. +config", line)
        raw = run(app, "check", "--json").stdout
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", raw)
        assert settings_of(app)["MAIL_FOOTER"]["value"].startswith("\x1b[31m\x7f\n\u202e")


class TestSecrets:
    SECRETS = {  # noqa: RUF012
        "MAIL_PASSWORD": "hunter-1",
        "MAIL_API_KEY": "hunter-2",
        "MAIL_POST_SECRET": "hunter-3",
        "MAIL_ACCESS_TOKEN": ["hunter-4"],
        "MAIL_UPSTREAM": {"name": "up", "password": "hunter-5", "more": [{"token": "hunter-6"}]},
        "MAIL_KEYS": {"dkim": "hunter-7"},
        "MAIL_DSN": "smtp://ann:hunter-8@mx.example.com",
    }

    def test_no_secret_is_printed(self):
        app = local_app(**self.SECRETS, MAIL_USERNAME="ann")
        text = run(app, "check").output + run(app, "check", "--json").output
        assert "hunter" not in text
        entries = settings_of(app)
        assert entries["MAIL_PASSWORD"]["value"] == "***"
        assert entries["MAIL_ACCESS_TOKEN"]["value"] == "***"
        assert entries["MAIL_UPSTREAM"]["value"] == {
            "name": "up",
            "password": "***",
            "more": [{"token": "***"}],
        }
        assert entries["MAIL_DSN"]["value"] == "***"

    def test_a_secret_that_is_not_set_is_not_masked(self):
        entries = settings_of(local_app(MAIL_API_KEY=""))
        assert entries["MAIL_PASSWORD"]["value"] is None
        assert "MAIL_API_KEY" not in entries

    def test_a_plugin_that_tells_its_options_tells_no_secret(self, monkeypatch, tmp_path):
        source = backend_source("teller", "api_token='', keys=None, key_id=0").replace(
            "        pass", "        raise ValueError(f'{api_token} {keys} {key_id} is wrong')"
        )
        install(
            monkeypatch, tmp_path, "Teller", backends="teller = teller_b:Plugin", teller_b=source
        )
        app = local_app(
            MAIL_BACKEND="teller",
            MAIL_TELLER_API_TOKEN="hunter-1",
            MAIL_TELLER_KEYS={"dkim": ["hunter-2"]},
            MAIL_TELLER_KEY_ID=1,
        )
        report = run_json(app, "check", status=1)
        assert detail_of(report, "build") == "*** {'dkim': ['***']} 1 is wrong"

    def test_what_a_plugin_declares_as_a_secret_is_one(self, monkeypatch, tmp_path):
        """Neither its name nor its type matters: it can be a number."""
        source = backend_source(
            "vault", "pin: Secret", head="from flask_mail.backends import Secret"
        ).replace("        pass", "        raise ValueError(f'{pin.reveal()} is wrong')")
        install(monkeypatch, tmp_path, "Vault", backends="vault = vault_b:Plugin", vault_b=source)
        app = local_app(MAIL_BACKEND="vault", MAIL_VAULT_PIN=4711)

        report = run_json(app, "check", status=1)

        assert detail_of(report, "build") == "*** is wrong"
        assert "4711" not in run(app, "check", status=1).output
        (entry,) = [each for each in report["settings"] if each["key"] == "MAIL_VAULT_PIN"]
        assert entry["value"] == "***"

    def test_so_is_what_a_class_declares_that_is_no_plugin(self):
        class Vault(Backend):
            name = "vault"

            def __init__(self, *, pin: Secret): ...

            def deliver(self, mail, session): ...

        app = local_app(MAIL_BACKEND=Vault, MAIL_VAULT_PIN="hunter-1")
        assert settings_of(app)["MAIL_VAULT_PIN"]["value"] == "***"

    @pytest.mark.parametrize(
        "echo",
        [
            PASSWORD,
            base64.b64encode(PASSWORD.encode()).decode(),
            "AUTH PLAIN " + base64.b64encode(f"\0ann\0{PASSWORD}".encode()).decode(),
        ],
    )
    def test_a_server_that_echoes_the_login_shows_no_password(self, echo):
        def script(connection):
            dialogue = Dialogue(connection)
            dialogue.greet("AUTH PLAIN")
            dialogue.answer(f"535 5.7.8 what is {echo}")

        with scripted_server(script) as port:
            app = make_app(MAIL_PORT=port, MAIL_USERNAME="ann", MAIL_PASSWORD=PASSWORD)
            app.config["MAIL_SERVER"] = "127.0.0.1"
            report = run_json(app, "check", status=1)
        assert echo not in json.dumps(report, ensure_ascii=False)
        assert "what is" in detail_of(report, "login")

    def test_a_password_of_one_letter_garbles_no_text(self):
        """Masked in words, it would be readable from what is left of them."""

        def script(connection):
            dialogue = Dialogue(connection)
            dialogue.greet("AUTH PLAIN")
            dialogue.answer("535 5.7.8 not proper: user=p password='p'")

        with scripted_server(script) as port:
            app = make_app(MAIL_PORT=port, MAIL_USERNAME="ann", MAIL_PASSWORD="p")
            app.config["MAIL_SERVER"] = "127.0.0.1"
            report = run_json(app, "check", status=1)
        assert "5.7.8 not proper: user=*** password='***'" in detail_of(report, "login")


class TestEnvironment:
    """Variables that look like settings, and that the app does not read."""

    def test_a_variable_without_prefix_is_found(self, monkeypatch):
        monkeypatch.setenv("MAIL_SERVER", "mx.example.com")
        monkeypatch.setenv("MAIL_PORT", "587")
        finding = findings_of(local_app(MAIL_PORT=25))["unread-environment"]
        assert finding["keys"] == ["MAIL_SERVER"]
        assert finding["advice"] == (
            "MAIL_SERVER is in the environment, but not in app.config, so nothing reads it: rename"
            " MAIL_SERVER to FLASK_MAIL_SERVER, and call app.config.from_prefixed_env()."
        )

    def test_variables_with_prefix_are_found(self, monkeypatch):
        monkeypatch.setenv("FLASK_MAIL_MAILERS__bulk", "null")
        monkeypatch.setenv("FLASK_MAIL_USE_TLS", "1")
        monkeypatch.setenv("FLASK_MAIL_USE_SSL", "")
        finding = findings_of(local_app())["unread-environment"]
        assert finding["advice"] == (
            "FLASK_MAIL_MAILERS__bulk, FLASK_MAIL_USE_TLS are in the environment, but not in"
            " app.config, so nothing reads them: call app.config.from_prefixed_env()."
        )

    def test_a_variable_that_was_read_is_no_finding(self, monkeypatch):
        monkeypatch.setenv("FLASK_MAIL_SERVER", "mx.example.com")
        monkeypatch.setenv("MAIL_HOME", "/root")
        assert "unread-environment" not in findings_of(local_app(MAIL_SERVER="mx.example.com"))

    def test_variables_of_other_libraries_are_found(self, monkeypatch):
        monkeypatch.setenv("EMAIL_HOST", "mx.example.com")
        monkeypatch.setenv("FLASK_MAIL_FROM", "me@example.com")
        monkeypatch.setenv("EMAIL_PORT", "587")
        monkeypatch.setenv("EMAIL_HOST_USER", "")
        app = local_app(MAIL_PORT=25, MAIL_DEFAULT_SENDER=None)
        finding = findings_of(app)["unread-environment"]
        assert finding["keys"] == ["MAIL_SERVER", "MAIL_DEFAULT_SENDER"]
        assert finding["advice"] == (
            "The environment has names that Flask-Mail does not read: rename EMAIL_HOST to"
            " FLASK_MAIL_SERVER, FLASK_MAIL_FROM to FLASK_MAIL_DEFAULT_SENDER, and call"
            " app.config.from_prefixed_env()."
        )

    @pytest.mark.parametrize(
        "config", [{"MAIL_SERVER": "mx.example.com"}, {"MAIL_URL": "null://"}, {"EMAIL_HOST": "x"}]
    )
    def test_a_variable_that_the_app_reads_is_no_finding(self, monkeypatch, config):
        monkeypatch.setenv("EMAIL_HOST", "mx.example.com")
        assert "unread-environment" not in findings_of(local_app(**config))


class TestNames:
    @pytest.mark.parametrize(
        ("typo", "meant"),
        [
            ("MAIL_USE_TSL", "MAIL_USE_TLS"),
            ("MAIL_SEVER", "MAIL_SERVER"),
            ("MAIL_DEFAULT_SENDR", "MAIL_DEFAULT_SENDER"),
            ("MAIL_USER", "MAIL_USERNAME"),
            ("MAIL_HOST", "MAIL_SERVER"),
            ("MAIL_FROM", "MAIL_DEFAULT_SENDER"),
            ("EMAIL_HOST", "MAIL_SERVER"),
            ("DEFAULT_FROM_EMAIL", "MAIL_DEFAULT_SENDER"),
        ],
    )
    def test_an_unknown_key_gets_the_nearest_known_one(self, typo, meant):
        app = local_app(**{"MAIL_DEFAULT_SENDER": None, typo: "x"})
        finding = findings_of(app)["unknown-key"]
        assert (finding["level"], finding["keys"]) == ("warning", [typo])
        assert finding["advice"] == f"{typo} is not a setting of Flask-Mail; did you mean {meant}?"

    def test_an_app_may_have_the_names_of_other_libraries(self):
        app = local_app(MAIL_HOST="x", EMAIL_HOST="x", EMAIL_PORT="", MAIL_SERVER="x")
        assert findings_of(app)["unknown-key"]["advice"] == (
            "MAIL_HOST is not a setting of Flask-Mail: remove it, unless your app uses it."
        )

    def test_an_option_of_a_plugin_is_not_the_name_of_another_library(self, monkeypatch, tmp_path):
        source = backend_source("post", "host=''").replace(
            "name =", "option_prefix = 'MAIL_'; name ="
        )
        install(monkeypatch, tmp_path, "Post", backends="post = post_b:Plugin", post_b=source)
        assert "unknown-key" not in findings_of(local_app(MAIL_HOST="x"))

    def test_an_app_may_have_keys_of_its_own(self):
        app = local_app(MAIL_SUBJECT_PREFIX="[shop]")
        assert "MAIL_SUBJECT_PREFIX" in findings_of(app)["unknown-key"]["advice"]
        assert "did you mean" not in findings_of(app)["unknown-key"]["advice"]

    def test_options_of_a_plugin_are_judged_by_what_it_declares(self, monkeypatch, tmp_path):
        source = backend_source("post", "loft='', bird_name=''")
        install(monkeypatch, tmp_path, "Post", backends="post = post_b:Plugin", post_b=source)
        app = local_app(MAIL_POST_LOFT="x", MAIL_POST_BIRD_NAEM="y")
        finding = findings_of(app)["unknown-option"]
        assert (finding["level"], finding["keys"]) == ("warning", ["MAIL_POST_BIRD_NAEM"])
        assert "did you mean MAIL_POST_BIRD_NAME?" in finding["advice"]
        app.config["MAIL_BACKEND"] = "post"
        assert findings_of(app, status=1)["unknown-option"]["level"] == "error"

    def test_a_plugin_that_takes_any_option_has_no_unknown_ones(self, monkeypatch, tmp_path):
        source = backend_source("post").replace("(self)", "(self, **options)", 1)
        install(monkeypatch, tmp_path, "Post", backends="post = post_any:Plugin", post_any=source)
        assert findings_of(local_app(MAIL_POST_WHATEVER="x")) == {}

    def test_a_plugin_with_the_name_of_a_built_in_backend_is_a_warning(self, monkeypatch, tmp_path):
        source = backend_source("smtp")
        install(monkeypatch, tmp_path, "Rival", "9", "smtp = rival_a:Plugin", rival_a=source)
        finding = findings_of(local_app())["built-in-name"]
        assert (finding["level"], finding["keys"]) == ("warning", ["MAIL_BACKEND"])
        assert finding["advice"].startswith("Rival 9 claims the name 'smtp' of a built-in backend")

    def test_a_plugin_that_reads_its_options_itself_is_not_judged(self, monkeypatch, tmp_path):
        source = backend_source("post") + (
            "    @classmethod\n    def from_options(cls, options, build):\n        return cls()\n"
        )
        install(monkeypatch, tmp_path, "Post", backends="post = post_own:Plugin", post_own=source)
        assert findings_of(local_app(MAIL_POST_CHILDREN="x")) == {}

    def test_options_of_a_broken_plugin_are_not_judged(self, monkeypatch, tmp_path):
        install(monkeypatch, tmp_path, "Post", backends="post = no_such_module:Plugin")
        assert findings_of(local_app(MAIL_POST_LOFT="x")) == {}

    def test_a_relative_of_the_smtp_backend_adds_options_among_its_own(self, server):
        app = smtp_app(server, MAIL_BACKEND=Signing, MAIL_SELECTOR="s1", MAIL_SELEKTOR="s1")
        finding = findings_of(app)["unknown-key"]
        assert finding["keys"] == ["MAIL_SELEKTOR"]
        assert "did you mean MAIL_SELECTOR?" in finding["advice"]

    def test_old_names_are_warned_about_also_beside_the_new_ones(self):
        app = local_app(DEFAULT_MAIL_SENDER="old@example.com", MAIL_FAIL_SILENTLY=True)
        report = run_json(app, "check")
        old = [each["keys"] for each in report["findings"] if each["code"] == "old-name"]
        assert old == [["DEFAULT_MAIL_SENDER"], ["MAIL_FAIL_SILENTLY"]]


class Signing(SmtpBackend):
    def __init__(self, *, server="localhost", port=None, selector="") -> None:
        super().__init__(server=server, port=port)


class TestValues:
    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("MAIL_PORT", "many"),
            ("MAIL_TIMEOUT", -1),
            ("MAIL_USE_TLS", "perhaps"),
            ("MAIL_MAX_EMAILS", "few"),
            ("MAIL_SUPPRESS_SEND", "maybe"),
            ("MAIL_FAIL_SILENTLY", "maybe"),
            ("DEFAULT_MAX_EMAILS", "few"),
        ],
    )
    def test_a_value_of_the_wrong_kind_is_an_error_that_names_the_key(self, key, value):
        app = make_app(MAIL_BACKEND="null", **{key: value})
        finding = findings_of(app, status=1)["wrong-kind"]
        assert (finding["level"], finding["keys"]) == ("error", [key])
        assert finding["advice"].startswith(f"{key} must be ")
        assert finding["advice"].endswith(f", not {value!r}.")

    def test_what_is_wrong_is_said_once(self):
        app = make_app(MAIL_SUPPRESS_SEND="maybe", MAIL_PORT="many")
        report = run_json(app, "check", status=1)
        assert [each["code"] for each in report["findings"]] == ["wrong-kind", "wrong-kind"]

    def test_errors_come_before_warnings(self):
        app = local_app(MAIL_DEFAULT_SENDER=None, MAIL_PORT="many", MAIL_SEVER="x")
        levels = [each["level"] for each in run_json(app, "check", status=1)["findings"]]
        assert levels == ["error", "warning", "warning"]

    @pytest.mark.parametrize(
        ("config", "level", "code", "keys"),
        [
            (
                {"MAIL_USE_TLS": True, "MAIL_USE_SSL": "1", "MAIL_PORT": 587},
                "error",
                "tls-and-ssl",
                ["MAIL_USE_TLS", "MAIL_USE_SSL"],
            ),
            (
                {"MAIL_PORT": "465", "MAIL_USE_TLS": True},
                "warning",
                "port-465-with-starttls",
                ["MAIL_PORT", "MAIL_USE_TLS"],
            ),
            (
                {"MAIL_PORT": 587, "MAIL_USE_SSL": True},
                "warning",
                "port-587-with-ssl",
                ["MAIL_PORT", "MAIL_USE_SSL"],
            ),
            (
                {"MAIL_USERNAME": "ann"},
                "error",
                "username-without-password",
                ["MAIL_USERNAME", "MAIL_PASSWORD"],
            ),
            (
                {"MAIL_PASSWORD": "hunter"},
                "error",
                "password-without-username",
                ["MAIL_USERNAME", "MAIL_PASSWORD"],
            ),
            (
                {"MAIL_OAUTH2_TOKEN": "hunter"},
                "error",
                "token-without-username",
                ["MAIL_USERNAME", "MAIL_OAUTH2_TOKEN"],
            ),
            (
                {"MAIL_USERNAME": "a", "MAIL_PASSWORD": "hunter", "MAIL_OAUTH2_TOKEN": "hunter"},
                "error",
                "password-and-token",
                ["MAIL_PASSWORD", "MAIL_OAUTH2_TOKEN"],
            ),
            (
                {"MAIL_TLS_KEY_FILE": "key.pem"},
                "error",
                "key-without-certificate",
                ["MAIL_TLS_KEY_FILE", "MAIL_TLS_CERT_FILE"],
            ),
            (
                {"MAIL_TLS_VERIFY": "no", "MAIL_USE_TLS": True},
                "warning",
                "tls-not-verified",
                ["MAIL_TLS_VERIFY"],
            ),
            (
                {"MAIL_LOCAL_HOSTNAME": "two words"},
                "error",
                "bad-local-hostname",
                ["MAIL_LOCAL_HOSTNAME"],
            ),
            (
                {"MAIL_USERNAME": "an\nn", "MAIL_PASSWORD": lambda: "hunter"},
                "error",
                "bad-username",
                ["MAIL_USERNAME"],
            ),
            (
                {"MAIL_USERNAME": "ann", "MAIL_PASSWORD": "hun\nter"},
                "error",
                "bad-password",
                ["MAIL_PASSWORD"],
            ),
            (
                {"MAIL_USERNAME": "ann", "MAIL_OAUTH2_TOKEN": "hun ter"},
                "error",
                "bad-token",
                ["MAIL_OAUTH2_TOKEN"],
            ),
            (
                {"MAIL_SERVER": "192.0.2.1", "MAIL_USERNAME": "ann", "MAIL_PASSWORD": "hunter"},
                "warning",
                "login-in-clear",
                ["MAIL_USE_TLS", "MAIL_USE_SSL"],
            ),
        ],
    )
    def test_contradictions_of_smtp(self, monkeypatch, config, level, code, keys):
        """Each has its code; they are errors only where the smtp backend is the one to be used."""
        monkeypatch.setattr(SmtpBackend, "open", _refuse)
        report = run_json(make_app(**config), "check", status=1)
        (finding,) = report["findings"]
        assert (finding["level"], finding["code"], finding["keys"]) == (level, code, keys)
        finding = findings_of(local_app(**config))[code]
        assert finding["level"] == "warning"

    def test_login_of_the_wrong_type_is_reported_once(self, monkeypatch):
        monkeypatch.setattr(SmtpBackend, "open", _refuse)
        app = make_app(MAIL_USERNAME="ann", MAIL_PASSWORD=["hunter"])
        report = run_json(app, "check", status=1)
        assert [each["code"] for each in report["findings"]] == ["wrong-kind"]

    def test_a_login_in_clear_on_this_machine_is_no_problem(self):
        app = local_app(MAIL_USERNAME="ann", MAIL_PASSWORD="hunter")
        assert findings_of(app) == {}

    def test_a_missing_default_sender_is_a_warning(self):
        finding = findings_of(local_app(MAIL_DEFAULT_SENDER=None))["no-default-sender"]
        assert finding["level"] == "warning"

    @pytest.mark.parametrize("sender", ["nobody", ("Shop", ""), 5, "a@b.c\x1b"])
    def test_a_default_sender_that_is_no_address_is_an_error(self, sender):
        app = local_app(MAIL_DEFAULT_SENDER=sender)
        finding = findings_of(app, status=1)["bad-default-sender"]
        assert (finding["level"], finding["keys"]) == ("error", ["MAIL_DEFAULT_SENDER"])
        assert "\x1b" not in finding["advice"]

    def test_a_bad_sender_under_the_old_name_is_told_by_that_name(self):
        app = local_app(MAIL_DEFAULT_SENDER=None, DEFAULT_MAIL_SENDER="nobody")
        finding = findings_of(app, status=1)["bad-default-sender"]
        assert finding["keys"] == ["DEFAULT_MAIL_SENDER"]

    def test_defaults_of_messages_that_are_not_valid_are_errors(self):
        app = local_app(MAIL_DEFAULT_REPLY_TO="x", MAIL_DEFAULT_HEADERS={"To": "a@b.c"})
        finding = findings_of(app, status=1)["wrong-kind"]
        assert finding["keys"] == ["MAIL_DEFAULT_HEADERS"]
        assert "cannot set To" in finding["advice"]

    @pytest.mark.parametrize(
        ("settings", "advice"),
        [
            ({"SERVER_NAME": None}, "need SERVER_NAME"),
            ({"PREFERRED_URL_SCHEME": "http"}, "needs https"),
            ({"SECRET_KEY": None}, "set SECRET_KEY"),
            ({"MAIL_UNSUBSCRIBE_MAILTO": "nobody"}, "mailto 'nobody' cannot be used"),
        ],
    )
    def test_unsubscribe_links_that_cannot_be_made_are_an_error(self, settings, advice):
        complete = {
            "MAIL_UNSUBSCRIBE": "/leave",
            "SERVER_NAME": "shop.example.com",
            "PREFERRED_URL_SCHEME": "https",
            "SECRET_KEY": "key",
        }
        assert "unsubscribe" not in findings_of(local_app(**complete))
        finding = findings_of(local_app(**{**complete, **settings}), status=1)["unsubscribe"]
        assert finding["keys"] == ["MAIL_UNSUBSCRIBE"]
        assert advice in finding["advice"]

    def test_a_development_backend_in_production_is_a_warning(self, monkeypatch):
        app = make_app(MAIL_BACKEND="console")
        assert findings_of(app)["development-backend"]["level"] == "warning"
        monkeypatch.setenv("FLASK_DEBUG", "1")
        assert findings_of(app) == {}
        assert findings_of(local_app(MAIL_BACKEND="console")) == {}

    def test_a_word_that_says_no_is_production_too(self, server):
        """To Flask, each word is true."""
        app = smtp_app(server, TESTING="False", DEBUG="0", MAIL_SUPPRESS_SEND="yes")
        assert "MAIL_SUPPRESS_SEND suppresses all mail" in findings_of(app)["suppressed"]["advice"]
        app = smtp_app(server, TESTING="False", DEBUG="0")
        assert "suppressed" not in findings_of(app)

    @pytest.mark.parametrize(
        ("config", "key"),
        [
            ({"MAIL_BACKEND": None}, "MAIL_BACKEND"),
            ({"MAIL_SUPPRESS_SEND": ""}, "MAIL_SUPPRESS_SEND"),
            ({"TESTING": "perhaps"}, "TESTING"),
            ({"MAIL_REDIRECT_TO": ""}, "MAIL_REDIRECT_TO"),
        ],
    )
    def test_a_setting_that_would_fail_open_is_an_error(self, server, config, key):
        app = smtp_app(server, **config)
        report = run_json(app, "check", status=1)
        (error,) = (each for each in report["findings"] if each["level"] == "error")
        assert error["advice"].startswith(f"{key} ")

    @pytest.mark.parametrize("key", ["MAIL_USERNAME", "MAIL_PASSWORD"])
    def test_blanks_around_a_login_are_a_warning(self, key):
        account = {"MAIL_USERNAME": "me", "MAIL_PASSWORD": "s3cret"}
        app = make_app(MAIL_BACKEND="null", **{**account, key: "s3cret "})
        assert findings_of(app)["login-with-blanks"]["level"] == "warning"
        assert "login-with-blanks" not in findings_of(make_app(MAIL_BACKEND="null", **account))

    def test_an_empty_allow_list_is_shown(self, server):
        app = smtp_app(server, MAIL_ALLOWED_RECIPIENTS="")
        (row,) = (
            each
            for each in run_json(app, "check")["settings"]
            if each["key"] == "MAIL_ALLOWED_RECIPIENTS"
        )
        assert (row["value"], row["source"]) == ("", "config")

    def test_suppression_in_production_is_a_warning(self, server):
        app = smtp_app(server, MAIL_SUPPRESS_SEND=True)
        assert findings_of(app)["suppressed"]["level"] == "warning"


def _refuse(self):
    raise ConnectionRefusedError("no contact in this test")


class TestBackend:
    def test_another_backend_is_built_and_nothing_is_contacted(self):
        result = run(local_app(), "check")
        assert result.stdout.startswith(
            "Ready to send (no message was sent).\n\n"
            "Backend: null (MAIL_BACKEND).\n"
            "ok      build    NullBackend\n"
            "skipped connect  the null backend has no connection to test\n\n"
            "SETTING "
        )

    def test_a_backend_that_does_not_exist_is_an_error(self):
        app = make_app(MAIL_BACKEND="smpt")
        report = run_json(app, "check", status=1)
        (finding,) = report["findings"]
        assert (finding["code"], finding["keys"]) == ("backend", ["MAIL_BACKEND"])
        assert "did you mean 'smtp'?" in finding["advice"]
        assert report["steps"] == []
        assert report["backend"]["selected"] is None
        assert "No backend selected: smpt (MAIL_BACKEND) cannot be used." in (
            run(app, "check", status=1).stdout
        )

    def test_a_backend_that_cannot_be_built_is_an_error(self):
        app = local_app(MAIL_BACKEND="file")
        report = run_json(app, "check", status=1)
        assert steps_of(report) == [("build", "failed")]
        assert "MAIL_FILE_PATH" in detail_of(report, "build")

    def test_an_error_without_words_is_told_by_its_name(self, monkeypatch):
        monkeypatch.setattr(Wordless, "fails", True)
        report = run_json(local_app(MAIL_BACKEND=Wordless), "check", status=1)
        assert detail_of(report, "build") == "LookupError"

    def test_json_is_alone_on_standard_output(self, monkeypatch, tmp_path):
        source = backend_source("loud", head="print('import')").replace("pass", "print('built')")
        install(monkeypatch, tmp_path, "Loud", backends="loud = loud_b:Plugin", loud_b=source)
        app = make_app(MAIL_BACKEND="loud")
        result = run(app, "check", "--json")
        assert json.loads(result.stdout)["ok"] is True
        assert "built" in result.stderr

    def test_a_backend_yields_its_own_steps(self):
        result = run(local_app(MAIL_BACKEND=Stable), "check", status=1)
        assert result.stdout.startswith(
            "Found 1 problem (no message was sent).\n"
            "No mail leaves this machine: locmem gets it (TESTING).\n\n"
            "failed  probe: no pony\n\n"
        )
        assert (
            "ok      build    Stable\n"
            "ok      stable   for shop@example.com\n"
            "failed  probe    see above\n"
        ) in result.stdout

    def test_the_steps_of_a_backend_show_no_secret(self):
        app = local_app(MAIL_BACKEND=Stable, MAIL_STABLE_KEY="hunter-1")
        assert detail_of(run_json(app, "check", status=1), "probe") == "no pony has ***"

    def test_a_wrapper_backend_yields_the_steps_of_its_children(self, server):
        report = run_json(smtp_app(server, MAIL_BACKEND=Wrapper), "check")
        assert steps_of(report) == [
            ("build", "ok"),
            *[(name, "ok") for name in ("connect", "greeting")],
            *[(name, "skipped") for name in ("tls", "login")],
            ("sender", "ok"),
        ]


class Stable(Backend[None]):
    name = "stable"

    def __init__(self, *, key: Secret | None = None):
        self.key = key

    def deliver(self, mail, session):
        raise NotImplementedError

    def probe(self, sender=None):
        yield ProbeStep("stable", "ok", f"for {sender}")
        raise LookupError("no pony" if self.key is None else f"no pony has {self.key.reveal()}")


class Wrapper(Backend[None]):
    name = "wrapper"

    def __init__(self, *children):
        self.children = children

    @classmethod
    def from_options(cls, options, build):
        return cls(build("null"), build("smtp"))

    def deliver(self, mail, session):
        raise NotImplementedError

    def probe(self, sender=None):
        for child in self.children:
            yield from child.probe(sender)


class Wordless(Backend[None]):
    name = "wordless"
    fails = False

    def __init__(self):
        raise LookupError

    def deliver(self, mail, session):
        raise NotImplementedError


class TestDialogue:
    def test_a_plain_server_is_asked_for_the_sender_and_sent_nothing(self, server):
        report = run_json(smtp_app(server), "check")
        assert steps_of(report) == [
            ("build", "ok"),
            ("connect", "ok"),
            ("greeting", "ok"),
            ("tls", "skipped"),
            ("login", "skipped"),
            ("sender", "ok"),
        ]
        assert detail_of(report, "connect") == f"127.0.0.1:{server.port}"
        assert "8BITMIME" in detail_of(report, "greeting")
        assert detail_of(report, "sender") == "shop@example.com: 250 OK"
        assert report["ok"] is True
        assert not server.recorder.accepted

    def test_the_steps_are_printed_one_by_one(self, server):
        result = run(smtp_app(server), "check")
        assert [line.split()[:2] for line in result.stdout.splitlines()[3:9]] == [
            ["ok", "build"],
            ["ok", "connect"],
            ["ok", "greeting"],
            ["skipped", "tls"],
            ["skipped", "login"],
            ["ok", "sender"],
        ]

    def test_mail_is_followed_by_rset_and_quit(self):
        heard = []

        def script(connection):
            dialogue = Dialogue(connection)
            dialogue.greet()
            heard.extend(dialogue.answer("250 ok", "250 ok", "221 bye"))

        with scripted_server(script) as port:
            app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=port)
            report = run_json(app, "check")
        assert [each.upper() for each in heard] == [
            "MAIL FROM:<SHOP@EXAMPLE.COM>",
            "RSET",
            "QUIT",
        ]
        assert detail_of(report, "greeting") == "offers no extensions"

    @pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
    def test_tls_and_login_are_tried_and_described(self, authority, implicit):
        recorder = Recorder()
        options = {"ssl_context" if implicit else "tls_context": authority.server_context}
        with smtp_server(
            recorder, authenticator=recorder.authenticate, auth_require_tls=not implicit, **options
        ) as server:
            app = smtp_app(
                server,
                MAIL_USE_SSL=implicit,
                MAIL_USE_TLS=not implicit,
                MAIL_TLS_CA_FILE=Path(authority.ca_file),
                MAIL_USERNAME="ann",
                MAIL_PASSWORD=PASSWORD,
            )
            report = run_json(app, "check")
        assert recorder.logins == [("ann", PASSWORD)]
        first = ["connect", "tls", "greeting"] if implicit else ["connect", "greeting", "tls"]
        expected = ["build", *first, "login", "sender"]
        assert steps_of(report) == [(name, "ok") for name in expected]
        found = re.fullmatch(
            r"TLSv1\.\d, \w+, certificate of (.+) until (\S+)", detail_of(report, "tls")
        )
        assert "DNS=localhost" in found[1]
        assert "IP Address=127.0.0.1" in found[1]
        assert date.fromisoformat(found[2]) > date(2020, 1, 1)
        assert detail_of(report, "login") == "as ann"

    def test_a_certificate_that_is_not_checked_is_said_so(self, authority):
        with smtp_server(tls_context=authority.server_context) as server:
            app = smtp_app(server, MAIL_USE_TLS=True, MAIL_TLS_VERIFY=False)
            report = run_json(app, "check")
        assert detail_of(report, "tls").endswith("certificate not verified")

    @pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
    def test_a_certificate_that_is_not_trusted_fails_the_step_of_tls(self, authority, implicit):
        options = {"ssl_context" if implicit else "tls_context": authority.server_context}
        with smtp_server(**options) as server:
            app = smtp_app(server, MAIL_USE_SSL=implicit, MAIL_USE_TLS=not implicit)
            report = run_json(app, "check", status=1)
        assert steps_of(report)[-1] == ("tls", "failed")
        assert all(status == "ok" for _, status in steps_of(report)[:-1])
        assert "MAIL_TLS_CA_FILE" in detail_of(report, "tls")

    def test_starttls_that_is_not_offered_fails_the_step_of_tls(self, server):
        report = run_json(smtp_app(server, MAIL_USE_TLS=True), "check", status=1)
        assert steps_of(report)[-3:] == [("connect", "ok"), ("greeting", "ok"), ("tls", "failed")]

    def test_a_login_that_is_refused_is_the_last_step(self):
        def script(connection):
            dialogue = Dialogue(connection)
            dialogue.greet("AUTH PLAIN")
            dialogue.answer("535 5.7.8 no")

        with scripted_server(script) as port:
            app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=port)
            app.config.update(MAIL_USERNAME="ann", MAIL_PASSWORD="hunter")
            result = run(app, "check", status=1)
        lines = result.stdout.splitlines()
        assert lines[0] == "Found 1 problem (no message was sent)."
        assert lines[2].startswith("failed  login: ")
        assert lines[2].endswith("535 5.7.8 no")
        assert lines[8].startswith("skipped tls")
        assert lines[9] == "failed  login    see above"

    def test_a_server_that_is_not_there_fails_the_step_of_connecting(self):
        with smtp_server() as gone:
            app = smtp_app(gone)
        report = run_json(app, "check", status=1)
        assert steps_of(report) == [("build", "ok"), ("connect", "failed")]
        assert report["ok"] is False

    def test_a_greeting_that_turns_away_fails_the_step_of_greeting(self):
        with scripted_server(lambda each: Dialogue(each).say("554 go \x1b away")) as port:
            app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=port)
            report = run_json(app, "check", status=1)
        assert steps_of(report)[1:] == [("connect", "ok"), ("greeting", "failed")]
        assert "554 go \\x1b away" in detail_of(report, "greeting")

    def test_an_error_without_words_on_the_way_is_told_by_its_name(self, monkeypatch):
        def wordless(self):
            raise NotImplementedError

        monkeypatch.setattr(SmtpBackend, "open", wordless)
        report = run_json(make_app(), "check", status=1)
        assert detail_of(report, "connect") == "NotImplementedError"

    def test_a_sender_that_is_refused_is_the_last_step(self, server):
        server.recorder.answers["MAIL"] = "550 5.7.1 not \x1b[31myou"
        report = run_json(smtp_app(server), "check", status=1)
        assert steps_of(report)[-1] == ("sender", "failed")
        assert detail_of(report, "sender") == (
            "shop@example.com: MAIL got 550 5.7.1 not \\x1b[31myou"
        )

    def test_a_link_that_breaks_at_the_sender_is_told(self):
        with scripted_server(lambda each: Dialogue(each).greet()) as port:
            app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=port)
            report = run_json(app, "check", status=1)
        assert steps_of(report)[-1] == ("sender", "failed")
        assert detail_of(report, "sender").startswith("the connection broke at MAIL: ")

    @pytest.mark.parametrize("sender", [None, "nobody"])
    def test_without_a_valid_default_sender_nobody_is_asked_for(self, server, sender):
        app = smtp_app(server, MAIL_DEFAULT_SENDER=sender)
        report = run_json(app, "check", status=0 if sender is None else 1)
        assert steps_of(report)[-1] == ("sender", "skipped")

    def test_a_sender_beyond_ascii_is_asked_for_with_smtputf8(self, server):
        app = smtp_app(server, MAIL_DEFAULT_SENDER="bücher@example.com")
        assert steps_of(run_json(app, "check"))[-1] == ("sender", "ok")

    def test_a_sender_beyond_ascii_fails_where_the_server_has_no_smtputf8(self):
        with smtp_server(enable_SMTPUTF8=False) as server:
            app = smtp_app(server, MAIL_DEFAULT_SENDER="bücher@example.com")
            report = run_json(app, "check", status=1)
        assert detail_of(report, "sender") == "bücher@example.com needs SMTPUTF8 (RFC 6531)"

    def test_check_under_testing_tries_the_chosen_backend(self, server):
        app = smtp_app(server, TESTING=True)
        result = run(app, "check")
        assert (
            "Backend: locmem (TESTING), instead of smtp (default).\nTrying smtp nevertheless.\n"
        ) in result.stdout
        report = run_json(app, "check")
        assert report["backend"] == {
            "wanted": "smtp",
            "wanted_by": "default",
            "selected": "locmem",
            "reason": "TESTING",
        }
        assert ("sender", "ok") in steps_of(report)

    def test_where_a_program_replaces_smtplib_nobody_is_asked_for(self, monkeypatch):
        class Fake:
            def __init__(self, host, port):
                pass

            def quit(self):
                pass

        monkeypatch.setattr("flask_mail.smtplib.SMTP", Fake)
        report = run_json(make_app(), "check")
        assert steps_of(report)[-1] == ("sender", "skipped")
        assert detail_of(report, "connect") == "smtplib is replaced"


def test_an_app_without_mail_is_checked_too(server):
    app = make_app(with_mail=False, MAIL_SERVER=server.host, MAIL_PORT=server.port)
    assert run_json(app, "check")["ok"] is True
    assert "mail" not in app.extensions
