"""Runs what the documentation prints.

Each page of ``docs/`` and each page beside ``README.md`` is one test, in an empty folder. Its
fenced blocks are taken in order:

``python``
    Runs in the namespace of the page. If it raises, the settings of ``app`` are restored, so that
    no reader has to see how. A block that begins with ``# name.py`` is a file instead: it
    is written to the folder, where later blocks import it; pytest runs it if it is ``test_*.py``.
``text``
    Right after another block: exactly what that block prints, or the last line of its traceback if
    it raises; ``...`` stands for anything, and 1.0.0 for the installed version. A block that prints
    or raises something needs one.
``shell``
    Each command of ``flask mail`` runs in a shell; installing and serving is left out.
``ini``
    The environment of an app, by which a message is sent.
``toml``
    Must parse. One that declares backends is installed, as metadata that entry points are read
    from.

A page begins with an app ``shop`` as ``app``, its ``mail``, and the files that its examples attach.
Whatever is under example.com is an SMTP server on this machine, with TLS and login, and so are the
services that pages tell how to use. It refuses nobody@example.com for good and busy@example.com for
now. Libraries that would ask such a service for tokens have stand-ins in ``stand_ins/``.
"""

from __future__ import annotations

import base64
import contextlib
import doctest
import gc
import io
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import trustme
from aiosmtpd.smtp import AuthResult
from flask import Flask
from servers import Recorder, smtp_server

from flask_mail import Mail
from flask_mail.config.table import BY_KEY, TABLE

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
STAND_INS = Path(__file__).parent / "stand_ins"

_VERSION = version("Flask-Mail")
_BLOCK = re.compile(r"^(?P<fence>```+)(?P<kind>\w+)\n(?P<body>.*?)^(?P=fence)$", re.M | re.S)
_FILE_NAME = re.compile(r"# (\w+\.py)\n")
_COMMAND = re.compile(r"(?:[A-Z_]+=\S* )*flask (?:--app \S+ )?mail ")


