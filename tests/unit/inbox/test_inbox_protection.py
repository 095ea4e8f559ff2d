"""Pages of others cannot read the inbox, show it in a frame, or use its forms."""

from __future__ import annotations

import pytest
from inbox_support import Browser, make_mail, welcome
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import create_environ, run_wsgi_app

SAME = {"Sec-Fetch-Site": "same-origin"}
LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
def mail():
    mail = make_mail()
    mail.send(welcome())
    return mail


@pytest.fixture
def browser(mail):
    return Browser(mail)


class TestPeer:
    """The inbox has no login: by default it answers to this machine alone."""

    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "::FFFF:7F00:1", "::1%lo"]
    )
    def test_this_machine_is_answered(self, browser, address):
        answer = browser.get("/", environ_overrides={"REMOTE_ADDR": address})
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "address",
        [
            *("10.0.0.99", "192.168.1.7", "172.17.0.1", "203.0.113.5", "0.0.0.0", "::", "fe80::1"),
            *("::ffff:10.0.0.99", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1%lo"),
            *("", "<local>", "unix:", "/run/app.sock", "127.0.0.1.evil.test", "127.1", "localhost"),
        ],
    )
    def test_other_machines_and_proxies_at_sockets_are_refused(self, browser, address):
        for page in ("/", "", "/api/messages", "/changes", "/static/inbox.css", "/nothing"):
            answer = browser.get(page, environ_overrides={"REMOTE_ADDR": address})
            assert answer.status_code == 403
            assert "MAIL_INBOX=True" in answer.text
            assert "Welcome" not in answer.text

    def test_a_peer_without_an_address_is_refused(self, mail):
        environ = create_environ("/_mail/")
        environ.pop("REMOTE_ADDR", None)
        _, status, _ = run_wsgi_app(mail.app.wsgi_app, environ)
        assert status.startswith("403")

    def test_other_machines_delete_and_send_nothing(self, browser):
        peer = {"REMOTE_ADDR": "10.0.0.99"}
        name = browser.messages()[0]["id"]
        answers = [
            browser.client.delete("/_mail/api/messages", environ_overrides=peer),
            browser.client.post("/_mail/delete", environ_overrides=peer),
            browser.client.post(f"/_mail/messages/{name}/resend", environ_overrides=peer),
        ]
        assert [each.status_code for each in answers] == [403] * 3
        assert len(browser.messages()) == 1

    @pytest.mark.parametrize(
        "header", ["X-Forwarded-For", "X-Real-IP", "X-Client-IP", "Forwarded", "Client-IP"]
    )
    @pytest.mark.parametrize("said", ["127.0.0.1", "::1", "for=127.0.0.1", "10.0.0.9, 127.0.0.1"])
    def test_no_header_makes_another_machine_this_one(self, mail, browser, header, said):
        peer = {"REMOTE_ADDR": "10.0.0.99"}
        answer = browser.get("/", headers={header: said}, environ_overrides=peer)
        mail.app.wsgi_app = ProxyFix(mail.app.wsgi_app)  # it takes what X-Forwarded-For says
        fixed = browser.get("/", headers={header: said}, environ_overrides=peer)
        assert (answer.status_code, fixed.status_code) == (403, 403)

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-Forwarded-For": "203.0.113.5"},
            {"X-Forwarded-For": "127.0.0.1, 203.0.113.5"},
            {"X-Forwarded-For": "unknown"},
            {"X-Real-IP": "203.0.113.5"},
            {"Forwarded": "for=203.0.113.5;proto=http"},
            {"Forwarded": 'for=127.0.0.1, For="[2001:db8::1]:4711"'},
            {"Forwarded": "for=_hidden"},
        ],
    )
    def test_a_proxy_on_this_machine_does_not_let_others_in(self, mail, browser, headers):
        answer = browser.get("/", headers=headers)
        mail.app.wsgi_app = ProxyFix(mail.app.wsgi_app)
        assert (answer.status_code, browser.get("/", headers=headers).status_code) == (403, 403)

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-Forwarded-For": "127.0.0.1"},
            {"X-Forwarded-For": "::1, 127.0.0.1"},
            {"X-Forwarded-For": ""},
            {"Forwarded": 'for="[::1]:4711";host=localhost'},
        ],
    )
    def test_a_proxy_that_serves_this_machine_alone_is_answered(self, browser, headers):
        assert browser.get("/", headers=headers).status_code == 200

    @pytest.mark.parametrize("setting", [True, "True", "1", "/_mail"])
    def test_the_setting_opens_it_to_other_machines(self, mail, browser, setting):
        mail.app.config["MAIL_INBOX"] = setting
        for address in ("172.17.0.1", "", "<local>"):
            answer = browser.get("/", environ_overrides={"REMOTE_ADDR": address})
            assert answer.status_code == 200

    def test_an_open_inbox_still_looks_at_the_host(self, mail, browser):
        mail.app.config["MAIL_INBOX"] = True
        answer = browser.get(
            "/",
            headers={"Host": "evil.example"},
            environ_overrides={"REMOTE_ADDR": "172.17.0.1"},
        )
        assert answer.status_code == 403


