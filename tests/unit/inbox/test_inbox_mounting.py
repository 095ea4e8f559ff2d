"""Apps with and without an inbox."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask, current_app
from inbox_support import Browser, make_mail
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client

from flask_mail import ConfigurationError, Mail, Message, backends, inbox
from flask_mail.extension.development import Tool
from flask_mail.inbox import blueprint, inbox_blueprint, prefix_of


def status(app, path="/_mail/"):
    return app.test_client().get(path).status_code


def make_app(**config):
    app = Flask("shop")
    app.config.update(MAIL_BACKEND="locmem", **config)
    return app


def test_an_app_in_debug_has_an_inbox_without_mounting_anything():
    assert Browser(make_mail()).get().status_code == 200


def test_an_app_in_production_has_none():
    app = make_app()
    Mail(app)
    assert status(app) == 404
    assert prefix_of(app) is None
    assert not [rule for rule in app.url_map.iter_rules() if "_mail" in rule.rule]


@pytest.mark.parametrize(
    "config", [{}, {"MAIL_INBOX": True}, {"TESTING": True}, {"DEBUG": True, "MAIL_INBOX": False}]
)
def test_an_app_without_an_inbox_carries_no_trace_of_it(config):
    app, plain = make_app(**config), make_app(**config)
    Mail(app)
    for _ in range(2):
        assert "wsgi_app" not in vars(app)
        assert not {"mail_mount", "mail_inbox"} & set(app.extensions)
        for name in ("before_request_funcs", "after_request_funcs", "teardown_request_funcs"):
            assert vars(app)[name] == vars(plain)[name]
        assert len(list(app.url_map.iter_rules())) == len(list(plain.url_map.iter_rules()))
        assert status(app) == 404


def test_an_app_that_was_set_up_in_debug_is_wrapped_at_once():
    app = make_app(DEBUG=True)
    Mail(app)
    assert type(app.wsgi_app).__name__ == "Mount"


def test_debug_that_comes_later_is_seen_by_the_first_request():
    """``app.run(debug=True)`` comes after ``Mail(app)``."""
    app = make_app()
    Mail(app)
    app.before_request(lambda: ("log in first", 401))
    app.register_error_handler(Exception, lambda error: ("wrong", 500))
    app.debug = True
    assert status(app, "/elsewhere") == 401
    assert type(app.wsgi_app).__name__ == "Mount"
    assert "<title>Inbox · shop</title>" in app.test_client().get("/_mail/").text


def test_the_first_request_of_all_may_be_for_the_inbox():
    app = make_app()
    mail = Mail(app)
    app.before_request(lambda: ("log in first", 401))
    app.register_error_handler(HTTPException, lambda error: ("wrong", 500))
    mail.app.debug = True
    mail.send(Message("Hello", ["ann@example.com"], "Hi", sender="shop@example.com"))
    client = app.test_client()
    answer = client.get("/_mail/")
    assert "Hello" in answer.text
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert client.delete("/_mail/api/messages").status_code == 204


def test_debug_may_come_after_another_middleware():
    """The inbox gets requests as the middleware changes them."""
    app = make_app()
    Mail(app)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1)
    app.debug = True
    client = app.test_client()
    for _ in range(2):
        page = client.get("/_mail/", headers={"X-Forwarded-Prefix": "/shop"}).text
        assert 'href="/shop/_mail/previews"' in page
    assert type(app.wsgi_app) is ProxyFix
    assert status(app, "/elsewhere") == 404


def test_a_wrong_setting_is_an_error_of_requests_not_of_the_set_up():
    app = make_app(DEBUG=True, MAIL_INBOX="inbox")
    Mail(app)
    with pytest.raises(ConfigurationError, match="MAIL_INBOX must be"):
        app.test_client().get("/")


@pytest.mark.parametrize("wanted", [True, "/inbox"])
def test_production_has_none_whatever_the_setting_says(wanted):
    app = make_app(MAIL_INBOX=wanted)
    Mail(app)
    assert [status(app, path) for path in ("/_mail/", "/inbox/")] == [404, 404]


@pytest.mark.parametrize("word", ["False", "0", "off", "", "production"])
def test_a_word_of_the_environment_that_says_no_is_no(word):
    """``FLASK_DEBUG=False`` and from_prefixed_env() make DEBUG a str, which is true to Flask."""
    app = make_app(DEBUG=word, TESTING=word, MAIL_INBOX=True)
    Mail(app)
    assert (status(app), prefix_of(app)) == (404, None)


def test_a_word_of_the_environment_that_says_yes_is_yes():
    app = make_app(DEBUG="True")
    Mail(app)
    assert (status(app), prefix_of(app)) == (200, "/_mail")


def test_debug_may_be_switched_on_and_off_at_any_time():
    app = make_app()
    Mail(app)
    statuses = [status(app)]
    app.debug = True  # as app.run(debug=True) does
    statuses.append(status(app))
    app.debug = False
    statuses.append(status(app))
    assert statuses == [404, 200, 404]


def test_an_app_of_a_factory_has_one():
    mail = Mail()
    app = make_app(DEBUG=True)
    mail.init_app(app)
    assert status(app) == 200


def test_init_app_through_current_app_mounts_it_too():
    app = make_app(DEBUG=True)
    with app.app_context():
        Mail().init_app(current_app)
    assert status(app) == 200


def test_testing_needs_the_setting():
    app = make_app(TESTING=True)
    Mail(app)
    before = status(app)
    app.config["MAIL_INBOX"] = True
    assert (before, status(app)) == (404, 200)


def test_the_setting_switches_it_off():
    app = make_app(DEBUG=True, MAIL_INBOX=False)
    Mail(app)
    assert status(app) == 404


@pytest.mark.parametrize("prefix", ["/dev/inbox", "/dev/inbox/"])
def test_the_setting_may_name_the_prefix(prefix):
    app = make_app(DEBUG=True, MAIL_INBOX=prefix)
    Mail(app)
    assert prefix_of(app) == "/dev/inbox"
    assert (status(app, "/dev/inbox/"), status(app)) == (200, 404)
    assert 'href="/dev/inbox/previews"' in app.test_client().get("/dev/inbox/").text


@pytest.mark.parametrize("wanted", ["inbox", "/", "/a b", "/a//b", 2.5, "//evil.example"])
def test_inbox_setting_must_be_a_bool_or_a_prefix(wanted):
    app = make_app(DEBUG=True, MAIL_INBOX=wanted)
    Mail(app)
    with pytest.raises(ConfigurationError, match="MAIL_INBOX must be true, false or a URL"):
        prefix_of(app)


def test_the_address_without_a_slash_leads_there():
    response = Browser(make_mail()).get("")
    assert (response.status_code, response.location) == (302, "/_mail/")


def test_a_longer_name_is_none_of_its_addresses():
    assert status(make_mail().app, "/_mailing") == 404


def test_what_the_app_does_with_requests_does_not_reach_the_inbox():
    mail = make_mail()
    mail.app.before_request(lambda: ("log in first", 401))
    mail.app.add_url_rule("/<path:anything>", view_func=lambda anything: "the app")
    assert "<title>Inbox · shop</title>" in Browser(mail).text()
    assert status(mail.app, "/elsewhere") == 401


def test_an_app_below_a_path_of_its_server_has_links_below_it():
    client = Client(make_mail().app)
    given = {"SCRIPT_NAME": "/shop", "REMOTE_ADDR": "127.0.0.1"}
    page = client.get("/_mail/", environ_overrides=given).text
    assert 'href="/shop/_mail/previews"' in page


def test_two_mails_of_an_app_mount_one_inbox():
    app = make_app(DEBUG=True)
    Mail(app)
    first = app.wsgi_app
    Mail(app)
    assert app.wsgi_app is first


@pytest.mark.parametrize("is_late", [False, True])
def test_the_first_requests_at_the_same_time_find_one_inbox(monkeypatch, is_late):
    """Each inbox names the messages of an outbox in its own way."""
    made = []
    met = threading.Barrier(2)
    original = blueprint.standalone

    def slow(app):
        made.append(app)
        with contextlib.suppress(threading.BrokenBarrierError):
            met.wait(0.2)  # for another one that is made meanwhile
        return original(app)

    monkeypatch.setattr(blueprint, "standalone", slow)
    app = make_app(DEBUG=not is_late)
    Mail(app)
    app.debug = True
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(status, [app, app])) == [200, 200]
    assert made == [app]


def test_the_inbox_is_imported_by_the_first_request_for_it():
    program = """
        import sys
        from flask import Flask
        from flask_mail import Mail
        app = Flask("shop")
        app.config.update(DEBUG=True, MAIL_BACKEND="locmem")
        Mail(app)
        app.test_client().get("/")
        assert "flask_mail.inbox.blueprint" not in sys.modules
        assert app.test_client().get("/_mail/").status_code == 200
        assert "flask_mail.inbox.blueprint" in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_production_imports_nothing_of_the_inbox():
    program = """
        import sys
        from flask import Flask
        from flask_mail import Mail
        app = Flask("shop")
        app.config.update(MAIL_BACKEND="console", MAIL_INBOX=True)
        mail = Mail(app)
        app.test_client().get("/")
        with app.app_context():
            mail.send_message("Hi", ["ann@example.com"], "Hi", sender="shop@example.com")
        assert "flask_mail.inbox" not in sys.modules
        app.debug = True
        assert app.test_client().get("/_mail/").status_code == 200
        assert "flask_mail.inbox" in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_a_tool_must_implement_each_method():
    tool, app = Tool(), make_app()
    for method in (tool.set_up, tool.at_request, tool.shows_mail):
        with pytest.raises(NotImplementedError):
            method(app)


def test_rooms_with_lazy_names_have_no_others():
    with pytest.raises(AttributeError, match="no attribute 'blueprints'"):
        inbox.blueprints  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'Pigeon'"):
        backends.Pigeon  # noqa: B018


def test_an_app_whose_mail_is_gone_has_no_inbox():
    mail = make_mail()
    del mail.app.extensions["mail"]
    assert status(mail.app) == 404


def test_an_app_whose_mail_belongs_to_another_extension_is_told_so():
    mail = make_mail()
    mail.app.extensions["mail"] = object()
    client = mail.app.test_client()
    assert "call Mail(app)" in client.get("/_mail/").text
    assert client.get("/_mail/previews").status_code == 409


class TestBlueprint:
    """An app that mounts the inbox itself, behind a login of its own."""

    def make(self, *, allowed=True, **config):
        app = make_app(**config)
        mail = Mail(app)
        blueprint = inbox_blueprint()
        blueprint.before_request(lambda: None if allowed else ("log in first", 401))
        app.register_blueprint(blueprint, url_prefix="/admin/mail")
        return mail

    def test_it_is_served_in_production_behind_the_login(self):
        assert status(self.make().app, "/admin/mail/") == 200
        assert status(self.make(allowed=False).app, "/admin/mail/") == 401

    def test_a_warning_is_logged_once(self, caplog):
        browser = Browser(self.make(), "/admin/mail")
        with caplog.at_level(logging.WARNING, "flask_mail"):
            browser.get()
            browser.get()
        [record] = caplog.records
        assert "anyone who can open /admin/mail/ can read all stored mail" in record.getMessage()

    def test_a_word_that_says_no_is_no_debug_to_the_warning_either(self, caplog):
        with caplog.at_level(logging.WARNING, "flask_mail"):
            assert status(self.make(DEBUG="False").app, "/admin/mail/") == 200
        assert "can read all stored mail" in caplog.text

    def test_no_warning_is_logged_in_debug(self, caplog):
        with caplog.at_level(logging.WARNING, "flask_mail"):
            assert status(self.make(DEBUG=True).app, "/admin/mail/") == 200
        assert caplog.records == []

    def test_it_answers_to_the_name_of_the_site(self):
        client = self.make().app.test_client()
        assert client.get("/admin/mail/", base_url="https://shop.example.com").status_code == 200

    def test_it_keeps_what_the_console_prints(self, capsys):
        mail = self.make()
        mail.app.config["MAIL_BACKEND"] = "console"
        mail.send(Message("Hello", ["ann@example.com"], "Hi", sender="shop@example.com"))
        assert Browser(mail, "/admin/mail").only()["subject"] == "Hello"

    def test_its_previews_link_to_the_site(self):
        mail = self.make()
        mail.app.config["MAIL_DEFAULT_SENDER"] = "shop@example.com"

        @mail.preview("link")
        def link():
            from flask import request

            return Message("Link", ["ann@example.com"], request.url_root)

        client = mail.app.test_client()
        page = client.get("/admin/mail/previews/link", base_url="https://shop.example.com").text
        assert "https://shop.example.com/" in page
