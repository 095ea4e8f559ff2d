"""A virtual environment for each library, all with the same Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
OLDEST = (3, 12)  # Django 6.1's

_ASK = """\
import importlib.metadata, json, platform, ssl, sys
names = sys.argv[1:]
versions = {"Python": platform.python_version(), "OpenSSL": ssl.OPENSSL_VERSION.split()[1]}
print(json.dumps(versions | {name: importlib.metadata.version(name) for name in names}))
"""


_NODEMAILER = "nodemailer@10.6.0"
_PSYCOPG = "psycopg[binary]==3.3.9"


class Missing(Exception):
    """Something that only some contestants need is not installed; says what."""


@dataclass(frozen=True)
class Library:
    """Something that is measured, in an environment of its own."""

    name: str
    folder: str
    requirements: tuple[str, ...]
    """Requirements for pip."""
    adapter: str
    """The module in ``workers`` that speaks its API."""


OURS = "Flask-Mail 1.0"  # this checkout
OLD = "Flask-Mail 0.10.0"
MAILMAN = "Flask-Mailman 1.1.1"
DJANGO = "Django 6.1"
STDLIB = "the standard library"
AIOSMTPLIB = "aiosmtplib 5.1.3, 5 connections"
LIMIT = "prepared octets"
NODEMAILER = "Nodemailer 10.6.0, 5 connections"
QUEUE = "Flask-Mail-Queue"  # this checkout
POST_OFFICE = "django-post_office 3.12.0"
DJANGO_MAILER = "django-mailer 2.3.2"
CELERY = "Celery 5.7.0"

LIBRARIES = {
    each.name: each
    for each in (
        Library(OURS, "ours", (f"-e{CHECKOUT}",), "flask_mail_api"),
        Library(OLD, "flask-mail", ("Flask-Mail==0.10.0",), "flask_mail_api"),
        Library(MAILMAN, "flask-mailman", ("Flask-Mailman==1.1.1",), "flask_mailman_api"),
        Library(DJANGO, "django", ("Django==6.1",), "django_api"),
        Library(STDLIB, "stdlib", (), "stdlib_api"),
        Library(LIMIT, "stdlib", (), "limit_api"),
        Library(AIOSMTPLIB, "aiosmtplib", ("aiosmtplib==5.1.3",), "aiosmtplib_api"),
        Library(
            QUEUE,
            "queue",
            (
                f"-e{CHECKOUT}",
                f"-e{CHECKOUT / 'plugins' / 'flask-mail-queue'}",
                "Flask-SQLAlchemy==3.1.1",
                _PSYCOPG,
            ),
            "flask_mail_queue_api",
        ),
        Library(
            POST_OFFICE,
            "post-office",
            ("django-post_office==3.12.0", "Django==6.1", _PSYCOPG),
            "post_office_api",
        ),
        Library(
            DJANGO_MAILER,
            "django-mailer",
            ("django-mailer==2.3.2", "Django==6.1", _PSYCOPG),
            "django_mailer_api",
        ),
        Library(CELERY, "celery", ("celery[redis]==5.7.0", "Flask-Mail==0.10.0"), "celery_api"),
    )
}


def find_python(given: str | None) -> Path:
    """Return a Python that runs all of them: the one given, or from PATH or pyenv's versions.

    :raises SystemExit: there is none.
    """
    if given is not None:
        candidates = [shutil.which(given) or given]
    else:
        names = ("python3.13", "python3.12", "python3.14", "python3", "python")
        candidates = [path for name in names if (path := shutil.which(name))]
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
        candidates += map(str, sorted(pyenv.glob("versions/3.*/bin/python"), reverse=True))
    for candidate in candidates:
        found = _version(candidate)
        # On PATH there may be pyenv's shim, which runs only where its version is chosen.
        if found is not None and found[0] >= OLDEST:
            return found[1]
    raise SystemExit("Python 3.12 or newer is needed (for Django 6.1): name one with --python.")


def _version(python: str) -> tuple[tuple[int, int], Path] | None:
    """Return the version and the real path of a Python, or None if it does not run."""
    code = "import sys; print(*sys.version_info[:2], sys.executable)"
    try:
        answer = subprocess.run(
            [python, "-c", code], check=True, capture_output=True, text=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    major, minor, path = answer.strip().split(" ", 2)
    return (int(major), int(minor)), Path(path)


class Environments:
    """The environments in a folder, made where they are missing."""

    def __init__(self, folder: Path, python: Path) -> None:
        self._folder = folder
        self._python = python
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")

    def python_of(self, library: Library) -> Path:
        """Return the interpreter of the library's environment."""
        folder = self._folder / library.folder
        python = folder / "bin" / "python"
        made_for = folder / "made-for.txt"
        wanted = "\n".join([str(self._python), *library.requirements, ""])
        if made_for.exists() and made_for.read_text() == wanted:
            return python
        print(f"installing {library.name}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        make = [str(self._python), "-m", "venv", str(folder)]
        subprocess.run(make, check=True, capture_output=True, timeout=120)
        if library.requirements:
            install = [str(python), "-m", "pip", "install", "-qq", *library.requirements]
            subprocess.run(install, check=True, timeout=300)
        made_for.write_text(wanted)
        return python

    def nodemailer(self) -> Path:
        """Return a folder in which Nodemailer is installed.

        :raises Missing: Node.js or npm is not installed, or cannot install it.
        """
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            raise Missing("Node.js or npm is not installed")
        folder = self._folder / "nodemailer"
        made_for = folder / "made-for.txt"
        if made_for.exists() and made_for.read_text() == _NODEMAILER:
            return folder
        print(f"installing {NODEMAILER}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        install = [npm, "install", "--silent", "--no-audit", "--no-fund", _NODEMAILER]
        try:
            subprocess.run([*install, "--prefix", folder], check=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            raise Missing(f"npm cannot install it: {error}") from error
        made_for.write_text(_NODEMAILER)
        return folder

    def versions(self, library: Library) -> dict[str, str]:
        """Return the versions of what the library stands on."""
        names = [] if library.adapter == "django_api" else ["Flask"]
        command = [str(self.python_of(library)), "-c", _ASK, *names]
        found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        versions: dict[str, str] = json.loads(found.stdout)
        return versions