class TestHost:
    @pytest.mark.parametrize(
        "host",
        [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "[::1]:5000",
            "192.168.1.7",
            "shop.localhost",
            "shop.test",
            "LOCALHOST",
            "localhost.",
        ],
    )
    def test_names_of_this_machine_and_addresses_are_answered(self, browser, host):
        assert browser.get("/", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize(
        "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhosts"]
    )
    def test_a_name_that_a_stranger_may_have_made_lead_here_is_refused(self, browser, host):
        for page in ("/", "/api/messages", "/static/inbox.css"):
            answer = browser.get(page, headers={"Host": host})
            assert answer.status_code == 403
            assert "TRUSTED_HOSTS" in answer.text
            assert "Welcome" not in answer.text

    @pytest.mark.parametrize(
        "config",
        [
            {"SERVER_NAME": "shop.example.com:5000"},
            {"TRUSTED_HOSTS": ["other.example", "shop.example.com"]},
            {"TRUSTED_HOSTS": [".example.com"]},
            {"TRUSTED_HOSTS": "shop.example.com"},
        ],
    )
    def test_the_names_that_the_app_knows_are_answered(self, browser, mail, config):
        mail.app.config.update(config)
        statuses = [
            browser.get("/", headers={"Host": host}).status_code
            for host in ("shop.example.com", "shop.example.com.evil.example")
        ]
        assert statuses == [200, 403]

    @pytest.mark.parametrize(
        ("asked", "said", "status"),
        [
            ("evil.example", "localhost", 403),  # by a script, where no proxy replaces the header
            ("evil.example:5000", "127.0.0.1", 403),
            ("localhost", "evil.example", 403),
            ("127.0.0.1:5000", "shop.test", 200),
            ("[::1]:5000", "shop.test", 200),
            ("web:5000", "shop.test", 200),  # as containers call each other
            ("shop.test", "", 200),
        ],
    )
    def test_a_header_for_proxies_does_not_hide_the_name(self, browser, mail, asked, said, status):
        mail.app.wsgi_app = ProxyFix(mail.app.wsgi_app, x_host=1)
        headers = {"Host": asked, "X-Forwarded-Host": said}
        assert browser.get("/", headers=headers).status_code == status

    def test_a_host_that_is_none_is_refused_behind_a_proxy_too(self, mail):
        """Not by the test client: that of older Werkzeugs reads the host itself."""
        mail.app.wsgi_app = ProxyFix(mail.app.wsgi_app, x_host=1)
        environ = create_environ("/_mail/")
        environ.update(HTTP_HOST="[evil.example", HTTP_X_FORWARDED_HOST="localhost")
        environ["REMOTE_ADDR"] = "127.0.0.1"
        _, status, _ = run_wsgi_app(mail.app.wsgi_app, environ)
        assert status.startswith("403")


