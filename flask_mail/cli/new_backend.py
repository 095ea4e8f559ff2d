"""``flask mail new-backend``."""

from __future__ import annotations

import keyword
import re
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

import click

from ..backends import loader
from ..config.built_in import BUILT_IN
from .output import say

_NAME: Final = re.compile(r"[a-z][a-z0-9]{0,29}")
# File to write -> template.
_FILES: Final = {
    "pyproject.toml": "pyproject.txt",
    "README.md": "readme.txt",
    "$module.py": "backend.txt",
    "tests/test_$name.py": "tests.txt",
}


@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path), default=Path(), help="Parent directory.")
def write_backend(name: str, into: Path) -> None:
    """Create a plugin with a backend and its tests.

    The plugin is called flask-mail-NAME, and its backend posts to an HTTP service.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise click.BadParameter(
            "must be one word of lowercase letters and digits, such as pigeon.",
            param_hint="NAME",
        )
    if name in BUILT_IN:
        raise click.BadParameter(
            f'"{name}" is a built-in backend; choose another name.', param_hint="NAME"
        )
    taken = loader.keys_of_others(f"MAIL_{name.upper()}_", name)
    if taken:
        raise click.BadParameter(
            f"its options could clash with the setting {taken[0]} of Flask-Mail; choose another"
            " name.",
            param_hint="NAME",
        )
    words = {
        "name": name,
        "title": name.capitalize(),
        "class": f"{name.capitalize()}Backend",
        "module": f"flask_mail_{name}",
        "distribution": f"flask-mail-{name}",
        "prefix": f"MAIL_{name.upper()}",
    }
    folder = into / words["distribution"]
    try:
        _write(folder, words)
    except OSError as error:
        raise click.ClickException(
            f"{folder} cannot be written: {error.strerror or error}; nothing was written."
        ) from None
    say(f"Created {folder}. Next:")
    say(f"  cd {folder} && python -m pip install -e '.[test]' && python -m pytest")


def _write(folder: Path, words: dict[str, str]) -> None:
    """Write all files, or none."""
    texts = files("flask_mail.cli") / "skeleton"
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-backend-") as temporary:
        made = Path(temporary) / folder.name
        for written, text in _FILES.items():
            path = made / _filled(written, words)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_filled((texts / text).read_text("utf-8"), words), "utf-8")
        if folder.exists():
            raise FileExistsError(None, "it already exists")
        shutil.move(made, folder)


def _filled(text: str, words: dict[str, str]) -> str:
    return _Words(text).substitute(words)


class _Words(Template):
    """Template with variables inside longer names, such as $prefix_URL."""

    idpattern = "name|title|class|module|distribution|prefix"
