"""The pages of the inbox: what they show, and that a message cannot act in them."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timezone
from html import unescape
from importlib.resources import files
from urllib.parse import quote

import pytest
from inbox_support import PNG, Browser, make_mail, welcome

from flask_mail import Message
from flask_mail.inbox import html as documents
from flask_mail.inbox import pages
from flask_mail.inbox.filters import moment_text, size_text
from flask_mail.inbox.rendered import ParsedContent
from flask_mail.inbox.summaries import names_of, snippet_of


@pytest.fixture
def mail():
    return make_mail()


@pytest.fixture
def browser(mail):
    return Browser(mail)


@pytest.fixture
def browser_of(tmp_path):
    """Make a browser whose inbox holds one message of these octets, called ``a``."""

    def make(content):
        (tmp_path / "a.eml").write_bytes(content)
        return Browser(make_mail("file", MAIL_FILE_PATH=tmp_path))

    return make


def send(mail, message=None):
    """Send a message and return the path of its page."""
    mail.send(message or welcome())
    return f"/messages/{Browser(mail).messages()[0]['id']}"


def document_of(html, **arguments):
    content = Message("Hi", ["a@b.example"], html=html, sender="c@d.example").as_bytes()
    return documents.document(ParsedContent.of(content), is_dark=False, **arguments)


class TestList:
    def test_a_row_has_recipient_subject_snippet_and_attachments(self, mail, browser):
        send(mail)
        page = browser.text()
        for each in ("To ann@example.com", "Welcome", "Hello Ann, confirm:", "1 attachment"):
            assert each in page

    def test_senders_are_listed_by_name_if_there_are_several(self, mail, browser):
        send(mail)
        assert "From" not in browser.text()
        mail.send_message(
            "Hi", [("Bob B.", "bob@example.com")], "Hi", sender=("Depot", "d@e.example")
        )
        page = browser.text()
        assert '<span class="from">Depot</span> <span class="to">to Bob B.</span>' in page
        assert '<span class="from">shop@example.com</span>' in page

    def test_the_title_names_the_app(self, mail, browser):
        assert "<title>Inbox · shop</title>" in browser.text()
        assert "<title>Welcome · shop</title>" in browser.text(send(mail))

    def test_what_is_selected_is_deleted_and_nothing_else(self, mail, browser):
        for subject in ("One", "Two", "Three"):
            mail.send_message(subject, ["ann@example.com"], "Hi")
        ids = {each["subject"]: each["id"] for each in browser.messages()}
        answer = browser.post("/delete-selected", id=[ids["One"], ids["Three"], "gone"], q="t")
        assert (answer.status_code, answer.location) == (303, "/_mail/?q=t")
        assert [each["subject"] for each in browser.messages()] == ["Two"]
        assert browser.post("/delete-selected").status_code == 303
        assert len(browser.messages()) == 1

    @pytest.mark.parametrize(("selected", "opened"), [("Two", True), ("Three", False)])
    def test_the_open_message_stays_open_unless_it_is_selected(
        self, mail, browser, selected, opened
    ):
        for subject in ("One", "Two", "Three"):
            mail.send_message(subject, ["ann@example.com"], "Hi")
        ids = {each["subject"]: each["id"] for each in browser.messages()}
        path = f"/messages/{ids['Three']}" if opened else "/"
        answer = browser.post("/delete-selected", id=ids[selected], open=ids["Three"], q="ann")
        assert answer.location == f"/_mail{path}?q=ann"
        page = browser.text(f"/messages/{ids['One']}")
        assert f'name="open" value="{ids["One"]}"' in page

    @pytest.mark.parametrize(
        ("deleted", "following"),
        [("Order 4", "Order 2"), ("Order 2", "Order 0"), ("Order 0", "Order 2")],
    )
    def test_deleting_a_message_opens_the_next_of_the_search(
        self, mail, browser, deleted, following
    ):
        for number in range(6):
            kind = "Notice" if number % 2 else "Order"
            mail.send_message(f"{kind} {number}", ["ann@example.com"], "Hi")
        ids = {each["subject"]: each["id"] for each in browser.messages()}
        page = browser.text(f"/messages/{ids[deleted]}?q=order")
        [action] = re.findall(r'action="/_mail(/messages/[^"/]+/delete[^"]*)"', page)
        answer = browser.post(unescape(action))
        assert answer.location == f"/_mail/messages/{ids[following]}?q=order"
        assert deleted not in [each["subject"] for each in browser.messages()]

    def test_deleting_a_message_stays_on_its_page(self, mail, browser, monkeypatch):
        monkeypatch.setattr(pages, "_MOST_LISTED", 2)
        for number in range(4):
            mail.send_message(f"Number {number}", ["ann@example.com"], "Hi")
        newest, second, third, oldest = [each["id"] for each in browser.messages()]
        place = f"?before={second}"
        answer = browser.post(f"/messages/{third}/delete{place}")
        assert answer.location == f"/_mail/messages/{oldest}{place}"
        answer = browser.post(f"/messages/{oldest}/delete{place}")
        assert answer.location == f"/_mail/messages/{second}{place}"
        assert f'data-id="{newest}"' in browser.text(f"/messages/{second}{place}")

    def test_after_the_last_message_of_a_page_come_older_ones(self, mail, browser, monkeypatch):
        monkeypatch.setattr(pages, "_MOST_LISTED", 2)
        for _ in range(3):
            mail.send(welcome())
        newest, second, oldest = [each["id"] for each in browser.messages()]
        further = f'<a rel="next" href="/_mail/?before={second}">Older messages</a>'
        shown = [further in browser.text(f"/messages/{each}") for each in (newest, second)]
        assert shown == [False, True]
        assert 'rel="next"' not in browser.text(f"/messages/{oldest}?before={second}")

    def test_deleting_the_last_message_leads_to_the_list(self, mail, browser):
        mail.send(welcome())
        [found] = browser.messages()
        path = f"/messages/{found['id']}/delete"
        assert browser.post(path).location == "/_mail/"

    def test_deleting_a_message_twice_opens_no_other(self, mail, browser):
        for _ in range(3):
            mail.send(welcome())
        newest, *others = [each["id"] for each in browser.messages()]
        path = f"/messages/{newest}/delete"
        assert browser.post(path).location == f"/_mail/messages/{others[0]}"
        assert browser.post(path).location == "/_mail/"
        assert [each["id"] for each in browser.messages()] == others

    def test_a_message_without_headers_is_a_row_too(self, tmp_path):
        (tmp_path / "a.eml").write_bytes(b"\nHi")
        page = Browser(make_mail("file", MAIL_FILE_PATH=tmp_path)).text()
        assert "(none)" in page
        assert "(no subject)" in page

    def test_an_empty_inbox_says_what_will_appear(self, browser):
        assert "No mail yet." in browser.text()

    def test_a_search_shows_what_matches(self, mail, browser):
        send(mail)
        assert "Welcome" in browser.text("/?q=ann")
        page = browser.text("/?q=%3Cteapot%3E")
        assert "No messages match <q>&lt;teapot&gt;</q>" in page


class TestMessage:
    def test_it_begins_with_the_html_where_there_is_one(self, mail, browser):
        page = browser.text(send(mail))
        assert re.search(r'<a href="[^"]*view=html" aria-current="page">HTML</a>', page)
        assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page

    def test_it_begins_with_the_text_where_there_is_no_html(self, mail, browser):
        page = browser.text(send(mail, Message("Hi", ["ann@example.com"], "Only <text>")))
        assert "Only &lt;text&gt;" in page
        assert "<iframe" not in page

    def test_an_address_in_the_text_is_a_link_that_tells_nothing_of_the_inbox(self, mail, browser):
        page = browser.text(f"{send(mail)}?view=text")
        [link] = re.findall(r'<a href="https://shop[^>]*>', page)
        assert "https://shop.example.com/confirm?a=1&amp;b=2" in link
        assert re.search(r'rel="[^"]*noopener[^"]*"', link)
        assert "noreferrer" in link

    def test_a_long_text_has_no_links_and_is_shown_up_to_its_end(self, mail, browser):
        body = "https://shop.example.com " * 5000 + "the end"
        page = browser.text(send(mail, Message("Hi", ["ann@example.com"], body)))
        assert "the end" in page
        assert 'href="https://shop' not in page

    def test_other_forms_of_the_text_are_shown_beside_it(self, mail, browser):
        message = Message("Hi", ["ann@example.com"], alts={"calendar": "BEGIN:<b>"})
        page = browser.text(f"{send(mail, message)}?view=text")
        assert "<h2>text/calendar</h2>" in page
        assert "BEGIN:&lt;b&gt;" in page

    def test_many_recipients_are_folded(self, mail, browser):
        readers = [(f"Reader, {n}", f"r{n}@example.com") for n in range(30)]
        page = browser.text(send(mail, Message("Hi", readers, "Hi", cc=["c@example.com"])))
        shown, folded = re.search(
            r"<dt>To</dt><dd>(.*?)<details[^>]*><summary>and 25 more</summary>(.*?)</details>",
            page,
            re.DOTALL,
        ).groups()
        assert (shown.count("@"), folded.count("@")) == (5, 25)
        assert "<dt>Cc</dt><dd>c@example.com</dd>" in page

    def test_a_text_that_is_empty_says_so(self, mail, browser):
        page = browser.text(send(mail, Message("Hi", ["ann@example.com"], " ")))
        assert "This text is empty." in page
        assert '<pre class="text">' not in page

    def test_blind_copies_show_in_the_envelope(self, mail, browser):
        page = browser.text(f"{send(mail)}?view=envelope")
        assert page.count("RCPT TO") == 2
        assert re.search(r"&lt;archive@example.com&gt;\s*<span class=\"tag\">blind copy", page)
        assert "<dt>Bcc</dt><dd>archive@example.com</dd>" in page

    def test_who_gets_a_message_instead_of_its_recipients_is_no_blind_copy(self, mail, browser):
        message = Message("Hi", ["ann@example.com"], "Hi", bcc=["qa@example.com"])
        message.extra_headers = {"X-Original-To": "ann@example.com"}
        page = browser.text(f"{send(mail, message)}?view=envelope")
        assert "<dt>Redirected to</dt><dd>qa@example.com</dd>" in page
        assert '<span class="tag">redirected</span>' in page
        assert "blind copy" not in page

    def test_an_address_that_is_part_of_another_is_a_blind_copy_all_the_same(self, mail, browser):
        message = Message("Hi", ["joann@example.com"], "Hi", bcc=["ann@example.com"])
        assert "<dt>Bcc</dt><dd>ann@example.com</dd>" in browser.text(send(mail, message))

    def test_what_is_likely_to_be_wrong_is_told_beside_it(self, mail, browser):
        path = send(mail, Message("Hello None <b>", ["a@b.example"], html="<img>"))
        assert "Suggestions (3)" in browser.text(path)
        page = browser.text(f"{path}?view=advice")
        places = [page.index(each) for each in ("placeholder", "no-text", "image-without-alt")]
        assert places == sorted(places)
        assert "&#39;Hello None &lt;b&gt;&#39;" in page
        good = Message("Hello", ["a@b.example"], "Hi", html="<p>Hi</p>")
        assert "Suggestions (" not in browser.text(send(mail, good))

    def test_headers_are_shown_decoded(self, mail, browser):
        page = browser.text(
            f"{send(mail, Message('Grüße', ['ann@example.com'], 'Hi'))}?view=headers"
        )
        assert "<td>Grüße</td>" in page

    def test_the_source_is_shown_as_it_travels(self, mail, browser):
        page = browser.text(f"{send(mail)}?view=source")
        assert "Content-Type: multipart/" in page
        assert "&lt;h1&gt;" in page

    def test_of_a_long_source_the_beginning_is_shown(self, mail, browser):
        message = Message("Hi", ["ann@example.com"], "x\n" * 300_000)
        page = browser.text(f"{send(mail, message)}?view=source")
        assert "Only the beginning is shown." in page

    def test_width_and_colours_stay_while_the_other_is_chosen(self, mail, browser):
        message = Message(
            "Hi", ["a@b.example"], html="<style>:root{color-scheme:light dark}</style>"
        )
        page = browser.text(f"{send(mail, message)}?width=360&scheme=dark&images=1")
        assert '<iframe class="w360 dark"' in page
        assert re.search(
            r'src="[^"]*/html\?(scheme=dark&amp;images=1|images=1&amp;scheme=dark)"', page
        )
        assert re.search(r'href="[^"]*width=768[^"]*scheme=dark', page)
        assert "Block remote images" in page

    def test_arguments_that_are_none_count_as_none(self, mail, browser):
        page = browser.text(f'{send(mail)}?view=x&width="><script>&scheme=pink&images=yes')
        assert '<iframe class="w light"' in page
        assert "<script>" not in page

    def test_the_download_is_the_message_octet_for_octet(self, mail, browser):
        path = send(mail)
        response = browser.get(f"{path}/eml")
        assert response.data == mail.outbox[0].as_bytes()
        assert response.mimetype == "message/rfc822"
        assert response.headers["Content-Disposition"].startswith("attachment; filename=")

    def test_every_value_is_escaped(self, mail, browser):
        mean = '"><script>alert(1)</script>'
        message = Message(mean, [(mean, "ann@example.com")], mean, sender=(mean, "a@example.com"))
        message.attach(f"{mean}.txt", "text/plain", "x")
        path = send(mail, message)
        views = ("text", "headers", "envelope", "source")
        for page in (browser.text(), *(browser.text(f"{path}?view={view}") for view in views)):
            assert "<script>alert" not in page
            assert "&lt;script&gt;alert" in page

    def test_the_newer_and_the_older_message_are_one_step_away(self, mail, browser):
        for subject in ("One", "Two", "Three"):
            mail.send_message(subject, ["ann@example.com"], "Hi")
        newest, middle, oldest = (f"/messages/{each['id']}" for each in browser.messages())
        page = browser.text(middle)
        assert f'rel="prev" href="/_mail{newest}"' in page
        assert f'rel="next" href="/_mail{oldest}"' in page
        assert 'rel="prev"' not in browser.text(newest)
        assert 'rel="next"' not in browser.text(oldest)

    def test_a_step_stays_among_the_results_of_a_search(self, mail, browser):
        for subject in ("Order 1", "Greeting", "Order 2"):
            mail.send_message(subject, ["ann@example.com"], "Hi")
        newest, _, oldest = (f"/messages/{each['id']}" for each in browser.messages())
        page = browser.text(f"{newest}?q=order")
        assert f'rel="next" href="/_mail{oldest}?q=order"' in page
        assert f'href="/_mail{newest}?view=text&amp;q=order"' in page
        assert "Greeting" not in page

    def test_the_list_is_beside_it_unless_it_is_asked_for_alone(self, mail, browser):
        path = send(mail)
        assert 'aria-current="true"' in browser.text(path)
        alone = browser.text(path, headers={"X-Mail-Pane": "1"})
        assert 'id="inbox"' not in alone
        assert "<h1>Welcome</h1>" in alone

    def test_a_message_that_is_not_listed_has_no_steps(self, mail, browser):
        assert "rel=" not in browser.text(f"{send(mail)}?q=nothing").partition("<article>")[2]

    def test_html_source_is_shown_decoded_with_colours_and_escaped(self, mail, browser):
        html = """<!-- <b> --><p class="a">Grüße & <a href='x' hidden>1 < 2</a></p><!--"""
        page = browser.text(f"{send(mail, Message('Hi', ['a@b.example'], html=html))}?view=markup")
        for each in (
            '<span class="c">&lt;!-- &lt;b&gt; --&gt;</span><span class="t">&lt;p</span>',
            '<span class="a">class=</span><span class="v">&#34;a&#34;</span>',
            'Grüße &amp; <span class="t">&lt;a</span>',
            '<span class="v">&#39;x&#39;</span> hidden<span class="t">&gt;</span>1 &lt; 2',
            '&lt;/p</span><span class="t">&gt;</span><span class="c">&lt;!--</span>',
        ):
            assert each in page

    def test_each_line_of_the_html_source_is_an_element(self, mail, browser):
        html = "<p\n title='a\nb'><!-- c\nd -->"
        page = browser.text(f"{send(mail, Message('Hi', ['a@b.example'], html=html))}?view=markup")
        for each in (
            '<span class="line" id="L1"><span class="t">&lt;p</span></span>\n',
            '<span class="line" id="L2"> <span class="a">title=</span><span class="v">&#39;a</',
            '<span class="line" id="L3"><span class="v">b&#39;</span><span class="t">&gt;</span>',
            '<span class="line" id="L4"><span class="c">d --&gt;</span></span>',
        ):
            assert each in page

    def test_mail_programs_are_shown_with_what_they_do_not_support(self, mail, browser):
        html = "<p>Hi</p>\n" + '<video src="a.mp4"></video>\n' * 6
        path = send(mail, Message("Hi", ["a@b.example"], html=html))
        page = browser.text(f"{path}?view=programs")
        assert "Mail programs</a>" in page
        assert re.search(r"of \d{4}-\d\d-\d\d\.", page)
        gmail = page.partition("Gmail")[2].partition("</details>")[0]
        assert 'value="50"' in gmail
        assert "1 not supported" in gmail
        assert 'href="https://www.caniemail.com/features/html-video/"' in gmail
        assert "&lt;video&gt; element" in gmail
        assert f'href="/_mail{path}?view=markup#L2">2</a>' in gmail
        assert "…" in gmail
        assert browser.text(f"{path}?view=programs").count("partly") > 0

    def test_a_message_without_html_has_no_mail_programs(self, mail, browser):
        path = send(mail, Message("Hi", ["a@b.example"], "Hi"))
        assert "Mail programs" not in browser.text(path)

    def test_a_long_html_source_has_no_colours(self, mail, browser):
        message = Message("Hi", ["a@b.example"], html="<p>long</p>" * 7000)
        page = browser.text(f"{send(mail, message)}?view=markup")
        assert "&lt;p&gt;long&lt;/p&gt;" in page
        assert '<span class="t">' not in page

    @pytest.mark.parametrize("page", ["/nothing", "/messages/", "/messages/gone", "/previews/gone"])
    def test_a_page_that_does_not_exist_leads_back_to_the_inbox(self, browser, page):
        answer = browser.get(page)
        assert answer.status_code == 404
        assert '<a class="button" href="/_mail/">Back to the inbox</a>' in answer.text
        assert "Content-Security-Policy" in answer.headers

    def test_images_are_counted_if_nothing_else_is_attached(self, mail, browser):
        message = Message("Hi", ["ann@example.com"], html='<img src="cid:a">')
        message.embed(PNG, "a.png", content_id="a")
        assert '<a href="#attachments">1 image</a>' in browser.text(send(mail, message))


class TestParts:
    def test_an_attachment_is_downloaded_whatever_it_is(self, mail, browser):
        path = send(mail)
        for query in ("", "?inline=1"):
            response = browser.get(f"{path}/parts/1{query}")
            assert response.data == b"<script>alert(1)</script>"
            assert response.content_type == "application/octet-stream"
            assert response.headers["Content-Disposition"] == "attachment; filename=invoice.html"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in response.headers["Content-Security-Policy"]

    def test_a_picture_can_be_looked_at(self, mail, browser):
        response = browser.get(f"{send(mail)}/parts/0?inline=1")
        assert (response.data, response.content_type) == (PNG, "image/png")

    def test_a_picture_that_may_hold_a_script_is_downloaded(self, mail, browser):
        message = Message("Hi", ["ann@example.com"], "Hi")
        message.attach("x.svg", "image/svg+xml", "<svg onload='alert(1)'/>")
        response = browser.get(f"{send(mail, message)}/parts/0?inline=1")
        assert response.content_type == "application/octet-stream"

    def test_there_are_no_others(self, mail, browser):
        assert browser.get(f"{send(mail)}/parts/2").status_code == 404

    @pytest.mark.parametrize(
        ("name", "given"),
        [
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\a.exe", "a.exe"),
            (".bashrc", "bashrc"),
            ("a\u202egnp.exe", "agnp.exe"),
            ("/", "attachment"),
        ],
    )
    def test_a_download_has_a_name_that_leads_nowhere(self, browser_of, name, given):
        disposition = f"attachment; filename*=utf-8''{quote(name)}"
        header = f"Content-Type: application/x-tar\nContent-Disposition: {disposition}"
        browser = browser_of(f"{header}\n\nx".encode())
        disposition = browser.get("/messages/a/parts/0").headers["Content-Disposition"]
        assert disposition == f"attachment; filename={given}"

    def test_one_without_a_name_is_named_by_its_number(self, browser_of):
        browser = browser_of(b"Content-Type: application/x-tar\n\nx")
        disposition = browser.get("/messages/a/parts/0").headers["Content-Disposition"]
        assert disposition == "attachment; filename=part-1"


class TestDocument:
    """The HTML of a message, for its frame."""

    def test_its_policy_allows_no_script_and_no_other_server(self, mail, browser):
        response = browser.get(f"{send(mail)}/html")
        policy = response.headers["Content-Security-Policy"]
        assert policy == (
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
            " form-action 'none'; frame-ancestors 'self';"
            " sandbox allow-popups allow-popups-to-escape-sandbox"
        )
        assert response.headers["X-Frame-Options"] == "SAMEORIGIN"

    def test_remote_pictures_are_allowed_once_asked_for(self, mail, browser):
        response = browser.get(f"{send(mail)}/html?images=1")
        assert "img-src data: https: http:;" in response.headers["Content-Security-Policy"]

    def test_the_twin_that_is_measured_can_neither_act_nor_load_anything(self, mail, browser):
        response = browser.get(f"{send(mail)}/html?measure=1&images=1")
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "img-src data:;" in policy
        assert policy.endswith("sandbox allow-same-origin")

    def test_its_own_pictures_are_in_it(self, mail, browser):
        page = browser.text(f"{send(mail)}/html")
        assert f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in page

    def test_a_picture_may_be_named_as_a_url_or_as_html_names_it(self):
        message = Message("Hi", ["a@b.example"], html="<img src='cid:a%2Bb'> <img src=CID:a&#43;b>")
        message.sender = "c@d.example"
        message.embed(PNG, "a.png", content_id="a+b")
        page = documents.document(ParsedContent.of(message.as_bytes()), is_dark=False)
        assert page.count("data:image/png") == 2

    def test_a_picture_that_is_not_there_or_no_picture_stays_as_it_is(self):
        assert "cid:nothing" in document_of('<img src="cid:nothing">')

    def test_a_picture_that_is_named_too_often_fills_no_memory(self, monkeypatch):
        monkeypatch.setattr(documents, "_MOST_PICTURES", 300)
        message = Message("Hi", ["a@b.example"], html='<img src="cid:a">' * 100)
        message.sender = "c@d.example"
        message.embed(PNG, "a.png", content_id="a")
        page = documents.document(ParsedContent.of(message.as_bytes()), is_dark=False)
        assert page.count("data:image/png") == 2

    @pytest.mark.parametrize("is_dark", [True, False])
    def test_rules_for_dark_mail_programs_count_in_dark_mode_only(self, is_dark):
        html = (
            "<style>@media (prefers-color-scheme: dark){a{}}"
            "@media ( Prefers-Color-Scheme:light ){b{}}</style>"
        )
        parsed = ParsedContent.of(
            Message("Hi", ["a@b.example"], html=html, sender="c@d.example").as_bytes()
        )
        page = documents.document(parsed, is_dark=is_dark)
        on, off = "@media (min-width:0)", "@media (max-width:0)"
        assert f"{on if is_dark else off}{{a{{}}}}{off if is_dark else on}{{b{{}}}}" in page
        # Elements without a dark rule stay black on white.
        assert '<meta name="color-scheme" content="light">' in page

    @pytest.mark.parametrize(
        "declared",
        [
            '<meta name="color-scheme" content="light dark">',
            "<meta name='supported-color-schemes' content='dark'>",
            "<style>:root { color-scheme: light dark }</style>",
            "<style>:root{supported-color-schemes:dark light}</style>",
            '<html style="color-scheme:only dark">',
        ],
    )
    def test_the_page_is_dark_if_the_message_asks_for_it(self, declared):
        parsed = ParsedContent.of(
            Message("Hi", ["a@b.example"], html=declared, sender="c@d.example").as_bytes()
        )
        for is_dark, scheme in ((True, "dark"), (False, "light")):
            page = documents.document(parsed, is_dark=is_dark)
            assert f'<meta name="color-scheme" content="{scheme}">' in page
            assert f":root{{color-scheme:{scheme}}}" in page

    @pytest.mark.parametrize(
        ("html", "has_some"),
        [
            ("<style>@media (prefers-color-scheme: dark){a{}}</style>", True),
            ('<meta name="color-scheme" content="light dark">', True),
            ("<style>@media (prefers-color-scheme: light){a{}}</style>", False),
            ('<meta name="color-scheme" content="light">', False),
            ('<p style="color:#333;background:#fff">Hi</p>', False),
        ],
    )
    def test_a_dark_view_is_offered_only_if_it_is_true(self, mail, browser, html, has_some):
        page = browser.text(send(mail, Message("Hi", ["a@b.example"], html=html)))
        assert (">Dark</a>" in page) is has_some

    def test_links_open_in_a_tab_of_their_own_whatever_the_message_says(self):
        page = document_of('<base target="_top" href="https://evil.example">')
        assert page.count("<base ") == 1
        assert '<base target="_blank">' in page

    @pytest.mark.parametrize(
        ("html", "shown"),
        [
            ('<link rel="preconnect" href="//a.example">Hi', '<basefont rel="preconnect" href='),
            ("<LINK\nrel=dns-prefetch href=//a.example>", "<basefont\nrel=dns-prefetch"),
            ("<iframe/src=//a.example>Hi</iframe >", "<no-iframe/src=//a.example>Hi</no-iframe >"),
            ("<iframe><link href=//a.example></iframe>", "<no-iframe><basefont href"),
            ("<FrameSet><Frame\fsrc=//a></FrameSet>", "<no-FrameSet><basefont\fsrc=//a></no-Fra"),
            ("<!--><frame src=//a>-->", "<!--><basefont src=//a>-->"),
            ("<?xml ><embed src=//a>", "<?xml ><basefont src=//a>"),
            ("<scr<iframe>ipt", "<no-scr<iframe>ipt"),  # one tag, to browsers too
            ("<svg><image href=//a /><set to=//a>", "<svg><basefont href=//a /><no-set to=//a>"),
            ("<meta http-equiv=refresh content=0>", "<basefont http-equiv=refresh content=0>"),
            ("<base href=//a>", "<basefont href=//a>"),
            ("<portal src=//a><fencedframe>", "<no-portal src=//a><no-fencedframe>"),
            ("<link>Hi</link>", "<basefont>Hi</basefont>"),
            ("<o:p>Hi</o:p><links>", "<no-o:p>Hi</no-o:p><no-links>"),
        ],
    )
    def test_nothing_makes_browsers_connect_ahead_of_time(self, html, shown):
        """No policy keeps them from it: what is not known to be harmless is renamed."""
        assert shown in document_of(html)

    def test_what_shows_text_and_pictures_stays_as_it_is(self):
        html = (
            "<!doctype html><html><head><title>a</title><style>a{}</style></head><BODY>"
            '<h1>a</h1><table><tr><td>1 < 2 <b>a</b><br/><img src="data:,"></td></tr></table>'
            '<!--[if mso]>x<![endif]--><svg><path d="M0 0"/></svg></BODY></html>'
        )
        assert document_of(html).endswith(html)

    def test_the_text_of_a_script_is_not_shown(self):
        shown = document_of('<script type="application/ld+json">{"a": 1}</script>Hi')
        assert shown.endswith('<style type="none" type="application/ld+json">{"a": 1}</style>Hi')

    def test_a_message_without_html_has_an_empty_one(self, mail, browser):
        path = send(mail, Message("Hi", ["ann@example.com"], "Hi"))
        assert browser.text(f"{path}/html").endswith("</style>")

    @pytest.mark.parametrize(
        ("html", "wants"),
        [
            ('<img src="https://a.example/x.gif">', True),
            ("<td background=//a.example/x>", True),
            ("<p style=\"background:url( 'http://a.example/x')\">", True),
            ('<img src="cid:a"> https://a.example', False),
            ('<a href="https://a.example">', False),
        ],
    )
    def test_remote_pictures_are_offered_where_there_are_some(self, html, wants):
        assert documents.has_remote_images(html) is wants


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("ann@example.com", ["ann@example.com"]),
        ('"Doe, Ann" <ann@example.com>, bob@example.com', ["Doe, Ann", "bob@example.com"]),
        (
            "Ann <a@b.example>, <c@d.example>, Bob B. <b@b.example>",
            ["Ann", "c@d.example", "Bob B."],
        ),
        (
            r'"Ann \"The, Boss\" Doe" <a@b.example>, b@b.example',
            ['Ann "The, Boss" Doe', "b@b.example"],
        ),
        (
            "=?utf-8?q?M=C3=BCller=2C_Ann?= <a@b.example>, b@b.example",
            ["Müller, Ann", "b@b.example"],
        ),
        ('Ann" <a@b.example>', ['Ann"']),
        ("undisclosed-recipients:;", ["undisclosed-recipients:;"]),
        ("Ann <a@b.example>,, ", ["Ann"]),
        ("", []),
    ],
)
def test_mailboxes_are_shown_by_name(header, names):
    parsed = ParsedContent.of(f"To: {header}\r\n\r\nHi".encode())
    assert [names_of([each]) for each in parsed.mailboxes("to")] == names
    assert names_of(parsed.mailboxes("cc", "to")) == ", ".join(names)


def test_names_of_many_recipients_are_cut():
    names = names_of(f"someone{number}@example.com" for number in range(1000))
    assert names.startswith("someone0@example.com, someone1@example.com")
    assert len(names) == 300


def test_recipients_are_counted_by_their_mailboxes(mail, browser):
    """A comma in an encoded name is not the end of a mailbox."""
    people = [(f"Müller, Ann {number}", f"a{number}@example.com") for number in range(10)]
    path = send(mail, Message("Hi", people, "Hello", cc=[("Straße, Bob", "bob@example.com")]))
    page = browser.text(path)
    assert "<summary>and 5 more</summary>" in page
    assert "<dt>Cc</dt><dd>Straße, Bob &lt;bob@example.com&gt;</dd>" in page
    assert "To Müller, Ann 0, Müller, Ann 1" in browser.text()


@pytest.mark.parametrize(
    ("fields", "snippet"),
    [
        ({"body": "Hello\n\n  Ann \n=====\nBye"}, "Hello Ann Bye"),
        ({"html": "<style>a{}</style><p>Hello</p>&zwnj;&#847;&shy;<p>Ann</p>"}, "Hello Ann"),
        ({"body": "word " * 100}, f"{'word ' * 27}word…"),
        ({"alts": {"calendar": "BEGIN"}}, ""),
    ],
)
def test_a_snippet_is_the_beginning_of_the_text(fields, snippet):
    content = Message("Hi", ["a@b.example"], sender="c@d.example", **fields).as_bytes()
    assert snippet_of(ParsedContent.of(content)) == snippet


def test_sizes_and_times_are_written_for_people():
    assert [size_text(each) for each in (1, 1023, 14 * 1024, 5 * 2**19)] == [
        "1 B",
        "1023 B",
        "14 KiB",
        "2.5 MiB",
    ]
    moment = datetime(2030, 1, 2, 12, 30, 15, tzinfo=timezone.utc)
    local = moment.astimezone()
    assert moment_text(moment, now=local) == f"{local:%H:%M:%S}"
    assert moment_text(moment) == f"{local:%Y-%m-%d %H:%M}"


def test_the_assets_are_small_and_load_nothing_from_elsewhere():
    static = files("flask_mail.inbox") / "static"
    assets = {each.name: each.read_bytes() for each in static.iterdir()}
    assert sum(map(len, assets.values())) < 60 * 1024
    for name in ("inbox.css", "inbox.js"):
        assert not re.search(rb"https?://|@import|url\(", assets[name])


def test_the_assets_are_served(browser):
    for name, kind in (("inbox.css", "text/css"), ("inbox.js", "javascript")):
        with browser.get(f"/static/{name}") as response:
            assert kind in response.content_type