@dataclass(frozen=True)
class Block:
    """One fenced block, with the ``text`` block that follows it."""

    kind: str
    body: str
    line: int
    shown: str | None = None


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a page that run."""
    found: list[Block] = []
    end = 0
    for match in _BLOCK.finditer(text):
        if match["kind"] != "text":
            found.append(
                Block(match["kind"], match["body"], text.count("\n", 0, match.start()) + 2)
            )
        elif found and not text[end : match.start()].strip():
            found[-1] = replace(found[-1], shown=match["body"])
        end = match.end()
    return found


class Page:
    """A page while its blocks run, in a folder of its own."""

    def __init__(self, path: Path, folder: Path, namespace: dict[str, Any]) -> None:
        self.path = path
        self.folder = folder
        self.namespace = namespace

    def run(self, block: Block) -> None:
        """Run a block and compare what it prints with what the page shows."""
        printed = getattr(self, f"run_{block.kind}")(block).replace("\r\n", "\n")
        printed = printed.replace(_VERSION, "1.0.0").strip("\n")
        shown = (block.shown or "").strip("\n")
        # The width of a command's columns depends on what is installed.
        spaces = doctest.NORMALIZE_WHITESPACE if block.kind == "shell" else 0
        if not doctest.OutputChecker().check_output(shown, printed, doctest.ELLIPSIS | spaces):
            pytest.fail(
                f"{self.path.name}, line {block.line}:\n{block.body}\nprints\n\n{printed}\n"
                f"and the page shows\n\n{shown}"
            )

    def run_python(self, block: Block) -> str:
        if named := _FILE_NAME.match(block.body):
            return self.run_file(named[1], block)
        printed = io.StringIO()
        code = compile("\n" * (block.line - 1) + block.body, str(self.path), "exec")
        app = self.namespace["app"]
        config = dict(app.config)
        with contextlib.redirect_stdout(printed):
            try:
                exec(code, self.namespace)
            except Exception as error:
                if block.shown is None:
                    raise
                printed.write(traceback.format_exception_only(error)[-1])
                app.config.clear()
                app.config.update(config)
        return printed.getvalue()

    def run_file(self, name: str, block: Block) -> str:
        (self.folder / name).write_text(block.body, encoding="utf-8")
        compile(block.body, name, "exec")
        if not name.startswith("test_"):
            return ""
        options = ("-q", "-p", "no:cacheprovider", "-W", "error", "--basetemp", ".pytest")
        completed = run_command(sys.executable, "-m", "pytest", *options, name, cwd=self.folder)
        assert completed.returncode == 0, completed.stdout + completed.stderr
        return completed.stdout if block.shown else ""

    def run_shell(self, block: Block) -> str:
        printed = ""
        for line in block.body.replace("\\\n", "").splitlines():
            if _COMMAND.match(line) or (printed and line.startswith("echo ")):
                completed = run_command("/bin/sh", "-c", line, cwd=self.folder)
                assert completed.returncode in (0, 1), completed.stderr
                assert "Traceback" not in completed.stderr, completed.stderr
                printed += completed.stdout + completed.stderr
        return printed

    def run_jinja(self, block: Block) -> str:
        """Make a template; its first line, a comment, tells where it belongs."""
        comment, _, source = block.body.partition("\n")
        path = self.folder / comment.removeprefix("{# ").removesuffix(" #}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        return ""

    def run_ini(self, block: Block) -> str:
        variables = dict(line.split("=", 1) for line in block.body.splitlines())
        app = Flask("shop")
        with mock.patch.dict(os.environ, variables):
            app.config.from_prefixed_env()
        assert Mail(app).send_message("Hello", ["ann@example.com"], "Hello, Ann.").sent
        return ""

    def run_toml(self, block: Block) -> str:
        project = tomllib.loads(block.body).get("project", {})
        for group, points in project.get("entry-points", {}).items():
            lines = "".join(f"{name} = {target}\n" for name, target in points.items())
            info = (
                self.folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
            )
            info.mkdir()
            (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
            (info / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
            )
        return ""


def run_command(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a reader does, in the environment of these tests."""
    kept = {name: value for name, value in os.environ.items() if "MAIL_" not in name}
    for name, first in (("PATH", Path(sys.executable).parent), ("PYTHONPATH", cwd)):
        kept[name] = os.pathsep.join(filter(None, (str(first), kept.get(name))))
    environment = {**kept, "PYTHONUTF8": "1"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


HOSTS = (
    "smtp.example.com",
    "mail.example.com",
    "smtp.gmail.com",
    "smtp.office365.com",
    "email-smtp.eu-central-1.amazonaws.com",
)


class Provider(Recorder):
    """A server that also takes access tokens."""

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> AuthResult:
        said = base64.b64decode(args[1])
        return AuthResult(success=said.endswith(b"\1auth=Bearer t0ken\1\1"), handled=False)


@pytest.fixture
def example_com(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Put SMTP servers behind every name under example.com: port 465 speaks TLS at once."""
    recorder = Provider(
        answers={
            "nobody@example.com": "550 5.1.1 no such user",
            "busy@example.com": "450 4.2.0 try again later",
        }
    )
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*HOSTS).configure_cert(context)
    certificates = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(certificates))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates))
    options: dict[str, Any] = {"authenticator": lambda *_: AuthResult(success=True)}
    look_up = socket.getaddrinfo

    with (
        smtp_server(recorder, tls_context=context, **options) as clear,
        smtp_server(recorder, ssl_context=context, auth_require_tls=False, **options) as encrypted,
    ):

        def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            if str(host).endswith("example.com") or host in HOSTS:
                host, port = "127.0.0.1", encrypted.port if port == 465 else clear.port
            return look_up(host, port, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the examples and the files that they attach, which is the current one."""
    folder = tmp_path / "page"
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n and so on")
    (folder / "invoice.pdf").write_bytes(b"%PDF-1.7 and so on")
    monkeypatch.chdir(folder)
    for name in ("CLIENT_ID", "CLIENT_SECRET", "TENANT_ID"):
        monkeypatch.setenv(name, "of-the-shop")
    known = set(sys.modules)
    monkeypatch.syspath_prepend(STAND_INS)
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in set(sys.modules) - known:
        file = str(getattr(sys.modules[name], "__file__", None) or "")
        if file.startswith((str(folder), str(STAND_INS))) or name.partition(".")[0] == "google":
            del sys.modules[name]


@pytest.mark.usefixtures("example_com")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_runs_as_it_is_printed(path: Path, folder: Path) -> None:
    """Every block runs, and shows what the page says it shows."""
    app = Flask("shop", root_path=str(folder))
    app.config.update(MAIL_SERVER="smtp.example.com", MAIL_DEFAULT_SENDER="shop@example.com")
    namespace: dict[str, Any] = {"__name__": "shop", "app": app, "mail": Mail(app)}
    page = Page(path, folder, namespace)
    try:
        for block in blocks_of(path.read_text(encoding="utf-8")):
            page.run(block)
    finally:
        Mail().close()  # apps share a pool, and the next page counts its connections
        namespace.clear()  # signals forget their receivers with it
        gc.collect()


def test_pages_hold_no_block_of_an_unknown_kind() -> None:
    """A block that is misspelled, or indented, would never run."""
    openings = {
        (path.name, opening)
        for path in PAGES
        for opening in re.findall(r"^ *```+ *\w.*", path.read_text(encoding="utf-8"), re.M)
    }
    known = {f"```{kind}" for kind in ("python", "text", "shell", "ini", "toml", "jinja")}
    assert {each for each in openings if each[1] not in known} == set()


def test_links_between_pages_lead_somewhere() -> None:
    """A relative link names a file, and a fragment one of its headings."""
    broken = []
    for path in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            file, _, fragment = target.partition("#")
            if "://" in target or target.startswith("cid:"):
                continue
            linked = path.parent / file if file else path
            if not linked.exists() or (fragment and fragment not in anchors_of(linked)):
                broken.append((path.name, target))
    assert broken == []


def anchors_of(path: Path) -> set[str]:
    """Return the fragments that the headings of a page have."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-")
        for heading in headings
    }


def test_pages_name_no_setting_that_does_not_exist() -> None:
    """Settings are renamed in the code first."""
    examples = (
        r"MAIL_(COURIER|DATABASE|DKIM|GRAPH|NAME|PIGEON|POSTMARK|RESEND|SENDMAIL|SES|SPARE)_.*"
        r"|MAIL_FAIL_SILENTLY|MAIL_FILE_PAHT|MAIL_USE_TSL|MAIL_"
    )
    of_others = {  # which the page tells what to do about
        "migrating-flask-mailman.md": {
            "MAIL_DEFAULT_CHARSET",
            "MAIL_SEND_OPTIONS",
            "MAIL_SSL_CERTFILE",
            "MAIL_SSL_KEYFILE",
            "MAIL_USE_LOCALTIME",
        },
        "migrating-laravel-symfony.md": {
            *("MAIL_MAILER", "MAIL_HOST", "MAIL_SCHEME", "MAIL_ENCRYPTION"),
            *("MAIL_FROM_ADDRESS", "MAIL_FROM_NAME"),
        },
    }
    unknown = {
        (path.name, key)
        for path in PAGES
        for key in re.findall(r"\bMAIL_[A-Z0-9_]*", path.read_text(encoding="utf-8"))
        if key not in BY_KEY
        and not re.fullmatch(examples, key)
        and key not in of_others.get(path.name, ())
    }
    assert unknown == set()


def test_the_readme_shows_every_setting() -> None:
    """Its table is that of the code."""
    table = "".join(f"| `{each.key}` | {each.default} | {each.meaning} |\n" for each in TABLE)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert table in readme, f"The table of README.md should be\n\n{table}"


OF_0_10 = frozenset(
    f"MAIL_{name}"
    for name in (
        *("SERVER", "PORT", "USE_TLS", "USE_SSL", "USERNAME", "PASSWORD", "DEFAULT_SENDER"),
        *("DEBUG", "MAX_EMAILS", "SUPPRESS_SEND", "ASCII_ATTACHMENTS"),
    )
)


def test_the_guide_names_every_setting_that_programs_may_have_of_their_own() -> None:
    guide = (ROOT / "docs" / "migrating.md").read_text(encoding="utf-8")
    _, _, section = guide.partition("### Settings of your own\n")
    rows = section.partition("\n### ")[0]
    assert {each.key for each in TABLE} - OF_0_10 == set(re.findall(r"MAIL_[A-Z0-9_]+", rows))
