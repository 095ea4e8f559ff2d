"""Helpers of the command line's tests."""

from __future__ import annotations

import json
import ssl
import sys
from textwrap import dedent

import trustme
from flask import Flask

from flask_mail import Mail
from flask_mail.cli import mail_cli

PASSWORD = "s3cret-pässword"


def make_app(with_mail: bool = True, **config) -> Flask:
    """Make an app as production has it: neither debug nor testing."""
    app = Flask("shop")
    app.config.update({"MAIL_DEFAULT_SENDER": "shop@example.com", **config})
    if with_mail:
        Mail(app)
    return app


def run(app, *arguments, status=0, **options):
    """Run ``flask mail ...`` and check the exit status."""
    result = app.test_cli_runner().invoke(mail_cli, args=arguments, **options)
    assert result.exit_code == status, result.output
    return result


def run_json(app, command, status=0):
    """Run a command with ``--json``; return what it printed, which is one object and no more."""
    return json.loads(run(app, command, "--json", status=status).stdout)


def install(monkeypatch, folder, name, version="1.0", backends="", **modules) -> None:
    """Put a distribution on the path, as pip leaves it.

    :param backends: the lines of its entry point group.
    :param modules: module name -> source.
    """
    site = folder / f"{name}-{version}"
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[flask_mail.backends]\n{dedent(backends)}\n")
    for module, source in modules.items():
        (site / f"{module}.py").write_text(dedent(source), "utf-8")
        monkeypatch.delitem(sys.modules, module, raising=False)  # of another test
    monkeypatch.syspath_prepend(site)


def backend_source(name, options="", head="", external=True) -> str:
    """Return the source of a module with a backend class ``Plugin``."""
    return (
        f"{head}\n"
        "from flask_mail.backends import Backend\n"
        "class Plugin(Backend):\n"
        f"    name = {name!r}\n"
        f"    external = {external}\n"
        f"    def __init__(self{', *, ' + options if options else ''}):\n"
        "        pass\n"
        "    def deliver(self, mail, session):\n"
        "        return self.accepted(mail)\n"
    )


class Authority:
    """A certificate authority of the tests' own, and a server's certificate for 127.0.0.1."""

    def __init__(self, folder) -> None:
        authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        self.server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(self.server_context)