class TestOrigin:
    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    def test_what_the_page_of_another_site_asks_for_is_refused(self, browser, site):
        for page in ("/", "/api/messages", "/static/inbox.js"):
            assert browser.get(page, headers={"Sec-Fetch-Site": site}).status_code == 403

    def test_a_link_on_another_site_may_lead_here(self, browser):
        headers = {"Sec-Fetch-Site": "cross-site", **LINK}
        assert browser.get("/", headers=headers).status_code == 200

    def test_a_frame_of_another_site_may_not(self, browser):
        headers = {"Sec-Fetch-Site": "cross-site", **LINK, "Sec-Fetch-Dest": "iframe"}
        assert browser.get("/", headers=headers).status_code == 403

    @pytest.mark.parametrize(
        "headers",
        [{}, SAME, {**SAME, "Origin": "http://localhost"}, {"Origin": "https://localhost"}],
    )
    def test_its_own_pages_and_programs_may_delete(self, browser, headers):
        answer = browser.client.delete("/_mail/api/messages", headers=headers)
        assert (answer.status_code, browser.messages()) == (204, [])

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://["},
            {"Origin": "http://localhost:8000"},
            {"Sec-Fetch-Site": "cross-site", **LINK},
        ],
    )
    def test_pages_of_another_site_may_not_delete(self, browser, headers):
        [message] = browser.messages()
        for path in ("/_mail/api/messages", message["url"]):
            assert browser.client.delete(path, headers=headers).status_code == 403
        assert len(browser.messages()) == 1


class TestToken:
    def test_a_form_of_the_inbox_deletes_all(self, browser):
        answer = browser.post("/delete")
        assert (answer.status_code, answer.location) == (303, "/_mail/")
        assert browser.messages() == []

    def test_a_form_of_a_message_deletes_it(self, browser, mail):
        mail.send_message("Second", ["ann@example.com"], "Hi")
        second, _ = browser.messages()
        assert browser.post(f"/messages/{second['id']}/delete").status_code == 303
        assert [each["subject"] for each in browser.messages()] == ["Welcome"]

    @pytest.mark.parametrize("path", ["/delete", "/messages/{id}/delete", "/messages/{id}/resend"])
    @pytest.mark.parametrize("token", [None, "", "guessed" * 8, "ü"])
    def test_a_form_without_the_token_does_nothing(self, browser, path, token):
        [message] = browser.messages()
        browser.text()  # has set the cookie
        form = {} if token is None else {"token": token}
        answer = browser.client.post("/_mail" + path.format(**message), data=form)
        assert answer.status_code == 403
        assert "reload the page" in answer.text
        assert len(browser.messages()) == 1

    def test_a_token_without_a_cookie_is_none(self, browser, mail):
        token = "a" * 43
        assert (
            mail.app.test_client().post("/_mail/delete", data={"token": token}).status_code == 403
        )
        other = mail.app.test_client()
        headers = {"Cookie": "flask_mail_inbox="}
        answer = other.post("/_mail/delete", data={"token": ""}, headers=headers)
        assert answer.status_code == 403

    def test_the_token_stays_the_same_for_a_browser(self, browser):
        pages = [browser.text(), browser.text()]
        tokens = {page.partition('name="token" value="')[2][:43] for page in pages}
        assert len(tokens) == 1

    def test_its_cookie_is_for_the_inbox_and_no_script(self, browser):
        cookie = browser.get().headers["Set-Cookie"]
        assert cookie.endswith("; HttpOnly; Path=/_mail/; SameSite=Strict")

    def test_over_https_its_cookie_is_secure(self, browser):
        assert "; Secure" in browser.get(base_url="https://localhost").headers["Set-Cookie"]


def test_every_answer_has_the_headers_that_keep_others_out(browser):
    [message] = browser.messages()
    page = f"/messages/{message['id']}"
    for path in ("/", "/previews", page, f"{page}/html", f"{page}/eml", f"{page}/parts/0", "/gone"):
        headers = browser.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-DNS-Prefetch-Control"] == "off"
        assert headers["Referrer-Policy"] in ("no-referrer", "same-origin")
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Frame-Options"] in ("DENY", "SAMEORIGIN")
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in headers


def test_pages_run_no_script_but_the_inbox_s_own(browser):
    policy = browser.get().headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
