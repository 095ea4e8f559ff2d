"""The test kit for unittest."""

from __future__ import annotations

import unittest
from pathlib import Path

from flask import Flask

from flask_mail import Mail
from flask_mail.testing import MailTestMixin, Outbox, golden
from flask_mail.testing import scope as scopes

app = Flask("shop")
app.config.update(MAIL_SERVER="smtp.invalid", MAIL_DEFAULT_SENDER="shop@example.com")
mail = Mail(app)


class Registration(MailTestMixin, unittest.TestCase):
    """Run by pytest, and by unittest below."""

    def setUp(self):  # without super(), as people write it
        mail.send_message("Set up", ["ann@example.com"])

    def test_the_mail_of_the_test_and_of_its_set_up_comes(self):
        mail.send_message("Welcome", ["ann@example.com"], "Hi")
        assert [each.subject for each in self.outbox] == ["Set up", "Welcome"]
        self.outbox.assert_sent(to="ann@example.com", subject="Welcome", body="Hi")

    def test_the_mail_of_other_tests_does_not(self):
        assert len(self.outbox) == 1

    def test_golden_messages_are_beside_the_test(self):
        assert self.outbox._folder == Path(__file__).parent / "mail"


class Async(MailTestMixin, unittest.IsolatedAsyncioTestCase):
    async def test_the_mail_of_a_coroutine_comes(self):
        mail.send_message("Welcome", ["ann@example.com"])
        self.outbox.assert_sent(subject="Welcome")


class Failing(unittest.TestCase):
    """Not a test of its own: its inner class is run by the test below."""

    class Case(MailTestMixin, unittest.TestCase):
        def runTest(self):
            self.outbox.assert_sent(subject="Welcome")

    def test_a_failure_of_an_assertion_is_a_failure_of_the_test(self):
        result = unittest.TestResult()
        self.Case().run(result)
        [(_, text)] = result.failures
        assert "No message was sent with\n  subject  'Welcome'\n\nNothing was sent." in text
        assert text.count('File "') == 1  # the line of the test
        assert "runTest" in text


def test_unittest_runs_it_without_pytest():
    loader = unittest.TestLoader()
    for case in (Registration, Async):
        result = unittest.TestResult()
        loader.loadTestsFromTestCase(case).run(result)
        assert result.testsRun
        assert result.wasSuccessful(), result.failures + result.errors
    assert scopes.find_scope() is None


def test_a_test_that_runs_for_a_debugger_has_an_outbox_too():
    """``TestSuite.debug()`` lets errors through; nothing may leave there either."""
    case = Registration("test_the_mail_of_the_test_and_of_its_set_up_comes")
    case.debug()
    assert len(case.outbox) == 2
    assert scopes.find_scope() is None


def test_a_class_without_a_file_has_no_golden_messages(monkeypatch):
    """A class typed into a terminal has no file."""
    monkeypatch.setattr(Registration, "__module__", "nowhere")
    case = Registration("test_the_mail_of_other_tests_does_not")
    result = unittest.TestResult()
    case.run(result)
    assert result.wasSuccessful()
    assert case.outbox._folder is None


def test_golden_messages_are_written_where_the_environment_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv(golden.UPDATE, "1")
    with Outbox(tmp_path) as outbox:
        mail.send_message("Welcome", ["ann@example.com"])
        outbox.assert_matches("welcome")
    assert "Subject: Welcome" in (tmp_path / "welcome.txt").read_text()
