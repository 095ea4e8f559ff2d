"""The plugin for pytest, seen by tests that use it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import _flask_mail_pytestplugin
import flask_mail.testing  # also before pytester notes what is imported

if sys.version_info < (3, 12):
    # It puts a finder in the place of the standard library's, which pytester would take away.
    import importlib_metadata  # noqa: F401

APP = """
    import threading
    from flask import Flask
    from flask_mail import Mail

    app = Flask("shop")
    app.config.update(MAIL_SERVER="smtp.invalid", MAIL_DEFAULT_SENDER="shop@example.com")
    mail = Mail(app)

    def send(subject="Hello", to="ann@example.com", body="Hi"):
        mail.send_message(subject, [to], body)

    def send_in_thread(**fields):
        threading.Thread(target=send, kwargs=fields).start()
"""

OPTIONS = ("-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error")


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with an app and tests."""
    pytester.makepyfile(shop=APP)
    pytester.syspathinsert()
    monkeypatch.setenv("COLUMNS", "100")
    return pytester


def test_the_fixtures_are_there_without_being_asked_for(project):
    project.makepyfile(
        """
        from shop import send

        def test_outbox(outbox):
            assert not outbox
            send()
            assert len(outbox) == 1
        """
    )
    project.runpytest_inprocess(*OPTIONS).assert_outcomes(passed=1)


def test_the_name_mailbox_is_left_to_other_plugins(project):
    """pytest-invenio has a fixture of this name: a list, which brings the app."""
    project.makepyfile(
        other_plugin="""
        import pytest

        @pytest.fixture
        def mailbox():
            return ["of the other plugin"]
        """,
        test_it="""
        def test_mailbox(mailbox):
            assert mailbox == ["of the other plugin"]
        """,
    )
    run = project.runpytest_inprocess(*OPTIONS, "-p", "other_plugin", "test_it.py")
    run.assert_outcomes(passed=1)
    assert not hasattr(_flask_mail_pytestplugin, "mailbox")


def test_they_are_listed(project):
    listed = project.runpytest_inprocess("--fixtures", *OPTIONS).stdout.str()
    assert "The messages that are sent during this test; no mail leaves meanwhile." in listed
    assert "--mail-update" in project.runpytest_inprocess("--help", *OPTIONS).stdout.str()


def test_a_fixture_of_the_same_name_in_a_program_wins(project):
    project.makeconftest(
        """
        import pytest

        @pytest.fixture
        def outbox():
            return ["mine"]
        """
    )
    project.makepyfile(
        """
        def test_it(outbox):
            assert outbox == ["mine"]
        """
    )
    project.runpytest_inprocess(*OPTIONS).assert_outcomes(passed=1)


def test_a_program_may_build_on_the_fixture(project):
    project.makeconftest(
        """
        import pytest

        @pytest.fixture(autouse=True)
        def outbox(outbox):
            outbox.refuse("*@bad.example")
            return outbox
        """
    )
    project.makepyfile(
        """
        import pytest
        from flask_mail import MessageRefused
        from shop import send

        def test_it():
            with pytest.raises(MessageRefused):
                send(to="eve@bad.example")
        """
    )
    project.runpytest_inprocess(*OPTIONS).assert_outcomes(passed=1)


FAILURES = {
    "assert_sent(to='eve@example.com')": """
        >       outbox.assert_sent(to='eve@example.com')
        E       AssertionError: No message was sent with
        E         to  'eve@example.com'
        E
        E       The nearest is message 1, which has
        E         to  ann@example.com
        E
        E       1 message was sent:
        E         #  to               subject  from              parts
        E         1  ann@example.com  'Hello'  shop@example.com  text
    """,
    "assert_sent(count=2)": """
        >       outbox.assert_sent(count=2)
        E       AssertionError: 1 message was sent, but 2 expected, with
        E         (anything)
        E
        E       1 message was sent:
    """,
    "assert_not_sent(subject='Hello')": """
        >       outbox.assert_not_sent(subject='Hello')
        E       AssertionError: 1 message was sent, but none was expected, with
        E         subject  'Hello'
        E
        E       1 message was sent:
    """,
    "assert_no_mail()": """
        >       outbox.assert_no_mail()
        E       AssertionError: No mail was expected.
        E
        E       1 message was sent:
    """,
    "assert_matches('hello')": """
        >       outbox.assert_matches('hello')
        E       AssertionError: */mail/hello.txt does not exist. Create it with `pytest --mail*
        E
        E       MAIL FROM:<shop@example.com>
        E       RCPT TO:<ann@example.com>
        E
        E       Subject: Hello
    """,
    "assert_sent(subjet='Hello')": """
        >       outbox.assert_sent(subjet='Hello')
        E       TypeError: 'subjet' is not a field to check; did you mean 'subject'?
    """,
    "to('bob@example.com')[0]": """
        >       outbox.to('bob@example.com')[0]
        E       IndexError: list index out of range
    """,
}


@pytest.mark.parametrize("call", FAILURES)
def test_a_failure_explains_itself_at_the_line_of_the_test(project, call):
    project.makepyfile(
        f"""
        from shop import send

        def test_it(outbox):
            send()
            outbox.{call}
        """
    )
    result = project.runpytest_inprocess(*OPTIONS)
    result.assert_outcomes(failed=1)
    lines = [line.strip().replace("[", "[[]") for line in FAILURES[call].strip().splitlines()]
    result.stdout.fnmatch_lines(["E       " if line == "E" else line for line in lines])
    assert "flask_mail/testing" not in result.stdout.str()  # its own lines tell nobody anything


def test_the_code_that_is_missing_fails_at_the_line_of_the_test(project):
    project.makepyfile(
        """
        from flask_mail.testing import find_code
        from shop import send

        def test_it(outbox):
            send()
            find_code(outbox.last)
        """
    )
    result = project.runpytest_inprocess(*OPTIONS)
    result.stdout.fnmatch_lines(
        [
            ">       find_code(outbox.last)",
            "E       AssertionError: Expected one code*'Hello', but found none*",
        ]
    )
    assert "flask_mail/testing" not in result.stdout.str()


def test_a_comparison_shows_what_is_in_the_outbox(project):
    project.makepyfile(
        """
        from shop import send

        def test_it(outbox):
            send()
            assert len(outbox) == 2
        """
    )
    result = project.runpytest_inprocess(*OPTIONS)
    result.stdout.fnmatch_lines(["E*where 1 = len(<Outbox: 1 message was sent: Hello>)"])


GOLDEN = """
    from flask_mail.testing import MailTestMixin
    from shop import send
    from unittest import TestCase

    def test_hello(outbox):
        send(body={body!r})
        outbox.assert_matches("hello")

    class Hello(MailTestMixin, TestCase):
        def test_hello(self):
            send(body={body!r})
            self.outbox.assert_matches("unit/hello")
"""


def test_golden_messages_are_written_and_compared(project):
    def run(body, *options):
        test = project.makepyfile(test_golden=GOLDEN.format(body=body))
        return project.runpytest_inprocess(test, *OPTIONS, *options)

    run("Hello.").assert_outcomes(failed=2)
    run("Hello.", "--mail-update").assert_outcomes(passed=2)
    for name in ("hello", "unit/hello"):
        assert "Hello." in (project.path / "mail" / f"{name}.txt").read_text()
    run("Hello.").assert_outcomes(passed=2)
    result = run("Goodbye.")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E*-Hello.", "E*+Goodbye."])
    run("Goodbye.", "--mail-update").assert_outcomes(passed=2)
    run("Goodbye.").assert_outcomes(passed=2)


MANY = """
    import pytest
    from shop import send, send_in_thread

    @pytest.mark.parametrize("number", range(20))
    def test_it(outbox, number):
        assert not outbox
        send(subject=f"{number}")
        send_in_thread(subject=f"{number} in a thread")
        outbox.assert_sent(subject=f"{number} in a thread")
        assert len(outbox) == 2

    @pytest.mark.parametrize("number", range(20))
    def test_without_outbox(number):
        pass
"""


@pytest.mark.exhaustive
def test_tests_in_several_processes_are_apart(project):
    project.makepyfile(MANY)
    # A process of its own: xdist in a worker of xdist is none.
    result = project.runpytest_subprocess("-n", "2", *OPTIONS, timeout=120)
    result.assert_outcomes(passed=40)


def test_tests_in_several_threads_are_apart(project):
    """As plugins run them that run one test after the other in each of several threads."""
    project.makepyfile(
        """
        import contextvars
        import threading
        from flask_mail.testing import Outbox
        from shop import send

        def run(number, problems):
            try:
                for _ in range(10):
                    with Outbox() as outbox:
                        send(subject=f"{number}")
                        context = contextvars.copy_context()
                        thread = threading.Thread(
                            target=context.run, args=(send,), kwargs={"subject": f"{number}"}
                        )
                        thread.start()
                        thread.join()
                        outbox.assert_sent(subject=f"{number}", count=2)
                        assert len(outbox) == 2
            except BaseException as error:
                problems.append(error)

        def test_it(outbox):
            problems = []
            threads = [
                threading.Thread(target=run, args=(number, problems)) for number in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not problems
            assert not outbox
        """
    )
    project.runpytest_inprocess(*OPTIONS).assert_outcomes(passed=1)


def test_the_plugin_imports_nothing_before_it_is_used():
    """Neither the package nor Flask: programs patch, and measure coverage, before they do."""
    program = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import _flask_mail_pytestplugin\n"
        "new = set(sys.modules) - before\n"
        "print(' '.join(sorted(new)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["_flask_mail_pytestplugin"]


def test_pytest_starts_without_the_package(project):
    project.makepyfile(
        """
        import sys

        def test_it():
            assert "_flask_mail_pytestplugin" in sys.modules
            assert "flask" not in sys.modules
            assert "flask_mail" not in sys.modules
        """
    )
    project.runpytest_subprocess(*OPTIONS, timeout=60).assert_outcomes(passed=1)


def test_the_kit_imports_no_app_and_no_pytest():
    program = (
        "import sys\n"
        "import flask_mail.testing\n"
        "assert not {'pytest', '_pytest', '_flask_mail_pytestplugin'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.exhaustive
def test_a_program_that_runs_pytest_itself_is_not_warned(project, tmp_path):
    """As many apps do in a command of their own; they have imported the package by then."""
    info = tmp_path / "shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pytest11]\nshop = shop\n")
    # As if installed: in this environment, the package may be one that is being developed.
    (info / "RECORD").write_text("flask_mail/__init__.py,,\n")
    test = project.makepyfile(
        """
        def test_it(outbox):
            assert not outbox
        """
    )
    program = (
        "import sys, pytest, flask_mail\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        f"sys.exit(pytest.main([{str(test)!r}, *{OPTIONS!r}]))"
    )
    run = project.run(sys.executable, "-c", program)
    assert run.ret == 0
    run.assert_outcomes(passed=1)


@pytest.mark.exhaustive
def test_an_installed_backend_is_tested_by_its_name(project, tmp_path):
    path = tmp_path / "mail"
    arguments = (*OPTIONS, "--mail-backend=file", f"--mail-option=path={path}", "-q")
    result = project.runpytest_inprocess(*arguments)

    outcomes = result.parseoutcomes()
    assert outcomes["passed"] > 40
    assert set(outcomes) == {"passed", "skipped"}
    assert outcomes["skipped"] == 4  # it has no backend that fails
    assert list(path.glob("*.eml"))


@pytest.mark.exhaustive
def test_a_backend_that_breaks_a_promise_is_told(project):
    project.makepyfile(
        broken="""
        from flask_mail.backends import Backend

        class Broken(Backend):
            name = "broken"

            def deliver(self, mail, session):
                return None
        """
    )
    result = project.runpytest_subprocess(*OPTIONS, "--mail-backend=broken:Broken", "-q")

    assert result.ret == 1
    result.stdout.fnmatch_lines(["*returned NoneType instead of a Receipt with an Outcome*"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--mail-backend=flie",), "*'flie' is not installed; did you mean 'file'?*"),
        pytest.param(
            *(("--mail-backend=file",), "*FileBackend needs MAIL_FILE_PATH*"),
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            ("--mail-backend=file", "--mail-option=path"),
            "*'path' is not valid: write KEY=VALUE.*",
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_a_backend_that_cannot_be_built_is_told_once(project, arguments, told):
    result = project.runpytest_inprocess(*OPTIONS, *arguments)

    assert result.ret == 4
    result.stdout.fnmatch_lines([told])


@pytest.mark.exhaustive
def test_tests_that_are_named_run_beside_the_contract(project):
    project.makepyfile(test_own="def test_own(): pass")
    arguments = ("test_own.py", "--mail-backend=null", "-k", "own or name", "-v")
    result = project.runpytest_subprocess(*OPTIONS, *arguments)

    result.stdout.fnmatch_lines(["*test_own*PASSED*", "*test_its_name_is_one*PASSED*"])


def test_a_contract_without_a_backend_says_what_to_give_it(project):
    project.makepyfile(
        """
        from flask_mail.testing import BackendContract

        class TestMine(BackendContract):
            pass
        """
    )
    result = project.runpytest_inprocess(*OPTIONS, "-k", "name")

    result.stdout.fnmatch_lines(["*TestMine must define the fixture `backend`*"])


def test_the_contract_is_there_when_it_is_asked_for():
    assert flask_mail.testing.BackendContract.__name__ in flask_mail.testing.__all__
    with pytest.raises(AttributeError, match="no attribute 'BackendContarct'"):
        _ = flask_mail.testing.BackendContarct


def test_a_promise_that_the_contract_could_not_look_at_is_no_pass(pytester):
    """Without the fixtures of failures, nothing was tested about them."""
    pytester.makepyfile(
        """
        import pytest

        from flask_mail.backends import Backend
        from flask_mail.testing.contract import Failures

        class Idle(Backend):
            name = "idle"

            def deliver(self, mail, session):
                return self.accepted(mail)

        class TestIdle(Failures):
            @pytest.fixture
            def backend(self):
                return Idle()
        """
    )
    ran = pytester.runpytest_inprocess(*OPTIONS, "-rs")
    ran.assert_outcomes(passed=1, skipped=4)
    ran.stdout.fnmatch_lines(["*Define the fixture `failing` to run this test*"])


@pytest.mark.exhaustive
def test_the_contract_finds_faults_under_python_o_too(pytester):
    """``python -O`` leaves out the asserts of modules that pytest does not rewrite."""
    pytester.makepyfile(
        """
        import pytest

        from flask_mail.backends import Backend
        from flask_mail.testing import BackendContract

        class Idle(Backend):
            name = "idle"

            def deliver(self, mail, session):
                return self.accepted(mail)

        class TestIdle(BackendContract):
            @pytest.fixture
            def backend(self):
                return Idle()

            @pytest.fixture
            def delivered(self):
                return lambda: []
        """
    )
    options = (*OPTIONS[:4], "-k", "test_a_message_is_delivered_once")
    ran = pytester.run(sys.executable, "-O", "-m", "pytest", *options)
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["*3 messages should have arrived, not 0.*"])
